//! Floor 8: the host.

pub mod client;
pub mod clock;
pub mod conf;
pub mod human;
pub mod poll;
pub mod server;
pub mod source;
pub mod sys;
pub mod value;
