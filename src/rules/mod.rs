//! Floor 1: the built-in filters, compiled from the `.filter` texts in this folder when the crate is built.
//!
//! Each is a static of its own, so that a device links only those it names. [`crate::filter`] describes the language, and
//! `CONTRIBUTING.md` says how to add a filter.

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
    let &[start, end, ..] = STARTS.get(at..)? else { return None };
    let mut text = std::string::String::new();
    (start..end).for_each(|at| unpack(code(at), &mut text));
    Some(text)
}

/// The code at this index of all packed ones: ten bits.
#[cfg(feature = "std")]
fn code(at: u16) -> u16 {
    let bit = usize::from(at) * 10;
    match PACKED.get(bit / 8..) {
        Some(&[high, low, ..]) => u16::from_be_bytes([high, low]) << (bit % 8) >> 6,
        _ => 0,
    }
}

/// Appends what the code `packed` stands for: below 128 a character, else a pair of lower codes. See `pack` in build.rs.
#[cfg(feature = "std")]
fn unpack(packed: u16, text: &mut std::string::String) {
    match packed.checked_sub(128) {
        Some(pair) => {
            unpack(code(2 * pair), text);
            unpack(code(2 * pair + 1), text);
        }
        None => text.push(char::from(packed as u8)),
    }
}
