//! This host's own addresses and gateways, which are never banned.

use super::netlink::{Read, Socket};
use super::poll::{Interest, Poller, Token};
use super::{routes, sys};
use crate::addr::{Addr, Prefix};
use crate::jail::Why;
use log::debug;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::vec::Vec;

/// The most bytes of a routing table that are read: some thousand routes; the default routes come first.
const MOST: usize = 512 * 1024;

/// Hears that an address or a route changed.
pub(super) struct Moves(Socket);

impl Moves {
    /// Has `poller` watch for it. `None` where the kernel does not announce changes; addresses are read at intervals anyway.
    pub(super) fn watch(poller: &Poller, token: Token) -> Option<Self> {
        let socket = Socket::routes()
            .inspect_err(|e| debug!("changes of addresses are not told at once: {e}"))
            .ok()?;
        // SAFETY: the socket is kept open by what is returned, which lives as long as the poller.
        let fd = unsafe { BorrowedFd::borrow_raw(socket.fd()) };
        poller.add(&fd, token, Interest::Read).ok()?;
        Some(Self(socket))
    }

    /// Reads the announcements; returns whether there was any.
    pub(super) fn read(&self) -> bool {
        let (mut buf, mut some) = ([0; 64], false);
        // Bounded: the rest is there in the next turn.
        for _ in 0..256 {
            match self.0.receive(&mut buf) {
                Ok(Read::Empty) | Err(_) => break,
                Ok(Read::Bytes(_) | Read::Lost) => some = true,
            }
        }
        some
    }
}

/// The addresses of all interfaces and the gateways of all routes, now. What this kernel cannot tell at all is left out.
///
/// # Errors
/// They cannot be read now: no descriptor or no memory is left.
pub(super) fn addresses() -> io::Result<Vec<(Prefix, Why)>> {
    let mut found: Vec<(Prefix, Why)> =
        interfaces()?.into_iter().map(|addr| (Prefix::host(addr), Why::Own)).collect();
    let mut gateways = Vec::new();
    read("/proc/net/route", gateway4, &mut gateways)?;
    read("/proc/net/ipv6_route", gateway6, &mut gateways)?;
    // These are all, where the kernel tells.
    routes::gateways(&mut gateways).or_else(absent)?;
    found.extend(gateways.into_iter().map(|addr| (Prefix::host(addr), Why::Gateway)));
    found.sort_unstable_by_key(|(prefix, why)| (*prefix, *why == Why::Gateway));
    found.dedup();
    Ok(found)
}

/// Turns an error that says that this kernel does not have what was asked for, or not for us, into nothing found.
fn absent<T: Default>(error: io::Error) -> io::Result<T> {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS | libc::EIO | libc::EAGAIN) => {
            Err(error)
        }
        _ => Ok(T::default()),
    }
}

/// Adds what `find` finds in the lines of `path` to `into`, each once.
fn read(path: &str, find: fn(&str) -> Option<Addr>, into: &mut Vec<Addr>) -> io::Result<()> {
    let mut bytes = Vec::new();
    sys::file::append(path.as_ref(), MOST, &mut bytes).or_else(absent)?;
    for addr in core::str::from_utf8(&bytes).unwrap_or("").lines().filter_map(find) {
        if !into.contains(&addr) {
            into.push(addr);
        }
    }
    Ok(())
}

/// A line of `/proc/net/route`: the third column, an address in the host's byte order, in hex.
fn gateway4(line: &str) -> Option<Addr> {
    let hex = line.split_ascii_whitespace().nth(2).filter(|hex| hex.len() == 8)?;
    let word = u32::from_str_radix(hex, 16).ok().filter(|word| *word != 0)?;
    Some(Addr::v4(word.to_ne_bytes()))
}

/// A line of `/proc/net/ipv6_route`: the fifth column, 32 hex digits.
fn gateway6(line: &str) -> Option<Addr> {
    let hex = line.split_ascii_whitespace().nth(4).filter(|hex| hex.len() == 32)?;
    u128::from_str_radix(hex, 16).ok().filter(|n| *n != 0).map(Addr::from_u128)
}

