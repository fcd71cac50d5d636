//! Facility and severity: `<PRI>`, OpenWrt's `authpriv.warn`, FreeBSD's `<auth.info>`.
//!
//! In: a line from where the level may stand. Out: facility × 8 + severity (RFC 3164 section 4.1.1: 0 to 191) and what
//! follows; `None` where there is none.

use super::tag::word;
use memchr::memchr;

/// `<PRI>`, without zeros in front, and what follows; `None` and the line where there is none.
#[inline]
pub(super) fn pri(line: &[u8]) -> (Option<u8>, &[u8]) {
    let (n, rest) = match line {
        [b'<', a @ b'0'..=b'9', b'>', rest @ ..] => (u16::from(a - b'0'), rest),
        [b'<', a @ b'1'..=b'9', b @ b'0'..=b'9', b'>', rest @ ..] => {
            (u16::from(a - b'0') * 10 + u16::from(b - b'0'), rest)
        }
        [b'<', b'1', b @ b'0'..=b'9', c @ b'0'..=b'9', b'>', rest @ ..] => {
            (100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'), rest)
        }
        _ => return (None, line),
    };
    match u8::try_from(n) {
        Ok(n) if n <= 191 => (Some(n), rest),
        _ => (None, line),
    }
}

/// Whether the facility says kernel, which no program can say (`syslog(3)`).
#[inline]
pub(super) fn is_kernel(pri: Option<u8>) -> bool {
    pri.is_some_and(|pri| pri < 8)
}

/// A word that is a level by its names, `authpriv.warn`, and what follows it.
pub(super) fn named(text: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = word(text)?;
    Some((of_names(first)?, rest))
}

/// `<auth.info> ` or `<4.6> `, as FreeBSD's `syslogd -v` writes it. The level is `None` where it is in numbers out of
/// range.
pub(super) fn in_angles(text: &[u8]) -> Option<(Option<u8>, &[u8])> {
    let (first, rest) = word(text.strip_prefix(b"<")?)?;
    let inside = first.strip_suffix(b">")?;
    if let Some(level) = of_names(inside) {
        return Some((Some(level), rest));
    }
    let (facility, severity) = inside.split_at_checked(memchr(b'.', inside)?)?;
    let (facility, severity) = (small(facility)?, small(severity.get(1..)?)?);
    Some(((facility < 24 && severity < 8).then_some(facility * 8 + severity), rest))
}

/// A number of one or two digits and nothing more.
fn small(text: &[u8]) -> Option<u8> {
    match *text {
        [a @ b'0'..=b'9'] => Some(a - b'0'),
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some((a - b'0') * 10 + b - b'0'),
        _ => None,
    }
}

/// The names of `syslog.h` (`facilitynames`, `prioritynames`).
fn of_names(word: &[u8]) -> Option<u8> {
    let dot = word.iter().take(9).position(|b| *b == b'.')?;
    let (facility, severity) = word.split_at_checked(dot)?;
    let severity = match severity.get(1..)? {
        b"emerg" | b"panic" => 0,
        b"alert" => 1,
        b"crit" => 2,
        b"err" | b"error" => 3,
        b"warn" | b"warning" => 4,
        b"notice" => 5,
        b"info" => 6,
        b"debug" => 7,
        _ => return None,
    };
    let facility = match facility {
        b"kern" => 0,
        b"user" => 1,
        b"mail" => 2,
        b"daemon" => 3,
        b"auth" | b"security" => 4,
        b"syslog" => 5,
        b"lpr" => 6,
        b"news" => 7,
        b"uucp" => 8,
        b"cron" => 9,
        b"authpriv" => 10,
        b"ftp" => 11,
        [b'l', b'o', b'c', b'a', b'l', n @ b'0'..=b'7'] => 16 + (n - b'0'),
        _ => return None,
    };
    Some(facility * 8 + severity)
}
