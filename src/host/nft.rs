//! The nftables sink: puts the blocklist's changes into the kernel, and makes the table anew where it was damaged.
//!
//! In: [`Change`]s and the current [`Instant`], milliseconds. Out: the table that [`crate::action::nftables`]
//! describes. Memory is lent at [`NftSink::open`]; a change allocates nothing.
//!
//! A turn of the event loop is: [`NftSink::push`] for each change, [`NftSink::flush`] once, and
//! [`NftSink::read_events`] when [`NftSink::fd`] is readable. Any error makes the sink *stale*: it then ignores changes,
//! until [`NftSink::install`] has made the table anew from the whole blocklist. So a failing kernel costs no memory. The
//! caller should call `install` at once, and after growing pauses while it fails:
//!
//! ```no_run
//! # use edgeban::{blocklist::Ban, host::nft::{NftError, NftSink}, time::Instant};
//! # use edgeban::action::nftables::Op;
//! # let (now, bans) = (Instant::ZERO, Vec::<Ban>::new());
//! let (mut buffer, mut ops) = (vec![0; 65536], vec![Op::EMPTY; 512]);
//! let mut sink = NftSink::open(&mut buffer, &mut ops)?;
//! sink.install(&[(1, &[(22, 22)])], bans.iter().copied(), now)?;
//! // epoll says that sink.fd() is readable
//! if !sink.read_events()? {
//!     sink.install(&[(1, &[(22, 22)])], bans.iter().copied(), now)?;
//! }
//! # Ok::<(), NftError>(())
//! ```
//!
//! Dropping the sink leaves the table and its timed bans in place; [`NftSink::remove`] takes them away.

use super::netlink::{Read, Socket};
use crate::action::nftables::{
    Answer, Answers, Batch, CHAIN, Finished, Full, Held, Layout, Listing, Malformed, Mode, Name, Op,
    PortRange, Progress, Query, Queue, Set, TABLE, list, query, ranges, touches_ours,
};
use crate::blocklist::{Ban, Change, Scope};
use crate::time::Instant;
use core::ffi::c_int;
use core::fmt;
use std::vec::Vec;
use std::{io, vec};

/// Why the kernel did not do what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NftError {
    /// CAP_NET_ADMIN is missing (EPERM). Only a restart with more rights helps.
    NoPermission,
    /// This kernel has no nf_tables, or lacks a part of it. Loading the modules helps.
    Unsupported,
    /// The table, or a set or rule of it, no longer exists (ENOENT): install again.
    Lost,
    /// The kernel refused a message.
    Refused {
        /// Its errno.
        errno: i32,
        /// Which message of the batch, from 0.
        message: u32,
    },
    /// Sending or receiving failed with this errno.
    Io(i32),
    /// The kernel did not answer.
    NoAnswer,
    /// Somebody changed the table while it was listed or made: again.
    Torn,
    /// The answer was no netlink.
    Malformed(Malformed),
    /// The scopes do not fit: a number above 63, or more ports than the buffer holds; or the buffer is below
    /// 4,096 bytes, or there are fewer than two slots for changes.
    TooSmall,
}

impl fmt::Display for NftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPermission => f.write_str("no permission to change nftables (needs CAP_NET_ADMIN)"),
            Self::Unsupported => f.write_str("this kernel has no nf_tables"),
            Self::Lost => f.write_str("the nftables table is gone"),
            Self::Refused { errno, message } => {
                write!(f, "the kernel refused message {message}: {}", io::Error::from_raw_os_error(*errno))
            }
            Self::Io(errno) => write!(f, "netlink: {}", io::Error::from_raw_os_error(*errno)),
            Self::NoAnswer => f.write_str("netlink: no answer"),
            Self::Torn => f.write_str("the nftables table was changed meanwhile"),
            Self::Malformed(_) => f.write_str("netlink: malformed answer"),
            Self::TooSmall => f.write_str("too many scopes or ports for the netlink buffer"),
        }
    }
}

