//! What a jail tolerates and how long it bans.

use crate::addr::{Addr, Prefix};
use crate::time::{Duration, Instant};
use heapless::Vec;

/// The numbers of a jail. Any value is accepted; out-of-range values are clamped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many failures within `findtime` make a ban; 0 counts as 1. At most [`crate::jail::Tracker::longest`].
    pub maxretry: u16,
    /// The window. A failure exactly this old still counts. At most [`Policy::MAX_FINDTIME`].
    pub findtime: Duration,
    /// How long a first ban lasts. [`Duration::FOREVER`] is permanent, whatever the fields below say.
    pub bantime: Duration,
    /// Ban number n (from 0) lasts `bantime` × `multipliers[n]`; the last one repeats. Empty: always `bantime`.
    pub multipliers: Vec<u32, 8>,
    /// No ban lasts longer, the random part included. [`Duration::FOREVER`] is no limit.
    pub maxtime: Duration,
    /// A random time of less than this is added, so that nobody can predict the end.
    pub rndtime: Duration,
    /// How long after the end of its last ban a source counts as new again. [`Duration::FOREVER`]: never.
    pub decay: Duration,
    /// How many leading bits of an IPv4 address count as one source, 0 to 32.
    pub v4: u8,
    /// How many leading bits of an IPv6 address count as one source, 0 to 128.
    pub v6: u8,
    /// Whether this device's own addresses are exempt. Loopback always is.
    pub ignoreself: bool,
}

impl Policy {
    /// Seven weeks, the longest `findtime`: a stamp is kept as 32 bits of milliseconds, which are 49.7 days.
    pub const MAX_FINDTIME: Duration = Duration::from_secs(7 * 604_800);

    /// Five failures in ten minutes make a ban of an hour, however often before; single addresses for IPv4, /64 for IPv6.
    pub const DEFAULT: Self = Self {
        maxretry: 5,
        findtime: Duration::from_secs(600),
        bantime: Duration::from_secs(3600),
        multipliers: Vec::new(),
        maxtime: Duration::FOREVER,
        rndtime: Duration::ZERO,
        decay: Duration::from_secs(604_800),
        v4: 32,
        v6: 64,
        ignoreself: true,
    };

    /// The prefix that counts as one source with `addr`.
    pub fn source(&self, addr: Addr) -> Prefix {
        Prefix::source(addr, self.v4, self.v6)
    }

    /// The window in milliseconds, within its range.
    pub(super) fn window(&self) -> u32 {
        self.findtime.min(Self::MAX_FINDTIME).millis() as u32
    }

    /// How long a ban lasts for a source that was banned `before` times; `random` decides the random part.
    /// Saturates towards [`Duration::FOREVER`]; [`Policy::maxtime`] clamps last.
    pub fn length(&self, before: u16, random: u32) -> Duration {
        if self.bantime.is_forever() {
            return Duration::FOREVER;
        }
        let nth = usize::from(before).min(self.multipliers.len().saturating_sub(1));
        let multiplier = self.multipliers.get(nth).copied().unwrap_or(1);
        let extra = scale(self.rndtime.millis(), random);
        (self.bantime.times(u64::from(multiplier)) + Duration::from_millis(extra)).min(self.maxtime)
    }

    /// Whether bans whose last one ended at `until` are forgotten by `now`.
    pub fn is_forgotten(&self, until: Instant, now: Instant) -> bool {
        until != Instant::NEVER && !self.decay.is_forever() && now > until + self.decay
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// `n` × `random` ÷ 2³², rounded down, in 64 bits.
fn scale(n: u64, random: u32) -> u64 {
    let (high, low, random) = (n >> 32, n & 0xffff_ffff, u64::from(random));
    (high * random).saturating_add((low * random) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn bans_grow_and_the_limit_is_last() {
        let mut p = Policy { bantime: secs(3600), maxtime: secs(20_000), ..Policy::DEFAULT };
        assert_eq!(p.length(9, 0), secs(3600));
        p.multipliers = Vec::from_slice(&[1, 6, 24]).unwrap();
        assert_eq!(
            [0, 1, 2, 3, u16::MAX].map(|n| p.length(n, 0).secs()),
            [3600, 21_600, 20_000, 20_000, 20_000].map(|s: u64| s.min(20_000))
        );
        p.rndtime = secs(1000);
        assert_eq!(p.length(0, 1 << 31), secs(4100));
        assert_eq!(p.length(1, u32::MAX), secs(20_000));
        p.bantime = Duration::FOREVER;
        assert!(p.length(0, 5).is_forever());
    }

    #[test]
    fn a_multiplier_of_nothing_and_an_overflow_are_values() {
        let multipliers = Vec::from_slice(&[0, u32::MAX]).unwrap();
        let p = Policy { bantime: Duration::from_millis(1 << 60), multipliers, ..Policy::DEFAULT };
        assert_eq!(p.length(0, 0), Duration::ZERO);
        assert!(p.length(1, u32::MAX).is_forever());
    }

    #[test]
    fn history_decays_after_the_end_and_never_during_a_permanent_ban() {
        let p = Policy { decay: secs(100), ..Policy::DEFAULT };
        assert!(!p.is_forgotten(Instant::from_secs(50), Instant::from_secs(150)));
        assert!(p.is_forgotten(Instant::from_secs(50), Instant::from_secs(151)));
        assert!(!p.is_forgotten(Instant::NEVER, Instant::NEVER));
        let p = Policy { decay: Duration::FOREVER, ..p };
        assert!(!p.is_forgotten(Instant::ZERO, Instant::NEVER));
    }

    proptest! {
        #[test]
        fn scaling_is_exact(n: u64, random: u32) {
            prop_assert_eq!(u128::from(scale(n, random)), (u128::from(n) * u128::from(random)) >> 32);
        }
    }
}
