//! Floor 4: hits of one session, put together, become [`Failure`]s.
//!
//! A daemon often says in one line who connected and in another that a password was wrong; only the session id (from the
//! rule, else the process id in the syslog header) connects the two. In: [`Hit`]s with the process id, the logging host and
//! the time. Out: up to two [`Event`]s per hit, through a callback. Memory is lent, 80 bytes per session and 9 to 12 for its
//! links. When full, the session silent for the longest time is dropped and counted; a session silent for longer than the
//! timeout is over. A hit costs O(length of its fields). Nothing panics, on any hit.
//!
//! The engine takes each failure to its [`crate::jail`].
//!
//! # What counts once
//!
//! A daemon may report one attempt in several lines, and a rule says which part of an attempt its line reports ([`Part`]). In
//! a session the first of these lines counts and the others do not: "invalid user" and the wrong password that follows
//! are one attempt. A line that sums up a session counts only where nothing before it did.
//!
//! # Whom a failure is held against
//!
//! Only addresses ([`Source::Ip`]), which the rules take from the daemon's own text, are held responsible. A host name is
//! counted in [`Tally::hosts_unresolved`] and nobody is banned for it. What a session knows of one address is never held
//! against another: a line with a different address or port starts the session afresh, for then the process id was reused.

#[cfg(test)]
mod tests;

use crate::addr::Addr;
use crate::lru::{Index, Link, List};
use crate::matcher::{Hit, Part, Source, Verdict};
use crate::sip::Key;
use crate::tally::tally;
use crate::time::{Duration, Instant};

/// How many bytes of a user name a session keeps.
pub const USER_KEPT: usize = 32;

/// How long a session may be silent, unless the caller says otherwise.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// A failed attempt of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Who.
    pub ip: Addr,
    /// The user name tried, where known; the first 32 bytes of it where the session had to keep it.
    pub user: Option<&'a [u8]>,
    /// How many attempts this stands for, at least 1.
    pub attempts: u32,
}

/// What came of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Failed attempts of one address.
    Failure(Failure<'a>),
    /// An accepted login: earlier failures of the address are forgiven.
    Gained {
        /// Who.
        ip: Addr,
        /// As whom, where known; cut like [`Failure::user`].
        user: Option<&'a [u8]>,
    },
}

tally! {
    /// What sessions did and lost.
    pub struct Tally {
        /// Attempts handed up, held ones included.
        failures,
        /// Attempts held because no address was known yet.
        held,
        /// Held attempts that got an address later; part of `failures`.
        released,
        /// Held attempts that an accepted login in the same session forgave.
        forgiven,
        /// Held attempts whose session ended, was idle too long, was evicted or began afresh.
        dropped,
        /// Lines about an attempt that had counted already.
        told_again,
        /// Attempts without an address and without a session id.
        orphans,
        /// Attempts that named a host and no address.
        hosts_unresolved,
        /// Accepted logins handed up.
        gained,
        /// Accepted logins that cleared nothing, since their session tried several users.
        gains_held,
        /// Sessions that began afresh because their address or port changed.
        reused,
        /// Sessions that were idle too long.
        expired,
        /// Live sessions that had to make room.
        evicted,
    }
}

/// One session.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    key: u64,
    heard: Instant,
    ip: Addr,
    held: u32,
    /// Hash of the whole name, since `user` may be cut.
    user_hash: u32,
    user: [u8; USER_KEPT],
    user_len: u8,
    has_ip: bool,
    has_user: bool,
    several_users: bool,
    /// Whether an attempt of this session has counted.
    counted: bool,
    /// The last part of the current attempt that a line reported; `Whole` where the next line begins a new attempt.
    told: Part,
    /// The address's port; 0 where no line named it.
    port: u16,
}

impl Entry {
    /// Unused; what a board's static starts as.
    pub const EMPTY: Self = Self {
        key: 0,
        heard: Instant::ZERO,
        ip: Addr::UNSPECIFIED,
        held: 0,
        user_hash: 0,
        user: [0; USER_KEPT],
        user_len: 0,
        has_ip: false,
        has_user: false,
        several_users: false,
        counted: false,
        told: Part::Whole,
        port: 0,
    };

    fn ip(&self) -> Option<Addr> {
        self.has_ip.then_some(self.ip)
    }

    fn user(&self) -> Option<&[u8]> {
        if self.has_user { self.user.get(..usize::from(self.user_len)) } else { None }
    }

    /// How many new attempts there are in a line that reports `part` of one and is repeated `times`.
    fn attempts(&mut self, part: Part, times: u32) -> u32 {
        let again = match part {
            Part::Whole => false,
            Part::Sum if self.counted => return 0,
            Part::Sum => false,
            _ => self.told != Part::Whole && self.told < part,
        };
        self.counted = true;
        self.told = match part {
            Part::Early | Part::Middle => part,
            Part::Late => Part::Whole,
            Part::Whole | Part::Sum => self.told,
        };
        times.saturating_sub(u32::from(again))
    }

