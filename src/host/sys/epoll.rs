//! `epoll(7)`, level triggered.

use super::{Errno, check, own};
use core::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// What a descriptor is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nothing but errors and hang-up.
    None,
    /// Input.
    Read,
    /// Room for output.
    Write,
    /// Both.
    ReadWrite,
}

impl Interest {
    const fn bits(self) -> u32 {
        (match self {
            Self::None => 0,
            Self::Read => libc::EPOLLIN | libc::EPOLLRDHUP,
            Self::Write => libc::EPOLLOUT,
            Self::ReadWrite => libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLOUT,
        }) as u32
    }
}

/// One ready descriptor: the number it was added with and the kernel's `EPOLL*` bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// What [`Epoll::add`] was given.
    pub data: u64,
    /// `EPOLLIN` and so on.
    pub bits: u32,
}

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

impl Epoll {
    /// The most events one [`Epoll::wait`] returns; the rest come with the next.
    pub const BATCH: usize = 32;

    /// A new instance.
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: takes no pointer, and the descriptor is new.
        unsafe { own(libc::epoll_create1(libc::EPOLL_CLOEXEC)) }.map(Self)
    }

    /// Watches `fd`. [`Errno::PERM`] for a regular file, which is always ready.
    pub fn add(&self, fd: BorrowedFd<'_>, data: u64, interest: Interest) -> Result<(), Errno> {
        self.control(libc::EPOLL_CTL_ADD, fd, data, interest)
    }

    /// Changes what a watched descriptor is watched for.
    pub fn modify(&self, fd: BorrowedFd<'_>, data: u64, interest: Interest) -> Result<(), Errno> {
        self.control(libc::EPOLL_CTL_MOD, fd, data, interest)
    }

    /// Stops watching. Closing a descriptor that has no duplicate does the same.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest::None)
    }

    fn control(&self, op: c_int, fd: BorrowedFd<'_>, data: u64, interest: Interest) -> Result<(), Errno> {
        let mut event = libc::epoll_event { events: interest.bits(), u64: data };
        // SAFETY: both descriptors are open, and the kernel only reads `event` during the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd.as_raw_fd(), &mut event) }).map(drop)
    }

    /// Waits at most `timeout` milliseconds, for ever if negative, and fills `out` from the start. A signal ends
    /// the wait with no event.
    pub fn wait(&self, out: &mut [Ready; Self::BATCH], timeout: c_int) -> Result<usize, Errno> {
        let mut raw = [libc::epoll_event { events: 0, u64: 0 }; Self::BATCH];
        // SAFETY: `raw` has room for `BATCH` events.
        let n = unsafe {
            libc::epoll_wait(self.0.as_raw_fd(), raw.as_mut_ptr(), Self::BATCH as c_int, timeout)
        };
        let n = match check(n) {
            Ok(n) => n as usize,
            Err(Errno(libc::EINTR)) => 0,
            Err(e) => return Err(e),
        };
        for (slot, event) in out.iter_mut().zip(raw.iter().take(n)) {
            *slot = Ready { data: event.u64, bits: event.events };
        }
        Ok(n)
    }
}
