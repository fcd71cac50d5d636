//! Lists what the kernel holds, so that a new run knows the bans of the one before: asked for with [`list`], read from
//! [`Answer::Set`](super::Answer::Set) and [`Answer::Elements`](super::Answer::Elements).
//!
//! The kernel answers in many datagrams, the last of which ends with [`Answer::Done`](super::Answer::Done).

use super::answer::{Malformed, attribute, nested, number};
use super::layout::Name;
use super::objects::{GETSET, GETSETELEM, INTERVAL_END, PortRange};
use super::wire::{FAMILY_INET, Full, HEADERS, NLM_F_REQUEST, SUBSYSTEM};

/// NLM_F_ROOT and NLM_F_MATCH of linux/netlink.h: all objects.
const NLM_F_DUMP: u16 = 0x300;

/// What can be listed of edgeban's table.
#[derive(Clone, Copy, Debug)]
pub enum Listing<'a> {
    /// Its sets.
    Sets,
    /// The elements of a set.
    Elements(&'a Name),
}

/// Writes a request for a listing, numbered `seq`, and returns its bytes; [`Full`] below 64 bytes.
pub fn list<'b>(buf: &'b mut [u8], what: Listing<'_>, seq: u32) -> Result<&'b [u8], Full> {
    let (kind, set) = match what {
        Listing::Sets => (GETSET, None),
        Listing::Elements(name) => (GETSETELEM, Some(name.as_bytes())),
    };
    let mut len = 0usize;
    let mut put = |bytes: &[u8]| {
        let end = len.saturating_add(bytes.len());
        buf.get_mut(len..end).ok_or(Full)?.copy_from_slice(bytes);
        len = end;
        Ok(())
    };
    // The table's name and its end mark need no padding; the set's does.
    let padded = set.map_or(0, |name| (name.len() + 1).next_multiple_of(4));
    let total = HEADERS + 12 + if set.is_some() { 4 + padded } else { 0 };
    put(&u32::try_from(total).map_err(|_| Full)?.to_ne_bytes())?;
    put(&(SUBSYSTEM << 8 | kind).to_ne_bytes())?;
    put(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes())?;
    put(&seq.to_ne_bytes())?;
    put(&[0; 4])?;
    put(&[FAMILY_INET, 0, 0, 0])?;
    put(&12u16.to_ne_bytes())?;
    put(&1u16.to_ne_bytes())?; // NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE
    put(b"edgeban\0")?;
    if let Some(name) = set {
        put(&u16::try_from(4 + name.len() + 1).map_err(|_| Full)?.to_ne_bytes())?;
        put(&2u16.to_ne_bytes())?; // NFTA_SET_ELEM_LIST_SET
        put(name)?;
        put([0; 4].get(..padded.saturating_sub(name.len())).unwrap_or(&[]))?;
    }
    buf.get(..len).ok_or(Full)
}

/// An element as the kernel holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held<'a> {
    /// Its key; the length depends on the set ([`super::Set::key_len`], 2 bytes in a port set).
    pub key: &'a [u8],
    /// Its timeout in milliseconds; `None` is for ever.
    pub timeout: Option<u64>,
    /// How many milliseconds of it are left; `None` where the kernel does not say.
    pub left: Option<u64>,
    /// Whether it marks the end of a range: the first key that is not in it.
    pub end: bool,
}

impl Held<'_> {
    /// The port, if this is an element of a port set, and whether a range ends before it.
    pub const fn port(&self) -> Option<(u16, bool)> {
        match *self.key {
            [high, low] => Some((u16::from_be_bytes([high, low]), self.end)),
            _ => None,
        }
    }
}

/// Calls `each` with the ranges that the elements of a port set make. `ports` must be sorted, at equal ports the start of a
/// range before the end of another.
pub fn ranges(ports: &[(u16, bool)], mut each: impl FnMut(PortRange)) {
    let mut open = None;
    for &(port, end) in ports {
        if !end {
            open = open.or(Some(port));
        } else if let (Some(first), Some(last)) = (open.take(), port.checked_sub(1)) {
            each((first, last));
        }
    }
    if let Some(first) = open {
        each((first, u16::MAX));
    }
}

/// The elements of one message. After the first [`Malformed`] there are no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Held<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = attribute(&mut self.rest).and_then(|found| match found {
            Some((_, value)) => element(value).map(Some),
            None => Ok(None),
        });
        if read.is_err() {
            self.rest = &[];
        }
        read.transpose()
    }
}

fn element(value: &[u8]) -> Result<Held<'_>, Malformed> {
    let mut held = Held { key: &[], timeout: None, left: None, end: false };
    nested(value, |kind, value| {
        match kind {
            // NFTA_SET_ELEM_KEY, in it NFTA_DATA_VALUE
            1 => nested(value, |kind, value| {
                if kind == 1 {
                    held.key = value;
                }
                Ok(())
            })?,
            3 => held.end = u32::from_be_bytes(number(value)?) & INTERVAL_END != 0, // NFTA_SET_ELEM_FLAGS
            4 => held.timeout = Some(u64::from_be_bytes(number(value)?)),           // NFTA_SET_ELEM_TIMEOUT
            5 => held.left = Some(u64::from_be_bytes(number(value)?)), // NFTA_SET_ELEM_EXPIRATION
            _ => {}
        }
        Ok(())
    })?;
    Ok(held)
}
