//! `edgeban replay`: who would have been banned, when, by which lines. The log's stamps are the clock.

use super::args::Options;
use super::lines::{CHUNK, Lines, Opened, called, open, written};
use super::output::{Out, say};
use super::trail::{Place, Trails};
use super::{Done, Failure, check};
use crate::addr::Prefix;
use crate::blocklist::{Change, Reason};
use crate::control::json::Writer;
use crate::engine::{Clock, Engine, Input, Rules, Watcher};
use crate::host::sys::stdio::Stdio;
use crate::host::{clock, memory};
use crate::jail::{JailId, Sentence};
use crate::session::Failure as Failed;
use crate::syslog::{self, Parsed};
use crate::tally::Count;
use crate::time::civil::{Calendar, Civil, rfc3339};
use crate::time::recent::Recent;
use crate::time::{Duration, Instant};
use std::format;
use std::fs::Metadata;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

/// Bytes between two updates of the progress line.
const STEP: u64 = 16 << 20;

pub(super) fn run(options: &Options) -> Done {
    if options.words.is_empty() {
        return Err(Failure::Usage("which log? FILE is missing".to_string()));
    }
    let (loaded, _) = check::loaded(options.config.as_deref())?;
    let settings = &loaded.settings;
    let maxretry = settings.jails.iter().map(|jail| jail.policy.maxretry).max().unwrap_or(1);
    // The recidive jail's is long, and it counts no lines.
    let counting = loaded.rules().jails.iter().filter(|jail| jail.enabled && !jail.recidive);
    let longest = counting.map(|jail| jail.policy.findtime).max().unwrap_or(Duration::ZERO);
    // Fixed keys, so that each replay of a log gives the same bans.
    let mut engine = memory::engine(settings, 2 * maxretry, 1, [1, 2, 3]).map_err(Failure::Error)?;
    let max_line = settings.global.max_line as usize;
    let mut watch = Report {
        rules: loaded.rules(),
        out: Out::new(),
        json: options.json,
        files: Vec::new(),
        place: (0, 0),
        overlong: 0,
        skipped: false,
        late: None,
        trails: Trails::new(longest, clock::random_key().map_err(Failure::Error)?),
        cause: Vec::new(),
        by: None,
        bans: 0,
    };
    let zone = clock::Local::new();
    let rule = |civil: &_| zone.east(civil);
    read(&options.words, &rule, max_line, &mut engine, &mut watch)?;
    let back = watch.late.map(|(file, line)| {
        let name = watch.files.get(file as usize).filter(|_| watch.files.len() > 1);
        let named = name.map_or("line ".to_string(), |name| format!("{name}:"));
        format!("too late to count: the log's clock ran backwards at {named}{line}")
    });
    let latest = watch.trails.latest();
    let Report { mut out, bans, overlong, skipped, .. } = watch;
    let mut counts = Vec::new();
    let mut failures = 0;
    engine.counters(&mut |stage, name, n| {
        // Some stages have counters of the same name; the engine's are shown. Its `hits` are lines that a rule matched, which
        // need not be failures.
        let shown = match (stage, name) {
            ("engine", "lines") => Some("lines"),
            ("engine", "hits") => Some("matched"),
            ("engine", "failures") => Some("failures"),
            ("engine", "already_banned") => Some("of addresses banned already"),
            ("engine", "allowed") => Some("of addresses that are never banned"),
            ("jail", "late") => back.as_deref(),
            _ => None,
        };
        if let Some(words) = shown.filter(|_| name == "late") {
            say(format_args!("edgeban: {n} failures {words}"));
        }
        let n = if name == "lines" { n + overlong } else { n };
        if name == "failures" && stage == "engine" {
            failures = n;
        }
        if let Some(words) = shown.filter(|words| n > 0 || *words == "lines") {
            counts.push(format!("{n} {words}"));
        }
    });
    if overlong > 0 {
        counts.push(format!("{overlong} too long to read"));
    }
    if failures > 0 && latest == Instant::ZERO {
        say(format_args!("edgeban: no failure has a date: all are taken for the same moment, 1970-01-01"));
    }
    if !options.json {
        let plural = if bans == 1 { "" } else { "s" };
        out.line(format_args!("{bans} ban{plural}; {}", counts.join(", ")));
    }
    out.done()?;
    if skipped { Err(Failure::Found) } else { Ok(()) }
}

