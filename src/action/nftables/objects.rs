//! The messages that make and delete the table, its chain, sets, rules and elements, and two questions.
//!
//! Numbers are those of linux/netfilter/nf_tables.h; the names beside them are the header's.

use super::layout::{Name, Set};
use super::wire::{
    ATTR, Batch, FAMILY_INET, Full, HEADERS, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, SUBSYSTEM,
};
use super::{CHAIN, TABLE};
use crate::addr::Addr;
use crate::blocklist::Scope;

// enum nf_tables_msg_types
pub(super) const NEWTABLE: u16 = 0;
pub(super) const GETTABLE: u16 = 1;
const DELTABLE: u16 = 2;
pub(super) const NEWCHAIN: u16 = 3;
pub(super) const GETCHAIN: u16 = 4;
const NEWRULE: u16 = 6;
pub(super) const NEWSET: u16 = 9;
pub(super) const GETSET: u16 = 10;
pub(super) const NEWSETELEM: u16 = 12;
pub(super) const GETSETELEM: u16 = 13;
const DELSETELEM: u16 = 14;

/// NFTA_LIST_ELEM, the type of every member of a list.
const LIST_ELEM: u16 = 1;

const SET_FLAG_INTERVAL: u32 = 0x4;
const SET_FLAG_TIMEOUT: u32 = 0x10;
/// NFT_SET_ELEM_INTERVAL_END.
pub(super) const INTERVAL_END: u32 = 1;
// nft's own numbers for the types of keys (libnftables' datatype.h); the kernel only keeps them for listings.
const TYPE_IPV4: u32 = 7;
const TYPE_IPV6: u32 = 8;
const TYPE_SERVICE: u32 = 13;

/// How often the kernel frees expired elements. They stop matching on time whatever this says; the default of
/// one second would walk every set each second.
const GC_INTERVAL_MS: u32 = 30_000;

/// Timeouts from this on, 300 years, are sent as none: the kernel refuses what overflows its 64 bits of nanoseconds.
const LONGEST_MS: u64 = 10_000_000_000_000;

/// NFT_REG_1, of 16 bytes.
const REG_1: u32 = 1;

/// Ports from the first to the last, both included.
pub type PortRange = (u16, u16);

/// A key and how long it stays; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// The address, or the first one of the prefix.
    pub addr: Addr,
    /// Milliseconds from now, at least 1.
    pub timeout: Option<u64>,
}

/// How far a message of elements came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Elements written.
    pub elements: usize,
    /// Whether the iterator had no more; otherwise the room was used up.
    pub ended: bool,
}

