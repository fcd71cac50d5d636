//! Only one edgeban per network namespace may have the table: two would each take the other's changes for damage, for ever.
//!
//! The mark is a listening abstract Unix socket. Like the table it belongs to the network namespace, and it ends with its
//! process, however that ends. Anyone may take the name, so a holder is believed only if it could have made the table.
//!
//! Another edgeban connects to the mark and asks the kernel who listens. The kernel keeps up to [`KNOCKS`] such connections,
//! which [`Sole::let_in`] clears; while there is no room for more, nobody can find out who holds the mark.

use super::sys::{Errno, check, own};
use core::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};

/// The name, behind the NUL that makes it abstract.
const NAME: &[u8] = b"\0edgeban/nftables";
/// How many may connect before the next [`Sole::let_in`]; the kernel may keep fewer (`net.core.somaxconn`).
const KNOCKS: c_int = 4096;

/// The mark, held for as long as this lives.
#[derive(Debug)]
pub(super) struct Sole {
    socket: OwnedFd,
}

/// Why the mark is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// This process holds it, and may change the firewall.
    By(i32),
    /// Somebody holds it who may not change the firewall, or it cannot be found out who.
    Doubtful(Errno),
}

impl Sole {
    /// Takes the mark.
    pub(super) fn take() -> Result<Self, Taken> {
        Self::named(NAME)
    }

    fn named(name: &[u8]) -> Result<Self, Taken> {
        let socket = socket().map_err(Taken::Doubtful)?;
        let (address, len) = address(name);
        let at = (&raw const address).cast::<libc::sockaddr>();
        // SAFETY: `address` is live and at least `len` long; listen takes no pointer.
        let taken = unsafe {
            check(libc::bind(socket.as_raw_fd(), at, len))
                .and_then(|_| check(libc::listen(socket.as_raw_fd(), KNOCKS)))
        };
        match taken {
            Ok(_) => Ok(Self { socket }),
            Err(Errno(libc::EADDRINUSE)) => Err(holder(name).map_or_else(Taken::Doubtful, Taken::By)),
            Err(e) => Err(Taken::Doubtful(e)),
        }
    }

    /// Closes the connections of those who asked, who know by then. To be called now and then.
    pub(super) fn let_in(&self) {
        let (nobody, flags) = (core::ptr::null_mut(), libc::SOCK_CLOEXEC);
        for _ in 0..KNOCKS {
            // SAFETY: accept4 is told no address here, and the descriptor is new.
            let one = unsafe { own(libc::accept4(self.socket.as_raw_fd(), nobody, nobody.cast(), flags)) };
            if one.is_err() {
                return;
            }
        }
    }
}

/// The process that holds the mark, if it is root's or of our own user.
fn holder(name: &[u8]) -> Result<i32, Errno> {
    let socket = socket()?;
    let (address, len) = address(name);
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

/// A socket that does not block and is not inherited.
fn socket() -> Result<OwnedFd, Errno> {
    let kind: c_int = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: takes no pointer, and the descriptor is new.
    unsafe { own(libc::socket(libc::AF_UNIX, kind, 0)) }
}

fn address(name: &[u8]) -> (libc::sockaddr_un, libc::socklen_t) {
    // SAFETY: all zeros is a valid `sockaddr_un`.
    let mut address: libc::sockaddr_un = unsafe { core::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(name) {
        *to = *from as libc::c_char;
    }
    let len = core::mem::offset_of!(libc::sockaddr_un, sun_path) + name.len();
    (address, len as libc::socklen_t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_knocked_do_not_fill_the_mark() {
        let name = std::format!("\0edgeban/test/{}", std::process::id());
        let take = || Sole::named(name.as_bytes()).expect_err("taken");
        let sole = Sole::named(name.as_bytes()).expect("free");
        let full = Taken::Doubtful(Errno::AGAIN);
        let us = Taken::By(std::process::id() as i32);
        assert!((0..100).all(|_| take() == us));
        assert!((0..KNOCKS).any(|_| take() == full), "nobody else is kept");
        sole.let_in();
        assert_eq!(take(), us);
        drop(sole);
        assert!(Sole::named(name.as_bytes()).is_ok());
    }
}