/// A log that is being read.
struct Log<'c> {
    path: &'c Path,
    lines: Lines<Opened>,
    dates: Recent<'c>,
    /// When the current line was written, in milliseconds since 1970, as far as the log says; `None` at its end.
    at: Option<i64>,
}

impl Log<'_> {
    /// Goes to the next line; reads its date where `dated` asks for it.
    #[inline(always)]
    fn advance(&mut self, dated: bool) -> Done {
        let more = self.lines.advance();
        self.reached(more, dated)
    }

    /// [`Log::advance`] to the first line, without what is inlined there. Among several logs a compressed one is passed over:
    /// returns whether it was not.
    fn begin(&mut self, many: bool) -> Result<bool, Failure> {
        let more = self.lines.fill();
        if let Err(e) = &more
            && many
            && e.kind() == ErrorKind::InvalidData
        {
            say(format_args!("edgeban: {}: {e}; skipped", called(self.path)));
            return Ok(false);
        }
        self.reached(more, many).map(|()| true)
    }

    #[inline(always)]
    fn reached(&mut self, more: std::io::Result<bool>, dated: bool) -> Done {
        match more {
            Ok(true) if dated => self.at = self.date().or(self.at).or(Some(i64::MIN)),
            Ok(true) => self.at = Some(0),
            Ok(false) => self.at = None,
            Err(e) => return Err(self.failed(&e)),
        }
        Ok(())
    }

    #[cold]
    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::Error(format!("{}: {error}", called(self.path)))
    }

    #[inline(never)]
    fn date(&self) -> Option<i64> {
        let Parsed::Message(message) = syslog::parse(self.lines.line().1?) else { return None };
        let stamp = message.stamp?;
        self.dates.epoch_ms(stamp.0, |calendar| stamp.read()?.epoch_ms(calendar))
    }
}

/// Reads several logs as one, in the order of their lines' dates; of lines of the same date, those of the file that was named
/// first come first. So the logs may be named in any order and overlap in time. A line without a date follows the one
/// before it.
fn read<'c>(
    paths: &'c [PathBuf],
    rule: &'c dyn Fn(&Civil) -> i32,
    max_line: usize,
    engine: &mut Engine<'_>,
    watch: &mut Report<'_>,
) -> Done {
    if paths.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Failure::Usage("standard input is given twice".to_string()));
    }
    let many = paths.len() > 1;
    let chunk = (CHUNK / paths.len()).max(16 * 1024);
    let mut size = 0;
    let mut logs = Vec::new();
    // All are opened first, so that a missing one is reported before the others are read.
    for path in paths {
        let (input, meta) = open(path)?;
        size += meta.as_ref().map_or(0, Metadata::len);
        let calendar = Calendar::new(written(meta), rule);
        let lines = Lines::new(input, max_line, chunk);
        logs.push(Log { path, lines, dates: Recent::new(calendar), at: None });
        watch.files.push(called(path));
    }
    let mut progress = Progress::new(size);
    for log in &mut logs {
        watch.skipped |= !log.begin(many)?;
    }
    let rules = watch.rules;
    loop {
        // The log whose line is the first, and how far it may be read before another one's turn comes.
        let (mut first, mut until) = (None, (i64::MAX, usize::MAX));
        for (at, log) in logs.iter().enumerate() {
            let Some(key) = log.at.map(|time| (time, at)) else { continue };
            match first {
                Some(least) if least < key => until = until.min(key),
                later => {
                    until = later.unwrap_or(until);
                    first = Some(key);
                }
            }
        }
        let done: u64 = logs.iter().map(|log| log.lines.read).sum();
        let Some((at, log)) = first.and_then(|(_, at)| Some((at, logs.get_mut(at)?))) else { break };
        let file = u32::try_from(at).unwrap_or(u32::MAX);
        let others = done - log.lines.read;
        while log.at.is_some_and(|time| !many || (time, at) < until) {
            let (number, line) = log.lines.line();
            watch.place = (file, u32::try_from(number).unwrap_or(u32::MAX));
            match line {
                Some(line) => {
                    let input = Input { stream: file, jails: u32::MAX, clock: Clock::Replay(&log.dates) };
                    engine.line(rules, line, &input, watch);
                    if watch.late.is_none() && engine.tracker().tally().late != Count::ZERO {
                        watch.late = Some(watch.place);
                    }
                }
                None => {
                    watch.overlong += 1;
                    let name = called(log.path);
                    say(format_args!("{name}:{number}: longer than {max_line} bytes, not read"));
                }
            }
            log.advance(many)?;
            progress.show(others + log.lines.read);
        }
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

    fn show(&mut self, read: u64) {
        if read >= self.next {
            self.next = read + STEP;
            let (percent, size) = (100 * read / self.size.max(1), self.size >> 20);
            // What is said meanwhile is longer, and takes its place.
            let _ = self.err.write_all(format!("{percent:3} % of {size} MiB\r").as_bytes());
        }
    }

    fn clear(&mut self) {
        if self.next != u64::MAX {
            let _ = self.err.write_all(format!("{:30}\r", "").as_bytes());
        }
    }
}

