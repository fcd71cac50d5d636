use super::*;
use crate::addr::Addr;
use crate::lru::Link;
use crate::time::Duration;
use proptest::prelude::*;
use std::collections::HashMap;
use std::vec;
use std::vec::Vec;

struct Lent {
    slots: Vec<Slot>,
    times: Vec<u32>,
    links: Vec<Link>,
    buckets: Vec<u16>,
    jails: Vec<Totals>,
}

impl Lent {
    fn new(n: usize, ring: usize) -> Self {
        Self {
            slots: vec![Slot::EMPTY; n],
            times: vec![0; n * ring],
            links: vec![Link::EMPTY; n],
            buckets: vec![0; n],
            jails: vec![Totals::EMPTY; 2],
        }
    }

    fn tracker(&mut self) -> Tracker<'_> {
        let Self { slots, times, links, buckets, jails } = self;
        Tracker::new(Storage { slots, times, links, buckets, jails }, [9; 16])
    }
}

fn policy(maxretry: u16, multipliers: &[u32]) -> Policy {
    Policy {
        maxretry,
        findtime: Duration::from_secs(60),
        bantime: Duration::from_secs(100),
        multipliers: heapless::Vec::from_slice(multipliers).unwrap(),
        decay: Duration::from_secs(1000),
        ..Policy::DEFAULT
    }
}

fn secs(s: u64) -> Instant {
    Instant::from_secs(s)
}

fn host(n: u32) -> Prefix {
    Prefix::host(Addr::v4((0x0a00_0000 + n).to_be_bytes()))
}

/// One failure of host `n` at `now` seconds.
fn fail(t: &mut Tracker<'_>, p: &Policy, n: u32, now: u64) -> Outcome {
    t.fail(0, p, Attempt { target: host(n), count: 1, at: secs(now) }, secs(now), 0)
}

/// For two failures.
fn sentence(n: u32, since: u64, until: u64, before: u16) -> Sentence {
    Sentence { target: host(n), jail: 0, since: secs(since), until: secs(until), before, failures: 2 }
}

#[test]
fn a_slot_is_small() {
    assert!(size_of::<Slot>() <= 56, "{}", size_of::<Slot>());
}

#[test]
fn bans_get_longer_and_are_forgotten() {
    let mut lent = Lent::new(4, 2);
    let (mut t, p) = (lent.tracker(), policy(2, &[1, 6]));
    assert_eq!(fail(&mut t, &p, 1, 0), Outcome::Counted { failures: 1 });
    assert_eq!(fail(&mut t, &p, 1, 60), Outcome::Ban(sentence(1, 60, 160, 0)));
    assert_eq!(fail(&mut t, &p, 1, 161), Outcome::Counted { failures: 1 });
    assert_eq!(fail(&mut t, &p, 1, 222), Outcome::Counted { failures: 1 });
    assert_eq!(fail(&mut t, &p, 1, 222), Outcome::Ban(sentence(1, 222, 822, 1)));
    assert_eq!(t.history(0, &p, host(1), secs(1822)), 2);
    assert_eq!(t.history(0, &p, host(1), secs(1823)), 0);
    fail(&mut t, &p, 1, 1823);
    assert_eq!(fail(&mut t, &p, 1, 1823), Outcome::Ban(sentence(1, 1823, 1923, 0)));
    assert_eq!((t.totals(0).bans.get(), t.totals(0).failures.get(), t.totals(0).tracked), (3, 7, 1));
    assert_eq!(t.totals(1), Totals::EMPTY);
}

#[test]
fn a_line_that_was_on_its_way_makes_no_second_offence() {
    let mut lent = Lent::new(4, 2);
    let (mut t, p) = (lent.tracker(), policy(1, &[1, 6]));
    let sentence = |n, since, until, before| Sentence { failures: 1, ..sentence(n, since, until, before) };
    let first = sentence(1, 0, 100, 0);
    assert_eq!(fail(&mut t, &p, 1, 0), Outcome::Ban(first));
    assert_eq!(fail(&mut t, &p, 1, 99), Outcome::Again(first));
    assert_eq!(fail(&mut t, &p, 1, 100), Outcome::Ban(sentence(1, 100, 700, 1)));
    t.forgive(Prefix::new(host(0).addr(), 104), secs(200));
    assert_eq!(fail(&mut t, &p, 1, 201), Outcome::Ban(sentence(1, 201, 801, 2)));
    assert_eq!(t.tally().again.get(), 1);
}

