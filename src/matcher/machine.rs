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

use crate::addr;
use crate::filter::Set;
use crate::filter::ops::{self, Mode, Op, Run, SLOTS};
use memchr::{memchr, memchr_iter, memrchr};

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
    let choices = code.get(usize::from(entry)).copied().unwrap_or(0);
    let steps = scratch.steps;
    let mut machine = Machine {
        code,
        sets,
        text,
        stride: text.len() + 1,
        stack: scratch.stack,
        depth: 0,
        memo: scratch.memo,
        memo_on: false,
        choices,
        captures: Captures::NONE,
        spent: 0,
        limit: if eager { 0 } else { 2 * (text.len() as u64 + 64) },
    };
    let outcome = machine.run(entry.wrapping_add(1));
    let spent = machine.spent;
    scratch.steps = steps.saturating_add(spent);
    outcome
}

struct Machine<'m, 't> {
    code: &'m [u8],
    sets: &'m [Set],
    text: &'t [u8],
    stride: usize,
    stack: &'m mut [Frame],
    depth: usize,
    memo: &'m mut [u32],
    memo_on: bool,
    choices: u8,
    captures: Captures,
    spent: u64,
    limit: u64,
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

impl Machine<'_, '_> {
    fn run(&mut self, start: u16) -> Outcome {
        let (mut pc, mut at) = (start, 0usize);
        loop {
            let step = match self.step(pc, at) {
                Err(Halt::Back) => self.back(),
                step => step,
            };
            match step {
                Ok((next, position)) => (pc, at) = (next, position),
                Err(Halt::Back) => return Outcome::No,
                Err(Halt::Match) => return Outcome::Match(self.captures, at),
                Err(Halt::Fuel) => return Outcome::Fuel,
                Err(Halt::Stack) => return Outcome::Stack,
            }
        }
    }

    /// Counts `n` steps; at the limit the memo goes on, at the next the run ends.
    #[inline]
    fn spend(&mut self, n: usize) -> Step<()> {
        self.spent += n as u64;
        if self.spent > self.limit { self.over() } else { Ok(()) }
    }

