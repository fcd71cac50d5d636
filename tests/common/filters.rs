//! One built-in filter with memory of its own, for tests: a line in, what the filter says of it out.

use edgeban::matcher::{Active, AppSlot, Frame, Hit, Matcher, Scratch, Tally};
use edgeban::rules;
use edgeban::syslog::{Message, Parsed, parse};

/// A filter in a mode, with the stack and memo to run it.
pub(crate) struct Memory {
    active: [Active<'static>; 1],
    stack: Vec<Frame>,
    memo: Vec<u32>,
}

impl Memory {
    /// For the filter `name` in `mode`, as much as a device lends.
    pub(crate) fn new(name: &str, mode: &str) -> Self {
        let filter = *rules::find(name).unwrap_or_else(|| panic!("no filter {name}"));
        let mode = filter.mode(mode).unwrap_or_else(|| panic!("{name} has no mode {mode}"));
        Self { active: [Active { filter, mode }], stack: vec![Frame::EMPTY; 64], memo: vec![0; 1120] }
    }

    /// Calls `told` with the message that `line` is and with the filter's hit.
    pub(crate) fn run<'t>(
        &mut self,
        line: &'t [u8],
        told: &mut impl FnMut(&Message<'t>, Hit<'t>),
    ) -> Tally {
        let mut tally = Tally::default();
        let mut slots = [AppSlot::EMPTY; 32];
        let matcher = Matcher::new(&self.active, &mut slots).expect("enough slots");
        let mut scratch = Scratch { stack: &mut self.stack, memo: &mut self.memo, steps: 0 };
        let Parsed::Message(message) = parse(line) else { return tally };
        matcher.each(&message, matcher.wanted(&message, 1), &mut scratch, &mut tally, &mut |hit| {
            told(&message, *hit)
        });
        tally
    }
}
