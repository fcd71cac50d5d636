use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::vec;
use std::vec::Vec;

const A: Addr = Addr::v4([192, 0, 2, 1]);
const B: Addr = Addr::v4([192, 0, 2, 2]);

/// An event that owns its user.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Failure(Addr, Option<Vec<u8>>, u32),
    Gained(Addr, Option<Vec<u8>>),
}

fn fail(ip: Addr, user: &str, n: u32) -> Seen {
    Seen::Failure(ip, Some(user.as_bytes().to_vec()), n)
}

fn hit<'a>(verdict: Verdict, source: Source<'a>, user: Option<&'a str>) -> Hit<'a> {
    let user = user.map(str::as_bytes);
    Hit {
        filter: 0,
        rule: 1,
        verdict,
        forget: false,
        part: Part::Whole,
        source,
        user,
        port: None,
        sess: None,
        id: None,
    }
}

struct Lent {
    entries: Vec<Entry>,
    links: Vec<Link>,
    buckets: Vec<u16>,
}

impl Lent {
    fn new(n: usize) -> Self {
        Self { entries: vec![Entry::EMPTY; n], links: vec![Link::EMPTY; n], buckets: vec![0; n] }
    }

    fn sessions(&mut self) -> Sessions<'_> {
        let Self { entries, links, buckets } = self;
        Sessions::new(Storage { entries, links, buckets }, [7; 16], IDLE_TIMEOUT)
    }
}

fn feed(s: &mut Sessions<'_>, hit: &Hit<'_>, pid: &str, now: u64) -> Vec<Seen> {
    let mut seen = Vec::new();
    s.feed(hit, pid.as_bytes(), b"router", 1, Instant::from_secs(now), &mut |e| seen.push(own(e)));
    seen
}

fn own(event: Event<'_>) -> Seen {
    match event {
        Event::Failure(f) => Seen::Failure(f.ip, f.user.map(<[u8]>::to_vec), f.attempts),
        Event::Gained { ip, user } => Seen::Gained(ip, user.map(<[u8]>::to_vec)),
    }
}

#[test]
fn an_entry_is_small() {
    assert!(size_of::<Entry>() <= 80, "{}", size_of::<Entry>());
    assert_eq!(size_of::<Link>(), 8);
}

#[test]
fn the_address_may_come_before_or_after_the_failure() {
    let mut lent = Lent::new(4);
    let mut s = lent.sessions();
    let bare = hit(Verdict::Fail, Source::None, Some("root"));
    assert_eq!(feed(&mut s, &hit(Verdict::Help, Source::Ip(A), None), "1", 0), []);
    assert_eq!(feed(&mut s, &bare, "1", 1), [fail(A, "root", 1)]);

    assert_eq!(feed(&mut s, &bare, "2", 1), []);
    assert_eq!(feed(&mut s, &bare, "2", 2), []);
    assert_eq!(feed(&mut s, &hit(Verdict::Help, Source::Ip(B), None), "2", 3), [fail(B, "root", 2)]);

    assert_eq!(feed(&mut s, &bare, "3", 3), []);
    let direct = hit(Verdict::Fail, Source::Ip(B), Some("adm"));
    assert_eq!(feed(&mut s, &direct, "3", 4), [fail(B, "root", 1), fail(B, "adm", 1)]);
    assert_eq!((s.tally().failures.get(), s.tally().released.get()), (5, 3));
}

#[test]
fn sessions_of_other_hosts_filters_and_ids_do_not_mix() {
    let mut lent = Lent::new(8);
    let mut s = lent.sessions();
    feed(&mut s, &hit(Verdict::Help, Source::Ip(A), None), "12", 0);
    let bare = hit(Verdict::Fail, Source::None, None);
    let mut seen = Vec::new();
    s.feed(&bare, b"12", b"other", 1, Instant::ZERO, &mut |e| seen.push(own(e)));
    s.feed(&Hit { filter: 1, ..bare }, b"12", b"router", 1, Instant::ZERO, &mut |e| seen.push(own(e)));
    s.feed(&bare, b"1", b"2router", 1, Instant::ZERO, &mut |e| seen.push(own(e)));
    s.feed(&Hit { sess: Some(b"9"), ..bare }, b"12", b"router", 1, Instant::ZERO, &mut |e| {
        seen.push(own(e))
    });
    assert_eq!(seen, []);
    assert_eq!(feed(&mut s, &Hit { sess: Some(b"12"), ..bare }, "5", 0), [Seen::Failure(A, None, 1)]);
    assert_eq!(feed(&mut s, &Hit { sess: Some(b""), ..bare }, "12", 0), [Seen::Failure(A, None, 1)]);
}

