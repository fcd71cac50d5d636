//! The bytecode: what the compiler emits and the machine runs.
//!
//! A program is a byte that counts its choice points, then instructions: an opcode byte and its operands each. Jump
//! targets are absolute offsets, little-endian. Decoding never reads past the code: a truncated instruction is `None`,
//! which the machine treats as a mismatch.

use super::Set;

/// Set number of "any byte", which has no table entry.
pub const ANY: u8 = 255;
/// Upper bound of a run without one.
pub const UNBOUNDED: u8 = 255;

/// Bytes of a `SET` instruction.
pub(crate) const SET_LEN: u16 = 2;

/// Bytes behind the last instruction of a table, so that [`fetch`] can read whole chunks.
pub const PAD: usize = 5;

pub(crate) const LIT: u8 = 1;
pub(crate) const SET: u8 = 2;
pub(crate) const RUN: u8 = 3;
pub(crate) const RUN_GREEDY: u8 = 4;
pub(crate) const RUN_LAZY: u8 = 5;
pub(crate) const IP: u8 = 6;
pub(crate) const HOST: u8 = 7;
pub(crate) const SAVE: u8 = 8;
pub(crate) const SPLIT: u8 = 9;
pub(crate) const JMP: u8 = 10;
pub(crate) const QSTR: u8 = 11;
pub(crate) const NOT: u8 = 12;
pub(crate) const ONE_OF: u8 = 13;
pub(crate) const END: u8 = 14;
pub(crate) const MATCH: u8 = 15;
/// Replaces the opcode of a `SAVE` that is followed by a possessive run without a literal and the `SAVE` of the run's end, as
/// in most captures: the machine does all three in one step. [`decode`] still reads three instructions.
pub(crate) const KEEP: u8 = 16;
/// Bytes of the three instructions that a [`KEEP`] stands for.
pub(crate) const KEEP_LEN: u16 = 2 + 6 + 2;

/// What a rule captures. Its number is the slot of the capture's start; the next slot holds the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Slot {
    /// The address or host.
    Source = 0,
    /// The user name.
    User = 2,
    /// The source's port.
    Port = 4,
    /// The session id.
    Sess = 6,
    /// Something else that identifies the failure.
    Id = 8,
}

/// How many positions a match can save.
pub const SLOTS: usize = 10;

/// In which order a run tries its lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The longest only: what follows cannot start with a byte of the set.
    Possessive,
    /// Longest first.
    Greedy,
    /// Shortest first.
    Lazy,
}