impl Batch<'_> {
    /// Makes the table; no error where it exists.
    pub fn table_add(&mut self) -> Result<(), Full> {
        self.message(NEWTABLE, NLM_F_CREATE, |b| {
            b.text(1, TABLE.as_bytes())?; // NFTA_TABLE_NAME
            b.number(2, 0) // NFTA_TABLE_FLAGS
        })
    }

    /// Deletes the table with all in it. The batch fails with ENOENT where there is none, so add it first.
    pub fn table_delete(&mut self) -> Result<(), Full> {
        self.message(DELTABLE, 0, |b| b.text(1, TABLE.as_bytes()))
    }

    /// Makes the chain: filter, hook prerouting, priority raw, policy accept.
    pub fn chain_add(&mut self) -> Result<(), Full> {
        self.message(NEWCHAIN, NLM_F_CREATE, |b| {
            b.text(1, TABLE.as_bytes())?; // NFTA_CHAIN_TABLE
            b.text(3, CHAIN.as_bytes())?; // NFTA_CHAIN_NAME
            b.nest(4, |b| {
                b.number(1, 0)?; // NFTA_HOOK_HOOKNUM: NF_INET_PRE_ROUTING
                b.bytes(2, &(-300i32).to_be_bytes()) // NFTA_HOOK_PRIORITY: NF_IP_PRI_RAW
            })?;
            b.number(5, 1)?; // NFTA_CHAIN_POLICY: NF_ACCEPT
            b.text(7, b"filter") // NFTA_CHAIN_TYPE
        })
    }

    /// Makes an empty set of addresses. `id` has to be unique within the batch.
    pub fn set_add(&mut self, set: Set, id: u32) -> Result<(), Full> {
        self.message(NEWSET, NLM_F_CREATE, |b| {
            b.text(1, TABLE.as_bytes())?; // NFTA_SET_TABLE
            b.text(2, set.name().as_bytes())?; // NFTA_SET_NAME
            b.number(3, SET_FLAG_TIMEOUT)?; // NFTA_SET_FLAGS
            b.number(4, if set.is_v6() { TYPE_IPV6 } else { TYPE_IPV4 })?; // NFTA_SET_KEY_TYPE
            b.number(5, set.key_len() as u32)?; // NFTA_SET_KEY_LEN
            b.number(10, id)?; // NFTA_SET_ID
            b.number(12, GC_INTERVAL_MS) // NFTA_SET_GC_INTERVAL
        })
    }

    /// Makes the port set of `scope` and fills it with `ports`, which must be sorted and neither overlap nor touch. `id` has to
    /// be unique within the batch.
    pub fn ports_add(&mut self, scope: Scope, ports: &[PortRange], id: u32) -> Result<(), Full> {
        let name = Name::ports(scope);
        self.message(NEWSET, NLM_F_CREATE, |b| {
            b.text(1, TABLE.as_bytes())?;
            b.text(2, name.as_bytes())?;
            b.number(3, SET_FLAG_INTERVAL)?;
            b.number(4, TYPE_SERVICE)?;
            b.number(5, 2)?;
            b.number(10, id)
        })?;
        if ports.is_empty() {
            return Ok(());
        }
        self.message(NEWSETELEM, NLM_F_CREATE, |b| {
            b.text(1, TABLE.as_bytes())?; // NFTA_SET_ELEM_LIST_TABLE
            b.text(2, name.as_bytes())?; // NFTA_SET_ELEM_LIST_SET
            b.nest(3, |b| {
                for (first, last) in ports {
                    b.element(&first.to_be_bytes(), None)?;
                    // A range up to 65,535 has no end element: no port comes after it.
                    if let Some(after) = last.checked_add(1) {
                        b.nest(LIST_ELEM, |b| {
                            b.nest(1, |b| b.bytes(1, &after.to_be_bytes()))?;
                            b.number(3, INTERVAL_END) // NFTA_SET_ELEM_FLAGS
                        })?;
                    }
                }
                Ok(())
            })
        })
    }

    /// Appends the rule that drops what `set` holds, in scopes above 0 only on the scope's ports. The address is
    /// looked up first: nearly every packet ends there.
    pub fn rule_add(&mut self, set: Set) -> Result<(), Full> {
        self.message(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, |b| {
            b.text(1, TABLE.as_bytes())?; // NFTA_RULE_TABLE
            b.text(2, CHAIN.as_bytes())?; // NFTA_RULE_CHAIN
            // NFTA_RULE_EXPRESSIONS
            b.nest(4, |b| {
                b.source_in(set)?;
                if set.scope() != 0 {
                    b.port_in(set.scope())?;
                }
                b.expression(b"counter", |_| Ok(()))?;
                b.expression(b"immediate", |b| {
                    b.number(1, 0)?; // NFTA_IMMEDIATE_DREG: NFT_REG_VERDICT
                    // NFTA_IMMEDIATE_DATA, NFTA_DATA_VERDICT, NFTA_VERDICT_CODE: NF_DROP
                    b.nest(2, |b| b.nest(2, |b| b.number(1, 0)))
                })
            })
        })
    }

    /// Adds as many of `elements` as fit one message: at most 65,535 bytes of them. Elements that exist are left as they are.
    ///
    /// # Errors
    ///
    /// [`Full`], and no element taken, where there is no room for one.
    pub fn elements_add(
        &mut self,
        set: Set,
        elements: &mut impl Iterator<Item = Element>,
    ) -> Result<Filled, Full> {
        self.elements(NEWSETELEM, NLM_F_CREATE, set, elements)
    }

    /// As [`Batch::elements_add`], but deletes. The kernel refuses the whole batch (ENOENT) where one is missing.
    pub fn elements_delete(
        &mut self,
        set: Set,
        elements: &mut impl Iterator<Item = Element>,
    ) -> Result<Filled, Full> {
        self.elements(DELSETELEM, 0, set, elements)
    }

    fn elements(
        &mut self,
        kind: u16,
        flags: u16,
        set: Set,
        elements: &mut impl Iterator<Item = Element>,
    ) -> Result<Filled, Full> {
        let room = self.room().saturating_sub(elements_overhead());
        let most = (room / element_len(set, true)).min(MOST_ELEMENT_BYTES / element_len(set, true));
        if most == 0 {
            return Err(Full);
        }
        let mut filled = Filled { elements: 0, ended: false };
        self.message(kind, flags, |b| {
            b.text(1, TABLE.as_bytes())?;
            b.text(2, set.name().as_bytes())?;
            b.nest(3, |b| {
                while filled.elements < most {
                    let Some(e) = elements.next() else {
                        filled.ended = true;
                        break;
                    };
                    let octets = e.addr.octets();
                    let key = octets.get(16 - set.key_len()..).unwrap_or(&octets);
                    b.element(key, e.timeout)?;
                    filled.elements += 1;
                }
                Ok(())
            })
        })?;
        Ok(filled)
    }

    fn element(&mut self, key: &[u8], timeout: Option<u64>) -> Result<(), Full> {
        self.nest(LIST_ELEM, |b| {
            // NFTA_SET_ELEM_KEY, NFTA_DATA_VALUE
            b.nest(1, |b| b.bytes(1, key))?;
            match timeout {
                // NFTA_SET_ELEM_TIMEOUT; 0 would be for ever on a new kernel and refused by none.
                Some(ms) if ms < LONGEST_MS => b.bytes(4, &ms.max(1).to_be_bytes()),
                _ => Ok(()),
            }
        })
    }

    fn source_in(&mut self, set: Set) -> Result<(), Full> {
        self.expression(b"meta", |b| {
            b.number(1, REG_1)?; // NFTA_META_DREG
            b.number(2, 15) // NFTA_META_KEY: NFT_META_NFPROTO
        })?;
        self.expression(b"cmp", |b| {
            b.number(1, REG_1)?; // NFTA_CMP_SREG
            b.number(2, 0)?; // NFTA_CMP_OP: NFT_CMP_EQ
            b.nest(3, |b| b.bytes(1, if set.is_v6() { &[10] } else { &[2] })) // NFPROTO_IPV6, NFPROTO_IPV4
        })?;
        let len = set.key_len() as u32;
        self.payload(REG_1, 1, if set.is_v6() { 8 } else { 12 }, len)?;
        if !set.is_hosts() {
            self.expression(b"bitwise", |b| {
                b.number(1, REG_1)?; // NFTA_BITWISE_SREG
                b.number(2, REG_1)?; // NFTA_BITWISE_DREG
                b.number(3, len)?; // NFTA_BITWISE_LEN
                let mask = set.mask();
                b.nest(4, |b| b.bytes(1, mask.get(..set.key_len()).unwrap_or(&mask)))?;
                b.nest(5, |b| b.bytes(1, [0; 16].get(..set.key_len()).unwrap_or(&[]))) // NFTA_BITWISE_XOR
            })?;
        }
        self.lookup(REG_1, &set.name())
    }

    fn port_in(&mut self, scope: Scope) -> Result<(), Full> {
        self.expression(b"meta", |b| {
            b.number(1, REG_1)?;
            b.number(2, 16) // NFT_META_L4PROTO
        })?;
        // From TCP (6) to UDP (17); the protocols between them are not in use.
        self.expression(b"range", |b| {
            b.number(1, REG_1)?; // NFTA_RANGE_SREG
            b.number(2, 0)?; // NFTA_RANGE_OP: NFT_RANGE_EQ
            b.nest(3, |b| b.bytes(1, &[6]))?; // NFTA_RANGE_FROM_DATA
            b.nest(4, |b| b.bytes(1, &[17])) // NFTA_RANGE_TO_DATA
        })?;
        // TCP and UDP have the destination port at the same offset.
        self.payload(REG_1, 2, 2, 2)?;
        self.lookup(REG_1, &Name::ports(scope))
    }

    /// `base` 1 is the network header, 2 the transport header.
    fn payload(&mut self, register: u32, base: u32, offset: u32, len: u32) -> Result<(), Full> {
        self.expression(b"payload", |b| {
            b.number(1, register)?; // NFTA_PAYLOAD_DREG
            b.number(2, base)?;
            b.number(3, offset)?;
            b.number(4, len)
        })
    }

    fn lookup(&mut self, register: u32, set: &Name) -> Result<(), Full> {
        self.expression(b"lookup", |b| {
            b.text(1, set.as_bytes())?; // NFTA_LOOKUP_SET
            b.number(2, register) // NFTA_LOOKUP_SREG
        })
    }

    fn expression(
        &mut self,
        name: &[u8],
        data: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        self.nest(LIST_ELEM, |b| {
            b.text(1, name)?; // NFTA_EXPR_NAME
            b.nest(2, data) // NFTA_EXPR_DATA
        })
    }
}

