//! Floor 3: a [`Message`](crate::syslog::Message) and the filters' tables become a [`Hit`].

use crate::addr::Addr;

/// What the rule that matched says of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A failure.
    Fail,
    /// Not a failure, but it tells about the session (often its address).
    Help,
    /// The session authenticated.
    Gain,
    /// To be left alone.
    Ignore,
}

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
    /// Index of the filter in the caller's list.
    pub filter: u8,
    /// Ordinal of the rule in its filter, from 1.
    pub rule: u16,
    /// What the rule says.
    pub verdict: Verdict,
    /// Whether the session ends with this line.
    pub forget: bool,
    /// Whom the line blames.
    pub source: Source<'a>,
    /// The user name as logged.
    pub user: Option<&'a [u8]>,
    /// The source's port.
    pub port: Option<u16>,
    /// The session id that the line itself carries; the syslog pid is used where there is none.
    pub sess: Option<&'a [u8]>,
    /// A failure id other than the address.
    pub id: Option<&'a [u8]>,
}
