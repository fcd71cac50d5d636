//! What is encoded is read back by a decoder of its own and applied to a model kernel that behaves as the oldest
//! one supported: adding what exists changes nothing, deleting what is missing fails the whole batch.

use super::*;
use crate::addr::{Addr, Prefix};
use crate::blocklist::{Ban, Change, Reason};
use crate::time::Instant;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec;
use std::vec::Vec;

/// An attribute, its values not interpreted.
#[derive(Clone, Debug, PartialEq)]
struct Attr {
    kind: u16,
    nested: bool,
    value: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Message {
    kind: u16,
    flags: u16,
    seq: u32,
    family: u8,
    resource: [u8; 2],
    attrs: Vec<Attr>,
}

fn attrs(mut bytes: &[u8]) -> Vec<Attr> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let len = usize::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        let kind = u16::from_ne_bytes([bytes[2], bytes[3]]);
        all.push(Attr { kind: kind & 0x3fff, nested: kind & 0x8000 != 0, value: bytes[4..len].to_vec() });
        let padded = len.div_ceil(4) * 4;
        assert!(bytes[len..padded].iter().all(|&b| b == 0), "padding");
        bytes = &bytes[padded..];
    }
    all
}

fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        let half = |at: usize| u16::from_ne_bytes(bytes[at..at + 2].try_into().unwrap());
        let len = word(0) as usize;
        assert_eq!(len % 4, 0);
        assert_eq!((word(12), bytes[17]), (0, 0), "port and version");
        all.push(Message {
            kind: half(4),
            flags: half(6),
            seq: word(8),
            family: bytes[16],
            resource: [bytes[18], bytes[19]],
            attrs: attrs(&bytes[20..len]),
        });
        bytes = &bytes[len..];
    }
    all
}

fn get(attrs: &[Attr], kind: u16) -> Option<&[u8]> {
    attrs.iter().find(|a| a.kind == kind).map(|a| a.value.as_slice())
}

fn string(attrs: &[Attr], kind: u16) -> String {
    let (end, text) = get(attrs, kind).expect("a string").split_last().expect("an end mark");
    assert_eq!(*end, 0);
    String::from_utf8(text.to_vec()).expect("text")
}

/// Sets with their elements and timeouts, rules by the sets that they look into.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kernel {
    table: bool,
    chain: bool,
    sets: BTreeMap<String, BTreeMap<Vec<u8>, Option<u64>>>,
    key_lens: BTreeMap<String, usize>,
    rules: Vec<Vec<String>>,
}

impl Kernel {
    /// All of the batch or nothing; `Err` is the errno.
    fn apply(&mut self, batch: &[u8]) -> Result<(), i32> {
        let all = messages(batch);
        let ([first, inner @ .., last], true) = (all.as_slice(), all.len() >= 3) else {
            panic!("not a batch")
        };
        assert_eq!((first.kind, last.kind), (16, 17));
        assert_eq!((first.resource, last.resource), ([0, 10], [0, 10]));
        assert!(all.windows(2).all(|w| w[1].seq == w[0].seq.wrapping_add(1)), "numbered");
        let acked: Vec<_> = all.iter().filter(|m| m.flags & 4 != 0).map(|m| m.seq).collect();
        assert_eq!(acked, [inner.last().unwrap().seq]);
        let mut after = self.clone();
        for message in inner {
            after.message(message)?;
        }
        *self = after;
        Ok(())
    }

