//! Runs `tests/scenario/*.txt` through the engine; `tests/scenario/README.md` says how to write one.
#![cfg(feature = "std")]

use edgeban::addr::{Addr, Prefix};
use edgeban::blocklist::{Ban, Change, LISTED_ONLY, Reason};
use edgeban::config::{Known, Settings};
use edgeban::engine::{Clock, Engine, Input, MANUAL, Order, Refused, Rules, Watcher};
use edgeban::host::load::Loaded;
use edgeban::host::memory;
use edgeban::jail::{JailId, Sentence, Why};
use edgeban::time::civil::Calendar;
use edgeban::time::{Duration, Instant, parse_duration};
use std::collections::VecDeque;
use std::path::Path;

/// `at 0s` on the engine's clock: late enough that older lines, for `waited>`, have a time on that clock.
const START: Duration = Duration::from_secs(30 * 86_400);

/// What happened, in the words of the scripts.
struct Events<'r> {
    rules: &'r Rules<'r>,
    now: Instant,
    told: &'r mut VecDeque<String>,
    /// Who decided: a ban that is renewed keeps the first jail's name.
    by: Option<JailId>,
}

impl Events<'_> {
    fn ban(&mut self, word: &str, ban: &Ban) {
        let span = match ban.until == Instant::NEVER {
            true => "ever".to_string(),
            false => ban.until.since(self.now).write().as_str().to_string(),
        };
        let ports = match ban.scope {
            0 => String::new(),
            LISTED_ONLY => " listed".to_string(),
            ports => format!(" ports {ports}"),
        };
        self.told.push_back(format!(
            "{word} {} jail {} for {span}{ports}",
            ban.target,
            self.rules.name(self.by.take().unwrap_or(ban.jail))
        ));
    }
}

impl Watcher for Events<'_> {
    fn sentence(&mut self, sentence: &Sentence) {
        self.by = Some(sentence.jail);
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Added(ban) => self.ban("ban", &ban),
            Change::Renewed { ban, .. } => self.ban("renew", &ban),
            Change::Removed(ban, reason) => {
                let why = match reason {
                    Reason::Expired => "over",
                    Reason::Unbanned => "ordered",
                    Reason::Evicted => "evicted",
                };
                self.told.push_back(format!("unban {} {why}", ban.target));
            }
        }
    }
}

struct Script {
    engine: Option<Engine<'static>>,
    loaded: Option<Loaded>,
    own: Vec<(Prefix, Why)>,
    told: VecDeque<String>,
    now: Instant,
    stream: u32,
    zero_ms: i64,
}

type Said = Result<(), String>;

fn prefix(text: &str) -> Result<Prefix, String> {
    Prefix::parse(text.as_bytes()).ok_or_else(|| format!("no prefix: {text}"))
}

fn span(text: &str) -> Result<Duration, String> {
    let text = if text == "ever" { "permanent" } else { text };
    parse_duration(text.as_bytes()).ok_or_else(|| format!("no duration: {text}"))
}

impl Script {
    fn new() -> Self {
        let (told, own) = (VecDeque::new(), Vec::new());
        let now = Instant::ZERO + START;
        Self { engine: None, loaded: None, own, told, now, stream: u32::from(b'a'), zero_ms: 0 }
    }

    fn configure(&mut self, text: &str) -> Said {
        let modes: Vec<Vec<&str>> = edgeban::rules::ALL
            .iter()
            .map(|f| f.modes.into_iter().filter(|mode| !mode.is_empty()).collect())
            .collect();
        let known: Vec<Known<'_>> = edgeban::rules::ALL
            .iter()
            .zip(&modes)
            .map(|(filter, modes)| Known { name: filter.name, modes })
            .collect();
        let mut settings = Box::new(Settings::new());
        let mut problems = Vec::new();
        settings.read(text.as_bytes(), &known, &mut |problem| {
            problems.push(format!("config line {}: {problem}", problem.line));
        });
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        let most = settings.jails.iter().map(|jail| jail.policy.maxretry).max().unwrap_or(1);
        if self.engine.is_none() {
            self.engine = Some(memory::engine(&settings, 2 * most, 64, [1, 2, 3]).expect("memory"));
        }
        let loaded = Loaded::new(settings, &self.own, self.loaded.as_ref()).map_err(|e| e.join("\n"))?;
        self.loaded = Some(loaded);
        Ok(())
    }

