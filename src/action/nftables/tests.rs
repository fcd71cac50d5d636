//! What is encoded is read back by the decoder of [`super::model`] and applied to its kernel.

use super::model::{Kernel, attrs, get, messages, string};
use super::*;
use crate::addr::{Addr, Prefix};
use crate::blocklist::{Ban, Change, Reason};
use crate::time::Instant;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec;
use std::vec::Vec;

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text.as_bytes()).expect(text)
}

fn ban(target: Prefix, scope: u8, until: u64) -> Ban {
    let until = Instant::from_millis(until);
    Ban { target, jail: 0, scope, manual: false, before: 0, since: Instant::ZERO, until }
}

#[test]
fn the_bytes_of_one_ban() {
    let mut buf = [0xaa; MIN_BUFFER];
    let mut batch = Batch::begin(&mut buf, 7).unwrap();
    let mut one = [Element { addr: Addr::v4([192, 0, 2, 7]), timeout: Some(0x0102_0304) }].into_iter();
    let filled = batch.elements_add(Set::of(prefix("192.0.2.7"), 0), &mut one).unwrap();
    assert_eq!(filled, Filled { elements: 1, ended: true });
    let done = batch.finish().unwrap();
    assert_eq!((done.first, done.messages, done.ack, done.next()), (7, 3, 8, 10));
    let (h, w) = (|n: u16| n.to_ne_bytes().to_vec(), |n: u32| n.to_ne_bytes().to_vec());
    let want: Vec<Vec<u8>> = vec![
        // nlmsghdr: length, type, flags, sequence, port; nfgenmsg: family, version, subsystem (big-endian)
        w(20),
        h(16),
        h(1),
        w(7),
        w(0),
        vec![0, 0, 0, 10],
        w(76),
        h(10 << 8 | 12),
        h(0x405),
        w(8),
        w(0),
        vec![1, 0, 0, 0],
        h(12),
        h(1),
        b"edgeban\0".to_vec(),
        h(9),
        h(2),
        b"ban4\0\0\0\0".to_vec(),
        h(32),
        h(0x8003),
        h(28),
        h(0x8001),
        h(12),
        h(0x8001),
        h(8),
        h(1),
        vec![192, 0, 2, 7],
        h(12),
        h(4),
        vec![0, 0, 0, 0, 1, 2, 3, 4],
        w(20),
        h(17),
        h(1),
        w(9),
        w(0),
        vec![0, 0, 0, 10],
    ];
    assert_eq!(done.bytes, want.concat());
}

#[test]
fn questions_are_well_formed() {
    let mut buf = [0; 64];
    for (what, kind) in [(Query::Table, 1), (Query::Chain, 4)] {
        let all = messages(query(&mut buf, what, 9).unwrap());
        let [m] = all.as_slice() else { panic!("one message") };
        assert_eq!((m.kind, m.flags, m.seq, m.family), (10 << 8 | kind, 1, 9, 1));
        assert_eq!(string(&m.attrs, 1), TABLE);
        if kind == 4 {
            assert_eq!(string(&m.attrs, 3), CHAIN);
        }
    }
    assert_eq!(query(&mut [0; 47], Query::Chain, 9), Err(Full));
}

#[test]
fn sets_are_named_by_family_length_and_scope() {
    for (target, scope, name) in [
        ("192.0.2.7", 0, "ban4"),
        ("2001:db8::1", 255, "ban6_p255"),
        ("192.0.2.0/24", 0, "net4_24"),
        ("0.0.0.0/0", 3, "net4_0_p3"),
        ("::/0", 0, "net6_0"),
        ("2001:db8::/127", 63, "net6_127_p63"),
    ] {
        let set = Set::of(prefix(target), scope);
        assert_eq!(set.name().as_bytes(), name.as_bytes());
    }
    assert_eq!(Set::of(prefix("10.0.0.0/9"), 0).mask()[..4], [255, 128, 0, 0]);
    assert_eq!(Set::of(prefix("::/0"), 0).mask(), [0; 16]);
}