impl core::error::Error for NftError {}

impl From<Full> for NftError {
    fn from(_: Full) -> Self {
        Self::TooSmall
    }
}

impl From<io::Error> for NftError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().unwrap_or(0) {
            libc::EPERM | libc::EACCES => Self::NoPermission,
            libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT => Self::Unsupported,
            errno => Self::Io(errno),
        }
    }
}

/// What was sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Batches, one datagram and one transaction each.
    pub batches: u64,
    /// Messages within them.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
    /// Times the table was made anew.
    pub installs: u64,
}

/// The kernel tells many changes in one datagram, up to a page of at most 8 KiB.
const LONGEST_NEWS: usize = 16 * 1024;

/// What was announced; later variants outweigh earlier ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    Nothing,
    /// Somebody changed the ruleset.
    Others,
    /// Somebody changed our table, or it is not known what they did.
    Ours,
}

/// Keeps the table `inet edgeban` the same as the blocklist.
pub struct NftSink<'m> {
    ask: Socket,
    hear: Socket,
    buffer: &'m mut [u8],
    queue: Queue<'m>,
    layout: Layout,
    seq: u32,
    stale: bool,
    /// The kernel's number of our table.
    handle: u64,
    sent: Sent,
}

impl<'m> NftSink<'m> {
    /// Opens the sockets in the network namespace of this thread. `buffer` bounds a batch: 64 KiB hold 2,300 IPv4
    /// bans, 4 KiB is the least. `ops` bounds the changes that wait for a flush; two is the least. The sink is
    /// stale until [`NftSink::install`].
    ///
    /// # Errors
    /// [`NftError::NoPermission`] without CAP_NET_ADMIN, [`NftError::Unsupported`], [`NftError::TooSmall`].
    pub fn open(buffer: &'m mut [u8], ops: &'m mut [Op]) -> Result<Self, NftError> {
        Batch::begin(buffer, 0)?;
        if ops.len() < 2 {
            return Err(NftError::TooSmall);
        }
        let ask = Socket::ask(buffer.len())?;
        Ok(Self {
            hear: Socket::hear(&ask)?,
            ask,
            buffer,
            queue: Queue::new(ops),
            layout: Layout::new(),
            seq: 1,
            stale: true,
            handle: 0,
            sent: Sent::default(),
        })
    }

    /// Readable when somebody changed the ruleset; call [`NftSink::read_events`] then.
    pub fn fd(&self) -> c_int {
        self.hear.fd()
    }

    /// Whether the table has to be made anew with [`NftSink::install`].
    pub const fn is_stale(&self) -> bool {
        self.stale
    }

    /// What was sent since the start.
    pub const fn sent(&self) -> Sent {
        self.sent
    }

    /// Bans that were left out because their scope was not installed.
    pub const fn refused(&self) -> u64 {
        self.queue.refused().get()
    }

    /// Makes the table anew and puts `bans` into it, whatever it held before. `scopes` gives the ports of each scope above 0.
    /// Changes pushed before are dropped: `bans` has to be the whole blocklist.
    ///
    /// One transaction replaces the old table by the new one with as many bans as fit the first batch; the other batches
    /// follow at once.
    ///
    /// # Errors
    /// Any; the sink is then stale. [`NftError::Torn`] where somebody took the table away between two batches.
    pub fn install(
        &mut self,
        scopes: &[(Scope, &[PortRange])],
        bans: impl Iterator<Item = Ban>,
        now: Instant,
    ) -> Result<(), NftError> {
        let made = self.make(scopes, bans, now);
        // Where others did nothing, it is the kernel that lacks a part.
        if made == Err(NftError::Lost) && self.heard()? == Heard::Ours {
            return Err(NftError::Torn);
        }
        made
    }