    /// Calls `f` with the engine and what it needs.
    fn with<T>(
        &mut self,
        f: impl FnOnce(&mut Engine<'static>, &Rules<'_>, Instant, &mut Events<'_>) -> T,
    ) -> Result<T, String> {
        let (Some(engine), Some(loaded)) = (&mut self.engine, &self.loaded) else {
            return Err("config comes first".to_string());
        };
        let rules = loaded.rules();
        Ok(f(engine, rules, self.now, &mut Events { rules, now: self.now, told: &mut self.told, by: None }))
    }

    fn line(&mut self, line: &str, waited: bool) -> Said {
        let since = self.now.since(Instant::ZERO + START).millis();
        let calendar = Calendar::fixed(self.zero_ms + since as i64, 0);
        let stream = self.stream;
        self.with(|engine, rules, now, events| {
            let clock = if waited { Clock::CatchUp { now, calendar: &calendar } } else { Clock::Live(now) };
            engine.line(rules, line.as_bytes(), &Input { stream, jails: u32::MAX, clock }, events);
        })
    }

    fn order(&mut self, result: Result<(), Refused>) {
        if result.is_err() {
            self.told.push_back("refused".to_string());
        }
    }

    fn at(&mut self, text: &str) -> Said {
        self.done()?;
        let at = Instant::ZERO + START + span(text)?;
        if at < self.now {
            return Err("time runs backwards".to_string());
        }
        self.now = at;
        self.with(|engine, _, now, events| engine.expire(now, usize::MAX, events))
    }

    fn expect(&mut self, wanted: &str) -> Said {
        let told = self.told.pop_front().unwrap_or_else(|| "nothing".to_string());
        if told == wanted { Ok(()) } else { Err(format!("expected {wanted}\n     but got {told}")) }
    }

    fn count(&mut self, wanted: &str, number: &str) -> Said {
        let mut found = None;
        self.with(|engine, _, _, _| {
            engine.counters(&mut |stage, name, n| {
                if wanted == format!("{stage}.{name}") {
                    found = Some(n);
                }
            });
        })?;
        match found {
            Some(n) if n.to_string() == number => Ok(()),
            Some(n) => Err(format!("{wanted} is {n}")),
            None => Err(format!("no counter {wanted}")),
        }
    }

    fn done(&mut self) -> Said {
        self.told.pop_front().map_or(Ok(()), |told| Err(format!("nobody expected: {told}")))
    }

    fn step(&mut self, text: &str) -> Said {
        if let Some((lead, line)) = text.split_once("> ") {
            match (lead, lead.parse::<u32>()) {
                ("", _) => return self.line(line, false),
                ("waited", _) => return self.line(line, true),
                (_, Ok(times)) => return (0..times).try_for_each(|_| self.line(line, false)),
                _ => {}
            }
        }
        if let Some(wanted) = text.strip_prefix("expect ") {
            return self.expect(wanted);
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["own", ip] => self.own.push((prefix(ip)?, Why::Own)),
            ["gateway", ip] => self.own.push((prefix(ip)?, Why::Gateway)),
            ["zero", stamp] => {
                let stamp = edgeban::time::stamp::find(stamp.as_bytes()).ok_or("no stamp")?;
                self.zero_ms = stamp.epoch_ms(&Calendar::fixed(0, 0)).ok_or("no time")?;
            }
            ["at", time] => return self.at(time),
            ["from", name] => self.stream = name.bytes().fold(0, |h, b| (h << 8) | u32::from(b)),
            ["count", name, number] => return self.count(name, number),
            ["attempt", ip, "jail", jail] => {
                let ip = Addr::parse(ip.as_bytes()).ok_or("no address")?;
                let result = self.with(|engine, rules, now, events| {
                    let jail = rules.find(jail).ok_or(Refused::NoJail)?;
                    engine.attempt(rules, jail, ip, now, events)
                })?;
                self.order(result);
            }
            ["ban", target, "for", time, rest @ ..] => {
                let (target, span) = (prefix(target)?, span(time)?);
                let result = self.with(|engine, rules, now, events| {
                    let jail = match rest {
                        ["jail", name] => rules.find(name).ok_or(Refused::NoJail)?,
                        _ => MANUAL,
                    };
                    let order = Order { target, jail, until: now + span, exact: false };
                    engine.ban(rules, order, now, events)
                })?;
                self.order(result);
            }
            ["unban", target] => {
                let target = prefix(target)?;
                let count = self.with(|engine, _, now, events| engine.unban(target, now, events))?;
                self.order(if count > 0 { Ok(()) } else { Err(Refused::NoJail) });
            }
            _ => return Err("not a step; see README.md".to_string()),
        }
        Ok(())
    }

    fn run(&mut self, path: &Path, text: &str) -> Said {
        let mut config: Option<String> = None;
        for (at, line) in text.lines().enumerate() {
            let step = match (&mut config, line.trim()) {
                (Some(text), "end") => {
                    let text = core::mem::take(text);
                    config = None;
                    self.configure(&text)
                }
                (Some(text), _) => {
                    text.push_str(line);
                    text.push('\n');
                    Ok(())
                }
                (None, "config") => {
                    config = Some(String::new());
                    Ok(())
                }
                (None, step) if step.is_empty() || step.starts_with('#') => Ok(()),
                (None, _) => self.step(line.trim_start()),
            };
            step.map_err(|why| format!("{}:{}: {line}\n     {why}", path.display(), at + 1))?;
        }
        self.done().map_err(|why| format!("{}: at the end: {why}", path.display()))
    }
}

#[test]
fn every_scenario_ends_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenario");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of scenarios")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 10, "the scenarios are gone");
    let failed: Vec<String> = paths
        .iter()
        .filter_map(|path| {
            let text = std::fs::read_to_string(path).expect("a scenario");
            let name = path.strip_prefix(&folder).expect("in the folder");
            Script::new().run(name, &text).err()
        })
        .collect();
    assert!(failed.is_empty(), "\n{}\n", failed.join("\n\n"));
}

#[test]
fn a_script_that_is_wrong_fails() {
    let config = "config\nconfig jail 'sshd'\noption maxretry '1'\nend\nat 0s\n";
    let line = "> <38>sshd[1]: Failed password for root from 203.0.113.9 port 1 ssh2\n";
    let ban = "expect ban 203.0.113.9 jail sshd for 1h\n";
    let run = |text: &str| Script::new().run(Path::new("x"), text);
    assert_eq!(run(&format!("{config}{line}{ban}expect nothing\ncount engine.lines 1\n")), Ok(()));
    for wrong in [
        format!("{config}{line}"),
        format!("{config}{line}at 1s\n"),
        format!("{config}{line}expect nothing\n"),
        format!("{config}{ban}"),
        format!("{config}{line}{ban}{ban}"),
        format!("{config}at 1s\nat 0s\n"),
        format!("{config}frobnicate\n"),
        format!("{config}count engine.lines 1\n"),
        "at 0s\n".to_string(),
        "config\nconfig nail 'sshd'\nend\n".to_string(),
    ] {
        assert!(run(&wrong).is_err(), "{wrong}");
    }
}
