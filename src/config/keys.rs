//! The options of each section, a row for each. The reader, the hints for misspelt names and the tests of the documents all
//! use these tables.

use super::value::{endpoint, flag, name, number, path, ports, prefix, span};
use super::{Actions, Firewall, Framing, Global, Jail, Kind, LogLevel, Policy, Source};

const DAY: u64 = 86_400;
const YEAR: u64 = 365 * DAY;

/// An option of a section that is read into a `T`.
pub(super) struct Key<T: 'static> {
    pub(super) name: &'static str,
    /// Whether it may be given more than once.
    pub(super) list: bool,
    pub(super) set: fn(&mut T, &str) -> Result<(), Kind>,
}

const fn one<T>(name: &'static str, set: fn(&mut T, &str) -> Result<(), Kind>) -> Key<T> {
    Key { name, list: false, set }
}

const fn many<T>(name: &'static str, set: fn(&mut T, &str) -> Result<(), Kind>) -> Key<T> {
    Key { name, list: true, set }
}

/// Adds to a bounded list.
fn add<T, const N: usize>(list: &mut heapless::Vec<T, N, u8>, item: T) -> Result<(), Kind> {
    list.push(item).map_err(|_| Kind::TooMany(N))
}

/// A number within `min` to `max`, which must fit a `T`.
fn small<T: TryFrom<u64> + Default>(text: &str, min: u64, max: u64) -> Result<T, Kind> {
    number(text, min, max).map(|n| T::try_from(n).unwrap_or_default())
}

/// Options of a jail that the global section gives defaults for. Their number fits the bits of `Jail::own`.
pub(super) static POLICY: [Key<Policy>; 11] = [
    one("maxretry", |p, v| small(v, 1, 100).map(|n| p.maxretry = n)),
    one("findtime", |p, v| span(v, 1, 49 * DAY, false).map(|d| p.findtime = d)),
    one("bantime", |p, v| span(v, 1, 10 * YEAR, true).map(|d| p.bantime = d)),
    many("multiplier", |p, v| {
        let n = small(v, 1, 10_000)?;
        p.multipliers.push(n).map_err(|_| Kind::TooMany(super::MAX_MULTIPLIERS))
    }),
    one("maxtime", |p, v| span(v, 1, 10 * YEAR, true).map(|d| p.maxtime = d)),
    one("rndtime", |p, v| span(v, 0, DAY, false).map(|d| p.rndtime = d)),
    one("decay", |p, v| span(v, 1, 10 * YEAR, true).map(|d| p.decay = d)),
    one("ignoreself", |p, v| flag(v).map(|b| p.ignoreself = b)),
    one("ipv4_prefix", |p, v| small(v, 8, 32).map(|n| p.ipv4_prefix = n)),
    one("ipv6_prefix", |p, v| small(v, 16, 128).map(|n| p.ipv6_prefix = n)),
    many("action", action),
];

/// Copies the option of row `index` of [`POLICY`].
pub(super) fn inherit(index: usize, to: &mut Policy, from: &Policy) {
    match index {
        0 => to.maxretry = from.maxretry,
        1 => to.findtime = from.findtime,
        2 => to.bantime = from.bantime,
        3 => to.multipliers = from.multipliers.clone(),
        4 => to.maxtime = from.maxtime,
        5 => to.rndtime = from.rndtime,
        6 => to.decay = from.decay,
        7 => to.ignoreself = from.ignoreself,
        8 => to.ipv4_prefix = from.ipv4_prefix,
        9 => to.ipv6_prefix = from.ipv6_prefix,
        _ => to.actions = from.actions,
    }
}

/// Empties a list of [`POLICY`] before its first value.
pub(super) fn clear(index: usize, policy: &mut Policy) {
    match index {
        3 => policy.multipliers.clear(),
        10 => policy.actions = Actions::default(),
        _ => {}
    }
}

pub(super) static GLOBAL: [Key<Global>; 10] = [
    one("enabled", |g, v| flag(v).map(|b| g.enabled = b)),
    one("max_bans", |g, v| small(v, 16, (1 << 20) - 1).map(|n| g.max_bans = n)),
    one("max_tracked", |g, v| small(v, 16, 0xffff).map(|n| g.max_tracked = n)),
    one("max_sessions", |g, v| small(v, 16, 0xffff).map(|n| g.max_sessions = n)),
    one("max_line", |g, v| small(v, 1 << 10, 1 << 16).map(|n| g.max_line = n)),
    many("allow", |g, v| add(&mut g.allow, prefix(v)?)),
    one("state_dir", |g, v| path(v).map(|p| g.state_dir = p)),
    one("control", |g, v| path(v).map(|p| g.control = p)),
    one("log_level", |g, v| level(v).map(|l| g.log_level = l)),
    one("firewall", |g, v| firewall(v).map(|f| g.firewall = f)),
];

pub(super) static JAIL: [Key<Jail>; 6] = [
    one("enabled", |j, v| flag(v).map(|b| j.enabled = b)),
    one("filter", |j, v| name(v).map(|n| j.filter = n)),
    one("filter_file", |j, v| path(v).map(|p| j.filter_file = p)),
    one("mode", |j, v| name(v).map(|n| j.mode = n)),
    many("port", |j, v| add(&mut j.ports, ports(v)?)),
    many("allow", |j, v| add(&mut j.allow, prefix(v)?)),
];

pub(super) static SOURCE: [Key<Source>; 7] = [
    one("enabled", |s, v| flag(v).map(|b| s.enabled = b)),
    one("kind", |s, v| source_kind(v).map(|k| s.kind = k)),
    one("listen", |s, v| endpoint(v).map(|e| s.listen = e)),
    one("path", |s, v| path(v).map(|p| s.path = p)),
    one("framing", |s, v| framing(v).map(|f| s.framing = f)),
    one("connections", |s, v| number(v, 1, 4096).map(|n| s.connections = n as u16)),
    many("filter", |s, v| add(&mut s.filters, name(v)?)),
];

fn action(policy: &mut Policy, text: &str) -> Result<(), Kind> {
    let action = match text {
        "nftables" => Actions::NFTABLES,
        "log" => Actions::LOG,
        "none" => Actions::NONE,
        _ => return Err(Kind::Value("nftables, log or none")),
    };
    policy.actions = policy.actions.with(action);
    if policy.actions.has(Actions::NONE) && policy.actions != Actions::NONE {
        return Err(Kind::Useless("another action beside none"));
    }
    Ok(())
}

fn level(text: &str) -> Result<LogLevel, Kind> {
    Ok(match text {
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => return Err(Kind::Value("error, warn, info, debug or trace")),
    })
}

fn firewall(text: &str) -> Result<Firewall, Kind> {
    Ok(match text {
        "auto" => Firewall::Auto,
        "nftables" => Firewall::Nftables,
        "none" => Firewall::None,
        _ => return Err(Kind::Value("auto, nftables or none")),
    })
}

fn framing(text: &str) -> Result<Framing, Kind> {
    Ok(match text {
        "auto" => Framing::Auto,
        "newline" => Framing::Newline,
        "nul" => Framing::Nul,
        "octets" => Framing::Octets,
        _ => return Err(Kind::Value("auto, newline, nul or octets")),
    })
}

fn source_kind(text: &str) -> Result<super::SourceKind, Kind> {
    use super::SourceKind::*;
    [Udp, Tcp, Unix, File, Logread, Stdin]
        .into_iter()
        .find(|k| k.name() == text)
        .ok_or(Kind::Value("udp, tcp, unix, file, logread or stdin"))
}
