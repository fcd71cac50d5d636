//! The text of one rule to its program, in a single pass without a syntax tree. On the way it feeds the lint
//! ([`super::lint`]), since only here it is known what precedes each piece.

use super::emit::Emitter;
use super::error::Problem;
use super::field::{self, Field, Repeat, What, character};
use super::first::is_open;
use super::lint::{ANYTHING, BOUNDED, Flow, has_letters};
use super::ops::{self, Slot};

/// How deep groups may nest.
const DEPTH: u8 = 8;

/// A problem and how many bytes of the rule were left to read.
pub(super) struct Stop {
    pub problem: Problem,
    pub left: usize,
}

pub(super) struct Writer<'e, 's> {
    emit: &'e mut Emitter<'s>,
    /// Where the literal being extended starts.
    literal: Option<u16>,
    /// The longest literal outside all groups, without the one that leads the rule, which the machine compares first anyway.
    /// Offset of its bytes, and length.
    pub need: (u16, u8),
    /// Where the program's first instruction stands.
    first: usize,
    flow: Flow,
    depth: u8,
    in_loop: bool,
    /// Whether the current group can read blanks so far, and whether it can read letters other than those of literals.
    admits: (bool, bool),
    /// The literals that open text before the address stops at: offset, length.
    bounds: heapless::Vec<(u16, u8), 6>,
    /// The literal directly before the address.
    mark: (u16, u8),
    /// Whether some repeated group is open text.
    pub open_loop: bool,
    /// Each address behind open text: where that text ends, the instruction of the address, and how many bytes of the rule
    /// were left.
    pub exposed: heapless::Vec<(u16, u16, usize), 4>,
    anchored: bool,
}

impl<'e, 's> Writer<'e, 's> {
    pub(super) fn new(emit: &'e mut Emitter<'s>) -> Self {
        emit.choices = 0;
        let first = emit.len;
        Self {
            first,
            emit,
            literal: None,
            need: (0, 0),
            flow: Flow::default(),
            depth: 0,
            in_loop: false,
            admits: (false, false),
            bounds: heapless::Vec::new(),
            mark: (0, 0),
            open_loop: false,
            exposed: heapless::Vec::new(),
            anchored: true,
        }
    }

    /// Writes the whole program; `anchored` rules must reach the end of the text unless they say `<...>`.
    pub(super) fn rule(&mut self, text: &[u8], anchored: bool) -> Result<(), Stop> {
        let rest = self.sequence(text)?;
        if !rest.is_empty() {
            return Err(Stop { problem: Problem::Unbalanced, left: rest.len() });
        }
        let tail: &[u8] = if anchored && self.anchored { &[ops::END, ops::MATCH] } else { &[ops::MATCH] };
        self.emit.bytes(tail).map_err(|problem| Stop { problem, left: 0 })
    }

