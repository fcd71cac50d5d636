//! Floor 8, `std` only: sources, netlink sockets, clock, signals, the daemon and the command line.
//!
//! The one floor that talks to the kernel, so the only one with `unsafe`; each use says why it is sound.
//!
//! | for | modules |
//! |---|---|
//! | the command line | [`cli`]: a module for each command, `args` finds which |
//! | a running daemon | `daemon` is the loop; `setup`, `report`, `firewall` and `takeover` are its parts |
//! | configuration | [`conf`] finds and reads the file, [`load`] makes the engine's rules of it |
//! | lines in | [`source`] |
//! | bans out | [`nft`] over `netlink`; `sole` keeps a second edgeban away |
//! | who is never banned | `own` and `routes` read this host's addresses and gateways |
//! | control | [`server`] in the daemon; [`client`], [`value`] and [`human`] in the commands |
//! | memory | [`memory`] for the engine's tables, `arena` for what a reload replaces |
//! | the system | [`poll`], [`clock`], [`sys`] |

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
