//! Floor 1: bytes in chunks of any size become lines.
//!
//! In: chunks of one stream in order, or datagrams. Out: each line's bytes without its terminator, as they came
//! (NULs, invalid UTF-8), never empty, in order. A line that lies whole in a chunk is lent from the chunk; only what
//! spans chunks is copied, into the buffer that the caller lends. That buffer's length is the line limit (a CR before
//! the LF counts). A longer line is dropped whole and counted, so that neither its start nor its end is ever read as a
//! line. Work is linear in the bytes. Nothing here panics or fails; losses are counted in [`Tally`].
//!
//! [`Framer`] does it all: `ends` finds terminators, `octets` reads counts. The lines go to [`crate::syslog`], through
//! [`crate::engine::Engine::line`].

mod ends;
mod framer;
mod octets;
#[cfg(test)]
mod tests;

use crate::tally::tally;

pub use framer::Framer;

/// How a source marks where a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// LF or CR LF. For files. A NUL does not end a line here, since a daemon may log one that a client sent; but NULs
    /// at the start of a line are dropped, since a file that is truncated while a daemon writes to it gets a hole of them.
    Lf,
    /// LF, CR LF or NUL. For streams of one message after another (RFC 6587 section 3.4.2, OpenWrt's
    /// `log_trailer_null`).
    Newline,
    /// NUL only. Newlines within a message stay in it; those at its end are cut.
    Nul,
    /// `LENGTH SP message`, again and again (RFC 6587 section 3.4.1).
    OctetCounted,
    /// [`Framing::OctetCounted`] if the stream starts with a count (a digit from 1 to 9, more digits, a blank),
    /// [`Framing::Newline`] if not.
    Auto,
    /// Each chunk is one message. Newlines within it stay in it; LF, CR LF and NUL at its end are cut.
    Datagram,
}

tally! {
    /// What became of the bytes.
    pub struct Tally {
        /// Lines handed on.
        lines,
        /// Lines longer than the limit: dropped.
        overlong,
        /// Lines cut off by the end of their stream: dropped.
        partial,
        /// Streams with an invalid octet count: the rest of each is not read.
        broken,
    }
}
