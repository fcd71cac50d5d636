//! `timerfd_create(2)` on the monotonic clock.

use super::{Errno, check, own, retry};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A timer that becomes readable when it expires.
#[derive(Debug)]
pub struct TimerFd(OwnedFd);

impl TimerFd {
    /// A new timer, not set.
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: takes no pointer, and the descriptor is new.
        let fd = unsafe {
            own(libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC))
        };
        fd.map(Self)
    }

    /// Expires once after `first` milliseconds, then every `period`; zero means at once and never.
    pub fn set(&self, first: u64, period: u64) -> Result<(), Errno> {
        let mut spec = zeroed();
        // A value of zero would stop the timer instead.
        spec.it_value = timespec(first.max(1));
        spec.it_interval = timespec(period);
        self.apply(&spec)
    }

    /// Stops the timer.
    pub fn stop(&self) -> Result<(), Errno> {
        self.apply(&zeroed())
    }

    fn apply(&self, spec: &libc::itimerspec) -> Result<(), Errno> {
        // SAFETY: `spec` outlives the call; a null old value is allowed.
        check(unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, spec, core::ptr::null_mut()) })
            .map(drop)
    }

    /// How often the timer expired since the last read; 0 if not at all.
    pub fn read(&self) -> Result<u64, Errno> {
        let mut count = [0u8; 8];
        // SAFETY: the kernel writes eight bytes.
        match retry(|| unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), 8) }) {
            Ok(_) => Ok(u64::from_ne_bytes(count)),
            Err(Errno::AGAIN) => Ok(0),
            Err(e) => Err(e),
        }
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn zeroed() -> libc::itimerspec {
    // SAFETY: integers only; and big-endian musl has padding that no literal can name.
    unsafe { core::mem::zeroed() }
}

fn timespec(ms: u64) -> libc::timespec {
    // SAFETY: as above.
    let mut t: libc::timespec = unsafe { core::mem::zeroed() };
    t.tv_sec = libc::time_t::try_from(ms / 1000).unwrap_or(libc::time_t::MAX);
    t.tv_nsec = (ms % 1000 * 1_000_000) as _;
    t
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::poll::{Interest, Poller, Token};

    #[test]
    fn a_timer_expires_after_less_than_a_second() {
        let (timer, poller) = (TimerFd::new().unwrap(), Poller::new().unwrap());
        poller.add(&timer, Token::new(9, 0, 0), Interest::Read).unwrap();
        assert_eq!(timer.read().unwrap(), 0);
        timer.set(5, 0).unwrap();
        assert_eq!(poller.wait(Some(60_000)).unwrap().count(), 1);
        assert_eq!(timer.read().unwrap(), 1);
        timer.set(60_000, 0).unwrap();
        timer.stop().unwrap();
        assert_eq!(timer.read().unwrap(), 0);
    }
}
