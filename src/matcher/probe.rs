//! The searches of single instructions: literals, addresses, quoted strings, runs of a set.

use crate::addr::{self, Addr};
use crate::filter::Set;
use crate::filter::ops;
use crate::word::{WORD, alphanumeric_words};
use memchr::memrchr;

/// Whether `text` starts with `literal`. Most literals are short, and calling a function to compare them would cost more than
/// the comparison: up to 32 bytes are compared as two chunks that overlap.
#[inline]
pub(super) fn begins(text: &[u8], literal: &[u8]) -> bool {
    fn ends<const N: usize>(head: &[u8], literal: &[u8]) -> bool {
        head.first_chunk::<N>() == literal.first_chunk() && head.last_chunk::<N>() == literal.last_chunk()
    }
    let Some(head) = text.get(..literal.len()) else { return false };
    match literal.len() {
        0..2 => head.first() == literal.first(),
        2..4 => ends::<2>(head, literal),
        4..8 => ends::<4>(head, literal),
        8..=16 => ends::<8>(head, literal),
        17..=32 => ends::<16>(head, literal),
        _ => head == literal,
    }
}

/// The longest host name that is read (RFC 1035 section 2.3.4), which bounds the work at one place.
pub(super) const LONGEST_NAME: usize = 255;

/// An address found in a text.
pub(super) struct Found {
    /// Its length, brackets and zone included.
    pub len: usize,
    /// Whether it may end earlier, at a colon.
    pub may_shrink: bool,
    /// Whether it ends with a bracket, so that what follows cannot be a part of the same word.
    pub closed: bool,
    /// `None` for a name.
    pub addr: Option<Addr>,
}

/// An address at the start of `text`, or with `names` a host name.
pub(super) fn address(text: &[u8], names: bool) -> Option<Found> {
    if let Some(inner) = text.strip_prefix(b"[") {
        let found = addr::scan(inner)?;
        return (inner.get(found.len) == Some(&b']')).then_some(Found {
            len: found.len + 2,
            may_shrink: false,
            closed: true,
            addr: Some(found.addr),
        });
    }
    let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let found = addr::scan(text);
    let name = || {
        let len = text.iter().take(LONGEST_NAME).take_while(|&&b| in_name(b)).count();
        let name = text.get(..len)?;
        name.iter().any(u8::is_ascii_alphabetic).then_some(Found {
            len,
            may_shrink: false,
            closed: false,
            addr: None,
        })
    };
    if names && found.is_none_or(|f| text.get(f.len).is_some_and(|&b| in_name(b))) {
        let long = name();
        if let Some(long) = long
            && found.is_none_or(|f| f.len < long.len)
        {
            return Some(long);
        }
    }
    let found = found?;
    Some(Found { len: found.len, may_shrink: found.colons, closed: false, addr: Some(found.addr) })
}

/// Bytes of a host name except dots, and those from 0x80 on, which a daemon may print of an odd one.
fn in_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | 0x80..)
}

/// The first byte of `text`, which follows an address, if it makes the address a part of a longer word: in
/// `192.0.2.7.example` there is a name, chosen by its owner, and no address. A rule that expects such a byte says so with a
/// literal (`<ip>-<int>`).
pub(super) fn goes_on(text: &[u8]) -> Option<u8> {
    match text {
        [b'.', next, ..] if in_word(*next) => Some(b'.'),
        [b, ..] if in_word(*b) => Some(*b),
        _ => None,
    }
}

/// The next shorter address in `text`, which is an IPv6 address: the one that ends before its last colon.
pub(super) fn shorter(text: &[u8]) -> Option<(usize, Addr)> {
    let mut end = text.len();
    loop {
        end = memrchr(b':', text.get(..end)?)?;
        let head = text.get(..end)?;
        if let Some(found) = addr::scan(head).filter(|found| found.len == end) {
            return Some((end, found.addr));
        }
        // "2001:db8::9" without its last group is "2001:db8::": an address too, but never what was meant.
        if end < 2 {
            return None;
        }
    }
}

/// The length of a double-quoted string with `\` escapes. As an error, how many bytes were read to see that there is none.
pub(super) fn quoted(text: &[u8]) -> Result<usize, usize> {
    if text.first() != Some(&b'"') {
        return Err(0);
    }
    let mut at = 1;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return Err(text.len()),
        }
    }
}

/// How many bytes at the start of `text` are in the set.
#[inline]
pub(super) fn span(sets: &[Set], index: u8, text: &[u8]) -> usize {
    if index == ops::ANY {
        return text.len();
    }
    let set = ops::set(sets, index);
    let out = |&b: &u8| !set.has(b);
    let (head, tail) = text.split_at_checked(WORD).unwrap_or((text, b""));
    match head.iter().position(out) {
        Some(end) => end,
        None if tail.is_empty() => text.len(),
        None => long(set, text),
    }
}

/// [`span`] of a text whose first [`WORD`] bytes are in the set. What is long is mostly letters and digits, as hashes and
/// names are; where the set has all of them, whole words are taken at once.
#[inline(never)]
fn long(set: &Set, text: &[u8]) -> usize {
    let rest = text.get(WORD..).unwrap_or(b"");
    let at = WORD + if set.has_alphanumerics() { alphanumeric_words(rest) } else { 0 };
    let rest = text.get(at..).unwrap_or(b"");
    at + rest.iter().position(|&b| !set.has(b)).unwrap_or(rest.len())
}
