//! The bytecode machine: a backtracker that turns linear when it has to.
//!
//! It runs one program over one text with the priorities of a backtracking regex engine, so the first match in
//! the order of preference wins. Most lines match or fail within a few steps of their length. One that does not
//! turns on the memo, a bit for each choice point and position: from then on, each is entered once, which bounds the
//! work by choice points × length. Two limits fail closed, as [`Outcome::Fuel`] and [`Outcome::Stack`]: the lent
//! memo is too small for this text (then 256 steps a byte), or the lent stack is full.
//!
//! Why a bit is enough: an instruction has no state but its position. Bounded runs count inside one
//! instruction, groups have no bounds, and a group that could repeat without moving does not compile.

use super::probe::{address, begins, quoted, shorter};
use crate::addr::Addr;
use crate::filter::Set;
use crate::filter::ops::{self, Mode, Op, Run, SLOTS, Slot};
use memchr::{memchr, memrchr};

/// No position.
const UNSET: u32 = u32::MAX;

/// Positions that a match saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captures([u32; SLOTS]);

impl Captures {
    const NONE: Self = Self([UNSET; SLOTS]);

    #[cfg(test)]
    pub(super) fn slots(&self) -> [u32; SLOTS] {
        self.0
    }

    /// What `slot` captured of `text`.
    pub fn get<'t>(&self, slot: ops::Slot, text: &'t [u8]) -> Option<&'t [u8]> {
        let from = *self.0.get(slot as usize)? as usize;
        let to = *self.0.get(slot as usize + 1)? as usize;
        text.get(from..to)
    }
}

/// Where to go on when the present path fails. 12 bytes.
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
    /// One frame a pending choice. 64 suit every native filter on ordinary lines; samples needed 73 at the most.
    pub stack: &'a mut [Frame],
    /// Three words and (text length + 1) bits a choice point. 1,120 words serve a 1 KiB line and
    /// 32 choice points.
    pub memo: &'a mut [u32],
    /// Steps of all runs so far; tests assert that they grow with the text and no faster.
    pub steps: u64,
}

/// Words of memo that a [`Cover`] takes.
const COVER: usize = 3;

