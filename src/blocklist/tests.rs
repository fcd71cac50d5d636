use super::*;
use proptest::prelude::*;
use std::boxed::Box;
use std::vec::Vec;
use std::{format, vec};

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is no prefix"))
}

fn ms(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn ban(target: &str, until: u64) -> Ban {
    let (target, until) = (prefix(target), ms(until));
    Ban { target, jail: 1, scope: 0, manual: false, before: 0, since: Instant::ZERO, until }
}

/// A list for `n` entries, with `cells` and `words` of memory, that lives as long as the test.
fn list_of(n: usize, cells: usize, words: usize, key: [u64; 2]) -> Blocklist<'static> {
    let storage = Storage {
        // Dirty memory, as a caller may lend it.
        slots: Box::leak(vec![Slot::new(&ban("192.0.2.1", 7)); n].into_boxed_slice()),
        cells: Box::leak(vec![0xdead_beef; cells].into_boxed_slice()),
        words: Box::leak(vec![0xdead_beef; words].into_boxed_slice()),
    };
    Blocklist::new(storage, key)
}

fn list(n: usize) -> Blocklist<'static> {
    list_of(n, 2 * n.max(2), n.div_ceil(2), [3, 4])
}

/// The naive oracle: bans in a vector, scanned.
#[derive(Default)]
struct Oracle {
    bans: Vec<Ban>,
    capacity: usize,
}

impl Oracle {
    fn find(&self, target: Prefix) -> Option<usize> {
        self.bans.iter().position(|b| b.target == target)
    }

    fn soonest(&self, among: impl Fn(&Ban) -> bool) -> Option<Instant> {
        self.bans.iter().filter(|b| among(b)).map(|b| b.until).min()
    }

    fn lookup(&self, addr: Addr) -> Option<Scope> {
        let around = self.bans.iter().filter(|b| b.target.contains(addr) && b.scope != LISTED_ONLY);
        let scopes: Vec<Scope> = around.map(|b| b.scope).collect();
        let first = *scopes.first()?;
        Some(if scopes.iter().all(|&s| s == first) { first } else { 0 })
    }

    /// Checks what the list says of an insertion, and does it. Where several entries expire at the same
    /// instant the list may evict any of them.
    fn insert(&mut self, new: Ban, now: Instant, said: Inserted) {
        if new.until <= now {
            return assert_eq!(said, Inserted::Over);
        }
        if let Some(i) = self.find(new.target) {
            let old = self.bans[i];
            if old.until > now {
                let ban = Ban {
                    scope: match [old.scope, new.scope] {
                        [one, other] if one == other => one,
                        [LISTED_ONLY, scope] | [scope, LISTED_ONLY] => scope,
                        _ => 0,
                    },
                    manual: old.manual | new.manual,
                    before: old.before.max(new.before),
                    until: old.until.max(new.until),
                    ..old
                };
                self.bans[i] = ban;
                return assert_eq!(said, Inserted::Renewed { ban, old_scope: old.scope });
            }
        }
        let expected = if let Some(i) = self.find(new.target) {
            Inserted::Replaced { gone: self.bans.remove(i), reason: Reason::Expired, ban: new }
        } else if self.bans.len() < self.capacity {
            Inserted::Added(new)
        } else {
            let due = self.soonest(|_| true).filter(|&u| u <= now);
            let Some(until) = due.or(self.soonest(|b| !b.manual)) else {
                return assert_eq!(said, Inserted::Full);
            };
            let Inserted::Replaced { gone, .. } = said else { panic!("{said:?}") };
            let reason = if due.is_some() { Reason::Expired } else { Reason::Evicted };
            assert_eq!(gone.until, until);
            assert!(due.is_some() || !gone.manual);
            let gone = self.bans.remove(self.bans.iter().position(|b| *b == gone).expect("not ours"));
            Inserted::Replaced { gone, reason, ban: new }
        };
        assert_eq!(said, expected);
        self.bans.push(new);
    }

    fn expire(&mut self, now: Instant, said: &[Ban], budget: usize) {
        let mut due: Vec<Ban> = self.bans.iter().filter(|b| b.until <= now).copied().collect();
        assert_eq!(said.len(), due.len().min(budget));
        assert!(said.is_sorted_by_key(|b| b.until));
        for gone in said {
            let i = due.iter().position(|b| b == gone).expect("not due");
            due.remove(i);
            self.bans.retain(|b| b != gone);
        }
        // What the budget left over is no earlier than what went.
        let last = said.last().map(|b| b.until);
        assert!(due.iter().all(|b| Some(b.until) >= last));
    }

