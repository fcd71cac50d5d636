//! This host's own addresses and gateways: whom no jail bans.

use crate::addr::{Addr, Prefix};
use crate::jail::Why;
use std::vec::Vec;

/// The addresses of all interfaces and the gateways of all routes, now. What cannot be read is left out.
pub(super) fn addresses() -> Vec<(Prefix, Why)> {
    let mut found: Vec<(Prefix, Why)> =
        interfaces().into_iter().map(|addr| (Prefix::host(addr), Why::Own)).collect();
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let gateways = read("/proc/net/route").lines().filter_map(gateway4).collect::<Vec<_>>();
    let more = read("/proc/net/ipv6_route").lines().filter_map(gateway6).collect::<Vec<_>>();
    found.extend(gateways.into_iter().chain(more).map(|addr| (Prefix::host(addr), Why::Gateway)));
    found.sort_unstable_by_key(|(prefix, why)| (*prefix, *why == Why::Gateway));
    found.dedup();
    found
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

fn interfaces() -> Vec<Addr> {
    let mut out = Vec::new();
    let mut list: *mut libc::ifaddrs = core::ptr::null_mut();
    // SAFETY: getifaddrs(3) fills `list` when it returns 0.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return out;
    }
    let mut at = list;
    while !at.is_null() {
        // SAFETY: `at` is an entry of the list, which is freed below; an address that is not null is of the size
        // that its family says.
        unsafe {
            let address = (*at).ifa_addr;
            if !address.is_null() {
                match i32::from((*address).sa_family) {
                    libc::AF_INET => {
                        let v4 = address.cast::<libc::sockaddr_in>().read_unaligned();
                        out.push(Addr::v4(v4.sin_addr.s_addr.to_ne_bytes()));
                    }
                    libc::AF_INET6 => {
                        let v6 = address.cast::<libc::sockaddr_in6>().read_unaligned();
                        out.push(Addr::v6(v6.sin6_addr.s6_addr));
                    }
                    _ => {}
                }
            }
            at = (*at).ifa_next;
        }
    }
    // SAFETY: `list` came from getifaddrs(3) and is not used again.
    unsafe { libc::freeifaddrs(list) };
    out
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
        assert!(addresses().iter().any(|(p, _)| p.to_string() == "127.0.0.1"), "{:?}", addresses());
    }

    use std::string::ToString;
}
