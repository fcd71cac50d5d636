//! `edgeban replay`: who would have been banned, when, by which lines. The log's stamps are the clock.

use super::args::Options;
use super::lines::Lines;
use super::output::{Out, say};
use super::{Done, Failure, check};
use crate::addr::Prefix;
use crate::blocklist::{Change, Reason};
use crate::control::json::Writer;
use crate::engine::{Clock, Engine, Input, Rules, Watcher};
use crate::host::sys::stdio::Stdio;
use crate::host::{clock, memory};
use crate::jail::{JailId, Sentence};
use crate::session::Failure as Failed;
use crate::time::civil::{Calendar, rfc3339};
use crate::time::recent::Recent;
use crate::time::{Duration, Instant};
use std::collections::{HashMap, VecDeque};
use std::format;
use std::io::Write;
use std::path::Path;
use std::string::{String, ToString};
use std::vec::Vec;

/// The most lines that are kept a source: the greatest `maxretry`.
const KEPT: usize = 100;
/// Sources remembered before those without a recent failure are dropped.
const SOURCES: usize = 100_000;
/// Bytes between two updates of the progress line.
const STEP: u64 = 16 << 20;

pub(super) fn run(options: &Options) -> Done {
    if options.words.is_empty() {
        return Err(Failure::Usage("which log? FILE is missing".to_string()));
    }
    let (loaded, _) = check::loaded(options.config.as_deref())?;
    let settings = &loaded.settings;
    let maxretry = settings.jails.iter().map(|jail| jail.policy.maxretry).max().unwrap_or(1);
    // Bans are decided the same way each time, so the tables are not keyed with a secret.
    let mut engine = memory::engine(settings, 2 * maxretry, 1, [1, 2, 3]);
    let max_line = settings.global.max_line as usize;
    let mut watch = Report {
        rules: loaded.rules(),
        out: Out::new(),
        json: options.json,
        file: None,
        line: 0,
        latest: Instant::ZERO,
        lines: HashMap::default(),
        cause: Vec::new(),
        by: None,
        bans: 0,
    };
    // Said before the hours that the others may take; only asked, since a pipe cannot be opened twice.
    for path in &options.words {
        std::fs::metadata(path).map_err(|e| Failure::Error(format!("{}: {e}", path.display())))?;
    }
    for (stream, path) in options.words.iter().enumerate() {
        watch.file = (options.words.len() > 1).then(|| path.display().to_string());
        file(path, stream as u32, max_line, &mut engine, &mut watch)?;
    }
    let Report { mut out, bans, .. } = watch;
    if !options.json {
        let mut counts = Vec::new();
        engine.counters(&mut |stage, name, n| {
            // The stages count some things under one name: what is shown is the engine's own, and its `hits`
            // are lines that a rule read, not failures.
            let shown = match (stage, name) {
                ("engine", "lines") => Some("lines"),
                ("engine", "hits") => Some("matched"),
                ("engine", "failures") => Some("failures"),
                ("engine", "already_banned") => Some("of addresses banned already"),
                ("engine", "allowed") => Some("of addresses that are never banned"),
                ("jail", "late") => Some("too late to count"),
                _ => None,
            };
            if let Some(words) = shown.filter(|_| n > 0) {
                counts.push(format!("{n} {words}"));
            }
        });
        out.line(format_args!("{bans} bans; {}", counts.join(", ")));
    }
    out.done()
}

fn file(
    path: &Path,
    stream: u32,
    max_line: usize,
    engine: &mut Engine<'_>,
    watch: &mut Report<'_>,
) -> Done {
    let fail = |e: std::io::Error| Failure::Error(format!("{}: {e}", path.display()));
    let input = std::fs::File::open(path).map_err(fail)?;
    let meta = input.metadata().map_err(fail)?;
    // A year-less stamp is of the year before the file was written to last.
    let written = meta.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    let zone = clock::Local::new();
    let rule = |civil: &_| zone.east(civil);
    let calendar = Calendar::new(written.map_or_else(clock::wall, |t| t.as_millis() as i64), &rule);
    let dates = Recent::new(calendar);
    let input_of_line = Input { stream, jails: u32::MAX, clock: Clock::Replay(&dates) };
    let mut lines = Lines::new(input, max_line);
    let mut progress = Progress::new(meta.len());
    let rules = watch.rules;
    while let Some((number, line)) = lines.next().map_err(fail)? {
        watch.line = number;
        match line {
            Some(line) => engine.line(rules, line, &input_of_line, watch),
            None => {
                say(format_args!("{}:{number}: longer than {max_line} bytes, not read", path.display()))
            }
        }
        progress.show(&lines.read);
    }
    progress.clear();
    Ok(())
}

/// A line on the terminal that says how far a long file is read.
struct Progress {
    size: u64,
    next: u64,
    err: Stdio,
}

impl Progress {
    fn new(size: u64) -> Self {
        let shown = size > 2 * STEP && Stdio::ERR.is_terminal();
        Self { size, next: if shown { STEP } else { u64::MAX }, err: Stdio::ERR }
    }

