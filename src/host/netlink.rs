//! Netlink sockets: to ask nf_tables, to ask for routes, to hear of ruleset changes, and to hear of changes of addresses and
//! routes.
//!
//! A socket belongs to the network namespace of the thread that opens it. The kernel handles a request within `send`, so
//! its answers can be read when that returns, and nothing here waits.

use core::ffi::{c_int, c_void};
use core::mem::size_of;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// NFNLGRP_NFTABLES of linux/netfilter/nfnetlink.h.
const GROUP_NFTABLES: c_int = 7;

/// Bytes of announcements that the kernel may hold for us: reloading a firewall announces some hundred rules.
const NEWS: c_int = 1 << 20;

/// A netlink socket.
pub(super) struct Socket(OwnedFd);

/// What a read found.
pub(super) enum Read {
    /// So many bytes of the buffer.
    Bytes(usize),
    /// Nothing waits.
    Empty,
    /// The kernel had to drop messages.
    Lost,
}

impl Socket {
    /// To ask on. `send_buffer` is the longest datagram to be sent.
    pub(super) fn ask(send_buffer: usize) -> io::Result<Self> {
        let socket = Self::open(libc::NETLINK_NETFILTER)?;
        // Error answers carry the refused message's header, not all of it.
        socket.set(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, &1)?;
        let size = c_int::try_from(send_buffer.saturating_add(4096)).unwrap_or(c_int::MAX);
        socket
            .set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &size)
            .or_else(|_| socket.set(libc::SOL_SOCKET, libc::SO_SNDBUF, &size))?;
        Ok(socket)
    }

    /// To hear what others do to the ruleset: each table, set, rule and element that a change touches, and then that it is
    /// done. A filter in the kernel leaves out what the socket `own` did. Needs CAP_NET_ADMIN.
    pub(super) fn hear(own: &Self) -> io::Result<Self> {
        let socket = Self::open(libc::NETLINK_NETFILTER)?;
        // BPF reads big-endian; nlmsg_pid (at 12), the port of who asked for the change, is in the machine's order.
        let own = u32::from_be_bytes(own.port()?.to_ne_bytes());
        let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
        let mut steps = [
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 12),
            step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, own),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        ];
        let filter = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
        socket.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)?;
        // A smaller buffer works too: where announcements are lost the table is made anew.
        let _ = socket.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &NEWS);
        socket.set(libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, &GROUP_NFTABLES)?;
        Ok(socket)
    }

    /// To ask about routes. Needs no right.
    pub(super) fn route() -> io::Result<Self> {
        Self::open(libc::NETLINK_ROUTE)
    }

    /// To hear that an address or a route came or went. Needs no right.
    pub(super) fn routes() -> io::Result<Self> {
        let socket = Self::open(libc::NETLINK_ROUTE)?;
        for group in [
            libc::RTNLGRP_IPV4_IFADDR,
            libc::RTNLGRP_IPV4_ROUTE,
            libc::RTNLGRP_IPV6_IFADDR,
            libc::RTNLGRP_IPV6_ROUTE,
        ] {
            socket.set(libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, &(group as c_int))?;
        }
        Ok(socket)
    }

    fn open(protocol: c_int) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else has.
        let socket = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        // SAFETY: all zeros is a valid `sockaddr_nl`; the kernel then chooses the port.
        let mut address: libc::sockaddr_nl = unsafe { core::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        // Not left to the first `send`: a socket without a port gets no announcements.
        // SAFETY: `address` is live and of the length given.
        let bound = unsafe {
            libc::bind(
                socket.fd(),
                (&raw const address).cast::<libc::sockaddr>(),
                size_of::<libc::sockaddr_nl>() as libc::socklen_t,
            )
        };
        if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
    }

    fn set<T>(&self, level: c_int, option: c_int, value: &T) -> io::Result<()> {
        let value: *const T = value;
        // SAFETY: `value` points to a live `T` of the length given.
        let done = unsafe {
            libc::setsockopt(
                self.fd(),
                level,
                option,
                value.cast::<c_void>(),
                size_of::<T>() as libc::socklen_t,
            )
        };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The port that the kernel chose.
    fn port(&self) -> io::Result<u32> {
        // SAFETY: all zeros is a valid `sockaddr_nl`.
        let mut address: libc::sockaddr_nl = unsafe { core::mem::zeroed() };
        let mut len = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: pointers and length are those of live, writable memory.
        let done = unsafe {
            libc::getsockname(self.fd(), (&raw mut address).cast::<libc::sockaddr>(), &raw mut len)
        };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(address.nl_pid) }
    }

    /// The descriptor, for epoll.
    pub(super) fn fd(&self) -> c_int {
        self.0.as_raw_fd()
    }

    /// Sends `bytes` to the kernel.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            // SAFETY: pointer and length are those of a live slice.
            let sent = unsafe { libc::send(self.fd(), bytes.as_ptr().cast::<c_void>(), bytes.len(), 0) };
            if sent >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Reads one datagram of the kernel's; those of other processes are passed over.
    pub(super) fn receive(&self, buf: &mut [u8]) -> io::Result<Read> {
        loop {
            // SAFETY: all zeros is a valid `sockaddr_nl`.
            let mut from: libc::sockaddr_nl = unsafe { core::mem::zeroed() };
            let mut len = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
            // SAFETY: pointers and lengths are those of live, writable memory.
            let got = unsafe {
                libc::recvfrom(
                    self.fd(),
                    buf.as_mut_ptr().cast::<c_void>(),
                    buf.len(),
                    0,
                    (&raw mut from).cast::<libc::sockaddr>(),
                    &raw mut len,
                )
            };
            if let Ok(got) = usize::try_from(got) {
                if from.nl_pid != 0 {
                    continue;
                }
                return Ok(Read::Bytes(got));
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN) => return Ok(Read::Empty),
                Some(libc::ENOBUFS) => return Ok(Read::Lost),
                _ => return Err(error),
            }
        }
    }
}
