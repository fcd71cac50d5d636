//! edgeban finds attackers in log streams and drops their packets, in fixed memory.
//!
//! The library is a sans-I/O core: bytes and the current [`time::Instant`] go in, bans come out. It
//! never reads a clock, opens a socket or allocates, so the same code runs on a microcontroller, on a
//! router and on a server, and every behaviour can be replayed, fuzzed and tested as a script of
//! lines and times.
//!
//! # The flow is the layout
//!
//! A stage takes the type that the stage below it makes and hands up its own. Imports only go down;
//! `tests/floors.rs` enforces it.
//!
//! | floor | module | takes → makes |
//! |---|---|---|
//! | 0 | [`addr`], [`time`], [`tally`], [`lru`], `sip` | prefixes, instants, counters, slots by hash and age, keyed hashes |
//! | 0 | [`filter`] | rule text → tables; closed, so that build.rs can share it |
//! | 1 | [`rules`] | the built-in tables |
//! | 1 | [`frame`] | bytes → lines |
//! | 2 | [`syslog`] | line → [`syslog::Message`] |
//! | 3 | [`matcher`] | message × tables → [`matcher::Hit`] |
//! | 4 | [`session`] | hit × session → [`session::Failure`] |
//! | 4 | [`jail`] | failure × now → [`jail::Sentence`] |
//! | 5 | [`blocklist`] | sentence → [`blocklist::Change`], lookup for the packet path |
//! | 6 | [`action`] | change → what a backend is told |
//! | 6 | [`config`] | UCI text → settings |
//! | 6 | [`control`] | JSON commands and replies |
//! | 7 | [`engine`] | the only file that names every stage |
//! | 8 | `host` | std only: sources, netlink sockets, clock, signals, daemon |
#![no_std]
#![cfg_attr(not(feature = "std"), forbid(unsafe_code))]
#![cfg_attr(feature = "std", deny(unsafe_code))]

#[cfg(any(feature = "std", test))]
extern crate std;

pub mod addr;
pub mod lru;
mod sip;
pub mod tally;
pub mod time;

pub mod filter;

pub mod frame;
pub mod rules;

pub mod syslog;

pub mod matcher;

pub mod jail;
pub mod session;

pub mod blocklist;

pub mod action;
pub mod config;
pub mod control;

pub mod engine;

#[cfg(feature = "std")]
#[allow(unsafe_code)] // The one floor that talks to the kernel.
pub mod host;