    fn compare(&self, list: &Blocklist) {
        assert_eq!(list.len(), self.bans.len());
        assert_eq!(list.manual(), self.bans.iter().filter(|b| b.manual).count());
        assert_eq!(list.next_expiry(), self.soonest(|b| b.until != Instant::NEVER));
        for b in &self.bans {
            assert_eq!(list.get(b.target), Some(*b));
            for addr in [b.target.addr(), b.target.last()] {
                assert_eq!(list.lookup(addr), self.lookup(addr), "{addr}");
                for outside in [addr.to_u128().wrapping_sub(1), addr.to_u128().wrapping_add(1)] {
                    let outside = Addr::from_u128(outside);
                    assert_eq!(list.lookup(outside), self.lookup(outside), "{outside}");
                }
                self.compare_covering(list, addr);
            }
        }
        let mut listed: Vec<Ban> = Vec::new();
        let mut cursor = Cursor::default();
        while let Some(ban) = list.list(&mut cursor) {
            listed.push(ban);
        }
        assert_eq!(sorted(listed), sorted(self.bans.clone()));
    }

    fn compare_covering(&self, list: &Blocklist, addr: Addr) {
        let mut around = Vec::new();
        list.covering(addr, |ban| {
            around.push(ban);
            true
        });
        assert!(around.is_sorted_by(|a, b| a.target.bits() > b.target.bits()));
        let expected = self.bans.iter().filter(|b| b.target.contains(addr)).copied().collect();
        assert_eq!(sorted(around), sorted(expected));
        for port in 0..4 {
            let expected =
                self.bans.iter().any(|b| b.target.contains(addr) && [0, port].contains(&b.scope));
            assert_eq!(list.drops(addr, |scope| scope == port || scope == LISTED_ONLY), expected);
            assert_eq!(list.covers(addr, port), expected);
        }
        let listed =
            self.bans.iter().any(|b| b.target.contains(addr) && [0, LISTED_ONLY].contains(&b.scope));
        assert_eq!(list.covers(addr, LISTED_ONLY), listed);
    }
}

fn sorted(mut bans: Vec<Ban>) -> Vec<Ban> {
    bans.sort_by_key(|b| b.target);
    bans
}

#[derive(Clone, Debug)]
enum Op {
    Insert(Ban),
    Remove(Prefix),
    /// Time goes on by so many milliseconds.
    Expire(u64, usize),
    Lookup(Addr),
    Pop,
}

/// Few addresses, close together, so that targets repeat, nest and touch.
fn any_addr() -> impl Strategy<Value = Addr> {
    prop_oneof![
        (0u8..4, 0u8..8).prop_map(|(c, d)| Addr::v4([192, 0, c, d])),
        (0u128..3, 0u128..3, 0u128..3)
            .prop_map(|(a, b, c)| Addr::from_u128(0x2001_0db8 << 96 | a << 80 | b << 64 | c << 30)),
        any::<u32>().prop_map(|n| Addr::v4(n.to_be_bytes())),
        any::<u128>().prop_map(Addr::from_u128),
        (0u128..4).prop_map(|n| Addr::from_u128(n << 31)),
    ]
}

fn any_target() -> impl Strategy<Value = Prefix> {
    let bits = prop_oneof![
        4 => Just(128u8),
        2 => Just(64),
        2 => 118u8..=127,
        1 => prop::sample::select(&[0u8, 1, 15, 16, 31, 32, 47, 48, 56, 63, 65, 80, 95, 96, 97, 104, 112, 120][..]),
        1 => 0u8..=128,
    ];
    (any_addr(), bits).prop_map(|(addr, bits)| Prefix::new(addr, bits))
}

