//! The clocks, the local time zone, and randomness. The core is given all of them as values.

use crate::time::Instant;
use crate::time::civil::{Calendar, Civil, Stamp};
use core::cell::Cell;
use std::format;
use std::string::String;

/// The engine's time at boot: 34 years, more than any `findtime`, so that lines written before the boot have a time too.
const AT_BOOT: u64 = 1 << 40;

/// Now on `CLOCK_MONOTONIC`, in milliseconds. The kernel's ban timeouts run on the same clock.
pub fn now() -> Instant {
    let (s, ms) = read(libc::CLOCK_MONOTONIC);
    Instant::from_millis(
        (s.max(0) as u64).saturating_mul(1000).saturating_add(ms as u64).saturating_add(AT_BOOT),
    )
}

/// The wall clock, in milliseconds since 1970-01-01T00:00:00Z. Jumps when someone sets it; a router without a
/// battery starts it anywhere.
pub fn wall() -> i64 {
    let (s, ms) = read(libc::CLOCK_REALTIME);
    s.saturating_mul(1000).saturating_add(ms)
}

/// Whole seconds, and milliseconds of the second.
fn read(clock: libc::clockid_t) -> (i64, i64) {
    // SAFETY: integers only, so that zero is a value; the call fills the struct, and both clocks always exist.
    let t = unsafe {
        let mut t: libc::timespec = core::mem::zeroed();
        libc::clock_gettime(clock, &mut t);
        t
    };
    #[allow(clippy::unnecessary_cast, reason = "32 bits wide on some targets")]
    (t.tv_sec as i64, t.tv_nsec as i64 / 1_000_000)
}

/// Seconds since 1970 of a local date. Of the hour that a zone repeats, the first; in the hour that it skips, the
/// instant the libc takes it for. `None` without a year, or for a date that the libc cannot name.
pub fn local_epoch(date: &Civil) -> Option<i64> {
    // SAFETY: integers and a pointer that mktime does not read, so that zero is a value.
    let mut tm: libc::tm = unsafe { core::mem::zeroed() };
    tm.tm_year = i32::from(date.year?) - 1900;
    tm.tm_mon = i32::from(date.month) - 1;
    tm.tm_mday = i32::from(date.day);
    tm.tm_hour = i32::from(date.hour);
    tm.tm_min = i32::from(date.minute);
    tm.tm_sec = i32::from(date.second);
    tm.tm_isdst = -1;
    tm.tm_wday = -1;
    // SAFETY: `tm` outlives the call.
    let t = unsafe { libc::mktime(&mut tm) };
    // −1 is an error and also one second of 1969; mktime sets the weekday only when it succeeds.
    if tm.tm_wday < 0 {
        return None;
    }
    // Which of the two a libc takes may even depend on what it was asked before.
    let (earlier, mut then) = (t.saturating_sub(3600), tm);
    // SAFETY: both outlive the call.
    unsafe { libc::localtime_r(&earlier, &mut then) };
    let twice = (then.tm_mday, then.tm_hour, then.tm_min) == (tm.tm_mday, tm.tm_hour, tm.tm_min);
    #[allow(clippy::unnecessary_cast, reason = "32 bits wide on some targets")]
    Some(if twice { earlier } else { t } as i64)
}

/// The local zone for a log's dates. Remembers the answer for the half hour it was asked about last, since a log asks about
/// the same one thousands of times and the libc takes microseconds. Zones change only at half hours.
#[derive(Default)]
pub struct Local(Cell<Option<([u16; 5], i32)>>);

impl Local {
    /// The zone of this process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Seconds east of Greenwich at that local time; 0 for a date that the libc cannot name.
    pub fn east(&self, date: &Civil) -> i32 {
        let Civil { year, month, day, hour, minute, .. } = *date;
        let key = [year.unwrap_or(0), month.into(), day.into(), hour.into(), u16::from(minute) / 30];
        if let Some((known, east)) = self.0.get()
            && known == key
        {
            return east;
        }
        let utc =
            Stamp::Civil(*date, Some(0)).epoch_ms(&Calendar::fixed(0, 0)).map(|ms| ms.div_euclid(1000));
        let east = match (utc, local_epoch(date)) {
            (Some(utc), Some(local)) => i32::try_from(utc - local).unwrap_or(0),
            _ => 0,
        };
        self.0.set(Some((key, east)));
        east
    }
}

/// Random numbers for the keys of hash tables, so that an attacker cannot choose collisions.
///
/// # Errors
/// A sentence, where the kernel has none to give.
pub fn random_key() -> Result<[u64; 3], String> {
    let mut bytes = [[0u8; 8]; 3];
    let read = super::sys::retry(|| {
        // SAFETY: the kernel fills at most these 24 bytes. Up to 256 bytes are never cut short.
        unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), size_of_val(&bytes), 0) }
    });
    read.map_err(|error| format!("the kernel gives no random numbers: {error}"))?;
    Ok(bytes.map(u64::from_ne_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::MaybeUninit;

    unsafe extern "C" {
        /// POSIX; localtime_r alone need not notice a changed `TZ`.
        fn tzset();
    }

    /// Seconds east of Greenwich that the local zone (`TZ`, else /etc/localtime or what the libc has instead) was at
    /// `epoch` (seconds since 1970). 0 for a time that the libc cannot name.
    fn utc_offset(epoch: i64) -> i32 {
        #[allow(
            irrefutable_let_patterns,
            clippy::useless_conversion,
            reason = "32 bits wide on some targets"
        )]
        let Ok(t) = libc::time_t::try_from(epoch) else {
            return 0;
        };
        let mut tm = MaybeUninit::<libc::tm>::zeroed();
        // SAFETY: both pointers outlive the call; `tm` was zeroed, so reading it is sound even after a failure.
        let tm = unsafe {
            tzset();
            libc::localtime_r(&t, tm.as_mut_ptr());
            tm.assume_init()
        };
        i32::try_from(tm.tm_gmtoff).unwrap_or(0)
    }

    #[test]
    fn clocks_move_forward() {
        let a = now();
        assert!(a > Instant::ZERO && now() >= a);
        assert!(wall() > 1_600_000_000_000);
        // A line as old as the greatest findtime has a place on the clock, however soon after boot.
        assert!(a - crate::time::Duration::from_secs(49 * 86_400) > Instant::ZERO);
    }

    #[test]
    fn a_local_date_and_the_zone_offset_agree() {
        for (year, month) in [(2026, 1), (2026, 7), (2004, 2)] {
            let date =
                Civil { year: Some(year), month, day: 28, hour: 12, minute: 34, second: 56, millis: 0 };
            let local = local_epoch(&date).unwrap();
            let utc = local + i64::from(utc_offset(local));
            assert_eq!(utc.rem_euclid(86_400), 12 * 3600 + 34 * 60 + 56);
        }
        let date = Civil { year: None, month: 1, day: 1, hour: 0, minute: 0, second: 0, millis: 0 };
        assert_eq!(local_epoch(&date), None);
    }

    #[test]
    fn random_numbers_differ() {
        let [a, b, c] = random_key().unwrap();
        assert!(a != b && b != c && random_key().unwrap() != [a, b, c]);
    }
}
