//! What says "certainly not banned" for most addresses, at the cost of a few bits read.
//!
//! A Bloom filter, three bits in one word for each (prefix, length). A prefix enters twice: under its own
//! length and under its *class*, a length at or below its own out of a short list; so a lookup asks once a
//! class that is in use, not once a length, and looks at the lengths of a class only where that answers
//! "maybe". Which classes are used is up to the configuration and to people, never to an attacker.
//!
//! A "maybe" is only ever checked in the table, so that the quick hash used here need not be strong: whoever
//! could guess its key could take the shortcut away from some addresses and no more.
//! Removal leaves bits behind; they are swept out by [`Sieve::rebuild`] after a number of removals.

use crate::addr::{Addr, Prefix};

/// The lengths that stand for themselves and for those up to the next, first over IPv6, then over IPv4.
const FLOORS: [u8; 11] = [0, 16, 32, 48, 56, 64, 96, 96, 104, 112, 120];
const V6: usize = 7;

/// What a class is asked with.
#[derive(Clone, Copy)]
struct Cut {
    /// The bits of the address that count, the first 64 and the last.
    upper: u64,
    lower: u64,
    /// What tells the same bits of another length from these.
    length: u64,
}

impl Cut {
    /// The part of an address that counts.
    #[inline]
    fn of(&self, (upper, lower): (u64, u64)) -> Addr {
        Addr::from_u128(u128::from(upper & self.upper) << 64 | u128::from(lower & self.lower))
    }
}

const fn cut(bits: u8) -> Cut {
    let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits as u32) };
    let length = (bits as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Cut { upper: (mask >> 64) as u64, lower: mask as u64, length }
}

static HOST: Cut = cut(128);

static CUTS: [Cut; FLOORS.len()] = {
    let mut cuts = [HOST; FLOORS.len()];
    let mut i = 0;
    while i < FLOORS.len() {
        cuts[i] = cut(FLOORS[i]);
        i += 1;
    }
    cuts
};

/// Which lengths have had an entry since the last rebuild.
#[derive(Clone, Copy, Default)]
struct Family {
    /// The classes that have a length.
    classes: u16,
    /// For each class its lengths, counted from its floor: no class spans more than 32. Length 128 is in
    /// none, hosts are asked for on their own.
    lengths: [u32; FLOORS.len()],
}

pub(super) struct Sieve<'a> {
    words: &'a mut [u32],
    key: [u64; 2],
    /// For IPv6 and for IPv4.
    families: [Family; 2],
    stale: usize,
}

impl<'a> Sieve<'a> {
    pub(super) fn new(words: &'a mut [u32], [upper, lower]: [u64; 2]) -> Self {
        // As with the index: fresh memory is zero.
        if words.iter().any(|word| *word != 0) {
            words.fill(0);
        }
        let key = [upper | 1, lower | 1];
        Self { words, key, families: Default::default(), stale: 0 }
    }

    #[inline]
    fn maybe(&self, halves: (u64, u64), cut: &Cut) -> bool {
        maybe(self.words, self.key, halves, cut)
    }

    #[inline]
    fn family(&self, addr: Addr) -> &Family {
        let [v6, v4] = &self.families;
        if addr.is_v4() { v4 } else { v6 }
    }

    /// Whether `addr` itself may be there.
    #[inline]
    pub(super) fn host(&self, addr: Addr) -> bool {
        self.maybe(halves(addr), &HOST)
    }

    /// The classes in which a prefix around `addr` may be there.
    #[inline]
    pub(super) fn classes(&self, addr: Addr) -> u16 {
        let halves = halves(addr);
        let mut left = self.family(addr).classes;
        let mut hits = 0;
        while left != 0 {
            let class = left.trailing_zeros() as usize;
            left &= left - 1;
            if let Some(cut) = CUTS.get(class) {
                hits |= u16::from(self.maybe(halves, cut)) << (class & 15);
            }
        }
        hits
    }

    /// What [`Sieve::lengths`] comes to where that is one length, the class's own: so it is where all prefixes of a family
    /// have one length, as those of jails do.
    #[inline]
    pub(super) fn only(&self, addr: Addr, classes: u16) -> Option<(Addr, u8)> {
        let class = classes.trailing_zeros() as usize;
        if classes & classes.wrapping_sub(1) != 0 || *self.family(addr).lengths.get(class)? != 1 {
            return None;
        }
        Some((CUTS.get(class)?.of(halves(addr)), *FLOORS.get(class)?))
    }

