//! Reads what the kernel answers and announces, without trust in its bytes.
//!
//! A message or attribute with a wrong length ends the reading with [`Malformed`]; unknown kinds of message are
//! [`Answer::Other`]. Work is linear in the bytes.

use super::TABLE as OURS;
use super::dump::Elements;
use super::objects::{NEWCHAIN, NEWSET, NEWSETELEM, NEWTABLE};
use super::wire::{ATTR, FAMILY_INET, HEADERS, SUBSYSTEM};

/// `struct nlmsghdr`.
const HEADER: usize = 16;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
const NEWGEN: u16 = 15;

/// NLM_F_DUMP_INTR of linux/netlink.h: the objects changed while they were listed.
const INTERRUPTED: u16 = 0x10;

/// A message of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The message `seq` is done.
    Ack {
        /// Whose.
        seq: u32,
    },
    /// The message `seq`, or the batch that begins with it, is refused.
    Error {
        /// Whose.
        seq: u32,
        /// The errno, above 0.
        errno: i32,
    },
    /// The end of an answer of many parts.
    Done {
        /// Whose.
        seq: u32,
    },
    /// A listing is not whole: the objects changed meanwhile, or the kernel failed on the way. Ask again.
    Torn {
        /// Whose.
        seq: u32,
    },
    /// Messages were lost.
    Overrun,
    /// A table.
    Table {
        /// Whose answer it is; 0 for an announcement.
        seq: u32,
        /// Its name.
        name: &'a [u8],
        /// The kernel's number for it; a table made anew has another one.
        handle: u64,
        /// Sets and chains in it.
        uses: u32,
    },
    /// A chain.
    Chain {
        /// Whose answer it is; 0 for an announcement.
        seq: u32,
        /// Its name.
        name: &'a [u8],
        /// Rules in it.
        uses: u32,
    },
    /// A set.
    Set {
        /// Whose answer it is; 0 for an announcement.
        seq: u32,
        /// Its name.
        name: &'a [u8],
    },
    /// Some elements of a set.
    Elements {
        /// Whose answer it is; 0 for an announcement.
        seq: u32,
        /// The set's name.
        set: &'a [u8],
        /// The elements.
        list: Elements<'a>,
    },
    /// Someone changed the ruleset, edgeban's or any other.
    Generation {
        /// The number of the change.
        id: u32,
    },
    /// Anything else.
    Other {
        /// `nlmsg_type`.
        kind: u16,
        /// `nlmsg_seq`.
        seq: u32,
    },
}

/// Why bytes are no netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The length in a header is below the header's own, or beyond the end.
    Length,
    /// A message ends before its fixed fields do.
    Cut,
    /// The length of an attribute is below its header's, or beyond the message.
    Attribute,
    /// An attribute has not the size that its meaning needs.
    Value,
    /// An error answer whose number is no errno.
    Errno,
}

/// The messages of one datagram, in order. After the first [`Malformed`] there are no more.
#[derive(Clone, Debug)]
pub struct Answers<'a> {
    rest: &'a [u8],
}

impl<'a> Answers<'a> {
    /// Reads what `recv` returned.
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    fn take(&mut self) -> Result<Answer<'a>, Malformed> {
        let [l0, l1, l2, l3, t0, t1, f0, f1, s0, s1, s2, s3, ..] = *self.rest else {
            return Err(Malformed::Length);
        };
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).map_err(|_| Malformed::Length)?;
        let message = self.rest.get(..len).filter(|m| m.len() >= HEADER).ok_or(Malformed::Length)?;
        // The last message may come without its padding.
        self.rest = self.rest.get(len.div_ceil(4).saturating_mul(4)..).unwrap_or(&[]);
        let kind = u16::from_ne_bytes([t0, t1]);
        let seq = u32::from_ne_bytes([s0, s1, s2, s3]);
        if u16::from_ne_bytes([f0, f1]) & INTERRUPTED != 0 {
            return Ok(Answer::Torn { seq });
        }
        read(kind, seq, message)
    }
}

impl<'a> Iterator for Answers<'a> {
    type Item = Result<Answer<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let answer = self.take();
        if answer.is_err() {
            self.rest = &[];
        }
        Some(answer)
    }
}

/// Whether a datagram of announcements reports a change to edgeban's own table; also true for what cannot be read.
pub fn touches_ours(datagram: &[u8]) -> bool {
    let mut rest = datagram;
    while !rest.is_empty() {
        let [l0, l1, l2, l3, t0, t1, ..] = *rest else { return true };
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(0);
        let Some(message) = rest.get(..len).filter(|m| m.len() >= HEADER) else { return true };
        rest = rest.get(len.div_ceil(4).saturating_mul(4)..).unwrap_or(&[]);
        let kind = u16::from_ne_bytes([t0, t1]);
        if kind >> 8 != SUBSYSTEM || kind == GENERATION {
            continue;
        }
        // Attribute 1 is a table's name, and in all other objects the name of their table.
        let mut ours = message.get(HEADER) == Some(&FAMILY_INET);
        let read = attributes(message, |kind, value| {
            ours &= kind != 1 || text(value) == OURS.as_bytes();
            Ok(())
        });
        if ours || read.is_err() {
            return true;
        }
    }
    false
}

