//! Floor 4: hits of one session, put together, become [`Failure`]s.

use crate::addr::Addr;

/// A failed attempt of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Who.
    pub ip: Addr,
    /// The user name tried, where known; the first 32 bytes of it where the session had to keep it.
    pub user: Option<&'a [u8]>,
    /// How many attempts this stands for, at least 1.
    pub attempts: u32,
}
