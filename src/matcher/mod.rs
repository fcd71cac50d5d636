//! Floor 3: a [`Message`](crate::syslog::Message) and the filters' tables become [`Hit`]s.
//!
//! In: one message and the [`Active`] filters, a filter with its mode for each jail. Out: at most one [`Hit`]
//! an active filter: its first rule that matches the whole text, `ignore` rules before the others.
//!
//! Work is linear in the text: the machine counts its steps and remembers what it tried. Where its memory
//! is too small for a line, the line is not matched and counted in [`Tally`]: doubt means no ban. Nothing here
//! panics, allocates, or looks at a clock.

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

/// Whom a line blames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The line names nobody.
    None,
    /// An address.
    Ip(Addr),
    /// A host name: recognised, never banned.
    Host(&'a [u8]),
}

/// A line that a rule matched.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// Index of the [`Active`] filter in the caller's list.
    pub filter: u8,
    /// Ordinal of the rule in its filter, from 1.
    pub rule: u16,
    /// What the rule says.
    pub verdict: Verdict,
    /// Whether the session ends with this line.
    pub forget: bool,
    /// Which part of an attempt the line tells of.
    pub part: Part,
    /// Whom the line blames.
    pub source: Source<'a>,
    /// The user name as logged.
    pub user: Option<&'a [u8]>,
    /// The source's port; `None` also where the line's number is no port.
    pub port: Option<u16>,
    /// The session id that the line itself carries; the syslog pid is used where there is none.
    pub sess: Option<&'a [u8]>,
    /// A failure id other than the address.
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