#[test]
fn old_lines_are_counted_and_not_acted_on() {
    let mut lent = Lent::new(4, 4);
    let (mut t, p) = (lent.tracker(), policy(2, &[]));
    let mut at = |at, now| t.fail(0, &p, Attempt { target: host(1), count: 1, at: secs(at) }, secs(now), 0);
    assert_eq!(at(0, 61), Outcome::Late);
    assert_eq!(at(10, 61), Outcome::Counted { failures: 1 });
    assert_eq!(at(5, 61), Outcome::Ban(sentence(1, 61, 161, 0)));
    // A stamp of the future is now.
    assert_eq!(at(9999, 200), Outcome::Counted { failures: 1 });
    assert_eq!(at(260, 260), Outcome::Ban(sentence(1, 260, 360, 1)));
    assert_eq!(t.tally().late.get(), 1);
}

#[test]
fn several_attempts_count_at_once() {
    let mut lent = Lent::new(4, 5);
    let (mut t, p) = (lent.tracker(), policy(5, &[]));
    let mut count = |count| t.fail(0, &p, Attempt { target: host(1), count, at: secs(0) }, secs(0), 0);
    assert_eq!(count(0), Outcome::Counted { failures: 1 });
    assert_eq!(count(3), Outcome::Counted { failures: 4 });
    let all = |outcome| {
        if let Outcome::Ban(sentence) | Outcome::Again(sentence) = outcome { sentence.failures } else { 0 }
    };
    assert_eq!(all(count(2)), 6);
    assert_eq!(count(1), Outcome::Counted { failures: 1 });
    assert_eq!(all(count(u32::MAX)), u32::MAX);
}

#[test]
fn an_accepted_login_clears_failures_and_no_history() {
    let mut lent = Lent::new(4, 2);
    let (mut t, p) = (lent.tracker(), policy(2, &[1, 6]));
    fail(&mut t, &p, 1, 0);
    t.gained(0, host(1));
    assert_eq!((t.len(), t.totals(0).tracked), (0, 0));
    fail(&mut t, &p, 1, 1);
    fail(&mut t, &p, 1, 1);
    fail(&mut t, &p, 1, 200);
    t.gained(0, host(1));
    t.gained(0, host(2));
    assert_eq!(fail(&mut t, &p, 1, 201), Outcome::Counted { failures: 1 });
    assert_eq!(fail(&mut t, &p, 1, 201), Outcome::Ban(sentence(1, 201, 801, 1)));
    assert_eq!(t.tally().cleared.get(), 2);
}

#[test]
fn forgiving_reaches_every_jail_and_every_source_within() {
    let mut lent = Lent::new(8, 2);
    let (mut t, p) = (lent.tracker(), policy(2, &[]));
    for (jail, n) in [(0, 1), (1, 1), (0, 2), (0, 1 << 16)] {
        t.fail(jail, &p, Attempt { target: host(n), count: 1, at: secs(0) }, secs(0), 0);
    }
    t.forgive(Prefix::new(host(0).addr(), 96 + 16), secs(1));
    let mut left = Vec::new();
    t.each(|tracked| left.push((tracked.target, tracked.failures)));
    assert_eq!(left, [(host(1 << 16), 1)]);
    // A host's pardon is not one of the network that counts as one source with it.
    let net = Prefix::new(host(0).addr(), 120);
    t.fail(0, &p, Attempt { target: net, count: 1, at: secs(0) }, secs(0), 0);
    t.forgive(host(1), secs(1));
    assert_eq!(t.len(), 2);
}

#[test]
fn a_sentence_of_before_a_restart_counts() {
    let mut lent = Lent::new(4, 1);
    let (mut t, p) = (lent.tracker(), policy(1, &[1, 2, 3]));
    let sentence = |n, since, until, before| Sentence { failures: 1, ..sentence(n, since, until, before) };
    assert!(t.restore(&sentence(1, 0, 100, 1)));
    assert_eq!(fail(&mut t, &p, 1, 50), Outcome::Again(sentence(1, 0, 100, 1)));
    assert_eq!(fail(&mut t, &p, 1, 100), Outcome::Ban(sentence(1, 100, 400, 2)));
}

