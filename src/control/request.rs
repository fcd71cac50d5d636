//! Requests: one JSON object a line, at most [`MAX_REQUEST`] bytes.

use super::json::Writer;
use crate::addr::{Addr, Prefix};
use crate::time::{Duration, parse_duration};
use serde::Deserialize;

/// The longest request in bytes, its newline not counted.
pub const MAX_REQUEST: usize = 1024;

/// The longest ban by hand that has an end: ten years, as in the configuration.
pub const LONGEST_BAN: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Reads how long a ban by hand lasts: one second to ten years, or `permanent`. `None` for anything else.
pub fn ban_time(text: &[u8]) -> Option<Duration> {
    parse_duration(text).filter(|d| d.is_forever() || d.secs() > 0 && *d <= LONGEST_BAN)
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Which version answers.
    Version,
    /// Counters, tables, jails, sources and sinks; of one jail only where one is named.
    Status {
        /// The jail's name.
        jail: Option<&'a str>,
    },
    /// Every ban, one line each.
    Bans,
    /// Ban by hand.
    Ban {
        /// Whom.
        target: Prefix,
        /// In the name of which jail; `manual` where none is named.
        jail: Option<&'a str>,
        /// For how long; without it the jail's `bantime`.
        span: Option<Duration>,
    },
    /// Lift the bans that lie within the prefix.
    Unban {
        /// Whom.
        target: Prefix,
    },
    /// Lift every ban.
    UnbanAll,
    /// Count one failure, as a log line would.
    Attempt {
        /// Whose.
        ip: Addr,
        /// In which jail.
        jail: &'a str,
    },
    /// Read the configuration again.
    Reload,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Longer than [`MAX_REQUEST`].
    TooLong,
    /// Not one JSON object with known keys and the right kinds of values.
    Json,
    /// A string with a backslash: no address, name or duration needs one.
    Escape,
    /// No such command.
    Command,
    /// The command needs `ip`, or `all` (unban).
    NeedsIp,
    /// The command needs `jail`.
    NeedsJail,
    /// `ip` is no address or prefix.
    Ip,
    /// `ip` is a prefix, and the command takes an address.
    Host,
    /// `for` is no duration of a second to ten years, and not `permanent`.
    For,
    /// `jail` is not a name of 1 to 31 of `a-z A-Z 0-9 _ -`.
    Jail,
    /// A key that the command does not take.
    Surplus,
}

impl Refusal {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::TooLong => "request longer than 1024 bytes",
            Self::Json => "not a JSON object of known keys",
            Self::Escape => "a string with an escape",
            Self::Command => "unknown cmd; known are version, status, bans, ban, unban, attempt, reload",
            Self::NeedsIp => "the command needs ip",
            Self::NeedsJail => "the command needs jail",
            Self::Ip => "ip is not an address or prefix",
            Self::Host => "ip is a prefix, and attempt takes one address",
            Self::For => "for is not a duration up to ten years such as 90, 10m, 1h30m, nor permanent",
            Self::Jail => "jail is not a name",
            Self::Surplus => "a key that the command does not take",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw<'a> {
    cmd: &'a str,
    #[serde(default, borrow)]
    ip: Option<&'a str>,
    #[serde(default, borrow)]
    jail: Option<&'a str>,
    #[serde(default, borrow, rename = "for")]
    span: Option<&'a str>,
    #[serde(default)]
    all: Option<bool>,
}

impl<'a> Request<'a> {
    /// Reads one line, with or without its newline.
    ///
    /// # Errors
    ///
    /// The first [`Refusal`] that applies.
    pub fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let line = line.trim_ascii();
        if line.len() > MAX_REQUEST {
            return Err(Refusal::TooLong);
        }
        // serde-json-core borrows strings as they are written, without undoing their escapes.
        if line.contains(&b'\\') {
            return Err(Refusal::Escape);
        }
        let (raw, used) = serde_json_core::from_slice::<Raw<'a>>(line).map_err(|_| Refusal::Json)?;
        if used != line.len() {
            return Err(Refusal::Json);
        }
        let ip = raw.ip.map(|ip| Prefix::parse(ip.as_bytes()).ok_or(Refusal::Ip)).transpose()?;
        let span = raw.span.map(|s| ban_time(s.as_bytes()).ok_or(Refusal::For)).transpose()?;
        let all = raw.all == Some(true);
        if raw.jail.is_some_and(|jail| !is_name(jail)) {
            return Err(Refusal::Jail);
        }
        // What each command takes, besides `cmd`.
        let (request, takes) = match raw.cmd {
            "version" => (Self::Version, [false, false, false, false]),
            "status" => (Self::Status { jail: raw.jail }, [false, true, false, false]),
            "bans" => (Self::Bans, [false, false, false, false]),
            "ban" => {
                let target = ip.ok_or(Refusal::NeedsIp)?;
                (Self::Ban { target, jail: raw.jail, span }, [true, true, true, false])
            }
            "unban" if all => (Self::UnbanAll, [false, false, false, true]),
            "unban" => (Self::Unban { target: ip.ok_or(Refusal::NeedsIp)? }, [true, false, false, true]),
            "attempt" => {
                let target = ip.ok_or(Refusal::NeedsIp)?;
                let ip = if target.is_host() { target.addr() } else { return Err(Refusal::Host) };
                (
                    Self::Attempt { ip, jail: raw.jail.ok_or(Refusal::NeedsJail)? },
                    [true, true, false, false],
                )
            }
            "reload" => (Self::Reload, [false, false, false, false]),
            _ => return Err(Refusal::Command),
        };
        let given = [raw.ip.is_some(), raw.jail.is_some(), raw.span.is_some(), raw.all.is_some()];
        if given.into_iter().zip(takes).any(|(given, takes)| given && !takes) {
            return Err(Refusal::Surplus);
        }
        Ok(request)
    }

    /// Writes the request as a line that [`Request::parse`] reads.
    pub fn write(&self, out: &mut dyn FnMut(&[u8])) {
        let mut w = Writer::new(out);
        let command = match self {
            Self::Version => "version",
            Self::Status { .. } => "status",
            Self::Bans => "bans",
            Self::Ban { .. } => "ban",
            Self::Unban { .. } | Self::UnbanAll => "unban",
            Self::Attempt { .. } => "attempt",
            Self::Reload => "reload",
        };
        w.object().key("cmd").str(command.as_bytes());
        match *self {
            Self::Ban { target, jail, span } => {
                w.key("ip").str(target.write().as_bytes());
                if let Some(jail) = jail {
                    w.key("jail").str(jail.as_bytes());
                }
                if let Some(span) = span {
                    // Whole seconds, since the text for people rounds.
                    let mut digits = heapless::Vec::<u8, 20>::new();
                    if span.is_forever() {
                        w.key("for").str(b"permanent");
                    } else {
                        Writer::new(&mut |piece| drop(digits.extend_from_slice(piece))).u64(span.secs());
                        w.key("for").str(&digits);
                    }
                }
            }
            Self::Status { jail: Some(jail) } => {
                w.key("jail").str(jail.as_bytes());
            }
            Self::Unban { target } => {
                w.key("ip").str(target.write().as_bytes());
            }
            Self::UnbanAll => {
                w.key("all").bool(true);
            }
            Self::Attempt { ip, jail } => {
                w.key("ip").str(ip.write().as_bytes()).key("jail").str(jail.as_bytes());
            }
            _ => {}
        }
        w.end_object().newline();
    }
}

fn is_name(text: &str) -> bool {
    (1..=31).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