    /// The lengths under 128 in these classes at which a prefix around `addr` may be there, the greatest
    /// first, each with its part of `addr`.
    #[inline]
    pub(super) fn lengths(&self, addr: Addr, classes: u16) -> Lengths<'_> {
        let family = self.family(addr);
        Lengths {
            words: self.words,
            key: self.key,
            halves: halves(addr),
            family,
            classes,
            left: 0,
            floor: 0,
            cut: &HOST,
        }
    }

    pub(super) fn add(&mut self, target: Prefix) {
        let halves = halves(target.addr());
        self.mark(halves, &cut(target.bits()));
        if target.is_host() {
            return;
        }
        let inside_v4 = target.is_v4();
        let (from, to) = if inside_v4 { (V6, FLOORS.len()) } else { (0, V6) };
        // The last floor not above the length.
        let Some((class, floor)) = (FLOORS.iter().copied().enumerate())
            .skip(from)
            .take(to - from)
            .take_while(|&(_, floor)| floor <= target.bits())
            .last()
        else {
            return;
        };
        self.mark(halves, &cut(floor));
        // A prefix as wide as `::/64` lies around all of IPv4 as well.
        let around_v4 = inside_v4 || target.contains(Addr::v4([0; 4]));
        for (family, takes) in self.families.iter_mut().zip([!inside_v4, around_v4]) {
            if let Some(lengths) = family.lengths.get_mut(class).filter(|_| takes) {
                *lengths |= 1 << ((target.bits() - floor) & 31);
                family.classes |= 1 << class;
            }
        }
    }

    fn mark(&mut self, halves: (u64, u64), cut: &Cut) {
        let (at, mask) = spot(self.words.len(), self.key, halves, cut);
        if let Some(word) = self.words.get_mut(at) {
            *word |= mask;
        }
    }

    /// An entry has left; says whether it is time to [`Sieve::rebuild`], given how many are left. Half as
    /// many removals as entries make a rebuild a constant cost a removal.
    pub(super) fn removed(&mut self, left: usize) -> bool {
        self.stale = self.stale.saturating_add(1);
        self.stale > left / 2 + self.words.len() / 32
    }

    /// Marks these targets and nothing else.
    pub(super) fn rebuild(&mut self, targets: impl Iterator<Item = Prefix>) {
        self.words.fill(0);
        (self.families, self.stale) = (Default::default(), 0);
        targets.for_each(|target| self.add(target));
    }
}

#[inline]
fn halves(addr: Addr) -> (u64, u64) {
    let [a, b, c, d] = addr.words();
    (u64::from(a) << 32 | u64::from(b), u64::from(c) << 32 | u64::from(d))
}

/// Word and bits for a cut address. Multiply-shift (Dietzfelbinger and others, "A reliable randomized
/// algorithm for the closest-pair problem") of two words; of its upper half the upper bits pick the word,
/// the lower fifteen three bits of it.
#[inline]
fn spot(words: usize, [ku, kl]: [u64; 2], (upper, lower): (u64, u64), cut: &Cut) -> (usize, u32) {
    let sum = (upper & cut.upper).wrapping_mul(ku).wrapping_add((lower & cut.lower).wrapping_mul(kl));
    let high = (sum.wrapping_add(cut.length) >> 32) as u32;
    let mask = 1 << (high & 31) | 1 << (high >> 5 & 31) | 1 << (high >> 10 & 31);
    (((u64::from(high) * words as u64) >> 32) as usize, mask)
}

/// Whether this may be there. No words, no sieve: then everything may.
#[inline]
fn maybe(words: &[u32], key: [u64; 2], halves: (u64, u64), cut: &Cut) -> bool {
    let (at, mask) = spot(words.len(), key, halves, cut);
    words.get(at).is_none_or(|word| word & mask == mask)
}

/// See [`Sieve::lengths`].
pub(super) struct Lengths<'s> {
    words: &'s [u32],
    key: [u64; 2],
    halves: (u64, u64),
    family: &'s Family,
    classes: u16,
    left: u32,
    floor: u8,
    cut: &'s Cut,
}

impl Iterator for Lengths<'_> {
    /// The address without the bits behind the length, and the length.
    type Item = (Addr, u8);

    #[inline]
    fn next(&mut self) -> Option<(Addr, u8)> {
        loop {
            while let Some(over) = self.left.checked_ilog2() {
                self.left &= !(1 << over);
                let bits = self.floor + over as u8;
                // The floor itself is what the class was asked with.
                let cut = if over == 0 { *self.cut } else { cut(bits) };
                if over == 0 || maybe(self.words, self.key, self.halves, &cut) {
                    return Some((cut.of(self.halves), bits));
                }
            }
            let class = self.classes.checked_ilog2()?;
            self.classes &= !(1 << class);
            self.left = *self.family.lengths.get(class as usize)?;
            self.floor = *FLOORS.get(class as usize)?;
            self.cut = CUTS.get(class as usize)?;
        }
    }
}
