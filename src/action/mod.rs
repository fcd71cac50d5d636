//! Floor 6: changes of the blocklist become messages to what drops packets.
//!
//! In: each [`Change`](crate::blocklist::Change). Out: bytes in memory that the caller lends. Nothing here opens a socket or
//! panics. [`nftables`] is the only backend so far; a device without a kernel looks each packet's address up in the
//! [`Blocklist`](crate::blocklist::Blocklist) itself.

pub mod nftables;
