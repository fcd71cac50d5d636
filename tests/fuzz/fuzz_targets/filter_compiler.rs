//! Any text through the filter compiler: errors that name a place in the text, or tables that are whole: every byte of
//! code is an instruction, every target, set and slot exists, no path through a rule has free text on both sides of the
//! address, and what dispatch goes by (first bytes, key, needed literal) holds for texts that the rule matches.
#![no_main]

use edgeban::filter::ops::{self, Mode, Op, SLOTS, Slot};
use edgeban::filter::{Error, Filter, Problem, Rule, Set, Space, compile};
use edgeban::matcher::{Active, AppSlot, Frame, Matcher, Outcome, Scratch, run};
use edgeban::syslog::{Form, Message};
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};

/// The instructions of the program at `entry`, which ends where the next one starts.
fn decode<'c>(filter: &Filter<'c>, entry: u16, end: u16) -> BTreeMap<u16, (Op<'c>, u16)> {
    let (mut found, mut pc) = (BTreeMap::new(), entry + 1);
    while pc < end {
        let (op, next) = ops::decode(filter.code, pc).expect("an instruction");
        assert!(next > pc && next <= end, "an instruction beyond its program");
        found.insert(pc, (op, next));
        pc = next;
    }
    assert!(matches!(found.last_key_value(), Some((_, (Op::Match, _)))), "a program without an end");
    found
}

fn sound(filter: &Filter<'_>, entry: u16, program: &BTreeMap<u16, (Op<'_>, u16)>) {
    let choices = filter.code[usize::from(entry)];
    let mut numbers = BTreeSet::new();
    let set = |index: u8| assert!(index == ops::ANY || usize::from(index) < filter.sets.len());
    for (op, _) in program.values() {
        let choice = match *op {
            Op::Lit(bytes) => {
                assert!(!bytes.is_empty());
                None
            }
            Op::Set(index) => {
                set(index);
                None
            }
            Op::Run(run) => {
                set(run.set);
                assert!(run.min <= run.max && run.max > 0);
                (run.mode != Mode::Possessive).then_some(run.choice)
            }
            Op::Ip(choice) | Op::Host(choice) => Some(choice),
            Op::Split(choice, target) => {
                assert!(program.contains_key(&target), "a target between instructions");
                Some(choice)
            }
            Op::Jmp(target) => {
                assert!(program.contains_key(&target), "a target between instructions");
                None
            }
            Op::Save(slot) => {
                assert!(usize::from(slot) < SLOTS);
                None
            }
            Op::Look(_, list) => {
                let read: usize = ops::literals(list).map(|literal| literal.len() + 1).sum();
                assert!(read == list.len() && read > 0 && ops::literals(list).all(|l| !l.is_empty()));
                None
            }
            Op::Quoted | Op::End | Op::Match => None,
        };
        if let Some(choice) = choice {
            assert!(choice < choices, "a choice point without a number");
            assert!(numbers.insert(choice), "two choice points with one number");
        }
    }
}

/// What is known on one path: the lint's words, without the lint.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Path<'c> {
    open: bool,
    lazy: bool,
    address: bool,
    exposed: bool,
    ended: bool,
    /// A user's name begins here.
    user: bool,
    /// Some free text has no literal that it ends before.
    loose: bool,
    /// The literals that free text ends before.
    bounds: BTreeSet<&'c [u8]>,
    /// The literal directly before this place.
    last: &'c [u8],
    /// The literal before the address.
    mark: &'c [u8],
}

impl<'c> Path<'c> {
    /// Free text up to `until`.
    fn free(&mut self, until: &'c [u8]) {
        let inside = !until.is_empty() && self.mark.windows(until.len()).any(|part| part == until);
        assert!(!self.exposed || !self.loose && inside, "free text on both sides of the address");
        self.open = true;
        self.loose |= until.is_empty();
        self.bounds.extend((!until.is_empty()).then_some(until));
    }
}

