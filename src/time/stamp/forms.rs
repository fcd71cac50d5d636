//! The forms, a function each: the date at the start of what is left, and what follows it.
//!
//! A form that does not fit is `None`; what a cursor has taken by then is lost, so each form starts from a copy.

use super::cursor::{Cursor, Time, boundary};
use crate::time::civil::{Civil, Stamp};

type Read<'a> = Option<(Stamp, Cursor<'a>)>;

fn dated(year: Option<u16>, month: u8, day: u8, time: Time) -> Civil {
    let Time { hour, minute, second, millis } = time;
    Civil { year, month, day, hour, minute, second, millis }
}

pub(super) fn iso(mut c: Cursor<'_>) -> Read<'_> {
    let year = c.year()?;
    let separator = c.one_of(b"-/.:")?;
    let month = c.number(2, 2)? as u8;
    c.eat(separator)?;
    let day = c.number(2, 2)? as u8;
    if separator == b':' {
        c.one_of(b"- ")?;
    } else {
        c.one_of(b"Tt ")?;
    }
    let time = c.time()?;
    let zone = c.zone();
    Some((Stamp::Civil(dated(Some(year), month, day, time), zone), c))
}

/// As [`iso`], where a zone must follow, by name or in numbers.
fn iso_in_zone(c: Cursor<'_>) -> Read<'_> {
    let (stamp, mut c) = iso(c)?;
    if let Stamp::Civil(_, None) = stamp {
        c.eat(b' ')?;
        c.zone_name()?;
    }
    Some((stamp, c))
}

/// [`ctime`] behind its year, as `ts-format(full)` of syslog-ng has it.
pub(super) fn year_first(mut c: Cursor<'_>) -> Read<'_> {
    let year = c.year()?;
    c.eat(b' ')?;
    let (stamp, c) = ctime(c)?;
    match stamp {
        Stamp::Civil(civil @ Civil { year: None, .. }, zone) => {
            Some((Stamp::Civil(Civil { year: Some(year), ..civil }, zone), c))
        }
        _ => None,
    }
}

pub(super) fn compact(mut c: Cursor<'_>) -> Read<'_> {
    let year = c.year()?;
    let (month, day) = (c.number(2, 2)? as u8, c.number(2, 2)? as u8);
    c.one_of(b"Tt ")?;
    c.eat(b' ');
    let digits = c.0.iter().take(7).take_while(|b| b.is_ascii_digit()).count();
    let hour = c.number(1, if digits == 5 { 1 } else { 2 })? as u8;
    let (minute, second) = (c.number(2, 2)? as u8, c.number(2, 2)? as u8);
    let millis = c.fraction();
    let zone = c.zone();
    Some((Stamp::Civil(dated(Some(year), month, day, Time { hour, minute, second, millis }), zone), c))
}

pub(super) fn mysql(mut c: Cursor<'_>) -> Read<'_> {
    let year = c.short_year()?;
    let (month, day) = (c.number(2, 2)? as u8, c.number(2, 2)? as u8);
    c.eat(b' ')?;
    let time = c.time()?;
    Some((Stamp::Civil(dated(Some(year), month, day, time), None), c))
}

/// CLF and named. Month names may be longer than three letters (`sept.`).
pub(super) fn named_month(mut c: Cursor<'_>) -> Read<'_> {
    let day = c.number(1, 2)? as u8;
    let separator = c.one_of(b"/-")?;
    let month = c.month()?;
    for _ in 0..7 {
        if !c.0.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'.') {
            break;
        }
        c.skip(1);
    }
    c.eat(separator)?;
    let year = c.year()?;
    c.one_of(b": ")?;
    let time = c.time()?;
    let zone = c.zone();
    Some((Stamp::Civil(dated(Some(year), month, day, time), zone), c))
}

/// Day, month and year in digits; month first where the day could be no month.
pub(super) fn day_first(mut c: Cursor<'_>) -> Read<'_> {
    let first = c.number(1, 2)? as u8;
    let separator = c.one_of(b"/-")?;
    let second = c.number(2, 2)? as u8;
    c.eat(separator)?;
    let year = c.year().or_else(|| c.short_year())?;
    c.eat(b' ')?;
    let time = c.time()?;
    let zone = c.zone();
    let (month, day) = if second > 12 { (first, second) } else { (second, first) };
    Some((Stamp::Civil(dated(Some(year), month, day, time), zone), c))
}

pub(super) fn month_first(mut c: Cursor<'_>) -> Read<'_> {
    let month = c.number(1, 2)? as u8;
    c.eat(b'/')?;
    let day = c.number(2, 2)? as u8;
    c.eat(b'/')?;
    let year = c.year()?;
    c.eat(b':')?;
    let time = c.time()?;
    Some((Stamp::Civil(dated(Some(year), month, day, time), None), c))
}

pub(super) fn month_day(mut c: Cursor<'_>) -> Read<'_> {
    let month = c.number(2, 2)? as u8;
    c.eat(b'-')?;
    let day = c.number(2, 2)? as u8;
    c.eat(b' ')?;
    let time = c.time()?;
    Some((Stamp::Civil(dated(None, month, day, time), None), c))
}

pub(super) fn time_only(mut c: Cursor<'_>) -> Read<'_> {
    let Time { hour, minute, second, millis } = c.time()?;
    let seconds = u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second);
    Some((Stamp::Time(seconds * 1000 + u32::from(millis)), c))
}

pub(super) fn at_sign(mut c: Cursor<'_>) -> Read<'_> {
    c.eat(b'<')?;
    let month = c.number(2, 2)? as u8;
    c.eat(b'/')?;
    let day = c.number(2, 2)? as u8;
    c.eat(b'/')?;
    let year = c.short_year()?;
    c.eat(b'@')?;
    let time = c.time()?;
    c.eat(b'>')?;
    Some((Stamp::Civil(dated(Some(year), month, day, time), None), c))
}

/// Ten or eleven digits: until the year 5138, and no telephone number is that short.
pub(super) fn epoch(mut c: Cursor<'_>) -> Read<'_> {
    let digits = c.0.iter().take(12).take_while(|b| b.is_ascii_digit()).count();
    if !(10..=11).contains(&digits) {
        return None;
    }
    let (high, low) = (c.number(5, 5)?, c.number(digits - 5, digits - 5)?);
    let scale = if digits == 10 { 100_000 } else { 1_000_000 };
    let millis = c.fraction();
    boundary(c)?;
    Some((Stamp::Epoch((i64::from(high) * scale + i64::from(low)) * 1000 + i64::from(millis)), c))
}

/// `@`, then 16 hex digits: 2^62 + 10 + seconds since the epoch, as daemontools, runit and s6 write it (they know no
/// leap seconds after 1972), then 8: nanoseconds. <https://cr.yp.to/daemontools/tai64n.html>
pub(super) fn tai64n(mut c: Cursor<'_>) -> Read<'_> {
    c.eat(b'@')?;
    let (head, rest) = c.0.split_first_chunk::<24>()?;
    let mut number = 0u128;
    for &b in head {
        number = number << 4 | u128::from((b as char).to_digit(16)?);
    }
    let (seconds, nanos) = ((number >> 32) as u64, number as u32);
    let seconds = seconds.checked_sub((1 << 62) + 10).filter(|s| *s < 1 << 40)?;
    c.0 = rest;
    Some((Stamp::Epoch(seconds as i64 * 1000 + i64::from(nanos / 1_000_000).min(999)), c))
}

/// The forms that start with the name of a day or month.
pub(super) fn ctime(mut c: Cursor<'_>) -> Read<'_> {
    let month = match c.month() {
        Some(month) => month,
        None => {
            c.day_name()?;
            c.eat(b',');
            c.eat(b' ')?;
            if c.0.first().is_some_and(u8::is_ascii_digit) {
                return iso_in_zone(c);
            }
            c.month()?
        }
    };
    if c.eat(b'-').is_some() {
        let day = c.number(2, 2)? as u8;
        c.eat(b'-')?;
        let year = c.short_year()?;
        c.eat(b' ')?;
        let time = c.time()?;
        return Some((Stamp::Civil(dated(Some(year), month, day, time), None), c));
    }
    c.eat(b' ')?;
    c.eat(b' ');
    let day = c.number(1, 2)? as u8;
    let comma = c.eat(b',').is_some();
    c.eat(b' ')?;
    let year_first = {
        let mut after = c;
        after.year().filter(|_| after.eat(b' ').is_some()).map(|year| (year, after))
    };
    if let Some((year, after)) = year_first {
        c = after;
        let mut time = c.time()?;
        if comma {
            c.half_of_day(&mut time)?;
        }
        return Some((Stamp::Civil(dated(Some(year), month, day, time), None), c));
    }
    let time = c.time()?;
    let mut zone = None;
    let mut year = c.trailing_year();
    if year.is_none() {
        let mut after = c;
        if after.eat(b' ').is_some()
            && let Some(named) = after.zone_name()
            && let Some(found) = after.trailing_year()
        {
            (zone, year, c) = (named, Some(found), after);
        }
    }
    Some((Stamp::Civil(dated(year, month, day, time), zone), c))
}

pub(super) fn zone_first(mut c: Cursor<'_>) -> Read<'_> {
    let zone = c.zone_name()?;
    c.eat(b' ')?;
    ctime(c).map(|(stamp, rest)| (with_zone(stamp, zone), rest))
}

/// As [`zone_first`], the zone in numbers.
pub(super) fn offset_first(mut c: Cursor<'_>) -> Read<'_> {
    let zone = c.zone()?;
    c.eat(b' ')?;
    ctime(c).map(|(stamp, rest)| (with_zone(stamp, Some(zone)), rest))
}

fn with_zone(stamp: Stamp, zone: Option<i32>) -> Stamp {
    match stamp {
        Stamp::Civil(civil, own) => Stamp::Civil(civil, own.or(zone)),
        other => other,
    }
}