/// What a list of elements can hold: an attribute's length is 16 bits.
pub(super) const MOST_ELEMENT_BYTES: usize = u16::MAX as usize - ATTR;

/// Bytes of a message of elements beside the elements, at most.
pub(super) const fn elements_overhead() -> usize {
    // Headers, table name, the longest set name, the list.
    HEADERS + (ATTR + 8) + (ATTR + 24) + ATTR
}

/// Bytes of an element.
pub(super) const fn element_len(set: Set, timeout: bool) -> usize {
    ATTR + ATTR + ATTR + set.key_len() + if timeout { ATTR + 8 } else { 0 }
}

/// What can be asked about edgeban's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// Does it exist, and how many sets and chains does it hold?
    Table,
    /// Does the chain exist, and how many rules does it hold?
    Chain,
}

/// Writes a question, numbered `seq`, and returns its bytes; [`Full`] below 64 bytes. No batch is needed.
pub fn query(buf: &mut [u8], what: Query, seq: u32) -> Result<&[u8], Full> {
    let kind = match what {
        Query::Table => GETTABLE,
        Query::Chain => GETCHAIN,
    };
    let mut len = 0;
    let mut put = |bytes: &[u8]| {
        let end = len + bytes.len();
        buf.get_mut(len..end).ok_or(Full)?.copy_from_slice(bytes);
        len = end;
        Ok(())
    };
    // Lengths are those of the fixed texts: NUL-terminated and padded to four.
    let total: u32 = if kind == GETCHAIN { 48 } else { 32 };
    put(&total.to_ne_bytes())?;
    put(&(SUBSYSTEM << 8 | kind).to_ne_bytes())?;
    put(&NLM_F_REQUEST.to_ne_bytes())?;
    put(&seq.to_ne_bytes())?;
    put(&[0; 4])?;
    put(&[FAMILY_INET, 0, 0, 0])?;
    put(&12u16.to_ne_bytes())?;
    put(&1u16.to_ne_bytes())?; // NFTA_TABLE_NAME, NFTA_CHAIN_TABLE
    put(b"edgeban\0")?;
    if kind == GETCHAIN {
        put(&15u16.to_ne_bytes())?;
        put(&3u16.to_ne_bytes())?; // NFTA_CHAIN_NAME
        put(b"prerouting\0\0")?;
    }
    buf.get(..len).ok_or(Full)
}
