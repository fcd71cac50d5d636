//! The date forms of log lines: where a date is in a line, and what it says.
//!
//! In: bytes of a line. Out: a [`Stamp`] and the bytes it took. A date is read to its form, not checked against the
//! calendar ([`Stamp::epoch_ms`] does that). What looks like no date is `None`; nothing panics; a date is tried in
//! bounded time and [`find`] looks at no more than the first [`SEARCHED`] bytes, so a line costs linear time.
//!
//! | form | example |
//! |---|---|
//! | ISO 8601, also with `/`, `.` or `:` | `2026-07-01T21:37:58.123+02:00`, `2026/07/01 21:37:58`, `2026-07-01  1:37:58,123 UTC` |
//! | ctime, day and year optional | `Wed Jul  1 21:37:58.123 2026`, `Jul 1 21:37:58`, `Wed Jul  1 21:37:58 CEST 2026` |
//! | ctime, year after the day | `Jul 01 2026 21:37:58` |
//! | day first | `01/07/2026 21:37:58`, `01-07-26 21:37:58` |
//! | CLF, named | `01/Jul/2026:21:37:58 +0200`, `01-Jul-2026 21:37:58.123` |
//! | month first | `07/01/2026:21:37:58`, `07-31-2026 21:37:58.123` (day first wins where both fit) |
//! | seconds since the epoch | `1782941878.123` at the start, in `[…]`, or in `audit(…:42)` |
//! | time only | `21:37:58.123`, at the start |
//! | `<m/d/y@…>` | `<07/01/26@21:37:58>` |
//! | MySQL | `260701 21:37:58` |
//! | Tomcat | `Jul 01, 2026 9:37:58 PM` |
//! | ASSP | `Jul-01-26 21:37:58` |
//! | compact ISO | `20260701T213758.123Z` |
//! | zone first | `CEST Jul  1 21:37:58`, `+02:00 Jul  1 21:37:58` |
//! | month and day | `07-01 21:37:58.123` |
//! | TAI64N | `@400000004c91b044077a9e94` |
//!
//! Zone names other than `UTC`, `GMT` and `Z` are read over: they are ambiguous, so the calendar's zone holds.

use super::civil::{Civil, Stamp};
use memchr::{memchr, memchr_iter};

/// How far into a line [`find`] looks.
pub const SEARCHED: usize = 1024;

/// Reads the date that `text` starts with: what it says, and its length.
pub fn read(text: &[u8]) -> Option<(Stamp, usize)> {
    let (stamp, rest) = at(text, true)?;
    Some((stamp, text.len().saturating_sub(rest.len())))
}

/// Finds the date in `line`: the first `[d/Mon/Y:H:M:S zone]` before `"` (an access log, whose user name stands
/// before it and may hold another date, but no bare quote), or else the first date that starts at a word.
pub fn find(line: &[u8]) -> Option<Stamp> {
    let line = line.get(..SEARCHED).unwrap_or(line);
    let mut rest = line;
    while let Some(i) = memchr(b'[', rest) {
        rest = rest.get(i + 1..)?;
        if let Some((stamp, after)) = named_month(Cursor(rest))
            && after.0.starts_with(b"] \"")
        {
            return Some(stamp);
        }
    }
    if let Some((stamp, _)) = read(line) {
        return Some(stamp);
    }
    let mut before = b' ';
    for (i, &b) in line.iter().enumerate() {
        if !before.is_ascii_alphanumeric()
            && (b.is_ascii_alphanumeric() || b == b'<')
            && let Some((stamp, _)) = at(line.get(i..)?, false)
        {
            return Some(stamp);
        }
        before = b;
    }
    // A substring search of memchr's would be 6 KB of tables and code for this one word.
    let ends = |at: &usize| line.get(..*at).is_some_and(|before| before.ends_with(b"audit"));
    let audit = memchr_iter(b'(', line).find(ends)?;
    epoch(Cursor(line.get(audit + 1..)?))
        .filter(|(_, after)| after.0.first() == Some(&b':'))
        .map(|(s, _)| s)
}