    fn message(&mut self, m: &Message) -> Result<(), i32> {
        const ENOENT: i32 = 2;
        assert_eq!((m.kind >> 8, m.family, m.flags & 1), (10, 1, 1));
        let create = m.flags & 0x400 != 0;
        assert_eq!(string(&m.attrs, 1), "edgeban");
        let kind = m.kind & 0xff;
        if kind != 0 && !self.table {
            return Err(ENOENT);
        }
        match kind {
            0 => self.table = true,
            2 => *self = Self::default(),
            3 => {
                assert!(create);
                assert_eq!((string(&m.attrs, 3), string(&m.attrs, 7)), (CHAIN.into(), "filter".into()));
                let hook = attrs(get(&m.attrs, 4).unwrap());
                assert_eq!(get(&hook, 1), Some(&[0; 4][..]));
                assert_eq!(get(&hook, 2), Some(&(-300i32).to_be_bytes()[..]));
                assert_eq!(get(&m.attrs, 5), Some(&[0, 0, 0, 1][..]));
                self.chain = true;
            }
            6 => {
                assert_eq!(m.flags & 0xc00, 0xc00, "appended");
                if !self.chain {
                    return Err(ENOENT);
                }
                let mut sets = Vec::new();
                for expression in attrs(get(&m.attrs, 4).unwrap()) {
                    let parts = attrs(&expression.value);
                    if string(&parts, 1) == "lookup" {
                        let set = string(&attrs(get(&parts, 2).unwrap()), 1);
                        if !self.sets.contains_key(&set) {
                            return Err(ENOENT);
                        }
                        sets.push(set);
                    }
                }
                self.rules.push(sets);
            }
            9 => {
                let name = string(&m.attrs, 2);
                let len = u32::from_be_bytes(get(&m.attrs, 5).unwrap().try_into().unwrap());
                assert!(create && get(&m.attrs, 10).is_some());
                self.sets.entry(name.clone()).or_default();
                self.key_lens.insert(name, len as usize);
            }
            12 | 14 => {
                let name = string(&m.attrs, 2);
                let key_len = self.key_lens.get(&name).copied().ok_or(ENOENT)?;
                let set = self.sets.get_mut(&name).ok_or(ENOENT)?;
                assert!(m.attrs.iter().any(|a| a.kind == 3 && a.nested));
                for element in attrs(get(&m.attrs, 3).unwrap()) {
                    assert!(element.nested && element.kind == 1);
                    let parts = attrs(&element.value);
                    let key = get(&attrs(get(&parts, 1).unwrap()), 1).unwrap().to_vec();
                    assert_eq!(key.len(), key_len);
                    let timeout = get(&parts, 4).map(|t| u64::from_be_bytes(t.try_into().unwrap()));
                    assert_ne!(timeout, Some(0));
                    if kind == 12 {
                        set.entry(key).or_insert(timeout);
                    } else {
                        set.remove(&key).ok_or(ENOENT)?;
                    }
                }
            }
            other => panic!("message {other}"),
        }
        Ok(())
    }
}

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
    let filled = batch.elements_add(Set::of(prefix("192.0.2.7"), 0), &mut one, 0).unwrap();
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
    while batch.elements_add(set, &mut many, 0).is_ok() {}
    let next = many.next();
    assert_eq!(batch.elements_add(set, &mut many, 0), Err(Full));
    let done = batch.finish().unwrap();
    let all = messages(done.bytes);
    assert_eq!(all.iter().filter(|m| m.kind == 10 << 8 | 6).count(), rules);
    let told: usize =
        all.iter().filter(|m| m.kind == 10 << 8 | 12).map(|m| attrs(get(&m.attrs, 3).unwrap()).len()).sum();
    // What was not told is still in the iterator.
    assert_eq!(next.unwrap().addr, Addr::v4((told as u32).to_be_bytes()));

    assert!(Batch::begin(&mut [0; MIN_BUFFER - 1], 0).is_err());
    assert!(Batch::begin(&mut buf, 0).unwrap().finish().is_err(), "nothing to acknowledge");
    let ports: Vec<u16> = (0..1000).collect();
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
        let filled = batch.elements_add(set, &mut left, 0).unwrap();
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
            batch.ports_add(scope, &[22], sink.layout.table_uses()).unwrap();
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
    proptest::collection::vec(event, 0..120)
}

