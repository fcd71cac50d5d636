//! Standard output and standard error, neither of which can make the program panic.

use super::{Done, Failure};
use crate::host::sys::stdio::Stdio;
pub(super) use crate::host::sys::stdio::say;
use std::format;
use std::io::{self, BufWriter, Write};

/// Writes `text` to standard output and nothing else.
pub(super) fn print(text: core::fmt::Arguments<'_>) -> Done {
    let mut out = Out::new();
    out.line(text);
    out.done()
}

/// Standard output behind a buffer. A reader that went away ends the program quietly, as `head` expects; any other
/// error ends it with exit code 1.
pub(super) struct Out(BufWriter<Stdio>);

impl Out {
    pub(super) fn new() -> Self {
        Self(BufWriter::with_capacity(1 << 16, Stdio::OUT))
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if let Err(e) = self.0.write_all(bytes) {
            end(&e);
        }
    }

    pub(super) fn line(&mut self, text: core::fmt::Arguments<'_>) {
        if let Err(e) = writeln!(self.0, "{text}") {
            end(&e);
        }
    }

    pub(super) fn done(mut self) -> Done {
        match self.0.flush() {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::Error(format!("standard output: {e}")))
            }
            _ => Ok(()),
        }
    }
}

/// Ends the program: nobody reads its output any more.
fn end(error: &io::Error) -> ! {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    say(format_args!("edgeban: standard output: {error}"));
    std::process::exit(1);
}
