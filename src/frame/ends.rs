//! What ends a line, and what is cut off with it.

use memchr::{memchr, memchr2};

/// Which bytes end a line.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    Lf,
    LfNul,
    Nul,
}

impl Ends {
    /// Where the first terminator is.
    #[inline]
    pub(super) fn find(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Lf => memchr(b'\n', bytes),
            Self::LfNul => memchr2(b'\n', 0, bytes),
            Self::Nul => memchr(0, bytes),
        }
    }
}

/// A line without the CR of its CR LF; under [`Ends::Nul`] without the newlines that some senders put before the NUL.
#[inline]
pub(super) fn trim_cr(line: &[u8], ends: Ends) -> &[u8] {
    match ends {
        Ends::Nul => trim_end(line),
        Ends::Lf | Ends::LfNul => line.strip_suffix(b"\r").unwrap_or(line),
    }
}

/// A line of a file without the NULs in front of it; see [`super::Framing::Lf`].
#[inline]
pub(super) fn trim_hole(line: &[u8], ends: Ends) -> &[u8] {
    match line.first() {
        Some(0) if matches!(ends, Ends::Lf) => {
            let hole = line.iter().take_while(|b| **b == 0).count();
            line.get(hole..).unwrap_or(&[])
        }
        _ => line,
    }
}

/// A counted message without the terminators that some senders put at its end.
pub(super) fn trim_end(message: &[u8]) -> &[u8] {
    let kept = message.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | 0)).map_or(0, |i| i + 1);
    message.get(..kept).unwrap_or(&[])
}
