//! The daemon's firewall, and the watcher that tells it and the log of every ban.

use super::nft::{NftError, NftSink};
use super::sole::{Sole, Taken};
use crate::action::nftables::Op;
use crate::addr::Prefix;
use crate::blocklist::{Change, LISTED_ONLY, Reason};
use crate::config::{Firewall, Settings};
use crate::engine::{Rules, Watcher};
use crate::jail::{JailId, Sentence};
use crate::session::Failure;
use crate::time::{Duration, Instant};
use log::{debug, info, warn};
use std::format;
use std::string::{String, ToString};
use std::vec;

/// Bytes of a netlink batch.
const BATCH: usize = 64 * 1024;
/// The most changes that wait for the end of a turn; more are sent at once.
const CHANGES: usize = 1024;

/// The firewall, or why there is none.
pub(super) enum Firewalling {
    /// Packets are dropped.
    On {
        /// The kernel's table.
        sink: std::boxed::Box<NftSink<'static>>,
        /// When a stale table is rebuilt next, and the pause after that.
        retry: (Instant, Duration),
        /// What went wrong last.
        error: Option<NftError>,
        /// The mark that keeps a second edgeban from the same table.
        sole: Option<Sole>,
    },
    /// Bans are only listed, for this reason.
    Off(String),
}

/// Opens the firewall that the settings ask for.
///
/// # Errors
/// The settings insist on nftables and it cannot be used, or another edgeban has the table.
pub(super) fn firewall(settings: &Settings, dry_run: bool, now: Instant) -> Result<Firewalling, String> {
    if dry_run {
        info!("dry run: bans are decided and listed, nothing is dropped");
        return Ok(Firewalling::Off("dry run".to_string()));
    }
    if settings.global.firewall == Firewall::None {
        info!("firewall none: bans are listed, nothing is dropped");
        return Ok(Firewalling::Off("turned off in the configuration".to_string()));
    }
    match NftSink::open(vec![0; BATCH].leak(), vec![Op::EMPTY; CHANGES].leak()) {
        Ok(sink) => Ok(Firewalling::On {
            sink: std::boxed::Box::new(sink),
            retry: (now, Duration::ZERO),
            error: None,
            sole: sole()?,
        }),
        Err(e) if settings.global.firewall == Firewall::Nftables => Err(format!("nftables: {e}")),
        Err(e) => {
            warn!("nftables: {e}; bans are kept in memory only, NO PACKET IS DROPPED");
            Ok(Firewalling::Off(e.to_string()))
        }
    }
}

/// The right to make the table, unless another edgeban has it.
fn sole() -> Result<Option<Sole>, String> {
    match Sole::take() {
        Ok(sole) => Ok(Some(sole)),
        Err(Taken::By(pid)) => Err(format!("process {pid} is an edgeban that bans here already")),
        Err(Taken::Doubtful(e)) => {
            warn!("cannot tell whether another edgeban bans here: {e}");
            Ok(None)
        }
    }
}

/// The pause before a table that somebody keeps changing is made anew again. It doubles from the first to the second value,
/// and starts again after [`CALM`] without a change. The second is below one second, within which a ban must be back.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(800)];
/// See [`PAUSES`].
const CALM: Duration = Duration::from_secs(10);
/// The longest pause between two tries to make a table that the kernel refuses; the first is at once.
const SLOWEST: Duration = Duration::from_secs(60);

/// The pause after a try to make the table. `before` is the pause before it, over since `since`.
pub(super) fn next_pause(made: Result<(), NftError>, before: Duration, since: Duration) -> Duration {
    match made {
        Ok(()) if since >= CALM => PAUSES[0],
        // The kernel does what it is told, but somebody keeps changing the table.
        Ok(()) | Err(NftError::Torn) => before.times(2).max(PAUSES[0]).min(PAUSES[1]),
        Err(_) => Duration::from_secs((before.secs() * 2).clamp(1, SLOWEST.secs())),
    }
}

/// The most bans and ends of bans that are told one by one in a second: more is a flood, and nobody reads it.
const TOLD: u32 = 200;
const SECOND: Duration = Duration::from_secs(1);
/// The shortest time between two warnings that the blocklist is full.
const MINUTE: Duration = Duration::from_secs(60);

/// Limits how many bans are logged one by one.
#[derive(Debug)]
pub(super) struct Telling {
    /// The second that is counted.
    since: Instant,
    told: u32,
    /// Bans and ends of bans that were not logged.
    untold: [u32; 2],
    /// Bans refused that were logged, and when the next may be logged.
    refused: (u64, Instant),
}

