//! What dates are made of: numbers, names, times, zones, taken from the front of a line.

/// A time of day; [`Cursor::time`] says what it may hold.
#[derive(Clone, Copy)]
pub(super) struct Time {
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) millis: u16,
}

/// What is left to read. A method that gives `None` may have moved it; callers copy before they try.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl Cursor<'_> {
    /// Passes over `n` bytes, or all that is left.
    pub(super) fn skip(&mut self, n: usize) {
        self.0 = self.0.get(n..).unwrap_or(&[]);
    }

    /// Takes `b`, or leaves all as it is.
    pub(super) fn eat(&mut self, b: u8) -> Option<()> {
        let (_, rest) = self.0.split_first().filter(|(first, _)| **first == b)?;
        self.0 = rest;
        Some(())
    }

    /// Takes one byte of `set`, or leaves all as it is.
    pub(super) fn one_of(&mut self, set: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first().filter(|(first, _)| set.contains(first))?;
        self.0 = rest;
        Some(*first)
    }

    /// A number of `least` to `most` digits (nine at the most).
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<u32> {
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
    pub(super) fn year(&mut self) -> Option<u16> {
        let mut after = *self;
        let year = after.number(4, 4).filter(|y| (1900..2200).contains(y))? as u16;
        *self = after;
        Some(year)
    }

    /// A year of two digits, in this century.
    pub(super) fn short_year(&mut self) -> Option<u16> {
        Some(2000 + self.number(2, 2)? as u16)
    }

    /// ` 2026` at the end of a word, or leaves all as it is: `2001:db8::1` is a host.
    pub(super) fn trailing_year(&mut self) -> Option<u16> {
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
    pub(super) fn month(&mut self) -> Option<u8> {
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

    /// The first three letters of an English day, in any case.
    pub(super) fn day_name(&mut self) -> Option<()> {
        let (head, rest) = self.0.split_first_chunk::<3>()?;
        let known =
            matches!(&head.map(|b| b | 0x20), b"mon" | b"tue" | b"wed" | b"thu" | b"fri" | b"sat" | b"sun");
        self.0 = rest;
        known.then_some(())
    }

    /// `H:M:S` with an optional fraction; the hour may have one digit, or a blank in front.
    pub(super) fn time(&mut self) -> Option<Time> {
        self.eat(b' ');
        let hour = self.number(1, 2).filter(|h| *h < 24)? as u8;
        self.eat(b':')?;
        let minute = self.number(2, 2).filter(|m| *m < 60)? as u8;
        self.eat(b':')?;
        let second = self.number(2, 2).filter(|s| *s <= 60)? as u8;
        Some(Time { hour, minute, second, millis: self.fraction() })
    }

    /// `.` or `,` and digits, as milliseconds; zero where there are none. Digits past the ninth end the date.
    pub(super) fn fraction(&mut self) -> u16 {
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
    pub(super) fn half_of_day(&mut self, time: &mut Time) -> Option<()> {
        self.eat(b' ')?;
        let half = self.one_of(b"AaPp")? | 0x20;
        self.one_of(b"Mm")?;
        if !(1..=12).contains(&time.hour) {
            return None;
        }
        time.hour = time.hour % 12 + if half == b'p' { 12 } else { 0 };
        Some(())
    }

    /// An optional blank and `Z`, `UTC`, `GMT`, `+02:00`, `+0200` or `+02`: seconds east of Greenwich. Leaves all as it
    /// is where there is none.
    pub(super) fn zone(&mut self) -> Option<i32> {
        let (east, rest) = match self.0.strip_prefix(b" ").unwrap_or(self.0) {
            [b'U', b'T', b'C', rest @ ..] | [b'G', b'M', b'T', rest @ ..] | [b'Z' | b'z', rest @ ..] => {
                (0, rest)
            }
            [sign @ (b'+' | b'-'), rest @ ..] => {
                let (hours, rest) = pair(rest).filter(|(hours, _)| *hours < 24)?;
                let minutes = pair(rest.strip_prefix(b":").unwrap_or(rest)).filter(|(m, _)| *m < 60);
                let (minutes, rest) = minutes.unwrap_or((0, rest));
                let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
                (if *sign == b'-' { -seconds } else { seconds }, rest)
            }
            _ => return None,
        };
        let after = Cursor(rest);
        boundary(after)?;
        *self = after;
        Some(east)
    }

    /// A zone's name of two to five capitals: `Some(None)` where it says nothing certain.
    pub(super) fn zone_name(&mut self) -> Option<Option<i32>> {
        let letters = self.0.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count();
        if !(2..=5).contains(&letters) {
            return None;
        }
        let known = matches!(self.0.get(..letters)?, b"UTC" | b"GMT" | b"UT").then_some(0);
        self.skip(letters);
        Some(known)
    }
}

/// A date ends where no word goes on.
pub(super) fn boundary(after: Cursor<'_>) -> Option<()> {
    if after.0.first().is_some_and(u8::is_ascii_alphanumeric) { None } else { Some(()) }
}

/// A number of two digits, and what follows.
fn pair(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', rest @ ..] => Some(((a - b'0') * 10 + b - b'0', rest)),
        _ => None,
    }
}
