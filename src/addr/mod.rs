//! Addresses and prefixes, 16 bytes each, IPv4 held as IPv4-mapped IPv6.
//!
//! In: text ([`Addr::parse`], [`Prefix::parse`]) or octets. Out: values that compare, hash and mask the
//! same for both families, so no later stage has a branch for the family. `::ffff:192.0.2.1` **is**
//! `192.0.2.1`. Text goes out through [`Addr::write`] and [`Prefix::write`], which do not pull in `core::fmt`.
//! Nothing here panics or fails on any input; text that is no address is `None`.

mod parse;
mod print;
#[cfg(test)]
mod tests;

pub use parse::{Scanned, scan};
pub use print::Text;

/// An IPv4 or IPv6 address. Four big-endian words, the most significant first: aligned to 4 bytes, so
/// that a table entry on a 32-bit device carries no padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Addr([u32; 4]);

impl Addr {
    /// `::`.
    pub const UNSPECIFIED: Self = Self([0; 4]);

    /// From four octets in network order.
    pub const fn v4(octets: [u8; 4]) -> Self {
        Self([0, 0, 0xffff, u32::from_be_bytes(octets)])
    }

    /// From sixteen octets in network order. A mapped IPv4 address becomes IPv4.
    pub const fn v6(o: [u8; 16]) -> Self {
        Self::from_u128(u128::from_be_bytes(o))
    }

    /// From the 128-bit number.
    pub const fn from_u128(n: u128) -> Self {
        Self([(n >> 96) as u32, (n >> 64) as u32, (n >> 32) as u32, n as u32])
    }

    /// As a 128-bit number; orders as the address does.
    #[inline]
    pub const fn to_u128(self) -> u128 {
        let [a, b, c, d] = self.0;
        ((a as u128) << 96) | ((b as u128) << 64) | ((c as u128) << 32) | d as u128
    }

    /// The sixteen octets, IPv4 in its mapped form.
    #[inline]
    pub const fn octets(self) -> [u8; 16] {
        self.to_u128().to_be_bytes()
    }

    /// The four words, most significant first.
    #[inline]
    pub const fn words(self) -> [u32; 4] {
        self.0
    }

    /// Whether this is an IPv4 address.
    #[inline]
    pub const fn is_v4(self) -> bool {
        self.0[0] | self.0[1] | (self.0[2] ^ 0xffff) == 0
    }

    /// The four octets of an IPv4 address.
    pub const fn to_v4(self) -> Option<[u8; 4]> {
        if self.is_v4() { Some(self.0[3].to_be_bytes()) } else { None }
    }

    /// Unspecified, loopback or multicast: an address that no remote host sends from, never banned.
    pub const fn is_special(self) -> bool {
        let [a, b, c, d] = self.0;
        if self.is_v4() {
            let first = d >> 24;
            first == 0 || first == 127 || first >= 224
        } else {
            (a == 0 && b == 0 && c == 0 && d <= 1) || a >> 24 == 0xff
        }
    }
}

/// A prefix: an address with the host bits zero and a length of 0 to 128 bits. An IPv4 length counts from
/// 96: `192.0.2.0/24` has [`Prefix::bits`] 120 and [`Prefix::family_len`] 24.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    addr: Addr,
    bits: u8,
}

impl Prefix {
    /// One address alone.
    pub const fn host(addr: Addr) -> Self {
        Self { addr, bits: 128 }
    }

    /// `bits` of the 128, host bits cleared; more than 128 counts as 128.
    #[inline]
    pub const fn new(addr: Addr, bits: u8) -> Self {
        let bits = if bits > 128 { 128 } else { bits };
        let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits as u32) };
        Self { addr: Addr::from_u128(addr.to_u128() & mask), bits }
    }

    /// The prefix that counts as one source with `addr`: its `v4` (0 to 32) or `v6` (0 to 128) leading bits.
    ///
    /// NAT64 maps all of IPv4 into one IPv6 prefix, so a /64 there would be many unrelated sources. An address within the
    /// well-known prefix 64:ff9b::/96 (RFC 6052 section 2.1) therefore counts as IPv4 does. Within the prefix for local use,
    /// 64:ff9b:1::/48 (RFC 8215), each network chooses where the IPv4 bits are, so each address is a source of its own.
    #[inline]
    pub const fn source(addr: Addr, v4: u8, v6: u8) -> Self {
        if addr.is_v4() || matches!(addr.0, [0x0064_ff9b, 0, 0, _]) {
            Self::new(addr, 96 + if v4 > 32 { 32 } else { v4 })
        } else if matches!(addr.0, [0x0064_ff9b, 0x0001_0000..=0x0001_ffff, ..]) {
            Self::host(addr)
        } else {
            Self::new(addr, v6)
        }
    }

    /// The first address.
    #[inline]
    pub const fn addr(self) -> Addr {
        self.addr
    }

    /// The length in the 128-bit space.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// The length as people write it: 0 to 32 for IPv4, else 0 to 128.
    pub const fn family_len(self) -> u8 {
        if self.is_v4() { self.bits - 96 } else { self.bits }
    }

    /// Whether this prefix lies within IPv4.
    pub const fn is_v4(self) -> bool {
        self.bits >= 96 && self.addr.is_v4()
    }

    /// Whether this is one address.
    #[inline]
    pub const fn is_host(self) -> bool {
        self.bits == 128
    }

    /// The last address.
    pub const fn last(self) -> Addr {
        let mask = if self.bits == 0 { u128::MAX } else { !(u128::MAX << (128 - self.bits as u32)) };
        let mask = if self.bits == 128 { 0 } else { mask };
        Addr::from_u128(self.addr.to_u128() | mask)
    }

    /// Whether `addr` lies within.
    #[inline]
    pub const fn contains(self, addr: Addr) -> bool {
        let diff = self.addr.to_u128() ^ addr.to_u128();
        self.bits == 0 || diff >> (128 - self.bits as u32) == 0
    }

    /// Whether the two share an address (one then contains the other).
    pub const fn overlaps(self, other: Self) -> bool {
        if self.bits <= other.bits { self.contains(other.addr) } else { other.contains(self.addr) }
    }
}
