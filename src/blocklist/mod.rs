//! Floor 5: bans become [`Change`]s; the packet path looks addresses up.
//!
//! In: a [`Ban`] and the current [`Instant`] (milliseconds). Out: [`Inserted`], whose changes go to the sinks in
//! order, and for any address the [`Scope`] in which its packets are dropped.
//!
//! * **Memory** is what [`Storage`] lends: 46 bytes per entry, for hosts and prefixes alike.
//! * **When full**, a new ban replaces the automatic one that expires first (permanent ones last of all). Where every
//!   entry is manual, the new ban is refused. Both are counted in [`Tally`].
//! * **A lookup** only reads, in a bounded number of steps: it asks a Bloom filter which prefix lengths an entry around the address
//!   may have (`sieve`), and probes a hash table for each of these (`index`). The table's hash is strongly universal
//!   under the caller's key, so nobody can choose addresses that collide.
//! * **Expiry** is exact to the millisecond, in order, without scanning. Expiry, insertion, eviction and removal each cost
//!   O(log n) per entry; the filter's rebuild, spread over the removals that lead to it, adds O(1) to each.
//! * Nothing here panics.
//!
//! `table` holds the entries in order of expiry, `index` and `universal` find one by its target, `sieve` is the Bloom filter,
//! `slot` an entry's bytes. [`crate::engine::Watcher::change`] passes the changes on, on a host to [`crate::action`].

use crate::addr::{Addr, Prefix};
use crate::jail::JailId;
use crate::sip::Key;
use crate::tally::tally;
use crate::time::Instant;
use core::ops::ControlFlow::{self, Break, Continue};

mod index;
mod sieve;
mod slot;
mod table;
mod universal;
#[cfg(test)]
mod tests;

pub use slot::Slot;

use index::{Index, Steps};
use sieve::{Lengths, Sieve};
use table::Table;
use universal::Universal;

/// On which ports a target is dropped: 0 for every port, else the caller's number for a set of ports, other than
/// [`LISTED_ONLY`].
pub type Scope = u8;

/// The scope of bans that are listed and drop nothing. Renewed with another scope, such a ban takes that one.
pub const LISTED_ONLY: Scope = 63;

/// The scope that holds the ports of both: where the two differ, every port.
fn joined(one: Scope, other: Scope) -> Scope {
    match (one, other) {
        (LISTED_ONLY, scope) | (scope, LISTED_ONLY) => scope,
        (one, other) if one == other => one,
        _ => 0,
    }
}

/// One entry of the blocklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Whom.
    pub target: Prefix,
    /// The jail that banned; where several did, the first.
    pub jail: JailId,
    /// On which ports.
    pub scope: Scope,
    /// Banned by a person: never evicted.
    pub manual: bool,
    /// How often this target was banned before.
    pub before: u16,
    /// From when.
    pub since: Instant,
    /// Until when; [`Instant::NEVER`] is permanent.
    pub until: Instant,
}

/// Why an entry left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its time was over.
    Expired,
    /// Someone unbanned it.
    Unbanned,
    /// It had to make room.
    Evicted,
}

/// What the sinks are told, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// New.
    Added(Ban),
    /// Already there; now until `Ban::until` and in `Ban::scope`. `old_scope` is what it had.
    Renewed {
        /// As it is now.
        ban: Ban,
        /// The scope before.
        old_scope: Scope,
    },
    /// Gone.
    Removed(Ban, Reason),
}

/// What became of a ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// A new entry.
    Added(Ban),
    /// A new entry in the place of another, which is gone.
    Replaced {
        /// The entry that left.
        gone: Ban,
        /// Evicted, or expired where it was due and [`Blocklist::expire`] had not come to it yet.
        reason: Reason,
        /// The new entry.
        ban: Ban,
    },
    /// The target was there already.
    Renewed {
        /// As it is now.
        ban: Ban,
        /// The scope before.
        old_scope: Scope,
    },
    /// Refused: the table is full of manual bans.
    Full,
    /// Refused: it would end before it begins (`until` is not after `now`).
    Over,
}

impl Inserted {
    /// What the sinks are told, in order: at most two changes.
    pub fn changes(self) -> impl Iterator<Item = Change> {
        let (first, second) = match self {
            Self::Added(ban) => (Some(Change::Added(ban)), None),
            Self::Replaced { gone, reason, ban } => {
                (Some(Change::Removed(gone, reason)), Some(Change::Added(ban)))
            }
            Self::Renewed { ban, old_scope } => (Some(Change::Renewed { ban, old_scope }), None),
            Self::Full | Self::Over => (None, None),
        };
        first.into_iter().chain(second)
    }
}

