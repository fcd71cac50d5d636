//! Floor 8: the host.

pub mod clock;
pub mod poll;
pub mod source;
pub mod sys;
