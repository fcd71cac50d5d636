//! Where log bytes come from: UDP, TCP, Unix datagrams, files, `logread -f`, standard input.
//!
//! In: a list of [`Spec`]s and readiness from the [`Poller`]. Out: whole lines, one call each. One thread serves all
//! sources and does a bounded amount of work for each in a turn, so that none starves another; what is left is done in the
//! next turn.
//!
//! ```text
//! sources.apply(&poller, specs, now, |error| …);
//! loop {
//!     for event in poller.wait(sources.timeout(now))? {
//!         if event.token.owner == Sources::OWNER { sources.ready(&poller, event.token, now, &mut on_line) }
//!     }
//!     sources.turn(&poller, now, &mut on_line);
//! }
//! ```
//!
//! On [`Signal::Child`](super::sys::signal::Signal) call [`Sources::reap`], at the end [`Sources::stop`].
//!
//! Memory is taken when a source starts and when a connection comes: one read buffer of 64 KiB for all, and one line buffer
//! for each stream, freed with it. Lines allocate nothing. What is lost is counted in [`SourceTally`].

mod error;
pub mod file;
mod glob;
mod lines;
mod logread;
mod sources;
mod stdin;
mod tcp;
mod udp;
mod unix;
mod watches;

#[cfg(test)]
mod glob_tests;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use lines::set_longest;
pub use sources::{Sources, State};

use super::poll::Poller;
use crate::addr::Addr;
use crate::frame::Framing;
use crate::tally::tally;
use crate::time::Instant;
use core::net::SocketAddr;
use std::ffi::CString;
use std::path::PathBuf;
use std::vec::Vec;

/// The bytes read at once, and the longest datagram.
pub const READ: usize = 65_536;

/// A source as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// Syslog over UDP (RFC 5426), one message in each datagram.
    Udp {
        /// Where to listen.
        listen: SocketAddr,
    },
    /// Syslog over TCP (RFC 6587), octet-counted or newline-ended.
    Tcp {
        /// Where to listen.
        listen: SocketAddr,
        /// The most connections at once; one more closes another.
        connections: u16,
        /// How messages end.
        framing: Framing,
    },
    /// A datagram socket that `syslog(3)` writes to.
    Unix {
        /// `/dev/log`, usually.
        path: PathBuf,
    },
    /// A log file, followed over rotations, or all that a pattern names.
    File {
        /// Its name; it need not exist. With `*` or `?` it is a pattern.
        path: PathBuf,
    },
    /// A command whose output is the log, started again when it ends.
    Logread {
        /// Program and arguments: `logread -f`.
        argv: Vec<CString>,
    },
    /// Standard input, to its end.
    Stdin {
        /// How lines end.
        framing: Framing,
    },
}

impl Spec {
    /// Whether it listens on an IPv6 address.
    pub fn is_v6(&self) -> bool {
        matches!(self, Self::Udp { listen } | Self::Tcp { listen, .. } if listen.is_ipv6())
    }

    /// `logread -f`, the only call that OpenWrt's logread and syslog-ng's wrapper both understand.
    pub fn logread() -> Self {
        Self::Logread { argv: [c"logread", c"-f"].map(Into::into).to_vec() }
    }
}

/// Which source: its place in [`Sources`], which it keeps for as long as its [`Spec`] is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u16);

/// Which stream of a source: a number for each TCP connection (not used again before 2³² others), 0 elsewhere.
/// Datagram sockets have one stream for all senders; [`LineMeta::from`] tells those apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamKey(pub u32);

/// What a source knows of a line beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineMeta {
    /// The line was in a file before edgeban came to it: its own stamp says when it was written.
    pub catch_up: bool,
    /// The line came with a file that has just appeared or was just emptied. That may be a new log or a copy of an old one:
    /// its own stamp says when it was written; without one it counts as new.
    pub fresh: bool,
    /// Who sent it, where it came over the network.
    pub from: Option<Addr>,
}

/// What is called for each line, without its terminator.
pub type OnLine<'a> = dyn FnMut(SourceId, StreamKey, &[u8], LineMeta) + 'a;

tally! {
    /// What a source has seen and lost.
    pub struct SourceTally {
        /// Lines handed up.
        lines,
        /// Bytes read.
        bytes,
        /// Lines longer than the line buffer, dropped through their end.
        overlong,
        /// Lines that had no end when their stream ended, dropped.
        partial,
        /// TCP connections whose octet counts made no sense, closed.
        broken,
        /// Datagrams that the kernel dropped because they came faster than they were read.
        dropped,
        /// TCP connections accepted.
        connections,
        /// TCP connections closed to make room for another.
        evicted,
        /// Files that had become another while keeping their name's inode: read again from their start.
        truncated,
        /// Files that had been renamed or removed, and were read to their end.
        rotated,
        /// Rotated files that were gone before they could be recognised or opened.
        untraced,
        /// Files that a pattern names and that are not followed, since there are too many.
        unfollowed,
        /// Times that `logread` was started again.
        restarts,
        /// Failed system calls.
        errors,
    }
}

/// What a source needs while it works.
struct Cx<'a> {
    poller: &'a Poller,
    id: SourceId,
    now: Instant,
    /// [`READ`] bytes, shared by all sources.
    buf: &'a mut [u8],
    tally: &'a mut SourceTally,
    emit: &'a mut OnLine<'a>,
}
