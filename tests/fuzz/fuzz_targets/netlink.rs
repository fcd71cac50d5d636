//! Any bytes as the kernel's answers: the messages that a plain walk over the headers finds, in its order, each with
//! names from within its own bytes, until the first that is malformed; and nothing after that one.
#![no_main]

use edgeban::action::nftables::{Answer, Answers, Set};
use libfuzzer_sys::fuzz_target;

/// `struct nlmsghdr`: no message is shorter.
const HEADER: usize = 16;

struct Plain<'a> {
    kind: u16,
    seq: u32,
    bytes: &'a [u8],
}

/// The messages whose headers make sense, and whether bytes are left that make none.
fn walk(mut rest: &[u8]) -> (Vec<Plain<'_>>, bool) {
    let mut found = Vec::new();
    while !rest.is_empty() {
        if rest.len() < HEADER {
            return (found, true);
        }
        let word = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().unwrap());
        let len = word(0) as usize;
        if len < HEADER || len > rest.len() {
            return (found, true);
        }
        let kind = u16::from_ne_bytes([rest[4], rest[5]]);
        found.push(Plain { kind, seq: word(8), bytes: &rest[..len] });
        rest = &rest[((len + 3) & !3).min(rest.len())..];
    }
    (found, false)
}

fn inside(part: &[u8], whole: &[u8]) -> bool {
    part.is_empty()
        || whole.as_ptr_range().start <= part.as_ptr()
            && part.as_ptr_range().end <= whole.as_ptr_range().end
}

fn check(answer: Answer<'_>, plain: &Plain<'_>) {
    let code = plain.bytes.get(16..20).map(|code| i32::from_ne_bytes(code.try_into().unwrap()));
    let seq = match answer {
        Answer::Ack { seq } => {
            assert_eq!((plain.kind, code), (2, Some(0)));
            seq
        }
        Answer::Error { seq, errno } => {
            assert!((1..=4095).contains(&errno));
            assert_eq!((plain.kind, code), (2, Some(-errno)));
            seq
        }
        Answer::Done { seq } => {
            assert_eq!(plain.kind, 3);
            seq
        }
        Answer::Torn { seq } => {
            assert!(
                plain.bytes[6] & 0x10 != 0
                    || plain.bytes[7] & 0x10 != 0
                    || code.is_some_and(|code| code < 0)
            );
            seq
        }
        Answer::Overrun => {
            assert_eq!(plain.kind, 4);
            plain.seq
        }
        Answer::Table { seq, name, .. } | Answer::Chain { seq, name, .. } => {
            assert!(plain.kind == 10 << 8 || plain.kind == 10 << 8 | 3);
            assert!(inside(name, plain.bytes) && !name.contains(&0));
            seq
        }
        Answer::Set { seq, name } => {
            assert!(inside(name, plain.bytes) && !name.contains(&0));
            if let Some(set) = Set::named(name) {
                assert_eq!(set.name().as_bytes(), name);
            }
            seq
        }
        Answer::Elements { seq, set, list } => {
            assert!(inside(set, plain.bytes));
            let set = Set::named(set);
            for held in list.flatten() {
                assert!(inside(held.key, plain.bytes));
                // A key of the wrong length is no target.
                let _ = (held.port(), set.and_then(|set| set.target(held.key)));
            }
            seq
        }
        Answer::Generation { .. } => {
            assert_eq!(plain.kind, 10 << 8 | 15);
            plain.seq
        }
        Answer::Other { kind, seq } => {
            assert_eq!(kind, plain.kind);
            seq
        }
    };
    assert_eq!(seq, plain.seq);
}

fuzz_target!(|data: &[u8]| {
    let (plain, torn) = walk(data);
    let (mut next, mut refused) = (plain.iter(), false);
    for answer in Answers::new(data) {
        assert!(!refused, "a message after a malformed one");
        let message = next.next();
        match (answer, message) {
            (Ok(answer), Some(message)) => check(answer, message),
            (Ok(answer), None) => panic!("{answer:?} from no message"),
            (Err(_), message) => {
                refused = true;
                assert!(message.is_some() || torn, "all headers make sense");
            }
        }
    }
    assert!(refused || next.next().is_none() && !torn, "messages were passed over");
});
