//! Floor 8, `std` only: sources, netlink sockets, clock, signals, the daemon and the command line.
//!
//! The one floor that talks to the kernel, so the only one with `unsafe`; each use says why it is sound.

mod arena;
pub mod cli;
pub mod client;
pub mod clock;
pub mod conf;
mod daemon;
mod firewall;
pub mod human;
pub mod load;
pub mod memory;
mod netlink;
pub mod nft;
mod own;
mod report;
mod routes;
pub mod poll;
pub mod server;
mod setup;
mod sole;
pub mod source;
pub mod sys;
mod takeover;
pub mod value;
