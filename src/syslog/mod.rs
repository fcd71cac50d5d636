//! Floor 2: a line becomes a [`Message`].
//!
//! In: one line without its terminator, any bytes. Out: slices of it: who logged ([`Message::app`], [`Message::pid`]),
//! when ([`Message::stamp`], not read yet), and the text. Every line is some message, so nothing fails, and nothing
//! panics. Work is linear in the line, and for the usual header in the header alone.
//!
//! A header is recognised by its shape: `<PRI>`, a date, a host, `facility.severity`, a tag. What decides whose rules a
//! text meets is the tag, and that is the logging program's, not its peer's. So where the shape is in doubt (no tag
//! where one should stand, a tag of odd characters) the line is [`Form::Raw`] without an app, rather than a message
//! of a program that its text names.

mod class;
mod date;
mod head;
mod level;
mod plain;
mod repeat;
mod rfc5424;
mod tag;
#[cfg(test)]
mod tests;

use crate::time::civil::Stamp;
use crate::time::stamp;

pub use head::parse;
pub(crate) use head::parse_here;

/// How a line was headed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// RFC 3164, with or without `<PRI>`, and what rsyslog, BusyBox and `logread` make of it.
    Bsd,
    /// RFC 5424.
    Rfc5424,
    /// No syslog header: a daemon's own log file.
    Raw,
}

/// A line's own stamp, not read yet: most lines match nothing, and their dates are never needed. Either the date
/// itself, or a line that has none at its start and perhaps one inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawStamp<'a>(pub &'a [u8]);

impl RawStamp<'_> {
    /// Reads the date. `None` where it only looked like one, or the line has none in its first
    /// [`stamp::SEARCHED`] bytes.
    pub fn read(&self) -> Option<Stamp> {
        match stamp::read(self.0) {
            Some((stamp, len)) if len == self.0.len() => Some(stamp),
            _ => stamp::find(self.0),
        }
    }
}

/// One log message, borrowed from its line.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The whole line.
    pub line: &'a [u8],
    /// How it was headed.
    pub form: Form,
    /// Facility × 8 + severity, where the line says so.
    pub pri: Option<u8>,
    /// When, by the line's own words.
    pub stamp: Option<RawStamp<'a>>,
    /// Host name or address; empty where there is none.
    pub host: &'a [u8],
    /// Program (RFC 3164 tag, RFC 5424 APP-NAME), whole: `postfix/smtpd`, `openvpn(srv)`. Empty where there is none,
    /// and always empty for [`Form::Raw`].
    pub app: &'a [u8],
    /// What stood in the tag's brackets, or PROCID; empty where there is none.
    pub pid: &'a [u8],
    /// The message text, header and repetition wrapper taken off, without blanks in front. For [`Form::Raw`] what
    /// follows the date where the line starts with one (bare or in brackets), else the whole line.
    pub text: &'a [u8],
    /// How many times this message happened: 1 to 65535, and 1 unless the line says
    /// `message repeated N times: […]`.
    pub times: u32,
}

impl<'a> Message<'a> {
    /// A line without a header.
    pub const fn raw(line: &'a [u8]) -> Self {
        Self {
            line,
            form: Form::Raw,
            pri: None,
            stamp: None,
            host: b"",
            app: b"",
            pid: b"",
            text: line,
            times: 1,
        }
    }

    /// The other reading of a headed line: a daemon's own, whose words only look like a tag (`2026-07-01 21:37:58
    /// smtp: rejected`). [`Form::Raw`], the text is all that follows the date. For filters of such daemons.
    pub fn untagged(&self) -> Self {
        head::untag(self)
    }
}

/// What a line is.
#[derive(Clone, Copy, Debug)]
pub enum Parsed<'a> {
    /// A message.
    Message(Message<'a>),
    /// `last message repeated N times`: the last message of the same source again, N times (1 to 65535).
    Repeated(u32),
}
