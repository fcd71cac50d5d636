//! Floor 8: the host.

pub mod client;
pub mod conf;
pub mod human;
pub mod server;
pub mod value;
