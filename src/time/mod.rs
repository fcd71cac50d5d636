//! Instants and durations in milliseconds, and the civil dates of log lines.
//!
//! The engine runs on a monotonic clock that its caller reads: an [`Instant`] says nothing of the date. A
//! line's own stamp is wall-clock time; [`stamp`] reads it and [`civil`] turns it into milliseconds since the epoch.
//! All arithmetic saturates.

pub mod civil;
pub mod recent;
pub mod stamp;
mod text;

pub use text::{Text, parse_duration};

use core::ops::{Add, Sub};

/// A point on the caller's monotonic clock, in milliseconds since that clock's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The clock's start.
    pub const ZERO: Self = Self(0);
    /// Later than every instant: the end of what never ends.
    pub const NEVER: Self = Self(u64::MAX);

    /// `ms` milliseconds after the clock's start.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// `s` seconds after the clock's start.
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1000))
    }

    /// Milliseconds since the clock's start.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the clock's start.
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// The time from `earlier` to `self`; zero where `earlier` is later.
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(d.0))
    }
}

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// No time.
    pub const ZERO: Self = Self(0);
    /// Without end: the length of a permanent ban.
    pub const FOREVER: Self = Self(u64::MAX);

    /// `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// `s` seconds.
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1000))
    }

    /// In milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// In whole seconds, rounded up, so that what lasts is never said to be over.
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    pub const fn secs(self) -> u64 {
        self.0.div_ceil(1000)
    }

    /// `n` times as long; [`Duration::FOREVER`] where that does not fit.
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// The shorter of the two.
    pub fn min(self, other: Self) -> Self {
        if self.0 <= other.0 { self } else { other }
    }

    /// Whether this is [`Duration::FOREVER`].
    pub const fn is_forever(self) -> bool {
        self.0 == u64::MAX
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, d: Self) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}
