//! Which lines led to a ban: the failures of a log that may still count, in the order they came.
//!
//! In: each failure with its line ([`Trails::add`]), and what an accepted login forgave ([`Trails::forget`]). Out: the lines
//! of one source since its last ban or login ([`Trails::take`]). A failure goes to the end of one queue and is linked to an
//! earlier one of a source with the same hash, so that adding it costs one write and no search. What is older than every
//! jail's findtime leaves at the front. So the memory is 48 bytes for each failure within the longest findtime, in each jail
//! that counts it: no more than the log itself.

use crate::addr::Prefix;
use crate::jail::JailId;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

/// A line: the file's place on the command line, and the line's number in it.
pub(super) type Place = (u32, u32);

/// The most lines that are told of one ban: the greatest `maxretry`.
const KEPT: usize = 100;

/// Chains of failures, by a hash of their source: a power of two.
const CHAINS: usize = 1 << 14;

struct Trace {
    at: Instant,
    place: Place,
    target: Prefix,
    /// How many places in front of this one the next older failure of the same chain is; 0 for none.
    back: u32,
    jail: JailId,
    /// Whether it and what is before it have led to a ban.
    used: bool,
}

pub(super) struct Trails {
    queue: VecDeque<Trace>,
    /// How many failures had come, modulo 2³², when the newest of each chain had. One that has left the queue, or that is
    /// mistaken for another after 2³² failures, only makes a search longer.
    chains: Vec<u32>,
    key: [u64; 3],
    count: u32,
    longest: Duration,
    latest: Instant,
}

impl Trails {
    /// None yet; no jail has a findtime above `longest`. `key` is random, so that nobody can write a log whose sources are all
    /// in one chain.
    pub(super) fn new(longest: Duration, key: [u64; 3]) -> Self {
        let (queue, chains) = (VecDeque::new(), vec![0; CHAINS]);
        Self { queue, chains, key: key.map(|k| k | 1), count: 0, longest, latest: Instant::ZERO }
    }

    /// Which chain a source is in: multiply-shift (Dietzfelbinger and others, "A reliable randomized algorithm for the
    /// closest-pair problem") of the address's halves and the jail.
    fn chain(&self, jail: JailId, target: Prefix) -> usize {
        let addr = target.addr().to_u128();
        let [upper, lower, third] = self.key;
        let halves =
            ((addr >> 64) as u64).wrapping_mul(upper).wrapping_add((addr as u64).wrapping_mul(lower));
        let hash = halves.wrapping_add(u64::from(jail).wrapping_mul(third));
        (hash >> (u64::BITS - CHAINS.ilog2())) as usize
    }

    /// The time of the latest failure.
    pub(super) fn latest(&self) -> Instant {
        self.latest
    }

    pub(super) fn add(&mut self, jail: JailId, target: Prefix, place: Place, at: Instant) {
        self.latest = self.latest.max(at);
        let oldest = self.latest - self.longest;
        while self.queue.front().is_some_and(|trace| trace.at < oldest) {
            self.queue.pop_front();
        }
        self.count = self.count.wrapping_add(1);
        let (mut back, chain) = (0, self.chain(jail, target));
        if let Some(newest) = self.chains.get_mut(chain) {
            let far = self.count.wrapping_sub(*newest);
            back = if far as usize <= self.queue.len() { far } else { 0 };
            *newest = self.count;
        }
        self.queue.push_back(Trace { at, place, target, back, jail, used: false });
    }

    /// Puts the lines of `target`'s failures in `jail` from `oldest` on into `lines`, but for those taken or forgotten
    /// before, of many the last 100.
    pub(super) fn take(&mut self, jail: JailId, target: Prefix, oldest: Instant, lines: &mut Vec<Place>) {
        lines.clear();
        let mut newest = self.newest(jail, target);
        for _ in 0..KEPT {
            let Some(trace) = newest.and_then(|at| self.queue.get_mut(at)) else { break };
            if core::mem::replace(&mut trace.used, true) {
                break;
            }
            if trace.at >= oldest {
                lines.push(trace.place);
            }
            newest = newest.and_then(|at| self.same(self.older(at)?, jail, target));
        }
        lines.reverse();
        lines.dedup();
    }

    /// Forgets the failures of `target` in `jail` so far.
    pub(super) fn forget(&mut self, jail: JailId, target: Prefix) {
        if let Some(trace) = self.newest(jail, target).and_then(|at| self.queue.get_mut(at)) {
            trace.used = true;
        }
    }