prop_compose! {
    fn any_ban()(
        target in any_target(),
        jail in 0u8..4,
        scope in prop_oneof![4 => 0u8..3, 1 => Just(LISTED_ONLY)],
        manual in prop::bool::weighted(0.2),
        before in 0u16..4,
        since in 0u64..5,
        until in prop_oneof![9 => 0u64..60, 1 => Just(u64::MAX)],
    ) -> Ban {
        Ban { target, jail, scope, manual, before, since: ms(since), until: ms(until) }
    }
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => any_ban().prop_map(Op::Insert),
        3 => any_target().prop_map(Op::Remove),
        2 => (0u64..6, 0usize..6).prop_map(|(by, budget)| Op::Expire(by, budget)),
        2 => any_addr().prop_map(Op::Lookup),
        1 => Just(Op::Pop),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_linear_scan(
        ops in prop::collection::vec(any_op(), 1..150),
        n in 0usize..40,
        // From too few cells to many, from no filter to a large one.
        cells in 0usize..100,
        words in 0usize..20,
        key: [u64; 2],
    ) {
        let mut list = list_of(n, cells, words, key);
        let mut oracle = Oracle { bans: Vec::new(), capacity: list.capacity() };
        prop_assert!(list.capacity() <= n);
        let mut now = 0;
        for op in ops {
            match op {
                Op::Insert(mut ban) => {
                    if ban.until != Instant::NEVER {
                        ban.until = ms(ban.until.millis() + now);
                    }
                    let said = list.insert(ban, ms(now));
                    oracle.insert(ban, ms(now), said);
                }
                Op::Remove(target) => {
                    let expected = oracle.find(target).map(|i| oracle.bans.remove(i));
                    prop_assert_eq!(list.remove(target), expected);
                }
                Op::Expire(by, budget) => {
                    now += by;
                    let mut gone = Vec::new();
                    let count = list.expire(ms(now), budget, |ban| gone.push(ban));
                    prop_assert_eq!(count, gone.len());
                    oracle.expire(ms(now), &gone, budget);
                }
                Op::Lookup(addr) => prop_assert_eq!(list.lookup(addr), oracle.lookup(addr)),
                Op::Pop => match list.pop() {
                    Some(ban) => {
                        let i = oracle.bans.iter().position(|b| *b == ban).expect("not ours");
                        oracle.bans.remove(i);
                    }
                    None => prop_assert!(oracle.bans.is_empty()),
                },
            }
        }
        oracle.compare(&list);
    }

    #[test]
    fn a_listing_under_changes_has_each_lasting_entry_once(
        bans in prop::collection::vec(any_ban(), 1..60),
        changes in prop::collection::vec(any_ban(), 0..60),
        key: [u64; 2],
    ) {
        let mut list = list_of(40, 50, 8, key);
        for mut ban in bans {
            ban.until = ms(1 << 40);
            list.insert(ban, Instant::ZERO);
        }
        let mut lasting: Vec<Prefix> = list.table.targets().collect();
        let (mut seen, mut cursor, mut changes) = (Vec::new(), Cursor::default(), changes.into_iter());
        while let Some(ban) = list.list(&mut cursor) {
            prop_assert!(!seen.contains(&ban.target), "twice: {:?}", ban.target);
            seen.push(ban.target);
            if let Some(mut change) = changes.next() {
                change.until = ms(1 << 41);
                lasting.retain(|&t| t != change.target || list.get(t).is_some());
                match list.remove(change.target) {
                    Some(gone) => lasting.retain(|&t| t != gone.target),
                    None => if let Inserted::Replaced { gone, .. } = list.insert(change, Instant::ZERO) {
                        lasting.retain(|&t| t != gone.target);
                    },
                }
            }
        }
        for target in lasting {
            prop_assert!(seen.contains(&target), "never: {:?}", target);
        }
    }
}

#[test]
fn a_persons_word_on_the_end_of_a_ban_holds() {
    let mut list = list(4);
    list.insert(ban("192.0.2.1", 50), ms(0));
    let forever = Ban { until: Instant::NEVER, ..ban("192.0.2.1", 0) };
    for asked in [ban("192.0.2.1", 20), forever, ban("192.0.2.1", 30)] {
        let said = list.insert_until(Ban { manual: true, ..asked }, ms(0));
        let Inserted::Renewed { ban, .. } = said else { panic!("{said:?}") };
        assert_eq!((ban.until, ban.manual, list.get(ban.target)), (asked.until, true, Some(ban)));
    }
    assert_eq!(list.insert_until(ban("192.0.2.1", 5), ms(9)), Inserted::Over);
    assert_eq!(list.next_expiry(), Some(ms(30)));
    assert_eq!(list.insert_until(ban("192.0.2.2", 40), ms(0)), Inserted::Added(ban("192.0.2.2", 40)));
}

#[test]
fn mapped_ipv4_is_ipv4() {
    let mut list = list(4);
    list.insert(ban("192.0.2.7", 10), Instant::ZERO);
    list.insert(ban("::ffff:198.51.100.0/120", 10), Instant::ZERO);
    let mapped = Addr::v6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7]);
    assert_eq!(list.lookup(mapped), Some(0));
    assert_eq!(list.lookup(Addr::v4([198, 51, 100, 9])), Some(0));
    assert_eq!(list.get(prefix("198.51.100.0/24")).map(|b| b.until), Some(ms(10)));
    // The IPv4-compatible form is another address.
    assert_eq!(list.lookup(Addr::from_u128(0xc000_0207)), None);
}

