//! The table of sources: how often each has failed and how often it was banned.
//!
//! In: an [`Attempt`] of a source in a jail, the jail's [`Policy`] and the time. Out: an [`Outcome`]. See [`Tracker`] for what
//! happens when the table is full.

use super::window::Window;
use super::{JailId, Policy, Sentence};
use crate::addr::{Addr, Prefix};
use crate::lru::{Index, Link, List};
use crate::sip::Key;
use crate::tally::{Count, tally};
use crate::time::Instant;

tally! {
    /// What the table counted and lost.
    pub struct Tally {
        /// Attempts taken.
        failures,
        /// Sentences passed.
        bans,
        /// Times that a source failed often enough while its ban was still in force ([`Outcome::Again`]).
        again,
        /// Attempts older than findtime, which do not count.
        late,
        /// Attempts in a jail whose maxretry is more than the table can count: they never make a ban.
        uncountable,
        /// Attempts not counted since the table has no memory at all.
        untracked,
        /// Sources whose failures an accepted login cleared.
        cleared,
        /// Sources never banned that had to make room; their failures are forgotten.
        evicted,
        /// Sources banned before that had to make room; their next ban is a first one again.
        histories_evicted,
    }
}

/// One source in one jail: 56 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    target: Prefix,
    jail: JailId,
    /// Bans not yet forgotten.
    bans: u16,
    attempts: u32,
    window: Window,
    since: Instant,
    /// End of the last ban; meaningless where `bans` is 0.
    until: Instant,
}

impl Slot {
    /// Unused; what a board's static starts as.
    pub const EMPTY: Self = Self {
        target: Prefix::new(Addr::UNSPECIFIED, 0),
        jail: 0,
        bans: 0,
        attempts: 0,
        window: Window::EMPTY,
        since: Instant::ZERO,
        until: Instant::ZERO,
    };
}

/// What `status` says of a jail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many sources the table holds for it now.
    pub tracked: u16,
    /// Attempts in all, late ones included.
    pub failures: Count,
    /// Sentences in all.
    pub bans: Count,
}

impl Totals {
    /// Nothing yet; what a board's static starts as.
    pub const EMPTY: Self = Self { tracked: 0, failures: Count::ZERO, bans: Count::ZERO };
}

/// What the caller lends. For N sources: N `slots`, N `links`, N ÷ 2 to 2 N `buckets`, and N × R `times`, where R is the
/// greatest `maxretry` of any jail, or twice that where stamps come out of order.
pub struct Storage<'a> {
    /// The sources; at most 65,535 are used.
    pub slots: &'a mut [Slot],
    /// Stamps of the failures, R for each slot.
    pub times: &'a mut [u32],
    /// One for each slot.
    pub links: &'a mut [Link],
    /// Heads of the hash chains.
    pub buckets: &'a mut [u16],
    /// One for each jail; jails beyond them are counted in [`Tally`] only.
    pub jails: &'a mut [Totals],
}

/// One or more failures of a source at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The source, from [`super::Allow::judge`].
    pub target: Prefix,
    /// How many; 0 counts as 1.
    pub count: u32,
    /// When. Later than now counts as now.
    pub at: Instant,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Counted, and not yet enough for a ban.
    Counted {
        /// Failures in the window now: fewer than `maxretry`, unless a reload has lowered that.
        failures: u16,
    },
    /// A ban; the failures are used up.
    Ban(Sentence),
    /// The source failed often enough again while this earlier sentence is in force, through lines that were on their way
    /// or because the blocklist lost the ban. The caller bans it again until the same end; it does not count as another ban.
    Again(Sentence),
    /// Older than `findtime`: not counted.
    Late,
    /// Not counted: the table has no memory, or too little for this `maxretry` ([`Tracker::longest`]).
    Untracked,
}

/// A source as `status` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Who.
    pub target: Prefix,
    /// In which jail.
    pub jail: JailId,
    /// Failures kept now, perhaps some older than `findtime`.
    pub failures: u16,
    /// Failures since the source entered the table.
    pub attempts: u32,
    /// Bans not yet forgotten.
    pub bans: u16,
    /// End of the last of them.
    pub until: Option<Instant>,
}

/// The table of sources. A source has an entry of its own in each jail that it failed in.
///
/// # When full
///
/// The source that failed least recently makes room. Sources that were never banned go first, but those banned before may
/// keep at most three quarters of the table, so that a quarter of the slots always remains for counting. A source is
/// thus forgotten between two of its failures only where at least that many others fail for the first time in between.
/// Who can make that many sources appear in the log can hide one that fails rarely; the counters `evicted` and
/// `histories_evicted` show it, and more slots help.
pub struct Tracker<'a> {
    slots: &'a mut [Slot],
    times: &'a mut [u32],
    ring: usize,
    index: Index<'a>,
    jails: &'a mut [Totals],
    key: Key,
    tally: Tally,
}

