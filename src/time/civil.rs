//! Civil dates of log lines, and their way to milliseconds since the epoch and back.
//!
//! In: a [`Stamp`] as [`super::stamp`] read it, and a [`Calendar`] (the current time and the zone rule of the place
//! where the log is written). Out: milliseconds since 1970-01-01T00:00:00Z, `None` where the date does not exist.
//! Nothing here reads a clock, nothing panics.

use super::Text;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Lines of one log are no more out of order than this.
const DISORDER_MS: i64 = 300_000;

/// A date and time as a line shows it: in some zone, perhaps without a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, where the form has one.
    pub year: Option<u16>,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 60.
    pub second: u8,
    /// Milliseconds, 0 to 999.
    pub millis: u16,
}

/// A line's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// A civil date, `Some(seconds east of Greenwich)` where the line names its zone.
    Civil(Civil, Option<i32>),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Epoch(i64),
    /// A time of day without a date, in milliseconds since midnight, local time.
    Time(u32),
}

/// The zone rule of the place where the logs are written.
#[derive(Clone, Copy)]
pub enum Zone<'a> {
    /// Always so many seconds east of Greenwich: what a device has.
    Fixed(i32),
    /// Seconds east of Greenwich at that local time; the civil date given always has its year.
    Rule(&'a dyn Fn(&Civil) -> i32),
}

/// What turns a line's words into time: the current time and the local zone.
#[derive(Clone, Copy)]
pub struct Calendar<'a> {
    /// The current time, in milliseconds since 1970-01-01T00:00:00Z. Completes dates without a year.
    pub now_ms: i64,
    /// The zone of dates that name none.
    pub local: Zone<'a>,
    /// The time of the line before in the same log, in milliseconds since 1970: of the hour that a zone repeats in autumn, the
    /// second is meant where the first would be more than five minutes before that. [`i64::MIN`] where nothing is known.
    pub after_ms: i64,
}

impl<'a> Calendar<'a> {
    /// A calendar whose zone is always `east` seconds east of Greenwich.
    pub const fn fixed(now_ms: i64, east: i32) -> Self {
        Self { now_ms, local: Zone::Fixed(east), after_ms: i64::MIN }
    }

    /// A calendar with a zone rule.
    pub const fn new(now_ms: i64, rule: &'a dyn Fn(&Civil) -> i32) -> Self {
        Self { now_ms, local: Zone::Rule(rule), after_ms: i64::MIN }
    }

    fn east(&self, local: &Civil) -> i32 {
        match self.local {
            Zone::Fixed(east) => east,
            Zone::Rule(rule) => rule(local),
        }
    }
}

impl Civil {
    /// The UTC date and time of `ms` milliseconds since the epoch. Years outside 0 to 65535 are clamped.
    pub fn from_epoch_ms(ms: i64) -> Self {
        let (days, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS) as u32);
        let (year, month, day) = civil_from_days(days);
        let (seconds, millis) = (of_day / 1000, (of_day % 1000) as u16);
        Self {
            year: Some(year.clamp(0, i64::from(u16::MAX)) as u16),
            month,
            day,
            hour: (seconds / 3600) as u8,
            minute: (seconds / 60 % 60) as u8,
            second: (seconds % 60) as u8,
            millis,
        }
    }

    /// Milliseconds since the epoch of this date in `year`, read as UTC. `None` where the date does not exist
    /// (month 13, 31 April, 29 February of a common year, hour 24). Second 60 is the next minute's first.
    fn utc_ms(&self, year: u16) -> Option<i64> {
        let exists = (1..=12).contains(&self.month)
            && self.day >= 1
            && self.day <= days_in_month(year, self.month)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60
            && self.millis < 1000;
        if !exists {
            return None;
        }
        let days = days_from_civil(i64::from(year), self.month, self.day);
        let seconds = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        Some(days * DAY_MS + seconds * 1000 + i64::from(self.millis))
    }

    /// As [`Civil::utc_ms`], in `zone` or else the calendar's.
    fn ms_in(&self, year: u16, zone: Option<i32>, calendar: &Calendar<'_>) -> Option<i64> {
        let utc = self.utc_ms(year)?;
        if let Some(east) = zone {
            return Some(utc - i64::from(east) * 1000);
        }
        let ms = utc - i64::from(calendar.east(&Self { year: Some(year), ..*self })) * 1000;
        let back = calendar.after_ms.saturating_add(-DISORDER_MS);
        if ms >= back {
            return Some(ms);
        }
        // An hour on, the zone is what it is in the second of two such hours.
        let again = utc - i64::from(calendar.east(&Self::from_epoch_ms(utc + HOUR_MS))) * 1000;
        Some(if again >= back { again } else { ms })
    }
}

