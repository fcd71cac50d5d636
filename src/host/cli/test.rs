//! `edgeban test`: what the filters say of each line.

use super::args::Options;
use super::lines::{CHUNK, Lines, called, open, written};
use super::output::{Out, say};
use super::{Done, Failure, filters};
use crate::addr::Addr;
use crate::control::json::Writer;
use crate::filter::Filter;
use crate::host::arena::Arena;
use crate::host::{clock, human, load, memory};
use crate::matcher::{Active, AppSlot, Hit, Matcher, Source, Tally, Verdict};
use crate::rules;
use crate::session::Event;
use crate::syslog::{self, Message, Parsed, RawStamp};
use crate::time::civil::Calendar;
use crate::time::{Duration, Instant};
use std::format;
use std::path::Path;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// As the daemon's default.
const MAX_LINE: usize = 8192;

/// A failure that a line completed.
struct Completed {
    ip: Addr,
    user: Option<Vec<u8>>,
    attempts: u32,
}

pub(super) fn run(options: &Options) -> Done {
    let arena = Arena::default();
    let filters = chosen(options, &arena)?;
    let mode = options.mode.as_deref().unwrap_or("normal");
    let mut active = Vec::new();
    for filter in &filters {
        // With all filters, a mode applies to those that have it.
        let bit = filter.mode(mode).or(if filters.len() > 1 { Some(1) } else { None });
        let Some(bit) = bit else {
            let mut text = format!("filter {} has no mode '{mode}', only normal", filter.name);
            for mode in filter.modes.into_iter().filter(|mode| !mode.is_empty()) {
                text.push(' ');
                text.push_str(mode);
            }
            return Err(Failure::Usage(text));
        };
        // One rule alone is tried whatever its modes are.
        let bit = if options.rule.is_some() && options.mode.is_none() { u8::MAX } else { bit };
        active.push(Active { filter: *filter, mode: bit });
    }
    if filters.len() > 1 && mode != "normal" && filters.iter().all(|f| f.mode(mode).is_none()) {
        return Err(Failure::Usage(format!("no filter has a mode '{mode}'")));
    }
    let mut slots = vec![AppSlot::EMPTY; 256];
    let Some(matcher) = Matcher::new(&active, &mut slots) else {
        return Err(Failure::Error("the filter names too many programs".to_string()));
    };
    // Lines without a header are for the filter that was asked for, whatever it reads otherwise.
    let among = if filters.len() == 1 { 1 } else { u32::MAX };
    let path = match options.words.as_slice() {
        [] => Path::new("-"),
        [path] => path,
        [_, more, ..] => return Err(Failure::Usage(format!("unexpected '{}'", more.display()))),
    };
    let (input, meta) = open(path)?;
    let mut lines = Lines::new(input, MAX_LINE, CHUNK);
    let mut tester = Tester {
        matcher,
        among,
        json: options.json,
        out: Out::new(),
        counts: Vec::new(),
        last: None,
        zone: clock::Local::new(),
        written: written(meta),
    };
    let mut memory = memory::Matching::new(MAX_LINE);
    let mut session_memory = memory::SessionMemory::new(1024);
    let mut sessions = session_memory.lend([0; 16], Duration::from_secs(600));
    while lines.advance().map_err(|e| Failure::Error(format!("{}: {e}", called(path))))? {
        let (number, line) = lines.line();
        tester.line(number, line, &mut memory, &mut sessions);
    }
    tester.finish()
}