#[test]
fn a_wide_ipv6_prefix_lies_around_ipv4_only_where_it_contains_the_mapped_range() {
    let mut list = list(8);
    list.insert(ban("2000::/3", 10), Instant::ZERO);
    assert_eq!(list.lookup(Addr::v4([192, 0, 2, 1])), None);
    list.insert(ban("::/64", 10), Instant::ZERO);
    assert_eq!(list.lookup(Addr::v4([192, 0, 2, 1])), Some(0));
}

#[test]
fn an_entry_is_gone_at_its_last_millisecond_and_not_before() {
    let mut list = list(4);
    list.insert(ban("192.0.2.1", 1000), Instant::ZERO);
    assert_eq!(list.next_expiry(), Some(ms(1000)));
    assert_eq!(list.expire(ms(999), 9, |_| {}), 0);
    assert_eq!(list.lookup(Addr::v4([192, 0, 2, 1])), Some(0));
    assert_eq!(list.expire(ms(1000), 9, |_| {}), 1);
    assert_eq!(list.lookup(Addr::v4([192, 0, 2, 1])), None);
    assert_eq!(list.next_expiry(), None);
}

#[test]
fn eviction_takes_the_soonest_spares_manual_bans_and_comes_to_permanent_ones_last() {
    let mut list = list(4);
    let manual = Ban { manual: true, ..ban("192.0.2.1", 5) };
    list.insert(manual, Instant::ZERO);
    list.insert(ban("192.0.2.2", u64::MAX), Instant::ZERO);
    list.insert(ban("192.0.2.3", 100), Instant::ZERO);
    list.insert(ban("192.0.2.4", 50), Instant::ZERO);
    let evicts = |list: &mut Blocklist, new: &str| match list.insert(ban(new, 1000), Instant::ZERO) {
        Inserted::Replaced { gone, reason: Reason::Evicted, .. } => gone.target,
        other => panic!("{other:?}"),
    };
    assert_eq!(evicts(&mut list, "192.0.2.5"), prefix("192.0.2.4"));
    assert_eq!(evicts(&mut list, "192.0.2.6"), prefix("192.0.2.3"));
    list.remove(prefix("192.0.2.5"));
    list.remove(prefix("192.0.2.6"));
    list.insert(Ban { manual: true, ..ban("192.0.2.7", u64::MAX) }, Instant::ZERO);
    list.insert(Ban { manual: true, ..ban("192.0.2.8", 9000) }, Instant::ZERO);
    assert_eq!(evicts(&mut list, "192.0.2.9"), prefix("192.0.2.2"));
    let due = list.insert(ban("192.0.2.10", 1000), ms(5));
    assert_eq!(
        due,
        Inserted::Replaced { gone: manual, reason: Reason::Expired, ban: ban("192.0.2.10", 1000) }
    );
}

#[test]
fn full_of_manual_bans_refuses_and_counts() {
    let mut list = list(16);
    for i in 0..16 {
        let target = format!("192.0.2.{i}");
        list.insert(
            Ban { manual: true, ..ban(&target, if i % 2 == 0 { u64::MAX } else { 100 }) },
            Instant::ZERO,
        );
    }
    assert_eq!((list.len(), list.manual()), (16, 16));
    let new = ban("198.51.100.1", 100);
    assert_eq!(list.insert(new, Instant::ZERO), Inserted::Full);
    assert_eq!(list.insert(Ban { manual: true, ..new }, Instant::ZERO), Inserted::Full);
    assert_eq!(list.insert(new, Instant::ZERO).changes().count(), 0);
    assert_eq!(list.tally().full.get(), 3);
    // A renewal needs no room.
    assert!(matches!(list.insert(ban("192.0.2.3", 500), Instant::ZERO), Inserted::Renewed { .. }));
    assert_eq!(list.lookup(new.target.addr()), None);
}

