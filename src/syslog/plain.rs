//! The header of nearly every line, in one pass: `host tag[123]: text`, `host tag: text`, and both without a host, with
//! single blanks.
//!
//! In: what follows a date. Out: the [`Head`] that [`super::tag::any_tagged`] finds there too (a test compares them),
//! or `None` where the shape is another, which that then reads.
//!
//! Every line of every log comes through here, and most match no filter: this is a large part of what edgeban costs.
//! That is why it is written by hand and not with nom, whose combinators for the same parts take 185 instructions a
//! line of a log of other programs, where this takes 127 (callgrind, x86-64).

use super::class::{HOST_START, NAME, class};
use super::tag::Head;

/// See the module. For the one caller that every line passes; the others share [`shared`].
#[inline(always)]
pub(super) fn head(text: &[u8]) -> Option<Head<'_>> {
    let (first, after) = span(text, HOST_START)?;
    let (host, (app, after)) = match after {
        [b' ', after @ ..] if !first.is_empty() => (first, span(after, NAME)?),
        _ => (&b""[..], (first, after)),
    };
    if host.len() > 255 || !(1..=128).contains(&app.len()) {
        return None;
    }
    let (pid, text) = match after {
        [b'[', after @ ..] => {
            let (pid, after) = after.split_at_checked(digits(after))?;
            (pid, after.strip_prefix(b"]: ")?)
        }
        _ => (&b""[..], after.strip_prefix(b": ")?),
    };
    // More blanks would have to be trimmed, and what is blank is not for this place to say.
    text.first().is_some_and(|b| *b > b' ').then_some(Head { host, app, pid, text })
}

/// [`head`], once in the binary.
#[inline(never)]
pub(super) fn shared(text: &[u8]) -> Option<Head<'_>> {
    head(text)
}

/// A machine word, the bytes of which are looked at together ("Bit Twiddling Hacks", determine if a word has a byte
/// between m and n): eight bytes where registers have 64 bits, four on the small machines.
const WORD: usize = size_of::<usize>();
/// One in each byte of a word.
const ONES: usize = usize::MAX / 255;

/// Splits `text` after the bytes of `class` that it starts with; `None` where that is all of it. Letters are of every
/// class, and are most of any name: they are taken a word at a time.
#[inline(always)]
fn span(text: &[u8], of: u8) -> Option<(&[u8], &[u8])> {
    let mut end = letters(text);
    while class(*text.get(end)?) & of != 0 {
        end += 1;
    }
    text.split_at_checked(end)
}

/// How many ASCII letters `text` starts with; fewer may be said where it has less than a word or more letters than one.
#[inline(always)]
pub(super) fn letters(text: &[u8]) -> usize {
    let Some(head) = text.first_chunk::<WORD>() else { return 0 };
    let word = usize::from_le_bytes(*head);
    let low = (word | (ONES * 0x20)) & (ONES * 0x7f);
    let from_a = low + ONES * (0x80 - b'a' as usize);
    let past_z = low + ONES * (0x7f - b'z' as usize);
    leading(!from_a | past_z | word)
}

/// How many digits `text` starts with.
#[inline(always)]
pub(super) fn digits(text: &[u8]) -> usize {
    let start = match text.first_chunk::<WORD>() {
        Some(head) => {
            let word = usize::from_le_bytes(*head) ^ (ONES * b'0' as usize);
            leading(((word & (ONES * 0x7f)) + ONES * (0x7f - 9)) | word)
        }
        None => 0,
    };
    if start > 0 && start < WORD {
        return start;
    }
    let rest = text.get(start..).unwrap_or(b"");
    start + rest.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// How many bytes stand before the first one whose highest bit is set.
#[inline(always)]
fn leading(marks: usize) -> usize {
    ((marks & (ONES * 0x80)).trailing_zeros() / 8) as usize
}
