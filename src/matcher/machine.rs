//! The bytecode machine: a backtracker that turns linear when it has to.
//!
//! It runs one program over one text with the priorities of a backtracking regex engine, so the first match in
//! the order of preference wins. Most lines match or fail within a few steps of their length. One that does not
//! turns on the memo, a bit for each choice point and position: from then on, each is entered once, which bounds the
//! work by choice points × length. Two limits fail closed, as [`Outcome::Fuel`] and [`Outcome::Stack`]: the lent
//! memo is too small for this text (then it takes at most 256 steps per byte), or the lent stack is full.
//!
//! Why a bit is enough: an instruction has no state but its position. Bounded runs count inside one
//! instruction, groups have no bounds, and a group that could repeat without moving does not compile.

mod follow;
mod runs;

use super::probe::{address, begins, goes_on, quoted, shorter, span};
use crate::addr::Addr;
use crate::filter::Set;
use crate::filter::ops::{self, SLOTS, Slot};

/// No position.
const UNSET: u32 = u32::MAX;

/// Positions that a match saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captures([u32; SLOTS]);

impl Captures {
    const NONE: Self = Self([UNSET; SLOTS]);

    #[cfg(any(test, fuzzing))]
    #[doc(hidden)]
    pub fn slots(&self) -> [u32; SLOTS] {
        self.0
    }

    /// What `slot` captured of `text`.
    pub fn get<'t>(&self, slot: ops::Slot, text: &'t [u8]) -> Option<&'t [u8]> {
        let from = *self.0.get(slot as usize)? as usize;
        let to = *self.0.get(slot as usize + 1)? as usize;
        text.get(from..to)
    }
}

/// Where to continue when the current path fails. 12 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    what: Back,
    a: u32,
    b: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    /// At instruction, position `a`.
    To(u16),
    /// Slot had `a`.
    Slot(u8),
    /// A slot was captured from `a` to `b`.
    Pair(u8),
    /// A greedy run's next shorter end is below `b`, not below `a`.
    Greedy(u16),
    /// A lazy run's next longer end is `a`, not above `b`.
    Lazy(u16),
    /// An address from `a` ends before `b`, at a colon.
    Address(u16),
}

impl Frame {
    /// What lent stacks start with.
    pub const EMPTY: Self = Self { what: Back::Slot(255), a: 0, b: 0 };
}

/// Memory that a caller lends the machine. Its size decides what can be matched, never whether it is safe.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// One frame per pending choice. 96 are enough for every built-in filter; their samples need 73 at most.
    pub stack: &'a mut [Frame],
    /// Three words and (text length + 1) bits per choice point. 1,120 words are enough for a line of 1 KiB and 32 choice
    /// points.
    pub memo: &'a mut [u32],
    /// Steps of all runs so far; tests assert that they grow with the text and no faster.
    pub steps: u64,
}

/// Words of memo that a `Cover` (see `runs`) takes.
const COVER: usize = 3;

/// How a run of the machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The program matches; the position it ended at.
    Match(Captures, usize),
    /// It does not.
    No,
    /// Undecided: out of steps.
    Fuel,
    /// Undecided: out of stack.
    Stack,
}

/// Runs the program at `entry` on `text`.
#[inline]
pub fn run(code: &[u8], sets: &[Set], entry: u16, text: &[u8], scratch: &mut Scratch<'_>) -> Outcome {
    run_with(code, sets, entry, text, scratch, false)
}

/// [`run`]; `eager` turns the memo on at once, which tests compare.
#[cfg_attr(not(fuzzing), allow(unreachable_pub, reason = "the module offers it to the fuzz targets alone"))]
pub fn run_with(
    code: &[u8],
    sets: &[Set],
    entry: u16,
    text: &[u8],
    scratch: &mut Scratch<'_>,
    eager: bool,
) -> Outcome {
    let start =
        if eager { Some(Start::at(code, entry)) } else { Start::of(code, sets, entry, text, scratch) };
    let Some(start) = start else { return Outcome::No };
    let mut machine = Machine::new(code, sets, text, scratch);
    machine.eager = eager;
    match machine.run(start) {
        End::Match(end) => Outcome::Match(*machine.captures(), end),
        End::No => Outcome::No,
        End::Fuel => Outcome::Fuel,
        End::Stack => Outcome::Stack,
    }
}