#[test]
fn full_leaves_the_batch_as_it_was() {
    let set = Set::of(prefix("192.0.2.7"), 0);
    let mut buf = vec![0; MIN_BUFFER];
    let mut batch = Batch::begin(&mut buf, u32::MAX).unwrap();
    let mut rules = 0;
    while batch.rule_add(set).is_ok() {
        rules += 1;
    }
    let mut many = (0..).map(|n: u32| Element { addr: Addr::v4(n.to_be_bytes()), timeout: None });
    while batch.elements_add(set, &mut many).is_ok() {}
    let next = many.next();
    assert_eq!(batch.elements_add(set, &mut many), Err(Full));
    let done = batch.finish().unwrap();
    let all = messages(done.bytes);
    assert_eq!(all.iter().filter(|m| m.kind == 10 << 8 | 6).count(), rules);
    let told: usize =
        all.iter().filter(|m| m.kind == 10 << 8 | 12).map(|m| attrs(get(&m.attrs, 3).unwrap()).len()).sum();
    // What was not told is still in the iterator.
    assert_eq!(next.unwrap().addr, Addr::v4((told as u32).to_be_bytes()));

    assert!(Batch::begin(&mut [0; MIN_BUFFER - 1], 0).is_err());
    assert!(Batch::begin(&mut buf, 0).unwrap().finish().is_err(), "nothing to acknowledge");
    let ports: Vec<(u16, u16)> = (0..1000).map(|n| (2 * n, 2 * n)).collect();
    assert_eq!(Batch::begin(&mut buf, 0).unwrap().ports_add(1, &ports, 1), Err(Full));
}

#[test]
fn a_message_holds_what_sixteen_bits_can_say() {
    let set = Set::of(prefix("2001:db8::1"), 0);
    let mut buf = vec![0; 1 << 20];
    let mut batch = Batch::begin(&mut buf, 0).unwrap();
    let mut left = (0..5000u128).map(|n| Element { addr: Addr::from_u128(n), timeout: Some(1) });
    let mut told = Vec::new();
    loop {
        let filled = batch.elements_add(set, &mut left).unwrap();
        told.push(filled.elements);
        if filled.ended {
            break;
        }
    }
    assert_eq!(told, [1638, 1638, 1638, 86]);
}

/// Drives a queue as the host does, and the model kernel with it.
struct Sink<'m> {
    kernel: Kernel,
    queue: Queue<'m>,
    layout: Layout,
    buf: Vec<u8>,
    batches: usize,
}

impl<'m> Sink<'m> {
    fn new(ops: &'m mut [Op], buffer: usize) -> Self {
        let mut sink = Self {
            kernel: Kernel::default(),
            queue: Queue::new(ops),
            layout: Layout::new(),
            buf: vec![0; buffer],
            batches: 0,
        };
        let mut batch = Batch::begin(&mut sink.buf, 0).unwrap();
        batch.table_add().unwrap();
        batch.table_delete().unwrap();
        batch.table_add().unwrap();
        batch.chain_add().unwrap();
        for scope in [1, 2] {
            batch.ports_add(scope, &[(22, 22)], sink.layout.table_uses()).unwrap();
            sink.layout.add_scope(scope).unwrap();
        }
        sink.kernel.apply(batch.finish().unwrap().bytes).unwrap();
        sink
    }

    fn flush(&mut self, now: Instant, mode: Mode) {
        loop {
            let mut batch = Batch::begin(&mut self.buf, 0).unwrap();
            let progress = self.queue.encode(&mut batch, &mut self.layout, now, mode);
            if !batch.is_empty() {
                self.batches += 1;
                self.kernel.apply(batch.finish().unwrap().bytes).expect("a batch that the kernel takes");
            } else {
                assert_eq!(progress, Progress::Done, "no progress");
            }
            if progress == Progress::Done {
                break;
            }
        }
        assert!(self.queue.is_empty());
        assert_eq!(self.layout.table_uses() as usize, self.kernel.sets.len() + 1);
        assert_eq!(self.layout.chain_uses() as usize, self.kernel.rules.len());
        // Each set of addresses has its rule, once; a scope's rule looks at the ports too.
        let ruled: BTreeSet<_> = self.kernel.rules.iter().collect();
        assert_eq!(ruled.len(), self.kernel.rules.len());
        for set in self.kernel.sets.keys().filter(|s| !s.starts_with("ports")) {
            let ports = set.split_once("_p").map(|(_, n)| std::format!("ports_p{n}"));
            let rule: Vec<String> = [set.clone()].into_iter().chain(ports).collect();
            assert!(self.kernel.rules.contains(&rule), "{rule:?}");
        }
    }

