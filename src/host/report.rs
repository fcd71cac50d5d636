//! The daemon's log, and its answers on the control socket.

use super::clock;
use super::daemon::Core;
use super::firewall::Firewalling;
use super::human::plain;
use super::server::{self, Answer, CHUNK};
use super::source::{Spec, State};
use super::sys::net::shown;
use super::sys::stdio::{Stdio, say};
use crate::blocklist::{Ban, Cursor};
use crate::config::LogLevel;
use crate::control::reply::{self, BanView, JailView, PeerView, StatusView, TableView};
use crate::control::{Refusal, Request};
use crate::engine::{MANUAL, Order, RESTORED, Refused};
use crate::jail::Why;
use crate::time::Instant;
use core::sync::atomic::{AtomicU32, Ordering};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// The most bans that one piece of a listing reads before others are served.
const LISTED: usize = 256;

/// Lines that stderr had no room for.
static LOST: AtomicU32 = AtomicU32::new(0);

struct Stderr {
    plain: bool,
}

/// Whether stderr takes a line now. A pipe that says so has room for a page, and our lines are shorter.
fn writable() -> bool {
    let mut fd = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: poll(2) writes to the one entry that it is given, and with no timeout does not wait.
    unsafe { libc::poll(&mut fd, 1, 0) != 0 }
}

impl Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // The journal reads the priority off the front; procd and files would keep it in the text.
        let (priority, name) = match record.level() {
            Level::Error => ("<3>", "error: "),
            Level::Warn => ("<4>", "warning: "),
            Level::Info => ("<6>", ""),
            Level::Debug | Level::Trace => ("<7>", ""),
        };
        let lead = if self.plain { name } else { priority };
        // A reader of the log that stalls must not stall the daemon: lines are dropped and counted.
        if !writable() {
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match LOST.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => say(format_args!("{lead}{lost} lines of this log were lost, since nobody read them")),
        }
        // A file's name may hold a newline, and the rest of it would be a line of its own, which the recidive filter reads.
        say(format_args!("{lead}{}", plain(&record.args().to_string())));
    }

    fn flush(&self) {}
}

/// The log crate's level for a configured one.
pub(super) fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    }
}

/// Sends the log of this process to stderr: with `<n>` in front where that is systemd's journal, else plain.
pub(super) fn log_to_stderr(wanted: LogLevel) {
    // JOURNAL_STREAM names the journal's stream, but stderr may have been redirected since (systemd.exec(5)).
    let ours = Stdio::ERR.identity().ok().map(|(dev, ino)| format!("{dev}:{ino}"));
    let plain = ours.is_none() || std::env::var("JOURNAL_STREAM").ok() != ours;
    let logger = std::boxed::Box::leak(std::boxed::Box::new(Stderr { plain }));
    if log::set_logger(logger).is_ok() {
        log::set_max_level(level(wanted));
    }
}

/// Logs that everything is open. Tests and scripts wait for this line.
pub(super) fn ready() {
    log::info!("ready");
}

impl Core {
    /// Wall-clock seconds of an instant.
    fn epoch(&self, at: Instant) -> i64 {
        let (now, wall) = (clock::now(), clock::wall());
        let ago = now.millis() as i64 - at.millis() as i64;
        (wall - ago).div_euclid(1000)
    }

