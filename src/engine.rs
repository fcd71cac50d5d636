//! Floor 7: the only module that names every stage.
//!
//! In: lines with the time they are for, and what people order. Out: calls to a [`Watcher`], above all its
//! [`Change`]s of the blocklist, in order. An [`Engine`] owns the state and lives as long as the process; the
//! [`Rules`] are lent to each call, so that a reload swaps them between two lines and keeps every count and ban.
//! Every table is the caller's memory; what does not fit is counted. Nothing here panics.

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

/// The jail of bans that an earlier run of the program left in the firewall, which does not say whose they were, and of
/// those whose jail is gone and has given its place to another.
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

/// What a configuration says.
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

/// Which time a line is for.
#[derive(Clone, Copy)]
pub enum Clock<'c> {
    /// It just came.
    Live(Instant),
    /// It waited while nobody read: its own stamp counts, and without one it does not count.
    CatchUp {
        /// Now on the engine's clock.
        now: Instant,
        /// The same moment on the wall clock, and the local zone.
        calendar: &'c Calendar<'c>,
    },
    /// The stamps are the clock, in milliseconds since 1970; a line without one is of the last one's time.
    Replay(&'c Recent<'c>),
}

/// Where a line comes from.
#[derive(Clone, Copy)]
pub struct Input<'c> {
    /// The caller's name for the stream (one file, one connection, one sender of datagrams), so that "last message
    /// repeated" finds its message and no other's.
    pub stream: u32,
    /// The jails that this stream is for, a bit each; all bits for any.
    pub jails: u32,
    /// When.
    pub clock: Clock<'c>,
}

/// Hears what happens. Each method does nothing unless it is written.
pub trait Watcher {
    /// A rule matched.
    fn hit(&mut self, _message: &Message<'_>, _hit: &Hit<'_>) {}
    /// A failure was counted by `jail` against `target`, of which its address is a part, for the time `at`.
    fn failure(&mut self, _jail: JailId, _failure: &Failure<'_>, _target: Prefix, _at: Instant) {}
    /// A sentence was passed by `failures` failures; its change follows.
    fn sentence(&mut self, _sentence: &Sentence) {}
    /// The blocklist changed.
    fn change(&mut self, change: Change);
}

/// The last failure of a stream. Lent; streams that share one forget each other's.
#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    stream: u32,
    last: Option<(JailId, Addr, Instant)>,
}

impl Repeat {
    /// What lent memory starts with.
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
        /// Failures in lines that waited and carry no date.
        undated,
        /// Bans decided by jails.
        sentences,
        /// Failures counted for one address in place of its prefix, which holds an address that is never banned.
        narrowed,
        /// Lines of edgeban's own, which are not read again.
        own,
        /// "Last message repeated" without a failure before it.
        repeats_of_nothing,
    }
}

/// Why an order of a person is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is, or covers, an address that is never banned.
    Allowed(Why),
    /// The blocklist is full of manual bans.
    Full,
    /// There is no such jail.
    NoJail,
    /// Its time is over before it begins.
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
    /// One a stream that is read at a time, or more.
    pub repeats: &'a mut [Repeat],
    /// For random extra time; any number.
    pub seed: u32,
}

/// The state: who failed how often, who is banned.
pub struct Engine<'a> {
    parts: Parts<'a>,
    tally: Tally,
    match_tally: matcher::Tally,
    /// The latest time seen; replayed stamps may run backwards.
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
        // Looked at in place: a copy would cost as much as the search for the line's filters.
        let parsed = syslog::parse_here(bytes);
        let message = match &parsed {
            Parsed::Message(message) => message,
            Parsed::Repeated(times) => return self.repeated(rules, *times, input, watch),
        };
        let wanted = rules.matcher.wanted(message, input.jails);
        // What edgeban says of a ban would count a second time, and anyone can write to the log in its name.
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

    /// Tries the filters `wanted` on `message`, and keeps the last failure it tells of, for "last message repeated".
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
                Some(_) => slot.last = last,
                None => slot.last = None,
            }
        }
    }

    fn repeated(&mut self, rules: &Rules<'_>, times: u32, input: &Input<'_>, watch: &mut dyn Watcher) {
        let slot = Repeat::of(self.parts.repeats, input.stream).filter(|slot| slot.stream == input.stream);
        let Some((jail, ip, told)) = slot.and_then(|slot| slot.last) else {
            return self.tally.repeats_of_nothing.bump();
        };
        // Its own stamp is not asked. In a log that waited it is no older than what it repeats.
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

    /// Ends what is over by `now`, at most `budget` bans; the rest is due at [`Engine::next_expiry`].
    pub fn expire(&mut self, now: Instant, budget: usize, watch: &mut dyn Watcher) {
        self.parts.blocklist.expire(now, budget, |ban| watch.change(Change::Removed(ban, Reason::Expired)));
    }

    /// When the next ban ends.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.parts.blocklist.next_expiry()
    }
}