    /// What the kernel holds, as the test's own map does.
    fn elements(&self) -> BTreeMap<(String, Vec<u8>), Option<u64>> {
        let sets = self.kernel.sets.iter().filter(|(name, _)| !name.starts_with("ports"));
        sets.flat_map(|(name, all)| all.iter().map(|(k, &t)| ((name.clone(), k.clone()), t))).collect()
    }
}

fn key(target: Prefix, scope: u8) -> (String, Vec<u8>) {
    let (family, octets) = match target.addr().to_v4() {
        Some(o) if target.is_v4() => ("4", o.to_vec()),
        _ => ("6", target.addr().octets().to_vec()),
    };
    let mut name = if target.is_host() {
        std::format!("ban{family}")
    } else {
        std::format!("net{family}_{}", target.family_len())
    };
    if scope != 0 {
        name += &std::format!("_p{scope}");
    }
    (name, octets)
}

/// A handful of targets, many of them overlapping.
fn targets() -> impl Strategy<Value = Prefix> {
    let v4 = (0u32..6, 0u8..=32)
        .prop_map(|(n, len)| Prefix::new(Addr::v4((0x0a00_0000 | n).to_be_bytes()), 96 + len));
    let v6 =
        (0u128..6, 0u8..=128).prop_map(|(n, len)| Prefix::new(Addr::from_u128(0x2001 << 112 | n), len));
    let hosts = (0u32..9).prop_map(|n| Prefix::host(Addr::v4((0x0a00_0000 | n).to_be_bytes())));
    prop_oneof![2 => v4, 1 => v6, 3 => hosts]
}

#[derive(Clone, Debug)]
enum Event {
    Ban(Prefix, u8, u64),
    Unban(Prefix),
    Evict(Prefix),
    Flush,
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let until = prop_oneof![5 => 1u64..200, 1 => Just(u64::MAX)];
    let event = prop_oneof![
        8 => (targets(), 0u8..3, until).prop_map(|(t, s, u)| Event::Ban(t, s, u)),
        2 => targets().prop_map(Event::Unban),
        1 => targets().prop_map(Event::Evict),
        3 => Just(Event::Flush),
        2 => (1u64..80).prop_map(Event::Pass),
    ];
    proptest::collection::vec(event, 0..300)
}

