//! What stands behind a run, looked for before the machine goes on there: most ends of a run are none.

use super::{Halt, Machine, Step};
use crate::filter::ops;
use crate::matcher::probe::begins;
use memchr::{memchr, memrchr};

/// What stands behind a run in every match.
pub(super) struct Follow<'c> {
    /// Nothing, where that is not said at once.
    literal: &'c [u8],
    /// Whether an address comes next.
    address: bool,
}

/// Places at which the rare byte was found in vain, after which a search goes by [`Follow::head`]. The first is
/// quicker in most texts, the second in one that is made of that byte.
const DENSE: u32 = 4;

impl<'c> Follow<'c> {
    const ANYTHING: Self = Self { literal: &[], address: false };

    /// The byte of the literal to look for, and its place: the first, or the second behind a blank, of which
    /// texts are full.
    #[inline]
    fn rare(&self) -> Option<(usize, u8)> {
        match *self.literal {
            [b' ', second, ..] => Some((1, second)),
            [first, ..] => Some((0, first)),
            [] => None,
        }
    }

    /// The start of the literal, at most four bytes.
    fn head(&self) -> &'c [u8] {
        self.literal.get(..4).unwrap_or(self.literal)
    }

    #[inline]
    fn fits(&self, text: &[u8]) -> bool {
        begins(text, self.literal)
            && (!self.address || text.get(self.literal.len()..).is_some_and(may_be_address))
    }
}

impl<'m, 't> Machine<'m, 't> {
    /// What must follow the run, as far as its continuation says it at once.
    #[inline]
    pub(super) fn follows(&self, next: u16) -> Follow<'m> {
        let code = self.code;
        let unsaved = |pc: u16| match ops::fetch(code, pc) {
            Some(&[ops::SAVE, ..]) => pc.wrapping_add(2),
            _ => pc,
        };
        let pc = unsaved(next);
        let Some(&[ops::LIT, len, ..]) = ops::fetch(code, pc) else { return Follow::ANYTHING };
        let after = pc.wrapping_add(2 + u16::from(len));
        let address = matches!(ops::fetch(code, after), Some(&[ops::IP, ..]));
        Follow { literal: ops::operand(code, pc, len), address }
    }

    /// The last end from `end` down to `low` at which `follow` stands.
    pub(super) fn last_fit(&mut self, follow: &Follow<'_>, low: usize, mut end: usize) -> Step<usize> {
        let Some((skip, byte)) = follow.rare() else { return Ok(end) };
        let mut vain = 0;
        loop {
            let found = if vain < DENSE {
                let window = self.window(low + skip, end + 1 + skip);
                memrchr(byte, window).ok_or(window.len())
            } else {
                let window = self.window(low, end + follow.head().len());
                last_of(window, follow.head()).ok_or(window.len())
            };
            let skipped = found.map_or_else(|all| all, |found| end.saturating_sub(low + found));
            self.spend(skipped / 16)?;
            end = low + found.map_err(|_| Halt::Back)?;
            if follow.fits(self.rest(end)) {
                return Ok(end);
            }
            self.spend(1)?;
            if end == low {
                return Err(Halt::Back);
            }
            end -= 1;
            vain += 1;
        }
    }

    /// The first end from `end` up to `high` at which `follow` stands.
    pub(super) fn first_fit(&mut self, follow: &Follow<'_>, mut end: usize, high: usize) -> Step<usize> {
        let Some((skip, byte)) = follow.rare() else { return Ok(end) };
        let mut vain = 0;
        loop {
            let found = if vain < DENSE {
                let window = self.window(end + skip, high + 1 + skip);
                memchr(byte, window).ok_or(window.len())
            } else {
                let window = self.window(end, high + follow.head().len());
                first_of(window, follow.head()).ok_or(window.len())
            };
            self.spend(found.unwrap_or_else(|all| all) / 16)?;
            end += found.map_err(|_| Halt::Back)?;
            if follow.fits(self.rest(end)) {
                return Ok(end);
            }
            self.spend(1)?;
            if end == high {
                return Err(Halt::Back);
            }
            end += 1;
            vain += 1;
        }
    }

    fn window(&self, from: usize, to: usize) -> &'t [u8] {
        self.text.get(from..to.min(self.text.len())).unwrap_or(&[])
    }
}

/// Whether `text` can start with an address: that is where its first `.`, `:` or `[` is close enough.
#[inline]
fn may_be_address(text: &[u8]) -> bool {
    let end = text.iter().take(5).find(|b| !b.is_ascii_hexdigit());
    matches!(end, Some(b'.' | b':' | b'['))
}

/// Where `head` stands first in `text`. In a fixed time a byte, whatever the text.
fn first_of(text: &[u8], head: &[u8]) -> Option<usize> {
    match head.first_chunk::<4>() {
        Some(head) => text.windows(4).position(|at| at == head),
        None => text.windows(head.len().max(1)).position(|at| at == head),
    }
}

/// Where `head` stands last in `text`; see [`first_of`].
fn last_of(text: &[u8], head: &[u8]) -> Option<usize> {
    match head.first_chunk::<4>() {
        Some(head) => text.windows(4).rposition(|at| at == head),
        None => text.windows(head.len().max(1)).rposition(|at| at == head),
    }
}
