//! Signals as events: `signalfd(2)`.

use super::{Errno, own, retry};
use core::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What the daemon is told by signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGTERM` or `SIGINT`.
    Stop,
    /// `SIGHUP`.
    Reload,
    /// `SIGCHLD`: at least one child has ended.
    Child,
}

const WATCHED: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD];

const IGNORED: [i32; 3] = [libc::SIGPIPE, libc::SIGUSR1, libc::SIGUSR2];

/// A signal descriptor.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks the signals of [`Signal`] for the calling thread (start it before any other thread) and ignores
    /// `SIGPIPE`, and `SIGUSR1` and `SIGUSR2`, which log rotation sends to daemons that would reopen their logs.
    /// [`super::spawn`] gives children the default for each.
    pub fn new() -> Result<Self, Errno> {
        let set = set_of(&WATCHED);
        // SAFETY: `set` is initialised; SIG_IGN is a valid disposition; the descriptor is new.
        unsafe {
            for ignored in IGNORED {
                libc::signal(ignored, libc::SIG_IGN);
            }
            match libc::pthread_sigmask(libc::SIG_BLOCK, &set, core::ptr::null_mut()) {
                0 => own(libc::signalfd(-1, &set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC)).map(Self),
                e => Err(Errno(e)),
            }
        }
    }

    /// The next signal, `None` when none waits.
    pub fn read(&self) -> Result<Option<Signal>, Errno> {
        loop {
            let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
            let size = size_of::<libc::signalfd_siginfo>();
            // SAFETY: the kernel writes whole `signalfd_siginfo` and at most `size` bytes.
            match retry(|| unsafe { libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), size) }) {
                Ok(n) if n == size => {}
                Ok(_) => return Err(Errno(libc::EIO)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(e) => return Err(e),
            }
            // SAFETY: the read was whole.
            match unsafe { info.assume_init() }.ssi_signo as i32 {
                libc::SIGTERM | libc::SIGINT => return Ok(Some(Signal::Stop)),
                libc::SIGHUP => return Ok(Some(Signal::Reload)),
                libc::SIGCHLD => return Ok(Some(Signal::Child)),
                _ => {}
            }
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The set of `signals`.
pub(super) fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set; sigaddset refuses numbers that are none.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// Every signal that [`SignalFd::new`] blocks or ignores.
pub(super) fn touched() -> libc::sigset_t {
    let mut set = set_of(&WATCHED);
    for ignored in IGNORED {
        // SAFETY: `set` is initialised.
        unsafe { libc::sigaddset(&mut set, ignored) };
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_become_events() {
        let fd = SignalFd::new().unwrap();
        // Children of other tests end while this one blocks the signal, which is then this one's to read.
        let next =
            || core::iter::repeat_with(|| fd.read().unwrap()).find(|event| *event != Some(Signal::Child));
        assert_eq!(next(), Some(None));
        for (number, event) in
            [(libc::SIGTERM, Signal::Stop), (libc::SIGINT, Signal::Stop), (libc::SIGHUP, Signal::Reload)]
        {
            // SAFETY: this thread alone is the target, and it blocks the signal.
            unsafe { libc::pthread_kill(libc::pthread_self(), number) };
            assert_eq!(next(), Some(Some(event)));
        }
        assert_eq!(next(), Some(None));
    }
}
