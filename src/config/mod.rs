//! Floor 6: UCI text becomes [`Settings`], checked as a whole before anything changes.
//!
//! In: the bytes of a configuration file, and the names of the filters that exist. Out: settings in fixed memory (under
//! 32 KiB: keep one in a static, a box or a caller's frame, and do not return it by value), or all [`Problem`]s of the text,
//! each with its line. Text with problems never becomes settings. What does not fit (a 33rd jail) is a problem too. Linear
//! in the text; nothing panics on any bytes. edgeban.conf(5) in `docs/` describes each option; `default.conf` shows all.
//!
//! `uci` reads the grammar, `read` the sections, `keys` has a row for each option, `value` reads their values, and `builtin`
//! is what holds without a file.
//!
//! # What holds where a file says nothing
//!
//! - No `source` section: the built-in sources. No `jail` section: the built-in jails ([`Settings::builtin`]).
//! - A jail's option has the jail's own value, else the filter's ([`FILTER_DEFAULTS`]), else that of the global section.
//! - `allow` entries of the global section hold for every jail, those of a jail for that jail.
//! - Names of jails may contain `-` here; libuci takes letters, digits and `_` only, so the built-in jails are
//!   called `nginx_http_auth`. A jail without `filter` has the filter that its name says, `_` read as `-`.

mod builtin;
mod keys;
mod problem;
mod read;
#[cfg(test)]
mod tests;
pub mod uci;
mod value;

pub use builtin::{CANDIDATES, Candidate, DEFAULT_TEXT, FILTER_DEFAULTS, JAILS};
pub use problem::{Kind, Likeness, Problem};
pub use value::{Endpoint, Ports};

use crate::addr::{Addr, Prefix};
use crate::time::Duration;
use heapless::{String, Vec};

/// The most jails.
pub const MAX_JAILS: usize = 32;
/// The most sources.
pub const MAX_SOURCES: usize = 32;
/// The most allow-listed prefixes of the global section.
pub const MAX_ALLOW: usize = 64;
/// The most allow-listed prefixes of one jail.
pub const MAX_JAIL_ALLOW: usize = 8;
/// The most ports and port ranges of one jail.
pub const MAX_PORTS: usize = 16;
/// The most multipliers.
pub const MAX_MULTIPLIERS: usize = 8;
/// The most filters that one source is bound to.
pub const MAX_BOUND: usize = 4;
/// The longest value of any option in bytes, quotes taken off.
pub const MAX_VALUE: usize = 255;

/// A name of a jail, filter or mode: 1 to 31 bytes.
pub type Name = String<31, u8>;
/// A path: absolute, at most 107 bytes (what `sun_path` of a Unix socket holds).
pub type Path = String<107, u8>;

/// A filter that exists.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its modes. Every filter has `normal`, listed or not.
    pub modes: &'a [&'a str],
}

/// Where packets are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Firewall {
    /// nftables where it is permitted, else only the table in memory, which says so.
    #[default]
    Auto,
    /// nftables, or do not start.
    Nftables,
    /// Only the table in memory.
    None,
}

/// How much is logged on stderr; each level includes those above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LogLevel {
    /// What stops the work.
    Error,
    /// What was lost.
    Warn,
    /// Bans, starts and stops.
    #[default]
    Info,
    /// Each failure too.
    Debug,
    /// The same as `Debug`.
    Trace,
}

/// What a jail does with a ban: a set of sinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Actions(u8);

impl Actions {
    /// Drop packets in the firewall.
    pub const NFTABLES: Self = Self(1);
    /// Only list it and write it to the log, as every ban is.
    pub const LOG: Self = Self(2);
    /// As [`Actions::LOG`].
    pub const NONE: Self = Self(4);

