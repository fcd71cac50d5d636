//! The date that a line starts with: where it ends, and who writes dates so. What may follow depends on that.
//!
//! In: a line after `<PRI>`. Out: the date's bytes and the rest. The common forms are told by shape, a comparison of 16
//! bytes at fixed places; no date is read unless its form is rare, and whether it exists is not asked.

use super::tag::unpadded;
use crate::time::stamp;

/// What kind of date a line starts with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `Jul  1 21:37:58`, also with a year on any side, and ISO 8601 with a `T`: a syslogd wrote it.
    Bsd,
    /// `2026-07-01 21:37:58`, or seconds since 1970: a syslogd or a daemon. It is read as a syslogd's if a tag follows, after a host
    /// the kernel's or one with a pid. Who feeds a daemon's file whose second word may be a client's binds it to that daemon's
    /// filters.
    Iso,
    /// `Wed 2026-07-01 21:37:58 CEST`, or seconds since 1970 to the microsecond: `journalctl -o short-full`, `short-unix`. As
    /// [`Kind::Iso`], but never metalog's.
    Journal,
    /// `Wed Jul  1 21:37:58 2026`: logread or a daemon.
    Ctime,
    /// Any other form, or in brackets: a daemon's own file.
    Other,
}

/// A line's date.
pub(super) struct Dated<'a> {
    pub(super) kind: Kind,
    pub(super) date: &'a [u8],
    /// What follows, without the colon or the tab that parts them, and without blanks in front.
    pub(super) rest: &'a [u8],
}

/// The date at the start of `text`, in whatever form; `None` where there is none.
pub(super) fn dated(text: &[u8]) -> Option<Dated<'_>> {
    let (date, rest, kind) = if let Some(inside) = text.strip_prefix(b"[") {
        let (_, len) = stamp::read(inside)?;
        let (date, rest) = inside.split_at_checked(len)?;
        (date, unpadded(rest).strip_prefix(b"]")?, Kind::Other)
    } else {
        let len = if is_bsd(text) && !has_year(text) {
            15
        } else if is_ctime(text) {
            24
        } else if let Some(len) = stamp::iso_len(text) {
            len
        } else {
            stamp::read(text)?.1
        };
        let (date, rest) = text.split_at_checked(len)?;
        // A syslogd puts a blank after its date.
        (date, rest, if rest.starts_with(b" ") { kind_of(date) } else { Kind::Other })
    };
    let rest = rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"\t")).unwrap_or(rest);
    Some(Dated { kind, date, rest: unpadded(rest) })
}

/// The kind of a date by its shape.
fn kind_of(date: &[u8]) -> Kind {
    match *date {
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T', ..] => Kind::Bsd,
        [_, _, _, _, b'-', _, _, b'-', _, _, b' ', ..] => Kind::Iso,
        [b'0'..=b'9', ..] if date.iter().all(|b| b.is_ascii_digit() || *b == b'.') => match date.len() {
            17 => Kind::Journal,
            _ => Kind::Iso,
        },
        [b'A'..=b'Z', _, _, b' ', b'0'..=b'9', _, _, _, b'-', ..] => Kind::Journal,
        [b'0'..=b'9', _, _, _, b' ', b'A'..=b'Z', ..] => Kind::Bsd,
        [b'A'..=b'Z', _, _, b' ', b'A'..=b'Z', ..] => Kind::Ctime,
        [b'A'..=b'Z', _, _, b' ', ..] if !date.contains(&b',') => Kind::Bsd,
        _ => Kind::Other,
    }
}

/// The date of RFC 3164, `Jul  1 21:37:58`, and what follows its blank. Not where a year follows: that is of the date.
#[inline(always)]
pub(super) fn bsd(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if !is_bsd(text) || has_year(text) || !text.first().is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    let (date, rest) = text.split_at_checked(15)?;
    Some((date, rest.get(1..)?))
}

/// A date of ISO 8601 with a `T`, and what follows its blank.
#[inline(always)]
pub(super) fn iso(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (date, rest) = text.split_at_checked(stamp::iso_len(text)?)?;
    let rest = rest.strip_prefix(b" ")?;
    (date.get(10) == Some(&b'T')).then_some((date, rest))
}

/// Whether `text` starts as `Jul  1 21:37:58 ` does: letters, a day, digits and colons where they belong. One
/// comparison of 16 bytes: what must be equal, and of letters and digits the bits that all of them share (which lets
/// `:;<=>?` pass for digits; whoever reads the date sees that).
#[inline]
fn is_bsd(text: &[u8]) -> bool {
    const SHAPE: u128 = u128::from_le_bytes(*b"@@@ \x20\x30 00:00:00 ");
    const MASK: u128 = u128::from_le_bytes([
        0xc0, 0xc0, 0xc0, 0xff, 0xe0, 0xf0, 0xff, 0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xff,
    ]);
    text.first_chunk::<16>().is_some_and(|head| u128::from_le_bytes(*head) & MASK == SHAPE)
}

/// Whether a BSD date goes on with ` 2026 `.
#[inline(always)]
fn has_year(text: &[u8]) -> bool {
    matches!(text.get(16..), Some([b'1' | b'2', b'0' | b'1' | b'9', a, b, b' ', ..])
        if a.is_ascii_digit() && b.is_ascii_digit())
}

/// The date `Wed Jul  1 21:37:58 2026`, and what follows its blank.
pub(super) fn ctime(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (date, rest) = text.split_at_checked(24).filter(|_| is_ctime(text))?;
    Some((date, rest.get(1..)?))
}

/// Whether `text` starts as `Wed Jul  1 21:37:58 2026 ` does, by shape.
fn is_ctime(text: &[u8]) -> bool {
    match text {
        [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', date @ ..] => is_bsd(date) && has_year(date),
        _ => false,
    }
}

/// What follows the stamp that `logread -t` and `log_ip` put after the date: `[1782934678.123] `.
pub(super) fn skip_uptime(text: &[u8]) -> &[u8] {
    if !text.get(1..8).is_some_and(|t| t.iter().all(u8::is_ascii_digit)) {
        return text;
    }
    uptime(text).map_or(text, unpadded)
}

/// What follows `[`, blanks, digits, a dot, digits, `]`, with which printk records start, and lines of `logread -t` and of
/// `journalctl -o short-monotonic`.
pub(super) fn uptime(text: &[u8]) -> Option<&[u8]> {
    let seconds = unpadded(text.strip_prefix(b"[")?);
    let fraction = past_digits(seconds)?.strip_prefix(b".")?;
    past_digits(fraction)?.strip_prefix(b"]")
}

/// What follows one digit or more.
fn past_digits(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    text.get(digits..).filter(|_| digits > 0)
}
