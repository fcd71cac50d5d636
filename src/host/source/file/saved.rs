//! How far a file was read, in a form that survives a restart.

use super::tail::Id;
use crate::sip::Key;
use std::format;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::vec::Vec;

/// The bytes at a file's start and before the offset that are hashed.
const PRINT: u64 = 256;

/// A place in a file, and what tells this file from another that got its inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Device and inode.
    pub id: Id,
    /// After the last whole line that was read.
    pub offset: u64,
    /// Hash of the first bytes and of those before the offset.
    pub print: u64,
}

impl Saved {
    pub(super) fn of(file: &File, id: Id, offset: u64) -> Option<Self> {
        Some(Self { id, offset, print: fingerprint(file, offset)? })
    }

    /// Whether `file` is the one that was saved and still has all that was read.
    pub(super) fn matches(&self, file: &File, id: Id) -> bool {
        self.id == id && fingerprint(file, self.offset) == Some(self.print)
    }

    /// One line of the state file: `dev ino offset print path`, numbers in decimal, the print in hex. None for a path
    /// that a line cannot hold.
    pub(crate) fn write(&self, path: &Path, out: &mut Vec<u8>) {
        let path = path.as_os_str().as_bytes();
        if !path.contains(&b'\n') {
            let Self { id, offset, print } = self;
            out.extend_from_slice(format!("{} {} {offset} {print:x} ", id.dev, id.ino).as_bytes());
            out.extend_from_slice(path);
            out.push(b'\n');
        }
    }

    /// The reverse of [`Saved::write`]; a line that is none is skipped by the caller.
    pub(crate) fn read(line: &[u8]) -> Option<(PathBuf, Self)> {
        let mut words = line.splitn(5, |&b| b == b' ');
        let mut number = |radix| u64::from_str_radix(core::str::from_utf8(words.next()?).ok()?, radix).ok();
        let id = Id { dev: number(10)?, ino: number(10)? };
        let saved = Self { id, offset: number(10)?, print: number(16)? };
        let path = std::ffi::OsString::from_vec(words.next()?.to_vec());
        Some((path.into(), saved))
    }
}

/// `None` if the file does not reach to `offset`.
fn fingerprint(file: &File, offset: u64) -> Option<u64> {
    let len = offset.min(PRINT);
    let mut bytes = [0u8; 2 * PRINT as usize];
    let bytes = bytes.get_mut(..2 * len as usize)?;
    let (first, last) = bytes.split_at_mut(len as usize);
    file.read_exact_at(first, 0).ok()?;
    file.read_exact_at(last, offset - len).ok()?;
    Some(Key::new([0, 0]).of(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            dev: u64, ino: u64, offset: u64, print: u64, path in "/[^\n\0]{0,40}"
        ) {
            let saved = Saved { id: Id { dev, ino }, offset, print };
            let mut line = Vec::new();
            saved.write(Path::new(&path), &mut line);
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert_eq!(Saved::read(&line), Some((PathBuf::from(path), saved)));
        }

        #[test]
        fn any_line_is_read_or_refused(line: Vec<u8>) {
            Saved::read(&line);
        }
    }
}
