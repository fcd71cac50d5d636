//! The daemon: sources, engine, firewall and control socket around one epoll loop, in one thread.
//!
//! Each turn serves what is ready, ends the bans that are over, sends the firewall one batch of all changes, and works out
//! when to wake next. The engine's blocklist is the only state: after an error the firewall's table is made anew from it, at
//! once and then after growing pauses. A reload builds everything new before it drops anything old.

use super::cli::check;
use super::firewall::{Firewalling, Live, Telling, firewall, next_pause};
use super::load::Loaded;
use super::poll::{Interest, Poller, Token};
use super::server::Server;
use super::setup::{self, mask, ring, serve, spec, state_file};
use super::source::{Sources, Spec};
use super::sys::signal::{Signal, SignalFd};
use super::{clock, memory, own, sys, takeover};
use crate::addr::Prefix;
use crate::blocklist::{Cursor, LISTED_ONLY};
use crate::config;
use crate::engine::{Clock, Engine, Input, Rules};
use crate::jail::Why;
use crate::syslog::{self, Parsed};
use crate::time::civil::Calendar;
use crate::time::{Duration, Instant};
use log::{error, info, warn};
use std::boxed::Box;
use std::format;
use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::string::String;
use std::vec::Vec;

/// [`Token::owner`] of the control socket and its clients.
const CONTROL: u8 = 1;
/// [`Token::owner`] of the netlink socket that hears of ruleset changes.
const NETLINK: u8 = 2;
/// [`Token::owner`] of the netlink socket that hears of addresses and routes.
const MOVES: u8 = 4;
/// [`Token::owner`] of the signals.
const SIGNALS: u8 = 3;
/// The most bans that one turn ends.
const EXPIRIES: usize = 512;
/// Streams whose last failure is remembered for "last message repeated".
const STREAMS: usize = 64;
/// How often this host's own addresses are read, even if the kernel announces no change.
const OWN: Duration = Duration::from_secs(30);
/// The shortest time between two readings: a router may learn routes all the time.
const OWN_AGAIN: Duration = Duration::from_secs(1);
/// How often to check that the control socket still exists.
const LOOK: Duration = Duration::from_secs(10);
/// The shortest time between two calls of [`memory::trim`].
const TRIM: Duration = Duration::from_millis(250);

/// What a daemon starts from.
pub(super) struct Plan {
    /// The configuration, checked.
    pub loaded: Loaded,
    /// The configuration file that was asked for.
    pub named: Option<PathBuf>,
    /// The one that was found.
    pub path: Option<PathBuf>,
    /// The control socket, where it is not the configuration's.
    pub control: Option<PathBuf>,
    /// Decide on bans, and drop nothing.
    pub dry_run: bool,
}

/// Everything but the control socket, which asks the rest for answers.
pub(super) struct Core {
    pub engine: Engine<'static>,
    pub loaded: Loaded,
    pub sources: Sources,
    /// When the run before saved how far it had read, in milliseconds since 1970: what it missed is later.
    saved: i64,
    pub firewall: Firewalling,
    telling: Telling,
    pub started: Instant,
    /// Listings under way: the number that a client's cursor has, and where it stands.
    pub listings: Vec<(u64, Cursor)>,
    pub listed: u64,
    poller: Poller,
    plan: (Option<PathBuf>, Option<PathBuf>),
    /// The global section at the start: some options take effect only at the next start.
    begun: Box<config::Global>,
    own: Vec<(Prefix, Why)>,
    own_next: Instant,
    own_looked: Instant,
    /// Whether it was logged that they cannot be read.
    own_unread: bool,
    moves: Option<own::Moves>,
    specs: Vec<(Spec, u32)>,
    /// Jails that each source is for, by its number.
    masks: Vec<u32>,
    trimmed: Instant,
    /// Whether something has run since.
    untrimmed: bool,
    stop: bool,
}

/// The daemon.
pub(super) struct Daemon {
    core: Core,
    server: Option<Server>,
    /// The control socket that was asked for.
    asked: Option<PathBuf>,
    /// When to check that it exists; never in a dry run.
    look: Instant,
    /// Whether it was logged that it was removed and cannot be made.
    lost: bool,
    signals: SignalFd,
}

