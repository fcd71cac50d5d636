//! What people order: an attempt, a ban, an unban; and what a start or a reload orders in their place.

use super::{Engine, MANUAL, RESTORED, Refused, Rules, Watcher};
use crate::addr::{Addr, Prefix};
use crate::blocklist::{Ban, Change, Cursor, Inserted, Reason, Scope};
use crate::jail::{JailId, Judged};
use crate::session::Failure;
use crate::time::Instant;

/// A ban that a person orders.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Whom.
    pub target: Prefix,
    /// In which jail's name, and so on which ports; [`MANUAL`] for none.
    pub jail: JailId,
    /// Until when; a ban that is there and lasts longer stays as long.
    pub until: Instant,
    /// The person said for how long: a ban that is there ends then too, be it sooner.
    pub exact: bool,
}

impl Engine<'_> {
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

    /// A ban that a person ordered.
    pub fn ban(
        &mut self,
        rules: &Rules<'_>,
        order: Order,
        now: Instant,
        watch: &mut dyn Watcher,
    ) -> Result<(), Refused> {
        let Order { target, jail, until, exact } = order;
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
        told(inserted, watch)
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
        told(inserted, watch)
    }

    /// `jail` is another one from now on, in the place of one that is gone: that one's failures are void, and its bans stay
    /// in the jail [`RESTORED`].
    pub fn forget(&mut self, jail: JailId, now: Instant) {
        self.parts.tracker.forget(jail);
        let list = &mut self.parts.blocklist;
        let mut cursor = Cursor::default();
        while let Some(ban) = list.list(&mut cursor) {
            // One that is over stays: its end is told yet.
            if ban.jail == jail && ban.until > now {
                list.remove(ban.target);
                list.insert(Ban { jail: RESTORED, ..ban }, now);
            }
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
}

/// Tells what became of a ban, and why it was refused where it was.
fn told(inserted: Inserted, watch: &mut (impl Watcher + ?Sized)) -> Result<(), Refused> {
    inserted.changes().for_each(|change| watch.change(change));
    match inserted {
        Inserted::Full => Err(Refused::Full),
        Inserted::Over => Err(Refused::Over),
        _ => Ok(()),
    }
}