/// [`Outcome`], with the captures left in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Match(usize),
    No,
    Fuel,
    Stack,
}

/// Where a run begins.
#[derive(Clone, Copy)]
pub(super) struct Start {
    choices: u8,
    pc: u16,
    at: usize,
}

impl Start {
    /// At the first instruction of the program at `entry`, and of the text.
    fn at(code: &[u8], entry: u16) -> Self {
        let choices = code.get(usize::from(entry)).copied().unwrap_or(0);
        Self { choices, pc: entry.wrapping_add(1), at: 0 }
    }

    /// Behind the literal that the program at `entry` starts with, if it does, perhaps after one byte of a set; `None` where
    /// `text` starts otherwise. That is so for most programs and most texts, which so need no machine.
    #[inline(always)]
    pub(super) fn of(
        code: &[u8],
        sets: &[Set],
        entry: u16,
        text: &[u8],
        scratch: &mut Scratch<'_>,
    ) -> Option<Self> {
        let (choices, skip, len, tail) = match ops::fetch(code, entry) {
            Some(&[choices, ops::LIT, len, ..]) => (choices, 0, len, Some(text)),
            Some(&[choices, ops::SET, set, ops::LIT, len, _]) => {
                let tail = text.split_first().filter(|(first, _)| ops::set(sets, set).has(**first));
                (choices, ops::SET_LEN, len, tail.map(|(_, tail)| tail))
            }
            _ => return Some(Self::at(code, entry)),
        };
        let first = entry.wrapping_add(1 + skip);
        if !tail.is_some_and(|tail| begins(tail, ops::operand(code, first, len))) {
            scratch.steps = scratch.steps.saturating_add(1);
            return None;
        }
        let pc = first.wrapping_add(2 + u16::from(len));
        Some(Self { choices, pc, at: usize::from(len) + usize::from(skip != 0) })
    }
}

/// One program on one text.
pub(super) struct Machine<'m, 't> {
    code: &'m [u8],
    sets: &'m [Set],
    text: &'t [u8],
    stack: &'m mut [Frame],
    depth: usize,
    memo: &'m mut [u32],
    memo_on: bool,
    eager: bool,
    choices: u8,
    captures: Captures,
    /// Steps that may still be taken, of those granted so far.
    left: u32,
    granted: u32,
    steps: &'m mut u64,
    /// The last address found, and where.
    seen: (usize, usize, Addr),
}

/// Why an instruction did not lead on. Small, since every instruction returns one.
#[derive(Clone, Copy)]
enum Halt {
    /// This path fails.
    Back,
    /// The program matches.
    Match,
    /// Out of steps.
    Fuel,
    /// Out of stack.
    Stack,
}

type Step<T> = Result<T, Halt>;