    /// Whether all of `other` is in here.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// When a jail bans and for how long, as configured. The global section holds the defaults. [`crate::jail::Policy`] is what
/// the engine makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many failures within `findtime` make a ban, 1 to 100.
    pub maxretry: u16,
    /// The window for them, 1 s to 7 weeks ([`crate::jail::Policy::MAX_FINDTIME`]).
    pub findtime: Duration,
    /// How long a ban lasts, 1 s to 10 years or [`Duration::FOREVER`].
    pub bantime: Duration,
    /// The n-th ban lasts `bantime` × the n-th of these, each 1 to 10,000; the last one repeats. Empty: always × 1.
    pub multipliers: Vec<u32, MAX_MULTIPLIERS>,
    /// No ban lasts longer, 1 s to 10 years; [`Duration::FOREVER`] is no limit.
    pub maxtime: Duration,
    /// The most random time that is added to a ban, 0 to 1 day.
    pub rndtime: Duration,
    /// How long after its end a ban no longer lengthens the next one, 1 s to 10 years; [`Duration::FOREVER`]: it always does.
    pub decay: Duration,
    /// Never ban this host's own addresses and its gateways.
    pub ignoreself: bool,
    /// How many leading bits of an IPv4 address make one source, 8 to 32.
    pub ipv4_prefix: u8,
    /// How many leading bits of an IPv6 address make one source, 16 to 128.
    pub ipv6_prefix: u8,
    /// What is done with a ban.
    pub actions: Actions,
}

impl Policy {
    /// The default: 5 failures in 10 minutes ban for 1 hour.
    pub const fn new() -> Self {
        Self {
            maxretry: 5,
            findtime: Duration::from_secs(600),
            bantime: Duration::from_secs(3_600),
            multipliers: Vec::new(),
            maxtime: Duration::FOREVER,
            rndtime: Duration::ZERO,
            decay: Duration::from_secs(604_800),
            ignoreself: true,
            ipv4_prefix: 32,
            ipv6_prefix: 64,
            actions: Actions::NFTABLES,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

/// One jail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jail {
    /// Its name.
    pub name: Name,
    /// The line of its section, 0 where it is built in.
    pub line: u32,
    /// The line of its `filter` or `filter_file`, else that of its section.
    pub filter_line: u32,
    /// The line of its `mode`, else that of its section.
    pub mode_line: u32,
    /// Whether it is in use.
    pub enabled: bool,
    /// Its built-in filter; empty where it has a [`Jail::filter_file`].
    pub filter: Name,
    /// The path of its filter's text; empty where it has a built-in filter.
    pub filter_file: Path,
    /// The filter's mode.
    pub mode: Name,
    /// When it bans, and for how long.
    pub policy: Policy,
    /// The ports that its bans cover; empty: every port.
    pub ports: Vec<Ports, MAX_PORTS, u8>,
    /// Prefixes that it never bans, besides [`Global::allow`].
    pub allow: Vec<Prefix, MAX_JAIL_ALLOW, u8>,
    /// Which options of [`Policy`] the section gave itself: bit n for row n of `keys::POLICY`.
    own: u32,
}

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Syslog over UDP.
    Udp,
    /// Syslog over TCP.
    Tcp,
    /// Datagrams on a Unix socket, as `/dev/log`.
    Unix,
    /// A log file that others write and rotate.
    File,
    /// The output of OpenWrt's `logread -f`.
    Logread,
    /// Lines on standard input.
    Stdin,
}

impl SourceKind {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Unix => "unix",
            Self::File => "file",
            Self::Logread => "logread",
            Self::Stdin => "stdin",
        }
    }
}

/// How a byte stream is cut into lines; see [`crate::frame::Framing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Framing {
    /// On tcp by how the stream starts: octet counts if with a count, else newlines. On stdin newlines.
    #[default]
    Auto,
    /// By newlines (and NULs).
    Newline,
    /// By NULs.
    Nul,
    /// By octet counts (RFC 6587 section 3.4.1).
    Octets,
}