#[test]
fn changes_are_told_in_order() {
    let mut list = list(1);
    let (a, b) = (ban("192.0.2.1", 10), ban("192.0.2.2", 20));
    assert!(list.insert(a, Instant::ZERO).changes().eq([Change::Added(a)]));
    assert!(
        list.insert(b, Instant::ZERO).changes().eq([Change::Removed(a, Reason::Evicted), Change::Added(b)])
    );
    let renewed = Ban { scope: 0, until: ms(30), ..b };
    let said = list.insert(Ban { scope: 2, jail: 9, ..ban("192.0.2.2", 30) }, Instant::ZERO);
    assert!(said.changes().eq([Change::Renewed { ban: renewed, old_scope: 0 }]));
    assert_eq!(list.insert(ban("192.0.2.3", 7), ms(7)), Inserted::Over);
    let mut seen = Vec::new();
    list.tally().each(|name, n| seen.push((name, n)));
    let expected = [
        ("added", 2),
        ("renewed", 1),
        ("expired", 0),
        ("unbanned", 0),
        ("evicted", 1),
        ("full", 0),
        ("over", 1),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn times_past_48_bits_are_forever() {
    let mut list = list(2);
    for until in [(1 << 48) - 1, 1 << 60] {
        let said = list.insert(ban("192.0.2.1", until), Instant::ZERO);
        assert_eq!(said.changes().count(), 1);
        assert_eq!(list.get(prefix("192.0.2.1")).map(|b| b.until), Some(Instant::NEVER));
    }
    assert_eq!(list.next_expiry(), None);
    assert_eq!(list.expire(Instant::NEVER, 9, |_| {}), 0);
    list.insert(ban("192.0.2.2", (1 << 48) - 2), Instant::ZERO);
    assert_eq!(list.next_expiry(), Some(ms((1 << 48) - 2)));
}

/// Addresses that would collide in a table without a key: equal low bits, equal high bits, multiples.
#[test]
fn chosen_addresses_do_not_lengthen_a_lookup() {
    let n = 4096;
    let shapes: [fn(u128) -> Addr; 4] = [
        |i| Addr::v4(((i as u32) << 16 | 0x0a0a).to_be_bytes()),
        |i| Addr::v4((0xc000_0000 | i as u32).to_be_bytes()),
        |i| Addr::from_u128(0x2001_0db8 << 96 | i << 64),
        |i| Addr::from_u128((0x2001_0db8 << 96) + i * 0x9e37_79b9_7f4a_7c15),
    ];
    for shape in shapes {
        for key in [[0, 0], [1, 2], [u64::MAX, 5]] {
            let mut list = list_of(n, 2 * n, n / 2, key);
            for i in 0..n as u128 {
                let b = Ban { target: Prefix::host(shape(i)), ..ban("192.0.2.1", 100) };
                assert!(matches!(list.insert(b, Instant::ZERO), Inserted::Added(_)));
            }
            let (mut sum, mut most) = (0, 0);
            for i in 0..n as u128 {
                let (hit, steps) = list.lookup_steps(shape(i));
                assert_eq!(hit, Some(0));
                (sum, most) = (sum + steps, most.max(steps));
                let (miss, steps) = list.lookup_steps(shape(i + n as u128));
                assert_eq!(miss, None);
                most = most.max(steps);
            }
            assert!(sum < 2 * n as u32 && most < 40, "{sum} steps for {n}, {most} at most");
        }
    }
}

#[test]
fn every_length_at_once_is_found_in_bounded_steps() {
    let mut list = list(256);
    let target = prefix("2001:db8:1234:5678:9abc:def0:1234:5678").addr();
    for bits in 0..=128 {
        let b = Ban { target: Prefix::new(target, bits), scope: 3, ..ban("192.0.2.1", 100) };
        list.insert(b, Instant::ZERO);
    }
    let (scope, steps) = list.lookup_steps(target);
    assert_eq!(scope, Some(3));
    assert!(steps < 129 * 4, "{steps}");
    let mut count = 0;
    list.covering(target, |_| {
        count += 1;
        true
    });
    assert_eq!(count, 129);
}

#[test]
fn no_memory_at_all_is_an_empty_list() {
    let mut list = list_of(0, 0, 0, [1, 2]);
    assert_eq!(list.capacity(), 0);
    assert_eq!(list.insert(ban("192.0.2.1", 10), Instant::ZERO), Inserted::Full);
    assert_eq!(list.lookup(Addr::v4([192, 0, 2, 1])), None);
    assert_eq!((list.pop(), list.next_expiry(), list.list(&mut Cursor::default())), (None, None, None));
}

#[test]
fn emptied_by_pop() {
    let mut list = list(300);
    for i in 0..300u32 {
        let target = Prefix::host(Addr::v4(i.to_be_bytes()));
        list.insert(
            Ban { target, manual: i % 3 == 0, ..ban("192.0.2.1", u64::from(i % 7) + 1) },
            Instant::ZERO,
        );
    }
    let mut count = 0;
    while list.pop().is_some() {
        count += 1;
    }
    assert_eq!((count, list.len(), list.manual()), (300, 0, 0));
}

#[test]
fn an_entry_costs_what_the_contract_says() {
    assert_eq!(size_of::<Slot>(), 36);
}