impl Daemon {
    /// Opens everything.
    ///
    /// # Errors
    /// What it cannot do without, in words: its event loop, or the firewall where the configuration insists on it.
    pub(super) fn start(plan: Plan) -> Result<Self, String> {
        let Plan { loaded, named, path, control, dry_run } = plan;
        super::report::log_to_stderr(loaded.settings.global.log_level);
        let system = |e: super::sys::Errno| format!("cannot start: {e}");
        sys::limit::raise();
        let signals = SignalFd::new().map_err(system)?;
        let poller = Poller::new().map_err(system)?;
        poller.add(&signals, Token::new(SIGNALS, 0, 0), Interest::Read).map_err(system)?;
        let now = clock::now();
        info!("edgeban {}, {}", env!("CARGO_PKG_VERSION"), check::called(path.as_deref()));

        // Before the addresses are read, so that no change between the two is missed.
        let moves = own::Moves::watch(&poller, Token::new(MOVES, 0, 0));
        let own = own::addresses().map_err(|e| format!("this host's addresses cannot be read: {e}"))?;
        let loaded = Loaded::new(loaded.settings, &own, None)
            .map_err(|errors| check::placed(path.as_deref(), &errors))?;
        let settings = &loaded.settings;
        let engine = memory::engine(settings, ring(settings), STREAMS, clock::random_key()?)?;
        // Before anything is changed: another edgeban may be running.
        let server = serve(control.clone(), settings, dry_run)?;
        let firewall = firewall(settings, dry_run, now)?;
        // No state file in a dry run: it would change where the real run goes on in its files.
        let state = (!dry_run).then(|| state_file(settings));
        let saved = state.as_deref().and_then(|path| fs::metadata(path).ok());
        super::source::set_longest(settings.global.max_line as usize);
        let begun = Box::new(settings.global.clone());
        let mut core = Core {
            engine,
            loaded,
            sources: Sources::new(state.as_deref()),
            saved: saved.map_or(i64::MIN, |meta| meta.mtime().saturating_mul(1000)),
            firewall,
            telling: Telling::new(now),
            started: now,
            listings: Vec::new(),
            listed: 0,
            poller,
            plan: (named, path),
            begun,
            own,
            own_next: now + OWN,
            own_looked: now,
            own_unread: false,
            moves,
            specs: Vec::new(),
            masks: Vec::new(),
            trimmed: now,
            untrimmed: false,
            stop: false,
        };
        core.watch_firewall();
        if let Firewalling::On { sink, .. } = &mut core.firewall {
            takeover::take_over(&mut core.engine, &core.loaded, sink, now);
        }
        core.apply_sources(now);
        core.heal(now);
        if core.loaded.settings.global.firewall == config::Firewall::Nftables
            && let Firewalling::On { error: Some(e), .. } = &core.firewall
        {
            return Err(format!("nftables: {e}"));
        }
        let look = if dry_run { Instant::NEVER } else { now + LOOK };
        Ok(Self { core, server, asked: control, look, lost: false, signals })
    }

    /// Works until it is told to stop.
    ///
    /// # Errors
    /// The event loop failed.
    pub(super) fn run(&mut self) -> Result<(), String> {
        // Files are opened before `ready` is logged: lines written after that are new ones.
        let now = clock::now();
        self.core.serve(None, now);
        self.core.settle(now);
        memory::trim();
        super::report::ready();
        while !self.core.stop {
            self.turn().map_err(|e| format!("event loop: {e}"))?;
        }
        self.core.sources.stop();
        match self.core.firewall {
            Firewalling::On { .. } => info!("stopped; timed bans stay in the kernel until they are over"),
            Firewalling::Off(_) => info!("stopped"),
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), super::sys::Errno> {
        self.keep_control(clock::now());
        let Self { core, server, look, signals, .. } = self;
        if let Some(server) = server {
            server.watch(&core.poller, CONTROL)?;
        }
        let events = core.poller.wait(core.timeout(server.as_ref(), *look))?;
        let now = clock::now();
        let clients = server.as_ref().map_or(0, Server::clients);
        for event in events {
            match event.token.owner {
                Sources::OWNER => core.serve(Some(event.token), now),
                CONTROL => {
                    if let Some(server) = server {
                        server.ready(event.token.part, now, core);
                    }
                }
                NETLINK => core.hear(),
                MOVES => core.moved(),
                _ => {
                    while let Some(signal) = signals.read()? {
                        match signal {
                            Signal::Stop => core.stop = true,
                            Signal::Reload => {
                                let _ = core.reload();
                            }
                            Signal::Child => core.sources.reap(),
                        }
                    }
                }
            }
        }
        core.serve(None, now);
        core.settle(now);
        let mut left = false;
        if let Some(server) = server {
            server.sweep(now);
            left = clients > 0 && server.clients() == 0;
        }
        core.trim(now, left);
        Ok(())
    }

    /// Makes the control socket that somebody removed, or that could not be made before.
    fn keep_control(&mut self, now: Instant) {
        if now < self.look {
            return;
        }
        self.look = now + LOOK;
        match &mut self.server {
            Some(server) if server.stands() => {}
            Some(server) => match server.renew() {
                Ok(()) => {
                    self.lost = false;
                    warn!("{}: was removed, made anew", server.path().display());
                }
                Err(_) if self.lost => {}
                Err(e) => {
                    self.lost = true;
                    warn!("{}: was removed: {e}; tried again every 10 s", server.path().display());
                }
            },
            None => self.server = setup::control(self.asked.clone(), &self.core.loaded.settings).1.ok(),
        }
    }
}

impl Core {
    /// The engine, its rules, and the watcher that logs bans and passes them to the firewall.
    pub(super) fn live<'c>(
        &'c mut self,
        now: Instant,
    ) -> (&'c mut Engine<'static>, &'c Rules<'c>, Live<'c>) {
        let rules = self.loaded.rules();
        let Self { engine, firewall, telling, .. } = self;
        (engine, rules, Live { rules, firewall, now, sentence: None, telling })
    }