/// The filters to test.
fn chosen<'a>(options: &Options, arena: &'a Arena) -> Result<Vec<Filter<'a>>, Failure> {
    let given = [options.filter.is_some(), options.filter_file.is_some(), options.rule.is_some()];
    if given.iter().filter(|g| **g).count() > 1 {
        return Err(Failure::Usage("--filter, --filter-file and --rule exclude each other".to_string()));
    }
    let compile = |text: &str, placed: &dyn Fn(&str) -> String| {
        load::compile_text(text, arena).map(|filter| vec![filter]).map_err(|errors| {
            errors.iter().for_each(|error| say(format_args!("{}", placed(error))));
            Failure::Found
        })
    };
    if let Some(name) = &options.filter {
        let filter = rules::find(name).ok_or_else(|| Failure::Usage(filters::unknown(name)))?;
        return Ok(vec![*filter]);
    }
    if let Some(path) = &options.filter_file {
        let text = load::filter_text(path).map_err(|e| match e {
            load::Unread::Io(e) => Failure::Error(format!("{}: {e}", path.display())),
            load::Unread::Place(place) => {
                say(format_args!("{}:{place}", path.display()));
                Failure::Found
            }
        })?;
        return compile(&text, &|error| format!("{}:{error}", path.display()));
    }
    if let Some(rule) = &options.rule {
        if rule.contains('\n') {
            return Err(Failure::Usage("--rule takes one rule, on one line".to_string()));
        }
        let first = rule.split([' ', '@']).next().unwrap_or("");
        let verdict = if ["fail", "help", "gain", "ignore"].contains(&first) { "" } else { "fail " };
        // The rule is the third line there, and its verdict may be ours.
        let placed = |error: &str| match error.strip_prefix("3:").and_then(|e| e.split_once(':')) {
            Some((column, message)) => {
                let column = column.parse().unwrap_or(0usize).saturating_sub(verdict.len()).max(1);
                format!("--rule:1:{column}:{message}")
            }
            None => format!("--rule:{error}"),
        };
        return compile(&format!("filter rule\napp *\n{verdict}{rule}\nkind raw"), &placed);
    }
    Ok(rules::ALL.iter().map(|filter| **filter).collect())
}

struct Tester<'a> {
    matcher: Matcher<'a>,
    among: u32,
    json: bool,
    out: Out,
    /// Lines a rule, or a verdict without one, by its name.
    counts: Vec<(String, u64)>,
    /// The rule and the address of the failure that the last message completed, for "last message repeated".
    last: Option<(String, Addr)>,
    zone: clock::Local,
    /// When the log was written, for stamps without a year.
    written: i64,
}

/// What is shown of a line.
#[derive(Default)]
struct Told<'l> {
    rule: Option<String>,
    ip: Option<Addr>,
    host: Option<&'l [u8]>,
    user: Option<&'l [u8]>,
    port: Option<u16>,
    stamp: Option<RawStamp<'l>>,
    session: Option<Vec<u8>>,
}