    fn make(
        &mut self,
        scopes: &[(Scope, &[PortRange])],
        bans: impl Iterator<Item = Ban>,
        now: Instant,
    ) -> Result<(), NftError> {
        self.stale = true;
        self.queue.clear();
        self.layout = Layout::new();
        // What was announced until now is about the old table.
        self.heard()?;
        let mut batch = Batch::begin(self.buffer, self.seq)?;
        batch.table_add()?;
        batch.table_delete()?;
        batch.table_add()?;
        batch.chain_add()?;
        for (scope, ports) in scopes.iter().filter(|(scope, _)| *scope != 0) {
            batch.ports_add(*scope, ports, self.layout.table_uses())?;
            self.layout.add_scope(*scope)?;
        }
        let mut bans = bans.peekable();
        loop {
            while let Some(ban) = bans.peek()
                && self.queue.push_ban(ban).is_ok()
            {
                bans.next();
            }
            while self.queue.encode(&mut batch, &mut self.layout, now, Mode::Fresh) == Progress::More {
                let finished = batch.finish()?;
                self.seq = finished.next();
                commit(&self.ask, &finished, &mut self.sent)?;
                batch = Batch::begin(self.buffer, self.seq)?;
            }
            if bans.peek().is_none() {
                break;
            }
        }
        if !batch.is_empty() {
            let finished = batch.finish()?;
            self.seq = finished.next();
            commit(&self.ask, &finished, &mut self.sent)?;
        }
        self.sent.installs += 1;
        self.handle = self.table()?.ok_or(NftError::Lost)?.0;
        self.stale = false;
        Ok(())
    }

    /// Makes the sink stale, so that the table is installed anew: for when the scopes changed.
    pub const fn invalidate(&mut self) {
        self.stale = true;
    }

    /// Takes a change and keeps it until [`NftSink::flush`]; flushes first where there is no room.
    ///
    /// # Errors
    /// Those of [`NftSink::flush`].
    pub fn push(&mut self, change: &Change, now: Instant) -> Result<(), NftError> {
        if self.stale {
            return Ok(());
        }
        if self.queue.push(change).is_err() {
            self.flush(now)?;
            self.queue.push(change)?;
        }
        Ok(())
    }

    /// Tells the kernel what was pushed, and reads its answer.
    ///
    /// # Errors
    /// Any; the sink is then stale. [`NftError::Lost`] where somebody removed the table or a part of it.
    pub fn flush(&mut self, now: Instant) -> Result<(), NftError> {
        if self.stale || self.queue.is_empty() {
            return Ok(());
        }
        let done = self.write_queue(now);
        if done.is_err() {
            self.stale = true;
            self.queue.clear();
        }
        done
    }

    fn write_queue(&mut self, now: Instant) -> Result<(), NftError> {
        loop {
            let mut batch = Batch::begin(self.buffer, self.seq)?;
            let progress = self.queue.encode(&mut batch, &mut self.layout, now, Mode::Standing);
            if !batch.is_empty() {
                let finished = batch.finish()?;
                self.seq = finished.next();
                commit(&self.ask, &finished, &mut self.sent)?;
            }
            if progress == Progress::Done {
                return Ok(());
            }
        }
    }

    /// Reads what [`NftSink::fd`] announced. `false`: the table is not as it was, so the sink is stale.
    ///
    /// # Errors
    /// [`NftError::Io`], [`NftError::Malformed`]; the sink is then stale.
    pub fn read_events(&mut self) -> Result<bool, NftError> {
        // Stale until it is known not to be, an error included.
        let before = core::mem::replace(&mut self.stale, true);
        match self.heard()? {
            Heard::Nothing => {
                self.stale = before;
                Ok(!before)
            }
            Heard::Others => {
                self.stale = before;
                self.check()
            }
            Heard::Ours => Ok(false),
        }
    }

