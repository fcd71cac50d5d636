use super::model::{get, messages, string};
use super::{Answer, Answers, Held, Layout, Listing, MAX_SCOPES, Malformed, Name, Set, list, ranges};
use crate::addr::{Addr, Prefix};
use proptest::prelude::*;
use std::vec::Vec;

fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut a = [(4 + value.len() as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
    a.extend(value);
    a.resize(a.len().next_multiple_of(4), 0);
    a
}

fn answer(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut m = (20 + body.len() as u32).to_ne_bytes().to_vec();
    m.extend((10 << 8 | kind).to_ne_bytes());
    m.extend([2, 0]);
    m.extend(9u32.to_ne_bytes());
    m.extend([0; 4]);
    m.extend([1, 0, 0, 0]);
    m.extend(body);
    m
}

fn held(key: &[u8], times: &[(u16, u64)]) -> Vec<u8> {
    let mut inner = attr(0x8001, &attr(1, key));
    times.iter().for_each(|(kind, ms)| inner.extend(attr(*kind, &ms.to_be_bytes())));
    attr(0x8001, &inner)
}

fn elements() -> Vec<u8> {
    let all = [
        held(&[192, 0, 2, 7], &[(4, 60_000), (5, 1_500)]),
        held(&[192, 0, 2, 8], &[]),
        held(&[0, 22], &[]),
    ];
    answer(12, &[attr(1, b"edgeban\0"), attr(2, b"ban4\0"), attr(0x8003, &all.concat())].concat())
}

#[test]
fn questions_are_whole_messages() {
    let mut buf = [0; 64];
    let asked = messages(list(&mut buf, Listing::Sets, 5).unwrap());
    assert_eq!((asked.len(), asked[0].kind, asked[0].flags, asked[0].seq), (1, 10 << 8 | 10, 0x301, 5));
    assert_eq!(string(&asked[0].attrs, 1), "edgeban");
    assert!(get(&asked[0].attrs, 2).is_none());
    for scope in [0, 1, 63] {
        for text in ["192.0.2.7", "192.0.2.0/24", "2001:db8::/64", "2001:db8:111:111::/100"] {
            let name = Set::of(Prefix::parse(text.as_bytes()).unwrap(), scope).name();
            let asked = messages(list(&mut buf, Listing::Elements(&name), 6).unwrap());
            assert_eq!(asked[0].kind, 10 << 8 | 13);
            assert_eq!(string(&asked[0].attrs, 2).as_bytes(), name.as_bytes());
        }
    }
    let name = Name::ports(1);
    assert!(list(&mut [0; 40], Listing::Elements(&name), 6).is_err());
}

#[test]
fn elements_are_read() {
    let bytes = [elements(), answer(9, &[attr(1, b"edgeban\0"), attr(2, b"net6_64\0")].concat())].concat();
    let read: Vec<_> = Answers::new(&bytes).map(Result::unwrap).collect();
    let [Answer::Elements { seq: 9, set: b"ban4", list }, Answer::Set { seq: 9, name: b"net6_64" }] =
        read[..]
    else {
        panic!("{read:?}")
    };
    let list: Vec<_> = list.map(Result::unwrap).collect();
    let forever = Held { key: &[192, 0, 2, 8], timeout: None, left: None, end: false };
    assert_eq!(
        list[0],
        Held { key: &[192, 0, 2, 7], timeout: Some(60_000), left: Some(1_500), end: false }
    );
    assert_eq!((list[1], list[1].port(), list[2].port()), (forever, None, Some((22, false))));
}

#[test]
fn malformed_elements_end_the_list() {
    let short = attr(0x8001, &attr(5, &[0; 4]));
    let bytes = answer(12, &attr(3, &[held(&[1; 4], &[]), short, held(&[2; 4], &[])].concat()));
    let Some(Ok(Answer::Elements { list, .. })) = Answers::new(&bytes).next() else { panic!("elements") };
    let read: Vec<_> = list.map(|e| e.map(|_| ())).collect();
    assert_eq!(read, [Ok(()), Err(Malformed::Value)]);
}

#[test]
fn names_lead_back_to_their_sets() {
    for scope in 0..MAX_SCOPES as u8 {
        for bits in 0..=128 {
            for addr in ["0.0.0.0", "2001:db8::"] {
                let Some(addr) = Addr::parse(addr.as_bytes()).filter(|a| !a.is_v4() || bits >= 96) else {
                    continue;
                };
                let set = Set::of(Prefix::new(addr, bits), scope);
                assert_eq!(Set::named(set.name().as_bytes()), Some(set));
            }
        }
    }
    let foreign: [&[u8]; 14] = [
        b"",
        b"ban",
        b"ban5",
        b"ban4x",
        b"ban4_",
        b"net4",
        b"net4_",
        b"net4_32",
        b"net4_033",
        b"net6_128",
        b"net6_999",
        b"ban4_p",
        b"ban4_p01",
        b"ports_p1",
    ];
    for name in foreign {
        assert_eq!(Set::named(name), None, "{name:?}");
    }
    assert!(!Layout::new().has_scope(1));
}

#[test]
fn elements_make_ranges() {
    let of = |ports: &[(u16, bool)]| {
        let mut found = Vec::new();
        ranges(ports, |range| found.push(range));
        found
    };
    // With or without an end before the first.
    let (start, end) = (false, true);
    assert_eq!(
        of(&[(0, end), (22, start), (23, end), (2200, start), (2201, end)]),
        [(22, 22), (2200, 2200)]
    );
    assert_eq!(of(&[(0, start), (81, end), (60_000, start)]), [(0, 80), (60_000, 65_535)]);
    assert_eq!(of(&[(5, start), (7, start), (9, end)]), [(5, 8)]);
    assert_eq!(of(&[(0, end), (9, end)]), []);
}

proptest! {
    #[test]
    fn targets_lead_back_to_themselves(bits in 0u8..=128, n: u128, four: u32, scope in 0u8..64) {
        for target in [
            Prefix::new(Addr::v4(four.to_be_bytes()), 96 + bits % 33),
            // Not within the mapped IPv4 addresses.
            Prefix::new(Addr::from_u128(n | 1 << 127), bits),
        ] {
            let set = Set::of(target, scope);
            let octets = target.addr().octets();
            prop_assert_eq!(set.target(&octets[16 - set.key_len()..]), Some(target));
            prop_assert_eq!(set.target(&octets[1..]), None);
        }
    }

    #[test]
    fn damaged_elements_end(cut in 0usize..100, changes in proptest::collection::vec((0usize..160, any::<u8>()), 0..6)) {
        let mut bytes = elements();
        for (at, value) in changes {
            if let Some(b) = bytes.get_mut(at) { *b = value; }
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        for answer in Answers::new(&bytes) {
            if let Ok(Answer::Elements { list, .. }) = answer {
                prop_assert!(list.count() <= bytes.len());
            }
        }
    }

    #[test]
    fn any_name_is_a_set_or_none(name in proptest::collection::vec(any::<u8>(), 0..24)) {
        if let Some(set) = Set::named(&name) {
            let again = set.name();
            prop_assert_eq!(again.as_bytes(), &name[..]);
        }
    }
}
