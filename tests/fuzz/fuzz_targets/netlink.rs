//! Any bytes as the kernel's answers: each message read or the rest refused, never a message beyond the bytes.
#![no_main]

use edgeban::action::nftables::{Answer, Answers};
use libfuzzer_sys::fuzz_target;

/// `struct nlmsghdr`: no message is shorter.
const HEADER: usize = 16;

fuzz_target!(|data: &[u8]| {
    let (mut messages, mut refused) = (0, false);
    for answer in Answers::new(data) {
        assert!(!refused, "a message after a malformed one");
        match answer {
            Ok(Answer::Error { errno, .. }) => assert!(errno > 0),
            Ok(Answer::Table { name, .. } | Answer::Chain { name, .. }) => {
                assert!(name.len() <= data.len())
            }
            Ok(_) => {}
            Err(_) => refused = true,
        }
        messages += 1;
    }
    assert!(messages <= data.len() / HEADER + 1);
});