    /// Lets the sources read: one that is ready, or with `None` what else is due.
    fn serve(&mut self, token: Option<Token>, now: Instant) {
        let Self { engine, loaded, sources, saved, firewall, poller, masks, telling, .. } = self;
        let rules = loaded.rules();
        let mut live = Live { rules, firewall, now, sentence: None, telling };
        let zone = clock::Local::new();
        let east = |civil: &_| zone.east(civil);
        let calendar = Calendar::new(clock::wall(), &east);
        let missed = Calendar { after_ms: *saved, ..calendar };
        let mut on_line = |id: super::source::SourceId,
                           key: super::source::StreamKey,
                           line: &[u8],
                           meta: super::source::LineMeta| {
            let clock = match meta.catch_up {
                true => Clock::CatchUp { now, calendar: &missed },
                false if meta.fresh && is_dated(line, &calendar) => {
                    Clock::CatchUp { now, calendar: &calendar }
                }
                false => Clock::Live(now),
            };
            let from = meta
                .from
                .map_or(0, |addr| addr.words().into_iter().fold(0, |h: u32, w| h.rotate_left(5) ^ w));
            // Times an odd number, so that neighbouring keys still differ in the low bits, which choose a stream's place among
            // those remembered.
            let stream = (key.0 ^ from).wrapping_mul(0x9e37_79b1).wrapping_add(id.0.into());
            let jails = masks.get(usize::from(id.0)).copied().unwrap_or(u32::MAX);
            engine.line(rules, line, &Input { stream, jails, clock }, &mut live);
        };
        match token {
            Some(token) => sources.ready(poller, token, now, &mut on_line),
            None => sources.turn(poller, now, &mut on_line),
        }
    }

    /// Gives back the memory that turns needed, so that a daemon that waits holds little more than its tables. At most once
    /// in [`TRIM`], but at once where the last client has `left`, whose requests need more than log lines do.
    fn trim(&mut self, now: Instant, left: bool) {
        self.untrimmed = now < self.trimmed + TRIM && !left;
        if !self.untrimmed {
            self.trimmed = now;
            memory::trim();
        }
    }

    /// The end of each turn: own addresses, expiry, firewall.
    pub(super) fn settle(&mut self, now: Instant) {
        // Before the firewall is told, since it may lift bans.
        if now >= self.own_next {
            self.renew_own(now);
        }
        let (engine, _, mut live) = self.live(now);
        engine.expire(now, EXPIRIES, &mut live);
        self.telling.sum_up(now);
        self.telling.full(self.engine.blocklist().tally().full.get(), now);
        if let Firewalling::On { sink, error, .. } = &mut self.firewall
            && let Err(e) = sink.flush(now)
        {
            *error = Some(e);
        }
        self.heal(now);
    }

    /// Reads this host's own addresses and gateways, and lifts bans that hold one. As often, makes room at the mark that keeps a
    /// second edgeban away.
    fn renew_own(&mut self, now: Instant) {
        if let Firewalling::On { sole: Some(sole), .. } = &self.firewall {
            sole.let_in();
        }
        self.own_looked = now;
        let own = match own::addresses() {
            Ok(own) => own,
            Err(e) => {
                // The last known addresses stay in use: without them this host could ban itself.
                if !core::mem::replace(&mut self.own_unread, true) {
                    warn!("this host's addresses cannot be read: {e}; those known so far hold on");
                }
                self.own_next = now + OWN_AGAIN;
                return;
            }
        };
        self.own_unread = false;
        self.own_next = now + OWN;
        if own == self.own {
            return;
        }
        info!("this host's addresses changed");
        self.own = own;
        self.loaded.renew_own(&self.own);
        self.pardon(now);
    }

