//! Floor 7: the only file that names every stage.
//!
//! In: lines with the time they are for, and what people order. Out: calls to a [`Watcher`], above all its
//! [`Change`]s of the blocklist, in order. An [`Engine`] owns the state and lives as long as the process; the
//! [`Rules`] are lent to each call, so that a reload swaps them between two lines and keeps every count and ban.
//! Every table is the caller's memory; what does not fit is counted. Nothing here panics.

use crate::addr::{Addr, Prefix};
use crate::blocklist::{Ban, Blocklist, Change, Cursor, Inserted, Reason, Scope};
use crate::jail::{Allow, Attempt, JailId, Judged, Outcome, Policy, Sentence, Tracker, Why};
use crate::matcher::{Hit, Matcher, Scratch};
use crate::session::{Event, Failure, Sessions};
use crate::syslog::{Message, Parsed};
use crate::tally::tally;
use crate::time::Instant;
use crate::time::civil::Calendar;
use crate::time::recent::Recent;
use crate::{matcher, syslog};

/// The jail of bans that a person ordered without naming one.
pub const MANUAL: JailId = JailId::MAX;

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

/// The jail of bans that an earlier run of the program left in the firewall, which does not say whose they were.
pub const RESTORED: JailId = JailId::MAX - 1;

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
    /// A failure was counted by `jail` for the time `at`.
    fn failure(&mut self, _jail: JailId, _failure: &Failure<'_>, _at: Instant) {}
    /// A sentence was passed by `failures` failures; its change follows.
    fn sentence(&mut self, _sentence: &Sentence) {}
    /// The blocklist changed.
    fn change(&mut self, change: Change);
}

