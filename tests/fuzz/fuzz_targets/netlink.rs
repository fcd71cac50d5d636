//! Any bytes as the kernel's answers: each message read or the rest refused, never a message beyond the bytes.
#![no_main]

use edgeban::action::nftables::{Answer, Answers, Set};
use libfuzzer_sys::fuzz_target;

/// `struct nlmsghdr`: no message is shorter.
const HEADER: usize = 16;

fuzz_target!(|data: &[u8]| {
    let (mut messages, mut refused) = (0, false);
    for answer in Answers::new(data) {
        assert!(!refused, "a message after a malformed one");
        match answer {
            Ok(Answer::Error { errno, .. }) => assert!(errno > 0),
            Ok(Answer::Table { name, .. } | Answer::Chain { name, .. } | Answer::Set { name, .. }) => {
                assert!(name.len() <= data.len());
                if let Some(set) = Set::named(name) {
                    assert_eq!(set.name().as_bytes(), name);
                }
            }
            Ok(Answer::Elements { set, list, .. }) => {
                let set = Set::named(set);
                for held in list {
                    // A key of the wrong length is no target.
                    let _ = held.map(|held| (held.port(), set.and_then(|set| set.target(held.key))));
                }
            }
            Ok(_) => {}
            Err(_) => refused = true,
        }
        messages += 1;
    }
    assert!(messages <= data.len() / HEADER + 1);
});
