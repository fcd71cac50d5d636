//! A Bloom filter that answers "certainly not banned" for most addresses at the cost of a few bits read.
//!
//! It holds three bits in one word for each prefix, hosts included. A host is asked for with one look. Where all other prefixes of a
//! family (IPv4 or IPv6) have one length, as where only jails ban, one look at that length does for them. Else the
//! family's *gate* is asked, a short length under which all longer prefixes enter once more: /16 for IPv4, /32 for
//! IPv6. Behind it *hints* say which lengths there are under which gate, and only these are asked one by one. Lengths
//! shorter than the gate are always asked, one look for each in use: they come from the configuration and from bans by hand,
//! never from an attacker.
//!
//! Each "maybe" is checked in the table, so the quick hash used here need not be strong: who guesses its key can make
//! lookups of some addresses slower, and no more. A removal leaves its bits behind until [`Sieve::rebuild`].

use crate::addr::{Addr, Prefix};
use core::hint::select_unpredictable;

/// A set of lengths from 0 to 127, a bit each.
pub(super) type Lengths = u128;

/// The lengths of the gates, of IPv6 and of IPv4.
const GATES: [u8; 2] = [32, 112];
/// Their cuts.
static GATE_CUTS: [Cut; 2] = [gate(GATES[0]), gate(GATES[1])];

/// A mask that cuts an address to a length.
#[derive(Clone, Copy)]
struct Cut {
    /// The bits of the address that count, the first 64 and the last.
    upper: u64,
    lower: u64,
    /// Is hashed too, so that one address cut to two lengths has two hashes.
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

/// The cut of a gate. Its hash differs from that of an entry of the same length.
const fn gate(bits: u8) -> Cut {
    let Cut { upper, lower, length } = cut(bits);
    Cut { upper, lower, length: !length }
}

static HOST: Cut = cut(128);

/// Which lengths have had an entry since the last rebuild, hosts aside.
#[derive(Clone, Copy)]
struct Family {
    lengths: Lengths,
    /// The length in use, where it is the only one; [`MANY`] where there are several, 128 where there is none.
    only: u8,
    /// Its cut.
    cut: Cut,
    /// Whether there is a length behind the gate.
    gated: bool,
    /// Whether there is another.
    wide: bool,
}

const MANY: u8 = u8::MAX;

impl Family {
    const EMPTY: Self = Self { lengths: 0, only: 128, cut: cut(128), gated: false, wide: false };

    /// Notes that a length is in use.
    fn take(&mut self, bits: u8, gated: bool) {
        if self.only == Self::EMPTY.only {
            (self.only, self.cut) = (bits, cut(bits));
        } else if self.only != bits {
            self.only = MANY;
        }
        self.lengths |= 1 << (bits & 127);
        (self.gated, self.wide) = (self.gated | gated, self.wide | !gated);
    }
}

pub(super) struct Sieve<'a> {
    words: &'a mut [u32],
    /// By the hash of a gate: bit n for the lengths under it that are n modulo 32.
    hints: &'a mut [u32],
    key: [u64; 2],
    /// For IPv6 and for IPv4.
    families: [Family; 2],
    stale: usize,
}

impl<'a> Sieve<'a> {
    /// Takes an eighth of the words for the hints.
    pub(super) fn new(words: &'a mut [u32], [upper, lower]: [u64; 2]) -> Self {
        // As with the index: fresh memory is zero.
        if words.iter().any(|word| *word != 0) {
            words.fill(0);
        }
        let hints = words.len() / 8;
        let (hints, words) = words.split_at_mut_checked(hints).unwrap_or_default();
        Self { words, hints, key: [upper | 1, lower | 1], families: [Family::EMPTY; 2], stale: 0 }
    }

    /// Whether what `cut` leaves of an address may be there. No words, no filter: then everything may.
    #[inline]
    fn maybe(&self, halves: (u64, u64), cut: &Cut) -> bool {
        let hash = hash(self.key, halves, cut);
        let mask = mask(hash);
        self.words.get(place(hash, self.words.len())).is_none_or(|word| word & mask == mask)
    }

    #[inline]
    fn family(&self, addr: Addr) -> &Family {
        let [v6, v4] = &self.families;
        select_unpredictable(addr.is_v4(), v4, v6)
    }

    /// Whether `addr` itself may be there.
    #[inline]
    pub(super) fn host(&self, addr: Addr) -> bool {
        self.maybe(halves(addr), &HOST)
    }