/// Length of the date that `text` starts with, where it is ISO 8601 with dashes, by its shape alone: the date may not
/// exist. `2026-07-01T21:37:58.123456+02:00`, `2026-07-01 21:37:58,123`.
pub fn iso_len(text: &[u8]) -> Option<usize> {
    // One comparison of 16 bytes, digits by the bits that all of them share.
    const SHAPE: u128 = u128::from_le_bytes(*b"0000-00-00\x0000:00");
    const MASK: u128 = u128::from_le_bytes([
        0xf0, 0xf0, 0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0, 0xf0, 0xf0, 0xff, 0xf0, 0xf0,
    ]);
    let (head, rest) = text.split_first_chunk::<16>()?;
    if u128::from_le_bytes(*head) & MASK != SHAPE || !matches!(text.get(10), Some(b'T' | b' ')) {
        return None;
    }
    let ([b':', b'0'..=b'6', b'0'..=b'9'], mut rest) = rest.split_first_chunk::<3>()? else { return None };
    if let Some((b'.' | b',', fraction)) = rest.split_first() {
        let digits = fraction.iter().take(12).take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 {
            rest = fraction.get(digits..)?;
        }
    }
    let mut cursor = Cursor(rest);
    cursor.zone();
    boundary(cursor)?;
    Some(text.len() - cursor.0.len())
}

type Read<'a> = Option<(Stamp, Cursor<'a>)>;

/// The date at the start of `text` and what follows; with `line_start` also the forms that only count there.
fn at(text: &[u8], line_start: bool) -> Option<(Stamp, &[u8])> {
    let c = Cursor(text);
    let (stamp, after) = match *text.first()? {
        b'0'..=b'9' => {
            let digits = text.iter().take(12).take_while(|b| b.is_ascii_digit()).count();
            match digits {
                4 => iso(c),
                8 => compact(c),
                6 => mysql(c),
                10 | 11 if line_start => epoch(c),
                1 | 2 => named_month(c)
                    .or_else(|| day_first(c))
                    .or_else(|| month_first(c))
                    .or_else(|| month_day(c))
                    .or_else(|| if line_start { time_only(c) } else { None }),
                _ => None,
            }
        }
        b'<' => at_sign(c),
        b'@' if line_start => tai64n(c),
        b'+' | b'-' if line_start => {
            let mut after = c;
            let zone = after.zone()?;
            after.eat(b' ')?;
            ctime(after).map(|(stamp, rest)| (with_zone(stamp, Some(zone)), rest))
        }
        b if b.is_ascii_alphabetic() => ctime(c).or_else(|| zone_first(c)),
        _ => None,
    }?;
    boundary(after)?;
    Some((stamp, after.0))
}

/// A date ends where no word goes on.
fn boundary(after: Cursor<'_>) -> Option<()> {
    if after.0.first().is_some_and(u8::is_ascii_alphanumeric) { None } else { Some(()) }
}

fn with_zone(stamp: Stamp, zone: Option<i32>) -> Stamp {
    match stamp {
        Stamp::Civil(civil, own) => Stamp::Civil(civil, own.or(zone)),
        other => other,
    }
}

fn dated(year: Option<u16>, month: u8, day: u8, time: Time) -> Civil {
    let Time { hour, minute, second, millis } = time;
    Civil { year, month, day, hour, minute, second, millis }
}

