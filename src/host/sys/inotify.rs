//! `inotify(7)`.

use super::{Errno, check, own, retry};
use core::ffi::CStr;
use core::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A watch. The kernel never hands out the same number twice in one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch(pub c_int);

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The watch; −1 for [`libc::IN_Q_OVERFLOW`].
    pub watch: Watch,
    /// `IN_*` bits.
    pub mask: u32,
    /// Pairs `IN_MOVED_FROM` with `IN_MOVED_TO`.
    pub cookie: u32,
    /// The name within a watched directory; empty for the watched thing itself.
    pub name: &'a [u8],
}

/// An inotify instance.
#[derive(Debug)]
pub struct Inotify(OwnedFd);

impl Inotify {
    /// A new instance. [`libc::EMFILE`] beyond `fs.inotify.max_user_instances`.
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: takes no pointer, and the descriptor is new.
        unsafe { own(libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC)) }.map(Self)
    }

    /// Watches what `path` names. A thing that is watched already keeps its watch and gets the new `mask`.
    pub fn watch(&self, path: &CStr, mask: u32) -> Result<Watch, Errno> {
        // SAFETY: `path` ends in NUL and outlives the call.
        check(unsafe { libc::inotify_add_watch(self.0.as_raw_fd(), path.as_ptr(), mask) }).map(Watch)
    }

    /// Ends a watch. One that the kernel has ended already is no error.
    pub fn unwatch(&self, watch: Watch) {
        // SAFETY: takes no pointer.
        unsafe { libc::inotify_rm_watch(self.0.as_raw_fd(), watch.0) };
    }

    /// Reads what fits `buf` and calls `each` for every event, in the kernel's order. False when none was queued.
    pub fn read(&self, buf: &mut [u8], mut each: impl FnMut(Event<'_>)) -> Result<bool, Errno> {
        // SAFETY: the kernel writes at most `buf.len()` bytes to `buf`.
        let n =
            match retry(|| unsafe { libc::read(self.0.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) }) {
                Ok(n) => n,
                Err(Errno::AGAIN) => return Ok(false),
                Err(e) => return Err(e),
            };
        let mut rest = buf.get(..n).unwrap_or(&[]);
        while let Some((event, after)) = split(rest) {
            each(event);
            rest = after;
        }
        Ok(n > 0)
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The first `struct inotify_event` of `bytes`: wd, mask, cookie, len, then `len` bytes of NUL-padded name.
fn split(bytes: &[u8]) -> Option<(Event<'_>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<16>()?;
    let word = |i: usize| head.get(i..i + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let (watch, mask, cookie, len) = (word(0)?, word(4)?, word(8)?, word(12)?);
    let (name, rest) = rest.split_at_checked(len as usize)?;
    let name = name.split(|&b| b == 0).next().unwrap_or(&[]);
    Some((Event { watch: Watch(watch as c_int), mask, cookie, name }, rest))
}
