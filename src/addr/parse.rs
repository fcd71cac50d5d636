//! Text to addresses (RFC 4291), with the zone ids of RFC 4007.
//!
//! [`Addr::parse`] and [`Prefix::parse`] read what people write and refuse leading zeros in IPv4 octets: `010.1.2.3` is
//! 8.1.2.3 to some programs (inet_aton(3)) and 10.1.2.3 to others. [`scan`] reads logs and accepts them, since some daemons
//! print them, always in decimal.

use super::{Addr, Prefix};

/// An address found at the start of some text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The address.
    pub addr: Addr,
    /// How many bytes it took, zone id included.
    pub len: usize,
    /// Whether it was written with colons, as IPv6 and mapped IPv4 are.
    pub colons: bool,
}

impl Addr {
    /// The whole of `text` as an address. No brackets, no zone id, no leading zeros in IPv4 octets.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let found = scan(text)?;
        let whole = found.len == text.len() && !text.contains(&b'%');
        (whole && !has_octal(text)).then_some(found.addr)
    }
}

impl Prefix {
    /// `ADDR` or `ADDR/LEN`, the length as people write it for the family, without leading zeros. Host bits are cleared.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let Some(slash) = text.iter().position(|&b| b == b'/') else {
            return Addr::parse(text).map(Self::host);
        };
        let (head, tail) = (text.get(..slash)?, text.get(slash + 1..)?);
        let addr = Addr::parse(head)?;
        if tail.is_empty() || tail.len() > 3 || (tail.len() > 1 && tail.first() == Some(&b'0')) {
            return None;
        }
        let mut len: u16 = 0;
        for &b in tail {
            len = len * 10 + u16::from(digit(b)?);
        }
        // "::ffff:0:0/96" is written in the 128-bit space although its address is IPv4.
        let mapped = head.contains(&b':');
        match (addr.is_v4() && !mapped, len) {
            (true, 0..=32) => Some(Self::new(addr, 96 + len as u8)),
            (false, 0..=128) => Some(Self::new(addr, len as u8)),
            _ => None,
        }
    }
}

/// Whether an octet of the dotted part (all of IPv4, the end of some IPv6) has a leading zero. Some programs read such an
/// octet as octal.
fn has_octal(text: &[u8]) -> bool {
    let (mut dotted, mut octal, mut start) = (false, false, true);
    for (at, &b) in text.iter().enumerate() {
        if b == b':' {
            (dotted, octal, start) = (false, false, true);
            continue;
        }
        dotted |= b == b'.';
        octal |= start && b == b'0' && text.get(at + 1).is_some_and(|&b| digit(b).is_some());
        start = b == b'.';
    }
    dotted && octal
}

/// The longest address at the start of `text`, a zone id (`%eth0`) included. `None` where there is none.
///
/// `2001:db8::9:54321` yields `2001:db8::9`, for a group has at most four digits; but `2001:db8::9:22` is one address, and
/// not an address with a port.
pub fn scan(text: &[u8]) -> Option<Scanned> {
    // Most words of a log are no address: tell by the first byte.
    if !text.first()?.is_ascii_hexdigit() && text.first() != Some(&b':') {
        return None;
    }
    if let Some((octets, len)) = scan_v4(text) {
        return Some(Scanned { addr: Addr::v4(octets), len, colons: false });
    }
    scan_v6(text)
}

fn digit(b: u8) -> Option<u8> {
    b.is_ascii_digit().then(|| b - b'0')
}

/// Four decimal octets. Each has one to three digits.
fn scan_v4(text: &[u8]) -> Option<([u8; 4], usize)> {
    let mut octets = [0u8; 4];
    let mut at = 0;
    for (i, octet) in octets.iter_mut().enumerate() {
        if i > 0 {
            if text.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let mut value = u16::from(digit(*text.get(at)?)?);
        at += 1;
        let mut digits = 1;
        while let Some(d) = text.get(at).and_then(|&b| digit(b)) {
            value = value * 10 + u16::from(d);
            digits += 1;
            if digits > 3 || value > 255 {
                return None;
            }
            at += 1;
        }
        *octet = value as u8;
    }
    Some((octets, at))
}

fn hex(b: u8) -> Option<u16> {
    let letter = (b | 0x20).wrapping_sub(b'a');
    match digit(b) {
        Some(d) => Some(u16::from(d)),
        None => (letter < 6).then_some(u16::from(letter) + 10),
    }
}

/// Up to eight groups with at most one `::`, the tail possibly dotted. Backs off to the last position where
/// the text read so far was a whole address.
fn scan_v6(text: &[u8]) -> Option<Scanned> {
    let mut head = [0u16; 8];
    let mut groups = 0usize;
    let mut gap: Option<usize> = None;
    let mut at = 0usize;
    // Groups, place of the gap and length of the last whole address.
    let mut best: Option<(usize, Option<usize>, usize)> = None;

    if text.first() == Some(&b':') {
        if text.get(1) != Some(&b':') {
            return None;
        }
        gap = Some(0);
        at = 2;
        best = Some((0, gap, 2));
    }
    while groups < 8 {
        let rest = text.get(at..)?;
        let (mut value, mut digits) = (0u16, 0usize);
        while let Some(d) = rest.get(digits).and_then(|&b| hex(b)) {
            if digits == 4 {
                digits = 5;
                break;
            }
            value = value << 4 | d;
            digits += 1;
        }
        if (groups > 0 || gap.is_some())
            && groups <= 6
            && rest.get(digits) == Some(&b'.')
            && let Some(([a, b, c, d], len)) = scan_v4(rest)
        {
            if let Some([high, low]) = head.get_mut(groups..groups + 2) {
                (*high, *low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            }
            if gap.is_some() || groups == 6 {
                best = Some((groups + 2, gap, at + len));
            }
            break;
        }
        if digits == 0 || digits > 4 {
            break;
        }
        if let Some(g) = head.get_mut(groups) {
            *g = value;
        }
        groups += 1;
        at += digits;
        if groups == 8 || gap.is_some() {
            if groups == 8 && gap.is_some() {
                break; // "::" stands for at least one group
            }
            best = Some((groups, gap, at));
        }
        if text.get(at) != Some(&b':') || groups == 8 {
            break;
        }
        if text.get(at + 1) == Some(&b':') {
            if gap.is_some() {
                break;
            }
            gap = Some(groups);
            at += 2;
            if groups < 8 {
                best = Some((groups, gap, at));
            }
        } else {
            at += 1;
        }
    }
    let (count, gap, len) = best?;
    let zone = zone(text.get(len..).unwrap_or(&[]));
    Some(Scanned { addr: join(&head, count, gap), len: len + zone, colons: true })
}

/// Length of `%zone`, at most 15 bytes of interface name (IFNAMSIZ − 1), or 0.
fn zone(text: &[u8]) -> usize {
    if text.first() != Some(&b'%') {
        return 0;
    }
    let name = text.iter().skip(1).take_while(|b| b.is_ascii_alphanumeric() || b"._-".contains(b)).count();
    if (1..=15).contains(&name) { name + 1 } else { 0 }
}

fn join(groups: &[u16; 8], count: usize, gap: Option<usize>) -> Addr {
    let mut full = [0u16; 8];
    let at = gap.unwrap_or(count);
    for (i, &g) in groups.iter().take(count).enumerate() {
        let place = if i < at { i } else { i + 8 - count };
        if let Some(slot) = full.get_mut(place) {
            *slot = g;
        }
    }
    let [a, b, c, d, e, f, g, h] = full.map(u32::from);
    Addr([a << 16 | b, c << 16 | d, e << 16 | f, g << 16 | h])
}