    fn view(&self, ban: &Ban) -> BanView<'_> {
        BanView {
            target: ban.target,
            jail: self.loaded.rules().name(ban.jail),
            since: self.epoch(ban.since),
            until: (ban.until != Instant::NEVER).then(|| self.epoch(ban.until)),
            before: ban.before,
            manual: ban.manual,
        }
    }

    fn obey(&mut self, request: Request<'_>) -> Result<Option<u64>, String> {
        let now = clock::now();
        // A disabled jail is told from one that does not exist.
        let off = match request {
            Request::Ban { jail: Some(name), .. } | Request::Attempt { jail: name, .. } => {
                self.loaded.settings.jail(name).is_some_and(|(_, jail)| !jail.enabled)
            }
            _ => false,
        };
        let (engine, rules, mut live) = self.live(now);
        let refused = |why: Refused| {
            match why {
                Refused::Allowed(Why::Listed) => "never banned: it is on the allow list, or holds what is",
                Refused::Allowed(Why::Own) => "never banned: it is this host's own address, or holds one",
                Refused::Allowed(Why::Gateway) => "never banned: it is this host's gateway, or holds one",
                Refused::Allowed(Why::Special) => {
                    "never banned: it is, or holds, a loopback, multicast or unspecified address"
                }
                Refused::Full => "the blocklist is full of manual bans",
                Refused::NoJail => "no such jail",
                Refused::Over => "the ban would be over before it begins",
            }
            .to_string()
        };
        let find = |name: &str| match rules.find(name) {
            Some(jail) => Ok(jail),
            None if off => Err(format!("jail {name} is not enabled")),
            None => Err(format!("no such jail: {name}")),
        };
        match request {
            Request::Ban { target, jail, span } => {
                let jail = match jail {
                    None | Some("manual") => MANUAL,
                    Some(name) => find(name)?,
                };
                let policy = rules.jails.get(usize::from(jail)).map(|jail| jail.policy.bantime);
                let default = crate::jail::Policy::DEFAULT.bantime;
                // A time that was asked for holds even if the address is banned for longer already.
                let until = now + span.or(policy).unwrap_or(default);
                let order = Order { target, jail, until, exact: span.is_some() };
                engine.ban(rules, order, now, &mut live).map_err(refused)?;
                Ok(Some(1))
            }
            Request::Unban { target } => match engine.unban(target, now, &mut live) {
                0 => {
                    let mut wider = String::new();
                    engine.blocklist().covering(target.addr(), |ban| {
                        wider = format!("; {} is, and covers it", ban.target);
                        false
                    });
                    Err(format!("{target} is not banned{wider}"))
                }
                count => Ok(Some(count as u64)),
            },
            Request::UnbanAll => {
                let all = crate::addr::Prefix::new(crate::addr::Addr::UNSPECIFIED, 0);
                Ok(Some(engine.unban(all, now, &mut live) as u64))
            }
            Request::Attempt { ip, jail } => {
                let jail = find(jail)?;
                let scope = rules.jails.get(usize::from(jail)).map(|jail| jail.scope);
                // As in the engine: a failure of a banned address does not count.
                let banned = scope.is_some_and(|scope| engine.blocklist().covers(ip, scope));
                engine.attempt(rules, jail, ip, now, &mut live).map_err(refused)?;
                Ok(Some(u64::from(!banned)))
            }
            Request::Version | Request::Status { .. } | Request::Bans | Request::Reload => Ok(None),
        }
    }
}

impl Answer for Core {
    fn answer(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<server::Cursor> {
        let request = match Request::parse(line) {
            Ok(request) => request,
            Err(refusal) => {
                reply::error(Refusal::text(refusal).as_bytes(), &mut |b| out.extend_from_slice(b));
                return None;
            }
        };
        match request {
            Request::Version => {
                reply::version(env!("CARGO_PKG_VERSION"), &mut |b| out.extend_from_slice(b))
            }
            Request::Status { jail } => reply::status(self, jail, &mut |b| out.extend_from_slice(b)),
            Request::Bans => {
                // As many listings as clients, and as many again that went away.
                if self.listings.len() >= 2 * server::CLIENTS {
                    self.listings.remove(0);
                }
                self.listed += 1;
                self.listings.push((self.listed, Cursor::default()));
                return self.more(server::Cursor { next: self.listed, sent: 0 }, out);
            }
            Request::Reload => match self.reload() {
                Ok(None) => reply::ok(None, &mut |b| out.extend_from_slice(b)),
                Ok(Some(warning)) => reply::warned(warning.as_bytes(), &mut |b| out.extend_from_slice(b)),
                Err(why) => reply::error(why.as_bytes(), &mut |b| out.extend_from_slice(b)),
            },
            order => match self.obey(order) {
                Ok(count) => {
                    // Otherwise a crash now would have the lines that led to the ban read again.
                    if matches!(order, Request::Unban { .. } | Request::UnbanAll) {
                        self.sources.save();
                    }
                    reply::ok(count, &mut |b| out.extend_from_slice(b));
                }
                Err(why) => reply::error(why.as_bytes(), &mut |b| out.extend_from_slice(b)),
            },
        }
        // The firewall knows before the client does.
        self.settle(clock::now());
        None
    }

    fn more(&mut self, mut from: server::Cursor, out: &mut Vec<u8>) -> Option<server::Cursor> {
        let Some(at) = self.listings.iter().position(|(id, _)| *id == from.next) else {
            reply::error(b"too many listings at a time", &mut |b| out.extend_from_slice(b));
            return None;
        };
        let mut cursor = self.listings.get(at).map_or_else(Cursor::default, |(_, cursor)| *cursor);
        for _ in 0..LISTED {
            if out.len() >= CHUNK {
                break;
            }
            let Some(ban) = self.engine.blocklist().list(&mut cursor) else {
                self.listings.remove(at);
                reply::ok(Some(from.sent), &mut |b| out.extend_from_slice(b));
                return None;
            };
            self.view(&ban).write(&mut |b| out.extend_from_slice(b));
            from.sent += 1;
        }
        if let Some((_, slot)) = self.listings.get_mut(at) {
            *slot = cursor;
        }
        Some(from)
    }
}

impl StatusView for Core {
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn uptime(&self) -> u64 {
        clock::now().since(self.started).millis() / 1000
    }