#[test]
fn what_cannot_be_counted_bans_nobody() {
    let mut lent = Lent::new(4, 2);
    let mut t = lent.tracker();
    assert_eq!((fail(&mut t, &policy(3, &[]), 1, 0), t.longest()), (Outcome::Untracked, 2));
    let mut none = Lent::new(0, 2);
    let mut t = none.tracker();
    assert_eq!(fail(&mut t, &policy(1, &[]), 1, 0), Outcome::Untracked);
    assert!(!t.restore(&sentence(1, 0, 1, 0)));
    t.gained(0, host(1));
    t.forgive(host(1), secs(0));
}

#[test]
fn a_flood_of_forged_sources_neither_costs_more_nor_hides_an_active_attacker() {
    let (slots, p) = (256u32, policy(5, &[1, 2]));
    let mut lent = Lent::new(slots as usize, 5);
    let mut t = lent.tracker();
    let mut forged = 1_000_000;
    let mut bans = 0;
    for round in 0..2_000u64 {
        // Fewer first-time sources between two failures than a quarter of the table.
        for _ in 0..slots / 4 - 2 {
            forged += 1;
            fail(&mut t, &p, forged, round);
        }
        bans += u32::from(matches!(fail(&mut t, &p, 7, round), Outcome::Ban(_)));
    }
    // 2,000 s, a failure a second, bans of 100 s and then 200 s that the attacker fails through.
    assert!((9..=11).contains(&bans), "{bans}");
    assert_eq!(t.len(), slots as usize);
    let lines = u64::from(slots / 4 - 1) * 2_000;
    assert!(t.steps() < 5 * lines, "{} chain links for {lines} failures", t.steps());
}

#[test]
fn offenders_leave_room_to_count_in() {
    let p = policy(2, &[]);
    let mut lent = Lent::new(16, 2);
    let mut t = lent.tracker();
    for n in 0..100 {
        fail(&mut t, &p, n, 0);
        assert!(matches!(fail(&mut t, &p, n, 0), Outcome::Ban(_)), "{n}");
    }
    // Four who take turns are all caught, although everyone in the table has a history.
    for n in 200..204 {
        fail(&mut t, &p, n, 0);
    }
    for n in 200..204 {
        assert!(matches!(fail(&mut t, &p, n, 0), Outcome::Ban(_)), "{n}");
    }
    assert!(t.tally().histories_evicted.get() > 80);
}

#[test]
fn an_offender_outlasts_newcomers() {
    let p = policy(2, &[1, 5]);
    let mut lent = Lent::new(16, 2);
    let mut t = lent.tracker();
    fail(&mut t, &p, 1, 0);
    fail(&mut t, &p, 1, 0);
    for n in 100..10_000 {
        fail(&mut t, &p, n, 1);
    }
    assert_eq!(t.history(0, &p, host(1), secs(2)), 1);
    assert_eq!((t.tally().histories_evicted.get(), t.totals(0).tracked), (0, 16));
}

/// The oracle: per source and jail every failure since the last ban, and the bans, in the words of the contract.
#[derive(Default)]
struct Naive {
    failures: Vec<u64>,
    bans: Vec<(u64, u64)>,
}

impl Naive {
    fn fail(&mut self, p: &Policy, now: u64, count: u32) -> Result<usize, (u64, u64, u16, u32, bool)> {
        let (find, decay) = (p.findtime.secs(), p.decay.secs());
        self.failures.extend((0..count).map(|_| now));
        self.failures.retain(|t| now - t <= find);
        if self.bans.last().is_some_and(|b| now > b.1 + decay) {
            self.bans.clear();
        }
        if self.failures.len() < usize::from(p.maxretry) {
            return Ok(self.failures.len());
        }
        let failures = self.failures.len() as u32;
        self.failures.clear();
        if let Some(&(since, until)) = self.bans.last().filter(|b| now < b.1) {
            return Err((since, until, self.bans.len() as u16 - 1, failures, true));
        }
        let n = self.bans.len();
        let m = p.multipliers.get(n).or(p.multipliers.last()).copied().unwrap_or(1);
        let length = (p.bantime.secs() * u64::from(m)).min(p.maxtime.secs());
        self.bans.push((now, now + length));
        Err((now, now + length, n as u16, failures, false))
    }
}

