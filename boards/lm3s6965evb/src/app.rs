//! The application: log bytes in, bans out as JSON lines. Nothing here depends on the chip, so that a host can test it.

mod memory;

pub use memory::Memory;

use crate::json::Object;
use core::mem::{self, MaybeUninit};
use edgeban::addr::Prefix;
use edgeban::blocklist::{Ban, Change};
use edgeban::engine::{Clock, Engine, Input, Rules, Watcher};
use edgeban::frame::{self, Framer};
use edgeban::time::civil::Calendar;
use edgeban::time::recent::Recent;

/// Dates without a year are of the year before this: 2027-01-01T00:00:00Z. The chip has no calendar, and only the
/// differences between dates matter to a jail.
const CALENDAR: Calendar<'static> = Calendar::fixed(1_798_761_600_000, 0);

/// How much of the stack was used, in bytes; see `chip::stack`.
pub struct Stack {
    /// The deepest it has been.
    pub used: u32,
    /// What memory.x reserves for it.
    pub reserve: u32,
}

/// The whole flow over lent memory; `put` sends a byte out.
pub struct App<W: FnMut(u8)> {
    framer: Framer<'static>,
    frames: frame::Tally,
    engine: Engine<'static>,
    rules: Rules<'static>,
    put: W,
}

impl<W: FnMut(u8)> App<W> {
    /// Starts with empty tables, made in `place`. `None` where the sizes in [`Memory`] do not fit each other.
    pub fn new(place: &'static mut MaybeUninit<Memory>, put: W) -> Option<Self> {
        let (framer, engine, rules) = Memory::make(place).parts()?;
        Some(Self { framer, frames: frame::Tally::default(), engine, rules, put })
    }

    /// Takes the next bytes of the log stream.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let Self { framer, frames, engine, rules, put } = self;
        let dates = Recent::new(CALENDAR);
        let input = Input { stream: 0, jails: u32::MAX, clock: Clock::Replay(&dates) };
        framer.push(bytes, frames, &mut |line| {
            engine.line(rules, line, &input, &mut Printer { rules, put });
        });
    }

    /// Prints the summary line. `overruns` is how many bytes the UART lost.
    pub fn finish(&mut self, overruns: u32, stack: Stack) {
        let (mut sentences, mut gave_up) = (0, 0);
        self.engine.counters(&mut |_, name, n| match name {
            "sentences" => sentences = n,
            "match_fuel" | "match_stack" => gave_up += n,
            _ => {}
        });
        let mut object = Object::open(&mut self.put);
        object.text("event", b"end");
        object.number("lines", self.frames.lines.get());
        object.number("overlong", self.frames.overlong.get());
        object.number("sentences", sentences);
        object.number("undecided", gave_up);
        object.number("overruns", u64::from(overruns));
        object.number("stack", u64::from(stack.used));
        object.number("stack_reserve", u64::from(stack.reserve));
        object.number("tables", mem::size_of::<Memory>() as u64);
        object.close();
    }
}

/// Prints each change of the blocklist.
struct Printer<'a, 'r, W: FnMut(u8)> {
    rules: &'a Rules<'r>,
    put: &'a mut W,
}

impl<W: FnMut(u8)> Watcher for Printer<'_, '_, W> {
    fn change(&mut self, change: Change) {
        let (event, ban, at): (&[u8], Ban, _) = match change {
            Change::Added(ban) | Change::Renewed { ban, .. } => (b"ban", ban, ban.since),
            Change::Removed(ban, _) => (b"unban", ban, ban.until),
        };
        let target: Prefix = ban.target;
        let mut object = Object::open(self.put);
        object.number("time", at.secs());
        object.text("event", event);
        object.text("ip", target.write().as_bytes());
        object.text("jail", self.rules.name(ban.jail).as_bytes());
        object.number("seconds", ban.until.since(ban.since).secs());
        object.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(log: &[u8]) -> String {
        let mut out = Vec::new();
        let mut app =
            App::new(Box::leak(Box::new(MaybeUninit::uninit())), |b| out.push(b)).expect("the tables fit");
        log.chunks(64).for_each(|chunk| app.bytes(chunk));
        app.finish(0, Stack { used: 0, reserve: 0 });
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_line_too_long_is_counted_and_its_tail_is_no_line() {
        let log = [vec![b'x'; 2000], b"y\nz\n".to_vec()].concat();
        let text = run(&log);
        assert!(text.contains("\"lines\":1,\"overlong\":1"), "{text}");
    }

    #[test]
    fn the_sample_gives_the_golden_file_on_a_host_too() {
        let text = run(include_bytes!("../sample.log"));
        let (events, _) = text.trim_end().rsplit_once('\n').expect("events, then a summary");
        assert_eq!(format!("{events}\n"), include_str!("../golden.jsonl"));
    }
}
