//! Floor 4: failures and `now` become [`Sentence`]s.
//!
//! In: an address that failed, how often and when. Out: a [`Sentence`] when `maxretry` failures of one source lie
//! within any window of `findtime`. On the way, in this order:
//!
//! 1. [`Policy::source`] says which prefix counts as one source with the address (IPv6: its /64).
//! 2. [`Allow::judge`] says whether it may be banned at all, and narrows the prefix to the host where it holds
//!    an address that may not.
//! 3. [`Tracker::fail`] counts and sentences, longer each time.
//!
//! Units: milliseconds on the caller's clock. Memory is lent. Full tables evict, and count what they evicted.
//! One failure costs O(1), plus up to `maxretry` steps where its stamp is late. Nothing panics.
//!
//! The engine puts a sentence on the [`crate::blocklist`].

mod allow;
mod policy;
mod tracker;
mod window;
#[cfg(test)]
mod tests;

pub use allow::{Allow, Full, Judged, Rule, Why};
pub use policy::Policy;
pub use tracker::{Attempt, Outcome, Slot, Storage, Tally, Totals, Tracked, Tracker};

use crate::addr::Prefix;
use crate::time::Instant;

/// Index of a jail in the caller's list, [`crate::engine::Rules::jails`]; the two highest numbers are
/// [`crate::engine::MANUAL`] and [`crate::engine::RESTORED`].
pub type JailId = u8;

/// The decision to ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Whom: a host or the prefix that counts as one source.
    pub target: Prefix,
    /// By which jail.
    pub jail: JailId,
    /// From when.
    pub since: Instant,
    /// Until when; [`Instant::NEVER`] is permanent.
    pub until: Instant,
    /// How often this target was banned before.
    pub before: u16,
    /// How many failures led to it: [`Policy::maxretry`], or more where the last line stood for several.
    pub failures: u32,
}
