//! Orders: what people ask for (attempt, ban, unban), and what a start or a reload needs (restore, forget, pardon).

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
    /// The jail that the ban counts as of, which also says on which ports; [`MANUAL`] for none and every port.
    pub jail: JailId,
    /// Until when.
    pub until: Instant,
    /// Whether a ban of this target that lasts longer is cut to `until`; otherwise it stays as long as it was.
    pub exact: bool,
}

impl Engine<'_> {
    /// Counts one failure of `ip` in `jail`, as a log line would.
    ///
    /// # Errors
    ///
    /// [`Refused::NoJail`], and [`Refused::Allowed`] where `ip` is never banned.
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

    /// Bans as a person ordered. The ban is manual: it is never evicted.
    ///
    /// # Errors
    ///
    /// Any [`Refused`]; nothing has changed then.
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

    /// Takes over a ban of an earlier run, in the jail [`RESTORED`]. `span` is its start and its end. It may be evicted, as
    /// the bans of jails may.
    ///
    /// # Errors
    ///
    /// [`Refused::Allowed`] where the configuration no longer permits it, [`Refused::Full`] and [`Refused::Over`].
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

    /// A reload has put another jail in the place of `jail`: the failures counted for the old one are dropped, and its bans
    /// go on in the jail [`RESTORED`].
    pub fn forget(&mut self, jail: JailId, now: Instant) {
        self.parts.tracker.forget(jail);
        let list = &mut self.parts.blocklist;
        let mut cursor = Cursor::default();
        while let Some(ban) = list.list(&mut cursor) {
            // One that is over is left to `expire`, which tells its end.
            if ban.jail == jail && ban.until > now {
                list.remove(ban.target);
                list.insert(Ban { jail: RESTORED, ..ban }, now);
            }
        }
    }

    /// Ends the bans of `target` and of everything within it, and forgets the failures there. Returns how many bans ended.
    /// O(size of the tables).
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

    /// Ends the bans that `rules` no longer permit, since they contain an address that is never banned. Returns how many.
    /// For a reload, and for when the host's own addresses change. O(size of the blocklist).
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

/// Tells `watch` the changes of an insertion; a refusal is an error.
fn told(inserted: Inserted, watch: &mut (impl Watcher + ?Sized)) -> Result<(), Refused> {
    inserted.changes().for_each(|change| watch.change(change));
    match inserted {
        Inserted::Full => Err(Refused::Full),
        Inserted::Over => Err(Refused::Over),
        _ => Ok(()),
    }
}
