//! How many descriptors this process may have open.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};
use std::os::fd::{AsFd, AsRawFd};

/// Descriptors that are kept for files, the control socket and looks at the system, whatever comes over the network.
const RESERVE: c_int = 64;

/// The first descriptor of the reserve.
static RESERVED: AtomicI32 = AtomicI32::new(c_int::MAX);

/// Lets this process have as many descriptors as it may at all. Where the limit is low, half of them are the reserve.
pub fn raise() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads and writes one live struct.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return;
        }
        let soft = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        // musl's setrlimit stops every thread there may be, which is two kilobytes of a router's binary.
        if libc::prlimit(0, libc::RLIMIT_NOFILE, &limit, core::ptr::null_mut()) != 0 {
            limit.rlim_cur = soft;
        }
    }
    let most = c_int::try_from(limit.rlim_cur).unwrap_or(c_int::MAX);
    RESERVED.store(most - RESERVE.min(most / 2), Ordering::Relaxed);
}

/// Whether a new descriptor is one of the reserve: the kernel gives the lowest that is free.
pub fn is_reserved(fd: &impl AsFd) -> bool {
    fd.as_fd().as_raw_fd() >= RESERVED.load(Ordering::Relaxed)
}
