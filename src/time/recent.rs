//! The last date that was read, for logs in which many lines share one or its minute.

use super::civil::Calendar;
use core::cell::RefCell;

/// A date's text that is worth keeping is no longer than this; ISO 8601 to the microsecond with its zone has 32.
const KEPT: usize = 32;

struct Last {
    text: [u8; KEPT],
    len: u8,
    ms: i64,
}

/// Equal. Dates have 15 bytes mostly, which two words that overlap compare for less than a call does.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    match (one.first_chunk::<8>(), one.last_chunk::<8>()) {
        (first @ Some(_), last) if one.len() <= 16 => {
            one.len() == other.len() && first == other.first_chunk() && last == other.last_chunk()
        }
        _ => one == other,
    }
}

/// A calendar that remembers the last date it made sense of. One calendar, one zone: the same text is the same time.
pub struct Recent<'c> {
    calendar: Calendar<'c>,
    last: RefCell<Last>,
}

impl<'c> Recent<'c> {
    /// Remembers nothing yet.
    pub const fn new(calendar: Calendar<'c>) -> Self {
        Self { calendar, last: RefCell::new(Last { text: [0; KEPT], len: 0, ms: 0 }) }
    }

    /// Milliseconds since 1970 that `text` stands for: as the last time, where it is the same text or one of the same minute,
    /// else as `read` says of a calendar that knows the last time. What `read` cannot tell is not remembered.
    #[inline]
    pub fn epoch_ms(&self, text: &[u8], read: impl FnOnce(&Calendar<'c>) -> Option<i64>) -> Option<i64> {
        // Nothing that is called here has the date borrowed; if it had, dates would be read again and again.
        if let Ok(last) = self.last.try_borrow()
            && last.len > 0
            && last.text.get(..usize::from(last.len)).is_some_and(|kept| same(kept, text))
        {
            return Some(last.ms);
        }
        if let Ok(mut last) = self.last.try_borrow_mut()
            && let Some(ms) = last.go_to(text)
        {
            return Some(ms);
        }
        let after_ms = match self.last.try_borrow() {
            Ok(last) if last.len > 0 => last.ms,
            _ => i64::MIN,
        };
        let ms = read(&Calendar { after_ms, ..self.calendar })?;
        if let Ok(mut last) = self.last.try_borrow_mut()
            && let Some(room) = last.text.get_mut(..text.len())
        {
            room.copy_from_slice(text);
            (last.len, last.ms) = (text.len() as u8, ms);
        }
        Some(ms)
    }
}

impl Last {
    /// Becomes another date of the same minute; `None` where `text` is none. Zones change at whole minutes.
    #[inline(never)]
    fn go_to(&mut self, text: &[u8]) -> Option<i64> {
        let kept = self.text.get(..usize::from(self.len))?;
        // Of ISO 8601 a fraction and the zone may follow, of other forms nothing.
        let at = if text.get(4) == Some(&b'-') { ISO_SECONDS } else { text.len().checked_sub(2)? };
        let (head, tail) = text.split_at_checked(at)?;
        let (kept, last) = kept.split_at_checked(at)?;
        // By the second colon, so that it is no zone's end.
        if !matches!(head, [.., b':', _, _, b':']) || !same(kept, head) {
            return None;
        }
        let ((ms, zone), (last, kept)) = (millis(tail)?, millis(last)?);
        if !matches!(zone, [] | [b'Z'] | [b'+' | b'-', _, _, b':', _, _]) || zone != kept {
            return None;
        }
        self.text.get_mut(at..text.len())?.copy_from_slice(tail);
        self.len = text.len() as u8;
        self.ms += ms - last;
        Some(self.ms)
    }
}

/// Where the seconds stand in ISO 8601: `2026-07-01T21:37:`.
const ISO_SECONDS: usize = 17;

/// The milliseconds that `58`, or `58.123456` and up to nine digits, says, and what follows. Up to 59 seconds: where there
/// are more, it is for the calendar to say what they are.
fn millis(text: &[u8]) -> Option<(i64, &[u8])> {
    let digit = |b: &u8| Some(b.wrapping_sub(b'0')).filter(|n| *n < 10).map(i64::from);
    let ([tens, ones], rest) = text.split_first_chunk()?;
    let seconds = 1000 * (10 * digit(tens).filter(|n| *n < 6)? + digit(ones)?);
    let [b'.' | b',', fraction @ ..] = rest else { return Some((seconds, rest)) };
    let len = fraction.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    if !(1..=9).contains(&len) {
        return None;
    }
    let (fraction, rest) = fraction.split_at_checked(len)?;
    let scaled = |(b, scale)| digit(b).map_or(0, |n| n * scale);
    let millis: i64 = fraction.iter().zip([100, 10, 1]).map(scaled).sum();
    Some((seconds + millis, rest))
}

/// Dates of a few minutes, as a log has them, read by way of the last one and each by itself.
#[test]
fn what_is_remembered_is_what_would_be_read() {
    use super::stamp;
    use proptest::prelude::*;
    use std::{format, string::String, vec::Vec};
    let fraction = prop_oneof![Just(String::new()), "[.,][0-9]{1,9}", "[.]"];
    let zone = prop_oneof![Just("+02:00"), Just(""), Just("Z"), Just("-01:30"), Just(" UTC")];
    let second = prop_oneof![0u8..62, 57u8..61];
    let date = (any::<bool>(), 36u8..39, second, fraction, zone).prop_map(
        |(iso, minute, second, fraction, zone)| {
            if iso {
                format!("2026-07-01T21:{minute}:{second:02}{fraction}{zone}")
            } else {
                format!("Jul  1 21:{minute}:{second:02}{fraction}")
            }
        },
    );
    proptest!(|(dates in proptest::collection::vec(date, 1..40))| {
        let calendar = Calendar::fixed(1_782_900_000_000, 3600);
        let recent = Recent::new(calendar);
        let dates: Vec<String> = dates;
        for date in &dates {
            let read = |calendar: &Calendar<'_>| stamp::read(date.as_bytes())?.0.epoch_ms(calendar);
            prop_assert_eq!(recent.epoch_ms(date.as_bytes(), read), read(&calendar), "{} in {:?}", date, dates);
        }
    });
}

#[test]
fn only_dates_of_the_same_minute_are_not_read_again() {
    let recent = Recent::new(Calendar::fixed(0, 0));
    let long = [b'x'; KEPT + 1];
    for (text, told, want) in [
        (&b"a"[..], Some(1), Some(1)),
        (b"a", Some(2), Some(1)),
        (b"ab", Some(3), Some(3)),
        (b"a", None, None),
        (b"ab", Some(4), Some(3)),
        (&long, Some(5), Some(5)),
        (&long, Some(6), Some(6)),
        (b"", Some(7), Some(7)),
        (b"", Some(8), Some(8)),
        (b"Jul  1 21:37:58", Some(9), Some(9)),
        (b"Jul  1 21:37:59", None, Some(1009)),
        (b"Jul  1 21:37:09", None, Some(-48_991)),
        (b"Jul  1 21:37:58", None, Some(9)),
        (b"Jul  1 21:37:60", Some(3), Some(3)),
        (b"Jul  1 21:37:58", Some(9), Some(9)),
        (b"Jul  1 21:37:5x", None, None),
        (b"Jul  1 21:38:58", Some(10), Some(10)),
        (b"Jul  1 21:37:5", Some(11), Some(11)),
        (b"2026-07-01T21:37:58", Some(20), Some(20)),
        (b"2026-07-01T21:37:57", None, Some(-980)),
        (b"2026-07-01T21:37:57+02:00", Some(21), Some(21)),
        (b"2026-07-01T21:37:57+02:30", Some(22), Some(22)),
        (b"2026-07-01T21:37:58.5+02:30", None, Some(1_522)),
        (b"2026-07-01T21:37:57,123456+02:30", None, Some(145)),
        (b"2026-07-01T21:37:58.5+02:00", Some(30), Some(30)),
        (b"2026-07-01T21:37:09.000001+02:00", None, Some(-49_470)),
        (b"2026-07-01T21:37:09.0000000001+02:00", Some(31), Some(31)),
        (b"2026-07-01T21:37:60.5+02:00", Some(32), Some(32)),
        (b"2026-07-01T21:37:58.+02:00", Some(33), Some(33)),
        (b"2026-07-01 21:37:58.999Z", Some(1_000), Some(1_000)),
        (b"2026-07-01 21:37:00Z", None, Some(-57_999)),
        (b"2026-07-01 21:37:01Z and more", Some(34), Some(34)),
        (b"1751405878", Some(23), Some(23)),
        (b"1751405879", Some(24), Some(24)),
        (b"Jul  1 21:37:58.5", Some(12), Some(12)),
        (b"Jul  1 21:37:58.5", Some(13), Some(12)),
        (b"Jun  1 21:37:58.5", Some(14), Some(14)),
    ] {
        assert_eq!(recent.epoch_ms(text, |_| told), want);
    }
}
