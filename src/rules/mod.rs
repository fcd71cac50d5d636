//! Floor 1: the built-in filters, compiled from the `.filter` texts in this folder when the crate is built.
//!
//! Each is a static of its own, so that a device links only those it names. To add one, add `NAME.filter` here and
//! its samples in `tests/samples/NAME.log`; `tests/samples.rs` requires both.

use crate::filter::{Filter, Kind, Need, Part, Rule, Set, Verdict};

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// The built-in filter `name`.
pub fn find(name: &str) -> Option<&'static Filter<'static>> {
    ALL.iter().copied().find(|filter| filter.name == name)
}

/// The text of the built-in filter `name` without its comments; its lines are those that [`Rule::line`] counts.
///
/// [`Rule::line`]: crate::filter::Rule::line
#[cfg(feature = "std")]
pub fn text(name: &str) -> Option<std::string::String> {
    let at = ALL.iter().position(|filter| filter.name == name)?;
    let mut text = std::string::String::new();
    TEXTS.get(at)?.iter().for_each(|byte| unpack(*byte, &mut text));
    Some(text)
}

/// Appends what `byte` stands for: itself, or from 0x80 a pair of bytes, which were numbered before it.
#[cfg(feature = "std")]
fn unpack(byte: u8, text: &mut std::string::String) {
    match byte.checked_sub(0x80).and_then(|at| PAIRS.get(usize::from(at))) {
        Some(&(first, second)) => {
            unpack(first, text);
            unpack(second, text);
        }
        None => text.push(char::from(byte)),
    }
}