    /// Lifts bans that the current rules do not permit.
    fn pardon(&mut self, now: Instant) {
        let (engine, rules, mut live) = self.live(now);
        let lifted = engine.pardon(rules, &mut live);
        if lifted > 0 {
            info!("{lifted} bans lifted: they held an address that is never banned now");
        }
    }

    /// Makes the firewall's table anew where it is not what it should be, once its pause is over.
    fn heal(&mut self, now: Instant) {
        let Self { engine, loaded, firewall, .. } = self;
        let Firewalling::On { sink, retry: (next, pause), error, .. } = firewall else { return };
        if !sink.is_stale() || now < *next {
            return;
        }
        let scopes = loaded.scopes.iter().enumerate().map(|(i, ports)| (i as u8 + 1, ports.as_slice()));
        let scopes: Vec<_> = scopes.filter(|(_, ports)| !ports.is_empty()).collect();
        let mut cursor = Cursor::default();
        let list = engine.blocklist();
        let bans = core::iter::from_fn(|| list.list(&mut cursor)).filter(|ban| ban.scope != LISTED_ONLY);
        let mut count = 0u32;
        let made = sink.install(&scopes, bans.inspect(|_| count += 1), now);
        *pause = next_pause(made, *pause, now.since(*next));
        *next = now + *pause;
        *error = made.err();
        match made {
            Ok(()) => info!("nftables: table inet edgeban made, {count} bans"),
            Err(e) => {
                let again = pause.write();
                error!("nftables: {e}; NO PACKET IS DROPPED until it works; again in {}", again.as_str());
            }
        }
    }

    /// Reads the kernel's announcements of ruleset changes.
    fn hear(&mut self) {
        let Firewalling::On { sink, error, .. } = &mut self.firewall else { return };
        // Of a table that is to be made anew anyway it was said before.
        let stale = sink.is_stale();
        match sink.read_events() {
            Ok(true) => {}
            Ok(false) if stale => {}
            Ok(false) => warn!("nftables: somebody changed or flushed table inet edgeban"),
            Err(e) => *error = Some(e),
        }
    }

    /// The kernel announces that an address or a route changed: all are read in this turn, but at most once a second.
    fn moved(&mut self) {
        if self.moves.as_ref().is_some_and(own::Moves::read) {
            self.own_next = self.own_next.min(self.own_looked + OWN_AGAIN);
        }
    }

    fn watch_firewall(&mut self) {
        if let Firewalling::On { sink, .. } = &self.firewall {
            // SAFETY: the sink keeps the descriptor open; it lives as long as the poller.
            let fd = unsafe { BorrowedFd::borrow_raw(sink.fd()) };
            if let Err(e) = self.poller.add(&fd, Token::new(NETLINK, 0, 0), Interest::Read) {
                warn!("nftables: cannot watch for changes: {e}");
            }
        }
    }

    fn apply_sources(&mut self, now: Instant) {
        let Self { sources, loaded, poller, specs, masks, .. } = self;
        *specs = loaded
            .settings
            .sources
            .iter()
            .filter(|source| source.enabled)
            .map(|source| (spec(source), mask(source, &loaded.settings, loaded.rules())))
            .collect();
        // IPv6 last: a socket for [::] goes without IPv4 where that already has a socket.
        let mut wanted: Vec<Spec> = Vec::with_capacity(specs.len());
        for six in [false, true] {
            wanted.extend(specs.iter().map(|(spec, _)| spec).filter(|s| s.is_v6() == six).cloned());
        }
        sources.apply(poller, &wanted, now, |e| warn!("{e}; tried again every 10 s"));
        masks.clear();
        sources.each(|id, spec, _, _| {
            let at = usize::from(id.0);
            masks.resize(masks.len().max(at + 1), u32::MAX);
            if let (Some(slot), Some((_, mask))) =
                (masks.get_mut(at), specs.iter().find(|(s, _)| s == spec))
            {
                *slot = *mask;
            }
        });
    }

