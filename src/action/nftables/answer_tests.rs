use super::{Answer, Answers, Malformed};
use proptest::prelude::*;
use std::vec::Vec;

proptest! {
    #[test]
    fn hostile_answers_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Answers::new(&bytes).count() <= bytes.len() / 16 + 1);
        super::touches_ours(&bytes);
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
    let mut torn = message(10 << 8 | 3, 11, &generic);
    torn[6..8].copy_from_slice(&0x12u16.to_ne_bytes());
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
        message(10 << 8 | 18, 7, &[]),
        message(4, 8, &[]),
        message(3, 9, &[0; 4]),
        message(3, 10, &(-4i32).to_ne_bytes()),
        torn,
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
        Answer::Other { kind: 10 << 8 | 18, seq: 7 },
        Answer::Overrun,
        Answer::Done { seq: 9 },
        Answer::Torn { seq: 10 },
        Answer::Torn { seq: 11 },
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