tally! {
    /// What happened since the start.
    pub struct Tally {
        /// New entries.
        added,
        /// Entries banned again while they were there.
        renewed,
        /// Entries whose time was over.
        expired,
        /// Entries that someone removed.
        unbanned,
        /// Entries that had to make room.
        evicted,
        /// Bans refused, the table being full of manual ones.
        full,
        /// Bans refused since they would end before they begin.
        over,
    }
}

/// The memory that a blocklist lives in. For `n` entries lend `n` slots, `2 * n` cells and `n / 2` words: 46 bytes per
/// entry. Each may be shorter or longer: the capacity is the least of the number of slots, 7/8 of the cells (their number
/// rounded down to a multiple of four) and 1,048,575. Fewer cells or words make lookups slower, never wrong. Contents
/// are overwritten.
///
/// ```
/// use edgeban::blocklist::{Blocklist, Slot, Storage};
/// const N: usize = 256;
/// let (mut slots, mut cells, mut words) = ([Slot::EMPTY; N], [0; 2 * N], [0; N / 2]);
/// let storage = Storage { slots: &mut slots, cells: &mut cells, words: &mut words };
/// assert_eq!(Blocklist::new(storage, [1, 2]).capacity(), N);
/// ```
pub struct Storage<'a> {
    /// The entries, 36 bytes each.
    pub slots: &'a mut [Slot],
    /// The hash table.
    pub cells: &'a mut [u32],
    /// The Bloom filter, and an eighth of them its hints.
    pub words: &'a mut [u32],
}

/// Where a listing stands. Starts at [`Cursor::default`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor(Option<(u64, Prefix)>);

/// The bans in force.
pub struct Blocklist<'a> {
    table: Table<'a>,
    sieve: Sieve<'a>,
    tally: Tally,
}

