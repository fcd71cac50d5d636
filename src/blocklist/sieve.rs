//! What says "certainly not banned" for most addresses, at the cost of a few bits read.
//!
//! A Bloom filter, three bits in one word for each (prefix, length). A prefix enters twice: under its own
//! length and under its *class*, a length at or below its own out of a short list; so a lookup asks once a
//! class that is in use, not once a length, and looks at the lengths of a class only where that answers
//! "maybe". Which classes are used is up to the configuration and to people, never to an attacker.
//!
//! Where several classes of a family are in use, its *gate* is asked in their place: a short length under which each
//! prefix that is longer enters too, so that for most addresses one answer does for all of them.
//!
//! A "maybe" is only ever checked in the table, so that the quick hash used here need not be strong: whoever
//! could guess its key could take the shortcut away from some addresses and no more.
//! Removal leaves bits behind; they are swept out by [`Sieve::rebuild`] after a number of removals.

use crate::addr::{Addr, Prefix};

/// The lengths that stand for themselves and for those up to the next, first over IPv6, then over IPv4.
const FLOORS: [u8; 11] = [0, 16, 32, 48, 56, 64, 96, 96, 104, 112, 120];
const V6: usize = 7;

/// The classes behind the gate of IPv6 and of IPv4: those with a floor of 32 (a provider's network) or more, and of /16.
const GATED: [u16; 2] = [0b000_0111_1100, 0b110_0000_0000];
/// The gates' own bits, behind those of the classes.
const GATE: [u16; 2] = [1 << 11, 1 << 12];
const GATES: u16 = GATE[0] | GATE[1];

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

/// A gate is told apart from entries of its length.
const fn gate(bits: u8) -> Cut {
    let Cut { upper, lower, length } = cut(bits);
    Cut { upper, lower, length: !length }
}

/// Of the classes, then of the gates.
static CUTS: [Cut; FLOORS.len() + GATE.len()] = {
    let mut cuts = [HOST; FLOORS.len() + GATE.len()];
    cuts[FLOORS.len()] = gate(32);
    cuts[FLOORS.len() + 1] = gate(112);
    let mut i = 0;
    while i < FLOORS.len() {
        cuts[i] = cut(FLOORS[i]);
        i += 1;
    }
    cuts
};

/// Which lengths have had an entry since the last rebuild.
#[derive(Clone, Copy)]
struct Family {
    /// The classes that have a length.
    classes: u16,
    /// Which of them are asked, and whether the gate is in place of others: it costs as much as a class.
    asked: u16,
    /// The one class in use, where its one length is its floor; else no class' number.
    only: u8,
    /// For each class its lengths, counted from its floor: no class spans more than 32. Length 128 is in
    /// none, hosts are asked for on their own.
    lengths: [u32; FLOORS.len()],
}

impl Family {
    const EMPTY: Self = Self { classes: 0, asked: 0, only: u8::MAX, lengths: [0; FLOORS.len()] };

    /// Notes a length, `over` its class' floor, of the family that is the `at`th.
    fn take(&mut self, class: usize, over: u8, at: usize) {
        let Some(lengths) = self.lengths.get_mut(class) else { return };
        *lengths |= 1 << (over & 31);
        let only = *lengths == 1 && self.classes & !(1 << class) == 0;
        self.only = if only { class as u8 } else { u8::MAX };
        self.classes |= 1 << class;
        let gated = self.classes & GATED.get(at).copied().unwrap_or(0);
        let gate = GATE.get(at).copied().unwrap_or(0);
        self.asked = if gated.count_ones() > 1 { self.classes & !gated | gate } else { self.classes };
    }
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
        Self { words, key, families: [Family::EMPTY; 2], stale: 0 }
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
        let family = self.family(addr);
        let hits = self.ask(halves, family.asked);
        if hits & GATES == 0 {
            hits
        } else {
            hits & !GATES | self.ask(halves, family.classes & !family.asked)
        }
    }

    /// Which of these classes and gates say "maybe".
    #[inline(always)]
    fn ask(&self, halves: (u64, u64), mut left: u16) -> u16 {
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

    /// Where all prefixes of a family have one length, as those of jails do: the part of `addr` that a prefix around it
    /// has, its length, and whether it may be there. What comes of it so far does not wait for the filter's answer.
    #[inline]
    pub(super) fn only(&self, addr: Addr) -> Option<(Addr, u8, bool)> {
        let class = usize::from(self.family(addr).only);
        let (bits, cut) = (*FLOORS.get(class)?, CUTS.get(class)?);
        let halves = halves(addr);
        Some((cut.of(halves), bits, self.maybe(halves, cut)))
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
        for (cut, gated) in CUTS.iter().skip(FLOORS.len()).zip(GATED) {
            if gated >> class & 1 != 0 {
                self.mark(halves, cut);
            }
        }
        // A prefix as wide as `::/64` lies around all of IPv4 as well.
        let around_v4 = inside_v4 || target.contains(Addr::v4([0; 4]));
        for (at, takes) in [!inside_v4, around_v4].into_iter().enumerate() {
            if let Some(family) = self.families.get_mut(at).filter(|_| takes) {
                family.take(class, target.bits() - floor, at);
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
        (self.families, self.stale) = ([Family::EMPTY; 2], 0);
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
}

impl Iterator for Lengths<'_> {
    /// The address without the bits behind the length, and the length.
    type Item = (Addr, u8);

    #[inline]
    fn next(&mut self) -> Option<(Addr, u8)> {
        loop {
            if let Some(over) = self.left.checked_ilog2() {
                self.left &= !(1 << over);
                let bits = self.floor + over as u8;
                return Some((cut(bits).of(self.halves), bits));
            }
            let class = self.classes.checked_ilog2()?;
            self.classes &= !(1 << class);
            self.floor = *FLOORS.get(class as usize)?;
            let lengths = *self.family.lengths.get(class as usize)?;
            // All of them without a branch; the floor itself is what the class was asked with.
            self.left = lengths & 1;
            let mut more = lengths & !1;
            while more != 0 {
                let over = more.trailing_zeros();
                more &= more - 1;
                let maybe = maybe(self.words, self.key, self.halves, &cut(self.floor + over as u8));
                self.left |= u32::from(maybe) << over;
            }
        }
    }
}
