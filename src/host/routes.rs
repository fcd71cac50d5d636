//! The gateways of all routes, of every table and next hop, by rtnetlink(7). /proc/net/route has only the first next hops
//! of the main table.
//!
//! Nothing here waits: the kernel answers within the call. One that does not, as some emulated ones, is taken to have none.

use super::netlink::{Read, Socket};
use crate::addr::Addr;
use std::io;
use std::vec;
use std::vec::Vec;

/// `struct nlmsghdr` and `struct rtmsg`.
const HEADERS: usize = 16 + 12;
/// `struct rtattr`, and `struct rtnexthop`, which the attributes of a next hop follow.
const ATTRIBUTE: usize = 4;
const NEXT_HOP: usize = 8;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLMSG_DONE: u16 = 3;
/// NLM_F_REQUEST, NLM_F_ROOT and NLM_F_MATCH.
const DUMP: u16 = 0x301;
/// The kernel fills no datagram of a listing beyond this.
const DATAGRAM: usize = 32 * 1024;
/// The most datagrams that are read for each family: some ten thousand routes. Default routes come first.
const MOST: usize = 64;

/// Adds the gateways of both families to `into`, each once.
///
/// # Errors
/// The kernel cannot be asked, or its answer is incomplete.
pub(super) fn gateways(into: &mut Vec<Addr>) -> io::Result<()> {
    let mut buf = vec![0; DATAGRAM];
    for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
        // One each: the kernel refuses a second listing while a first one is not read to its end.
        let socket = Socket::route()?;
        let mut request = [0u8; HEADERS];
        let head = [&(HEADERS as u32).to_ne_bytes()[..], &RTM_GETROUTE.to_ne_bytes(), &DUMP.to_ne_bytes()];
        request.iter_mut().zip(head.concat()).for_each(|(to, from)| *to = from);
        if let Some(to) = request.get_mut(16) {
            *to = family;
        }
        socket.send(&request)?;
        for _ in 0..MOST {
            let n = match socket.receive(&mut buf)? {
                Read::Bytes(n) => n,
                Read::Empty => break,
                Read::Lost => return Err(io::Error::from_raw_os_error(libc::ENOBUFS)),
            };
            if read(buf.get(..n).unwrap_or(&[]), &mut |gateway| {
                if !into.contains(&gateway) {
                    into.push(gateway);
                }
            }) {
                break;
            }
        }
    }
    Ok(())
}

/// Calls `each` with the gateways of one datagram; returns whether it is the last.
fn read(mut rest: &[u8], each: &mut dyn FnMut(Addr)) -> bool {
    while let [l0, l1, l2, l3, t0, t1, ..] = *rest {
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(0);
        let Some(message) = rest.get(..len).filter(|m| m.len() >= 16) else { return true };
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        match u16::from_ne_bytes([t0, t1]) {
            NLMSG_DONE => return true,
            RTM_NEWROUTE => attributes(message.get(HEADERS..).unwrap_or(&[]), each),
            _ => {}
        }
    }
    false
}

/// Calls `each` with the gateways among attributes and among their next hops.
fn attributes(mut rest: &[u8], each: &mut dyn FnMut(Addr)) {
    while let [l0, l1, k0, k1, ..] = *rest {
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = rest.get(ATTRIBUTE..len) else { return };
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        match u16::from_ne_bytes([k0, k1]) & 0x3fff {
            5 => address(value).into_iter().for_each(&mut *each), // RTA_GATEWAY
            9 => next_hops(value, each),                          // RTA_MULTIPATH
            // RTA_VIA: the address behind its family.
            18 => address(value.get(2..).unwrap_or(&[])).into_iter().for_each(&mut *each),
            _ => {}
        }
    }
}

fn next_hops(mut rest: &[u8], each: &mut dyn FnMut(Addr)) {
    while let [l0, l1, ..] = *rest {
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(inner) = rest.get(NEXT_HOP..len) else { return };
        // Attributes of a next hop hold no next hops: this goes one level deep, whatever the bytes say.
        let mut inner = inner;
        while let [l0, l1, k0, k1, ..] = *inner {
            let len = usize::from(u16::from_ne_bytes([l0, l1]));
            let Some(value) = inner.get(ATTRIBUTE..len) else { break };
            inner = inner.get(len.next_multiple_of(4)..).unwrap_or(&[]);
            let value = match u16::from_ne_bytes([k0, k1]) & 0x3fff {
                5 => value,
                18 => value.get(2..).unwrap_or(&[]),
                _ => continue,
            };
            address(value).into_iter().for_each(&mut *each);
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
    }
}

fn address(value: &[u8]) -> Option<Addr> {
    let found = match value.len() {
        4 => Addr::v4(value.try_into().ok()?),
        16 => Addr::v6(value.try_into().ok()?),
        _ => return None,
    };
    (found != Addr::UNSPECIFIED && found != Addr::v4([0; 4])).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut a = [(4 + value.len() as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
        a.extend(value);
        a.resize(a.len().next_multiple_of(4), 0);
        a
    }

    fn route(attributes: &[Vec<u8>]) -> Vec<u8> {
        let body = attributes.concat();
        let mut m = ((HEADERS + body.len()) as u32).to_ne_bytes().to_vec();
        m.extend(RTM_NEWROUTE.to_ne_bytes());
        m.resize(HEADERS, 0);
        m.extend(body);
        m
    }

    fn hop(attributes: &[Vec<u8>]) -> Vec<u8> {
        let body = attributes.concat();
        [&(NEXT_HOP as u16 + body.len() as u16).to_ne_bytes()[..], &[0; 6], &body].concat()
    }

    #[test]
    fn every_next_hop_is_a_gateway() {
        let hops = [hop(&[attr(5, &[10, 0, 0, 2])]), hop(&[attr(18, &[10, 0, 0xfd, 0, 0, 1])]), hop(&[])];
        let mut bytes = route(&[attr(1, &[10, 0, 0, 0]), attr(5, &[10, 0, 0, 1])]);
        bytes.extend(route(&[attr(9, &hops.concat()), attr(5, &[0; 4]), attr(5, &[254; 16])]));
        let mut found = Vec::new();
        assert!(!read(&bytes, &mut |gateway| found.push(gateway)));
        let v4 = [[10, 0, 0, 1], [10, 0, 0, 2], [0xfd, 0, 0, 1]].map(Addr::v4);
        assert_eq!(found, [v4[0], v4[1], v4[2], Addr::v6([254; 16])]);
        bytes.extend([&20u32.to_ne_bytes()[..], &NLMSG_DONE.to_ne_bytes(), &[0; 14]].concat());
        assert!(read(&bytes, &mut |_| {}));
    }

    proptest! {
        #[test]
        fn any_bytes_end(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            read(&bytes, &mut |_| {});
            attributes(&bytes, &mut |_| {});
            let hops = [hop(&[attr(5, &[10, 0, 0, 2])])];
            bytes = route(&[attr(9, &hops.concat()), bytes]);
            bytes.truncate(cut);
            read(&bytes, &mut |_| {});
        }
    }
}