impl<'a> Blocklist<'a> {
    /// An empty blocklist. `key` is 128 bits that attackers do not know; draw it anew at each start.
    pub fn new(storage: Storage<'a>, key: [u64; 2]) -> Self {
        let Storage { slots, cells, words } = storage;
        let key = Key::new(key);
        let draw = |n| key.hash(n, 0, 0);
        let index = Index::new(cells, Universal::new([0, 1, 2, 3, 4, 5].map(draw)));
        let sieve = Sieve::new(words, [6, 7].map(draw));
        Self { table: Table::new(slots, index), sieve, tally: Tally::default() }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries there can be.
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// How many entries are manual.
    pub fn manual(&self) -> usize {
        self.table.manual()
    }

    /// The counters.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Bans a target. A target has one entry, and a second ban of it renews that entry, which then
    ///
    /// - lasts until the later of the two ends;
    /// - is on the same ports or, where they differ, on every port ([`LISTED_ONLY`] adds none);
    /// - is manual if either was;
    /// - keeps the first `jail` and the first `since`, and takes the greater `before`.
    ///
    /// A target within a wider banned one gets its own entry all the same. Times from 2^48 − 1 ms on (8,900 years) are taken
    /// for [`Instant::NEVER`].
    pub fn insert(&mut self, ban: Ban, now: Instant) -> Inserted {
        self.put(ban, now, false)
    }

    /// As [`Blocklist::insert`], but a renewed entry ends when `ban` does, even if that is sooner than before.
    pub fn insert_until(&mut self, ban: Ban, now: Instant) -> Inserted {
        self.put(ban, now, true)
    }

    fn put(&mut self, ban: Ban, now: Instant, exact: bool) -> Inserted {
        // With its times as a slot can hold them.
        let ban = Slot::new(&ban).ban(ban.manual);
        if ban.until <= now {
            self.tally.over.bump();
            return Inserted::Over;
        }
        let known = self.get(ban.target);
        if let Some(old) = known.filter(|old| old.until > now) {
            return self.renew(old, &ban, exact);
        }
        let gone = match known {
            Some(old) => Some((old, Reason::Expired)),
            None if self.table.is_full() => match self.victim(now) {
                Some(victim) => Some(victim),
                None => {
                    self.tally.full.bump();
                    return Inserted::Full;
                }
            },
            None => None,
        };
        if let Some((old, reason)) = gone {
            self.take(old.target, reason);
        }
        if !self.table.add(&ban) {
            self.tally.full.bump();
            return Inserted::Full;
        }
        self.sieve.add(ban.target);
        self.tally.added.bump();
        match gone {
            Some((gone, reason)) => Inserted::Replaced { gone, reason, ban },
            None => Inserted::Added(ban),
        }
    }

    fn renew(&mut self, old: Ban, new: &Ban, exact: bool) -> Inserted {
        let ban = Ban {
            scope: joined(old.scope, new.scope),
            manual: old.manual || new.manual,
            before: old.before.max(new.before),
            until: if exact { new.until } else { old.until.max(new.until) },
            ..old
        };
        if let Some(at) = self.at(ban.target) {
            self.table.remove(at);
            self.table.add(&ban);
        }
        self.tally.renewed.bump();
        Inserted::Renewed { ban, old_scope: old.scope }
    }

    /// The entry that makes room: one that is due, else the automatic ban that expires first.
    fn victim(&self, now: Instant) -> Option<(Ban, Reason)> {
        if let Some(due) = self.due(now) {
            return Some((due, Reason::Expired));
        }
        Some((self.table.soonest(false)?, Reason::Evicted))
    }

    /// The entry that expires first.
    fn soonest(&self) -> Option<Ban> {
        match (self.table.soonest(false), self.table.soonest(true)) {
            (Some(a), Some(m)) => Some(if m.until < a.until { m } else { a }),
            (a, m) => a.or(m),
        }
    }

    fn due(&self, now: Instant) -> Option<Ban> {
        self.soonest().filter(|ban| ban.until <= now && ban.until != Instant::NEVER)
    }

    fn take(&mut self, target: Prefix, reason: Reason) -> Option<Ban> {
        let at = self.at(target)?;
        let ban = self.table.ban(at)?;
        self.table.remove(at);
        if self.sieve.removed(self.table.len()) {
            self.sieve.rebuild(self.table.targets());
        }
        match reason {
            Reason::Expired => self.tally.expired.bump(),
            Reason::Unbanned => self.tally.unbanned.bump(),
            Reason::Evicted => self.tally.evicted.bump(),
        }
        Some(ban)
    }

    /// Unbans exactly this target; wider and narrower ones stay.
    pub fn remove(&mut self, target: Prefix) -> Option<Ban> {
        self.take(target, Reason::Unbanned)
    }

    /// Unbans some entry, manual or not. To empty the list, call it until it returns `None`.
    pub fn pop(&mut self) -> Option<Ban> {
        self.remove(self.table.last()?.target)
    }

    /// Removes what is due (`until` is not after `now`), the earliest first, and hands it to `f`; at most
    /// `budget` entries. Returns how many; fewer than `budget` means that nothing due is left.
    pub fn expire(&mut self, now: Instant, budget: usize, mut f: impl FnMut(Ban)) -> usize {
        for done in 0..budget {
            let Some(ban) = self.due(now).and_then(|due| self.take(due.target, Reason::Expired)) else {
                return done;
            };
            f(ban);
        }
        budget
    }

    /// When the next entry is due; `None` where none ever will be.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.soonest().map(|ban| ban.until).filter(|&until| until != Instant::NEVER)
    }

    /// The entry for exactly this target.
    pub fn get(&self, target: Prefix) -> Option<Ban> {
        self.table.ban(self.at(target)?)
    }

    fn at(&self, target: Prefix) -> Option<usize> {
        self.table.find(target.addr(), target.bits(), &mut ())
    }

    /// On which ports packets of `addr` are dropped; `None` where they pass. Entries that are [`LISTED_ONLY`] do not
    /// count. Where several entries contain `addr` and their scopes differ, the answer is every port (0); use
    /// [`Blocklist::drops`] to be exact on ports. An entry counts until [`Blocklist::expire`] has removed it.
    #[inline]
    pub fn lookup(&self, addr: Addr) -> Option<Scope> {
        self.merged(addr, &mut ())
    }

    /// [`Blocklist::lookup`], and how many groups of cells of the hash table it read: for tests of its bound.
    #[doc(hidden)]
    pub fn lookup_steps(&self, addr: Addr) -> (Option<Scope>, u32) {
        let mut steps = 0;
        (self.merged(addr, &mut steps), steps)
    }

    /// Whether a packet of `addr` is dropped. `in_scope` says whether the packet's port is in the given scope; it is asked
    /// for each entry that contains `addr` and is not on every port, until it returns true.
    #[inline]
    pub fn drops(&self, addr: Addr, mut in_scope: impl FnMut(Scope) -> bool) -> bool {
        self.any(addr, |scope| scope == 0 || scope != LISTED_ONLY && in_scope(scope))
    }