    fn tables(&self, f: &mut dyn FnMut(TableView<'_>)) {
        let engine = &self.engine;
        let (bans, tracker, sessions) = (engine.blocklist(), engine.tracker(), engine.sessions());
        for (name, used, size) in [
            ("bans", bans.len(), bans.capacity()),
            ("tracked", tracker.len(), tracker.capacity()),
            ("sessions", sessions.len(), sessions.capacity()),
        ] {
            f(TableView { name, used: used as u64, size: size as u64 });
        }
    }

    fn counters(&self, f: &mut dyn FnMut(&str, &str, u64)) {
        self.engine.counters(&mut |stage, name, n| f(stage, name, n));
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        self.sources.each(|_, _, _, tally| {
            tally.each(|name, n| match sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += n,
                None => sums.push((name, n)),
            });
        });
        sums.iter().for_each(|(name, n)| f("source", name, *n));
    }

    fn jails(&self, f: &mut dyn FnMut(JailView<'_>)) {
        let rules = self.loaded.rules();
        let (mut banned, mut failing) = ([0u64; 256], [0u64; 256]);
        self.engine.tracker().each(|source| {
            if let Some(count) = failing.get_mut(usize::from(source.jail)).filter(|_| source.failures > 0) {
                *count += 1;
            }
        });
        let mut cursor = Cursor::default();
        while let Some(ban) = self.engine.blocklist().list(&mut cursor) {
            if let Some(count) = banned.get_mut(usize::from(ban.jail)) {
                *count += 1;
            }
        }
        for (id, jail) in rules.jails.iter().enumerate() {
            let totals = self.engine.tracker().totals(id as u8);
            let setting = self.loaded.settings.jails.iter().find(|s| s.name.as_str() == jail.name);
            let banned = banned.get(id).copied().unwrap_or(0);
            // A reload took it away.
            if setting.is_none() && banned == 0 {
                continue;
            }
            let filter =
                setting.map_or("", |s| if s.filter.is_empty() { &s.filter_file } else { &s.filter });
            f(JailView {
                name: jail.name,
                filter,
                enabled: jail.enabled,
                failing: failing.get(id).copied().unwrap_or(0),
                failures: totals.failures.get(),
                banned,
                total: totals.bans.get(),
            });
        }
        for id in [RESTORED, MANUAL] {
            if let Some(&count) = banned.get(usize::from(id)).filter(|n| **n > 0) {
                f(JailView {
                    name: rules.name(id),
                    filter: "",
                    enabled: true,
                    failing: 0,
                    failures: 0,
                    banned: count,
                    total: count,
                });
            }
        }
    }

    fn sources(&self, f: &mut dyn FnMut(PeerView<'_>)) {
        self.sources.each(|_, spec, state, tally| {
            let (kind, name) = match spec {
                Spec::Udp { listen } => ("udp", shown(listen)),
                Spec::Tcp { listen, .. } => ("tcp", shown(listen)),
                Spec::Unix { path } => ("unix", path.display().to_string()),
                Spec::File { path } => ("file", path.display().to_string()),
                Spec::Logread { argv } => {
                    ("logread", argv.first().map_or("".into(), |a| a.to_string_lossy()).into())
                }
                Spec::Stdin { .. } => ("stdin", String::new()),
            };
            let (up, error) = match state {
                State::Up(_) => (true, None),
                State::Waiting(error) => (false, Some(error.to_string())),
                State::Ended => (false, Some("ended".to_string())),
            };
            let error = error.as_ref().map(|text| text.as_bytes());
            f(PeerView { kind, name: &name, up, count: tally.lines.get(), error });
        });
    }

    fn sinks(&self, f: &mut dyn FnMut(PeerView<'_>)) {
        let (up, count, error) = match &self.firewall {
            Firewalling::On { sink, error, .. } => {
                (!sink.is_stale(), sink.sent().messages, error.as_ref().map(ToString::to_string))
            }
            Firewalling::Off(why) => (false, 0, Some(why.clone())),
        };
        let error = error.as_ref().map(|text| text.as_bytes());
        f(PeerView { kind: "nftables", name: "inet edgeban", up, count, error });
    }
}
