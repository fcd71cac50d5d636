//! The daemon: sources, engine, firewall and control socket around one epoll loop, in one thread.
//!
//! A turn serves what is ready, expires what is over, sends the firewall one batch of all that changed, and looks
//! when to wake next. State lives in the engine and the kernel only: a sink that fails is rebuilt from the
//! blocklist, at once and then ever more seldom; a reload builds everything new before anything old goes.

use super::cli::check;
use super::load::Loaded;
use super::nft::{NftError, NftSink};
use super::poll::{Interest, Poller, Token};
use super::server::Server;
use super::source::{Sources, Spec};
use super::sys::signal::{Signal, SignalFd};
use super::{clock, conf, memory, own, takeover};
use crate::action::nftables::Op;
use crate::addr::Prefix;
use crate::blocklist::{Change, Cursor, LISTED_ONLY, Reason};
use crate::config::{self, Firewall, Settings, SourceKind};
use crate::engine::{Clock, Engine, Input, Rules, Watcher};
use crate::frame::Framing;
use crate::jail::{JailId, Sentence, Why};
use crate::time::civil::Calendar;
use crate::time::{Duration, Instant};
use core::net::SocketAddr;
use log::{debug, error, info, warn};
use std::ffi::CString;
use std::format;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// [`Token::owner`] of the control socket and its clients.
const CONTROL: u8 = 1;
/// [`Token::owner`] of the netlink socket that hears of ruleset changes.
const NETLINK: u8 = 2;
/// [`Token::owner`] of the signals.
const SIGNALS: u8 = 3;
/// Bytes of a netlink batch.
const BATCH: usize = 64 * 1024;
/// Changes that wait for the end of a turn.
const CHANGES: usize = 1024;
/// Expired bans a turn.
const EXPIRIES: usize = 512;
/// Streams whose last failure is remembered for "last message repeated".
const STREAMS: usize = 64;
/// How often this host's own addresses are looked at.
const OWN: Duration = Duration::from_secs(30);
/// The longest pause between two tries to rebuild the firewall's table; the first is at once.
const SLOWEST: Duration = Duration::from_secs(60);

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
    /// Decide and drop nothing.
    pub dry_run: bool,
}

/// Everything but the control socket, which asks the rest for answers.
pub(super) struct Core {
    pub engine: Engine<'static>,
    pub loaded: Loaded,
    pub sources: Sources,
    pub firewall: Firewalling,
    pub started: Instant,
    /// Listings under way: the number that a client's cursor has, and where it stands.
    pub listings: Vec<(u64, Cursor)>,
    pub listed: u64,
    poller: Poller,
    plan: (Option<PathBuf>, Option<PathBuf>),
    own: Vec<(Prefix, Why)>,
    own_next: Instant,
    specs: Vec<(Spec, u32)>,
    /// Jails that each source is for, by its number.
    masks: Vec<u32>,
    stop: bool,
}

/// The firewall, or why there is none.
pub(super) enum Firewalling {
    /// Packets are dropped.
    On {
        /// The kernel's table.
        sink: std::boxed::Box<NftSink<'static>>,
        /// When a stale table is rebuilt next, and the pause after that.
        retry: (Instant, Duration),
        /// What went wrong last.
        error: Option<NftError>,
    },
    /// Only the blocklist in memory knows.
    Off(String),
}

/// The daemon.
pub(super) struct Daemon {
    core: Core,
    server: Option<Server>,
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
        let signals = SignalFd::new().map_err(system)?;
        let poller = Poller::new().map_err(system)?;
        poller.add(&signals, Token::new(SIGNALS, 0, 0), Interest::Read).map_err(system)?;
        let now = clock::now();
        info!("edgeban {}, {}", env!("CARGO_PKG_VERSION"), check::called(path.as_deref()));

