//! SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF") of whole 64-bit blocks.
//!
//! In: a secret key and 64-bit blocks. Out: a 64-bit hash that nobody without the key can predict, so nobody can choose
//! inputs that collide. The state stays in registers, which takes about half the time of the `siphasher` crate; the tests
//! compare the two.

/// The state after the key and the blocks so far.
#[derive(Clone, Copy)]
pub(crate) struct Key([u64; 4]);

impl Key {
    pub(crate) const fn new([k0, k1]: [u64; 2]) -> Self {
        Self([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ])
    }

    /// From the 16 bytes of a secret.
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        let n = u128::from_le_bytes(bytes);
        Self::new([n as u64, (n >> 64) as u64])
    }

    /// The hash of `a` and `b`, eight little-endian bytes each, and `c`.
    #[inline]
    pub(crate) fn hash(self, a: u64, b: u64, c: u8) -> u64 {
        self.block(a).block(b).block(17 << 56 | u64::from(c)).finish()
    }

    /// Takes in one block. A caller whose messages differ in length must hash the length too.
    #[inline]
    pub(crate) fn block(self, block: u64) -> Self {
        let Self([a, b, c, d]) = self;
        let [a, b, c, d] = round([a, b, c, d ^ block]);
        Self([a ^ block, b, c, d])
    }

    /// Takes in `text`, its last block filled up with zeros. The length is not hashed; see [`Key::block`].
    #[inline]
    pub(crate) fn text(self, text: &[u8]) -> Self {
        let (mut state, mut rest) = (self, text);
        while let Some((head, tail)) = rest.split_first_chunk() {
            state = state.block(u64::from_le_bytes(*head));
            rest = tail;
        }
        match rest {
            [] => state,
            rest => state.block(rest.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))),
        }
    }

    /// The hash of `text` alone, as SipHash-1-3 is defined.
    #[cfg(feature = "std")]
    pub(crate) fn of(self, text: &[u8]) -> u64 {
        let (whole, rest) = text.split_at(text.len() & !7);
        let last = rest.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
        self.text(whole).block((text.len() as u64) << 56 | last).finish()
    }

    /// The hash of all blocks so far.
    #[inline]
    pub(crate) fn finish(self) -> u64 {
        let Self([a, b, c, d]) = self;
        let [a, b, c, d] = round(round(round([a, b, c ^ 0xff, d])));
        a ^ b ^ c ^ d
    }
}

#[inline]
fn round([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    let (a, c) = (a.wrapping_add(b), c.wrapping_add(d));
    let (b, d) = (b.rotate_left(13) ^ a, d.rotate_left(16) ^ c);
    let (a, c) = (a.rotate_left(32).wrapping_add(d), c.wrapping_add(b));
    let (b, d) = (b.rotate_left(17) ^ c, d.rotate_left(21) ^ a);
    [a, b, c.rotate_left(32), d]
}

#[test]
fn agrees_with_the_crate() {
    use siphasher::sip::SipHasher13;
    let cases: [(u64, u64, u64, u64, u8); 3] =
        [(0, 0, 0, 0, 0), (1, u64::MAX, 0xffff_c000_0201, 1 << 63, 128), (7 << 40, 3, !5, 9, 255)];
    for (k0, k1, a, b, c) in cases {
        let text: std::vec::Vec<u8> =
            [a.to_le_bytes(), b.to_le_bytes()].into_iter().flatten().chain([c]).collect();
        assert_eq!(Key::new([k0, k1]).hash(a, b, c), SipHasher13::new_with_keys(k0, k1).hash(&text));
    }
    let key = Key::from_bytes(*b"0123456789abcdef");
    for text in [&b""[..], b"1234567", b"12345678", b"123456789abcdefg"] {
        let mut padded = text.to_vec();
        padded.resize(text.len().next_multiple_of(8), 0);
        let length = (padded.len() as u64) << 56;
        let want = SipHasher13::new_with_key(b"0123456789abcdef").hash(&padded);
        assert_eq!(key.text(text).block(length).finish(), want);
        #[cfg(feature = "std")]
        assert_eq!(key.of(text), SipHasher13::new_with_key(b"0123456789abcdef").hash(text));
    }
}