    /// What others did since the last look.
    fn heard(&self) -> Result<Heard, NftError> {
        let (mut buf, mut heard) = (vec![0; LONGEST_NEWS], Heard::Nothing);
        loop {
            match self.hear.receive(&mut buf)? {
                Read::Empty => return Ok(heard),
                Read::Lost => heard = Heard::Ours,
                Read::Bytes(n) if touches_ours(buf.get(..n).unwrap_or(&[])) => heard = Heard::Ours,
                Read::Bytes(_) => heard = heard.max(Heard::Others),
            }
        }
    }

    /// Asks the kernel whether the table is the one that was installed, with as many sets and rules. `false`
    /// makes the sink stale. Elements that are gone are not noticed here, but by [`NftSink::read_events`].
    ///
    /// # Errors
    /// Any; the sink is then stale.
    pub fn check(&mut self) -> Result<bool, NftError> {
        if self.stale {
            return Ok(false);
        }
        self.stale = true;
        let table = self.table()?;
        let chain = if table.is_some() { self.chain()? } else { None };
        let intact = table == Some((self.handle, self.layout.table_uses()))
            && chain == Some(self.layout.chain_uses());
        self.stale = !intact;
        Ok(intact)
    }

    /// Lists the table as an earlier run left it: calls `each` with every element, its set, and the ports of the set's scope
    /// (none for every port). Without a table it calls nothing. To be called before [`NftSink::install`]. Allocates.
    ///
    /// # Errors
    /// Any, perhaps after some elements. After [`NftError::Torn`], asking again may help.
    pub fn standing(&mut self, mut each: impl FnMut(Set, &[PortRange], &Held<'_>)) -> Result<(), NftError> {
        let mut sets = Vec::new();
        self.list(Listing::Sets, &mut |answer| {
            if let Answer::Set { name, .. } = answer {
                sets.extend(Set::named(name));
            }
            Ok(())
        })?;
        for set in sets {
            let mut ports = Vec::new();
            if set.scope() != 0 {
                let mut bounds = Vec::new();
                self.elements(&Name::ports(set.scope()), &mut |held| {
                    if let Some(bound) = held.port() {
                        // The kernel mostly lists them in order: then this only appends.
                        let key = |&(port, end): &(u16, bool)| (port, end);
                        bounds.insert(bounds.partition_point(|b| key(b) < key(&bound)), bound);
                    }
                })?;
                ranges(&bounds, |range| ports.push(range));
            }
            self.elements(&set.name(), &mut |held| each(set, &ports, held))?;
        }
        Ok(())
    }

    fn elements(&mut self, set: &Name, each: &mut dyn FnMut(&Held<'_>)) -> Result<(), NftError> {
        self.list(Listing::Elements(set), &mut |answer| {
            if let Answer::Elements { list, .. } = answer {
                for held in list {
                    each(&held.map_err(NftError::Malformed)?);
                }
            }
            Ok(())
        })
    }

    /// Asks for a listing and reads all of it. The listing of what does not exist is empty.
    fn list(
        &mut self,
        what: Listing<'_>,
        each: &mut dyn FnMut(Answer<'_>) -> Result<(), NftError>,
    ) -> Result<(), NftError> {
        let (mut question, mut done, seq) = ([0; 64], false, self.seq);
        self.seq = seq.wrapping_add(1);
        self.ask.send(list(&mut question, what, seq)?)?;
        // The kernel fills no datagram of a listing beyond 32 KiB.
        each_answer(&self.ask, &mut vec![0; 32 * 1024], |answer| match answer {
            Answer::Done { seq: s } | Answer::Error { seq: s, errno: libc::ENOENT } if s == seq => {
                done = true;
                Ok(())
            }
            Answer::Error { seq: s, errno } if s == seq => Err(NftError::Refused { errno, message: 0 }),
            Answer::Torn { seq: s } if s == seq => Err(NftError::Torn),
            other => each(other),
        })?;
        if done { Ok(()) } else { Err(NftError::NoAnswer) }
    }

    /// Deletes the table and every ban in the kernel. The sink is stale afterwards.
    ///
    /// # Errors
    /// Any.
    pub fn remove(&mut self) -> Result<(), NftError> {
        self.stale = true;
        self.queue.clear();
        let mut batch = Batch::begin(self.buffer, self.seq)?;
        batch.table_add()?;
        batch.table_delete()?;
        let finished = batch.finish()?;
        self.seq = finished.next();
        commit(&self.ask, &finished, &mut self.sent)?;
        Ok(())
    }

    /// Handle and uses of the table.
    fn table(&mut self) -> Result<Option<(u64, u32)>, NftError> {
        self.ask(Query::Table, |answer| match answer {
            Answer::Table { name, handle, uses, .. } if name == TABLE.as_bytes() => Some((handle, uses)),
            _ => None,
        })
    }

    /// Uses of the chain.
    fn chain(&mut self) -> Result<Option<u32>, NftError> {
        self.ask(Query::Chain, |answer| match answer {
            Answer::Chain { name, uses, .. } if name == CHAIN.as_bytes() => Some(uses),
            _ => None,
        })
    }

    fn ask<T>(
        &mut self,
        what: Query,
        mut take: impl FnMut(Answer<'_>) -> Option<T>,
    ) -> Result<Option<T>, NftError> {
        let mut buf = [0; 4096];
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        self.ask.send(query(&mut buf, what, seq)?)?;
        let mut found = None;
        let mut answered = false;
        each_answer(&self.ask, &mut buf, |answer| match answer {
            Answer::Error { seq: s, errno: libc::ENOENT } if s == seq => {
                answered = true;
                Ok(())
            }
            Answer::Error { seq: s, errno } if s == seq => Err(NftError::Refused { errno, message: 0 }),
            Answer::Table { seq: s, .. } | Answer::Chain { seq: s, .. } if s == seq => {
                answered = true;
                found = take(answer);
                Ok(())
            }
            _ => Ok(()),
        })?;
        if answered { Ok(found) } else { Err(NftError::NoAnswer) }
    }
}

/// Calls `each` with all that the kernel has answered.
fn each_answer(
    socket: &Socket,
    buf: &mut [u8],
    mut each: impl FnMut(Answer<'_>) -> Result<(), NftError>,
) -> Result<(), NftError> {
    let mut failed = Ok(());
    loop {
        match socket.receive(buf)? {
            Read::Empty => return failed,
            Read::Lost => failed = failed.and(Err(NftError::NoAnswer)),
            // Read on after a failure: what is left would be taken for the answer to the next question.
            Read::Bytes(len) => {
                for answer in Answers::new(buf.get(..len).unwrap_or(&[])) {
                    let result = answer.map_err(NftError::Malformed).and_then(&mut each);
                    failed = failed.and(result);
                }
            }
        }
    }
}

/// Sends a batch and reads what became of it. The first refusal is the error.
fn commit(socket: &Socket, batch: &Finished<'_>, sent: &mut Sent) -> Result<(), NftError> {
    socket.send(batch.bytes)?;
    sent.batches += 1;
    sent.messages += u64::from(batch.messages);
    sent.bytes += batch.bytes.len() as u64;
    let mut buf = [0; 4096];
    let mut acknowledged = false;
    each_answer(socket, &mut buf, |answer| match answer {
        Answer::Ack { seq } if seq == batch.ack => {
            acknowledged = true;
            Ok(())
        }
        Answer::Error { seq, errno } if batch.owns(seq) => Err(match errno {
            libc::EPERM | libc::EACCES => NftError::NoPermission,
            libc::ENOENT => NftError::Lost,
            libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT => NftError::Unsupported,
            errno => NftError::Refused { errno, message: seq.wrapping_sub(batch.first) },
        }),
        Answer::Overrun => Err(NftError::NoAnswer),
        _ => Ok(()),
    })?;
    if !acknowledged {
        return Err(NftError::NoAnswer);
    }
    Ok(())
}