    #[cold]
    fn over(&mut self) -> Step<()> {
        if self.memo_on {
            return Err(Halt::Fuel);
        }
        let choices = usize::from(self.choices);
        let covers = choices * COVER;
        let words = covers + (choices * self.stride).div_ceil(32);
        match self.memo.get_mut(..words) {
            Some(memo) => {
                memo.fill(0);
                memo.iter_mut().take(covers).for_each(|word| *word = UNSET);
                self.memo_on = true;
                // Enough for every (choice, position) once with the instructions between; a program that needs
                // more would not be linear, and is refused rather than run.
                self.limit = self.spent + 16 * (choices as u64 + 1) * self.stride as u64;
            }
            None => {
                let fuel = 256 * self.stride as u64;
                if self.limit >= fuel {
                    return Err(Halt::Fuel);
                }
                self.limit = fuel;
            }
        }
        Ok(())
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
        let bit = usize::from(choice) * self.stride + at;
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
    fn rest(&self, at: usize) -> &[u8] {
        self.text.get(at..).unwrap_or(&[])
    }

    #[inline]
    fn step(&mut self, pc: u16, at: usize) -> Step<(u16, usize)> {
        self.spend(1)?;
        let code = self.code;
        let Some((op, next)) = ops::decode(code, pc) else { return Err(Halt::Back) };
        match op {
            Op::Lit(bytes) => {
                if begins(self.rest(at), bytes) {
                    Ok((next, at + bytes.len()))
                } else {
                    Err(Halt::Back)
                }
            }
            Op::Set(index) => match self.text.get(at) {
                Some(&b) if ops::set(self.sets, index).has(b) => Ok((next, at + 1)),
                _ => Err(Halt::Back),
            },
            Op::Run(run) => self.repeat(run, pc, next, at),
            Op::Save(slot) => {
                let Some(place) = self.captures.0.get_mut(usize::from(slot)) else {
                    return Err(Halt::Back);
                };
                let old = core::mem::replace(place, at as u32);
                if self.depth > 0 {
                    self.push(Back::Slot(slot), old as usize, 0)?;
                }
                Ok((next, at))
            }
            Op::Split(choice, target) => {
                // A branch that cannot match here is no choice.
                if self.is_dead(next, at) {
                    return Ok((target, at));
                }
                if !self.claim(choice, at) {
                    return Err(Halt::Back);
                }
                // Else a group would take a frame each time it repeats, and a long enough text the whole stack.
                if !self.is_dead(target, at) {
                    self.push(Back::To(target), at, 0)?;
                }
                Ok((next, at))
            }
            Op::Jmp(target) => Ok((target, at)),
            Op::Ip(choice) | Op::Host(choice) => {
                if !self.claim(choice, at) {
                    return Err(Halt::Back);
                }
                let end = address(self.rest(at), matches!(op, Op::Host(_))).ok_or(Halt::Back)?;
                if end.may_shrink {
                    self.push(Back::Address(pc), at, at + end.len)?;
                }
                Ok((next, at + end.len))
            }
            Op::Quoted => {
                // A string that does not end was read too, to the end of the text.
                let len = quoted(self.rest(at));
                self.spend(len.unwrap_or_else(|scanned| scanned))?;
                Ok((next, at + len.map_err(|_| Halt::Back)?))
            }
            Op::Look(not, list) => {
                let rest = self.rest(at);
                let found = ops::literals(list).any(|literal| rest.starts_with(literal));
                if found != not { Ok((next, at)) } else { Err(Halt::Back) }
            }
            Op::End => {
                if at == self.text.len() {
                    Ok((next, at))
                } else {
                    Err(Halt::Back)
                }
            }
            Op::Match => Err(Halt::Match),
        }
    }

    /// Whether the instruction at `pc` is a literal that does not even start at `at`, or an end that is elsewhere.
    #[inline]
    fn is_dead(&self, pc: u16, at: usize) -> bool {
        match ops::decode(self.code, pc) {
            Some((Op::Lit(bytes), _)) => self.text.get(at) != bytes.first(),
            Some((Op::End, _)) => at != self.text.len(),
            _ => false,
        }
    }

    /// The literal that must follow the run, if its continuation starts with one: lets a run skip ends in vain.
    #[inline]
    fn follows(&self, next: u16) -> Option<&[u8]> {
        let code = self.code;
        match ops::decode(code, next)? {
            (Op::Lit(bytes), _) => Some(bytes),
            (Op::Save(_), after) => match ops::decode(code, after)? {
                (Op::Lit(bytes), _) => Some(bytes),
                _ => None,
            },
            _ => None,
        }
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
        let stops = |at: usize| self.rest(at).starts_with(run.until);
        let len = match (run.set, run.until.first()) {
            (ops::ANY, None) => rest.len(),
            (ops::ANY, Some(&first)) => {
                memchr_iter(first, rest).find(|from| stops(at + from)).unwrap_or(rest.len())
            }
            (index, None) => {
                let set = ops::set(self.sets, index);
                rest.iter().position(|&b| !set.has(b)).unwrap_or(rest.len())
            }
            (index, Some(first)) => {
                let set = ops::set(self.sets, index);
                // In one pass, so that no more is read than is counted below.
                let ends = |(i, b): (usize, &u8)| !set.has(*b) || first == b && stops(at + i);
                rest.iter().enumerate().position(ends).unwrap_or(rest.len())
            }
        };
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

    fn repeat(&mut self, run: Run<'_>, pc: u16, next: u16, at: usize) -> Step<(u16, usize)> {
        let low = at + usize::from(run.min);
        let end = self.extent(&run, at)?;
        if end < low {
            return Err(Halt::Back);
        }
        match run.mode {
            Mode::Possessive => Ok((next, end)),
            Mode::Lazy => self.lazy(&run, pc, next, low, end),
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
                self.greedy(&run, pc, next, low, high)
            }
        }
    }

    /// The longest end from `high` down to `low` at which the continuation can start.
    fn greedy(&mut self, run: &Run<'_>, pc: u16, next: u16, low: usize, high: usize) -> Step<(u16, usize)> {
        let mut end = high;
        loop {
            if let Some(literal) = self.follows(next)
                && let Some(&first) = literal.first()
            {
                // Ends at which the literal's first byte stands, the last first.
                let window = self.text.get(low..(end + 1).min(self.text.len())).unwrap_or(&[]);
                let found = memrchr(first, window);
                let skipped = found.map_or(window.len(), |f| window.len() - f);
                self.spend(skipped / 16)?;
                let Some(found) = found else { return Err(Halt::Back) };
                end = low + found;
                if !self.rest(end).starts_with(self.follows(next).unwrap_or(&[])) {
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
        let mut end = low;
        loop {
            if let Some(literal) = self.follows(next)
                && let Some(&first) = literal.first()
            {
                let window = self.text.get(end..(high + 1).min(self.text.len())).unwrap_or(&[]);
                let found = memchr(first, window);
                self.spend(found.unwrap_or(window.len()) / 16)?;
                let Some(found) = found else { return Err(Halt::Back) };
                end += found;
                if !self.rest(end).starts_with(self.follows(next).unwrap_or(&[])) {
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
                Back::Address(pc) => {
                    let Some((_, next)) = ops::decode(self.code, pc) else { return Err(Halt::Back) };
                    match shorter(self.text.get(a..b).unwrap_or(&[])) {
                        Some(len) => {
                            self.push(Back::Address(pc), a, a + len)?;
                            Ok((next, a + len))
                        }
                        None => Err(Halt::Back),
                    }
                }
            };
            match found {
                Err(Halt::Back) => {}
                other => return other,
            }
        }
    }
}

/// Whether `text` starts with `literal`. Most literals are short, and a call to compare them costs more than they do.
#[inline]
fn begins(text: &[u8], literal: &[u8]) -> bool {
    let Some(head) = text.get(..literal.len()) else { return false };
    match (head.first_chunk::<8>(), literal.first_chunk::<8>()) {
        (Some(a), Some(b)) if literal.len() <= 16 => {
            a == b && head.last_chunk::<8>() == literal.last_chunk::<8>()
        }
        (None, None) => head.iter().zip(literal).all(|(a, b)| a == b),
        _ => head == literal,
    }
}

/// The longest host name that is looked at (RFC 1035, 2.3.4): bounds the work at one place.
pub(super) const LONGEST_NAME: usize = 255;

/// An address found in a text.
struct Found {
    len: usize,
    may_shrink: bool,
}

/// An address at the start of `text`, or with `names` a host name.
fn address(text: &[u8], names: bool) -> Option<Found> {
    if let Some(inner) = text.strip_prefix(b"[") {
        let found = addr::scan(inner)?;
        return (inner.get(found.len) == Some(&b']'))
            .then_some(Found { len: found.len + 2, may_shrink: false });
    }
    let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let found = addr::scan(text);
    let name = || {
        let len = text.iter().take(LONGEST_NAME).take_while(|&&b| in_name(b)).count();
        let name = text.get(..len)?;
        name.iter().any(u8::is_ascii_alphabetic).then_some(Found { len, may_shrink: false })
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
    let may_shrink = text.get(..found.len)?.contains(&b':');
    Some(Found { len: found.len, may_shrink })
}

/// The next shorter address in `text`, which is an IPv6 address: the one that ends before its last colon.
fn shorter(text: &[u8]) -> Option<usize> {
    let mut end = text.len();
    loop {
        end = memrchr(b':', text.get(..end)?)?;
        let head = text.get(..end)?;
        if addr::scan(head).is_some_and(|found| found.len == end) {
            return Some(end);
        }
        // "2001:db8::9" without its last group is "2001:db8::": an address too, but never what was meant.
        if end < 2 {
            return None;
        }
    }
}

/// Length of a double-quoted string with `\` escapes; where there is none, how many bytes it took to see that.
fn quoted(text: &[u8]) -> Result<usize, usize> {
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
