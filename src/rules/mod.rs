//! Floor 1: the built-in filters, compiled from the `.filter` texts in this folder when the crate is built.
//!
//! Each is a static of its own, so that a device links only those it names. To add one, add `NAME.filter` here and
//! its samples in `tests/samples/NAME.log`; `tests/samples.rs` requires both.

use crate::filter::{Filter, Kind, Part, Rule, Set, Verdict};

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// The built-in filter `name`.
pub fn find(name: &str) -> Option<&'static Filter<'static>> {
    ALL.iter().copied().find(|filter| filter.name == name)
}

/// The text of the built-in filter `name`.
#[cfg(feature = "std")]
pub fn text(name: &str) -> Option<&'static str> {
    let at = ALL.iter().position(|filter| filter.name == name)?;
    TEXTS.get(at).copied()
}