impl Telling {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, told: 0, untold: [0; 2], refused: (0, now) }
    }

    /// Whether one more may be logged; if not it is counted, as a ban or as the end of one.
    fn may(&mut self, now: Instant, end: bool) -> bool {
        self.sum_up(now);
        let may = self.told < TOLD;
        if may {
            self.told += 1;
        } else if let Some(untold) = self.untold.get_mut(usize::from(end)) {
            *untold = untold.saturating_add(1);
        }
        may
    }

    /// Logs how many were left out, once their second is over.
    pub(super) fn sum_up(&mut self, now: Instant) {
        if now.since(self.since) < SECOND {
            return;
        }
        if let [bans, ends] = core::mem::take(&mut self.untold)
            && (bans, ends) != (0, 0)
        {
            info!("{bans} bans and {ends} ends of bans more, too many to tell one by one");
        }
        (self.since, self.told) = (now, 0);
    }

    /// Warns of bans that found no place: `refused` since the start.
    pub(super) fn full(&mut self, refused: u64, now: Instant) {
        let (before, next) = self.refused;
        if refused > before && now >= next {
            warn!(
                "the blocklist is full of bans by hand, {} refused (max_bans is too small)",
                refused - before
            );
            self.refused = (refused, now + MINUTE);
        }
    }

    /// When there is something to sum up.
    pub(super) fn deadline(&self) -> Instant {
        if self.untold == [0; 2] { Instant::NEVER } else { self.since + SECOND }
    }
}

/// The engine's [`Watcher`]: writes to the log and tells the firewall.
pub(super) struct Live<'c> {
    pub rules: &'c Rules<'c>,
    pub firewall: &'c mut Firewalling,
    pub now: Instant,
    /// The jail and the failures of the sentence whose change comes next.
    pub sentence: Option<(JailId, u32)>,
    pub telling: &'c mut Telling,
}

impl Watcher for Live<'_> {
    fn failure(&mut self, jail: JailId, failure: &Failure<'_>, _: Prefix, _: Instant) {
        debug!("failure {} jail {} attempts {}", failure.ip, self.rules.name(jail), failure.attempts);
    }

    fn sentence(&mut self, sentence: &Sentence) {
        self.sentence = Some((sentence.jail, sentence.failures));
    }

    fn change(&mut self, change: Change) {
        let rules = self.rules;
        match &change {
            Change::Added(ban) | Change::Renewed { ban, .. } => {
                let (jail, failures) = self.sentence.take().unwrap_or((ban.jail, 0));
                let name = rules.name(jail);
                // The recidive filter reads these words.
                if !self.telling.may(self.now, false) {
                    // Counted.
                } else if ban.until == Instant::NEVER {
                    info!("ban {} jail {name} for ever ({failures} failures)", ban.target);
                } else {
                    let seconds = ban.until.since(self.now).secs();
                    info!("ban {} jail {name} for {seconds}s ({failures} failures)", ban.target);
                }
            }
            Change::Removed(ban, reason) if self.telling.may(self.now, true) => {
                let why = match reason {
                    Reason::Expired => "over",
                    Reason::Unbanned => "by order",
                    Reason::Evicted => "the blocklist is full",
                };
                info!("unban {} jail {}: {why}", ban.target, rules.name(ban.jail));
            }
            Change::Removed(..) => {}
        }
        let Firewalling::On { sink, error, .. } = &mut *self.firewall else { return };
        let told = match change {
            Change::Added(ban) | Change::Renewed { ban, .. } if ban.scope == LISTED_ONLY => return,
            Change::Removed(ban, _) if ban.scope == LISTED_ONLY => return,
            Change::Renewed { ban, old_scope: LISTED_ONLY } => Change::Added(ban),
            other => other,
        };
        if let Err(e) = sink.push(&told, self.now) {
            *error = Some(e);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_bans_is_told_in_part_and_counted() {
        let at = |ms| Instant::from_millis(ms);
        let mut telling = Telling::new(at(0));
        let told = (0..1000).filter(|n| telling.may(at(n / 2), n % 4 == 0)).count();
        assert_eq!((told, telling.untold), (TOLD as usize, [600, 200]));
        assert_eq!(telling.deadline(), at(1000));
        telling.sum_up(at(999));
        assert_eq!(telling.untold, [600, 200]);
        telling.sum_up(at(1000));
        assert_eq!((telling.untold, telling.deadline()), ([0; 2], Instant::NEVER));
        assert!(telling.may(at(1001), false));
    }

    #[test]
    fn who_changes_the_table_delays_it_by_less_than_a_second() {
        let secs = Duration::from_secs;
        let mut pause = Duration::ZERO;
        for made in [Ok(()), Err(NftError::Torn)].repeat(9) {
            pause = next_pause(made, pause, Duration::ZERO);
            assert!(pause >= PAUSES[0] && pause < SECOND);
        }
        assert_eq!(next_pause(Ok(()), pause, CALM), PAUSES[0]);
        let refused = Err(NftError::NoPermission);
        let pauses = (0..9).map(|_| {
            pause = next_pause(refused, pause, CALM);
            pause
        });
        assert!(pauses.eq([2, 4, 8, 16, 32, 60, 60, 60, 60].map(secs)));
        assert_eq!(next_pause(refused, Duration::ZERO, CALM), secs(1));
    }
}
