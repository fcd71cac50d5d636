//! The bytecode machine against a plain Pike VM: the same rule on the same text gives the same captures. And every
//! built-in filter on any text: no panic, work in proportion to the text.
#![no_main]

pub use edgeban::{addr, filter};

/// What the oracle's file expects beside it, as in src/matcher/machine.rs.
mod machine {
    pub const LONGEST_NAME: usize = 255;
}
#[path = "../../../src/matcher/oracle.rs"]
mod oracle;

use arbitrary::Arbitrary;
use edgeban::filter::ops::Slot;
use edgeban::filter::{Rule, Set, Space, compile};
use edgeban::matcher::{Active, AppSlot, Frame, Matcher, Outcome, Scratch, Tally, run};
use edgeban::{rules, syslog};
use libfuzzer_sys::fuzz_target;
use oracle::Pike;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    rule: &'a str,
    text: &'a [u8],
}

/// Longer texts only make the oracle slow: it is quadratic.
const LONGEST: usize = 200;
/// The machine may enter a choice point once at each position, and look at a byte a few times.
const STEPS_A_BYTE: u64 = 2_000;

fn against_the_oracle(rule: &str, text: &[u8]) {
    let source = format!("filter t\nfail {rule}");
    let (mut code, mut sets, mut rules) = (vec![0; 4096], vec![Set::NONE; 32], vec![Rule::EMPTY; 16]);
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    let Some(filter) = compile(&source, space, &mut |_| {}) else { return };
    let (mut stack, mut memo) = (vec![Frame::EMPTY; 8192], vec![0; 32 * 1024]);
    let mut scratch = Scratch { stack: &mut stack, memo: &mut memo, steps: 0 };
    for rule in filter.rules {
        let fast = run(filter.code, filter.sets, rule.entry, text, &mut scratch);
        let plain = Pike { code: filter.code, sets: filter.sets, text }.run(rule.entry);
        match (fast, plain) {
            (Outcome::No, None) | (Outcome::Fuel | Outcome::Stack, _) => {}
            (Outcome::Match(captures, end), Some((slots, plain_end))) => {
                assert_eq!(end, plain_end);
                for slot in [Slot::Source, Slot::User, Slot::Port, Slot::Sess, Slot::Id] {
                    let (from, to) = (slots[slot as usize] as usize, slots[slot as usize + 1] as usize);
                    assert_eq!(captures.get(slot, text), text.get(from..to), "{slot:?}");
                }
            }
            (fast, plain) => panic!("machine {fast:?}, oracle {plain:?}"),
        }
    }
}

fn through_every_filter(text: &[u8]) {
    let (mut stack, mut memo) = ([Frame::EMPTY; 256], vec![0; 8192]);
    let mut scratch = Scratch { stack: &mut stack, memo: &mut memo, steps: 0 };
    let mut tally = Tally::default();
    for filter in rules::ALL {
        let active = [Active { filter: *filter, mode: u8::MAX }];
        let mut slots = [AppSlot::EMPTY; 64];
        let index = Matcher::new(&active, &mut slots).expect("64 slots are enough for one filter");
        let app =
            filter.apps.split_ascii_whitespace().next().unwrap_or("x").trim_end_matches('*').as_bytes();
        let mut message = syslog::Message::raw(text);
        message.form = syslog::Form::Bsd;
        message.app = app;
        let before = scratch.steps;
        index.each(&message, u32::MAX, &mut scratch, &mut tally, &mut |hit| {
            assert!(hit.user.is_none_or(|user| user.len() <= text.len()));
        });
        let work = scratch.steps - before;
        assert!(work <= STEPS_A_BYTE * (text.len() as u64 + 16), "{work} steps on {} bytes", text.len());
    }
}

fuzz_target!(|input: Input| {
    let text = &input.text[..input.text.len().min(LONGEST)];
    against_the_oracle(input.rule, text);
    through_every_filter(input.text);
});
