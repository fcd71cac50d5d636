//! The application: bytes in, JSON lines out. Knows nothing of the chip, so that a host can test it.

use crate::json::Object;
use edgeban::syslog::{self, Parsed};

/// The longest line: what a device takes, see the frame stage.
const LINE: usize = 1024;

/// Every table of the application. A board lends it as one static.
pub struct Memory {
    line: [u8; LINE],
}

impl Memory {
    /// Empty, all zero: lies in .bss.
    pub const NEW: Self = Self { line: [0; LINE] };
}

/// What the stack's paint tells at the end of a run, in bytes.
pub struct Stack {
    /// The deepest it has been.
    pub used: u32,
    /// What memory.x reserves for it.
    pub reserve: u32,
}

/// The whole flow, over lent memory and a way to put bytes out.
pub struct App<'m, W: FnMut(u8)> {
    memory: &'m mut Memory,
    used: usize,
    overlong: bool,
    lines: u64,
    dropped: u64,
    put: W,
}

impl<'m, W: FnMut(u8)> App<'m, W> {
    /// Starts empty.
    pub fn new(memory: &'m mut Memory, put: W) -> Self {
        Self { memory, used: 0, overlong: false, lines: 0, dropped: 0, put }
    }

    /// Takes one byte of the log stream.
    pub fn byte(&mut self, byte: u8) {
        if byte == b'\n' {
            if self.overlong {
                self.dropped += 1;
            } else {
                self.line();
            }
            (self.used, self.overlong) = (0, false);
        } else if let Some(slot) = self.memory.line.get_mut(self.used) {
            *slot = byte;
            self.used += 1;
        } else {
            self.overlong = true;
        }
    }

    /// One whole line.
    fn line(&mut self) {
        self.lines += 1;
        let line = self.memory.line.get(..self.used).unwrap_or(&[]);
        if let Parsed::Message(message) = syslog::parse(line) {
            let mut object = Object::open(&mut self.put);
            object.text("event", b"line");
            object.text("app", message.app);
            object.number("length", message.text.len() as u64);
            object.close();
        }
    }

    /// The last line: what was counted. `overruns` are bytes that the UART lost.
    pub fn finish(&mut self, overruns: u32, stack: Stack) {
        let mut object = Object::open(&mut self.put);
        object.text("event", b"end");
        object.number("lines", self.lines);
        object.number("overlong", self.dropped);
        object.number("overruns", u64::from(overruns));
        object.number("stack", u64::from(stack.used));
        object.number("stack_reserve", u64::from(stack.reserve));
        object.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_too_long_is_counted_and_its_tail_is_no_line() {
        let (mut memory, mut out) = (Box::new(Memory::NEW), Vec::new());
        let mut app = App::new(&mut memory, |b| out.push(b));
        [b'x'; LINE + 1].iter().chain(b"y\nz\n").for_each(|&b| app.byte(b));
        app.finish(0, Stack { used: 0, reserve: 0 });
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\"lines\":1,\"overlong\":1"), "{text}");
    }
}