proptest! {
    #[test]
    fn the_table_agrees_with_the_contract(
        steps in proptest::collection::vec((0u32..3, 0u8..2, 0u64..40, 1u32..3, 0u8..20), 0..150),
        maxretry in 1u16..5,
        multipliers in proptest::collection::vec(0u32..9, 0..4),
        maxtime in 50u64..700,
        decay in 0u64..600,
    ) {
        let p = Policy {
            maxtime: Duration::from_secs(maxtime),
            decay: Duration::from_secs(decay),
            ..policy(maxretry, &multipliers)
        };
        let mut lent = Lent::new(6, usize::from(maxretry));
        let mut t = lent.tracker();
        let mut naive: HashMap<(u8, u32), Naive> = HashMap::new();
        let mut now = 0;
        for (n, jail, wait, count, kind) in steps {
            now += wait;
            let all = naive.entry((jail, n)).or_default();
            if kind == 0 {
                t.gained(jail, host(n));
                all.failures.clear();
                continue;
            }
            let ours = t.fail(jail, &p, Attempt { target: host(n), count, at: secs(now) }, secs(now), 0);
            let truth = match all.fail(&p, now, count) {
                Ok(failures) => Outcome::Counted { failures: failures as u16 },
                Err((since, until, before, failures, again)) => {
                    let s = Sentence { jail, failures, ..sentence(n, since, until, before) };
                    if again { Outcome::Again(s) } else { Outcome::Ban(s) }
                }
            };
            prop_assert_eq!(ours, truth);
        }
        prop_assert_eq!(t.tally().evicted.get() + t.tally().histories_evicted.get(), 0);
    }

    #[test]
    fn no_attempt_panics_and_totals_stay_true(
        steps in proptest::collection::vec(
            (any::<u8>(), 0u32..9, any::<u32>(), any::<u64>(), any::<u64>(), any::<u32>(), 0u8..10), 0..60,
        ),
        p in (any::<u16>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), proptest::collection::vec(any::<u32>(), 0..8)),
        slots in 0usize..4,
        ring in 0usize..4,
    ) {
        let p = Policy {
            maxretry: p.0 % 5,
            findtime: Duration::from_millis(p.1),
            bantime: Duration::from_millis(p.2),
            rndtime: Duration::from_millis(p.3),
            decay: Duration::from_millis(p.4),
            multipliers: heapless::Vec::from_slice(&p.5).unwrap(),
            ..Policy::DEFAULT
        };
        let mut lent = Lent::new(slots, ring);
        let mut t = lent.tracker();
        for (jail, n, count, at, now, random, kind) in steps {
            let (jail, now) = (jail % 4, Instant::from_millis(now));
            match kind {
                0 => t.gained(jail, host(n)),
                1 => t.forgive(Prefix::new(host(n).addr(), 126), now),
                2 => { t.restore(&Sentence { jail, ..sentence(n, 0, at, random as u16) }); }
                _ => {
                    let attempt = Attempt { target: host(n), count, at: Instant::from_millis(at) };
                    if let Outcome::Ban(s) = t.fail(jail, &p, attempt, now, random) {
                        prop_assert!(s.until >= s.since && s.since == now);
                    }
                }
            }
            let mut per_jail = [0u16; 4];
            t.each(|tracked| per_jail[usize::from(tracked.jail)] += 1);
            prop_assert_eq!([t.totals(0).tracked, t.totals(1).tracked], [per_jail[0], per_jail[1]]);
            prop_assert_eq!(usize::from(per_jail.iter().sum::<u16>()), t.len());
        }
    }
}

#[test]
fn a_jail_is_forgotten_alone() {
    let mut lent = Lent::new(8, 3);
    let mut t = lent.tracker();
    let p = policy(3, &[]);
    for jail in 0..2 {
        for n in 0..3 {
            t.fail(jail, &p, Attempt { target: host(n), count: 1, at: secs(1) }, secs(1), 0);
        }
        assert!(t.restore(&Sentence { jail, ..sentence(3, 0, 100, 1) }));
    }
    t.forget(0);
    let mut left = Vec::new();
    t.each(|source| left.push((source.jail, source.target)));
    assert_eq!(left, [0, 1, 2, 3].map(|n| (1, host(n))));
    assert_eq!((t.totals(0), t.totals(1).tracked), (Totals::EMPTY, 4));
    assert_eq!(t.history(0, &p, host(3), secs(1)), 0);
    assert_eq!(fail(&mut t, &p, 0, 2), Outcome::Counted { failures: 1 });
}