#[test]
fn a_host_name_blames_nobody_by_itself() {
    let mut lent = Lent::new(4);
    let mut s = lent.sessions();
    let named = hit(Verdict::Fail, Source::Host(b"example.com"), None);
    assert_eq!(feed(&mut s, &named, "1", 0), []);
    assert_eq!(feed(&mut s, &named, "", 0), []);
    assert_eq!(feed(&mut s, &hit(Verdict::Help, Source::Ip(A), None), "1", 0), []);
    assert_eq!(feed(&mut s, &named, "1", 0), [Seen::Failure(A, None, 1)]);
    assert_eq!(s.tally().hosts_unresolved.get(), 3);
}

#[test]
fn without_a_session_only_an_address_counts() {
    let mut lent = Lent::new(4);
    let mut s = lent.sessions();
    assert_eq!(feed(&mut s, &hit(Verdict::Fail, Source::Ip(A), Some("x")), "", 0), [fail(A, "x", 1)]);
    assert_eq!(feed(&mut s, &hit(Verdict::Fail, Source::None, Some("x")), "", 0), []);
    assert_eq!(feed(&mut s, &hit(Verdict::Help, Source::Ip(A), Some("x")), "", 0), []);
    assert_eq!(feed(&mut s, &hit(Verdict::Gain, Source::Ip(A), None), "", 0), [Seen::Gained(A, None)]);
    assert_eq!((s.len(), s.tally().orphans.get()), (0, 1));
}

#[test]
fn an_accepted_login_voids_what_was_held_unless_several_users_were_tried() {
    let mut lent = Lent::new(4);
    let mut s = lent.sessions();
    feed(&mut s, &hit(Verdict::Fail, Source::None, Some("bob")), "1", 0);
    let gain = hit(Verdict::Gain, Source::Ip(A), Some("bob"));
    assert_eq!(feed(&mut s, &gain, "1", 0), [Seen::Gained(A, Some(b"bob".to_vec()))]);
    assert_eq!(s.tally().forgiven.get(), 1);

    feed(&mut s, &hit(Verdict::Fail, Source::None, Some("root")), "2", 0);
    feed(&mut s, &hit(Verdict::Fail, Source::None, Some("adm")), "2", 0);
    let gain = hit(Verdict::Gain, Source::Ip(A), Some("adm"));
    assert_eq!(feed(&mut s, &gain, "2", 0), [fail(A, "adm", 2)]);

    // The user who got in is one of those tried.
    feed(&mut s, &hit(Verdict::Fail, Source::Ip(B), Some("root")), "3", 0);
    assert_eq!(feed(&mut s, &hit(Verdict::Gain, Source::None, Some("bob")), "3", 0), []);
    assert_eq!(s.tally().gains_held.get(), 2);

    // Long names that differ only where they are cut are still two users.
    let (long, longer) = ("x".repeat(40), "x".repeat(41));
    feed(&mut s, &hit(Verdict::Fail, Source::Ip(B), Some(&long)), "4", 0);
    assert_eq!(feed(&mut s, &hit(Verdict::Gain, Source::None, Some(&longer)), "4", 0), []);
    assert_eq!(
        feed(&mut s, &hit(Verdict::Fail, Source::None, None), "4", 0),
        [fail(B, &"x".repeat(32), 1)]
    );
}

#[test]
fn a_session_never_moves_to_another_address() {
    let mut lent = Lent::new(4);
    let mut s = lent.sessions();
    feed(&mut s, &hit(Verdict::Fail, Source::Ip(A), Some("root")), "1", 0);
    feed(&mut s, &hit(Verdict::Help, Source::Ip(B), None), "1", 1);
    assert_eq!(s.tally().reused.get(), 1);
    // The user of the earlier session is gone as well, so this login is a clean one.
    let gain = hit(Verdict::Gain, Source::None, Some("bob"));
    assert_eq!(feed(&mut s, &gain, "1", 2), [Seen::Gained(B, Some(b"bob".to_vec()))]);
}