proptest! {
    /// After each flush the kernel drops exactly whom the blocklist bans, until exactly then.
    #[test]
    fn the_kernel_follows_the_blocklist(events in events(), ops in 2usize..20, buffer in MIN_BUFFER..6000) {
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

    #[test]
    fn hostile_answers_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Answers::new(&bytes).count() <= bytes.len() / 16 + 1);
    }

    /// Real answers with bytes changed and cut off.
    #[test]
    fn damaged_answers_end(cut in 0usize..200, changes in proptest::collection::vec((0usize..200, any::<u8>()), 0..6)) {
        let mut bytes = answers();
        for (at, value) in changes {
            if let Some(b) = bytes.get_mut(at) { *b = value; }
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        let read: Vec<_> = Answers::new(&bytes).collect();
        prop_assert!(read.iter().rev().skip(1).all(Result::is_ok), "nothing follows an error");
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

/// An acknowledgement, a refusal, a table, a chain, a generation, the end.
fn answers() -> Vec<u8> {
    let attr = |kind: u16, value: &[u8]| {
        let mut a = [(4 + value.len() as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
        a.extend(value);
        a.resize(a.len().next_multiple_of(4), 0);
        a
    };
    let message = |kind: u16, seq: u32, body: &[u8]| {
        let mut m = (16 + body.len() as u32).to_ne_bytes().to_vec();
        m.extend(kind.to_ne_bytes());
        m.extend([0; 2]);
        m.extend(seq.to_ne_bytes());
        m.extend([0; 4]);
        m.extend(body);
        m
    };
    let generic = [1, 0, 0, 0];
    [
        message(2, 1, &[[0; 4].as_slice(), &[0; 16]].concat()),
        message(2, 2, &[(-2i32).to_ne_bytes().as_slice(), &[0; 16]].concat()),
        message(
            10 << 8,
            3,
            &[
                generic.as_slice(),
                &attr(1, b"edgeban\0"),
                &attr(3, &[0, 0, 0, 5]),
                &attr(0x4004, &[0, 0, 0, 0, 0, 0, 1, 2]),
                &attr(99, b"new"),
            ]
            .concat(),
        ),
        message(
            10 << 8 | 3,
            4,
            &[generic.as_slice(), &attr(3, b"prerouting\0"), &attr(6, &[0, 0, 0, 7])].concat(),
        ),
        message(10 << 8 | 15, 0, &[generic.as_slice(), &attr(1, &[0, 0, 1, 0])].concat()),
        message(3, 6, &[]),
        message(10 << 8 | 12, 7, &[]),
        message(4, 8, &[]),
    ]
    .concat()
}

#[test]
fn answers_are_read() {
    let bytes = answers();
    let read: Vec<_> = Answers::new(&bytes).map(Result::unwrap).collect();
    let want = [
        Answer::Ack { seq: 1 },
        Answer::Error { seq: 2, errno: 2 },
        Answer::Table { seq: 3, name: b"edgeban", handle: 258, uses: 5 },
        Answer::Chain { seq: 4, name: b"prerouting", uses: 7 },
        Answer::Generation { id: 256 },
        Answer::Done { seq: 6 },
        Answer::Other { kind: 10 << 8 | 12, seq: 7 },
        Answer::Overrun,
    ];
    assert_eq!(read, want);
}

#[test]
fn malformed_answers_are_named() {
    let with = |kind: u16, len: u32, body: &[u8]| {
        let mut m = len.to_ne_bytes().to_vec();
        m.extend(kind.to_ne_bytes());
        m.extend([0; 10]);
        m.extend(body);
        // Owned, so that the bytes may go: an error names no bytes.
        Answers::new(&m).map(|a| a.map(|_| ())).collect::<Vec<_>>()
    };
    let attr = |len: u16, kind: u16| {
        [[1, 0, 0, 0], [len.to_ne_bytes(), kind.to_ne_bytes()].concat().try_into().unwrap()].concat()
    };
    for (read, want) in [
        (with(2, 15, &[]), Malformed::Length),
        (with(2, 17, &[]), Malformed::Length),
        (with(2, u32::MAX, &[0; 8]), Malformed::Length),
        (with(2, 18, &[0; 2]), Malformed::Cut),
        (with(2, 20, &1i32.to_ne_bytes()), Malformed::Errno),
        (with(2, 20, &i32::MIN.to_ne_bytes()), Malformed::Errno),
        (with(10 << 8, 16, &[]), Malformed::Cut),
        (with(10 << 8, 24, &attr(3, 1)), Malformed::Attribute),
        (with(10 << 8, 24, &attr(0, 1)), Malformed::Attribute),
        (with(10 << 8, 24, &attr(65535, 1)), Malformed::Attribute),
        (with(10 << 8, 24, &attr(4, 3)), Malformed::Value),
        (with(10 << 8, 24, &attr(4, 4)), Malformed::Value),
    ] {
        assert_eq!(read, [Err(want)]);
    }
    assert_eq!(Answers::new(&[1, 2, 3]).next(), Some(Err(Malformed::Length)));
    assert_eq!(Answers::new(&[]).next(), None);
}
