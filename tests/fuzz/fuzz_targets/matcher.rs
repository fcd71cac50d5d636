//! The bytecode machine against a plain Pike VM: the same rule on the same text gives the same captures, with the memo
//! from the start and with the memo on demand, in steps that are bounded by the text. And every built-in filter on any
//! text, in the memory that a host lends: no give-up for want of steps or stack, work in proportion to the text, and
//! fields from within the text.
//!
//! The input is a rule, a newline, and a text. A rule that starts with `\x01` is spelled in [`PIECES`], a byte each, so
//! that mutations stay within the language. `\x02` in its place: no rule, and a part of the text again and again up to
//! the longest line, for work that grows faster than the text shows only there.
#![no_main]

use edgeban::filter::ops::Slot;
use edgeban::filter::{Rule, Set, Space, compile};
use edgeban::matcher::oracle::Pike;
use edgeban::matcher::{Active, AppSlot, Frame, Hit, Matcher, Outcome, Scratch, Source, Tally, run_with};
use edgeban::{matcher, rules, syslog};
use libfuzzer_sys::fuzz_target;

const PIECES: [&str; 64] = [
    "a",
    "b",
    "ab",
    " ",
    "1",
    ":",
    "\"",
    "from ",
    "<[ab]*>",
    "<[ab]+~>",
    "<[a-c ]*>",
    "<text>",
    "<text~>",
    "<[ab]{1,2}>",
    "<[a-c]{0,3}~>",
    "<word>",
    "<int>",
    "<!ab|c>",
    "<=a|b>",
    "<[abc ]*!ab>",
    "<qstr>",
    "<user>",
    "<[^a]>",
    "<port:int>",
    "<id:[ab]*>",
    "<sess:hex>",
    "<ip>",
    "<host>",
    "<...>",
    "{",
    "{",
    "{",
    "{",
    "}",
    "}",
    "}?",
    "}?",
    "}*",
    "}*",
    "|",
    "|",
    "|",
    "<[a]{2,200}>",
    "<[^ ]+>",
    "<[^ ]+~>",
    "<user:[^:]+>",
    "<sp>",
    "<hex>",
    "c",
    "d",
    "port ",
    "<user! from >",
    "<text! x>",
    "\\\"",
    "\\\\",
    "[",
    "]",
    "<[:0-9a-f]+>",
    "<[.0-9]+~>",
    "<user:word>",
    "<[a ]{0,5}>",
    "<port:hex>",
    "x",
    "<!a>",
];

/// Longer texts only make the oracle slow: it is quadratic.
const LONGEST: usize = 300;
/// The machine may enter a choice point once at each position, and look at a byte a few times; a filter has many rules.
const STEPS_A_BYTE: u64 = 2_000;
/// The longest line that a host takes by default.
const MAX_LINE: usize = 8_192;

fn against_the_oracle(rule: &str, text: &[u8]) {
    let source = format!("filter t\napp t\nfail {rule}");
    let (mut code, mut sets, mut rules) = (vec![0; 4096], vec![Set::NONE; 32], vec![Rule::EMPTY; 4]);
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    let Some(filter) = compile(&source, space, &mut |_| {}) else { return };
    let (mut stack, mut memo) = (vec![Frame::EMPTY; 8192], vec![0; 32 * 1024]);
    for rule in filter.rules {
        let plain = Pike { code: filter.code, sets: filter.sets, text }.run(rule.entry);
        let choices = u64::from(filter.code[usize::from(rule.entry)]);
        for eager in [false, true] {
            let mut scratch = Scratch { stack: &mut stack, memo: &mut memo, steps: 0 };
            let fast = run_with(filter.code, filter.sets, rule.entry, text, &mut scratch, eager);
            let length = text.len() as u64;
            // Before the memo, with it, and what the steps that pass the two limits may pass them by.
            let bound = 2 * (length + 64) + 16 * (choices + 1) * (length + 1) + 2 * (length + 64);
            assert!(scratch.steps <= bound, "{} steps on {length} bytes", scratch.steps);
            match (fast, plain) {
                (Outcome::No, None) | (Outcome::Fuel | Outcome::Stack, _) => {}
                (Outcome::Match(captures, end), Some((slots, plain_end))) => {
                    assert_eq!(end, plain_end, "eager {eager}");
                    for slot in [Slot::Source, Slot::User, Slot::Port, Slot::Sess, Slot::Id] {
                        let (from, to) = (slots[slot as usize] as usize, slots[slot as usize + 1] as usize);
                        assert_eq!(captures.get(slot, text), text.get(from..to), "{slot:?}, eager {eager}");
                    }
                }
                (fast, plain) => panic!("machine {fast:?}, oracle {plain:?}, eager {eager}"),
            }
        }
    }
}

