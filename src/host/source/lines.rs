//! A stream's [`Framer`] with its own line buffer, which is freed with the stream.

use super::SourceTally;
use crate::frame::{Framer, Framing, Tally};
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::boxed::Box;
use std::vec;

/// The longest line; set before the first source opens.
static LONGEST: AtomicUsize = AtomicUsize::new(8192);

/// The longest line in bytes that any source hands up.
pub(super) fn longest() -> usize {
    LONGEST.load(Ordering::Relaxed)
}

/// Sets the longest line, in bytes (`max_line`), for streams that are opened from now on.
pub fn set_longest(bytes: usize) {
    LONGEST.store(bytes, Ordering::Relaxed);
}

/// Bytes in, whole lines out.
pub(super) struct Lines {
    framing: Framing,
    /// `None` only while it is dropped.
    framer: Option<Framer<'static>>,
}

impl Lines {
    fn new(framing: Framing) -> Self {
        let framer = Framer::new(Box::leak(vec![0; longest()].into_boxed_slice()), framing);
        Self { framing, framer: Some(framer) }
    }

    /// The lines of a file or of a program's output.
    pub(super) fn text() -> Self {
        Self::new(Framing::Lf)
    }

    /// A byte stream that is cut into lines so.
    pub(super) fn stream(framing: Framing) -> Self {
        Self::new(framing)
    }

    /// Every piece is one message.
    pub(super) fn datagram() -> Self {
        Self::new(Framing::Datagram)
    }

    /// Takes the next piece and hands up the lines that it ends.
    pub(super) fn push(&mut self, data: &[u8], tally: &mut SourceTally, line: &mut dyn FnMut(&[u8])) {
        self.with(tally, |framer, tally| framer.push(data, tally, &mut |l| line(l)));
    }

    /// The input is complete: hands up a last line that has no newline.
    pub(super) fn finish(&mut self, tally: &mut SourceTally, line: &mut dyn FnMut(&[u8])) {
        self.with(tally, |framer, tally| framer.finish(tally, &mut |l| line(l)));
    }

    /// Drops what is held: its end will not come.
    pub(super) fn abandon(&mut self, tally: &mut SourceTally) {
        self.with(tally, |framer, tally| framer.close(tally));
    }

    /// Whether nothing more can come of the stream.
    pub(super) fn is_broken(&self) -> bool {
        self.framer.as_ref().is_some_and(Framer::is_broken)
    }

    fn with(&mut self, tally: &mut SourceTally, f: impl FnOnce(&mut Framer<'static>, &mut Tally)) {
        let mut framed = Tally::default();
        if let Some(framer) = &mut self.framer {
            f(framer, &mut framed);
        }
        tally.lines.add(framed.lines.get());
        tally.overlong.add(framed.overlong.get());
        tally.partial.add(framed.partial.get());
        tally.broken.add(framed.broken.get());
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(framer) = self.framer.take() {
            // SAFETY: every buffer came from `Box::leak`, was lent to this framer alone, and the framer is gone.
            drop(unsafe { Box::from_raw(framer.into_buffer()) });
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lines").field(&self.framing).finish()
    }
}