impl<'a> Tracker<'a> {
    /// An empty table. `key` is secret and random, so that nobody can aim at a hash chain.
    pub fn new(storage: Storage<'a>, key: [u8; 16]) -> Self {
        let Storage { slots, times, links, buckets, jails } = storage;
        let used = links.len().min(slots.len());
        let links = links.get_mut(..used).unwrap_or_default();
        let ring = times.len().checked_div(slots.len()).unwrap_or(0).min(usize::from(u16::MAX));
        jails.fill(Totals::EMPTY);
        Self {
            slots,
            times,
            ring,
            index: Index::new(links, buckets),
            jails,
            key: Key::from_bytes(key),
            tally: Tally::default(),
        }
    }

    /// The greatest `maxretry` that can be counted: the number of stamps per slot. Refuse a configuration that asks for more.
    pub fn longest(&self) -> u16 {
        self.ring as u16
    }

    /// How many sources can be tracked.
    pub fn capacity(&self) -> usize {
        self.index.capacity()
    }

    /// How many sources are tracked.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no source is tracked.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What was counted so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What was counted for `jail`; zeros for one beyond [`Storage::jails`].
    pub fn totals(&self, jail: JailId) -> Totals {
        self.jails.get(usize::from(jail)).copied().unwrap_or_default()
    }

    /// Takes an attempt. `random` is a fresh random number, for [`Policy::rndtime`]. A ban starts at `now`, when it is
    /// decided, however old the line is that led to it.
    pub fn fail(
        &mut self,
        jail: JailId,
        policy: &Policy,
        attempt: Attempt,
        now: Instant,
        random: u32,
    ) -> Outcome {
        let count = attempt.count.max(1);
        let at = attempt.at.min(now);
        self.tally.failures.add(u64::from(count));
        if let Some(totals) = self.jails.get_mut(usize::from(jail)) {
            totals.failures.add(u64::from(count));
        }
        let span = policy.window();
        if now.since(at).millis() > u64::from(span) {
            self.tally.late.add(u64::from(count));
            return Outcome::Late;
        }
        if usize::from(policy.maxretry.max(1)) > self.ring {
            self.tally.uncountable.add(u64::from(count));
            return Outcome::Untracked;
        }
        let Some((place, slot, ring)) = self.open(jail, attempt.target) else {
            self.tally.untracked.add(u64::from(count));
            return Outcome::Untracked;
        };
        slot.attempts = slot.attempts.saturating_add(count);
        if slot.bans > 0 && policy.is_forgotten(slot.until, now) {
            slot.bans = 0;
        }
        let held = u32::from(slot.window.within_at(ring, at, span));
        let failures = held.saturating_add(count).max(policy.maxretry.into());
        if !slot.window.add(ring, at, count, policy.maxretry, span) {
            let failures = slot.window.within(ring, span);
            let list = if slot.bans > 0 { List::Second } else { List::First };
            self.index.shift(place, list);
            return Outcome::Counted { failures };
        }
        if slot.bans > 0 && now < slot.until {
            let (since, until, before) = (slot.since, slot.until, slot.bans - 1);
            self.tally.again.bump();
            self.index.shift(place, List::Second);
            return Outcome::Again(Sentence {
                target: attempt.target,
                jail,
                since,
                until,
                before,
                failures,
            });
        }
        let before = slot.bans;
        let length = policy.length(before, random);
        // Saturates: a permanent ban ends at `Instant::NEVER`.
        let until = now + length;
        slot.bans = before.saturating_add(1);
        slot.since = now;
        slot.until = until;
        self.index.shift(place, List::Second);
        self.tally.bans.bump();
        if let Some(totals) = self.jails.get_mut(usize::from(jail)) {
            totals.bans.bump();
        }
        Outcome::Ban(Sentence { target: attempt.target, jail, since: now, until, before, failures })
    }

    /// An accepted login of `target`: its failures in `jail` are cleared. Earlier bans stay on record.
    pub fn gained(&mut self, jail: JailId, target: Prefix) {
        let Some(place) = self.find(jail, target) else { return };
        let Some(slot) = self.slots.get_mut(usize::from(place)) else { return };
        if !slot.window.is_empty() {
            self.tally.cleared.bump();
        }
        slot.window.clear();
        if slot.bans == 0 {
            self.release(place);
        }
    }

    /// `target` was unbanned: the failures of every source within it are cleared in every jail, and their sentences end
    /// now. Earlier bans stay on record. O(size of the table): for commands, not for lines.
    pub fn forgive(&mut self, target: Prefix, now: Instant) {
        for list in [List::First, List::Second] {
            let mut next = self.index.oldest(list);
            while let Some(place) = next {
                next = self.index.newer(place);
                let Some(slot) = self.slots.get_mut(usize::from(place)) else { break };
                if slot.target.bits() < target.bits() || !target.overlaps(slot.target) {
                    continue;
                }
                slot.window.clear();
                slot.until = slot.until.min(now);
                if slot.bans == 0 {
                    self.release(place);
                }
            }
        }
    }