/// A repeated set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// In which order it tries its lengths.
    pub mode: Mode,
    /// Index of its set, or [`ANY`].
    pub set: u8,
    /// At least so many bytes.
    pub min: u8,
    /// At most so many, or [`UNBOUNDED`].
    pub max: u8,
    /// Number of its choice point.
    pub choice: u8,
    /// It ends before this literal at the latest; empty for none.
    pub until: &'a [u8],
}

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// These bytes.
    Lit(&'a [u8]),
    /// One byte of the set.
    Set(u8),
    /// Several bytes of a set.
    Run(Run<'a>),
    /// An address (choice point), kept in [`Slot::Source`].
    Ip(u8),
    /// An address or a name (choice point), kept in [`Slot::Source`].
    Host(u8),
    /// Saves the position in a slot.
    Save(u8),
    /// Goes on with the next instruction and, if that fails, at the target (choice point, target).
    Split(u8, u16),
    /// Goes on at the target.
    Jmp(u16),
    /// A double-quoted string.
    Quoted,
    /// Here is none (`true`) or one (`false`) of these literals; see [`literals`].
    Look(bool, &'a [u8]),
    /// The text ends here.
    End,
    /// The rule matches.
    Match,
}

/// The instruction at `pc` and the offset of the next one.
#[inline]
pub fn decode(code: &[u8], pc: u16) -> Option<(Op<'_>, u16)> {
    let next = |n: u8, len: u8| pc.wrapping_add(u16::from(n) + u16::from(len));
    Some(match *code.get(usize::from(pc)..)? {
        [LIT, len, ref rest @ ..] => (Op::Lit(rest.get(..usize::from(len))?), next(2, len)),
        [SET, index, ..] => (Op::Set(index), next(2, 0)),
        [RUN | RUN_GREEDY | RUN_LAZY, ..] => {
            let (run, next) = run(code, pc)?;
            (Op::Run(run), next)
        }
        [IP, choice, ..] => (Op::Ip(choice), next(2, 0)),
        [HOST, choice, ..] => (Op::Host(choice), next(2, 0)),
        [SAVE | KEEP, slot, ..] => (Op::Save(slot), next(2, 0)),
        [SPLIT, choice, low, high, ..] => (Op::Split(choice, u16::from_le_bytes([low, high])), next(4, 0)),
        [JMP, low, high, ..] => (Op::Jmp(u16::from_le_bytes([low, high])), next(3, 0)),
        [QSTR, ..] => (Op::Quoted, next(1, 0)),
        [op @ (NOT | ONE_OF), len, ref rest @ ..] => {
            (Op::Look(op == NOT, rest.get(..usize::from(len))?), next(2, len))
        }
        [END, ..] => (Op::End, next(1, 0)),
        [MATCH, ..] => (Op::Match, next(1, 0)),
        _ => return None,
    })
}

/// The opcode at `pc` and the bytes that may be its operands, for the machine, for which [`decode`] is too slow.
#[inline(always)]
pub fn fetch(code: &[u8], pc: u16) -> Option<&[u8; 6]> {
    // A `u16`, so that the end needs no check against overflow.
    let pc = usize::from(pc);
    code.get(pc..pc + 6)?.first_chunk()
}

/// The run at `pc` and the offset of the next instruction; `None` where there is another instruction.
#[inline]
pub fn run(code: &[u8], pc: u16) -> Option<(Run<'_>, u16)> {
    let &[op, set, min, max, choice, len] = fetch(code, pc)?;
    let mode = match op {
        RUN => Mode::Possessive,
        RUN_GREEDY => Mode::Greedy,
        RUN_LAZY => Mode::Lazy,
        _ => return None,
    };
    let from = usize::from(pc) + 6;
    let until = code.get(from..from + usize::from(len))?;
    Some((Run { mode, set, min, max, choice, until }, pc.wrapping_add(6 + u16::from(len))))
}

/// The `len` bytes behind an opcode and its length byte at `pc`; empty where there are not so many.
#[inline(always)]
pub fn operand(code: &[u8], pc: u16, len: u8) -> &[u8] {
    let from = usize::from(pc) + 2;
    code.get(from..from + usize::from(len)).unwrap_or(&[])
}

/// Whether the program at `pc` can go on with a literal that starts with `byte`. Follows the choices there, through at most
/// sixteen instructions.
pub fn is_literal_next(code: &[u8], pc: u16, byte: u8) -> bool {
    fn any(code: &[u8], pc: u16, byte: u8, left: &mut u8) -> bool {
        if *left == 0 {
            return false;
        }
        *left -= 1;
        match decode(code, pc) {
            Some((Op::Lit([first, ..]), _)) => *first == byte,
            Some((Op::Split(_, target), next)) => {
                any(code, next, byte, left) || any(code, target, byte, left)
            }
            Some((Op::Jmp(next), _) | (Op::Save(_) | Op::Look(..), next)) => any(code, next, byte, left),
            _ => false,
        }
    }
    any(code, pc, byte, &mut 16)
}

/// The literals of an [`Op::Look`], each of which is behind a byte with its length.
pub fn literals(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (&len, rest) = list.split_first()?;
        let (literal, rest) = rest.split_at_checked(len as usize)?;
        list = rest;
        Some(literal)
    })
}

/// The set with number `index`; empty where there is none.
#[inline]
pub fn set(sets: &[Set], index: u8) -> &Set {
    const ALL: &Set = &Set::ALL;
    const NONE: &Set = &Set::NONE;
    if index == ANY { ALL } else { sets.get(index as usize).unwrap_or(NONE) }
}
