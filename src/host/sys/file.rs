//! Plain reads, and what the standard library would box a path for.

use super::{Errno, retry};
use core::ffi::c_int;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::vec::Vec;

/// Reads at the descriptor's own position. 0 at the end.
pub fn read(fd: &impl AsFd, buf: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes at most `buf.len()` bytes to `buf`.
    retry(|| unsafe { libc::read(fd.as_fd().as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) })
}

/// Opens `path` with the flags of open(2); a file that this makes is for the umask to narrow. (The standard library's
/// way can fail with a text of its own, whose `Debug` brings Unicode's tables: 4 KB of a router's binary.)
pub fn open(path: &Path, flags: c_int) -> io::Result<File> {
    let open = || {
        let path = c_path(path)?;
        let flags = flags | libc::O_CLOEXEC | libc::O_LARGEFILE;
        // SAFETY: `path` ends with a NUL and outlives the call; 0o666 is the mode that O_CREAT takes.
        retry(|| unsafe { libc::open(path.as_ptr(), flags, 0o666) } as isize)
    };
    let fd = open().map_err(|Errno(code)| io::Error::from_raw_os_error(code))?;
    // SAFETY: the kernel has just opened it, and nothing else has it.
    Ok(unsafe { File::from_raw_fd(fd as c_int) })
}

/// Appends the first `most` bytes of the file at `path` to `into`, and after an error what came before it. (The standard
/// library's ways to read files whole are each a kilobyte of a router's binary.)
pub fn append(path: &Path, most: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let mut file = open(path, libc::O_RDONLY)?;
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
