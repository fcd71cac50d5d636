//! A plain Pike VM over the same bytecode, for tests: threads in order of priority, a byte at a time, no memo, no
//! backtracking, nothing skipped. Slow, and right by construction.

use crate::addr;
use crate::filter::Set;
use crate::filter::ops::{self, Mode, Op, SLOTS};
use std::collections::BTreeSet;
use std::vec::Vec;

/// A thread: where it is, how many bytes of its instruction it has behind it or still to wait.
#[derive(Clone, Debug)]
struct Thread {
    pc: u16,
    /// Bytes consumed by a run.
    count: usize,
    /// Bytes to pass before `pc` is executed.
    wait: usize,
    slots: [u32; SLOTS],
}

pub struct Pike<'a> {
    pub code: &'a [u8],
    pub sets: &'a [Set],
    pub text: &'a [u8],
}

impl Pike<'_> {
    pub fn run(&self, entry: u16) -> Option<([u32; SLOTS], usize)> {
        let mut found = None;
        let mut threads = std::vec![Thread { pc: entry + 1, count: 0, wait: 0, slots: [u32::MAX; SLOTS] }];
        for at in 0..=self.text.len() {
            let mut next = Vec::new();
            let mut seen = BTreeSet::new();
            let mut queued = BTreeSet::new();
            for thread in threads {
                if self.follow(thread, at, &mut seen, &mut queued, &mut next, &mut found) {
                    break; // A match: threads of lower priority die.
                }
            }
            threads = next;
            if threads.is_empty() {
                break;
            }
        }
        found
    }

    /// Whether the rule goes on at `pc` with a literal that starts with `byte`.
    fn says(&self, pc: u16, byte: u8) -> bool {
        let (mut places, mut seen) = (std::vec![pc], BTreeSet::new());
        while let Some(pc) = places.pop() {
            let Some((op, next)) = ops::decode(self.code, pc).filter(|_| seen.insert(pc)) else { continue };
            match op {
                Op::Lit(bytes) if bytes.first() == Some(&byte) => return true,
                Op::Split(_, target) => places.extend([next, target]),
                Op::Jmp(target) => places.push(target),
                Op::Save(_) | Op::Look(..) => places.push(next),
                _ => {}
            }
        }
        false
    }

    /// Executes a thread until it consumes a byte. True when it matched.
    fn follow(
        &self,
        thread: Thread,
        at: usize,
        seen: &mut BTreeSet<(u16, usize)>,
        queued: &mut BTreeSet<(u16, usize, usize)>,
        next: &mut Vec<Thread>,
        found: &mut Option<([u32; SLOTS], usize)>,
    ) -> bool {
        let mut consume = |thread: Thread| {
            if at < self.text.len() && queued.insert((thread.pc, thread.count, thread.wait)) {
                next.push(thread);
            }
        };
        if thread.wait > 0 {
            consume(Thread { wait: thread.wait - 1, ..thread });
            return false;
        }
        if !seen.insert((thread.pc, thread.count)) {
            return false;
        }
        let rest = &self.text[at..];
        let Some((op, after)) = ops::decode(self.code, thread.pc) else { return false };
        let go = |pc: u16| Thread { pc, count: 0, ..thread.clone() };
        let skip = |len: usize| Thread { wait: len - 1, ..go(after) };
        match op {
            Op::Lit(bytes) => {
                if rest.starts_with(bytes) {
                    consume(skip(bytes.len()));
                }
                false
            }
            Op::Set(index) => {
                if rest.first().is_some_and(|&b| ops::set(self.sets, index).has(b)) {
                    consume(skip(1));
                }
                false
            }
            Op::Run(run) => {
                let blocked = !run.until.is_empty() && rest.starts_with(run.until);
                let member = rest.first().is_some_and(|&b| ops::set(self.sets, run.set).has(b));
                let room = run.max == ops::UNBOUNDED || thread.count < run.max as usize;
                let may = member && room && !blocked;
                // A run past its minimum without a bound is in one state however long it is.
                let count = thread.count + 1;
                let count = if run.max == ops::UNBOUNDED { count.min(run.min as usize) } else { count };
                let stay = Thread { count, ..thread.clone() };
                let done = thread.count >= run.min as usize;
                if run.mode == Mode::Lazy {
                    if done && self.follow(go(after), at, seen, queued, next, found) {
                        return true;
                    }
                    if may && queued.insert((stay.pc, stay.count, 0)) {
                        next.push(stay);
                    }
                    return false;
                }
                if may {
                    consume(stay);
                }
                done && self.follow(go(after), at, seen, queued, next, found)
            }
            Op::Ip(_) | Op::Host(_) => {
                for len in lengths(rest, matches!(op, Op::Host(_))) {
                    let word = |b: &u8| b.is_ascii_alphanumeric() || b"-_".contains(b) || !b.is_ascii();
                    let goes_on = match rest.get(len..).unwrap_or(b"") {
                        _ if rest.first() == Some(&b'[') => None,
                        [b'.', next, ..] => word(next).then_some(b'.'),
                        [b, ..] => word(b).then_some(*b),
                        [] => None,
                    };
                    if goes_on.is_some_and(|b| !self.says(after, b)) {
                        continue;
                    }
                    let mut thread = skip(len);
                    (thread.slots[0], thread.slots[1]) = (at as u32, (at + len) as u32);
                    consume(thread);
                }
                false
            }
            Op::Save(slot) => {
                let mut thread = go(after);
                thread.slots[slot as usize] = at as u32;
                self.follow(thread, at, seen, queued, next, found)
            }
            Op::Split(_, target) => {
                self.follow(go(after), at, seen, queued, next, found)
                    || self.follow(go(target), at, seen, queued, next, found)
            }
            Op::Jmp(target) => self.follow(go(target), at, seen, queued, next, found),
            Op::Quoted => {
                let mut len = 1;
                if rest.first() != Some(&b'"') {
                    return false;
                }
                while len < rest.len() && rest[len] != b'"' {
                    len += if rest[len] == b'\\' { 2 } else { 1 };
                }
                if len < rest.len() {
                    consume(skip(len + 1));
                }
                false
            }
            Op::Look(not, list) => {
                let any = ops::literals(list).any(|l| rest.starts_with(l));
                any != not && self.follow(go(after), at, seen, queued, next, found)
            }
            Op::End => at == self.text.len() && self.follow(go(after), at, seen, queued, next, found),
            Op::Match => {
                *found = Some((thread.slots, at));
                true
            }
        }
    }
}

/// Lengths of the addresses (and names) at the start of `text`, in the order of preference.
fn lengths(text: &[u8], names: bool) -> Vec<usize> {
    let mut out = Vec::new();
    if text.first() == Some(&b'[') {
        if let Some(f) = addr::scan(&text[1..])
            && text.get(f.len + 1) == Some(&b']')
        {
            out.push(f.len + 2);
        }
        return out;
    }
    let word = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    let name = text.iter().take_while(|b| word(b)).take(super::probe::LONGEST_NAME).count();
    let has_letter = text[..name].iter().any(u8::is_ascii_alphabetic);
    let whole = addr::scan(text).map_or(0, |f| f.len);
    if names && has_letter && (whole == 0 || (whole < name && text.get(whole).is_some_and(word))) {
        return std::vec![name];
    }
    if whole > 0 {
        out.push(whole);
        for end in (1..whole).rev() {
            if text[end] == b':' && addr::scan(&text[..end]).is_some_and(|f| f.len == end) {
                out.push(end);
            }
        }
    }
    out
}
