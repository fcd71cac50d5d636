//! Floor 4: hits of one session, put together, become [`Failure`]s.
//!
//! A daemon often says in one line who connected and in another that a password was wrong; only the session id (of
//! the rule, else the syslog pid) ties the two. In: [`Hit`]s with the pid, the logging host and the caller's
//! clock. Out: [`Event`]s through a callback, none, one or two a hit. Memory is lent, 80 bytes an entry and
//! 9 to 12 for its links. When full, the session not heard of for the longest time goes and is counted; a session idle for
//! longer than the timeout counts as over. A hit costs O(length of its fields). Nothing panics, on any hit.
//!
//! # What counts once
//!
//! A daemon tells of one attempt in several lines, and rules say which ([`Part`]). In a session an attempt counts with the
//! first of them: a name refused and the password tried with it are one, and a line that sums the session
//! up counts only where nothing before it did.
//!
//! # Whom a failure is held against
//!
//! Only addresses of [`Source::Ip`] count, which the rules take from the daemon's own text; a host name is
//! counted in [`Tally::hosts_unresolved`] and blames nobody. A session that knows an address never
//! moves what it knows to another one: a line with a different address or port starts it afresh, for then the pid was
//! reused.

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

/// What a session has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Someone failed.
    Failure(Failure<'a>),
    /// Someone authenticated: their earlier failures were mistakes.
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
        /// Held attempts that an accepted login made void.
        forgiven,
        /// Held attempts whose session ended, was idle too long, was evicted or began afresh.
        dropped,
        /// Lines that told of an attempt which had counted.
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
    /// Something in this session counted.
    counted: bool,
    /// The part that told of the present attempt; `Whole` where a new one may begin.
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

    /// How many new attempts a line is that tells of `part` of one, `times` over.
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

/// What the caller lends: as many [`Link`]s as entries, and buckets half to twice as many.
pub struct Storage<'a> {
    /// The sessions.
    pub entries: &'a mut [Entry],
    /// One an entry.
    pub links: &'a mut [Link],
    /// Heads of the hash chains.
    pub buckets: &'a mut [u16],
}

/// The sessions that are going on.
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

    /// Takes one hit. `pid` is the process id that the line's header carries and `host` the host that logged it (either may
    /// be empty), `times` how often the line stands for itself ("message repeated"; 0 counts as 1).
    ///
    /// - *fail* with an address: a failure of that address; failures held by the session are released to it first.
    ///   A line that tells of an attempt again is none ([`Part`]).
    /// - *fail* without one: a failure of the session's address, else held until that is known. Where
    ///   the line names a host instead, nothing is held.
    /// - *help*: the session learns the address (and releases what it held) or the user.
    /// - *gain*: what was held is void and [`Event::Gained`] says whose failures are; where several users were
    ///   tried in the session, it is no more than a help.
    /// - `forget`: the session is over after this line.
    ///
    /// A hit with neither session id nor pid has no session: only the address it carries counts.
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
            // Over as soon as it began, as most logins are: it knows nothing, and need not push out one that does.
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
        // What is held was tried as the user known before this line.
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
            // A name in place of the address is nobody's failure yet: a later line may still know whose.
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
