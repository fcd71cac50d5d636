//! Any lines at any times through every stage, with all built-in filters in all modes: only addresses that stand in the
//! bytes of a line are banned, never one that is exempt, and the changes told are the blocklist that there is.
//!
//! The input is a byte of policy, then lines; a line's first byte says what happens before it.
#![no_main]

use edgeban::addr::{Addr, Prefix, scan};
use edgeban::blocklist::{self, Ban, Blocklist, Change, Cursor};
use edgeban::engine::{Clock, Engine, Input, Jail, Parts, Repeat, Rules, Watcher};
use edgeban::jail::{self, Allow, Policy, Sentence, Tracker, Why};
use edgeban::lru::Link;
use edgeban::matcher::{Active, AppSlot, Frame, Hit, Matcher, Scratch};
use edgeban::rules::ALL;
use edgeban::session::{self, Failure, Sessions};
use edgeban::syslog::Message;
use edgeban::time::civil::Calendar;
use edgeban::time::recent::Recent;
use edgeban::time::{Duration, Instant};
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};

/// Few entries, so that tables fill up.
const ENTRIES: usize = 16;
/// Twice the greatest `maxretry`.
const RING: usize = 8;
/// As on a device.
const LONGEST_LINE: usize = 1024;
/// 2027-01-01T00:00:00Z.
const CALENDAR: Calendar<'static> = Calendar::fixed(1_798_761_600_000, 0);

#[derive(Default)]
struct Watch {
    /// Every address that a line so far could be read to contain.
    written: BTreeSet<Addr>,
    bans: BTreeMap<Prefix, Ban>,
    hits: u32,
    failures: u32,
    sentences: u32,
}

impl Watch {
    /// All readings at all places: whole, and without the last groups.
    fn read(&mut self, line: &[u8]) {
        for at in 0..line.len() {
            let Some(found) = scan(&line[at..]) else { continue };
            self.written.insert(found.addr);
            for end in (1..found.len).filter(|end| line[at + end] == b':') {
                self.written.extend(scan(&line[at..at + end]).filter(|s| s.len == end).map(|s| s.addr));
            }
        }
    }

    fn contains(&self, target: Prefix) -> bool {
        self.written.iter().any(|addr| target.contains(*addr))
    }
}

fn inside(part: &[u8], whole: &[u8]) -> bool {
    part.is_empty()
        || whole.as_ptr_range().start <= part.as_ptr()
            && part.as_ptr_range().end <= whole.as_ptr_range().end
}

impl Watcher for Watch {
    fn hit(&mut self, message: &Message<'_>, hit: &Hit<'_>) {
        self.hits += 1;
        assert!([hit.user, hit.sess, hit.id].into_iter().flatten().all(|part| inside(part, message.line)));
    }

    fn failure(&mut self, _: jail::JailId, failure: &Failure<'_>, _: Prefix, _: Instant) {
        self.failures += 1;
        assert!(self.written.contains(&failure.ip), "{:?} stands in no line", failure.ip);
        assert!(failure.attempts >= 1);
    }

    fn sentence(&mut self, sentence: &Sentence) {
        self.sentences += 1;
        assert!(self.failures > 0 && sentence.since <= sentence.until);
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Added(ban) => {
                assert!(self.contains(ban.target), "{:?} stands in no line", ban.target);
                assert!(exempt().iter().all(|prefix| !prefix.overlaps(ban.target)), "{ban:?}");
                assert!(!ban.target.is_host() || !ban.target.addr().is_special(), "{ban:?}");
                assert!(self.bans.insert(ban.target, ban).is_none(), "added twice: {ban:?}");
            }
            Change::Renewed { ban, .. } => {
                assert!(self.bans.insert(ban.target, ban).is_some(), "renewed what is not there: {ban:?}")
            }
            Change::Removed(ban, _) => assert_eq!(self.bans.remove(&ban.target), Some(ban)),
        }
    }
}

/// Whom nobody may ban: a network, a gateway's address.
fn exempt() -> [Prefix; 3] {
    ["192.168.1.0/24", "2001:db8:1::/48", "198.51.100.1"]
        .map(|text| Prefix::parse(text.as_bytes()).expect("a prefix"))
}

fn allow(rules: &mut [jail::Rule]) -> Allow<'_> {
    let mut allow = Allow::new(rules);
    let [network, six, gateway] = exempt();
    for (prefix, why) in [(network, Why::Listed), (six, Why::Listed), (gateway, Why::Gateway)] {
        allow.add(prefix, why).expect("room");
    }
    allow
}

