//! nftables over raw netlink: what the kernel is told, and what it answers.
//!
//! In: [`Change`](crate::blocklist::Change)s, put into a [`Queue`] over lent slots. Out: datagrams in a lent buffer
//! ([`Batch`]), and [`Answer`]s read from the kernel's bytes. The socket is in `host::nft`. Times are milliseconds. A full
//! buffer or queue is [`Full`]: send, then go on where it stopped. Nothing panics, however malformed an answer is.
//!
//! `queue` merges changes, `objects` writes each kind of message in the format of `wire`, `layout` knows which sets exist;
//! `answer` and `dump` read what the kernel sends.
//!
//! # The table in the kernel
//!
//! ```text
//! table inet edgeban {
//!     set ban4 { type ipv4_addr; flags timeout; }            # hosts, on every port
//!     set net6_64 { type ipv6_addr; flags timeout; }         # prefixes of 64 bits
//!     set ports_p1 { type inet_service; flags interval; }    # the ports of scope 1
//!     set ban4_p1 { type ipv4_addr; flags timeout; }         # hosts, on the ports of scope 1
//!     chain prerouting {
//!         type filter hook prerouting priority raw; policy accept;
//!         ip saddr @ban4 counter drop
//!         ip6 saddr & ffff:ffff:ffff:ffff:: @net6_64 counter drop
//!         ip saddr @ban4_p1 meta l4proto tcp-udp th dport @ports_p1 counter drop
//!     }
//! }
//! ```
//!
//! - **Raw prerouting** comes before conntrack and routing: established and forwarded packets are covered.
//! - **A set for each prefix length in use**, made with its rule when the first prefix of that length comes. Prefixes of one
//!   length are equal or do not overlap, so a /16 within a banned /8 is an element with its own timeout. An interval set
//!   refuses overlaps (EEXIST): an inner ban that outlives the outer one would have to be added when the outer one ends, by
//!   a daemon that may no longer run. Hash sets also cost less: adding an IPv6 /64 to 10,000 takes 46 µs, and 1,222 µs
//!   in an interval set (Linux 6.18). The price is one lookup per packet for each length in use. Lengths come from the
//!   configuration and from bans by hand, never from an attacker.
//! - **The kernel's timeouts end bans.** An expired ban needs no message, and a stopped daemon leaves no ban
//!   behind for ever but the permanent ones, which have no timeout.
//! - **Sets have no maximum size**: expired elements count until the kernel collects them, and the blocklist is bounded.
//! - An IPv6 prefix shorter than 96 bits is IPv6 only, even where its range holds the mapped IPv4 addresses.

mod answer;
#[cfg(test)]
mod answer_tests;
mod dump;
#[cfg(test)]
mod dump_tests;
mod layout;
#[cfg(test)]
mod model;
mod objects;
mod queue;
#[cfg(test)]
mod tests;
mod wire;

pub use answer::{Answer, Answers, Malformed, touches_ours};
pub use dump::{Elements, Held, Listing, list, ranges};
pub use layout::{Layout, MAX_SCOPES, Name, Set};
pub use objects::{Element, Filled, PortRange, Query, query};
pub use queue::{Mode, Op, Progress, Queue};
pub use wire::{Batch, Finished, Full, MIN_BUFFER};

/// The table, in family `inet`.
pub const TABLE: &str = "edgeban";
/// The chain.
pub const CHAIN: &str = "prerouting";
