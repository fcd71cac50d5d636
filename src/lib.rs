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
//! | 0 | [`addr`], [`time`], [`tally`], [`lru`], `sip`, `word` | shared tools: prefixes, instants, counters, a hash index with eviction, a keyed hash, several bytes at once |
//! | 0 | [`filter`] | rule text → tables; closed, so that build.rs can share it |
//! | 1 | [`rules`] | the built-in tables |
//! | 1 | [`frame`] | bytes → lines |
//! | 2 | [`syslog`] | line → [`syslog::Message`] |
//! | 3 | [`matcher`] | message × tables → [`matcher::Hit`] |
//! | 4 | [`session`] | hit × session → [`session::Failure`] |
//! | 4 | [`jail`] | failure × now → [`jail::Sentence`] |
//! | 5 | [`blocklist`] | [`blocklist::Ban`] → [`blocklist::Change`]; lookups for the packet path |
//! | 6 | [`action`] | change → what a backend is told |
//! | 6 | [`config`] | UCI text → settings |
//! | 6 | [`control`] | JSON commands and replies |
//! | 7 | [`engine`] | the only module that names every stage |
//! | 8 | `host` | std only: sources, netlink sockets, clock, signals, daemon, command line |
//!
//! # How a line becomes a ban
//!
//! [`engine::Engine::line`] is the whole path, and a good place to start reading:
//!
//! 1. A source, or the board's UART, reads bytes; [`frame::Framer`] cuts them into lines.
//! 2. [`syslog::parse`] finds the program, the process id and the message text in a line.
//! 3. [`matcher::Matcher::wanted`] picks the filters that read this program. Most lines end here.
//! 4. [`matcher::Matcher::each`] runs their rules; one that matches gives a [`matcher::Hit`].
//! 5. [`session::Sessions::feed`] joins it with other lines of the same session; a [`session::Failure`] comes out
//!    once an address is known.
//! 6. [`jail::Allow::judge`] spares addresses that must never be banned, and [`jail::Tracker::fail`] counts the rest.
//! 7. After `maxretry` failures within `findtime` there is a [`jail::Sentence`], and [`blocklist::Blocklist::insert`]
//!    takes the ban.
//! 8. Each [`blocklist::Change`] goes to the caller's [`engine::Watcher`]. On a host that is the daemon, which tells
//!    nftables ([`action`]); on a board it is the packet filter.
//!
//! # Embedding the core
//!
//! Lend the tables, choose filters and jails, push bytes with their arrival time, and receive bans. This is a complete
//! program; `boards/lm3s6965evb` is the same on a microcontroller. Without default features the crate is `no_std` and
//! does not allocate:
//!
//! ```toml
//! edgeban = { version = "0.1", default-features = false }
//! ```
//!
//! ```
//! use edgeban::addr::Addr;
//! use edgeban::blocklist::{self, Blocklist, Change};
//! use edgeban::engine::{Clock, Engine, Input, Jail, Parts, Repeat, Rules, Watcher};
//! use edgeban::frame::{self, Framer, Framing};
//! use edgeban::jail::{self, Allow, Policy, Totals, Tracker};
//! use edgeban::lru::Link;
//! use edgeban::matcher::{Active, AppSlot, Frame, Matcher, Scratch};
//! use edgeban::rules::SSHD;
//! use edgeban::session::{self, Sessions};
//! use edgeban::time::Instant;
//!
//! const SESSIONS: usize = 16;
//! const SOURCES: usize = 32;
//! const MAXRETRY: usize = 5;
//! const BANS: usize = 64;
//!
//! /// What happens, told in order. A device would program its packet filter here.
//! #[derive(Default)]
//! struct Firewall {
//!     bans: Vec<String>,
//! }
//!
//! impl Watcher for Firewall {
//!     fn change(&mut self, change: Change) {
//!         if let Change::Added(ban) = change {
//!             self.bans.push(ban.target.to_string());
//!         }
//!     }
//! }
//!
//! // The tables: on a device they are statics, sized once. A full table evicts or refuses, and counts it; it never panics.
//! let (mut entries, mut links) = ([session::Entry::EMPTY; SESSIONS], [Link::EMPTY; SESSIONS]);
//! let (mut slots, mut times) = ([jail::Slot::EMPTY; SOURCES], [0; SOURCES * MAXRETRY]);
//! let (mut sources, mut totals) = ([Link::EMPTY; SOURCES], [Totals::EMPTY; 1]);
//! let (mut session_buckets, mut source_buckets) = ([0; SESSIONS], [0; SOURCES]);
//! let (mut bans, mut cells, mut words) = ([blocklist::Slot::EMPTY; BANS], [0; 2 * BANS], [0; BANS / 2]);
//! let (mut stack, mut memo, mut repeats) = ([Frame::EMPTY; 96], [0; 1120], [Repeat::EMPTY; 1]);
//!
//! // Keys that attackers do not know; a device draws them at each start.
//! let (key, other_key) = ([7; 16], [1, 2]);
//! let mut engine = Engine::new(Parts {
//!     sessions: Sessions::new(
//!         session::Storage { entries: &mut entries, links: &mut links, buckets: &mut session_buckets },
//!         key,
//!         session::IDLE_TIMEOUT,
//!     ),
//!     tracker: Tracker::new(
//!         jail::Storage {
//!             slots: &mut slots,
//!             times: &mut times,
//!             links: &mut sources,
//!             buckets: &mut source_buckets,
//!             jails: &mut totals,
//!         },
//!         key,
//!     ),
//!     blocklist: Blocklist::new(
//!         blocklist::Storage { slots: &mut bans, cells: &mut cells, words: &mut words },
//!         other_key,
//!     ),
//!     scratch: Scratch { stack: &mut stack, memo: &mut memo, steps: 0 },
//!     repeats: &mut repeats,
//!     seed: 1,
//! });
//!
//! // The rules: the n-th jail uses the n-th filter.
//! let active = [Active { filter: SSHD, mode: SSHD.mode("normal").expect("a mode of sshd") }];
//! let mut apps = [AppSlot::EMPTY; 8];
//! let jails = [Jail {
//!     name: "sshd",
//!     enabled: true,
//!     policy: Policy { maxretry: 3, ..Policy::DEFAULT },
//!     scope: 0, // every port
//!     recidive: false,
//!     allow: Allow::new(&mut []),
//! }];
//! let rules = Rules {
//!     matcher: Matcher::new(&active, &mut apps).expect("room for the names of the filters' programs"),
//!     jails: &jails,
//!     allow: Allow::new(&mut []),
//! };
//!
//! // The flow: bytes in pieces of any size, and the time of a monotonic clock.
//! let mut line = [0; 1024];
//! let mut framer = Framer::new(&mut line, Framing::Newline);
//! let mut counters = frame::Tally::default();
//! let mut firewall = Firewall::default();
//! let log = b"<38>Jul  1 21:37:58 gw sshd[9]: Failed password for root from 203.0.113.9 port 2201 ssh2\n";
//! for second in 0..3 {
//!     let input = Input { stream: 0, jails: u32::MAX, clock: Clock::Live(Instant::from_secs(second)) };
//!     for piece in log.chunks(16) {
//!         framer.push(piece, &mut counters, &mut |line| engine.line(&rules, line, &input, &mut firewall));
//!     }
//! }
//! assert_eq!(firewall.bans, ["203.0.113.9"]);
//!
//! // The packet path asks the blocklist, and a timer removes the bans that have ended.
//! assert!(engine.blocklist().drops(Addr::v4([203, 0, 113, 9]), |_scope| false));
//! let end = engine.next_expiry().expect("a ban is in force");
//! assert_eq!(end, Instant::from_secs(2) + Policy::DEFAULT.bantime);
//! engine.expire(end, usize::MAX, &mut firewall);
//! assert!(engine.blocklist().is_empty());
//! ```
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
mod word;

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