/// How many interface addresses are asked for: at first, and where there are more.
const INTERFACES: [usize; 3] = [64, 512, 4096];

/// Addresses of the interfaces. Not by getifaddrs(3): musl's waits without limit for the end of a netlink dump, which some
/// emulated kernels never send.
fn interfaces() -> io::Result<Vec<Addr>> {
    let mut out = Vec::new();
    for most in INTERFACES {
        out = interfaces4(most).or_else(absent)?;
        if out.len() < most {
            break;
        }
    }
    read("/proc/net/if_inet6", address6, &mut out)?;
    Ok(out)
}

/// A line of `/proc/net/if_inet6`: the first column, 32 hex digits.
fn address6(line: &str) -> Option<Addr> {
    let hex = line.split_ascii_whitespace().next().filter(|hex| hex.len() == 32)?;
    u128::from_str_radix(hex, 16).ok().map(Addr::from_u128)
}

/// At most so many IPv4 addresses, by SIOCGIFCONF (netdevice(7)).
fn interfaces4(most: usize) -> io::Result<Vec<Addr>> {
    // SAFETY: integers and a union of plain data: zero is a value.
    let mut list: Vec<libc::ifreq> = (0..most).map(|_| unsafe { core::mem::zeroed() }).collect();
    // Bound to nothing: the loopback interface may be down.
    // SAFETY: takes no pointer, and the descriptor is new.
    let socket = unsafe { sys::own(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)) };
    let socket = socket.map_err(|e| io::Error::from_raw_os_error(e.0))?;
    // SAFETY: as above.
    let mut ask: libc::ifconf = unsafe { core::mem::zeroed() };
    ask.ifc_len = i32::try_from(size_of_val(list.as_slice())).unwrap_or(0);
    ask.ifc_ifcu.ifcu_req = list.as_mut_ptr();
    // SAFETY: the kernel writes at most `ifc_len` bytes to `list` and says in `ifc_len` how many it did.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFCONF as _, &mut ask) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let count = usize::try_from(ask.ifc_len).unwrap_or(0) / size_of::<libc::ifreq>();
    let found = list.iter().take(count).filter_map(|one| {
        // SAFETY: SIOCGIFCONF fills in an address of the size of a `sockaddr`, which holds a `sockaddr_in`.
        let (family, v4) = unsafe {
            let address = &raw const one.ifr_ifru.ifru_addr;
            ((*address).sa_family, address.cast::<libc::sockaddr_in>().read_unaligned())
        };
        (i32::from(family) == libc::AF_INET).then(|| Addr::v4(v4.sin_addr.s_addr.to_ne_bytes()))
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read() {
        let word = u32::from_ne_bytes([192, 168, 1, 1]);
        let line = std::format!("eth0\t00000000\t{word:08X}\t0003\t0\t0\t0\t00000000\t0\t0\t0");
        assert_eq!(gateway4(&line), Addr::parse(b"192.168.1.1"));
        assert_eq!(gateway4("eth0\t0001A8C0\t00000000\t0001"), None);
        assert_eq!(gateway4("Iface\tDestination\tGateway \tFlags"), None);
        let line = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                    fe800000000000000000000000000001 00000400 00000000 00000000 00450003 eth0";
        assert_eq!(gateway6(line), Addr::parse(b"fe80::1"));
        let line = "fe800000000000000000000000000001 02 40 20 80 eth0";
        assert_eq!(address6(line), Addr::parse(b"fe80::1"));
        let own = addresses().unwrap();
        assert!(own.iter().any(|(p, _)| p.to_string() == "127.0.0.1"), "{own:?}");
    }

    #[test]
    fn want_of_descriptors_is_not_want_of_addresses() {
        let failed = |errno| absent::<u8>(io::Error::from_raw_os_error(errno));
        assert_eq!(failed(libc::ENOENT).unwrap(), 0);
        assert_eq!(failed(libc::EAFNOSUPPORT).unwrap(), 0);
        assert!(failed(libc::EMFILE).is_err() && failed(libc::ENFILE).is_err());
    }

    use std::string::ToString;
}
