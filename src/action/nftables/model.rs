//! A model kernel with a decoder of its own. It behaves as the oldest one supported: adding what exists changes
//! nothing, deleting what is missing fails the whole batch.

use super::CHAIN;
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

/// An attribute, its values not interpreted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attr {
    pub(super) kind: u16,
    pub(super) nested: bool,
    pub(super) value: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) seq: u32,
    pub(super) family: u8,
    pub(super) resource: [u8; 2],
    pub(super) attrs: Vec<Attr>,
}

pub(super) fn attrs(mut bytes: &[u8]) -> Vec<Attr> {
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

pub(super) fn messages(mut bytes: &[u8]) -> Vec<Message> {
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

pub(super) fn get(attrs: &[Attr], kind: u16) -> Option<&[u8]> {
    attrs.iter().find(|a| a.kind == kind).map(|a| a.value.as_slice())
}

pub(super) fn string(attrs: &[Attr], kind: u16) -> String {
    let (end, text) = get(attrs, kind).expect("a string").split_last().expect("an end mark");
    assert_eq!(*end, 0);
    String::from_utf8(text.to_vec()).expect("text")
}

/// Sets with their elements and timeouts, rules by the sets that they look into.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kernel {
    pub(super) table: bool,
    pub(super) chain: bool,
    pub(super) sets: BTreeMap<String, BTreeMap<Vec<u8>, Option<u64>>>,
    pub(super) key_lens: BTreeMap<String, usize>,
    pub(super) rules: Vec<Vec<String>>,
}

impl Kernel {
    /// All of the batch or nothing; `Err` is the errno.
    pub(super) fn apply(&mut self, batch: &[u8]) -> Result<(), i32> {
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
