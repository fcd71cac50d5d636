//! One edgeban a network namespace tells the kernel: two would each take the other's table for damage, for ever.
//!
//! The mark is an abstract Unix socket, which belongs to the namespace as the table does and goes with its process
//! however that ends. Anyone may take the name, so that only a holder who could have made the table is believed.

use super::sys::{Errno, check, own};
use core::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};

/// The name, behind the NUL that makes it abstract.
const NAME: &[u8] = b"\0edgeban/nftables";

/// Held as long as this process tells the kernel.
#[derive(Debug)]
pub(super) struct Sole {
    _socket: OwnedFd,
}

/// Why the mark is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// By this process, which may change the firewall as we may.
    By(i32),
    /// By somebody who may not, or nobody can say by whom.
    Doubtful(Errno),
}

impl Sole {
    /// Takes the mark.
    pub(super) fn take() -> Result<Self, Taken> {
        let socket = socket().map_err(Taken::Doubtful)?;
        let (address, len) = address();
        let at = (&raw const address).cast::<libc::sockaddr>();
        // SAFETY: `address` is live and at least `len` long; listen takes no pointer.
        let taken = unsafe {
            check(libc::bind(socket.as_raw_fd(), at, len))
                .and_then(|_| check(libc::listen(socket.as_raw_fd(), 8)))
        };
        match taken {
            Ok(_) => Ok(Self { _socket: socket }),
            Err(Errno(libc::EADDRINUSE)) => Err(holder().map_or_else(Taken::Doubtful, Taken::By)),
            Err(e) => Err(Taken::Doubtful(e)),
        }
    }
}

/// The process that holds the mark, if it is root's or of our own user.
fn holder() -> Result<i32, Errno> {
    let socket = socket()?;
    let (address, len) = address();
    // SAFETY: all zeros is a valid `ucred`.
    let mut peer: libc::ucred = unsafe { core::mem::zeroed() };
    let mut size = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: every pointer is to live memory of the size given. The kernel says who listens, not the listener.
    let us = unsafe {
        check(libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len))?;
        let value = (&raw mut peer).cast();
        let raw = socket.as_raw_fd();
        check(libc::getsockopt(raw, libc::SOL_SOCKET, libc::SO_PEERCRED, value, &raw mut size))?;
        libc::geteuid()
    };
    if peer.uid == 0 || peer.uid == us { Ok(peer.pid) } else { Err(Errno(libc::EADDRINUSE)) }
}

/// Neither waits nor is inherited.
fn socket() -> Result<OwnedFd, Errno> {
    let kind: c_int = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: takes no pointer, and the descriptor is new.
    unsafe { own(libc::socket(libc::AF_UNIX, kind, 0)) }
}

fn address() -> (libc::sockaddr_un, libc::socklen_t) {
    // SAFETY: all zeros is a valid `sockaddr_un`.
    let mut address: libc::sockaddr_un = unsafe { core::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(NAME) {
        *to = *from as libc::c_char;
    }
    let len = core::mem::offset_of!(libc::sockaddr_un, sun_path) + NAME.len();
    (address, len as libc::socklen_t)
}
