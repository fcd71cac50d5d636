//! Writes bytecode ([`super::ops`]) into lent space.

use super::error::Problem;
use super::ops::{self, Slot};
use super::{Rule, Set};

/// Space that a caller lends for one filter's tables. What does not fit is [`Problem::NoSpace`].
///
/// A rule of the built-in filters takes about 150 bytes of code and 1 to 3 sets; 16 KiB of code, 250 sets and 250 rules
/// are enough for any of them.
#[derive(Debug)]
pub struct Space<'s> {
    /// For programs; at most 65,535 bytes are used.
    pub code: &'s mut [u8],
    /// For sets; at most 255 are used.
    pub sets: &'s mut [Set],
    /// For rules, one for each.
    pub rules: &'s mut [Rule],
}

pub(super) struct Emitter<'s> {
    pub code: &'s mut [u8],
    pub len: usize,
    pub sets: &'s mut [Set],
    pub set_count: usize,
    /// Choice points of the program being written.
    pub choices: u8,
}

impl<'s> Emitter<'s> {
    pub(super) fn new(code: &'s mut [u8], sets: &'s mut [Set]) -> Self {
        Self { code, len: 0, sets, set_count: 0, choices: 0 }
    }

    pub(super) fn here(&self) -> u16 {
        self.len as u16
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let end = self.len + bytes.len();
        if end > usize::from(u16::MAX) - ops::PAD {
            return Err(Problem::NoSpace);
        }
        // The padding is always there, whichever instruction is the last.
        let (room, pad) = self
            .code
            .get_mut(self.len..end + ops::PAD)
            .and_then(|space| space.split_at_mut_checked(bytes.len()))
            .ok_or(Problem::NoSpace)?;
        room.copy_from_slice(bytes);
        pad.fill(0);
        self.len = end;
        Ok(())
    }

    /// Appends one byte to the literal that starts at `start`, or begins a new one. Returns its start.
    pub(super) fn literal(&mut self, start: Option<u16>, byte: u8) -> Result<u16, Problem> {
        if let Some(at) = start
            && let Some(len) = self.code.get_mut(usize::from(at) + 1)
            && *len < 255
        {
            *len += 1;
            self.bytes(&[byte])?;
            return Ok(at);
        }
        let at = self.here();
        self.bytes(&[ops::LIT, 1, byte])?;
        Ok(at)
    }

    pub(super) fn choice(&mut self) -> Result<u8, Problem> {
        let choice = self.choices;
        self.choices = choice.checked_add(1).ok_or(Problem::NoSpace)?;
        Ok(choice)
    }

    pub(super) fn save(&mut self, slot: Slot, end: bool) -> Result<(), Problem> {
        self.bytes(&[ops::SAVE, slot as u8 + u8::from(end)])
    }

    /// A split or jump whose target is patched later; returns where the target stands.
    pub(super) fn split(&mut self) -> Result<usize, Problem> {
        let choice = self.choice()?;
        self.bytes(&[ops::SPLIT, choice, 0, 0])?;
        Ok(self.len - 2)
    }

    pub(super) fn jump(&mut self, target: u16) -> Result<usize, Problem> {
        let [low, high] = target.to_le_bytes();
        self.bytes(&[ops::JMP, low, high])?;
        Ok(self.len - 2)
    }

    /// Lets the target at `place` be the next instruction.
    pub(super) fn patch(&mut self, place: usize) {
        let target = self.here().to_le_bytes();
        if let Some(slot) = self.code.get_mut(place..place + 2) {
            slot.copy_from_slice(&target);
        }
    }

    /// The number of `set`, shared with an equal one.
    pub(super) fn set(&mut self, set: Set) -> Result<u8, Problem> {
        if set == Set::ALL {
            return Ok(ops::ANY);
        }
        let known = self.sets.get(..self.set_count).unwrap_or(&[]);
        if let Some(at) = known.iter().position(|s| *s == set) {
            return Ok(at as u8);
        }
        if self.set_count >= usize::from(ops::ANY) {
            return Err(Problem::NoSpace);
        }
        *self.sets.get_mut(self.set_count).ok_or(Problem::NoSpace)? = set;
        self.set_count += 1;
        Ok(self.set_count as u8 - 1)
    }
}
