//! Floor 5: sentences become [`Change`]s; the packet path looks addresses up.

use crate::addr::Prefix;
use crate::jail::JailId;
use crate::time::Instant;

/// On which ports a target is dropped: 0 is every port, else the caller's number for a set of ports.
pub type Scope = u8;

/// One entry of the blocklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Whom.
    pub target: Prefix,
    /// Who decided: the jail that banned first.
    pub jail: JailId,
    /// On which ports.
    pub scope: Scope,
    /// Banned by a person: never evicted.
    pub manual: bool,
    /// How often this target was banned before.
    pub before: u16,
    /// From when.
    pub since: Instant,
    /// Until when; [`Instant::NEVER`] is permanent.
    pub until: Instant,
}

/// Why an entry left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its time was over.
    Expired,
    /// Someone unbanned it.
    Unbanned,
    /// It had to make room.
    Evicted,
}

/// What the sinks are told, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// New.
    Added(Ban),
    /// Already there; now until `Ban::until` and in `Ban::scope`. `old_scope` is what it had.
    Renewed {
        /// As it is now.
        ban: Ban,
        /// The scope before.
        old_scope: Scope,
    },
    /// Gone.
    Removed(Ban, Reason),
}
