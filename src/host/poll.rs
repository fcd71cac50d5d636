//! The one event loop: level-triggered readiness of any descriptor, named by a [`Token`].
//!
//! One thread waits in [`Poller::wait`] and does a bounded amount of work for each [`Event`]. What is left is reported
//! again by the next wait, so no descriptor can starve another. An event may be stale, since an earlier event of the same
//! wait may have closed its descriptor; so handlers must read without blocking and may find nothing.

use super::sys::Errno;
pub use super::sys::epoll::Interest;
use super::sys::epoll::{Epoll, Ready};
use core::ffi::c_int;
use std::os::fd::AsFd;

/// Names a descriptor: whose it is, which of the owner's, and which part of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// Who serves it. 0 is [`super::source::Sources`]; the daemon numbers its own from 1.
    pub owner: u8,
    /// Which of the owner's.
    pub index: u16,
    /// Which part of that.
    pub part: u32,
}

impl Token {
    /// A token.
    pub const fn new(owner: u8, index: u16, part: u32) -> Self {
        Self { owner, index, part }
    }

    const fn pack(self) -> u64 {
        (self.owner as u64) << 48 | (self.index as u64) << 32 | self.part as u64
    }

    const fn unpack(n: u64) -> Self {
        Self { owner: (n >> 48) as u8, index: (n >> 32) as u16, part: n as u32 }
    }
}

/// What happened to a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which.
    pub token: Token,
    /// There is input, or the end of it.
    pub readable: bool,
    /// There is room for output.
    pub writable: bool,
    /// The other side is gone, or the descriptor has an error; input may still be left.
    pub hangup: bool,
}

/// The events of one wait.
#[derive(Debug)]
pub struct Events {
    list: [Ready; Epoll::BATCH],
    at: usize,
    len: usize,
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let ready = self.list.get(self.at).filter(|_| self.at < self.len)?;
        self.at += 1;
        let has = |bit: c_int| ready.bits & bit as u32 != 0;
        Some(Event {
            token: Token::unpack(ready.data),
            readable: has(libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR),
            writable: has(libc::EPOLLOUT | libc::EPOLLERR),
            hangup: has(libc::EPOLLHUP | libc::EPOLLERR),
        })
    }
}

/// Waits for descriptors to become ready.
#[derive(Debug)]
pub struct Poller(Epoll);

impl Poller {
    /// A poller that watches nothing yet.
    pub fn new() -> Result<Self, Errno> {
        Epoll::new().map(Self)
    }

    /// Watches `fd`. [`Errno::PERM`] for a regular file: it is always ready.
    pub fn add(&self, fd: &impl AsFd, token: Token, interest: Interest) -> Result<(), Errno> {
        self.0.add(fd.as_fd(), token.pack(), interest)
    }

    /// Watches `fd` for something else from now on.
    pub fn modify(&self, fd: &impl AsFd, token: Token, interest: Interest) -> Result<(), Errno> {
        self.0.modify(fd.as_fd(), token.pack(), interest)
    }

    /// Stops watching `fd`. Closing a descriptor does the same.
    pub fn remove(&self, fd: &impl AsFd) -> Result<(), Errno> {
        self.0.remove(fd.as_fd())
    }

    /// Waits until something is ready, but at most `timeout` milliseconds; `None` waits without end. Returns no
    /// events when the time is over or a signal came.
    pub fn wait(&self, timeout: Option<u32>) -> Result<Events, Errno> {
        let timeout = timeout.map_or(-1, |ms| c_int::try_from(ms).unwrap_or(c_int::MAX));
        let mut events = Events { list: [Ready::default(); Epoll::BATCH], at: 0, len: 0 };
        events.len = self.0.wait(&mut events.list, timeout)?;
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn tokens_survive_the_kernel() {
        for token in [Token::new(0, 0, 0), Token::new(255, 65_535, u32::MAX), Token::new(1, 2, 3)] {
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }

    #[test]
    fn what_is_left_over_is_reported_again() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let (poller, token) = (Poller::new().unwrap(), Token::new(7, 8, 9));
        poller.add(&ours, token, Interest::Read).unwrap();
        assert_eq!(poller.wait(Some(0)).unwrap().count(), 0);
        theirs.write_all(b"ab").unwrap();
        for _ in 0..2 {
            let all: std::vec::Vec<_> = poller.wait(None).unwrap().collect();
            assert_eq!(all, [Event { token, readable: true, writable: false, hangup: false }]);
            ours.read_exact(&mut [0]).unwrap();
        }
        assert_eq!(poller.wait(Some(0)).unwrap().count(), 0);
        poller.modify(&ours, token, Interest::ReadWrite).unwrap();
        assert!(poller.wait(None).unwrap().all(|e| e.writable && !e.readable));
        drop(theirs);
        assert!(poller.wait(None).unwrap().all(|e| e.hangup && e.readable));
        poller.remove(&ours).unwrap();
        assert_eq!(poller.wait(Some(3)).unwrap().count(), 0);
    }
}