fn iso(mut c: Cursor<'_>) -> Read<'_> {
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

fn compact(mut c: Cursor<'_>) -> Read<'_> {
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

fn mysql(mut c: Cursor<'_>) -> Read<'_> {
    let year = c.short_year()?;
    let (month, day) = (c.number(2, 2)? as u8, c.number(2, 2)? as u8);
    c.eat(b' ')?;
    let time = c.time()?;
    Some((Stamp::Civil(dated(Some(year), month, day, time), None), c))
}

/// CLF and named. Month names may be longer than three letters (`sept.`).
fn named_month(mut c: Cursor<'_>) -> Read<'_> {
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
fn day_first(mut c: Cursor<'_>) -> Read<'_> {
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

fn month_first(mut c: Cursor<'_>) -> Read<'_> {
    let month = c.number(1, 2)? as u8;
    c.eat(b'/')?;
    let day = c.number(2, 2)? as u8;
    c.eat(b'/')?;
    let year = c.year()?;
    c.eat(b':')?;
    let time = c.time()?;
    Some((Stamp::Civil(dated(Some(year), month, day, time), None), c))
}

fn month_day(mut c: Cursor<'_>) -> Read<'_> {
    let month = c.number(2, 2)? as u8;
    c.eat(b'-')?;
    let day = c.number(2, 2)? as u8;
    c.eat(b' ')?;
    let time = c.time()?;
    Some((Stamp::Civil(dated(None, month, day, time), None), c))
}

fn time_only(mut c: Cursor<'_>) -> Read<'_> {
    let Time { hour, minute, second, millis } = c.time()?;
    let seconds = u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second);
    Some((Stamp::Time(seconds * 1000 + u32::from(millis)), c))
}

fn at_sign(mut c: Cursor<'_>) -> Read<'_> {
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
fn epoch(mut c: Cursor<'_>) -> Read<'_> {
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
fn tai64n(mut c: Cursor<'_>) -> Read<'_> {
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
fn ctime(mut c: Cursor<'_>) -> Read<'_> {
    let month = match c.month() {
        Some(month) => month,
        None => {
            c.day_name()?;
            c.eat(b',');
            c.eat(b' ')?;
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

fn zone_first(mut c: Cursor<'_>) -> Read<'_> {
    let zone = c.zone_name()?;
    c.eat(b' ')?;
    ctime(c).map(|(stamp, rest)| (with_zone(stamp, zone), rest))
}

#[derive(Clone, Copy)]
struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    millis: u16,
}

/// What is left to read. A method that gives `None` may have moved it; callers copy before they try.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn skip(&mut self, n: usize) {
        self.0 = self.0.get(n..).unwrap_or(&[]);
    }

    /// Takes `b`, or leaves all as it is.
    fn eat(&mut self, b: u8) -> Option<()> {
        let (_, rest) = self.0.split_first().filter(|(first, _)| **first == b)?;
        self.0 = rest;
        Some(())
    }

    fn one_of(&mut self, set: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first().filter(|(first, _)| set.contains(first))?;
        self.0 = rest;
        Some(*first)
    }

    /// A number of `least` to `most` digits (nine at the most).
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let (mut n, mut taken) = (0u32, 0);
        while let Some((b @ b'0'..=b'9', rest)) = self.0.split_first() {
            if taken == most.min(9) {
                break;
            }
            n = n * 10 + u32::from(b - b'0');
            self.0 = rest;
            taken += 1;
        }
        (taken >= least).then_some(n)
    }

    /// A year of four digits, 1900 to 2199, or leaves all as it is.
    fn year(&mut self) -> Option<u16> {
        let mut after = *self;
        let year = after.number(4, 4).filter(|y| (1900..2200).contains(y))? as u16;
        *self = after;
        Some(year)
    }

    /// A year of two digits, in this century.
    fn short_year(&mut self) -> Option<u16> {
        Some(2000 + self.number(2, 2)? as u16)
    }

    /// ` 2026` at the end of a word, or leaves all as it is: `2001:db8::1` is a host.
    fn trailing_year(&mut self) -> Option<u16> {
        let mut after = *self;
        after.eat(b' ')?;
        let year = after.year()?;
        boundary(after)?;
        let goes_on = match after.0 {
            [b':', next, ..] => *next != b' ',
            [next, ..] => b".-_%/".contains(next),
            [] => false,
        };
        if goes_on {
            return None;
        }
        *self = after;
        Some(year)
    }

    /// The first three letters of an English month, in any case, or leaves all as it is.
    fn month(&mut self) -> Option<u8> {
        let (head, rest) = self.0.split_first_chunk::<3>()?;
        let month = match &head.map(|b| b | 0x20) {
            b"jan" => 1,
            b"feb" => 2,
            b"mar" => 3,
            b"apr" => 4,
            b"may" => 5,
            b"jun" => 6,
            b"jul" => 7,
            b"aug" => 8,
            b"sep" => 9,
            b"oct" => 10,
            b"nov" => 11,
            b"dec" => 12,
            _ => return None,
        };
        self.0 = rest;
        Some(month)
    }

    fn day_name(&mut self) -> Option<()> {
        let (head, rest) = self.0.split_first_chunk::<3>()?;
        let known =
            matches!(&head.map(|b| b | 0x20), b"mon" | b"tue" | b"wed" | b"thu" | b"fri" | b"sat" | b"sun");
        self.0 = rest;
        known.then_some(())
    }

    /// `H:M:S` with an optional fraction; the hour may have one digit, or a blank in front.
    fn time(&mut self) -> Option<Time> {
        self.eat(b' ');
        let hour = self.number(1, 2).filter(|h| *h < 24)? as u8;
        self.eat(b':')?;
        let minute = self.number(2, 2).filter(|m| *m < 60)? as u8;
        self.eat(b':')?;
        let second = self.number(2, 2).filter(|s| *s <= 60)? as u8;
        Some(Time { hour, minute, second, millis: self.fraction() })
    }

    /// `.` or `,` and digits, as milliseconds; zero where there are none. Digits past the ninth end the date.
    fn fraction(&mut self) -> u16 {
        let mut after = *self;
        if after.one_of(b".,").is_none() {
            return 0;
        }
        let (mut millis, mut scale, mut taken) = (0u16, 100u16, 0);
        while let Some((b @ b'0'..=b'9', rest)) = after.0.split_first() {
            if taken == 9 {
                break;
            }
            millis += u16::from(b - b'0') * scale;
            scale /= 10;
            after.0 = rest;
            taken += 1;
        }
        if taken > 0 {
            *self = after;
        }
        millis
    }

    /// ` AM` or ` PM`.
    fn half_of_day(&mut self, time: &mut Time) -> Option<()> {
        self.eat(b' ')?;
        let half = self.one_of(b"AaPp")? | 0x20;
        self.one_of(b"Mm")?;
        if !(1..=12).contains(&time.hour) {
            return None;
        }
        time.hour = time.hour % 12 + if half == b'p' { 12 } else { 0 };
        Some(())
    }

    /// An optional blank and `Z`, `UTC`, `GMT`, `+02:00`, `+0200` or `+02`; leaves all as it is where there is none.
    fn zone(&mut self) -> Option<i32> {
        let mut after = *self;
        after.eat(b' ');
        let east = match after.0 {
            [b'U', b'T', b'C', ..] | [b'G', b'M', b'T', ..] => {
                after.skip(3);
                0
            }
            [b'Z' | b'z', ..] => {
                after.skip(1);
                0
            }
            [sign @ (b'+' | b'-'), ..] => {
                after.skip(1);
                let hours = after.number(2, 2).filter(|h| *h < 24)?;
                let minutes = {
                    let mut tail = after;
                    tail.eat(b':');
                    tail.number(2, 2).filter(|m| *m < 60).map(|m| (m, tail))
                };
                let minutes = minutes.map_or(0, |(m, tail)| {
                    after = tail;
                    m
                });
                let seconds = (hours * 3600 + minutes * 60) as i32;
                if *sign == b'-' { -seconds } else { seconds }
            }
            _ => return None,
        };
        boundary(after)?;
        *self = after;
        Some(east)
    }

    /// A zone's name of two to five capitals: `Some(None)` where it says nothing certain.
    fn zone_name(&mut self) -> Option<Option<i32>> {
        let letters = self.0.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count();
        if !(2..=5).contains(&letters) {
            return None;
        }
        let known = matches!(self.0.get(..letters)?, b"UTC" | b"GMT" | b"UT").then_some(0);
        self.skip(letters);
        Some(known)
    }
}

#[cfg(test)]
#[path = "stamp_tests.rs"]
mod tests;