    /// A reload has put another jail in the place of `jail`: drops its sources and counts. O(size of the table).
    pub fn forget(&mut self, jail: JailId) {
        for list in [List::First, List::Second] {
            let mut next = self.index.oldest(list);
            while let Some(place) = next {
                next = self.index.newer(place);
                if self.slots.get(usize::from(place)).is_some_and(|slot| slot.jail == jail) {
                    self.release(place);
                }
            }
        }
        if let Some(totals) = self.jails.get_mut(usize::from(jail)) {
            *totals = Totals::EMPTY;
        }
    }

    /// Records a sentence of before a restart, so that the next one is longer. `false` where there is no memory for it.
    pub fn restore(&mut self, sentence: &Sentence) -> bool {
        let Some((place, slot, _)) = self.open(sentence.jail, sentence.target) else { return false };
        slot.bans = slot.bans.max(sentence.before.saturating_add(1));
        slot.since = sentence.since;
        slot.until = sentence.until;
        self.index.shift(place, List::Second);
        true
    }

    /// How often `jail` banned `target`; 0 where that is forgotten by `now` ([`Policy::decay`]).
    pub fn history(&self, jail: JailId, policy: &Policy, target: Prefix, now: Instant) -> u16 {
        let slot = self.find(jail, target).and_then(|place| self.slots.get(usize::from(place)));
        slot.filter(|s| !policy.is_forgotten(s.until, now)).map_or(0, |s| s.bans)
    }

    /// How many chain links were followed so far: the measure of the work done.
    pub fn steps(&self) -> u64 {
        self.index.steps()
    }

    /// Calls `f` with every source, the least recent first, those never banned before the others.
    pub fn each(&self, mut f: impl FnMut(Tracked)) {
        for list in [List::First, List::Second] {
            let mut next = self.index.oldest(list);
            while let Some(place) = next {
                next = self.index.newer(place);
                let Some(slot) = self.slots.get(usize::from(place)) else { break };
                f(Tracked {
                    target: slot.target,
                    jail: slot.jail,
                    failures: slot.window.len(),
                    attempts: slot.attempts,
                    bans: slot.bans,
                    until: (slot.bans > 0).then_some(slot.until),
                });
            }
        }
    }

    fn hash(&self, jail: JailId, target: Prefix) -> u64 {
        let addr = target.addr().to_u128();
        let rest = u64::from(target.bits()) | u64::from(jail) << 8;
        self.key.block(addr as u64).block((addr >> 64) as u64).block(rest).finish()
    }

    fn find(&self, jail: JailId, target: Prefix) -> Option<u16> {
        self.index.find(self.hash(jail, target), |place| {
            self.slots.get(usize::from(place)).is_some_and(|s| s.target == target && s.jail == jail)
        })
    }

    /// The slot of a source with its ring, a fresh one where there is none.
    fn open(&mut self, jail: JailId, target: Prefix) -> Option<(u16, &mut Slot, &mut [u32])> {
        let place = match self.find(jail, target) {
            Some(place) => place,
            None => self.fresh(jail, target)?,
        };
        let from = usize::from(place) * self.ring;
        let ring = self.times.get_mut(from..from + self.ring)?;
        Some((place, self.slots.get_mut(usize::from(place))?, ring))
    }

    fn fresh(&mut self, jail: JailId, target: Prefix) -> Option<u16> {
        let hash = self.hash(jail, target);
        let place = match self.index.insert(hash) {
            Some(place) => place,
            None => {
                self.make_room()?;
                self.index.insert(hash)?
            }
        };
        *self.slots.get_mut(usize::from(place))? = Slot { target, jail, ..Slot::EMPTY };
        if let Some(totals) = self.jails.get_mut(usize::from(jail)) {
            totals.tracked = totals.tracked.saturating_add(1);
        }
        Some(place)
    }

    fn make_room(&mut self) -> Option<()> {
        let offenders = self.index.len_of(List::Second);
        let share = self.index.capacity() - self.index.capacity() / 4;
        let (first, second) = (self.index.oldest(List::First), self.index.oldest(List::Second));
        let place = match (first, second) {
            (Some(place), _) if offenders <= share => place,
            (_, Some(place)) => place,
            (first, None) => first?,
        };
        let banned = self.slots.get(usize::from(place)).is_some_and(|s| s.bans > 0);
        if banned {
            self.tally.histories_evicted.bump();
        } else {
            self.tally.evicted.bump();
        }
        self.release(place);
        Some(())
    }

    fn release(&mut self, place: u16) {
        let jail = self.slots.get(usize::from(place)).map_or(0, |s| s.jail);
        if let Some(totals) = self.jails.get_mut(usize::from(jail)) {
            totals.tracked = totals.tracked.saturating_sub(1);
        }
        self.index.remove(place);
    }
}
