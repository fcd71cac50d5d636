//! The hash of a target: strongly universal under a secret key.
//!
//! Multilinear-HM (Lemire and Kaser, "Strongly universal string hashing is fast", 2014) of the four 32-bit words of an
//! address and the prefix length. For who does not know the key, the hashes of any two targets are uniform and independent,
//! so chosen addresses collide no more often than random ones. Unlike SipHash it is no pseudo-random function: the hashes
//! themselves must stay secret. They do, since an answer says only whether an address is banned. SipHash took 10 of the
//! 32 ns of finding a host (`cargo bench --bench blocklist`).

use crate::addr::Addr;

pub(super) struct Universal([u64; 6]);

impl Universal {
    /// From six independent random numbers.
    pub(super) fn new(keys: [u64; 6]) -> Self {
        Self(keys)
    }

    /// All 64 bits may be used, though they carry only 32 bits of hash.
    #[inline]
    pub(super) fn hash(&self, addr: Addr, bits: u8) -> u64 {
        let [k0, k1, k2, k3, k4, k5] = self.0;
        let [a, b, c, d] = addr.words().map(u64::from);
        let upper = k1.wrapping_add(a).wrapping_mul(k2.wrapping_add(b));
        let lower = k3.wrapping_add(c).wrapping_mul(k4.wrapping_add(d));
        let length = k5.wrapping_mul(u64::from(bits));
        let sum = k0.wrapping_add(upper).wrapping_add(lower).wrapping_add(length);
        // The upper 32 bits are strongly universal, and so is any fixed permutation of them. This one scatters rows of
        // neighbouring addresses, whose sums are evenly spaced, which linear probing does not like.
        let mixed = (sum >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ mixed >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Key;

    /// Over many keys, two targets meet in one of 64 places as often as chance says, however alike they are.
    #[test]
    fn no_two_targets_are_friends() {
        let a = |text: &str| Addr::parse(text.as_bytes()).unwrap();
        let pairs = [
            (a("192.0.2.1"), 128, a("192.0.2.2"), 128),
            (a("192.0.2.1"), 128, a("193.0.2.1"), 128),
            (a("10.0.0.0"), 104, a("10.0.0.0"), 128),
            (a("2001:db8::1"), 128, a("2001:db8:0:1::1"), 128),
            (a("2001:db8::"), 32, a("2001:db8::"), 64),
            (a("::1:0:0:1"), 128, a("::2:0:0:2"), 128),
        ];
        const KEYS: u64 = 1 << 14;
        for (one, bits, other, other_bits) in pairs {
            let meets = |seed: &u64| {
                let draw = |n| Key::new([*seed, 7]).hash(n, 0, 0);
                let hash = Universal::new([0, 1, 2, 3, 4, 5].map(draw));
                hash.hash(one, bits) >> 58 == hash.hash(other, other_bits) >> 58
            };
            let met = (0..KEYS).filter(meets).count();
            // 256 are expected, and six times the standard deviation of 16 is never seen.
            assert!((160..=352).contains(&met), "{one}/{bits} and {other}/{other_bits}: {met}");
        }
    }
}