/// No path through a rule lets free text move the address.
fn not_forgeable<'c>(filter: &Filter<'c>, program: &BTreeMap<u16, (Op<'c>, u16)>) {
    let mut seen = BTreeSet::new();
    let mut todo = vec![(*program.first_key_value().expect("an instruction").0, Path::default())];
    while let Some((pc, mut path)) = todo.pop() {
        if !seen.insert((pc, path.clone())) {
            continue;
        }
        let (op, next) = program[&pc];
        let user = core::mem::take(&mut path.user);
        let last = core::mem::take(&mut path.last);
        if user && !matches!(op, Op::Run(_)) {
            path.free(&[]);
        }
        match op {
            Op::Run(run) => {
                let set = ops::set(filter.sets, run.set);
                let letters = (b'a'..=b'z').any(|b| set.has(b) || set.has(b.to_ascii_uppercase()));
                let open = set.has(b' ') && letters && run.max > 1;
                path.lazy |= open && run.mode == Mode::Lazy;
                if open || user {
                    path.free(run.until);
                }
            }
            Op::Quoted => path.free(&[]),
            Op::Save(slot) => {
                path.user = slot == Slot::User as u8;
                path.last = last;
            }
            Op::Ip(_) | Op::Host(_) => {
                assert!(!path.address, "two addresses on one path");
                assert!(!path.lazy, "lazy free text before the address");
                (path.address, path.exposed, path.mark) = (true, path.open, last);
                let inside = |until: &&[u8]| last.windows(until.len()).any(|part| part == *until);
                path.loose |= !path.bounds.iter().all(inside);
            }
            Op::Split(_, target) => todo.push((target, path.clone())),
            Op::Jmp(target) => {
                todo.push((target, path));
                continue;
            }
            Op::End => path.ended = true,
            Op::Match => {
                assert!(path.ended || !path.exposed, "anything may follow an exposed address");
                continue;
            }
            Op::Lit(bytes) => path.last = bytes,
            Op::Set(_) | Op::Look(..) => {}
        }
        todo.push((next, path));
    }
}

/// Choices from the fuzzer's bytes.
struct Dice<'d>(core::iter::Cycle<core::slice::Iter<'d, u8>>, u32);

impl Dice<'_> {
    fn below(&mut self, n: usize) -> usize {
        let byte = self.0.next().copied().unwrap_or(0);
        self.1 = self.1.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f ^ u32::from(byte));
        (self.1 >> 8) as usize % n.max(1)
    }
}

/// A text that the program at `entry` probably matches: one walk through it.
fn text_for(filter: &Filter<'_>, entry: u16, dice: &mut Dice<'_>) -> Vec<u8> {
    let (mut text, mut pc) = (Vec::new(), entry + 1);
    let member = |set: &Set, dice: &mut Dice<'_>| {
        let from = dice.below(256) as u8;
        (0..=255u8).map(|b| b.wrapping_add(from)).find(|&b| set.has(b))
    };
    for _ in 0..300 {
        let Some((op, next)) = ops::decode(filter.code, pc) else { break };
        pc = next;
        match op {
            Op::Lit(bytes) => text.extend_from_slice(bytes),
            Op::Set(index) => text.extend(member(ops::set(filter.sets, index), dice)),
            Op::Run(run) => {
                let more = if run.max == ops::UNBOUNDED { 3 } else { usize::from(run.max - run.min) };
                for _ in 0..usize::from(run.min) + dice.below(more.min(3) + 1) {
                    text.extend(member(ops::set(filter.sets, run.set), dice));
                }
            }
            Op::Ip(_) => {
                text.extend_from_slice([&b"192.0.2.7"[..], b"2001:db8::9", b"[::1]"][dice.below(3)])
            }
            Op::Host(_) => text.extend_from_slice([&b"192.0.2.7"[..], b"a.example", b"::1"][dice.below(3)]),
            Op::Quoted => text.extend_from_slice(br#""a\"b""#),
            Op::Split(_, target) => {
                if dice.below(2) == 1 {
                    pc = target;
                }
            }
            Op::Jmp(target) => pc = target,
            Op::Save(_) | Op::Look(..) => {}
            Op::End => break,
            Op::Match => {
                text.extend_from_slice([&b""[..], b" and more"][dice.below(2)]);
                break;
            }
        }
    }
    text
}

/// A text that a rule matches is one that dispatch lets this rule see.
fn seen_by_dispatch(filter: &Filter<'_>, place: usize, text: &[u8]) {
    let rule = &filter.rules[place];
    let Some(&first) = text.first() else { return };
    let second = text.get(1).map_or(0, |b| *b);
    for (starts, b) in filter.starts.iter().zip([first, second]) {
        assert!(starts[usize::from(b % 16)] >> place.min(63) & 1 == 1, "not among the starts");
    }
    let start = text.iter().take(4).rev().fold(0, |n, &b| n << 8 | u32::from(b));
    assert_eq!(start & rule.mask, rule.key, "not under the key");
    let need = &filter.code[usize::from(rule.need.at)..][..usize::from(rule.need.len)];
    assert!(need.is_empty() || memchr::memmem::find(text, need).is_some(), "without the needed literal");
}

