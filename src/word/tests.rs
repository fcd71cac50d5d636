//! A word at a time against byte for byte.

use super::*;
use proptest::prelude::*;
use std::vec::Vec;

#[test]
fn a_word_is_alphanumeric_if_each_byte_is() {
    for place in 0..WORD {
        for b in 0..=255u8 {
            let mut word = [b'a'; WORD];
            word[place] = b;
            let is = all_alphanumeric(usize::from_le_bytes(word));
            assert_eq!(is, b.is_ascii_alphanumeric(), "{b} at {place}");
        }
    }
}

/// Bytes at and beside the ends of the classes, and any others.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), 0x2f..0x3bu8, 0x40..0x5cu8, 0x60..0x7cu8, b'a'..=b'z', b'0'..=b'9'];
    proptest::collection::vec(byte, 0..24)
}

proptest! {
    #[test]
    fn a_word_at_a_time_counts_as_byte_for_byte(text in text()) {
        let naive = |is: fn(&u8) -> bool| text.iter().take_while(|b| is(b)).count();
        let (known, seen) = (naive(u8::is_ascii_alphabetic), letters(&text));
        prop_assert!(seen == known.min(WORD) || (seen == 0 && text.len() < WORD));
        prop_assert_eq!(digits(&text), naive(u8::is_ascii_digit));
        prop_assert_eq!(alphanumeric_words(&text), naive(u8::is_ascii_alphanumeric) / WORD * WORD);
    }
}