fn inside(part: &[u8], whole: &[u8]) -> bool {
    part.is_empty()
        || whole.as_ptr_range().start <= part.as_ptr()
            && part.as_ptr_range().end <= whole.as_ptr_range().end
}

fn within(hit: &Hit<'_>, text: &[u8]) {
    let name = match hit.source {
        Source::Host(name) => Some(name),
        Source::None | Source::Ip(_) => None,
    };
    assert!([hit.user, hit.sess, hit.id, name].into_iter().flatten().all(|part| inside(part, text)));
}

fn through_every_filter(text: &[u8]) {
    let (mut stack, mut memo) = ([matcher::Frame::EMPTY; 256], vec![0; 32 * (MAX_LINE / 32 + 4)]);
    let mut scratch = matcher::Scratch { stack: &mut stack, memo: &mut memo, steps: 0 };
    for filter in rules::ALL {
        let active = [Active { filter: *filter, mode: u8::MAX }];
        let mut slots = [AppSlot::EMPTY; 64];
        let index = Matcher::new(&active, &mut slots).expect("64 slots are enough for one filter");
        let app = filter.apps.split_ascii_whitespace().next().unwrap_or("x").trim_end_matches('*');
        let mut tally = Tally::default();
        let message =
            syslog::Message { form: syslog::Form::Bsd, app: app.as_bytes(), ..syslog::Message::raw(text) };
        for message in [message, syslog::Message::raw(text)] {
            let (before, mut hits) = (scratch.steps, 0);
            index.each(&message, index.wanted(&message, u32::MAX), &mut scratch, &mut tally, &mut |hit| {
                hits += 1;
                within(hit, text);
            });
            assert!(hits <= 1);
            let work = scratch.steps - before;
            assert!(
                work <= STEPS_A_BYTE * (text.len() as u64 + 16),
                "{work} steps on {} bytes",
                text.len()
            );
        }
        assert_eq!(tally.match_fuel.get(), 0, "{} gave up on {} bytes", filter.name, text.len());
        // Their lines repeat a group before a literal that starts as it does; the daemon bounds how often.
        if !["asterisk", "postfix"].contains(&filter.name) {
            assert_eq!(
                tally.match_stack.get(),
                0,
                "{} is out of stack on {} bytes",
                filter.name,
                text.len()
            );
        }
    }
}

/// `text` with a part of it repeated; its last two bytes say which.
fn stretched(text: &[u8]) -> Vec<u8> {
    let [text @ .., from, len] = text else { return Vec::new() };
    let (head, rest) = text.split_at(usize::from(*from).min(text.len()));
    let (part, tail) = rest.split_at(usize::from(*len).clamp(1, 64).min(rest.len()));
    let room = MAX_LINE.saturating_sub(text.len());
    let again =
        part.iter().copied().cycle().take(if part.is_empty() { 0 } else { room - room % part.len() });
    head.iter().copied().chain(again).chain(part.iter().chain(tail).copied()).collect()
}

fuzz_target!(|data: &[u8]| {
    let (rule, text) = match data.iter().position(|b| *b == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (&b""[..], data),
    };
    let text = &text[..text.len().min(MAX_LINE)];
    let short = &text[..text.len().min(LONGEST)];
    match rule {
        [1, pieces @ ..] => {
            let rule: String = pieces.iter().map(|b| PIECES[usize::from(*b) % PIECES.len()]).collect();
            against_the_oracle(&rule, short);
        }
        [2, ..] => through_every_filter(&stretched(text)),
        rule => {
            if let Ok(rule) = core::str::from_utf8(rule) {
                against_the_oracle(rule, short);
            }
            through_every_filter(text);
        }
    }
});
