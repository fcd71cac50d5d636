//! At its start the daemon takes over the bans that the run before left in the kernel, with the time that they have left.
//! Otherwise making the table anew would end them.
//!
//! The kernel knows neither their jails nor their history, so they are of the jail `restored`, and a ban by hand comes back as
//! one that may be evicted. Bans that the configuration no longer permits are left out, and so are bans on sets of ports
//! that no jail has now or that the kernel does not list.

use super::load::Loaded;
use super::nft::NftSink;
use crate::action::nftables::PortRange;
use crate::blocklist::{Change, Scope};
use crate::engine::{Engine, Refused, Watcher};
use crate::time::{Duration, Instant};
use log::{info, warn};

/// How often the table is read where it changes meanwhile.
const TRIES: usize = 3;

/// Ignores the changes, since the table is made from the whole blocklist next.
struct Silent;

impl Watcher for Silent {
    fn change(&mut self, _: Change) {}
}

/// Puts the bans in `sink`'s table on the blocklist of `engine`.
pub(super) fn take_over(
    engine: &mut Engine<'static>,
    loaded: &Loaded,
    sink: &mut NftSink<'static>,
    now: Instant,
) {
    let (mut left_out, mut read) = (0u32, Ok(()));
    for _ in 0..TRIES {
        left_out = 0;
        read = sink.standing(|set, ports, held| {
            let Some(target) = set.target(held.key) else { return };
            let Some(scope) = scope(loaded, set.scope(), ports) else {
                left_out += 1;
                return;
            };
            let until = match (held.timeout, held.left) {
                (None, None) => Instant::NEVER,
                (_, left) => now + Duration::from_millis(left.unwrap_or(0)),
            };
            let age = held.timeout.unwrap_or(0).saturating_sub(held.left.unwrap_or(0));
            let since = Instant::from_millis(now.millis().saturating_sub(age));
            match engine.restore(loaded.rules(), target, scope, (since, until), now, &mut Silent) {
                // It ended meanwhile.
                Ok(()) | Err(Refused::Over) => {}
                Err(_) => left_out += 1,
            }
        });
        // Bans taken by an earlier try are taken again, which changes nothing.
        if read.is_ok() {
            break;
        }
    }
    let taken = engine.blocklist().len();
    if taken > 0 || left_out > 0 {
        info!("nftables: {taken} bans of the run before taken over, {left_out} left out");
    }
    if let Err(e) = read {
        warn!("nftables: cannot read the bans of the run before: {e}");
    }
}

/// The scope that now has these `ports`, which were of the scope `old`.
fn scope(loaded: &Loaded, old: Scope, ports: &[PortRange]) -> Option<Scope> {
    if old == 0 {
        return Some(0);
    }
    // Free scopes have no ports either.
    if ports.is_empty() {
        return None;
    }
    let at = loaded.scopes.iter().position(|known| known == ports)?;
    Scope::try_from(at + 1).ok()
}
