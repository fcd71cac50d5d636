//! Floor 3: a [`Message`](crate::syslog::Message) and the filters' tables become [`Hit`]s.
//!
//! In: one message and the [`Active`] filters, a filter with its mode for each jail. Out: at most one [`Hit`] for each of
//! them: its first rule that matches the whole text, with `ignore` rules tried before the others.
//!
//! Work is linear in the text: the machine counts its steps and remembers what it tried. A line for which its lent memory
//! is too small does not match, and is counted in [`Tally`]: doubt means no ban. Nothing here panics, allocates, or reads a
//! clock.
//!
//! `dispatch` picks the filters that read a program's lines and the rules worth trying; `machine` runs a rule's bytecode
//! ([`crate::filter::ops`]) and `probe` holds the searches that single instructions need; `oracle` is the slow and simple
//! machine that tests compare with.

mod dispatch;
mod machine;
mod names;
mod probe;

// Fuzzing compares the machine with the oracle too; cargo-fuzz sets the flag.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod oracle;
#[cfg(test)]
mod tests;

pub use crate::filter::{Part, Verdict};
pub use dispatch::{Active, Matcher, Wanted};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use machine::run_with;
pub use machine::{Captures, Frame, Outcome, Scratch, run};
pub use names::AppSlot;

use crate::addr::Addr;
use crate::tally::tally;

/// Who a line says it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The line names neither address nor host.
    None,
    /// An address.
    Ip(Addr),
    /// A host name. It is recognised, and nobody is banned for it.
    Host(&'a [u8]),
}

/// A line that a rule matched.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// Index of the [`Active`] filter in the caller's list.
    pub filter: u8,
    /// Ordinal of the rule in its filter, from 1.
    pub rule: u16,
    /// The rule's directive.
    pub verdict: Verdict,
    /// Whether the session ends with this line.
    pub forget: bool,
    /// Which part of an attempt the line reports.
    pub part: Part,
    /// Who it was.
    pub source: Source<'a>,
    /// The user name as logged.
    pub user: Option<&'a [u8]>,
    /// The source's port; `None` also where the number is above 65,535.
    pub port: Option<u16>,
    /// The session id in the line's text; without one the process id of its header serves.
    pub sess: Option<&'a [u8]>,
    /// What `<id:…>` captured: something that identifies the failure besides the address.
    pub id: Option<&'a [u8]>,
}

tally! {
    /// Lines on which the machine gave up; none of them counts as a failure.
    pub struct Tally {
        /// Ran out of steps: the memo was too small for the line.
        match_fuel,
        /// Ran out of stack.
        match_stack,
    }
}
