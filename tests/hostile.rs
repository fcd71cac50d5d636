//! Hostile bytes through frame and engine, with every built-in filter on in its widest mode and one failure enough for a ban.
//! Nothing may panic, noise may ban nobody, and every banned address must be written in the input.
#![cfg(feature = "std")]

use edgeban::addr::{Prefix, scan};
use edgeban::blocklist::Change;
use edgeban::config::{Known, Settings};
use edgeban::engine::{Clock, Engine, Input, Watcher};
use edgeban::frame::{self, Framer, Framing};
use edgeban::host::{load::Loaded, memory};
use edgeban::rules;
use edgeban::time::Instant;
use edgeban::time::civil::Calendar;
use proptest::prelude::*;

/// The rules, made once, and the settings that each run's engine is made of.
struct Bench {
    loaded: Loaded,
}

#[derive(Default)]
struct Banned(Vec<Prefix>);

impl Watcher for Banned {
    fn change(&mut self, change: Change) {
        if let Change::Added(ban) | Change::Renewed { ban, .. } = change {
            self.0.push(ban.target);
        }
    }
}

impl Bench {
    fn new() -> Self {
        let modes: Vec<Vec<&str>> = rules::ALL
            .iter()
            .map(|filter| filter.modes.into_iter().filter(|mode| !mode.is_empty()).collect())
            .collect();
        let known: Vec<Known<'_>> =
            rules::ALL.iter().zip(&modes).map(|(f, modes)| Known { name: f.name, modes }).collect();
        let mut text = String::from(
            "config edgeban 'global'\n\toption max_line '1024'\n\toption max_bans '256'\n\toption maxretry '1'\n\toption ipv6_prefix '128'\n",
        );
        for (filter, modes) in rules::ALL.iter().zip(&modes) {
            let widest = if modes.contains(&"aggressive") { "aggressive" } else { "normal" };
            text += &format!("config jail '{}'\n\toption mode '{widest}'\n", filter.name);
        }
        let mut settings = Box::new(Settings::new());
        let fine = settings.read(text.as_bytes(), &known, &mut |problem| panic!("{problem}"));
        assert!(fine && settings.jails.len() == rules::ALL.len());
        let Ok(loaded) = Loaded::new(settings, &[], None) else { panic!("the built-in filters load") };
        Self { loaded }
    }

    /// Whom `bytes` got banned, cut into chunks of these lengths in turn. The engine is a new one.
    fn run(&self, bytes: &[u8], chunks: &[usize], framing: Framing, clock: u8) -> Vec<Prefix> {
        let mut banned = Banned::default();
        let mut buffer = [0; 1024];
        let mut tally = frame::Tally::default();
        let mut framer = Framer::new(&mut buffer, framing);
        let now = Instant::from_millis(1_000_000_000_000);
        let calendar = Calendar::fixed(1_795_176_000_000, 0);
        let dates = edgeban::time::recent::Recent::new(calendar);
        let clock = match clock % 3 {
            0 => Clock::Live(now),
            1 => Clock::CatchUp { now, calendar: &calendar },
            _ => Clock::Replay(&dates),
        };
        let loaded = &self.loaded;
        let mut engine: Engine<'static> =
            memory::engine(&loaded.settings, 2, 8, [1, 2, 3]).expect("memory");
        let mut line = |line: &[u8]| {
            engine.line(loaded.rules(), line, &Input { stream: 0, jails: u32::MAX, clock }, &mut banned);
        };
        let mut rest = bytes;
        for length in chunks.iter().cycle() {
            let (chunk, more) = rest.split_at((*length).clamp(1, rest.len().max(1)).min(rest.len()));
            framer.push(chunk, &mut tally, &mut line);
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        framer.finish(&mut tally, &mut line);
        banned.0
    }
}

thread_local! {
    static BENCH: Bench = Bench::new();
}

fn run(bytes: &[u8], chunks: &[usize], framing: Framing, clock: u8) -> Vec<Prefix> {
    BENCH.with(|bench| bench.run(bytes, chunks, framing, clock))
}

/// The lines of all samples.
fn samples() -> &'static [Vec<u8>] {
    static LINES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    LINES.get_or_init(|| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
        let mut lines = Vec::new();
        for entry in std::fs::read_dir(folder).expect("the samples") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "log") {
                let text = std::fs::read(path).expect("a sample");
                lines.extend(
                    text.split(|b| *b == b'\n').filter(|l| !l.starts_with(b"#")).map(<[u8]>::to_vec),
                );
            }
        }
        lines.sort();
        lines
    })
}

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        Just(Framing::Auto),
        Just(Framing::Newline),
        Just(Framing::Nul),
        Just(Framing::OctetCounted),
        Just(Framing::Lf)
    ]
}