    /// For a family whose prefixes all have one length: `addr` cut to that length, the length, and whether such a prefix
    /// may be there. The caller can use the first two before the filter's answer is known. (A family without any is
    /// asked for the host once more: a branch that tells it apart would cost more.)
    #[inline]
    pub(super) fn only(&self, addr: Addr) -> Option<(Addr, u8, bool)> {
        let family = self.family(addr);
        if family.only == MANY {
            return None;
        }
        let halves = halves(addr);
        Some((family.cut.of(halves), family.only, self.maybe(halves, &family.cut)))
    }

    /// The lengths at which to ask for a prefix around `addr`; `None` where there is certainly no such prefix.
    #[inline]
    pub(super) fn lengths(&self, addr: Addr) -> Option<Lengths> {
        let (family, halves) = (self.family(addr), halves(addr));
        let version = usize::from(addr.is_v4());
        let gate = GATE_CUTS.get(version)?;
        let behind = family.gated && self.maybe(halves, gate);
        if !behind && !family.wide {
            return None;
        }
        let at = place(hash(self.key, halves, gate), self.hints.len());
        let hint = if behind { self.hints.get(at).copied().unwrap_or(u32::MAX) } else { 0 };
        let wide = (1 << (GATES.get(version)? & 127)) - 1;
        Some(family.lengths & (wide | repeated(hint)))
    }

    /// `addr` cut to a length, where such a prefix may be there.
    #[inline]
    pub(super) fn part(&self, addr: Addr, bits: u8) -> Option<Addr> {
        let (halves, cut) = (halves(addr), cut(bits));
        self.maybe(halves, &cut).then(|| cut.of(halves))
    }

    pub(super) fn add(&mut self, target: Prefix) {
        let (halves, bits) = (halves(target.addr()), target.bits());
        self.mark(halves, &cut(bits));
        if target.is_host() {
            return;
        }
        let version = usize::from(target.is_v4());
        // A prefix as wide as `::/64` lies around all of IPv4 as well.
        let around_v4 = target.is_v4() || target.contains(Addr::v4([0; 4]));
        let takes = [!target.is_v4(), around_v4];
        for ((family, takes), gate) in self.families.iter_mut().zip(takes).zip(GATES) {
            if takes {
                family.take(bits, bits >= gate);
            }
        }
        if let Some(gate) = GATE_CUTS.get(version) {
            self.mark(halves, gate);
            let at = place(hash(self.key, halves, gate), self.hints.len());
            if let Some(hint) = self.hints.get_mut(at) {
                *hint |= 1 << (bits % 32);
            }
        }
    }

    fn mark(&mut self, halves: (u64, u64), cut: &Cut) {
        let hash = hash(self.key, halves, cut);
        if let Some(word) = self.words.get_mut(place(hash, self.words.len())) {
            *word |= mask(hash);
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
        self.hints.fill(0);
        (self.families, self.stale) = ([Family::EMPTY; 2], 0);
        targets.for_each(|target| self.add(target));
    }
}

#[inline]
fn halves(addr: Addr) -> (u64, u64) {
    let [a, b, c, d] = addr.words();
    (u64::from(a) << 32 | u64::from(b), u64::from(c) << 32 | u64::from(d))
}

/// The lengths that are in a hint.
#[inline]
fn repeated(hint: u32) -> Lengths {
    let twice = u64::from(hint) << 32 | u64::from(hint);
    u128::from(twice) << 64 | u128::from(twice)
}

/// The hash of a cut address. Multiply-shift (Dietzfelbinger and others, "A reliable randomized algorithm for the
/// closest-pair problem") of two words, of which the upper half counts.
#[inline]
fn hash([ku, kl]: [u64; 2], (upper, lower): (u64, u64), cut: &Cut) -> u32 {
    let sum = (upper & cut.upper).wrapping_mul(ku).wrapping_add((lower & cut.lower).wrapping_mul(kl));
    (sum.wrapping_add(cut.length) >> 32) as u32
}

/// Which of `len` places belongs to a hash, by its upper bits.
#[inline]
fn place(hash: u32, len: usize) -> usize {
    ((u64::from(hash) * len as u64) >> 32) as usize
}

/// Three bits of a word, by the lower fifteen bits of a hash.
#[inline]
fn mask(hash: u32) -> u32 {
    1 << (hash & 31) | 1 << (hash >> 5 & 31) | 1 << (hash >> 10 & 31)
}
