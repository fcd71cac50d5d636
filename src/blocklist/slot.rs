//! One entry as it lies in lent memory: 36 bytes.

use super::{Ban, Scope};
use crate::addr::{Addr, Prefix};
use crate::jail::JailId;
use crate::time::Instant;

/// 48 bits of milliseconds are 8,900 years; all ones stands for [`Instant::NEVER`].
const NEVER: u64 = (1 << 48) - 1;

/// Room for one ban. Lend [`Slot::EMPTY`]s; what they hold is the blocklist's own.
///
/// Whether a ban is manual is not in here: it follows from the heap the slot belongs to.
#[derive(Clone, Copy, Debug)]
#[repr(C)] // What a lookup reads comes first and together: most often one cache line.
pub struct Slot {
    addr: Addr,
    bits: u8,
    scope: Scope,
    before: u16,
    until_low: u32,
    since_low: u32,
    until_high: u16,
    since_high: u16,
    jail: JailId,
}

impl Slot {
    /// Nothing; all zero bytes, so that a static of these lies in `.bss`.
    pub const EMPTY: Self = Self {
        addr: Addr::UNSPECIFIED,
        until_low: 0,
        since_low: 0,
        until_high: 0,
        since_high: 0,
        before: 0,
        bits: 0,
        jail: 0,
        scope: 0,
    };

    pub(super) fn new(ban: &Ban) -> Self {
        let (until, since) = (ban.until.millis().min(NEVER), ban.since.millis().min(NEVER));
        Self {
            addr: ban.target.addr(),
            until_low: until as u32,
            since_low: since as u32,
            until_high: (until >> 32) as u16,
            since_high: (since >> 32) as u16,
            before: ban.before,
            bits: ban.target.bits(),
            jail: ban.jail,
            scope: ban.scope,
        }
    }

    pub(super) fn ban(&self, manual: bool) -> Ban {
        Ban {
            target: self.target(),
            jail: self.jail,
            scope: self.scope,
            manual,
            before: self.before,
            since: instant(self.since_high, self.since_low),
            until: self.until(),
        }
    }

    pub(super) fn target(&self) -> Prefix {
        Prefix::new(self.addr, self.bits)
    }

    #[inline]
    pub(super) fn is(&self, addr: Addr, bits: u8) -> bool {
        self.addr == addr && self.bits == bits
    }

    #[inline]
    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    pub(super) fn until(&self) -> Instant {
        instant(self.until_high, self.until_low)
    }
}

fn instant(high: u16, low: u32) -> Instant {
    match u64::from(high) << 32 | u64::from(low) {
        NEVER => Instant::NEVER,
        ms => Instant::from_millis(ms),
    }
}