#[test]
fn sessions_end() {
    let mut lent = Lent::new(2);
    let mut s = lent.sessions();
    let bare = hit(Verdict::Fail, Source::None, None);
    let help = hit(Verdict::Help, Source::Ip(A), None);
    feed(&mut s, &Hit { forget: true, ..help }, "1", 0);
    assert_eq!((feed(&mut s, &bare, "1", 0), s.len()), (vec![], 1));
    feed(&mut s, &Hit { forget: true, ..hit(Verdict::Help, Source::None, None) }, "1", 0);
    assert_eq!((s.len(), s.tally().dropped.get()), (0, 1));

    feed(&mut s, &help, "2", 0);
    assert_eq!(feed(&mut s, &bare, "2", 600), [Seen::Failure(A, None, 1)]);
    assert_eq!(feed(&mut s, &bare, "2", 1201), []);
    assert_eq!(s.tally().expired.get(), 1);

    feed(&mut s, &help, "3", 1201);
    feed(&mut s, &help, "4", 1201);
    assert_eq!((s.len(), s.tally().evicted.get(), s.tally().dropped.get()), (2, 1, 2));
    s.clear();
    assert!(s.is_empty());
}

#[test]
fn repeats_count_and_saturate() {
    let mut lent = Lent::new(1);
    let mut s = lent.sessions();
    let bare = hit(Verdict::Fail, Source::None, None);
    let mut seen = Vec::new();
    for times in [u32::MAX, 5] {
        s.feed(&bare, b"1", b"", times, Instant::ZERO, &mut |e| seen.push(own(e)));
    }
    let direct = hit(Verdict::Fail, Source::Ip(A), None);
    s.feed(&direct, b"1", b"", 0, Instant::ZERO, &mut |e| seen.push(own(e)));
    assert_eq!(seen, [Seen::Failure(A, None, u32::MAX), Seen::Failure(A, None, 1)]);
}

#[test]
fn without_memory_every_line_stands_alone() {
    let mut lent = Lent::new(0);
    let mut s = lent.sessions();
    assert_eq!(feed(&mut s, &hit(Verdict::Fail, Source::Ip(A), None), "1", 0), [Seen::Failure(A, None, 1)]);
    assert_eq!(feed(&mut s, &hit(Verdict::Fail, Source::None, None), "1", 0), []);
    assert_eq!(s.tally().orphans.get(), 1);
}