    /// Whether a ban of `addr` in `scope` would add nothing: an entry that contains it has the same scope, or every port.
    #[inline]
    pub fn covers(&self, addr: Addr, scope: Scope) -> bool {
        self.any(addr, |known| known == 0 || known == scope)
    }

    #[inline]
    fn any(&self, addr: Addr, mut f: impl FnMut(Scope) -> bool) -> bool {
        self.around(addr, &mut (), false, |_, _, slot| match f(slot.scope()) {
            true => Break(true),
            false => Continue(false),
        })
    }

    /// Calls `f` with each entry that contains `addr`, the narrowest first, until it returns `false`.
    pub fn covering(&self, addr: Addr, mut f: impl FnMut(Ban) -> bool) {
        self.around(addr, &mut (), (), |(), at, _| match self.table.ban(at).is_none_or(&mut f) {
            true => Continue(()),
            false => Break(()),
        });
    }

    #[inline]
    fn merged<S: Steps>(&self, addr: Addr, steps: &mut S) -> Option<Scope> {
        self.around(addr, steps, None, |merged: Option<Scope>, _, slot| match slot.scope() {
            LISTED_ONLY => Continue(merged),
            0 => Break(Some(0)),
            scope => Continue(Some(merged.map_or(scope, |known| joined(known, scope)))),
        })
    }

    /// Folds over the entries that contain `addr`, the narrowest first. Inlined up to the first "maybe", so that a miss
    /// calls nothing.
    #[inline]
    fn around<S: Steps, T>(
        &self,
        addr: Addr,
        steps: &mut S,
        start: T,
        mut f: impl FnMut(T, usize, &Slot) -> ControlFlow<T, T>,
    ) -> T {
        if self.sieve.host(addr) {
            return self.host_and_prefixes(addr, steps, start, f);
        }
        let Some((part, bits, maybe)) = self.sieve.only(addr) else {
            return match self.sieve.lengths(addr) {
                None => start,
                Some(lengths) => self.prefixes(addr, lengths, steps, start, f),
            };
        };
        if !maybe {
            return start;
        }
        match self.entry(part, bits, steps) {
            None => start,
            Some((at, slot)) => match f(start, at, slot) {
                Continue(last) | Break(last) => last,
            },
        }
    }

    /// The entry for exactly this prefix, and where it lies.
    #[inline(always)]
    fn entry<S: Steps>(&self, part: Addr, bits: u8, steps: &mut S) -> Option<(usize, &Slot)> {
        let at = self.table.find(part, bits, steps)?;
        Some((at, self.table.slot(at)?))
    }

    #[inline(never)]
    fn host_and_prefixes<S: Steps, T>(
        &self,
        addr: Addr,
        steps: &mut S,
        start: T,
        mut f: impl FnMut(T, usize, &Slot) -> ControlFlow<T, T>,
    ) -> T {
        let folded = match self.entry(addr, 128, steps) {
            None => start,
            Some((at, slot)) => match f(start, at, slot) {
                Continue(next) => next,
                Break(last) => return last,
            },
        };
        match self.sieve.lengths(addr) {
            None => folded,
            Some(lengths) => self.prefixes(addr, lengths, steps, folded, f),
        }
    }

    #[inline(never)]
    fn prefixes<S: Steps, T>(
        &self,
        addr: Addr,
        mut lengths: Lengths,
        steps: &mut S,
        mut folded: T,
        mut f: impl FnMut(T, usize, &Slot) -> ControlFlow<T, T>,
    ) -> T {
        while let Some(bits) = lengths.checked_ilog2() {
            lengths &= !(1 << bits);
            let bits = bits as u8;
            if let Some(part) = self.sieve.part(addr, bits)
                && let Some((at, slot)) = self.entry(part, bits, steps)
            {
                match f(folded, at, slot) {
                    Continue(next) => folded = next,
                    Break(last) => return last,
                }
            }
        }
        folded
    }

    /// The next entry of a listing, between whose calls the list may change: an entry that is there from the first call to
    /// the last is listed exactly once, one that comes or goes meanwhile at most once. The order depends on the key. Call
    /// until `None`.
    pub fn list(&self, cursor: &mut Cursor) -> Option<Ban> {
        let (hash, target, at) = self.table.next(cursor.0)?;
        *cursor = Cursor(Some((hash, target)));
        self.table.ban(at)
    }
}