/// One source of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The line of its section, 0 where it is built in.
    pub line: u32,
    /// Whether it is read.
    pub enabled: bool,
    /// What it is.
    pub kind: SourceKind,
    /// Where it listens (udp, tcp).
    pub listen: Endpoint,
    /// The socket, the file, or the program in place of `/sbin/logread`; else empty.
    pub path: Path,
    /// How it is cut into lines (tcp, stdin).
    pub framing: Framing,
    /// The most connections at once (tcp), 1 to 4,096; one more closes another.
    pub connections: u16,
    /// The filters that its lines are for; empty: all. A daemon's own log file names no program, so only this keeps the
    /// rules of other daemons off its lines.
    pub filters: Vec<Name, MAX_BOUND, u8>,
}

/// The global section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// Whether the daemon runs; without it, it ends as soon as it is started.
    pub enabled: bool,
    /// Entries of the blocklist, 16 to 1,048,575.
    pub max_bans: u32,
    /// Sources with failures that are remembered, 16 to 65,535.
    pub max_tracked: u32,
    /// Sessions that are followed, 16 to 65,535.
    pub max_sessions: u32,
    /// The longest line in bytes, 1,024 to 65,536; a longer one is dropped whole.
    pub max_line: u32,
    /// Prefixes that no jail ever bans.
    pub allow: Vec<Prefix, MAX_ALLOW, u8>,
    /// The policy of jails where neither they nor their filters say otherwise.
    pub policy: Policy,
    /// The directory for the offsets of log files.
    pub state_dir: Path,
    /// The path of the control socket.
    pub control: Path,
    /// How much is logged on stderr.
    pub log_level: LogLevel,
    /// Where packets are dropped.
    pub firewall: Firewall,
}

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The global section.
    pub global: Global,
    /// The sources, in the order of the file.
    pub sources: Vec<Source, MAX_SOURCES, u8>,
    /// The jails, in the order of the file: a [`crate::jail::JailId`] is an index into this.
    pub jails: Vec<Jail, MAX_JAILS, u8>,
    /// Whether the file had no `source` section. Then the sources are the built-in ones, and the host adds those of
    /// [`CANDIDATES`] that exist.
    pub builtin_sources: bool,
}

impl Settings {
    /// Defaults, but without sources and jails, and with empty paths: where reading starts.
    pub const fn new() -> Self {
        Self { global: GLOBAL_DEFAULT, sources: Vec::new(), jails: Vec::new(), builtin_sources: false }
    }

    /// The jail of this name.
    pub fn jail(&self, name: &str) -> Option<(crate::jail::JailId, &Jail)> {
        let at = self.jails.iter().position(|j| j.name == name)?;
        Some((u8::try_from(at).ok()?, self.jails.get(at)?))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// The default for [`Source::connections`]: half a MiB of line buffers of the default size, if all are in use.
const CONNECTIONS: u16 = 64;

/// No end point yet.
const NOWHERE: Endpoint = Endpoint { addr: Addr::UNSPECIFIED, port: 0 };

/// The control socket, unless the file says otherwise.
pub const CONTROL: &str = "/run/edgeban.sock";
/// Where the offsets of files are kept, unless the file says otherwise. On OpenWrt this is in RAM.
pub const STATE_DIR: &str = "/var/lib/edgeban";

const GLOBAL_DEFAULT: Global = Global {
    enabled: true,
    max_bans: 4_096,
    max_tracked: 1_024,
    max_sessions: 256,
    max_line: 8_192,
    allow: Vec::new(),
    policy: Policy::new(),
    state_dir: Path::new(),
    control: Path::new(),
    log_level: LogLevel::Info,
    firewall: Firewall::Auto,
};

impl Jail {
    /// A jail of this name with nothing said yet.
    fn empty(name: Name, line: u32) -> Self {
        Self {
            name,
            line,
            filter_line: line,
            mode_line: line,
            enabled: true,
            filter: Name::new(),
            filter_file: Path::new(),
            mode: Name::try_from("normal").unwrap_or_default(),
            policy: Policy::new(),
            ports: Vec::new(),
            allow: Vec::new(),
            own: 0,
        }
    }

    /// The name by which a source's `filter` option means this jail: that of its built-in filter, or with a
    /// [`Jail::filter_file`] the jail's own.
    pub fn bound_by(&self) -> &Name {
        if self.filter_file.is_empty() { &self.filter } else { &self.name }
    }
}
