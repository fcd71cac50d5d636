//! Repetitions: rsyslog's wrapper around a text, and `last message repeated N times`.
//!
//! In: a text or what follows a date. Out: N, 1 to 65535 (more counts as that), and what was repeated.

use super::class::is_host;
use super::tag::{unpadded, word};

/// `message repeated N times: [ text]`, which rsyslog writes after the tag in place of the text: N and the text. A
/// peer's words cannot make one where the program's own words come first, as in every sshd and dropbear message; and
/// whoever writes a program's whole text can write what the wrapper would say as well.
pub(super) fn wrapped(text: &[u8]) -> Option<(u32, &[u8])> {
    let (times, rest) = count(text.strip_prefix(b"message repeated ")?)?;
    let inside = rest.strip_prefix(b" times: [")?.strip_suffix(b"]")?;
    Some((times, unpadded(inside)))
}

/// `[host ]last message repeated N times` and nothing more.
pub(super) fn last_message(text: &[u8]) -> Option<u32> {
    const WORDS: &[u8] = b"last message repeated ";
    let rest = match text.strip_prefix(WORDS) {
        Some(rest) => rest,
        None => word(text).filter(|(host, _)| is_host(host))?.1.strip_prefix(WORDS)?,
    };
    let (times, rest) = count(rest)?;
    matches!(rest, b" times" | b" time").then_some(times)
}

/// A count of at least 1, of ten digits at the most.
fn count(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    let n = digits.iter().fold(0u32, |n, b| n.saturating_mul(10).saturating_add(u32::from(b - b'0')));
    (n > 0).then_some((n.min(u32::from(u16::MAX)), rest))
}
