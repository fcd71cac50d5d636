//! Floor 7: the only module that names every stage.
//!
//! In: lines with their times, and orders of people (ban, unban, attempt). Out: calls to a [`Watcher`], above all each
//! [`Change`] of the blocklist, in order. An [`Engine`] owns the state and lives as long as the process; the [`Rules`] are
//! lent to each call, so that a reload can swap them between two lines and keep every count and ban. All tables are memory
//! of the caller; what does not fit is counted. Nothing here panics.
//!
//! [`Engine::line`] takes a line through the stages; `court` turns its failures into bans; `orders` does what people ask.

mod court;
mod orders;

pub use orders::Order;

use crate::addr::{Addr, Prefix};
use crate::blocklist::{Blocklist, Change, Reason, Scope};
use crate::jail::{Allow, JailId, Policy, Sentence, Tracker, Why};
use crate::matcher::{Hit, Matcher, Scratch, Wanted};
use crate::session::{Failure, Sessions};
use crate::syslog::{Message, Parsed};
use crate::tally::tally;
use crate::time::Instant;
use crate::time::civil::Calendar;
use crate::time::recent::Recent;
use crate::{matcher, syslog};
use court::Court;

/// The jail of bans that a person ordered without naming one.
pub const MANUAL: JailId = JailId::MAX;

/// The jail of bans whose own jail is not known: those that an earlier run left in the firewall, which does not say which
/// jail they were of, and those whose jail a reload has replaced by another.
pub const RESTORED: JailId = JailId::MAX - 1;

/// One jail as the engine needs it. Its place in [`Rules::jails`] is its [`JailId`] and the index of its filter
/// in the matcher.
pub struct Jail<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether its failures count. A jail that a reload took away stays as a disabled one while its bans last.
    pub enabled: bool,
    /// When it bans, and for how long.
    pub policy: Policy,
    /// On which ports.
    pub scope: Scope,
    /// Counts the other jails' bans instead of lines.
    pub recidive: bool,
    /// Whom it never bans, besides [`Rules::allow`].
    pub allow: Allow<'a>,
}

/// The filters, jails and allow list of one configuration.
pub struct Rules<'a> {
    /// The filters; the n-th belongs to the n-th jail.
    pub matcher: Matcher<'a>,
    /// The jails.
    pub jails: &'a [Jail<'a>],
    /// Whom nobody ever bans.
    pub allow: Allow<'a>,
}

impl<'a> Rules<'a> {
    /// The name of a jail; `manual` for [`MANUAL`], `restored` for [`RESTORED`].
    pub fn name(&self, jail: JailId) -> &'a str {
        match jail {
            MANUAL => "manual",
            RESTORED => "restored",
            _ => self.jails.get(usize::from(jail)).map_or("", |j| j.name),
        }
    }

    /// The enabled jail of this name.
    pub fn find(&self, name: &str) -> Option<JailId> {
        let at = self.jails.iter().position(|jail| jail.enabled && jail.name == name)?;
        JailId::try_from(at).ok()
    }
}

/// Which time a line counts for.
#[derive(Clone, Copy)]
pub enum Clock<'c> {
    /// The line has just arrived: now.
    Live(Instant),
    /// The line was written while nobody was reading: the time of its own stamp. Without a stamp it does not count.
    CatchUp {
        /// Now on the engine's clock.
        now: Instant,
        /// The same moment on the wall clock, and the local zone.
        calendar: &'c Calendar<'c>,
    },
    /// The log is the clock: each line's own stamp, in milliseconds since 1970. A line without one takes the latest so far.
    Replay(&'c Recent<'c>),
}

/// Where a line comes from.
#[derive(Clone, Copy)]
pub struct Input<'c> {
    /// The caller's number for the stream (one file, one connection, one sender of datagrams), so that "last message
    /// repeated" refers to a message of the same stream.
    pub stream: u32,
    /// The jails that this stream is for: bit n for jail n; `u32::MAX` for all.
    pub jails: u32,
    /// Which time its lines count for.
    pub clock: Clock<'c>,
}

