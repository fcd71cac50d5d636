//! Standard output, and the sums that `test` and `replay` end with.

use super::{Done, Failure};
use crate::host::sys::stdio::Stdio;
use std::format;
use std::io::{self, BufWriter, Write};

/// Standard output behind a buffer. A reader that went away ends the program quietly, as `head` expects.
pub(super) struct Out(BufWriter<Stdio>);

impl Out {
    pub(super) fn new() -> Self {
        Self(BufWriter::with_capacity(1 << 16, Stdio::OUT))
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if self.0.write_all(bytes).is_err() {
            std::process::exit(0);
        }
    }

    pub(super) fn line(&mut self, text: core::fmt::Arguments<'_>) {
        if writeln!(self.0, "{text}").is_err() {
            std::process::exit(0);
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
