//! Floor 4: failures and `now` become [`Sentence`]s.

use crate::addr::Prefix;
use crate::time::Instant;

/// Index of a jail in the caller's list.
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
}