/// Is told what happens, in order. Only [`Watcher::change`] must be written; the others do nothing by default.
pub trait Watcher {
    /// A rule matched.
    fn hit(&mut self, _message: &Message<'_>, _hit: &Hit<'_>) {}
    /// `jail` counts a failure against `target`, the source that contains its address, at time `at`.
    fn failure(&mut self, _jail: JailId, _failure: &Failure<'_>, _target: Prefix, _at: Instant) {}
    /// An accepted login clears what `target` failed in `jail`, if it did.
    fn forgiven(&mut self, _jail: JailId, _target: Prefix) {}
    /// A jail decided a ban; the change that it makes follows.
    fn sentence(&mut self, _sentence: &Sentence) {}
    /// The blocklist changed.
    fn change(&mut self, change: Change);
}

/// The last failure of a stream, for "last message repeated". The caller lends an array of these; where it is shorter than
/// the number of streams, those that share one may lose each other's.
#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    stream: u32,
    last: Option<(JailId, Addr, Instant)>,
}

impl Repeat {
    /// No failure yet; what the lent array is filled with.
    pub const EMPTY: Self = Self { stream: 0, last: None };

    fn of(repeats: &mut [Self], stream: u32) -> Option<&mut Self> {
        let at = stream as usize;
        // The division is the rare case: mostly there is one for each stream.
        let at = if at < repeats.len() { at } else { at.checked_rem(repeats.len())? };
        repeats.get_mut(at)
    }
}

tally! {
    /// What the engine counted.
    pub struct Tally {
        /// Lines read.
        lines,
        /// Lines that some rule matched.
        hits,
        /// Failures found.
        failures,
        /// Failures of addresses that are never banned.
        allowed,
        /// Failures of addresses that are banned already.
        already_banned,
        /// Hits in lines written while nobody was reading that carry no date; see [`Clock::CatchUp`].
        undated,
        /// Bans decided by jails.
        sentences,
        /// Failures counted for the address alone, since its prefix contains an address that is never banned.
        narrowed,
        /// Lines that edgeban itself wrote, which are passed over.
        own,
        /// "Last message repeated" lines that do not follow a failure.
        repeats_of_nothing,
    }
}

/// Why an order is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The target is, or contains, an address that is never banned.
    Allowed(Why),
    /// The blocklist is full of manual bans.
    Full,
    /// There is no such jail, or it is disabled.
    NoJail,
    /// The ban would end before it begins.
    Over,
}

/// The memory of an engine.
pub struct Parts<'a> {
    /// Sessions under way.
    pub sessions: Sessions<'a>,
    /// Who failed how often.
    pub tracker: Tracker<'a>,
    /// The bans in force.
    pub blocklist: Blocklist<'a>,
    /// The matcher's memory.
    pub scratch: Scratch<'a>,
    /// One for each stream that is read at a time; with fewer, streams share ([`Repeat`]).
    pub repeats: &'a mut [Repeat],
    /// Starts the random numbers of [`Policy::rndtime`]; any number, best another one at each start.
    pub seed: u32,
}

/// The state: who failed how often, who is banned.
pub struct Engine<'a> {
    parts: Parts<'a>,
    tally: Tally,
    match_tally: matcher::Tally,
    /// The latest time of [`Clock::Replay`], whose stamps may run backwards.
    latest: Instant,
}

impl<'a> Engine<'a> {
    /// An engine that has seen nothing.
    pub fn new(parts: Parts<'a>) -> Self {
        Self {
            parts,
            tally: Tally::default(),
            match_tally: matcher::Tally::default(),
            latest: Instant::ZERO,
        }
    }

