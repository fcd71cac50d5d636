//! From a hit to a ban: which failure it is, who counts as its source, whether that source may be banned, and whether it has
//! failed often enough.

use super::{Clock, Jail, Rules, Tally, Watcher};
use crate::addr::{Addr, Prefix};
use crate::blocklist::{Ban, Blocklist, Change, Reason};
use crate::jail::{Attempt, JailId, Judged, Outcome, Sentence, Tracker};
use crate::matcher::Hit;
use crate::session::{Event, Failure, Sessions};
use crate::syslog::Message;
use crate::time::Instant;
use crate::time::civil::Calendar;

/// The parts of an engine that decide on bans, borrowed for one line.
pub(super) struct Court<'e, 'a, 'r> {
    pub(super) rules: &'e Rules<'r>,
    pub(super) tracker: &'e mut Tracker<'a>,
    pub(super) blocklist: &'e mut Blocklist<'a>,
    pub(super) seed: &'e mut u32,
    pub(super) tally: &'e mut Tally,
    pub(super) latest: &'e mut Instant,
    pub(super) watch: &'e mut dyn Watcher,
}

impl Court<'_, '_, '_> {
    /// Takes one hit through session and jail. Returns the last failure that came of it.
    pub(super) fn hit(
        &mut self,
        sessions: &mut Sessions<'_>,
        message: &Message<'_>,
        hit: &Hit<'_>,
        clock: Clock<'_>,
    ) -> Option<(JailId, Addr, Instant)> {
        self.tally.hits.bump();
        self.watch.hit(message, hit);
        let Some((at, now)) = self.when(message, clock) else {
            self.tally.undated.bump();
            return None;
        };
        let mut last = None;
        sessions.feed(hit, message.pid, message.host, message.times, at, &mut |event| match event {
            Event::Failure(failure) => {
                last = Some((hit.filter, failure.ip, at));
                self.failure(hit.filter, &failure, at, now);
            }
            Event::Gained { ip, .. } => self.gained(hit.filter, ip),
        });
        last
    }

    /// The time that `message` counts for, and now. `None` where its stamp decides and cannot be read.
    pub(super) fn when(&mut self, message: &Message<'_>, clock: Clock<'_>) -> Option<(Instant, Instant)> {
        let read = |calendar: &Calendar<'_>| {
            message.stamp.and_then(|s| s.read()).and_then(|s| s.epoch_ms(calendar))
        };
        let millis = |epoch: Option<i64>| u64::try_from(epoch?).ok();
        match clock {
            Clock::Live(now) => Some((now, now)),
            Clock::CatchUp { now, calendar } => {
                let age = u64::try_from(calendar.now_ms).ok()?.saturating_sub(millis(read(calendar))?);
                // A line older than the engine's clock has no place on it, and does not count.
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

    /// The source to count and ban for a failure of `ip`, or why there is none.
    pub(super) fn target(&self, jail: &Jail<'_>, ip: Addr) -> Judged {
        let own = jail.policy.ignoreself;
        match self.rules.allow.judge(jail.policy.source(ip), ip, own) {
            Judged::Ban(target) if !jail.allow.rules().is_empty() => jail.allow.judge(target, ip, own),
            judged => judged,
        }
    }

    /// Counts a failure in jail `id`, and bans when it was one too many.
    pub(super) fn failure(&mut self, id: JailId, failure: &Failure<'_>, at: Instant, now: Instant) {
        let Some(jail) = self.rules.jails.get(usize::from(id)).filter(|jail| jail.enabled) else { return };
        self.tally.failures.add(u64::from(failure.attempts));
        let Judged::Ban(target) = self.target(jail, failure.ip) else { return self.tally.allowed.bump() };
        if target != jail.policy.source(failure.ip) {
            self.tally.narrowed.bump();
        }
        if self.blocklist.covers(failure.ip, jail.scope) {
            return self.tally.already_banned.bump();
        }
        self.watch.failure(id, failure, target, at);
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

    /// Puts a sentence on the blocklist.
    fn pass(&mut self, jail: &Jail<'_>, sentence: Sentence, now: Instant) {
        self.tally.sentences.bump();
        self.watch.sentence(&sentence);
        let Sentence { target, jail: id, since, until, before, .. } = sentence;
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

    /// An accepted login: what `ip` failed in jail `id` is forgiven.
    pub(super) fn gained(&mut self, id: JailId, ip: Addr) {
        let Some(jail) = self.rules.jails.get(usize::from(id)) else { return };
        let source = jail.policy.source(ip);
        // No need to ask the allow list of a host: it is never narrowed, and where it is never banned it has no failures.
        let target = match source.is_host() {
            true => source,
            false => match self.target(jail, ip) {
                Judged::Ban(target) => target,
                _ => return,
            },
        };
        self.tracker.gained(id, target);
        self.watch.forgiven(id, target);
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
