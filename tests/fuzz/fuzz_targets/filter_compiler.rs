//! Any text through the filter compiler: tables that the machine can run, or errors that name a place in the text.
#![no_main]

use edgeban::filter::{Rule, Set, Space, compile};
use edgeban::matcher::{Frame, Outcome, Scratch, run};
use libfuzzer_sys::fuzz_target;

const SAMPLE: &[u8] = b"Failed password for invalid user x from 192.0.2.7 port 22 ssh2";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let (mut code, mut sets, mut rules) = (vec![0; 4096], vec![Set::NONE; 32], vec![Rule::EMPTY; 16]);
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    let (mut errors, lines) = (0, text.lines().count().max(1));
    let filter = compile(text, space, &mut |error| {
        errors += 1;
        assert!(error.line >= 1 && usize::from(error.line) <= lines && error.column >= 1, "{error:?}");
    });
    assert_eq!(filter.is_none(), errors > 0, "refused without a word, or accepted with one");
    let Some(filter) = filter else { return };
    let mut scratch = Scratch { stack: &mut [Frame::EMPTY; 256], memo: &mut [0; 4096], steps: 0 };
    for entry in filter.rules.iter().map(|rule| rule.entry).chain(filter.strip) {
        for line in [SAMPLE, data] {
            if let Outcome::Match(_, end) = run(filter.code, filter.sets, entry, line, &mut scratch) {
                assert!(end <= line.len());
            }
        }
    }
});