    fn note_user(&mut self, name: &[u8], hash: u32) {
        if self.has_user && self.user_hash == hash {
            return;
        }
        self.several_users |= self.has_user;
        self.has_user = true;
        self.user_hash = hash;
        let mut len = 0;
        for (kept, &b) in self.user.iter_mut().zip(name) {
            *kept = b;
            len += 1;
        }
        self.user_len = len;
    }
}

/// What the caller lends: as many [`Link`]s as entries, and from half as many to twice as many buckets.
pub struct Storage<'a> {
    /// The sessions.
    pub entries: &'a mut [Entry],
    /// One for each entry.
    pub links: &'a mut [Link],
    /// Heads of the hash chains.
    pub buckets: &'a mut [u16],
}

/// The sessions under way.
pub struct Sessions<'a> {
    entries: &'a mut [Entry],
    index: Index<'a>,
    key: Key,
    timeout: Duration,
    tally: Tally,
}

impl<'a> Sessions<'a> {
    /// No sessions yet. `key` is secret and random, so that nobody can aim at a hash chain; `timeout` is how long a
    /// session may be silent. At most 65,535 entries are used; with none, only lines that carry an address count.
    pub fn new(storage: Storage<'a>, key: [u8; 16], timeout: Duration) -> Self {
        let Storage { entries, links, buckets } = storage;
        let used = links.len().min(entries.len());
        let links = links.get_mut(..used).unwrap_or_default();
        Self {
            entries,
            index: Index::new(links, buckets),
            key: Key::from_bytes(key),
            timeout,
            tally: Tally::default(),
        }
    }

    /// What was counted so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many sessions are kept now, idle ones included.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no session is kept.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many can be kept.
    pub fn capacity(&self) -> usize {
        self.index.capacity()
    }

    /// Forgets every session; the counters stay.
    pub fn clear(&mut self) {
        while let Some(slot) = self.index.oldest(List::First) {
            self.discard(slot);
        }
    }