        let own = own::addresses();
        let loaded = Loaded::new(loaded.settings, &own, None)
            .map_err(|errors| check::placed(path.as_deref(), &errors))?;
        let settings = &loaded.settings;
        let key = [(); 3].map(|()| clock::random_u64());
        let [Ok(a), Ok(b), Ok(c)] = key else {
            return Err("the kernel gives no random numbers".to_string());
        };
        let engine = memory::engine(settings, ring(settings), STREAMS, [a, b, c]);
        let firewall = firewall(settings, dry_run, now)?;
        let state = state_file(settings);
        super::source::set_longest(settings.global.max_line as usize);
        let server = serve(control, settings);
        let mut core = Core {
            engine,
            loaded,
            sources: Sources::new(state.as_deref()),
            firewall,
            started: now,
            listings: Vec::new(),
            listed: 0,
            poller,
            plan: (named, path),
            own,
            own_next: now + OWN,
            specs: Vec::new(),
            masks: Vec::new(),
            stop: false,
        };
        core.watch_firewall();
        if let Firewalling::On { sink, .. } = &mut core.firewall {
            takeover::take_over(&mut core.engine, &core.loaded, sink, now);
        }
        core.apply_sources(now);
        core.heal(now);
        Ok(Self { core, server, signals })
    }

    /// Works until it is told to stop.
    ///
    /// # Errors
    /// The event loop failed.
    pub(super) fn run(&mut self) -> Result<(), String> {
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
        let Self { core, server, signals } = self;
        if let Some(server) = server {
            server.watch(&core.poller, CONTROL)?;
        }
        let events = core.poller.wait(core.timeout(server.as_ref()))?;
        let now = clock::now();
        for event in events {
            match event.token.owner {
                Sources::OWNER => core.serve(Some(event.token), now),
                CONTROL => {
                    if let Some(server) = server {
                        server.ready(event.token.part, now, core);
                    }
                }
                NETLINK => core.hear(),
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
        if let Some(server) = server {
            server.sweep(now);
        }
        Ok(())
    }
}

impl Core {
    /// Tells the engine a line, or all that happened in it, and the firewall what follows.
    fn live<'c>(&'c mut self, now: Instant) -> (&'c mut Engine<'static>, &'c Rules<'c>, Live<'c>) {
        let rules = self.loaded.rules();
        (&mut self.engine, rules, Live { rules, firewall: &mut self.firewall, now, sentence: None })
    }

    /// Lets the sources read: one that is ready, or with `None` what else is due.
    fn serve(&mut self, token: Option<Token>, now: Instant) {
        let Self { engine, loaded, sources, firewall, poller, masks, .. } = self;
        let rules = loaded.rules();
        let mut live = Live { rules, firewall, now, sentence: None };
        let zone = clock::Local::new();
        let east = |civil: &_| zone.east(civil);
        let calendar = Calendar::new(clock::wall(), &east);
        let mut on_line = |id: super::source::SourceId,
                           key: super::source::StreamKey,
                           line: &[u8],
                           meta: super::source::LineMeta| {
            let clock =
                if meta.catch_up { Clock::CatchUp { now, calendar: &calendar } } else { Clock::Live(now) };
            let from = meta
                .from
                .map_or(0, |addr| addr.words().into_iter().fold(0, |h: u32, w| h.rotate_left(5) ^ w));
            let stream = (u32::from(id.0) << 24) ^ key.0 ^ from;
            let jails = masks.get(usize::from(id.0)).copied().unwrap_or(u32::MAX);
            engine.line(rules, line, &Input { stream, jails, clock }, &mut live);
        };
        match token {
            Some(token) => sources.ready(poller, token, now, &mut on_line),
            None => sources.turn(poller, now, &mut on_line),
        }
    }

    /// What a turn ends with.
    pub(super) fn settle(&mut self, now: Instant) {
        let (engine, _, mut live) = self.live(now);
        engine.expire(now, EXPIRIES, &mut live);
        if let Firewalling::On { sink, error, .. } = &mut self.firewall
            && let Err(e) = sink.flush(now)
        {
            *error = Some(e);
        }
        self.heal(now);
        if now >= self.own_next {
            self.own_next = now + OWN;
            memory::trim();
            let own = own::addresses();
            if own != self.own {
                info!("this host's addresses changed");
                self.own = own;
                let settings = self.loaded.settings.clone();
                match Loaded::new(settings, &self.own, Some(&self.loaded)) {
                    Ok(loaded) => self.loaded = loaded,
                    // Only a filter's file can have become wrong since it was read.
                    Err(errors) => errors.iter().for_each(|e| error!("own addresses not renewed: {e}")),
                }
            }
        }
    }

    /// Rebuilds a firewall table that is not what it should be, if it is time to.
    fn heal(&mut self, now: Instant) {
        let Self { engine, loaded, firewall, .. } = self;
        let Firewalling::On { sink, retry: (next, pause), error } = firewall else { return };
        if !sink.is_stale() || now < *next {
            return;
        }
        let scopes: Vec<(u8, &[u16])> =
            loaded.scopes.iter().enumerate().map(|(i, ports)| (i as u8 + 1, ports.as_slice())).collect();
        let mut cursor = Cursor::default();
        let list = engine.blocklist();
        let bans = core::iter::from_fn(|| list.list(&mut cursor)).filter(|ban| ban.scope != LISTED_ONLY);
        match sink.install(&scopes, bans, now) {
            Ok(()) => {
                info!("nftables: table inet edgeban made, {} bans", list.len());
                *error = None;
                *pause = Duration::ZERO;
                *next = now;
            }
            Err(e) => {
                *pause = Duration::from_secs((pause.secs() * 2).clamp(1, SLOWEST.secs()));
                *next = now + *pause;
                error!("nftables: {e}; again in {}", pause.write().as_str());
                *error = Some(e);
            }
        }
    }

    /// Reads what the kernel says of the ruleset.
    fn hear(&mut self) {
        let Firewalling::On { sink, error, .. } = &mut self.firewall else { return };
        match sink.read_events() {
            Ok(true) => {}
            Ok(false) => warn!("nftables: somebody changed or flushed table inet edgeban"),
            Err(e) => *error = Some(e),
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
        let wanted: Vec<Spec> = specs.iter().map(|(spec, _)| spec.clone()).collect();
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

    fn timeout(&self, server: Option<&Server>) -> Option<u32> {
        let now = clock::now();
        let mut first = self.own_next;
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

    /// Reads the configuration again. All of it is checked and built before anything changes.
    pub(super) fn reload(&mut self) -> Result<(), String> {
        let done = self.reloaded();
        match &done {
            Ok(()) => info!("reloaded {}", check::called(self.plan.1.as_deref())),
            Err(problems) => {
                problems.lines().for_each(|line| error!("{line}"));
                error!("configuration not reloaded; the old one stays in force");
            }
        }
        done
    }

    fn reloaded(&mut self) -> Result<(), String> {
        let (settings, path) = check::read(self.plan.0.as_deref())?;
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
        let loaded = Loaded::new(settings, &self.own, Some(&self.loaded))
            .map_err(|errors| check::placed(path.as_deref(), &errors))?;
        let (old, new) = (&self.loaded.settings.global, &loaded.settings.global);
        let sizes = |g: &config::Global| (g.max_bans, g.max_tracked, g.max_sessions, g.max_line);
        if sizes(old) != sizes(new) || old.control != new.control || old.firewall != new.firewall {
            warn!("table sizes, control socket and firewall change at the next start");
        }
        let scopes_changed = self.loaded.scopes != loaded.scopes;
        log::set_max_level(super::report::level(new.log_level));
        self.loaded = loaded;
        self.plan.1 = path;
        let now = clock::now();
        self.apply_sources(now);
        if scopes_changed && let Firewalling::On { sink, retry, .. } = &mut self.firewall {
            sink.invalidate();
            retry.0 = now;
        }
        Ok(())
    }

    /// The engine and what tells the firewall and the log, for an order of a person.
    pub(super) fn order<'c>(
        &'c mut self,
        now: Instant,
    ) -> (&'c mut Engine<'static>, &'c Rules<'c>, Live<'c>) {
        self.live(now)
    }
}

/// Opens the control socket: the one asked for, else the configuration's, else for a user without root their own.
fn serve(asked: Option<PathBuf>, settings: &Settings) -> Option<Server> {
    let named = asked.is_some();
    let mut path = asked.unwrap_or_else(|| PathBuf::from(settings.global.control.as_str()));
    let mut bound = Server::bind(&path);
    if bound.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
        && let Some(own) = conf::own_control(settings).filter(|_| !named)
    {
        bound = Server::bind(&own);
        path = own;
    }
    match bound {
        Ok(server) => {
            info!("control socket {}", path.display());
            Some(server)
        }
        Err(e) => {
            warn!("no control socket, {}: {e}", path.display());
            None
        }
    }
}

/// Stamps a source of the tracker: room for late lines of the greatest `maxretry`.
fn ring(settings: &Settings) -> u16 {
    let most = settings.jails.iter().filter(|j| j.enabled).map(|j| j.policy.maxretry).max().unwrap_or(1);
    most.saturating_mul(2).max(10)
}

fn state_file(settings: &Settings) -> Option<PathBuf> {
    let dir = PathBuf::from(settings.global.state_dir.as_str());
    match std::fs::create_dir_all(&dir) {
        Ok(()) => Some(dir.join("offsets")),
        Err(e) => {
            // Without it only the lines of the time when nobody read are lost.
            debug!("{}: {e}; files are read from their ends at each start", dir.display());
            None
        }
    }
}

fn firewall(settings: &Settings, dry_run: bool, now: Instant) -> Result<Firewalling, String> {
    if dry_run {
        info!("dry run: bans are decided and listed, nothing is dropped");
        return Ok(Firewalling::Off("dry run".to_string()));
    }
    if settings.global.firewall == Firewall::None {
        info!("firewall none: bans are listed, nothing is dropped");
        return Ok(Firewalling::Off("turned off in the configuration".to_string()));
    }
    match NftSink::open(vec![0; BATCH].leak(), vec![Op::EMPTY; CHANGES].leak()) {
        Ok(sink) => Ok(Firewalling::On {
            sink: std::boxed::Box::new(sink),
            retry: (now, Duration::ZERO),
            error: None,
        }),
        Err(e) if settings.global.firewall == Firewall::Nftables => Err(format!("nftables: {e}")),
        Err(e) => {
            warn!("nftables: {e}; bans are kept in memory only, NO PACKET IS DROPPED");
            Ok(Firewalling::Off(e.to_string()))
        }
    }
}

/// A source of the settings as the sources stage takes it.
fn spec(source: &config::Source) -> Spec {
    let listen = || {
        let config::Endpoint { addr, port } = source.listen;
        let ip = match addr.to_v4() {
            Some(v4) => core::net::IpAddr::from(v4),
            None => core::net::IpAddr::from(addr.octets()),
        };
        SocketAddr::new(ip, port)
    };
    let path = || PathBuf::from(source.path.as_str());
    match source.kind {
        SourceKind::Udp => Spec::Udp { listen: listen() },
        SourceKind::Tcp => Spec::Tcp {
            listen: listen(),
            connections: Spec::CONNECTIONS,
            framing: framing(source.framing, Framing::Auto),
        },
        SourceKind::Unix => Spec::Unix { path: path() },
        SourceKind::File => Spec::File { path: path() },
        SourceKind::Stdin => Spec::Stdin { framing: framing(source.framing, Framing::Lf) },
        SourceKind::Logread => {
            let program = if source.path.is_empty() { "/sbin/logread" } else { source.path.as_str() };
            Spec::Logread {
                argv: [program, "-f"].into_iter().filter_map(|w| CString::new(w).ok()).collect(),
            }
        }
    }
}

/// How a stream is cut; `auto` where the configuration leaves it open.
fn framing(setting: config::Framing, auto: Framing) -> Framing {
    match setting {
        config::Framing::Auto => auto,
        config::Framing::Newline => Framing::Newline,
        config::Framing::Nul => Framing::Nul,
        config::Framing::Octets => Framing::OctetCounted,
    }
}

/// The jails whose filters a source is bound to; all where it names none.
fn mask(source: &config::Source, settings: &Settings, rules: &Rules<'_>) -> u32 {
    if source.filters.is_empty() {
        return u32::MAX;
    }
    let bound = |jail: &&config::Jail| source.filters.contains(&jail.filter);
    let places = settings.jails.iter().filter(bound).filter_map(|jail| rules.find(&jail.name));
    places.fold(0, |mask, place| mask | 1u32.checked_shl(place.into()).unwrap_or(0))
}

/// Hears the engine, tells the log and the firewall.
pub(super) struct Live<'c> {
    rules: &'c Rules<'c>,
    firewall: &'c mut Firewalling,
    now: Instant,
    sentence: Option<JailId>,
}

impl Watcher for Live<'_> {
    fn failure(&mut self, jail: JailId, failure: &crate::session::Failure<'_>, _: Instant) {
        debug!("failure {} jail {} attempts {}", failure.ip, self.rules.name(jail), failure.attempts);
    }

    fn sentence(&mut self, sentence: &Sentence) {
        self.sentence = Some(sentence.jail);
    }

    fn change(&mut self, change: Change) {
        let rules = self.rules;
        match &change {
            Change::Added(ban) | Change::Renewed { ban, .. } => {
                let by = self.sentence.take();
                let name = rules.name(by.unwrap_or(ban.jail));
                let failures =
                    by.and_then(|jail| rules.jails.get(usize::from(jail))).map_or(0, |j| j.policy.maxretry);
                // The recidive filter reads these words.
                if ban.until == Instant::NEVER {
                    info!("ban {} jail {name} for ever ({failures} failures)", ban.target);
                } else {
                    let seconds = ban.until.since(self.now).secs();
                    info!("ban {} jail {name} for {seconds}s ({failures} failures)", ban.target);
                }
            }
            Change::Removed(ban, reason) => {
                let why = match reason {
                    Reason::Expired => "over",
                    Reason::Unbanned => "by order",
                    Reason::Evicted => "the blocklist is full",
                };
                info!("unban {} jail {}: {why}", ban.target, rules.name(ban.jail));
            }
        }
        let Firewalling::On { sink, error, .. } = &mut *self.firewall else { return };
        let told = match change {
            Change::Added(ban) | Change::Renewed { ban, .. } if ban.scope == LISTED_ONLY => return,
            Change::Removed(ban, _) if ban.scope == LISTED_ONLY => return,
            Change::Renewed { ban, old_scope: LISTED_ONLY } => Change::Added(ban),
            other => other,
        };
        if let Err(e) = sink.push(&told, self.now) {
            *error = Some(e);
        }
    }
}
