//! The date forms of log lines: where a date is in a line, and what it says.
//!
//! In: bytes of a line. Out: a [`Stamp`] and the bytes it took. A date is read to its form, not checked against the
//! calendar ([`Stamp::epoch_ms`] does that). What looks like no date is `None`; nothing panics; a date is tried in
//! bounded time and [`find`] looks at no more than the first [`SEARCHED`] bytes, so a line costs linear time.
//!
//! | form | example |
//! |---|---|
//! | ISO 8601, also with `/`, `.` or `:` | `2026-07-01T21:37:58.123+02:00`, `2026/07/01 21:37:58`, `2026-07-01  1:37:58,123 UTC` |
//! | ISO 8601 behind a day's name | `Wed 2026-07-01 21:37:58 CEST` |
//! | ctime, day and year optional | `Wed Jul  1 21:37:58.123 2026`, `Jul 1 21:37:58`, `Wed Jul  1 21:37:58 CEST 2026` |
//! | ctime, year after the day | `Jul 01 2026 21:37:58` |
//! | ctime, year first | `2026 Jul  1 21:37:58` |
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

mod cursor;
mod forms;
#[cfg(test)]
mod tests;

use super::civil::Stamp;
use cursor::{Cursor, boundary};
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
        if let Some((stamp, after)) = forms::named_month(Cursor(rest))
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
    forms::epoch(Cursor(line.get(audit + 1..)?))
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
    // As `Cursor::fraction`, whose value is not asked here: half the time.
    if let Some((b'.' | b',', fraction)) = rest.split_first() {
        let digits = fraction.iter().take(9).take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 {
            rest = fraction.get(digits..)?;
        }
    }
    let mut cursor = Cursor(rest);
    // As syslogds write it; the other spellings are not worth their time here.
    if !matches!(rest, [b'+' | b'-', b'0' | b'1', b'0'..=b'9', b':', b'0'..=b'5', b'0'..=b'9', b' ', ..]) {
        cursor.zone();
        boundary(cursor)?;
        return Some(text.len() - cursor.0.len());
    }
    Some(text.len() - rest.len() + "+02:00".len())
}

/// The date at the start of `text` and what follows; with `line_start` also the forms that only count there.
fn at(text: &[u8], line_start: bool) -> Option<(Stamp, &[u8])> {
    let c = Cursor(text);
    let (stamp, after) = match *text.first()? {
        b'0'..=b'9' => {
            let digits = text.iter().take(12).take_while(|b| b.is_ascii_digit()).count();
            match digits {
                4 => forms::iso(c).or_else(|| forms::year_first(c)),
                8 => forms::compact(c),
                6 => forms::mysql(c),
                10 | 11 if line_start => forms::epoch(c),
                1 | 2 => forms::named_month(c)
                    .or_else(|| forms::day_first(c))
                    .or_else(|| forms::month_first(c))
                    .or_else(|| forms::month_day(c))
                    .or_else(|| if line_start { forms::time_only(c) } else { None }),
                _ => None,
            }
        }
        b'<' => forms::at_sign(c),
        b'@' if line_start => forms::tai64n(c),
        b'+' | b'-' if line_start => forms::offset_first(c),
        b if b.is_ascii_alphabetic() => forms::ctime(c).or_else(|| forms::zone_first(c)),
        _ => None,
    }?;
    boundary(after)?;
    Some((stamp, after.0))
}