impl Tester<'_> {
    fn line(
        &mut self,
        number: u64,
        line: Option<&[u8]>,
        memory: &mut memory::Matching,
        sessions: &mut crate::session::Sessions<'_>,
    ) {
        let Some(line) = line else { return self.report(number, "overlong", Told::default(), &[], b"") };
        let message = match syslog::parse(line) {
            Parsed::Message(message) => message,
            Parsed::Repeated(times) => return self.repeated(number, line, times),
        };
        // The daemon never reads its own lines; one filter alone is tried on what it is given.
        if self.among == u32::MAX && message.app == b"edgeban" {
            self.last = None;
            return self.report(
                number,
                "none",
                Told { stamp: message.stamp, ..Told::default() },
                &[],
                line,
            );
        }
        let mut tally = Tally::default();
        let mut found: Option<Hit<'_>> = None;
        let mut completed = Vec::new();
        let mut scratch = memory.lend();
        self.matcher.each(
            &message,
            self.matcher.wanted(&message, self.among),
            &mut scratch,
            &mut tally,
            &mut |hit| {
                if found.is_none() {
                    found = Some(*hit);
                    // A test has no clock; sessions last as long as the input.
                    let now = Instant::ZERO;
                    sessions.feed(hit, message.pid, message.host, message.times, now, &mut |event| {
                        if let Event::Failure(f) = event {
                            let user = f.user.map(<[u8]>::to_vec);
                            completed.push(Completed { ip: f.ip, user, attempts: f.attempts });
                        }
                    });
                }
            },
        );
        let mut gave_up = 0;
        tally.each(|_, n| gave_up += n);
        let verdict = match found {
            Some(hit) => word(hit.verdict),
            None if gave_up > 0 => "refused",
            None => "none",
        };
        let told = match &found {
            Some(hit) => self.told(&message, hit),
            None => Told { stamp: message.stamp, ..Told::default() },
        };
        self.last = completed.last().zip(told.rule.clone()).map(|(failure, rule)| (rule, failure.ip));
        self.report(number, verdict, told, &completed, line);
    }

    /// As in the engine: the failure that the last message completed counts so many times more.
    fn repeated(&mut self, number: u64, line: &[u8], attempts: u32) {
        let stamp = Some(RawStamp(line));
        let Some((rule, ip)) = self.last.clone() else {
            return self.report(number, "none", Told { stamp, ..Told::default() }, &[], line);
        };
        let told = Told { rule: Some(rule), ip: Some(ip), stamp, ..Told::default() };
        self.report(number, "fail", told, &[Completed { ip, user: None, attempts }], line);
    }

    fn told<'l>(&self, message: &Message<'l>, hit: &Hit<'l>) -> Told<'l> {
        let name = self.matcher.active().get(usize::from(hit.filter)).map_or("", |a| a.filter.name);
        let (ip, host) = match hit.source {
            Source::Ip(ip) => (Some(ip), None),
            Source::Host(host) => (None, Some(host)),
            _ => (None, None),
        };
        let id = hit.sess.filter(|s| !s.is_empty()).unwrap_or(message.pid);
        Told {
            rule: Some(format!("{name}:{}", hit.rule)),
            ip,
            host,
            user: hit.user,
            port: hit.port,
            stamp: message.stamp,
            session: (!id.is_empty()).then(|| [message.app, b"/", id].concat()),
        }
    }

    fn report(&mut self, number: u64, verdict: &str, told: Told<'_>, failures: &[Completed], line: &[u8]) {
        let label = told.rule.as_ref().map_or(verdict.to_string(), |rule| format!("{verdict:<6} {rule}"));
        match self.counts.binary_search_by(|(known, _)| known.cmp(&label)) {
            Ok(at) => self.counts[at].1 += 1,
            Err(at) => self.counts.insert(at, (label, 1)),
        }
        if self.json {
            let out = &mut self.out;
            let mut bytes = |b: &[u8]| out.bytes(b);
            let rule_of_zone = |civil: &_| self.zone.east(civil);
            let calendar = Calendar::new(self.written, &rule_of_zone);
            let time = told.stamp.and_then(|stamp| stamp.read()?.epoch_ms(&calendar));
            json(&mut Writer::new(&mut bytes), number, verdict, &told, time, failures);
            return;
        }
        if verdict == "none" {
            return;
        }
        let rule = told.rule.as_deref().unwrap_or("-");
        let text = human::plain(&String::from_utf8_lossy(line));
        let line = format!("{number:>6}  {verdict:<8} {rule:<22} {text}");
        self.out.line(format_args!("{}", line.trim_end()));
        for failure in failures {
            let Completed { ip, user, attempts } = failure;
            let user = user.as_deref().map_or(String::new(), |u| format!(" user {}", u.escape_ascii()));
            self.out.line(format_args!("{:>6}  = {attempts} x {ip}{user}", ""));
        }
    }

    fn finish(mut self) -> Done {
        if !self.json {
            self.out.line(format_args!("\n{:>8}  VERDICT RULE", "LINES"));
            for (label, count) in &self.counts {
                self.out.line(format_args!("{count:>8}  {label}"));
            }
        }
        self.out.done()
    }
}

/// What a verdict is called.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => "fail",
        Verdict::Help => "help",
        Verdict::Gain => "gain",
        Verdict::Ignore => "ignore",
    }
}

/// Writes one line of `test --json`. `time` is the date of the log's line, in milliseconds since 1970.
fn json(
    w: &mut Writer<'_>,
    number: u64,
    verdict: &str,
    told: &Told<'_>,
    time: Option<i64>,
    failures: &[Completed],
) {
    w.object().key("line").u64(number).key("verdict").str(verdict.as_bytes());
    w.key("rule").option(told.rule.as_deref(), |w, rule| {
        w.str(rule.as_bytes());
    });
    w.key("ip").option(told.ip, |w, ip| {
        w.str(ip.write().as_bytes());
    });
    for (key, value) in [("host", told.host), ("user", told.user)] {
        w.key(key).option(value, |w, bytes| {
            w.str(bytes);
        });
    }
    w.key("port").option(told.port, |w, port| {
        w.u64(u64::from(port));
    });
    w.key("time").option(time, |w, time| {
        w.i64(time.div_euclid(1000));
    });
    w.key("session").option(told.session.as_deref(), |w, session| {
        w.str(session);
    });
    w.key("failures").array();
    for failure in failures {
        w.object().key("ip").str(failure.ip.write().as_bytes()).key("user");
        w.option(failure.user.as_deref(), |w, user| {
            w.str(user);
        });
        w.key("attempts").u64(u64::from(failure.attempts)).end_object();
    }
    w.end_array().end_object().newline();
}
