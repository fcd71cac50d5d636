//! Plain reads, and what the standard library would box a path for.

use super::{Errno, retry};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::vec::Vec;

/// Reads at the descriptor's own position. 0 at the end.
pub fn read(fd: &impl AsFd, buf: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes at most `buf.len()` bytes to `buf`.
    retry(|| unsafe { libc::read(fd.as_fd().as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) })
}

/// Appends the first `most` bytes of the file at `path` to `into`, and after an error what came before it. (The standard
/// library's ways to read files whole are each a kilobyte of a router's binary.)
pub fn append(path: &Path, most: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut chunk = [0; 4096];
    let end = into.len().saturating_add(most);
    while into.len() < end {
        let room = chunk.len().min(end - into.len());
        match file.read(&mut chunk[..room]) {
            Ok(0) => break,
            Ok(n) => into.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// `path` for a system call; a path with a NUL names nothing.
pub fn c_path(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::NOENT)
}