/// The last failure of a stream. Lent; streams that share one forget each other's.
#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    stream: u32,
    last: Option<(JailId, Addr)>,
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
        let parsed = syslog::parse(bytes);
        let message = match &parsed {
            Parsed::Message(message) => message,
            Parsed::Repeated(times) => return self.repeated(rules, *times, input, watch),
        };
        let wanted = rules.matcher.wanted(message, input.jails);
        // What edgeban says of a ban would count a second time, and anyone can write to the log in its name.
        let own = message.app == b"edgeban";
        if own {
            self.tally.own.bump();
        }
        let last =
            if own || wanted == 0 { None } else { self.judge(rules, message, wanted, input.clock, watch) };
        if let Some(slot) = Repeat::of(self.parts.repeats, input.stream) {
            *slot = Repeat { stream: input.stream, last };
        }
    }

    /// Tries the filters `wanted` on `message`. Returns the last failure it tells of, for "last message repeated".
    fn judge(
        &mut self,
        rules: &Rules<'_>,
        message: &Message<'_>,
        wanted: u32,
        clock: Clock<'_>,
        watch: &mut dyn Watcher,
    ) -> Option<(JailId, Addr)> {
        let mut last = None;
        let Parts { sessions, tracker, blocklist, scratch, seed, .. } = &mut self.parts;
        let (tally, latest) = (&mut self.tally, &mut self.latest);
        let mut court = Court { rules, tracker, blocklist, seed, tally, latest, watch };
        rules.matcher.each(message, wanted, scratch, &mut self.match_tally, &mut |hit| {
            court.tally.hits.bump();
            court.watch.hit(message, &hit);
            let Some((at, now)) = court.when(message, clock) else {
                court.tally.undated.bump();
                return;
            };
            let Message { pid, host, times, .. } = *message;
            sessions.feed(&hit, pid, host, times, at, &mut |event| match event {
                Event::Failure(failure) => {
                    last = Some((hit.filter, failure.ip));
                    court.failure(hit.filter, &failure, at, now);
                }
                Event::Gained { ip, .. } => court.gained(hit.filter, ip),
            });
        });
        last
    }

    fn repeated(&mut self, rules: &Rules<'_>, times: u32, input: &Input<'_>, watch: &mut dyn Watcher) {
        let slot = Repeat::of(self.parts.repeats, input.stream).filter(|slot| slot.stream == input.stream);
        let Some((jail, ip)) = slot.and_then(|slot| slot.last) else {
            return self.tally.repeats_of_nothing.bump();
        };
        // The line has a stamp of its own kind, but the failure it repeats is the last one's: it counts as now.
        let at = match input.clock {
            Clock::Live(now) | Clock::CatchUp { now, .. } => now,
            Clock::Replay(_) => self.latest,
        };
        self.court(rules, watch).failure(jail, &Failure { ip, user: None, attempts: times }, at, at);
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

    /// One more failure of `ip` in `jail`, as if a line had said so; refused where it will never count.
    pub fn attempt(
        &mut self,
        rules: &Rules<'_>,
        jail: JailId,
        ip: Addr,
        now: Instant,
        watch: &mut dyn Watcher,
    ) -> Result<(), Refused> {
        let found =
            rules.jails.get(usize::from(jail)).filter(|jail| jail.enabled).ok_or(Refused::NoJail)?;
        let mut court = self.court(rules, watch);
        let judged = court.target(found, ip);
        court.failure(jail, &Failure { ip, user: None, attempts: 1 }, now, now);
        if let Judged::Ignored(why) = judged { Err(Refused::Allowed(why)) } else { Ok(()) }
    }

    /// A ban that a person ordered, from `now` until `until`; one that is there and lasts longer stays as long.
    pub fn ban(
        &mut self,
        rules: &Rules<'_>,
        target: Prefix,
        jail: JailId,
        now: Instant,
        until: Instant,
        watch: &mut dyn Watcher,
    ) -> Result<(), Refused> {
        self.order(rules, (target, jail), (now, until), false, watch)
    }

    /// [`Engine::ban`] by a person who said for how long: one that is there ends then too, be it sooner.
    pub fn ban_until(
        &mut self,
        rules: &Rules<'_>,
        target: Prefix,
        jail: JailId,
        now: Instant,
        until: Instant,
        watch: &mut dyn Watcher,
    ) -> Result<(), Refused> {
        self.order(rules, (target, jail), (now, until), true, watch)
    }

    fn order(
        &mut self,
        rules: &Rules<'_>,
        (target, jail): (Prefix, JailId),
        (now, until): (Instant, Instant),
        exact: bool,
        watch: &mut dyn Watcher,
    ) -> Result<(), Refused> {
        let (scope, before) = match rules.jails.get(usize::from(jail)) {
            Some(found) => (found.scope, self.parts.tracker.history(jail, &found.policy, target, now)),
            None if jail == MANUAL => (0, 0),
            None => return Err(Refused::NoJail),
        };
        rules.allow.permits(target).map_err(Refused::Allowed)?;
        if let Some(found) = rules.jails.get(usize::from(jail)) {
            found.allow.permits(target).map_err(Refused::Allowed)?;
        }
        let ban = Ban { target, jail, scope, manual: true, before, since: now, until };
        let list = &mut self.parts.blocklist;
        let inserted = if exact { list.insert_until(ban, now) } else { list.insert(ban, now) };
        inserted.changes().for_each(|change| watch.change(change));
        match inserted {
            Inserted::Full => Err(Refused::Full),
            Inserted::Over => Err(Refused::Over),
            _ => Ok(()),
        }
    }

    /// A ban of an earlier run that is still to hold, in the jail [`RESTORED`]. It is evicted as other bans are, and
    /// refused where it is not permitted any more.
    pub fn restore(
        &mut self,
        rules: &Rules<'_>,
        target: Prefix,
        scope: Scope,
        span: (Instant, Instant),
        now: Instant,
        watch: &mut impl Watcher,
    ) -> Result<(), Refused> {
        rules.allow.permits(target).map_err(Refused::Allowed)?;
        let (since, until) = span;
        let ban = Ban { target, jail: RESTORED, scope, manual: false, before: 0, since, until };
        let inserted = self.parts.blocklist.insert(ban, now);
        inserted.changes().for_each(|change| watch.change(change));
        match inserted {
            Inserted::Full => Err(Refused::Full),
            Inserted::Over => Err(Refused::Over),
            _ => Ok(()),
        }
    }

    /// Ends the bans of `target` and of all that lies within it, and forgets their failures. Returns how many.
    pub fn unban(&mut self, target: Prefix, now: Instant, watch: &mut dyn Watcher) -> usize {
        self.parts.tracker.forgive(target, now);
        let mut count = 0;
        let mut cursor = Cursor::default();
        while let Some(ban) = self.parts.blocklist.list(&mut cursor) {
            if ban.target.bits() >= target.bits() && target.contains(ban.target.addr()) {
                self.parts.blocklist.remove(ban.target);
                watch.change(Change::Removed(ban, Reason::Unbanned));
                count += 1;
            }
        }
        count
    }

    /// Ends the bans that `rules` do not permit any more, since they hold an address that is never banned. Returns how
    /// many.
    pub fn pardon(&mut self, rules: &Rules<'_>, watch: &mut dyn Watcher) -> usize {
        let mut count = 0;
        let mut cursor = Cursor::default();
        while let Some(ban) = self.parts.blocklist.list(&mut cursor) {
            let jail = rules.jails.get(usize::from(ban.jail)).filter(|_| !ban.manual);
            let own_too = jail.is_none_or(|jail| jail.policy.ignoreself);
            let listed = jail.and_then(|jail| jail.allow.overlaps(ban.target, own_too));
            if rules.allow.overlaps(ban.target, own_too).or(listed).is_some() {
                self.parts.blocklist.remove(ban.target);
                watch.change(Change::Removed(ban, Reason::Unbanned));
                count += 1;
            }
        }
        count
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

/// The part of an engine that judges, borrowed for one line.
struct Court<'e, 'a, 'r> {
    rules: &'e Rules<'r>,
    tracker: &'e mut Tracker<'a>,
    blocklist: &'e mut Blocklist<'a>,
    seed: &'e mut u32,
    tally: &'e mut Tally,
    latest: &'e mut Instant,
    watch: &'e mut dyn Watcher,
}

impl Court<'_, '_, '_> {
    /// The time that `message` is for, and now; `None` where it waited and does not say.
    fn when(&mut self, message: &Message<'_>, clock: Clock<'_>) -> Option<(Instant, Instant)> {
        let read = |calendar: &Calendar<'_>| {
            message.stamp.and_then(|s| s.read()).and_then(|s| s.epoch_ms(calendar))
        };
        let millis = |epoch: Option<i64>| u64::try_from(epoch?).ok();
        match clock {
            Clock::Live(now) => Some((now, now)),
            Clock::CatchUp { now, calendar } => {
                let age = u64::try_from(calendar.now_ms).ok()?.saturating_sub(millis(read(calendar))?);
                // A line from before the engine's clock began cannot be placed on it, so it is no more than late.
                let at = now.millis().checked_sub(age)?;
                Some((Instant::from_millis(at), now))
            }
            Clock::Replay(recent) => {
                let stamp = message.stamp.map_or(&b""[..], |s| s.0);
                let at = millis(recent.epoch_ms(stamp, read)).map_or(*self.latest, Instant::from_millis);
                if at > *self.latest {
                    *self.latest = at;
                    let Self { blocklist, watch, .. } = self;
                    blocklist
                        .expire(at, usize::MAX, |ban| watch.change(Change::Removed(ban, Reason::Expired)));
                }
                Some((at, *self.latest))
            }
        }
    }

    /// What counts as one source with `ip` and may be banned for it.
    fn target(&self, jail: &Jail<'_>, ip: Addr) -> Judged {
        let own = jail.policy.ignoreself;
        match self.rules.allow.judge(jail.policy.source(ip), ip, own) {
            Judged::Ban(target) if !jail.allow.rules().is_empty() => jail.allow.judge(target, ip, own),
            judged => judged,
        }
    }

    fn failure(&mut self, id: JailId, failure: &Failure<'_>, at: Instant, now: Instant) {
        let Some(jail) = self.rules.jails.get(usize::from(id)).filter(|jail| jail.enabled) else { return };
        self.tally.failures.add(u64::from(failure.attempts));
        let Judged::Ban(target) = self.target(jail, failure.ip) else { return self.tally.allowed.bump() };
        if target != jail.policy.source(failure.ip) {
            self.tally.narrowed.bump();
        }
        if self.blocklist.lookup(failure.ip).is_some_and(|scope| scope == 0 || scope == jail.scope) {
            return self.tally.already_banned.bump();
        }
        self.watch.failure(id, failure, at);
        let attempt = Attempt { target, count: failure.attempts, at };
        let random = self.random();
        match self.tracker.fail(id, &jail.policy, attempt, now, random) {
            Outcome::Ban(sentence) => {
                self.pass(jail, sentence, now);
                self.again(jail, target, now);
            }
            Outcome::Again(sentence) => self.pass(jail, sentence, now),
            Outcome::Late | Outcome::Counted { .. } | Outcome::Untracked => {}
        }
    }

    fn pass(&mut self, jail: &Jail<'_>, sentence: Sentence, now: Instant) {
        self.tally.sentences.bump();
        self.watch.sentence(&sentence);
        let Sentence { target, jail: id, since, until, before } = sentence;
        let ban = Ban { target, jail: id, scope: jail.scope, manual: false, before, since, until };
        self.blocklist.insert(ban, now).changes().for_each(|change| self.watch.change(change));
    }

    /// Another jail's ban is a failure to the recidive jail, which bans the same source for longer.
    fn again(&mut self, by: &Jail<'_>, target: Prefix, now: Instant) {
        let recidive = |jail: &Jail<'_>| jail.enabled && jail.recidive;
        let Some(at) = self.rules.jails.iter().position(recidive).filter(|_| !by.recidive) else { return };
        let (Some(jail), Ok(id)) = (self.rules.jails.get(at), JailId::try_from(at)) else { return };
        if jail.allow.overlaps(target, jail.policy.ignoreself).is_some() {
            return;
        }
        let random = self.random();
        let attempt = Attempt { target, count: 1, at: now };
        if let Outcome::Ban(sentence) | Outcome::Again(sentence) =
            self.tracker.fail(id, &jail.policy, attempt, now, random)
        {
            self.pass(jail, sentence, now);
        }
    }

    fn gained(&mut self, id: JailId, ip: Addr) {
        let Some(jail) = self.rules.jails.get(usize::from(id)) else { return };
        if let Judged::Ban(target) = self.target(jail, ip) {
            self.tracker.gained(id, target);
        }
    }

    /// Marsaglia's xorshift32: extra time need not be secret, only uneven.
    fn random(&mut self) -> u32 {
        let mut x = if *self.seed == 0 { 0x9e37_79b9 } else { *self.seed };
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        *self.seed = x;
        x
    }
}