/// What is known of one run instruction in memo mode: from any place in `start..=high` it reaches to `high`,
/// and its ends in `low..=high` need no second try. Keeps nested runs from scanning the same text again.
#[derive(Clone, Copy)]
struct Cover {
    start: usize,
    low: usize,
    high: usize,
}

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
pub(super) fn run_with(
    code: &[u8],
    sets: &[Set],
    entry: u16,
    text: &[u8],
    scratch: &mut Scratch<'_>,
    eager: bool,
) -> Outcome {
    let mut machine = Machine::new(code, sets, text, scratch);
    machine.eager = eager;
    match machine.run(entry) {
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

/// Ready to run any program of one filter on one text.
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

    /// Runs the program at `entry`.
    #[inline(always)]
    pub(super) fn run(&mut self, entry: u16) -> End {
        // Most programs start with a literal, and most texts with another one.
        if !self.eager
            && let Some(&[choices, ops::LIT, len, ..]) = ops::fetch(self.code, entry)
        {
            let start = entry.wrapping_add(1);
            return match begins(self.text, ops::operand(self.code, start, len)) {
                true => self.begin(choices, start.wrapping_add(2 + u16::from(len)), usize::from(len)),
                false => {
                    *self.steps = self.steps.saturating_add(1);
                    End::No
                }
            };
        }
        let choices = self.code.get(usize::from(entry)).copied().unwrap_or(0);
        self.begin(choices, entry.wrapping_add(1), 0)
    }

    /// Runs the program of so many `choices` from `pc` on at position `at`.
    fn begin(&mut self, choices: u8, pc: u16, at: usize) -> End {
        self.choices = choices;
        self.depth = 0;
        self.memo_on = false;
        self.captures = Captures::NONE;
        self.seen.1 = 0;
        self.granted =
            if self.eager { 0 } else { clamped(self.text.len().saturating_add(64)).saturating_mul(2) };
        self.left = self.granted;
        let end = self.go(pc, at);
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

    /// What earlier scans of the run `choice` covered; see [`Cover`].
    fn cover(&self, choice: u8) -> Option<Cover> {
        if !self.memo_on {
            return None;
        }
        let at = usize::from(choice) * COVER;
        let &[start, low, high] = self.memo.get(at..at + COVER)? else { return None };
        (start != UNSET).then_some(Cover { start: start as usize, low: low as usize, high: high as usize })
    }

    fn set_cover(&mut self, choice: u8, cover: Cover) {
        let at = usize::from(choice) * COVER;
        if self.memo_on
            && let Some(words) = self.memo.get_mut(at..at + COVER)
        {
            words.copy_from_slice(&[cover.start as u32, cover.low as u32, cover.high as u32]);
        }
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

    #[inline]
    fn rest(&self, at: usize) -> &'t [u8] {
        self.text.get(at..).unwrap_or(&[])
    }

    /// Runs the instruction at `pc` and moves on, or says why not.
    #[inline(always)]
    fn step(&mut self, code: &'m [u8], text: &'t [u8], pc: &mut u16, at: &mut usize) -> Step<()> {
        self.spend(1)?;
        let Some(&[op, a, b, c, _, until]) = ops::fetch(code, *pc) else { return Err(Halt::Back) };
        match op {
            ops::LIT => {
                if text.get(*at) != Some(&b) || !begins(self.rest(*at), ops::operand(code, *pc, a)) {
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
                let rest = match c {
                    ops::UNBOUNDED => self.rest(*at),
                    max => text.get(*at..text.len().min(*at + usize::from(max))).unwrap_or(&[]),
                };
                let len = span(self.sets, a, rest);
                self.spend(len / 8)?;
                if len < usize::from(b) {
                    return Err(Halt::Back);
                }
                *pc = pc.wrapping_add(6);
                *at += len;
            }
            ops::RUN | ops::RUN_GREEDY | ops::RUN_LAZY => {
                let Some((Op::Run(run), next)) = ops::decode(code, *pc) else {
                    return Err(Halt::Back);
                };
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
                let found = address(self.rest(*at), op == ops::HOST).ok_or(Halt::Back)?;
                let end = *at + found.len;
                if let Some(addr) = found.addr {
                    self.seen = (*at, end, addr);
                }
                if found.may_shrink {
                    self.push(Back::Address(*pc), *at, end)?;
                }
                *pc = pc.wrapping_add(2);
                *at = end;
            }
            ops::QSTR => {
                let len = quoted(self.rest(*at)).ok_or(Halt::Back)?;
                self.spend(len)?;
                *pc = pc.wrapping_add(1);
                *at += len;
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
                *pc = pc.wrapping_add(1);
            }
            ops::MATCH => return Err(Halt::Match),
            _ => return Err(Halt::Back),
        }
        Ok(())
    }

    /// The literal that must follow the run, if its continuation starts with one: lets a run skip ends in vain.
    #[inline]
    fn follows(&self, next: u16) -> Option<&'m [u8]> {
        let code = self.code;
        let mut pc = next;
        let mut head = ops::fetch(code, pc)?;
        if head[0] == ops::SAVE {
            pc = pc.wrapping_add(2);
            head = ops::fetch(code, pc)?;
        }
        (head[0] == ops::LIT).then(|| ops::operand(code, pc, head[1]))
    }

    /// How far a run reaches from `at`. A scan that meets an earlier one of the same run ends with it.
    fn extent(&mut self, run: &Run<'_>, at: usize) -> Step<usize> {
        // A possessive run is no choice point and has no number.
        let shared = run.max == ops::UNBOUNDED && run.mode != Mode::Possessive;
        let cover = if shared { self.cover(run.choice) } else { None };
        let known = cover.filter(|c| at <= c.high);
        if let Some(c) = known
            && at >= c.start
        {
            return Ok(c.high);
        }
        let text = self.text;
        let stop = match known {
            Some(c) => c.start,
            None if run.max == ops::UNBOUNDED => text.len(),
            None => text.len().min(at + usize::from(run.max)),
        };
        let rest = text.get(at..stop).unwrap_or(&[]);
        let mut len = span(self.sets, run.set, rest);
        if let Some(&first) = run.until.first() {
            let mut from = 0;
            while let Some(hit) = memchr(first, rest.get(from..len).unwrap_or(&[])) {
                from += hit;
                if self.rest(at + from).starts_with(run.until) {
                    len = from;
                    break;
                }
                from += 1;
            }
        }
        self.spend(len / 8)?;
        let end = at + len;
        let (end, low) = match known {
            Some(c) if end == c.start => (c.high, c.low),
            _ => (end, end + 1),
        };
        if shared {
            self.set_cover(run.choice, Cover { start: at, low, high: end });
        }
        Ok(end)
    }

    fn repeat(&mut self, run: &Run<'_>, pc: u16, next: u16, at: usize) -> Step<(u16, usize)> {
        let low = at + usize::from(run.min);
        let end = self.extent(run, at)?;
        if end < low {
            return Err(Halt::Back);
        }
        match run.mode {
            Mode::Possessive => Ok((next, end)),
            Mode::Lazy => self.lazy(run, pc, next, low, end),
            Mode::Greedy => {
                let mut high = end;
                if run.max == ops::UNBOUNDED
                    && let Some(c) = self.cover(run.choice)
                {
                    // Ends from `c.low` on were tried, or are being tried before this one would be.
                    self.set_cover(run.choice, Cover { low: c.low.min(low), ..c });
                    if c.low <= low {
                        return Err(Halt::Back);
                    }
                    high = end.min(c.low - 1);
                }
                self.greedy(run, pc, next, low, high)
            }
        }
    }

    /// The longest end from `high` down to `low` at which the continuation can start.
    fn greedy(&mut self, run: &Run<'_>, pc: u16, next: u16, low: usize, high: usize) -> Step<(u16, usize)> {
        let literal = self.follows(next).unwrap_or(&[]);
        let probe = rare(literal);
        let mut end = high;
        loop {
            if let Some((skip, byte)) = probe {
                // Ends at which the literal has this byte, the last first.
                let window = self.text.get(low + skip..(end + 1 + skip).min(self.text.len()));
                let window = window.unwrap_or(&[]);
                let found = memrchr(byte, window);
                let skipped = found.map_or(window.len(), |f| window.len() - f);
                self.spend(skipped / 16)?;
                let Some(found) = found else { return Err(Halt::Back) };
                end = low + found;
                if !begins(self.rest(end), literal) {
                    self.spend(1)?;
                    if end == low {
                        return Err(Halt::Back);
                    }
                    end -= 1;
                    continue;
                }
            }
            if self.claim(run.choice, end) {
                if end > low {
                    self.push(Back::Greedy(pc), low, end)?;
                }
                return Ok((next, end));
            }
            self.spend(1)?;
            if end == low {
                return Err(Halt::Back);
            }
            end -= 1;
        }
    }

    /// The shortest end from `low` up to `high` at which the continuation can start.
    fn lazy(&mut self, run: &Run<'_>, pc: u16, next: u16, low: usize, high: usize) -> Step<(u16, usize)> {
        let found = self.next_lazy(run, pc, next, low, high);
        if matches!(found, Err(Halt::Back))
            && let Some(c) = self.cover(run.choice)
            && run.max == ops::UNBOUNDED
            && c.high == high
        {
            // Only a lazy scan that is through has tried its ends: an outer one need not try them again.
            self.set_cover(run.choice, Cover { low: c.low.min(low), ..c });
        }
        found
    }

    fn next_lazy(
        &mut self,
        run: &Run<'_>,
        pc: u16,
        next: u16,
        low: usize,
        top: usize,
    ) -> Step<(u16, usize)> {
        let mut high = top;
        if run.max == ops::UNBOUNDED
            && let Some(c) = self.cover(run.choice)
            && c.high == top
        {
            if c.low <= low {
                return Err(Halt::Back);
            }
            high = top.min(c.low - 1);
        }
        let literal = self.follows(next).unwrap_or(&[]);
        let probe = rare(literal);
        let mut end = low;
        loop {
            if let Some((skip, byte)) = probe {
                let window = self.text.get(end + skip..(high + 1 + skip).min(self.text.len()));
                let window = window.unwrap_or(&[]);
                let found = memchr(byte, window);
                self.spend(found.unwrap_or(window.len()) / 16)?;
                let Some(found) = found else { return Err(Halt::Back) };
                end += found;
                if !begins(self.rest(end), literal) {
                    self.spend(1)?;
                    if end == high {
                        return Err(Halt::Back);
                    }
                    end += 1;
                    continue;
                }
            }
            if self.claim(run.choice, end) {
                if end < top {
                    self.push(Back::Lazy(pc), end + 1, top)?;
                }
                return Ok((next, end));
            }
            self.spend(1)?;
            if end == high {
                return Err(Halt::Back);
            }
            end += 1;
        }
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
                Back::Greedy(pc) | Back::Lazy(pc) => match ops::decode(self.code, pc) {
                    Some((Op::Run(run), next)) => match what {
                        Back::Greedy(_) => self.greedy(&run, pc, next, a, b.saturating_sub(1)),
                        _ => self.lazy(&run, pc, next, a, b),
                    },
                    _ => return Err(Halt::Back),
                },
                Back::Address(pc) => match shorter(self.text.get(a..b).unwrap_or(&[])) {
                    Some((len, addr)) => {
                        self.seen = (a, a + len, addr);
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

/// The byte of a literal to look for, and its place: the first, or the second behind a blank, of which texts are full.
#[inline]
fn rare(literal: &[u8]) -> Option<(usize, u8)> {
    match *literal {
        [b' ', second, ..] => Some((1, second)),
        [first, ..] => Some((0, first)),
        [] => None,
    }
}

/// Whether the instruction at `pc` is a literal that starts with another byte than `next`.
#[inline]
fn cannot_start(code: &[u8], pc: u16, next: Option<u8>) -> bool {
    matches!(ops::fetch(code, pc), Some(&[ops::LIT, _, first, ..]) if next != Some(first))
}

/// How many bytes at the start of `text` are in the set.
#[inline]
fn span(sets: &[Set], index: u8, text: &[u8]) -> usize {
    if index == ops::ANY {
        return text.len();
    }
    let set = ops::set(sets, index);
    text.iter().position(|&b| !set.has(b)).unwrap_or(text.len())
}