impl Stamp {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    ///
    /// A date without a year is in the latest year that puts it no more than a day after now (a log writer's
    /// clock may be ahead, and zones differ by up to 26 hours in all); 29 February goes back to a leap year.
    /// A time without a date is today's, or yesterday's where that is more than ten minutes after now.
    /// `None` where the date does not exist.
    pub fn epoch_ms(&self, calendar: &Calendar<'_>) -> Option<i64> {
        match *self {
            Self::Epoch(ms) => Some(ms),
            Self::Civil(civil, zone) => match civil.year {
                Some(year) => civil.ms_in(year, zone, calendar),
                None => {
                    let latest = calendar.now_ms.saturating_add(DAY_MS);
                    let year = Civil::from_epoch_ms(latest.saturating_add(DAY_MS)).year?;
                    // Leap years are at most eight years apart.
                    (0..=9)
                        .filter_map(|back| civil.ms_in(year.checked_sub(back)?, zone, calendar))
                        .find(|&ms| ms <= latest)
                }
            },
            Self::Time(of_day) => {
                // The local date: the offset at the UTC reading of now is right but for the hours around a change.
                let near = Civil::from_epoch_ms(calendar.now_ms);
                let east = i64::from(calendar.east(&near)) * 1000;
                let today = calendar.now_ms.saturating_add(east).div_euclid(DAY_MS).saturating_mul(DAY_MS);
                let local = today.saturating_add(i64::from(of_day));
                let local = if local.saturating_sub(east) > calendar.now_ms.saturating_add(600_000) {
                    local.saturating_sub(DAY_MS)
                } else {
                    local
                };
                Some(local.saturating_sub(i64::from(calendar.east(&Civil::from_epoch_ms(local))) * 1000))
            }
        }
    }
}

/// Whether `year` has a 29 February.
pub const fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days of `month` (1 to 12) in `year`; 0 for another month.
pub const fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar: `days_from_civil` of Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms". Years start in March, so that the leap day is the last.
const fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = (month as i64 + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day as i64 - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days after 1970-01-01: `civil_from_days` of the same source. (year, month, day)
const fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * from_march + 2) / 5 + 1) as u8;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 } as u8;
    (year + era * 400 + (month <= 2) as i64, month, day)
}

/// `ms` milliseconds since the epoch as RFC 3339 text, `2026-07-01T21:37:58+02:00`, in the zone `east` seconds east
/// of Greenwich: to the second, with milliseconds where they are not zero, `Z` for a zero offset. Parts of a minute
/// in `east` are dropped. Years outside 0 to 9999 show their last four digits.
pub fn rfc3339(ms: i64, east: i32) -> Text {
    let minutes = east / 60;
    let civil = Civil::from_epoch_ms(ms.saturating_add(i64::from(minutes) * 60_000));
    let mut out = Text::new();
    out.digits(u32::from(civil.year.unwrap_or(0)), 1000);
    for (mark, n) in [
        (b'-', civil.month),
        (b'-', civil.day),
        (b'T', civil.hour),
        (b':', civil.minute),
        (b':', civil.second),
    ] {
        out.push(mark);
        out.digits(u32::from(n), 10);
    }
    if civil.millis != 0 {
        out.push(b'.');
        out.digits(u32::from(civil.millis), 100);
    }
    if minutes == 0 {
        out.push(b'Z');
    } else {
        out.push(if minutes < 0 { b'-' } else { b'+' });
        out.digits(minutes.unsigned_abs() / 60, 10);
        out.push(b':');
        out.digits(minutes.unsigned_abs() % 60, 10);
    }
    out
}

#[cfg(test)]
#[path = "civil_tests.rs"]
mod tests;