    fn timeout(&self, server: Option<&Server>, look: Instant) -> Option<u32> {
        let now = clock::now();
        let mut first = look.min(self.own_next).min(self.telling.deadline());
        if self.untrimmed {
            first = first.min(self.trimmed + TRIM);
        }
        if let Some(expiry) = self.engine.next_expiry() {
            first = first.min(expiry);
        }
        if let Some(deadline) = server.and_then(Server::deadline) {
            first = first.min(deadline);
        }
        if let Firewalling::On { sink, retry, .. } = &self.firewall
            && sink.is_stale()
        {
            first = first.min(retry.0);
        }
        let own = u32::try_from(first.since(now).millis()).unwrap_or(u32::MAX);
        Some(self.sources.timeout(now).map_or(own, |sources| sources.min(own)))
    }

    /// Reads the configuration again; all of it is checked and built before anything changes. Returns a warning if a part
    /// takes effect only at the next start.
    ///
    /// # Errors
    /// Every problem, a line each; nothing has changed then.
    pub(super) fn reload(&mut self) -> Result<Option<String>, String> {
        let done = self.reloaded();
        match &done {
            Ok(warning) => {
                info!("reloaded {}", check::called(self.plan.1.as_deref()));
                warning.iter().for_each(|text| warn!("{text}"));
            }
            Err(problems) => {
                problems.lines().for_each(|line| error!("{line}"));
                error!("configuration not reloaded; the old one stays in force");
            }
        }
        done
    }

    fn reloaded(&mut self) -> Result<Option<String>, String> {
        let (settings, path) = check::read(self.plan.0.as_deref())?;
        // Somebody may be writing it, or a full disk cut it off. With the defaults the allow list would be gone.
        let empty = |path: &PathBuf| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == 0);
        match (&path, &self.plan.1) {
            (Some(path), _) if empty(path) => return Err(format!("{}:1: empty", path.display())),
            (None, Some(gone)) => return Err(format!("{}: no longer there", gone.display())),
            _ => {}
        }
        let longest = self.engine.tracker().longest();
        for jail in &settings.jails {
            if jail.enabled && jail.policy.maxretry > longest {
                let place = [format!(
                    "{}: jail {}: maxretry above {longest} needs a restart",
                    jail.line, jail.name
                )];
                return Err(check::placed(path.as_deref(), &place));
            }
        }
        let mut cursor = Cursor::default();
        let before = self.loaded.scopes.clone();
        let bans = core::iter::from_fn(|| self.engine.blocklist().list(&mut cursor));
        self.loaded.free_scopes(bans.map(|ban| ban.scope));
        let loaded = Loaded::new(settings, &self.own, Some(&self.loaded))
            .map_err(|errors| check::placed(path.as_deref(), &errors))?;
        let global = &loaded.settings.global;
        let later = later(&self.begun, global);
        let warning = (!later.is_empty()).then(|| format!("{} will change at a restart", later.join(", ")));
        let scopes_changed = before != loaded.scopes;
        log::set_max_level(super::report::level(global.log_level));
        let now = clock::now();
        for (place, (old, new)) in self.loaded.rules().jails.iter().zip(loaded.rules().jails).enumerate() {
            if old.name != new.name {
                self.engine.forget(place as u8, now);
            }
        }
        self.loaded = loaded;
        self.plan.1 = path;
        self.pardon(now);
        self.apply_sources(now);
        // Read in this turn, since addresses may have changed along with the configuration.
        self.own_next = now;
        if scopes_changed && let Firewalling::On { sink, retry, .. } = &mut self.firewall {
            sink.invalidate();
            retry.0 = now;
        }
        Ok(warning)
    }
}

/// The options of the global section that differ from those of the start and take effect only at the next one.
fn later(begun: &config::Global, new: &config::Global) -> Vec<&'static str> {
    [
        ("enabled", !new.enabled),
        ("max_bans", begun.max_bans != new.max_bans),
        ("max_tracked", begun.max_tracked != new.max_tracked),
        ("max_sessions", begun.max_sessions != new.max_sessions),
        ("max_line", begun.max_line != new.max_line),
        ("control", begun.control != new.control),
        ("state_dir", begun.state_dir != new.state_dir),
        ("firewall", begun.firewall != new.firewall),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}

/// Whether a line has a date that can be read.
fn is_dated(line: &[u8], calendar: &Calendar<'_>) -> bool {
    match syslog::parse(line) {
        Parsed::Message(message) => {
            message.stamp.and_then(|s| s.read()).and_then(|s| s.epoch_ms(calendar)).is_some()
        }
        Parsed::Repeated(_) => false,
    }
}