const TABLE: u16 = SUBSYSTEM << 8 | NEWTABLE;
const CHAIN: u16 = SUBSYSTEM << 8 | NEWCHAIN;
const SET: u16 = SUBSYSTEM << 8 | NEWSET;
const ELEMENTS: u16 = SUBSYSTEM << 8 | NEWSETELEM;
const GENERATION: u16 = SUBSYSTEM << 8 | NEWGEN;

fn read(kind: u16, seq: u32, message: &[u8]) -> Result<Answer<'_>, Malformed> {
    let body = message.get(HEADER..).unwrap_or(&[]);
    match kind {
        NLMSG_ERROR => {
            let code = body.first_chunk().ok_or(Malformed::Cut)?;
            match i32::from_ne_bytes(*code) {
                0 => Ok(Answer::Ack { seq }),
                code @ -4095..0 => Ok(Answer::Error { seq, errno: -code }),
                _ => Err(Malformed::Errno),
            }
        }
        // It ends with an errno, negative if the listing failed.
        NLMSG_DONE if body.first_chunk().is_some_and(|code| i32::from_ne_bytes(*code) < 0) => {
            Ok(Answer::Torn { seq })
        }
        NLMSG_DONE => Ok(Answer::Done { seq }),
        NLMSG_OVERRUN => Ok(Answer::Overrun),
        TABLE => {
            let (mut name, mut handle, mut uses): (&[u8], _, _) = (&[], 0, 0);
            attributes(message, |kind, value| {
                match kind {
                    1 => name = text(value),                          // NFTA_TABLE_NAME
                    3 => uses = u32::from_be_bytes(number(value)?),   // NFTA_TABLE_USE
                    4 => handle = u64::from_be_bytes(number(value)?), // NFTA_TABLE_HANDLE
                    _ => {}
                }
                Ok(())
            })?;
            Ok(Answer::Table { seq, name, handle, uses })
        }
        CHAIN => {
            let (mut name, mut uses): (&[u8], _) = (&[], 0);
            attributes(message, |kind, value| {
                match kind {
                    3 => name = text(value),                        // NFTA_CHAIN_NAME
                    6 => uses = u32::from_be_bytes(number(value)?), // NFTA_CHAIN_USE
                    _ => {}
                }
                Ok(())
            })?;
            Ok(Answer::Chain { seq, name, uses })
        }
        SET => {
            let mut name: &[u8] = &[];
            attributes(message, |kind, value| {
                if kind == 2 {
                    name = text(value); // NFTA_SET_NAME
                }
                Ok(())
            })?;
            Ok(Answer::Set { seq, name })
        }
        ELEMENTS => {
            let (mut set, mut list): (&[u8], &[u8]) = (&[], &[]);
            attributes(message, |kind, value| {
                match kind {
                    2 => set = text(value), // NFTA_SET_ELEM_LIST_SET
                    3 => list = value,      // NFTA_SET_ELEM_LIST_ELEMENTS
                    _ => {}
                }
                Ok(())
            })?;
            Ok(Answer::Elements { seq, set, list: Elements::new(list) })
        }
        GENERATION => {
            let mut id = 0;
            attributes(message, |kind, value| {
                if kind == 1 {
                    id = u32::from_be_bytes(number(value)?); // NFTA_GEN_ID
                }
                Ok(())
            })?;
            Ok(Answer::Generation { id })
        }
        _ => Ok(Answer::Other { kind, seq }),
    }
}

/// Walks the attributes of an nf_tables message.
fn attributes<'a>(
    message: &'a [u8],
    each: impl FnMut(u16, &'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    nested(message.get(HEADERS..).ok_or(Malformed::Cut)?, each)
}

/// Walks attributes that fill `rest`.
pub(super) fn nested<'a>(
    mut rest: &'a [u8],
    mut each: impl FnMut(u16, &'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    while let Some((kind, value)) = attribute(&mut rest)? {
        each(kind, value)?;
    }
    Ok(())
}

/// Takes one attribute off `rest`.
pub(super) fn attribute<'a>(rest: &mut &'a [u8]) -> Result<Option<(u16, &'a [u8])>, Malformed> {
    if rest.is_empty() {
        return Ok(None);
    }
    let [l0, l1, k0, k1, ..] = **rest else { return Err(Malformed::Attribute) };
    let len = usize::from(u16::from_ne_bytes([l0, l1]));
    let value = rest.get(ATTR..len).ok_or(Malformed::Attribute)?;
    *rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
    // The two high bits say "nested" and "network byte order".
    Ok(Some((u16::from_ne_bytes([k0, k1]) & 0x3fff, value)))
}

pub(super) fn number<const N: usize>(value: &[u8]) -> Result<[u8; N], Malformed> {
    value.try_into().map_err(|_| Malformed::Value)
}

/// A string up to its NUL.
fn text(value: &[u8]) -> &[u8] {
    value.split(|&b| b == 0).next().unwrap_or(&[])
}