struct Report<'r> {
    rules: &'r Rules<'r>,
    out: Out,
    json: bool,
    files: Vec<String>,
    /// The current line.
    place: Place,
    overlong: u64,
    /// Whether a log was not read.
    skipped: bool,
    /// The line of the first failure that was too late to count.
    late: Option<Place>,
    trails: Trails,
    /// Lines of the sentence whose change follows.
    cause: Vec<Place>,
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
        lines: &[Place],
    ) {
        let name = self.rules.name(jail);
        let out = &mut self.out;
        if !self.json {
            let when = rfc3339(at.millis() as i64, 0);
            let mut cause = String::new();
            let mut before = None;
            for &(file, line) in lines {
                let named = before != Some(file) && self.files.len() > 1;
                let name = self.files.get(file as usize).filter(|_| named).map_or("", String::as_str);
                let lead = match before {
                    None => "  lines ",
                    Some(_) if named => " ",
                    Some(_) => ",",
                };
                let colon = if named { ":" } else { "" };
                cause += &format!("{lead}{name}{colon}{line}");
                before = Some(file);
            }
            let text = length.write();
            // As wide as an IPv6 /64 and the longest of the built-in jails' names: what follows is not known yet.
            let line =
                format!("{}  {event:<5}  {ip:<24}  {name:<15}  {:<9}{cause}", when.as_str(), text.as_str());
            out.line(format_args!("{}", line.trim_end()));
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
        for (_, line) in lines {
            w.u64(u64::from(*line));
        }
        w.end_array();
        if self.files.len() > 1 {
            w.key("files").array();
            for (file, _) in lines {
                w.str(self.files.get(*file as usize).map_or(&b""[..], |name| name.as_bytes()));
            }
            w.end_array();
        }
        w.end_object().newline();
    }
}

impl Watcher for Report<'_> {
    fn failure(&mut self, jail: JailId, _: &Failed<'_>, target: Prefix, at: Instant) {
        self.trails.add(jail, target, self.place, at);
    }

    fn forgiven(&mut self, jail: JailId, target: Prefix) {
        self.trails.forget(jail, target);
    }

    fn sentence(&mut self, sentence: &Sentence) {
        self.by = Some(sentence.jail);
        let oldest = sentence.since - self.findtime(sentence.jail);
        self.trails.take(sentence.jail, sentence.target, oldest, &mut self.cause);
        if self.cause.is_empty() {
            // The recidive jail counts bans, not lines: this is the line of the last of them.
            self.cause.push(self.place);
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Added(ban) | Change::Renewed { ban, .. } => {
                self.bans += 1;
                let cause = core::mem::take(&mut self.cause);
                // A ban that a second jail renews is told from when it was decided.
                let now = self.trails.latest().max(ban.since);
                let length =
                    if ban.until == Instant::NEVER { Duration::FOREVER } else { ban.until.since(now) };
                let jail = self.by.take().unwrap_or(ban.jail);
                self.event("ban", now, ban.target, jail, length, &cause);
                self.cause = cause;
                self.cause.clear();
            }
            Change::Removed(ban, reason) => {
                let at = if reason == Reason::Expired { ban.until } else { self.trails.latest() };
                self.event("unban", at, ban.target, ban.jail, at.since(ban.since), &[]);
            }
        }
    }
}