/// What is done to a line on its way.
#[derive(Clone, Debug)]
enum Harm {
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Cut(usize),
    Drop(usize, usize),
    Double(usize, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = || any::<usize>();
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(i, b)| Harm::Flip(i, b)),
        (at(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(i, b)| Harm::Insert(i, b)),
        at().prop_map(Harm::Cut),
        (at(), 1usize..20).prop_map(|(i, n)| Harm::Drop(i, n)),
        (at(), 1usize..60).prop_map(|(i, n)| Harm::Double(i, n)),
    ]
}

fn harmed(mut line: Vec<u8>, harms: &[Harm]) -> Vec<u8> {
    for harm in harms {
        let len = line.len();
        let place = |i: &usize| i % len.max(1);
        let span = |i: &usize, n: &usize| place(i)..(place(i) + n).min(len);
        match harm {
            _ if len == 0 => {}
            Harm::Flip(i, b) => line[place(i)] = *b,
            Harm::Insert(i, bytes) => drop(line.splice(place(i)..place(i), bytes.iter().copied())),
            Harm::Cut(i) => line.truncate(place(i)),
            Harm::Drop(i, n) => drop(line.drain(span(i, n))),
            Harm::Double(i, n) => {
                let copy = line[span(i, n)].to_vec();
                let at = place(i);
                line.splice(at..at, copy);
            }
        }
    }
    line
}

/// Whether an address of `target` stands somewhere in `input`, zeros in front and short forms included, with or without
/// a group that may be a port.
fn spelt(target: Prefix, input: &[u8]) -> bool {
    let reads = |text: &[u8]| scan(text).is_some_and(|found| target.contains(found.addr));
    (0..input.len()).any(|at| {
        let rest = &input[at..input.len().min(at + 64)];
        let colons = rest.iter().enumerate().filter(|(_, b)| **b == b':');
        reads(rest) || colons.map(|(end, _)| end).any(|end| reads(&rest[..end]))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_bans_nobody(
        bytes in prop::collection::vec(any::<u8>(), 0..3000), chunks in prop::collection::vec(1usize..700, 1..6),
        framing in framing(), clock in any::<u8>(),
    ) {
        prop_assert_eq!(run(&bytes, &chunks, framing, clock), vec![]);
    }

    #[test]
    fn noise_of_the_right_letters_bans_nobody(
        words in prop::collection::vec("[a-z]{1,9}|[0-9.]{1,12}|[\\[\\]:;<>()= ]{1,3}|sshd\\[7\\]: | from ", 0..200),
        framing in framing(), clock in any::<u8>(),
    ) {
        prop_assert_eq!(run(words.concat().as_bytes(), &[64], framing, clock), vec![]);
    }

    #[test]
    fn harmed_lines_ban_only_whom_they_spell(
        picks in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(harm(), 0..4)), 1..12),
        chunks in prop::collection::vec(1usize..700, 1..6), framing in framing(), clock in any::<u8>(),
    ) {
        let mut bytes = Vec::new();
        for (pick, harms) in &picks {
            bytes.extend(harmed(pick.get(samples()).clone(), harms));
            bytes.push(b'\n');
        }
        for target in run(&bytes, &chunks, framing, clock) {
            prop_assert!(spelt(target, &bytes), "{target} is nowhere in {}", bytes.escape_ascii());
        }
    }
}

/// The properties above would hold of an engine that never bans.
#[test]
fn whole_samples_do_ban() {
    let bytes = samples().join(&b'\n');
    let banned = run(&bytes, &[333], Framing::Newline, 0);
    assert!(banned.len() > 20, "{}", banned.len());
    assert_eq!(run(&bytes, &[1], Framing::Newline, 0), banned, "the cuts make no difference");
    assert_eq!(run(&bytes, &[100_000], Framing::Newline, 0), banned, "the cuts make no difference");
}
