//! The three standard streams without std's locks and line buffers, which the one thread here does not need and
//! which are some 15 KB of a router's binary.

use super::{Errno, check, retry};
use core::ffi::c_int;
use core::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};

/// One of the standard streams, unbuffered.
#[derive(Clone, Copy, Debug)]
pub struct Stdio(c_int);

impl Stdio {
    /// Standard input.
    pub const IN: Self = Self(libc::STDIN_FILENO);
    /// Standard output.
    pub const OUT: Self = Self(libc::STDOUT_FILENO);
    /// Standard error.
    pub const ERR: Self = Self(libc::STDERR_FILENO);

    /// Whether a person reads or writes there.
    pub fn is_terminal(self) -> bool {
        // SAFETY: isatty takes any number.
        unsafe { libc::isatty(self.0) == 1 }
    }

    /// Device and inode of what it leads to.
    pub fn identity(self) -> Result<(u64, u64), Errno> {
        // SAFETY: all zeros is a valid `stat`, and fstat takes any number and fills in no more than one.
        let stat = unsafe {
            let mut stat: libc::stat = core::mem::zeroed();
            check(libc::fstat(self.0, &raw mut stat))?;
            stat
        };
        #[allow(clippy::unnecessary_cast, reason = "32 bits wide on some targets")]
        Ok((stat.st_dev as u64, stat.st_ino as u64))
    }

    /// A descriptor of one's own for the same stream.
    pub fn duplicate(self) -> Result<OwnedFd, Errno> {
        // SAFETY: fcntl takes any number and says EBADF of one that is not open.
        check(unsafe { libc::fcntl(self.0, libc::F_GETFD) })?;
        // SAFETY: it is open, and nothing in this process closes a standard stream.
        unsafe { BorrowedFd::borrow_raw(self.0) }.try_clone_to_owned().map_err(Into::into)
    }
}

impl Read for Stdio {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // SAFETY: `buf` is writable for its whole length.
        let read = retry(|| unsafe { libc::read(self.0, buf.as_mut_ptr().cast(), buf.len()) });
        read.map_err(|e| io::Error::from_raw_os_error(e.0))
    }
}

impl Write for Stdio {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // SAFETY: `buf` is readable for its whole length.
        match retry(|| unsafe { libc::write(self.0, buf.as_ptr().cast(), buf.len()) }) {
            // Who starts a program with its output closed does not want it.
            Err(Errno(libc::EBADF)) => Ok(buf.len()),
            written => written.map_err(|e| io::Error::from_raw_os_error(e.0)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line to standard error in one piece, so that lines of several processes do not mix. Where nobody reads,
/// nobody misses it.
pub fn say(text: fmt::Arguments<'_>) {
    let mut err = Stdio::ERR;
    let _ = err.write_all(std::format!("{text}\n").as_bytes());
}