/// `n`, or the most there is: numbers of steps need not be exact where they are astronomic.
fn clamped(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl<'m, 't> Machine<'m, 't> {
    pub(super) fn new(
        code: &'m [u8],
        sets: &'m [Set],
        text: &'t [u8],
        scratch: &'m mut Scratch<'_>,
    ) -> Self {
        Self {
            code,
            sets,
            text,
            stack: scratch.stack,
            depth: 0,
            memo: scratch.memo,
            memo_on: false,
            eager: false,
            choices: 0,
            captures: Captures::NONE,
            left: 0,
            granted: 0,
            steps: &mut scratch.steps,
            seen: (0, 0, Addr::UNSPECIFIED),
        }
    }

    /// What the last match captured.
    pub(super) fn captures(&self) -> &Captures {
        &self.captures
    }

    /// What `slot` captured, if it is an address that the match found.
    pub(super) fn address(&self, slot: Slot) -> Option<Addr> {
        let (from, to, addr) = self.seen;
        let start = *self.captures.0.get(slot as usize)? as usize;
        let end = *self.captures.0.get(slot as usize + 1)? as usize;
        (from < to && start == from && end == to).then_some(addr)
    }

    /// Runs a program. Only once, for it leaves its captures and its memo behind.
    pub(super) fn run(&mut self, start: Start) -> End {
        self.choices = start.choices;
        self.granted =
            if self.eager { 0 } else { clamped(self.text.len().saturating_add(64)).saturating_mul(2) };
        self.left = self.granted;
        let end = self.go(start.pc, start.at);
        *self.steps = self.steps.saturating_add(u64::from(self.granted.wrapping_sub(self.left)));
        end
    }

    fn go(&mut self, start: u16, from: usize) -> End {
        let (code, text) = (self.code, self.text);
        let (mut pc, mut at) = (start, from);
        loop {
            match self.step(code, text, &mut pc, &mut at) {
                Ok(()) => continue,
                Err(Halt::Back) => {}
                Err(halt) => return Self::end(halt, at),
            }
            match self.back() {
                Ok((next, position)) => (pc, at) = (next, position),
                Err(halt) => return Self::end(halt, at),
            }
        }
    }

    fn end(halt: Halt, at: usize) -> End {
        match halt {
            Halt::Back => End::No,
            Halt::Match => End::Match(at),
            Halt::Fuel => End::Fuel,
            Halt::Stack => End::Stack,
        }
    }

    /// Counts `n` steps; at the limit the memo goes on, at the next the run ends.
    #[inline]
    fn spend(&mut self, n: usize) -> Step<()> {
        match self.left.checked_sub(n as u32) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => self.over(n as u32),
        }
    }

    #[cold]
    #[inline(never)]
    fn over(&mut self, n: u32) -> Step<()> {
        if self.memo_on {
            return Err(Halt::Fuel);
        }
        let (choices, stride) = (usize::from(self.choices), self.stride());
        let covers = choices * COVER;
        let words = covers + (choices * stride).div_ceil(32);
        let more = match self.memo.get_mut(..words) {
            Some(memo) => {
                memo.fill(0);
                memo.iter_mut().take(covers).for_each(|word| *word = UNSET);
                self.memo_on = true;
                // Enough for every (choice, position) once with the instructions between; a program that needs
                // more would not be linear, and is refused rather than run.
                clamped(stride).saturating_mul(16 * (u32::from(self.choices) + 1))
            }
            None => {
                let fuel = clamped(stride).saturating_mul(256);
                if self.granted >= fuel {
                    return Err(Halt::Fuel);
                }
                fuel - self.granted
            }
        };
        self.granted = self.granted.saturating_add(more);
        self.left = self.left.saturating_add(more).saturating_sub(n);
        Ok(())
    }

    /// Positions in the text, its end included.
    #[inline]
    fn stride(&self) -> usize {
        self.text.len() + 1
    }

    /// Whether `choice` is entered at `at` for the first time.
    #[inline]
    fn claim(&mut self, choice: u8, at: usize) -> bool {
        if !self.memo_on {
            return true;
        }
        let bit = usize::from(choice) * self.stride() + at;
        let place = usize::from(self.choices) * COVER + bit / 32;
        let Some(word) = self.memo.get_mut(place) else { return false };
        let mask = 1u32 << (bit % 32);
        let fresh = *word & mask == 0;
        *word |= mask;
        fresh
    }

    #[inline]
    fn push(&mut self, what: Back, a: usize, b: usize) -> Step<()> {
        let Some(slot) = self.stack.get_mut(self.depth) else { return Err(Halt::Stack) };
        *slot = Frame { what, a: a as u32, b: b as u32 };
        self.depth += 1;
        Ok(())
    }

    /// Captures a slot; returns what it was before.
    #[inline]
    fn keep(&mut self, slot: u8, from: usize, to: usize) -> (u32, u32) {
        match self.captures.0.get_mut(usize::from(slot)..).and_then(<[u32]>::first_chunk_mut) {
            Some([start, end]) => {
                let before = (*start, *end);
                (*start, *end) = (from as u32, to as u32);
                before
            }
            None => (UNSET, UNSET),
        }
    }

    /// Captures a slot, until this path fails.
    #[inline]
    fn capture(&mut self, slot: u8, from: usize, to: usize) -> Step<()> {
        let (start, end) = self.keep(slot, from, to);
        if self.depth > 0 { self.push(Back::Pair(slot), start as usize, end as usize) } else { Ok(()) }
    }

    /// Captures the possessive run of a set at `at`; returns where it ends.
    #[inline(never)]
    fn kept(&mut self, slot: u8, set: u8, [min, max]: [u8; 2], at: usize) -> Step<usize> {
        let len = span(self.sets, set, self.reach(at, max));
        self.spend(len / 8)?;
        if len < usize::from(min) {
            return Err(Halt::Back);
        }
        self.capture(slot, at, at + len)?;
        Ok(at + len)
    }

    /// What a run of at most `max` bytes may take at `at`.
    #[inline]
    fn reach(&self, at: usize, max: u8) -> &'t [u8] {
        match max {
            ops::UNBOUNDED => self.rest(at),
            max => self.text.get(at..self.text.len().min(at + usize::from(max))).unwrap_or(&[]),
        }
    }

    #[inline]
    fn rest(&self, at: usize) -> &'t [u8] {
        self.text.get(at..).unwrap_or(&[])
    }

    /// Runs the instruction at `pc` and moves on, or says why not.
    #[inline(always)]
    fn step(&mut self, code: &'m [u8], text: &'t [u8], pc: &mut u16, at: &mut usize) -> Step<()> {
        self.spend(1)?;
        let Some(&[op, a, b, c, d, until]) = ops::fetch(code, *pc) else { return Err(Halt::Back) };
        match op {
            ops::LIT => {
                let more = || begins(self.rest(*at), ops::operand(code, *pc, a));
                if text.get(*at) != Some(&b) || a > 1 && !more() {
                    return Err(Halt::Back);
                }
                *pc = pc.wrapping_add(2 + u16::from(a));
                *at += usize::from(a);
            }
            ops::SET => {
                match text.get(*at) {
                    Some(&byte) if ops::set(self.sets, a).has(byte) => {}
                    _ => return Err(Halt::Back),
                }
                *pc = pc.wrapping_add(2);
                *at += 1;
            }
            // A run that never gives back and stops at no literal.
            ops::RUN if until == 0 => {
                let len = span(self.sets, a, self.reach(*at, c));
                self.spend(len / 8)?;
                if len < usize::from(b) {
                    return Err(Halt::Back);
                }
                *pc = pc.wrapping_add(6);
                *at += len;
            }
            ops::RUN | ops::RUN_GREEDY | ops::RUN_LAZY => {
                let Some((run, next)) = ops::run(code, *pc) else { return Err(Halt::Back) };
                (*pc, *at) = self.repeat(&run, *pc, next, *at)?;
            }
            ops::SAVE => {
                let Some(place) = self.captures.0.get_mut(usize::from(a)) else { return Err(Halt::Back) };
                let old = core::mem::replace(place, *at as u32);
                if self.depth > 0 {
                    self.push(Back::Slot(a), old as usize, 0)?;
                }
                *pc = pc.wrapping_add(2);
            }
            ops::KEEP => {
                *at = self.kept(a, c, [d, until], *at)?;
                *pc = pc.wrapping_add(ops::KEEP_LEN);
            }
            ops::SPLIT => {
                let target = u16::from_le_bytes([b, c]);
                // A branch that cannot match here is no choice.
                let next = text.get(*at).copied();
                if cannot_start(code, pc.wrapping_add(4), next) {
                    *pc = target;
                    return Ok(());
                }
                if !self.claim(a, *at) {
                    return Err(Halt::Back);
                }
                if !cannot_start(code, target, next) {
                    self.push(Back::To(target), *at, 0)?;
                }
                *pc = pc.wrapping_add(4);
            }
            ops::JMP => *pc = u16::from_le_bytes([a, b]),
            ops::IP | ops::HOST => {
                if !self.claim(a, *at) {
                    return Err(Halt::Back);
                }
                let mut found = address(self.rest(*at), op == ops::HOST).ok_or(Halt::Back)?;
                if !found.closed
                    && let Some(byte) = goes_on(self.rest(*at + found.len))
                    && !ops::is_literal_next(code, pc.wrapping_add(2), byte)
                {
                    // What a shorter one ends at is its colon.
                    let text = if found.may_shrink { text.get(*at..*at + found.len) } else { None };
                    let (len, addr) = text.and_then(shorter).ok_or(Halt::Back)?;
                    (found.len, found.addr) = (len, Some(addr));
                }
                let end = *at + found.len;
                if let Some(addr) = found.addr {
                    self.seen = (*at, end, addr);
                }
                self.capture(Slot::Source as u8, *at, end)?;
                if found.may_shrink {
                    self.push(Back::Address(*pc), *at, end)?;
                }
                *pc = pc.wrapping_add(2);
                *at = end;
            }
            ops::QSTR => {
                // A string that does not end was read too, to the end of the text.
                let len = quoted(self.rest(*at));
                self.spend(len.unwrap_or_else(|scanned| scanned))?;
                *pc = pc.wrapping_add(1);
                *at += len.map_err(|_| Halt::Back)?;
            }
            ops::NOT | ops::ONE_OF => {
                let rest = self.rest(*at);
                let found = ops::literals(ops::operand(code, *pc, a)).any(|l| rest.starts_with(l));
                if found == (op == ops::NOT) {
                    return Err(Halt::Back);
                }
                *pc = pc.wrapping_add(2 + u16::from(a));
            }
            ops::END => {
                if *at != text.len() {
                    return Err(Halt::Back);
                }
                if a == ops::MATCH {
                    return Err(Halt::Match);
                }
                *pc = pc.wrapping_add(1);
            }
            ops::MATCH => return Err(Halt::Match),
            _ => return Err(Halt::Back),
        }
        Ok(())
    }

    /// The next thing to try.
    fn back(&mut self) -> Step<(u16, usize)> {
        loop {
            self.spend(1)?;
            self.depth = self.depth.checked_sub(1).ok_or(Halt::Back)?;
            let Some(&Frame { what, a, b }) = self.stack.get(self.depth) else { return Err(Halt::Back) };
            let (a, b) = (a as usize, b as usize);
            let found = match what {
                Back::To(pc) => return Ok((pc, a)),
                Back::Slot(slot) => {
                    if let Some(place) = self.captures.0.get_mut(usize::from(slot)) {
                        *place = a as u32;
                    }
                    continue;
                }
                Back::Pair(slot) => {
                    self.keep(slot, a, b);
                    continue;
                }
                Back::Greedy(pc) | Back::Lazy(pc) => match ops::run(self.code, pc) {
                    Some((run, next)) => match what {
                        Back::Greedy(_) => self.greedy(&run, pc, next, a, b.saturating_sub(1)),
                        _ => self.lazy(&run, pc, next, a, b),
                    },
                    _ => return Err(Halt::Back),
                },
                Back::Address(pc) => match shorter(self.text.get(a..b).unwrap_or(&[])) {
                    Some((len, addr)) => {
                        self.seen = (a, a + len, addr);
                        self.keep(Slot::Source as u8, a, a + len);
                        self.push(Back::Address(pc), a, a + len)?;
                        Ok((pc.wrapping_add(2), a + len))
                    }
                    None => Err(Halt::Back),
                },
            };
            match found {
                Err(Halt::Back) => {}
                other => return other,
            }
        }
    }
}

/// Whether what stands at `pc` cannot match where `next` is the next byte: a literal that starts with another one, an end
/// that is not here, or a choice of which neither branch can.
#[inline(always)]
fn cannot_start(code: &[u8], pc: u16, next: Option<u8>) -> bool {
    match ops::fetch(code, pc) {
        Some(&[ops::LIT, _, first, ..]) => next != Some(first),
        Some(&[ops::END, ..]) => next.is_some(),
        Some(&[ops::SPLIT, ..]) => no_branch_can_start(code, pc, next),
        _ => false,
    }
}

/// [`cannot_start`] of a choice. At most eight branches are looked at.
#[inline(never)]
fn no_branch_can_start(code: &[u8], mut pc: u16, next: Option<u8>) -> bool {
    for _ in 0..8 {
        match ops::fetch(code, pc) {
            Some(&[ops::LIT, _, first, ..]) => return next != Some(first),
            Some(&[ops::END, ..]) => return next.is_some(),
            Some(&[ops::SPLIT, _, low, high, ops::LIT, _]) => {
                let first = code.get(usize::from(pc) + 6);
                if next.as_ref() == first {
                    return false;
                }
                pc = u16::from_le_bytes([low, high]);
            }
            _ => return false,
        }
    }
    false
}