proptest! {
    /// After each flush the kernel drops exactly whom the blocklist bans, until exactly then.
    #[test]
    fn the_kernel_follows_the_blocklist(events in events(), ops in 2usize..150, buffer in MIN_BUFFER..6000) {
        let mut ops = vec![Op::EMPTY; ops];
        let mut sink = Sink::new(&mut ops, buffer);
        let mut list: BTreeMap<Prefix, Ban> = BTreeMap::new();
        let mut now = 0;
        for event in events.into_iter().chain([Event::Flush]) {
            let at = Instant::from_millis(now);
            let change = match event {
                Event::Ban(target, scope, length) => {
                    let ban = ban(target, scope, if length == u64::MAX { length } else { now + length });
                    Some(match list.insert(target, ban) {
                        Some(old) => Change::Renewed { ban, old_scope: old.scope },
                        None => Change::Added(ban),
                    })
                }
                Event::Unban(target) => list.remove(&target).map(|b| Change::Removed(b, Reason::Unbanned)),
                Event::Evict(target) => list.remove(&target).map(|b| Change::Removed(b, Reason::Evicted)),
                Event::Pass(ms) => {
                    // The kernel's clock runs, and what is over goes, in the list too.
                    now += ms;
                    for set in sink.kernel.sets.values_mut() {
                        set.retain(|_, t| match t {
                            Some(left) => { *left = left.saturating_sub(ms); *left > 0 }
                            None => true,
                        });
                    }
                    let over: Vec<Ban> = list.values().filter(|b| b.until.millis() <= now).copied().collect();
                    for ban in over {
                        list.remove(&ban.target);
                        sink.queue.push(&Change::Removed(ban, Reason::Expired)).unwrap();
                    }
                    None
                }
                Event::Flush => {
                    sink.flush(at, Mode::Standing);
                    let want: BTreeMap<_, _> = list.values().map(|b| {
                        let left = (b.until != Instant::NEVER).then(|| b.until.millis() - now);
                        (key(b.target, b.scope), left)
                    }).collect();
                    prop_assert_eq!(sink.elements(), want);
                    None
                }
            };
            if let Some(change) = change
                && sink.queue.push(&change).is_err()
            {
                sink.flush(at, Mode::Standing);
                prop_assert!(sink.queue.push(&change).is_ok());
            }
        }
    }
}

#[test]
fn ten_thousand_bans_make_a_handful_of_batches() {
    let mut ops = vec![Op::EMPTY; 512];
    let mut sink = Sink::new(&mut ops, 65536);
    let all = (0..10_000u32).map(|n| ban(Prefix::host(Addr::v4(n.to_be_bytes())), 0, 60_000));
    let mut batches = 0;
    let mut bans = all.clone().peekable();
    // As the host installs: the queue is filled again while the batch has room.
    let mut buf = vec![0; 65536];
    let mut batch = Batch::begin(&mut buf, 0).unwrap();
    while bans.peek().is_some() {
        while bans.peek().is_some_and(|b| sink.queue.push_ban(b).is_ok()) {
            bans.next();
        }
        while sink.queue.encode(&mut batch, &mut sink.layout, Instant::ZERO, Mode::Fresh) == Progress::More
        {
            sink.kernel.apply(batch.finish().unwrap().bytes).unwrap();
            batches += 1;
            batch = Batch::begin(&mut buf, 0).unwrap();
        }
    }
    sink.kernel.apply(batch.finish().unwrap().bytes).unwrap();
    assert_eq!(batches + 1, 5);
    assert_eq!(sink.elements().len(), 10_000);
}

#[test]
fn scopes_that_are_not_installed_are_counted() {
    let mut ops = vec![Op::EMPTY; 8];
    let mut sink = Sink::new(&mut ops, MIN_BUFFER);
    for scope in [3, 200] {
        sink.queue.push(&Change::Added(ban(prefix("192.0.2.7"), scope, 60))).unwrap();
    }
    sink.queue.push(&Change::Added(ban(prefix("192.0.2.8"), 0, 60))).unwrap();
    sink.flush(Instant::ZERO, Mode::Standing);
    assert_eq!(sink.queue.refused().get(), 2);
    assert_eq!(sink.elements().len(), 1);
    assert_eq!(Layout::new().add_scope(64), Err(Full));
}

#[test]
fn a_queue_takes_both_halves_of_a_move_or_none() {
    let mut ops = vec![Op::EMPTY; 3];
    let mut queue = Queue::new(&mut ops);
    let there = ban(prefix("192.0.2.7"), 1, 60);
    queue.push(&Change::Added(there)).unwrap();
    queue.push(&Change::Added(there)).unwrap();
    assert_eq!(queue.push(&Change::Renewed { ban: there, old_scope: 0 }), Err(Full));
    queue.push(&Change::Removed(there, Reason::Expired)).unwrap();
    queue.clear();
    queue.push(&Change::Renewed { ban: there, old_scope: 0 }).unwrap();
    assert_eq!(Queue::new(&mut []).push(&Change::Added(there)), Err(Full));
}
