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

/// The names of facilities, each at its number (`facilitynames` in `syslog.h`); 12 to 15 have none.
const FACILITIES: [u64; 24] = names([
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "", "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]);
/// Their older names.
const OLD_FACILITIES: [u64; 5] = names(["", "", "", "", "security"]);
/// The names of severities, each at its number (`prioritynames`).
const SEVERITIES: [u64; 8] = names(["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"]);
/// Their older names.
const OLD_SEVERITIES: [u64; 5] = names(["panic", "", "", "error", "warning"]);

/// `facility.severity`.
fn of_names(word: &[u8]) -> Option<u8> {
    let (facility, severity) = word.split_at_checked(memchr(b'.', word)?)?;
    let facility = place(facility, &FACILITIES, &OLD_FACILITIES)?;
    Some(facility * 8 + place(severity.get(1..)?, &SEVERITIES, &OLD_SEVERITIES)?)
}

/// Where `name` is in one of two tables.
fn place(name: &[u8], names: &[u64], old: &[u64]) -> Option<u8> {
    // Packed, an empty name is a gap in a table, and a NUL in front is lost.
    let packed = packed(name).filter(|_| name.first() > Some(&0))?;
    let at = |names: &[u64]| names.iter().position(|name| *name == packed);
    at(names).or_else(|| at(old)).map(|at| at as u8)
}

/// A name of at most eight bytes as one number, which compares at once.
const fn packed(mut name: &[u8]) -> Option<u64> {
    if name.len() > 8 {
        return None;
    }
    let mut packed = 0;
    while let [first, rest @ ..] = name {
        (packed, name) = (packed << 8 | *first as u64, rest);
    }
    Some(packed)
}

const fn names<const N: usize>(names: [&str; N]) -> [u64; N] {
    let mut table = [0; N];
    let mut i = 0;
    while i < N {
        table[i] = packed(names[i].as_bytes()).expect("a name has at most eight letters");
        i += 1;
    }
    table
}