    /// Takes one hit. `pid` is the process id of the line's header and `host` the host that logged it (either may be empty);
    /// `times` says for how many lines it stands ("message repeated 3 times"; 0 counts as 1).
    ///
    /// - *fail* with an address: a failure of that address, after those that the session held. A line about an attempt
    ///   that has counted already is no failure ([`Part`]).
    /// - *fail* without an address: a failure of the session's address; held until that is known. Where the line names a
    ///   host instead, nothing is held.
    /// - *help*: the session learns the address, and hands up what it held, or learns the user.
    /// - *gain*: what the session held is dropped, and [`Event::Gained`] says whose failures are forgiven. Where several
    ///   users were tried in the session, a gain is only a help.
    /// - `forget`: the session is over after this line.
    ///
    /// A hit with neither session id nor process id belongs to no session: it counts only if it carries an address.
    pub fn feed(
        &mut self,
        hit: &Hit<'_>,
        pid: &[u8],
        host: &[u8],
        times: u32,
        now: Instant,
        out: &mut impl FnMut(Event<'_>),
    ) {
        let times = times.max(1);
        let id = hit.sess.filter(|s| !s.is_empty()).unwrap_or(pid);
        if matches!(hit.source, Source::Host(_)) && hit.verdict == Verdict::Fail {
            self.tally.hosts_unresolved.add(u64::from(times));
        }
        if hit.verdict == Verdict::Ignore {
            return;
        }
        if id.is_empty() {
            return self.alone(hit, times, out);
        }
        let key = self.key_of(hit.filter, id, host);
        let slot = match self.known(key, now) {
            // A new session that ends with this line, which has all there is to know: no need to push out another for it.
            None if hit.forget && matches!(hit.source, Source::Ip(_)) => None,
            None => self.open(key, now),
            known => known,
        };
        let Some(slot) = slot else { return self.alone(hit, times, out) };

        let user_hash =
            hit.user.map(|user| (user, self.key.block(user.len() as u64).text(user).finish() as u32));
        let ip = match hit.source {
            Source::Ip(ip) => Some(ip),
            Source::None | Source::Host(_) => None,
        };
        let Some(entry) = self.entries.get_mut(usize::from(slot)) else { return };
        if let Some(ip) = ip {
            let port = hit.port.unwrap_or(0);
            let moved = port != 0 && entry.port != 0 && port != entry.port;
            if entry.ip().is_some_and(|known| known != ip) || moved {
                self.tally.reused.bump();
                self.tally.dropped.add(u64::from(entry.held));
                *entry = Entry { key: entry.key, heard: entry.heard, ..Entry::EMPTY };
            }
            entry.ip = ip;
            entry.has_ip = true;
            entry.port = if port == 0 { entry.port } else { port };
        }
        // An accepted login forgives only what was tried as the same user.
        let voids = hit.verdict == Verdict::Gain
            && !entry.several_users
            && user_hash.is_none_or(|(_, hash)| !entry.has_user || entry.user_hash == hash);
        if voids {
            self.tally.forgiven.add(u64::from(entry.held));
            entry.held = 0;
            (entry.counted, entry.told) = (false, Part::Whole);
        }
        if let Some(ip) = entry.ip().filter(|_| entry.held > 0) {
            let attempts = core::mem::take(&mut entry.held);
            self.tally.failures.add(u64::from(attempts));
            self.tally.released.add(u64::from(attempts));
            out(Event::Failure(Failure { ip, user: entry.user(), attempts }));
        }
        if let Some((user, hash)) = user_hash {
            entry.note_user(user, hash);
        }
        match hit.verdict {
            // A host name instead of an address: the failure is nobody's, and a later line may report it again.
            Verdict::Fail if entry.ip().is_none() && matches!(hit.source, Source::Host(_)) => {}
            Verdict::Fail => {
                let attempts = entry.attempts(hit.part, times);
                match entry.ip() {
                    _ if attempts == 0 => self.tally.told_again.bump(),
                    Some(ip) => {
                        self.tally.failures.add(u64::from(attempts));
                        let user = hit.user.or(entry.user());
                        out(Event::Failure(Failure { ip, user, attempts }));
                    }
                    None => {
                        self.tally.held.add(u64::from(attempts));
                        entry.held = entry.held.saturating_add(attempts);
                    }
                }
            }
            Verdict::Gain if voids => {
                if let Some(ip) = entry.ip() {
                    self.tally.gained.bump();
                    out(Event::Gained { ip, user: hit.user.or(entry.user()) });
                }
            }
            Verdict::Gain => self.tally.gains_held.bump(),
            Verdict::Help | Verdict::Ignore => {}
        }
        if hit.forget {
            self.discard(slot);
        }
    }

    /// A hit that belongs to no session.
    fn alone(&mut self, hit: &Hit<'_>, times: u32, out: &mut impl FnMut(Event<'_>)) {
        match (hit.verdict, hit.source) {
            (Verdict::Fail, Source::Ip(ip)) => {
                self.tally.failures.add(u64::from(times));
                out(Event::Failure(Failure { ip, user: hit.user, attempts: times }));
            }
            (Verdict::Fail, Source::None) => self.tally.orphans.add(u64::from(times)),
            (Verdict::Gain, Source::Ip(ip)) => {
                self.tally.gained.bump();
                out(Event::Gained { ip, user: hit.user });
            }
            _ => {}
        }
    }

    /// The slot of the session `key`; one that was idle too long is over.
    fn known(&mut self, key: u64, now: Instant) -> Option<u16> {
        let entries = &*self.entries;
        let slot =
            self.index.find(key, |slot| entries.get(usize::from(slot)).is_some_and(|e| e.key == key))?;
        if self.idle(slot, now) {
            self.tally.expired.bump();
            self.discard(slot);
            return None;
        }
        self.index.touch(slot);
        let entry = self.entries.get_mut(usize::from(slot))?;
        entry.heard = entry.heard.max(now);
        Some(slot)
    }

    /// A fresh slot for the session `key`. `None` without capacity.
    fn open(&mut self, key: u64, now: Instant) -> Option<u16> {
        let slot = match self.index.insert(key) {
            Some(slot) => slot,
            None => {
                let oldest = self.index.oldest(List::First)?;
                if self.idle(oldest, now) {
                    self.tally.expired.bump();
                } else {
                    self.tally.evicted.bump();
                }
                self.discard(oldest);
                self.index.insert(key)?
            }
        };
        *self.entries.get_mut(usize::from(slot))? = Entry { key, heard: now, ..Entry::EMPTY };
        Some(slot)
    }

    fn idle(&self, slot: u16, now: Instant) -> bool {
        self.entries.get(usize::from(slot)).is_some_and(|e| now.since(e.heard) > self.timeout)
    }

    fn discard(&mut self, slot: u16) {
        if let Some(entry) = self.entries.get(usize::from(slot)) {
            self.tally.dropped.add(u64::from(entry.held));
        }
        self.index.remove(slot);
    }

    fn key_of(&self, filter: u8, id: &[u8], host: &[u8]) -> u64 {
        // The lengths keep ("1", "2x") and ("12", "x") apart.
        let lengths = u64::from(filter) | (id.len() as u64) << 8 | (host.len() as u64) << 36;
        self.key.block(lengths).text(id).text(host).finish()
    }
}
