//! Floor 2: a line becomes a [`Message`].

use crate::time::civil::Stamp;

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

/// A line's own stamp, not read yet: most lines match nothing, and their dates are never needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawStamp<'a>(pub &'a [u8]);

impl RawStamp<'_> {
    /// Reads the date. `None` where it only looked like one.
    pub fn read(&self) -> Option<Stamp> {
        None
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
    /// Program (RFC 3164 tag, RFC 5424 APP-NAME); empty where there is none.
    pub app: &'a [u8],
    /// What stood in the tag's brackets, or PROCID; empty where there is none.
    pub pid: &'a [u8],
    /// The message text, header and repetition wrapper taken off.
    pub text: &'a [u8],
    /// How many times this message happened; 1 unless the line says `message repeated N times: […]`.
    pub times: u32,
}

/// What a line is.
#[derive(Clone, Copy, Debug)]
pub enum Parsed<'a> {
    /// A message.
    Message(Message<'a>),
    /// `last message repeated N times`: the last message of the same source again, N times.
    Repeated(u32),
}

/// Parses one line, without its terminator. Every byte string is some message, so this cannot fail.
pub fn parse(line: &[u8]) -> Parsed<'_> {
    Parsed::Message(Message {
        line,
        form: Form::Raw,
        pri: None,
        stamp: None,
        host: b"",
        app: b"",
        pid: b"",
        text: line,
        times: 1,
    })
}