fn same(engine: &Engine<'_>, watch: &Watch) {
    let (mut cursor, mut count) = (Cursor::default(), 0);
    while let Some(ban) = engine.blocklist().list(&mut cursor) {
        assert_eq!(watch.bans.get(&ban.target), Some(&ban));
        assert!(engine.blocklist().lookup(ban.target.addr()).is_some());
        count += 1;
    }
    assert_eq!((count, engine.blocklist().len()), (watch.bans.len(), watch.bans.len()));
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, lines)) = data.split_first() else { return };
    let active: Vec<Active<'_>> =
        ALL.iter().map(|filter| Active { filter: **filter, mode: u8::MAX }).collect();
    let mut slots = [AppSlot::EMPTY; 256];
    let matcher = Matcher::new(&active, &mut slots).expect("enough slots");
    let policy = Policy {
        maxretry: 1 + u16::from(kind & 3),
        findtime: Duration::from_secs(60),
        bantime: if kind & 4 == 0 { Duration::from_secs(90) } else { Duration::FOREVER },
        rndtime: Duration::from_secs(u64::from(kind >> 3 & 1)),
        v4: if kind & 16 == 0 { 32 } else { 24 },
        ..Policy::DEFAULT
    };
    let jail = |(at, filter): (usize, &&'static edgeban::filter::Filter<'static>)| Jail {
        name: filter.name,
        enabled: true,
        policy: policy.clone(),
        scope: (at % 3) as u8,
        recidive: filter.name == "recidive",
        allow: Allow::new(&mut []),
    };
    let jails: Vec<Jail<'_>> = ALL.iter().enumerate().map(jail).collect();
    let mut exempted = [jail::Rule::EMPTY; 4];
    let rules = Rules { matcher, jails: &jails, allow: allow(&mut exempted) };

    let (mut sessions, mut session_links) = ([session::Entry::EMPTY; ENTRIES], [Link::EMPTY; ENTRIES]);
    let (mut tracked, mut tracked_links) = ([jail::Slot::EMPTY; ENTRIES], [Link::EMPTY; ENTRIES]);
    let (mut times, mut totals) = ([0; ENTRIES * RING], [jail::Totals::EMPTY; 32]);
    let (mut bans, mut cells, mut words) = ([blocklist::Slot::EMPTY; ENTRIES], [0; 32], [0; 8]);
    let (mut session_buckets, mut tracked_buckets) = ([0; 16], [0; 16]);
    let mut repeats = [Repeat::EMPTY; 2];
    let (mut stack, mut memo) = ([Frame::EMPTY; 64], [0; 1120]);
    let mut engine = Engine::new(Parts {
        sessions: Sessions::new(
            session::Storage {
                entries: &mut sessions,
                links: &mut session_links,
                buckets: &mut session_buckets,
            },
            [7; 16],
            session::IDLE_TIMEOUT,
        ),
        tracker: Tracker::new(
            jail::Storage {
                slots: &mut tracked,
                times: &mut times,
                links: &mut tracked_links,
                buckets: &mut tracked_buckets,
                jails: &mut totals,
            },
            [7; 16],
        ),
        blocklist: Blocklist::new(
            blocklist::Storage { slots: &mut bans, cells: &mut cells, words: &mut words },
            [7, 7],
        ),
        scratch: Scratch { stack: &mut stack, memo: &mut memo, steps: 0 },
        repeats: &mut repeats,
        seed: 1,
    });

    let mut watch = Watch::default();
    let mut now = Instant::from_secs(1000);
    let replayed = kind & 32 != 0;
    let dates = Recent::new(CALENDAR);
    for line in lines.split(|b| *b == b'\n') {
        let Some((&what, line)) = line.split_first() else { continue };
        let line = &line[..line.len().min(LONGEST_LINE)];
        match what {
            255 => drop(engine.unban(Prefix::new(Addr::UNSPECIFIED, 0), now, &mut watch)),
            254 => engine.expire(now, usize::MAX, &mut watch),
            253 => now = now + Duration::from_secs(3600),
            _ => now = now + Duration::from_millis(250 * u64::from(what)),
        }
        watch.read(line);
        let clock = match replayed {
            true => Clock::Replay(&dates),
            false if what & 64 == 0 => Clock::Live(now),
            false => Clock::CatchUp { now, calendar: &CALENDAR },
        };
        engine.line(
            &rules,
            line,
            &Input { stream: u32::from(what & 3), jails: u32::MAX, clock },
            &mut watch,
        );
        assert!(engine.next_expiry().is_none() || !watch.bans.is_empty());
    }
    same(&engine, &watch);
    let ended = Instant::from_millis(u64::MAX - 1);
    engine.expire(ended, usize::MAX, &mut watch);
    same(&engine, &watch);
    assert!(watch.bans.values().all(|ban| ban.until == Instant::NEVER), "a ban outlived its end");
    engine.unban(Prefix::new(Addr::UNSPECIFIED, 0), ended, &mut watch);
    assert!(watch.bans.is_empty() && engine.blocklist().is_empty());
});