fn part(part: Part, source: Source<'static>) -> Hit<'static> {
    Hit { part, ..hit(Verdict::Fail, source, None) }
}

/// How many attempts each of `parts` is, in one session whose address is known (`with`) or not until the end.
fn counts(parts: &[Part], with: bool) -> Vec<u32> {
    let mut lent = Lent::new(2);
    let mut s = lent.sessions();
    let source = if with { Source::Ip(A) } else { Source::None };
    let counted = |seen: Vec<Seen>| {
        seen.iter().map(|e| if let Seen::Failure(_, _, n) = e { *n } else { 0 }).sum::<u32>()
    };
    let mut each: Vec<u32> =
        parts.iter().map(|&p| counted(feed(&mut s, &part(p, source), "1", 0))).collect();
    each.push(counted(feed(&mut s, &hit(Verdict::Help, Source::Ip(A), None), "1", 0)));
    each
}

#[test]
fn an_attempt_counts_with_the_first_line_that_tells_of_it() {
    use Part::*;
    for (parts, each) in [
        (&[Early, Late][..], &[1, 0][..]),
        (&[Early, Late, Late], &[1, 0, 1]),
        (&[Early, Middle, Late, Middle, Late], &[1, 0, 0, 1, 0]),
        (&[Middle, Middle, Late, Late], &[1, 1, 0, 1]),
        (&[Late, Late, Sum], &[1, 1, 0]),
        (&[Early, Early, Middle, Early], &[1, 1, 0, 1]),
        (&[Sum, Sum], &[1, 0]),
        (&[Sum, Late], &[1, 1]),
        (&[Early, Sum, Late], &[1, 0, 0]),
        (&[Early, Whole, Late, Whole], &[1, 1, 0, 1]),
    ] {
        assert_eq!(counts(parts, true), [each, &[0]].concat(), "{parts:?}");
        let mut late = vec![0; each.len()];
        late.push(each.iter().sum());
        assert_eq!(counts(parts, false), late, "{parts:?} without an address");
    }
}

#[test]
fn another_port_is_another_session() {
    let mut lent = Lent::new(2);
    let mut s = lent.sessions();
    let at = |part, port| Hit { port: Some(port), ..self::part(part, Source::Ip(A)) };
    let n = |seen: Vec<Seen>| seen.len();
    assert_eq!(n(feed(&mut s, &at(Part::Early, 4001), "1", 0)), 1);
    assert_eq!(n(feed(&mut s, &part(Part::Middle, Source::Ip(A)), "1", 0)), 0, "no port, no difference");
    assert_eq!(n(feed(&mut s, &at(Part::Late, 4002), "1", 0)), 1);
    assert_eq!(n(feed(&mut s, &at(Part::Sum, 4002), "1", 0)), 0);
    assert_eq!((n(feed(&mut s, &at(Part::Sum, 4003), "1", 0)), s.tally().reused.get()), (1, 2));
}

#[test]
fn a_new_session_or_a_login_begins_anew() {
    let mut lent = Lent::new(4);
    let mut s = lent.sessions();
    let one = |ip| [Seen::Failure(ip, None, 1)];
    let (early, late) = (part(Part::Early, Source::Ip(A)), part(Part::Late, Source::Ip(A)));
    assert_eq!(feed(&mut s, &early, "1", 0), one(A));
    // Another address is another session, and so is what comes after the end or after a long silence.
    assert_eq!(feed(&mut s, &part(Part::Late, Source::Ip(B)), "1", 0), one(B));
    assert_eq!(feed(&mut s, &early, "2", 0), one(A));
    feed(&mut s, &Hit { forget: true, ..hit(Verdict::Help, Source::Ip(A), None) }, "2", 0);
    assert_eq!(feed(&mut s, &late, "2", 0), one(A));
    assert_eq!(feed(&mut s, &early, "3", 0), one(A));
    assert_eq!(feed(&mut s, &late, "3", 601), one(A));
    assert_eq!(feed(&mut s, &early, "4", 601), one(A));
    feed(&mut s, &hit(Verdict::Gain, Source::Ip(A), None), "4", 601);
    assert_eq!(feed(&mut s, &part(Part::Sum, Source::Ip(A)), "4", 601), one(A));
    // Without a session nothing ties two lines together.
    assert_eq!(feed(&mut s, &early, "", 601), one(A));
    assert_eq!(feed(&mut s, &late, "", 601), one(A));
    // A repeated line is one attempt told again and the rest of it new.
    feed(&mut s, &early, "5", 601);
    let mut seen = Vec::new();
    s.feed(&late, b"5", b"router", 3, Instant::from_secs(601), &mut |e| seen.push(own(e)));
    assert_eq!(seen, [Seen::Failure(A, None, 2)]);
    assert_eq!(s.tally().told_again.get(), 0);
    assert_eq!(feed(&mut s, &part(Part::Sum, Source::Ip(A)), "5", 601), []);
    assert_eq!(s.tally().told_again.get(), 1);
}

/// The oracle: what a session knows, in the words of the contract, one map entry a session and no limit.
#[derive(Clone, Default)]
struct Known {
    ip: Option<Addr>,
    held: u32,
    users: Vec<&'static str>,
    heard: u64,
    /// The parts told since the session began.
    parts: Vec<Part>,
}

fn oracle(all: &mut HashMap<u8, Known>, step: &Step, now: u64) -> Vec<Seen> {
    let mut out = Vec::new();
    if all.get(&step.pid).is_some_and(|k| now - k.heard > 600) {
        all.remove(&step.pid);
    }
    let k = all.entry(step.pid).or_default();
    k.heard = now;
    if step.ip.is_some() && k.ip.is_some() && k.ip != step.ip {
        *k = Known { heard: now, ..Known::default() };
    }
    k.ip = step.ip.or(k.ip);
    let before = k.users.last().copied();
    let mut users = k.users.clone();
    users.extend(step.user);
    let one_user = users.iter().all(|u| Some(u) == users.first());
    k.users = users;
    let bytes = |u: Option<&str>| u.map(|u| u.as_bytes().to_vec());
    let now_user = bytes(k.users.last().copied());
    if step.verdict == Verdict::Gain && one_user {
        k.held = 0;
        k.parts.clear();
    }
    if let Some(ip) = k.ip.filter(|_| k.held > 0) {
        out.push(Seen::Failure(ip, bytes(before), k.held));
        k.held = 0;
    }
    match (step.verdict, k.ip) {
        (Verdict::Fail, None) if step.named => {}
        (Verdict::Fail, ip) => {
            let staged = k.parts.iter().rfind(|p| !matches!(p, Part::Whole | Part::Sum));
            let again = match step.part {
                Part::Whole => 0,
                Part::Sum if k.parts.is_empty() => 0,
                Part::Sum => step.times,
                Part::Early => 0,
                Part::Middle => u32::from(staged == Some(&Part::Early)),
                Part::Late => u32::from(matches!(staged, Some(Part::Early | Part::Middle))),
            };
            k.parts.push(step.part);
            match (step.times - again, ip) {
                (0, _) => {}
                (new, Some(ip)) => out.push(Seen::Failure(ip, now_user, new)),
                (new, None) => k.held += new,
            }
        }
        (Verdict::Gain, Some(ip)) if one_user => out.push(Seen::Gained(ip, now_user)),
        _ => {}
    }
    if step.forget {
        all.remove(&step.pid);
    }
    out
}

#[derive(Clone, Debug)]
struct Step {
    pid: u8,
    verdict: Verdict,
    part: Part,
    ip: Option<Addr>,
    named: bool,
    user: Option<&'static str>,
    times: u32,
    forget: bool,
    wait: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![Just(Verdict::Fail), Just(Verdict::Help), Just(Verdict::Gain)];
    let ip = prop_oneof![3 => Just(None), 2 => Just(Some(A)), 1 => Just(Some(B))];
    let user = prop_oneof![2 => Just(None), 2 => Just(Some("root")), 1 => Just(Some("bob"))];
    let wait = prop_oneof![8 => 0u64..60, 1 => 500u64..700];
    let part = prop_oneof![
        3 => Just(Part::Whole),
        1 => Just(Part::Early),
        1 => Just(Part::Middle),
        2 => Just(Part::Late),
        1 => Just(Part::Sum),
    ];
    (0u8..4, (verdict, part), ip, any::<bool>(), user, 1u32..4, proptest::bool::weighted(0.1), wait)
        .prop_map(|(pid, (verdict, part), ip, named, user, times, forget, wait)| Step {
            pid,
            verdict,
            part,
            ip,
            named: named && ip.is_none(),
            user,
            times,
            forget,
            wait,
        })
}

proptest! {
    #[test]
    fn sessions_agree_with_the_contract(steps in proptest::collection::vec(step(), 0..80)) {
        let mut lent = Lent::new(4);
        let mut s = lent.sessions();
        let mut all = HashMap::new();
        let mut now = 0;
        for step in &steps {
            now += step.wait;
            let source = match step.ip {
                Some(ip) => Source::Ip(ip),
                None if step.named => Source::Host(b"example.com"),
                None => Source::None,
            };
            let hit = Hit { forget: step.forget, part: step.part, ..hit(step.verdict, source, step.user) };
            let mut seen = Vec::new();
            let at = Instant::from_secs(now);
            s.feed(&hit, &[b'0' + step.pid], b"", step.times, at, &mut |e| seen.push(own(e)));
            prop_assert_eq!(seen, oracle(&mut all, step, now), "{:?}", step);
        }
        // Nothing that was held is lost without a count.
        let t = s.tally();
        let waiting: u32 = all.values().map(|k| k.held).sum();
        let gone = t.released.get() + t.forgiven.get() + t.dropped.get();
        prop_assert_eq!(t.held.get(), gone + u64::from(waiting));
    }

    #[test]
    fn no_hit_panics(
        parts in proptest::collection::vec(
            (0u8..4, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..80), any::<bool>(), any::<u64>()),
            0..60,
        ),
        slots in 0usize..3,
    ) {
        let mut lent = Lent::new(slots);
        let mut s = lent.sessions();
        for (verdict, filter, bytes, forget, now) in &parts {
            let verdict = [Verdict::Fail, Verdict::Help, Verdict::Gain, Verdict::Ignore][usize::from(*verdict)];
            let source = if bytes.len() % 2 == 0 { Source::None } else { Source::Host(bytes) };
            let h = Hit { filter: *filter, rule: 0, verdict, forget: *forget, part: Part::Whole, source, user: Some(bytes),
                port: None, sess: Some(bytes), id: None };
            s.feed(&h, bytes, bytes, 0, Instant::from_millis(*now), &mut |_| {});
            prop_assert!(s.len() <= slots);
        }
    }
}

#[test]
fn a_flood_of_sessions_costs_the_same_each() {
    let mut lent = Lent::new(1024);
    let mut s = lent.sessions();
    let help = hit(Verdict::Help, Source::Ip(A), None);
    for n in 0..100_000u32 {
        s.feed(&help, &n.to_be_bytes(), b"", 1, Instant::ZERO, &mut |_| {});
    }
    assert_eq!((s.len(), s.tally().evicted.get()), (1024, 100_000 - 1024));
    let steps = s.index.steps();
    assert!(steps < 4 * 100_000, "{steps} chain links for 100,000 lines");
}