/// The whole way, from the message: some rule speaks, or the machine gave up.
fn spoken_of(filter: &Filter<'_>, text: &[u8], scratch: &mut Scratch<'_>) {
    let mut one = *filter;
    (one.apps, one.strip, one.kind) = ("x", None, edgeban::filter::Kind::Syslog);
    let active = [Active { filter: one, mode: u8::MAX }];
    let mut slots = [AppSlot::EMPTY; 4];
    let matcher = Matcher::new(&active, &mut slots).expect("a slot");
    let message = Message { form: Form::Bsd, app: b"x", ..Message::raw(text) };
    let (mut tally, mut hits) = (Default::default(), 0);
    matcher.each(&message, matcher.wanted(&message, 1), scratch, &mut tally, &mut |_| hits += 1);
    assert!(hits == 1 || tally != Default::default(), "the rule matches and is not found");
}

fn made<T>(
    text: &str,
    [code, sets, rules]: [usize; 3],
    f: impl FnOnce(Option<Filter<'_>>, &[Error]) -> T,
) -> T {
    let (mut code, mut sets, mut rules) = (vec![0; code], vec![Set::NONE; sets], vec![Rule::EMPTY; rules]);
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    let mut errors = Vec::new();
    let filter = compile(text, space, &mut |error| errors.push(error));
    f(filter, &errors)
}

fn whole(filter: &Filter<'_>, text: &str, data: &[u8]) {
    let lines = text.lines().count();
    assert!(!filter.name.is_empty() && !filter.rules.is_empty());
    let mut entries: Vec<u16> = filter.rules.iter().map(|rule| rule.entry).chain(filter.strip).collect();
    entries.sort_unstable();
    assert_eq!(entries.first(), Some(&0));
    let (code, pad) = filter.code.split_at(filter.code.len() - ops::PAD);
    assert!(pad.iter().all(|b| *b == 0), "padding that is none");
    let ends = entries.iter().skip(1).copied().chain([code.len() as u16]);
    let mut dice = Dice(data.iter().cycle(), 1);
    let (mut stack, mut memo) = (vec![Frame::EMPTY; 512], vec![0; 32 * 1024]);
    let mut scratch = Scratch { stack: &mut stack, memo: &mut memo, steps: 0 };
    for (&entry, end) in entries.iter().zip(ends) {
        let program = decode(filter, entry, end);
        sound(filter, entry, &program);
        let Some(place) = filter.rules.iter().position(|rule| rule.entry == entry) else { continue };
        let rule = &filter.rules[place];
        assert!((1..=filter.rules.len()).contains(&usize::from(rule.ordinal)));
        assert!((1..=lines).contains(&usize::from(rule.line)));
        assert!(usize::from(rule.need.at) + usize::from(rule.need.len) <= code.len());
        assert!(rule.need.rare < rule.need.len.max(1));
        not_forgeable(filter, &program);
        for _ in 0..4 {
            let text = text_for(filter, entry, &mut dice);
            if let Outcome::Match(_, end) = run(filter.code, filter.sets, entry, &text, &mut scratch) {
                assert!(end <= text.len());
                seen_by_dispatch(filter, place, &text);
                if !text.is_empty() {
                    spoken_of(filter, &text, &mut scratch);
                }
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let lines: Vec<&str> = text.lines().collect();
    let used = made(text, [8192, 64, 64], |filter, errors| {
        assert_eq!(filter.is_none(), !errors.is_empty(), "refused without a word, or accepted with one");
        for error in errors {
            let line = lines.get(usize::from(error.line).wrapping_sub(1)).map_or(0, |line| line.len());
            assert!(error.line >= 1 && usize::from(error.line) <= lines.len().max(1), "{error:?}");
            assert!((1..=line + 1).contains(&usize::from(error.column)), "{error:?} in {line} bytes");
        }
        let filter = filter?;
        whole(&filter, text, data);
        Some([filter.code.len(), filter.sets.len(), filter.rules.len()])
    });
    let Some(used) = used else { return };
    // The same again in memory that is just enough, and a word where it is one too few.
    assert!(made(text, used, |filter, _| filter.is_some()));
    for short in 0..3 {
        let mut room = used;
        let Some(less) = room[short].checked_sub(1) else { continue };
        room[short] = less;
        made(text, room, |filter, errors| {
            assert!(filter.is_none() && errors.iter().any(|error| error.problem == Problem::NoSpace));
        });
    }
});