    /// Where the last failure of a source is in the queue.
    fn newest(&self, jail: JailId, target: Prefix) -> Option<usize> {
        let far = self.count.wrapping_sub(*self.chains.get(self.chain(jail, target))?);
        self.same(self.queue.len().checked_sub(far as usize + 1)?, jail, target)
    }

    /// The first of the source, from the failure at `at` back along its chain.
    fn same(&self, mut at: usize, jail: JailId, target: Prefix) -> Option<usize> {
        while self.queue.get(at).is_some_and(|trace| trace.jail != jail || trace.target != target) {
            at = self.older(at)?;
        }
        Some(at)
    }

    fn older(&self, at: usize) -> Option<usize> {
        let back = self.queue.get(at).map_or(0, |trace| trace.back);
        if back == 0 { None } else { at.checked_sub(back as usize) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Addr;
    use proptest::prelude::*;

    const KEY: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

    fn source(n: u8) -> Prefix {
        Prefix::host(Addr::v4([192, 0, 2, n]))
    }

    proptest! {
        /// Against a list of all failures.
        #[test]
        fn the_lines_are_those_since_the_last_ban(
            steps in proptest::collection::vec((0u8..2, 0u8..4, 0u64..40, 0u64..60, 0u8..4), 0..200),
        ) {
            let mut trails = Trails::new(Duration::from_millis(100), KEY);
            let mut naive: Vec<(JailId, u8, Place, u64)> = Vec::new();
            let (mut lines, mut now) = (Vec::new(), 1000);
            for (number, (jail, who, wait, late, what)) in (1..).zip(steps) {
                now += wait;
                let at = now - late;
                trails.add(jail, source(who), (0, number), Instant::from_millis(at));
                naive.push((jail, who, (0, number), at));
                let mine = |(j, w, ..): &(JailId, u8, Place, u64)| *j == jail && *w == who;
                match what {
                    0 => {}
                    1 => {
                        trails.forget(jail, source(who));
                        naive.retain(|n| !mine(n));
                        continue;
                    }
                    _ => continue,
                }
                let oldest = now - 100;
                trails.take(jail, source(who), Instant::from_millis(oldest), &mut lines);
                let want: Vec<Place> =
                    naive.iter().filter(|n| mine(n) && n.3 >= oldest).map(|n| n.2).collect();
                naive.retain(|n| !mine(n));
                prop_assert_eq!(&lines, &want);
            }
        }
    }

    #[test]
    fn sources_of_one_chain_are_kept_apart() {
        let (mut trails, mut lines) = (Trails::new(Duration::FOREVER, KEY), Vec::new());
        let mut number = 0;
        for round in 0..3 {
            for n in 0..2 * CHAINS as u32 {
                number += 1;
                let target = Prefix::host(Addr::v4(n.to_be_bytes()));
                trails.add(0, target, (round, number), Instant::from_millis(number.into()));
            }
        }
        for n in [0, 77, 2 * CHAINS as u32 - 1] {
            trails.take(0, Prefix::host(Addr::v4(n.to_be_bytes())), Instant::ZERO, &mut lines);
            let want: Vec<Place> = (0..3).map(|r| (r, r * 2 * CHAINS as u32 + n + 1)).collect();
            assert_eq!(lines, want);
        }
    }

    #[test]
    fn of_many_the_last_are_told_and_a_line_once() {
        let (mut trails, mut lines) = (Trails::new(Duration::FOREVER, KEY), Vec::new());
        for n in 0..KEPT as u32 + 5 {
            trails.add(0, source(1), (0, n), Instant::ZERO);
        }
        trails.take(0, source(1), Instant::ZERO, &mut lines);
        assert_eq!((lines.len(), lines.first()), (KEPT, Some(&(0, 5))));
        trails.add(0, source(1), (0, 500), Instant::ZERO);
        trails.add(0, source(1), (0, 500), Instant::ZERO);
        trails.take(0, source(1), Instant::ZERO, &mut lines);
        assert_eq!(lines, [(0, 500)]);
    }

    #[test]
    fn what_is_too_old_for_every_jail_takes_no_memory() {
        let mut trails = Trails::new(Duration::from_secs(1), KEY);
        for n in 0..100_000 {
            trails.add(0, source(n as u8), (0, n), Instant::from_millis(u64::from(n)));
        }
        assert_eq!(trails.queue.len(), 1001);
    }

    #[test]
    fn the_count_may_go_round() {
        let (mut trails, mut lines) = (Trails::new(Duration::FOREVER, KEY), Vec::new());
        trails.count = u32::MAX - 2;
        for n in 0..6 {
            trails.add(0, source(1), (0, n), Instant::ZERO);
        }
        trails.take(0, source(1), Instant::ZERO, &mut lines);
        assert_eq!(lines, [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]);
    }
}
