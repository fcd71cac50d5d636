//! The header of nearly every line, in one pass: `host tag[123]: text`, `host tag: text`, and both without a host, with
//! single blanks.
//!
//! In: what follows a date. Out: the [`Head`] that [`super::tag::any_tagged`] finds there too (a test compares them),
//! or `None` where the shape is another, which that then reads.
//!
//! Every line of every log comes through here, and most match no filter: this is a large part of what edgeban costs.
//! That is why it is written by hand. nom's combinators for the same parts take 185 instructions per line of other programs'
//! logs (callgrind, x86-64), and branches that cannot be predicted, which cost more.

use super::class::{HOST_START, NAME, class};
use super::tag::Head;
use crate::word::{digits, letters};

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
    // Whether there is a pid cannot be predicted, so both shapes are read without a branch.
    let bracket = usize::from(*after.first()? == b'[');
    let rest = after.get(bracket..)?;
    let pid = digits(rest) * bracket;
    let (pid, rest) = rest.split_at_checked(pid)?;
    let [a, b, c] = rest.first_chunk()?.map(u32::from);
    let mark = a | b << 8 | c << 16;
    let (seen, want) = if bracket != 0 { (mark, 0x20_3a5d) } else { (mark & 0xffff, 0x203a) };
    let text = rest.get(2 + bracket..)?;
    // More blanks would have to be trimmed, and what is blank is not for this place to say.
    (seen == want && text.first().is_some_and(|b| *b > b' ')).then_some(Head { host, app, pid, text })
}

/// [`head`], once in the binary.
#[inline(never)]
pub(super) fn shared(text: &[u8]) -> Option<Head<'_>> {
    head(text)
}

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