    fn show(&mut self, read: &u64) {
        if *read >= self.next {
            self.next = *read + STEP;
            let (percent, size) = (100 * *read / self.size.max(1), self.size >> 20);
            let _ = self.err.write_all(format!("\r{percent:3} % of {size} MiB").as_bytes());
        }
    }

    fn clear(&mut self) {
        if self.next != u64::MAX {
            let _ = self.err.write_all(format!("\r{:30}\r", "").as_bytes());
        }
    }
}

/// Already here for the tables; std's own would be another 4 KB. A log that was made to collide only makes its own
/// replay slow.
type Hasher = core::hash::BuildHasherDefault<siphasher::sip::SipHasher13>;

/// Failures of one source in one jail: line and time.
type Trail = VecDeque<(u64, Instant)>;

struct Report<'r> {
    rules: &'r Rules<'r>,
    out: Out,
    json: bool,
    file: Option<String>,
    line: u64,
    latest: Instant,
    lines: HashMap<(JailId, Prefix), Trail, Hasher>,
    /// Lines of the sentence whose change follows.
    cause: Vec<u64>,
    /// Its jail: a ban that a second jail renews keeps the first one's name.
    by: Option<JailId>,
    bans: u64,
}

impl Report<'_> {
    fn findtime(&self, jail: JailId) -> Duration {
        self.rules.jails.get(usize::from(jail)).map_or(Duration::ZERO, |jail| jail.policy.findtime)
    }

    fn event(
        &mut self,
        event: &str,
        at: Instant,
        ip: Prefix,
        jail: JailId,
        length: Duration,
        lines: &[u64],
    ) {
        let name = self.rules.name(jail);
        let out = &mut self.out;
        if !self.json {
            let when = rfc3339(at.millis() as i64, 0);
            let lines: Vec<String> = lines.iter().map(u64::to_string).collect();
            let place = self.file.as_deref().map_or(String::new(), |file| format!("{file}:"));
            let cause = if lines.is_empty() {
                String::new()
            } else {
                format!("  lines {place}{}", lines.join(","))
            };
            let text = length.write();
            out.line(format_args!(
                "{}  {event:<5}  {ip:<20}  {name:<12}  {:<9}{cause}",
                when.as_str(),
                text.as_str()
            ));
            return;
        }
        let mut bytes = |b: &[u8]| out.bytes(b);
        let mut w = Writer::new(&mut bytes);
        w.object().key("time").u64(at.secs()).key("event").str(event.as_bytes());
        w.key("ip").str(ip.write().as_bytes()).key("jail").str(name.as_bytes());
        let seconds = if length.is_forever() { None } else { Some(length.secs()) };
        w.key("seconds").option(seconds, |w, s| {
            w.u64(s);
        });
        w.key("lines").array();
        for line in lines {
            w.u64(*line);
        }
        w.end_array();
        if let Some(file) = &self.file {
            w.key("file").str(file.as_bytes());
        }
        w.end_object().newline();
    }
}

impl Watcher for Report<'_> {
    fn failure(&mut self, jail: JailId, failure: &Failed<'_>, at: Instant) {
        let Some(found) = self.rules.jails.get(usize::from(jail)) else { return };
        self.latest = self.latest.max(at);
        if self.lines.len() >= SOURCES {
            let latest = self.latest;
            let rules = self.rules;
            self.lines.retain(|(jail, _), trail| {
                let span =
                    rules.jails.get(usize::from(*jail)).map_or(Duration::ZERO, |j| j.policy.findtime);
                trail.back().is_some_and(|(_, at)| *at >= latest - span)
            });
        }
        let trail = self.lines.entry((jail, found.policy.source(failure.ip))).or_default();
        if trail.len() == KEPT {
            trail.pop_front();
        }
        trail.push_back((self.line, at));
    }

    fn sentence(&mut self, sentence: &Sentence) {
        self.by = Some(sentence.jail);
        let oldest = sentence.since - self.findtime(sentence.jail);
        let trail = self.lines.remove(&(sentence.jail, sentence.target)).unwrap_or_default();
        self.cause = trail.into_iter().filter(|(_, at)| *at >= oldest).map(|(line, _)| line).collect();
        self.cause.dedup();
        if self.cause.is_empty() {
            // The recidive jail counts bans, not lines: this is the line of the last of them.
            self.cause.push(self.line);
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Added(ban) | Change::Renewed { ban, .. } => {
                self.bans += 1;
                let cause = core::mem::take(&mut self.cause);
                // A ban that a second jail renews is told from when it was decided.
                let now = self.latest.max(ban.since);
                let length =
                    if ban.until == Instant::NEVER { Duration::FOREVER } else { ban.until.since(now) };
                let jail = self.by.take().unwrap_or(ban.jail);
                self.event("ban", now, ban.target, jail, length, &cause);
            }
            Change::Removed(ban, reason) => {
                let at = if reason == Reason::Expired { ban.until } else { self.latest };
                self.event("unban", at, ban.target, ban.jail, at.since(ban.since), &[]);
            }
        }
    }
}
