//! Floor 6: the control protocol, the same over a Unix socket and a UART: JSON lines both ways.
//!
//! In: a line of at most [`MAX_REQUEST`] bytes. Out: a [`Request`], or a [`Refusal`] to answer with [`reply::error`]; and
//! the lines of replies, passed piece by piece to the caller's function, so no buffer limits their length. Durations are
//! seconds or text such as `1h30m`, times are seconds since 1970. Requests hold only addresses, durations and names,
//! so a string with an escape is refused. Nothing panics on any bytes. edgeban(8) describes the protocol for its users.
//!
//! ```text
//! {"cmd":"status","jail":null}      {"ok":true,"version":…,"tables":{…},"counters":{…},"jails":[…],…}
//! {"cmd":"bans"}                    {"ip":"192.0.2.7","jail":"sshd","since":…,"until":…,"before":0,"manual":false}
//!                                   {"ok":true,"count":1}
//! {"cmd":"ban","ip":"192.0.2.0/24","jail":"manual","for":"1h"}      {"ok":true,"count":1}
//! {"cmd":"unban","ip":"192.0.2.7"}  {"cmd":"unban","all":true}      {"ok":true,"count":1}
//! {"cmd":"attempt","ip":"192.0.2.7","jail":"sshd"}                  {"ok":true}
//! {"cmd":"reload"}  {"cmd":"version"}                               {"ok":false,"error":"…"}
//!                                   {"ok":true,"warning":"…"}
//! ```

pub mod json;
pub mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use request::{LONGEST_BAN, MAX_REQUEST, Refusal, Request, ban_time};
