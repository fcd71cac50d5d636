//! Thin safe wrappers over `libc`: what the host needs of Linux and the standard library does not offer.
//!
//! A wrapper owns its descriptor, closes it when dropped, opens it with `CLOEXEC`, never blocks, and turns a
//! failed call into an [`Errno`]. `EINTR` is retried here and seen nowhere else. The rest of `unsafe` is beside it
//! in `src/host/`, each use with its reason.

pub mod epoll;
pub mod file;
pub mod inotify;
pub mod limit;
pub mod net;
pub mod signal;
pub mod spawn;
pub mod stdio;

use core::ffi::c_int;
use core::fmt;
use std::os::fd::{FromRawFd, OwnedFd};

/// An error number of the kernel (`errno(3)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub c_int);

impl Errno {
    /// A call that would block.
    pub const AGAIN: Self = Self(libc::EAGAIN);
    /// No such file or directory.
    pub const NOENT: Self = Self(libc::ENOENT);
    /// Permission denied.
    pub const ACCES: Self = Self(libc::EACCES);
    /// The operation is not permitted.
    pub const PERM: Self = Self(libc::EPERM);
    /// Not a directory.
    pub const NOTDIR: Self = Self(libc::ENOTDIR);
    /// An argument that the kernel refuses.
    pub const INVAL: Self = Self(libc::EINVAL);

    /// What the last failed call of this thread left in `errno`.
    pub fn last() -> Self {
        Self::from(std::io::Error::last_os_error())
    }
}

impl From<std::io::Error> for Errno {
    fn from(e: std::io::Error) -> Self {
        Self(e.raw_os_error().unwrap_or(if e.kind() == std::io::ErrorKind::WouldBlock {
            libc::EAGAIN
        } else {
            libc::EIO
        }))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

/// What is wrong, in words: the error inside an [`std::io::Error`].
///
/// A string in its place becomes one of std's errors, whose `Debug` brings Unicode's tables.
#[derive(Debug)]
struct Words(&'static str);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for Words {}

/// An error of this kind that says `words`.
pub(crate) fn refusal(kind: std::io::ErrorKind, words: &'static str) -> std::io::Error {
    std::io::Error::new(kind, Words(words))
}

/// The result of `call`, repeated while a signal interrupts it.
pub(crate) fn retry(mut call: impl FnMut() -> isize) -> Result<usize, Errno> {
    loop {
        match usize::try_from(call()) {
            Ok(n) => return Ok(n),
            Err(_) => match Errno::last() {
                Errno(libc::EINTR) => {}
                other => return Err(other),
            },
        }
    }
}

/// A result of 0 or more, or the error in `errno`.
pub(crate) fn check(result: c_int) -> Result<c_int, Errno> {
    if result < 0 { Err(Errno::last()) } else { Ok(result) }
}

/// Takes over the descriptor that a call made.
///
/// # Safety
/// `result` is negative, or a descriptor that nothing else owns.
pub(crate) unsafe fn own(result: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: open and ours by the caller's promise.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}
