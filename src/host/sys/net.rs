//! Datagrams with the kernel's count of those it dropped.

use super::{Errno, check, own, retry};
use crate::addr::Addr;
use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::net::{SocketAddr, SocketAddrV6};
use std::format;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::string::String;

/// `SO_RXQ_OVFL` (linux/include/uapi/asm-generic/socket.h), which the libc crate lacks.
#[cfg(not(any(target_arch = "sparc", target_arch = "sparc64")))]
const SO_RXQ_OVFL: c_int = 40;
#[cfg(any(target_arch = "sparc", target_arch = "sparc64"))]
const SO_RXQ_OVFL: c_int = 0x24;

/// `SO_MEMINFO`, and its word `SK_MEMINFO_DROPS` (linux/include/uapi/linux/sock_diag.h).
#[cfg(not(any(target_arch = "sparc", target_arch = "sparc64")))]
const SO_MEMINFO: c_int = 55;
#[cfg(any(target_arch = "sparc", target_arch = "sparc64"))]
const SO_MEMINFO: c_int = 0x39;
const MEMINFO_DROPS: usize = 8;

/// One datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    /// How much of the buffer it fills.
    pub len: usize,
    /// Whether the buffer was too small for it.
    pub truncated: bool,
    /// The sender, for an Internet socket.
    pub from: Option<Addr>,
    /// How many datagrams this socket has lost since it was made, where the kernel says so.
    pub dropped: Option<u32>,
}

/// Receives one datagram without waiting. [`Errno::AGAIN`] when there is none.
pub fn receive(fd: &impl AsFd, buf: &mut [u8]) -> Result<Datagram, Errno> {
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    // Aligned as `cmsghdr` wants it.
    let mut control = [0u64; 8];
    let mut part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: all zero is a valid msghdr. The pointers set below outlive the call, with their true sizes.
    let mut msg: libc::msghdr = unsafe { core::mem::zeroed() };
    msg.msg_name = name.as_mut_ptr().cast();
    msg.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    msg.msg_iov = &mut part;
    msg.msg_iovlen = 1;
    msg.msg_control = control.as_mut_ptr().cast();
    msg.msg_controllen = size_of_val(&control) as _;
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: as above.
    let len = retry(|| unsafe { libc::recvmsg(raw, &mut msg, libc::MSG_DONTWAIT) })?;
    // SAFETY: the storage was zeroed and is at least as large and as aligned as either address it is read as.
    let from = unsafe {
        match c_int::from((*name.as_ptr()).ss_family) {
            libc::AF_INET => {
                Some(Addr::v4((*name.as_ptr().cast::<libc::sockaddr_in>()).sin_addr.s_addr.to_ne_bytes()))
            }
            libc::AF_INET6 => {
                Some(Addr::v6((*name.as_ptr().cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr))
            }
            _ => None,
        }
    };
    let mut dropped = None;
    // SAFETY: the kernel filled `control` up to `msg_controllen`; CMSG_* stay within it.
    unsafe {
        let mut head = libc::CMSG_FIRSTHDR(&msg);
        while !head.is_null() {
            if (*head).cmsg_level == libc::SOL_SOCKET && (*head).cmsg_type == SO_RXQ_OVFL {
                dropped = Some(core::ptr::read_unaligned(libc::CMSG_DATA(head).cast::<u32>()));
            }
            head = libc::CMSG_NXTHDR(&msg, head);
        }
    }
    Ok(Datagram { len, truncated: msg.msg_flags & libc::MSG_TRUNC != 0, from, dropped })
}

/// A bound socket for IPv6 alone, where `[::]` with IPv4 would be in the way of a socket for IPv4. `kind` is
/// [`libc::SOCK_DGRAM`] or [`libc::SOCK_STREAM`], which then listens.
pub fn v6_only(listen: &SocketAddrV6, kind: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: takes no pointer, and the descriptor is new.
    let socket = unsafe { own(libc::socket(libc::AF_INET6, kind | libc::SOCK_CLOEXEC, 0)) }?;
    set_at(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    set(&socket, libc::SO_REUSEADDR, c_int::from(kind == libc::SOCK_STREAM))?;
    // SAFETY: all zeros is a valid `sockaddr_in6`.
    let mut address: libc::sockaddr_in6 = unsafe { core::mem::zeroed() };
    address.sin6_family = libc::AF_INET6 as libc::sa_family_t;
    address.sin6_port = listen.port().to_be();
    address.sin6_addr.s6_addr = listen.ip().octets();
    address.sin6_scope_id = listen.scope_id();
    let size = size_of_val(&address) as libc::socklen_t;
    // SAFETY: `address` is live and of the size given; listen takes no pointer.
    unsafe {
        check(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size))?;
        if kind == libc::SOCK_STREAM {
            check(libc::listen(socket.as_raw_fd(), 128))?;
        }
    }
    Ok(socket)
}

/// Asks the kernel to count the datagrams it drops on this socket. False where it cannot.
pub fn count_drops(fd: &impl AsFd) -> bool {
    set(fd, SO_RXQ_OVFL, 1).is_ok()
}

/// How many datagrams this socket has lost since it was made; `None` where the kernel does not say (before 4.12).
pub fn drops(fd: &impl AsFd) -> Option<u32> {
    let mut words = [0u32; MEMINFO_DROPS + 1];
    let mut size = size_of_val(&words) as libc::socklen_t;
    let at = (&raw mut words).cast();
    // SAFETY: the kernel writes at most `size` bytes to `words`.
    let got = unsafe {
        libc::getsockopt(fd.as_fd().as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, at, &raw mut size)
    };
    (got == 0 && size as usize == size_of_val(&words)).then(|| words.last().copied())?
}

/// Raises the receive buffer to `bytes`, past the system's limit where this process may.
pub fn receive_buffer(fd: &impl AsFd, bytes: c_int) {
    if set(fd, libc::SO_RCVBUFFORCE, bytes).is_err() {
        // A smaller buffer still works; the losses are counted.
        let _ = set(fd, libc::SO_RCVBUF, bytes);
    }
}

/// The address of a peer.
pub fn addr_of(peer: &SocketAddr) -> Addr {
    match peer {
        SocketAddr::V4(v4) => Addr::v4(v4.ip().octets()),
        SocketAddr::V6(v6) => Addr::v6(v6.ip().octets()),
    }
}

/// An address and a port as text, as `core::net` writes them, which takes another 2 KB for it.
pub fn shown(at: &SocketAddr) -> String {
    let (addr, port) = (addr_of(at).write(), at.port());
    if at.is_ipv4() { format!("{}:{port}", addr.as_str()) } else { format!("[{}]:{port}", addr.as_str()) }
}

fn set(fd: &impl AsFd, option: c_int, value: c_int) -> Result<(), Errno> {
    set_at(fd, libc::SOL_SOCKET, option, value)
}

fn set_at(fd: &impl AsFd, level: c_int, option: c_int, value: c_int) -> Result<(), Errno> {
    let size = size_of::<c_int>() as libc::socklen_t;
    let at = (&raw const value).cast();
    // SAFETY: `value` outlives the call and has `size` bytes.
    check(unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, option, at, size) }).map(drop)
}