    /// The bans in force.
    pub fn blocklist(&self) -> &Blocklist<'a> {
        &self.parts.blocklist
    }

    /// Who failed how often.
    pub fn tracker(&self) -> &Tracker<'a> {
        &self.parts.tracker
    }

    /// Sessions under way.
    pub fn sessions(&self) -> &Sessions<'a> {
        &self.parts.sessions
    }

    /// Calls `f` with each counter: stage, name, count.
    pub fn counters(&self, f: &mut dyn FnMut(&'static str, &'static str, u64)) {
        self.tally.each(|name, n| f("engine", name, n));
        self.match_tally.each(|name, n| f("matcher", name, n));
        self.parts.sessions.tally().each(|name, n| f("session", name, n));
        self.parts.tracker.tally().each(|name, n| f("jail", name, n));
        self.parts.blocklist.tally().each(|name, n| f("blocklist", name, n));
    }

    /// Takes one line, without its terminator.
    pub fn line(&mut self, rules: &Rules<'_>, bytes: &[u8], input: &Input<'_>, watch: &mut dyn Watcher) {
        self.tally.lines.bump();
        // Borrowed and not moved out: copying the message costs as much as finding its filters.
        let parsed = syslog::parse_here(bytes);
        let message = match &parsed {
            Parsed::Message(message) => message,
            Parsed::Repeated(times) => return self.repeated(rules, *times, input, watch),
        };
        let wanted = rules.matcher.wanted(message, input.jails);
        // edgeban's own report of a ban would count again, and on many systems anyone can log under its name.
        // Its first letters before its length, which so many names share that the branch cannot be predicted.
        let own = matches!(message.app, [b'e', b'd', b'g', rest @ ..] if rest == b"eban");
        if own {
            self.tally.own.bump();
        }
        if own || wanted.is_none() {
            if let Some(slot) = Repeat::of(self.parts.repeats, input.stream) {
                (slot.stream, slot.last) = (input.stream, None);
            }
            return;
        }
        self.judge(rules, message, wanted, input, watch);
    }

    /// Runs the filters `wanted` on `message`, and keeps the last failure found, for "last message repeated".
    fn judge(
        &mut self,
        rules: &Rules<'_>,
        message: &Message<'_>,
        wanted: Wanted,
        input: &Input<'_>,
        watch: &mut dyn Watcher,
    ) {
        let mut last = None;
        let Parts { sessions, tracker, blocklist, scratch, seed, .. } = &mut self.parts;
        let (tally, latest) = (&mut self.tally, &mut self.latest);
        let mut court = Court { rules, tracker, blocklist, seed, tally, latest, watch };
        rules.matcher.each(message, wanted, scratch, &mut self.match_tally, &mut |hit| {
            last = court.hit(sessions, message, hit, input.clock).or(last);
        });
        if let Some(slot) = Repeat::of(self.parts.repeats, input.stream) {
            slot.stream = input.stream;
            match last {
                // Most lines have no failure, and writing the tag alone is quicker than copying all of it.
                Some(_) => slot.last = last,
                None => slot.last = None,
            }
        }
    }

    /// Counts the last failure of the stream `times` more.
    fn repeated(&mut self, rules: &Rules<'_>, times: u32, input: &Input<'_>, watch: &mut dyn Watcher) {
        let slot = Repeat::of(self.parts.repeats, input.stream).filter(|slot| slot.stream == input.stream);
        let Some((jail, ip, told)) = slot.and_then(|slot| slot.last) else {
            return self.tally.repeats_of_nothing.bump();
        };
        // This line's own stamp is not read: it is never older than that of the line it repeats.
        let (at, now) = match input.clock {
            Clock::Live(now) => (now, now),
            Clock::CatchUp { now, .. } => (told, now),
            Clock::Replay(_) => (self.latest, self.latest),
        };
        self.court(rules, watch).failure(jail, &Failure { ip, user: None, attempts: times }, at, now);
    }

    fn court<'e, 'r>(&'e mut self, rules: &'e Rules<'r>, watch: &'e mut dyn Watcher) -> Court<'e, 'a, 'r> {
        Court {
            rules,
            tracker: &mut self.parts.tracker,
            blocklist: &mut self.parts.blocklist,
            seed: &mut self.parts.seed,
            tally: &mut self.tally,
            latest: &mut self.latest,
            watch,
        }
    }

    /// Ends the bans that are over by `now`, at most `budget` of them, and tells each as [`Change::Removed`]. If more are
    /// over, [`Engine::next_expiry`] is not after `now`: call again.
    pub fn expire(&mut self, now: Instant, budget: usize, watch: &mut dyn Watcher) {
        self.parts.blocklist.expire(now, budget, |ban| watch.change(Change::Removed(ban, Reason::Expired)));
    }

    /// When the next ban ends; `None` where none ever does.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.parts.blocklist.next_expiry()
    }
}