    /// Reads up to the end of the text, or the `|` or `}` of the current group; returns what is left from there.
    fn sequence<'t>(&mut self, mut text: &'t [u8]) -> Result<&'t [u8], Stop> {
        while let Some(&b) = text.first() {
            let left = text.len();
            let stop = |problem| Stop { problem, left };
            if !self.anchored {
                return Err(stop(Problem::RestNotLast));
            }
            let tail = text.get(1..).unwrap_or(&[]);
            match b {
                b'|' | b'}' if self.depth > 0 => return Ok(text),
                b'}' => return Err(stop(Problem::Unbalanced)),
                b';' => return Err(stop(Problem::BareSemicolon)),
                b'{' => text = self.group(tail)?,
                b'<' => {
                    let (rest, field) = field::parse(tail).map_err(stop)?;
                    let here = self.emit.here();
                    self.field(&field).map_err(stop)?;
                    if matches!(field.what, What::Ip | What::Host)
                        && let Some(mark) = self.flow.mark()
                    {
                        self.exposed.push((mark, here, left)).map_err(|_| stop(Problem::NoSpace))?;
                    }
                    text = rest;
                }
                _ => {
                    let (rest, byte) = match character(|_| true, text) {
                        Ok(done) => done,
                        Err(_) => return Err(stop(Problem::BadEscape)),
                    };
                    self.byte(byte).map_err(stop)?;
                    text = rest;
                }
            }
        }
        Ok(text)
    }

    fn byte(&mut self, byte: u8) -> Result<(), Problem> {
        self.admits.0 |= byte == b' ';
        let at = self.emit.literal(self.literal, byte)?;
        self.literal = Some(at);
        self.flow.consumed = true;
        let len = self.emit.code.get(usize::from(at) + 1).copied().unwrap_or(0);
        self.flow.prev = (at + 2, len);
        if self.depth == 0 && len > self.need.1 && !self.leads(usize::from(at)) {
            self.need = (at + 2, len);
        }
        Ok(())
    }

    /// Whether the literal at `at` is the one that the machine compares before it starts: the first instruction, or the second
    /// behind a single set.
    fn leads(&self, at: usize) -> bool {
        let set = self.emit.code.get(self.first) == Some(&ops::SET);
        at == self.first || set && at == self.first + usize::from(ops::SET_LEN)
    }

    /// Reads a group from behind its `{`; returns what follows its suffix.
    fn group<'t>(&mut self, text: &'t [u8]) -> Result<&'t [u8], Stop> {
        let left = text.len() + 1;
        let stop = |problem| Stop { problem, left };
        if self.depth == DEPTH {
            return Err(stop(Problem::TooDeep));
        }
        let suffix = suffix(text).ok_or(stop(Problem::Unbalanced))?;
        let outer_loop = self.in_loop;
        self.in_loop |= suffix == b'*';
        self.depth += 1;
        self.literal = None;

        let before = self.flow;
        let admits = core::mem::take(&mut self.admits);
        let start = self.emit.here();
        let skip = if suffix == 0 { None } else { Some(self.emit.split().map_err(stop)?) };
        let mut ends: heapless::Vec<usize, 32> = heapless::Vec::new();
        let mut joined: Option<Flow> = None;
        let mut rest = text;
        loop {
            let more = alternative_follows(rest);
            let other = if more { Some(self.emit.split().map_err(stop)?) } else { None };
            self.flow = before;
            self.flow.consumed = false;
            rest = self.sequence(rest)?;
            self.literal = None;
            joined = Some(joined.map_or(self.flow, |j| j.or(self.flow)));
            let Some((&end, after)) = rest.split_first() else { return Err(stop(Problem::Unbalanced)) };
            rest = after;
            if end == b'}' {
                break;
            }
            let place = self.emit.jump(0).map_err(stop)?;
            ends.push(place).map_err(|_| stop(Problem::NoSpace))?;
            if let Some(place) = other {
                self.emit.patch(place);
            }
        }
        ends.iter().for_each(|&place| self.emit.patch(place));
        let mut flow = joined.unwrap_or(before);
        if suffix == b'*' {
            if !flow.consumed {
                return Err(stop(Problem::EmptyLoop));
            }
            self.emit.jump(start).map_err(stop)?;
            if self.admits == (true, true) {
                flow.open_text(false, false).map_err(stop)?;
                flow.unbounded = true;
                self.open_loop = true;
                flow.opened(self.emit.here());
            }
        }
        self.admits = (self.admits.0 | admits.0, self.admits.1 | admits.1);
        if let Some(place) = skip {
            self.emit.patch(place);
            flow = flow.or(before);
        }
        flow.consumed = before.consumed | (flow.consumed & (suffix == 0));
        self.flow = flow;
        self.in_loop = outer_loop;
        self.depth -= 1;
        Ok(if suffix == 0 { rest } else { rest.get(1..).unwrap_or(&[]) })
    }

    /// The literal of this offset and length.
    fn noted(&self, (at, len): (u16, u8)) -> &[u8] {
        let at = usize::from(at);
        self.emit.code.get(at..at + usize::from(len)).unwrap_or(&[])
    }

    /// Whether `text` is a part of the mark, so that what stops before it stops before the end of the mark.
    fn marks(&self, text: &[u8]) -> bool {
        !text.is_empty() && self.noted(self.mark).windows(text.len()).any(|part| part == text)
    }

    /// Whether a run here that stops before `until` is sure to stop before the mark: `until` is a part of the mark, and no
    /// start of it is in what precedes the run.
    fn bounded(&self, until: &[u8]) -> bool {
        let clear = match self.flow.prev {
            BOUNDED => true,
            ANYTHING => false,
            literal => {
                let before = self.noted(literal);
                (1..until.len())
                    .filter_map(|k| until.get(..k))
                    .all(|begun| !before.ends_with(begun) && !begun.ends_with(before))
            }
        };
        clear && self.marks(until)
    }

    fn address(&mut self, literal: Option<u16>) -> Result<(), Problem> {
        let len = |at: u16| self.emit.code.get(usize::from(at) + 1).copied().unwrap_or(0);
        self.mark = literal.filter(|_| self.depth == 0).map_or((0, 0), |at| (at + 2, len(at)));
        let guarded =
            !self.flow.unbounded && self.bounds.iter().all(|&bound| self.marks(self.noted(bound)));
        self.flow.address(self.in_loop, guarded)
    }

    fn field(&mut self, field: &Field) -> Result<(), Problem> {
        let literal = self.literal.take();
        let mut prev = ANYTHING;
        // An address is captured by its own instruction.
        let saved = field.capture.filter(|slot| *slot != Slot::Source);
        if let Some(slot) = saved {
            self.emit.save(slot, false)?;
        }
        match &field.what {
            What::Ip | What::Host => {
                self.address(literal)?;
                let op = if matches!(field.what, What::Ip) { ops::IP } else { ops::HOST };
                let choice = self.emit.choice()?;
                self.emit.bytes(&[op, choice])?;
                self.flow.consumed = true;
            }
            What::Repeat(repeat) => {
                let letters = has_letters(&repeat.set);
                self.admits = (self.admits.0 | repeat.set.has(b' '), self.admits.1 | letters);
                let open = is_open(&repeat.set) && repeat.max > 1;
                let open = open || field.capture == Some(Slot::User);
                if open {
                    self.flow.open_text(repeat.lazy, self.bounded(&repeat.until))?;
                }
                self.repeat(repeat)?;
                if open {
                    self.flow.opened(self.emit.here());
                    let len = repeat.until.len() as u8;
                    let bound = (self.emit.here() - u16::from(len), len);
                    self.flow.unbounded |= self.bounds.push(bound).is_err();
                    prev = BOUNDED;
                }
            }
            What::Quoted => {
                self.flow.open_text(false, false)?;
                self.flow.unbounded = true;
                self.emit.bytes(&[ops::QSTR])?;
                self.flow.opened(self.emit.here());
                self.flow.consumed = true;
            }
            What::Look(not, list) => {
                self.emit.bytes(&[if *not { ops::NOT } else { ops::ONE_OF }, list.len() as u8])?;
                self.emit.bytes(list)?;
            }
            What::Rest => {
                if self.depth > 0 {
                    return Err(Problem::RestNotLast);
                }
                self.flow.rest()?;
                self.anchored = false;
            }
        }
        self.flow.prev = prev;
        match saved {
            Some(slot) => self.emit.save(slot, true),
            None => Ok(()),
        }
    }

    fn repeat(&mut self, repeat: &Repeat) -> Result<(), Problem> {
        let set = self.emit.set(repeat.set)?;
        self.flow.consumed |= repeat.min > 0;
        if repeat.min == 1 && repeat.max == 1 && repeat.until.is_empty() {
            return self.emit.bytes(&[ops::SET, set]);
        }
        let op = if repeat.lazy { ops::RUN_LAZY } else { ops::RUN_GREEDY };
        let choice = self.emit.choice()?;
        self.emit.bytes(&[op, set, repeat.min, repeat.max, choice, repeat.until.len() as u8])?;
        self.emit.bytes(&repeat.until)
    }
}

/// Walks from inside a group to its own `}` or, with `alternatives`, to its next `|`. Returns that byte and what follows it.
fn walk(text: &[u8], alternatives: bool) -> Option<(u8, &[u8])> {
    let mut rest = text;
    let mut depth = 0u8;
    loop {
        let (&b, tail) = rest.split_first()?;
        rest = tail;
        match b {
            b'\\' => rest = rest.get(1..)?,
            // A bad field is reported where it is read; here only its braces matter.
            b'<' => rest = field::parse(rest).map_or(rest, |(after, _)| after),
            b'{' => depth = depth.checked_add(1)?,
            b'|' if depth == 0 && alternatives => return Some((b, rest)),
            b'}' if depth == 0 => return Some((b, rest)),
            b'}' => depth -= 1,
            _ => {}
        }
    }
}

/// What follows the `}` of the group that `text` is inside of: `?`, `*`, or 0 for neither.
fn suffix(text: &[u8]) -> Option<u8> {
    let (_, after) = walk(text, false)?;
    Some(after.first().copied().filter(|b| matches!(b, b'?' | b'*')).unwrap_or(0))
}

fn alternative_follows(text: &[u8]) -> bool {
    walk(text, true).is_some_and(|(b, _)| b == b'|')
}
