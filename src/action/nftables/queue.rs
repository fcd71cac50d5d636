//! Changes that wait to be sent, merged and grouped so that many of them make few messages.
//!
//! Only the last change of a target in a set counts, so messages need not be in the order of the changes. What a set
//! already holds is never relied on: kernels before 6.12 keep the old timeout of an element that is added again, and a
//! batch fails as a whole if it deletes an element that has just expired. So each change to an existing set is *add, delete,
//! add*: the first makes sure that the delete finds the element, and no packet sees the states within a batch.

use super::layout::{Layout, Set};
use super::objects::{Element, MOST_ELEMENT_BYTES, element_len, elements_overhead};
use super::wire::{Batch, Full};
use crate::addr::{Addr, Prefix};
use crate::blocklist::{Ban, Change, Reason, Scope};
use crate::tally::Count;
use crate::time::Instant;

/// A slot of a [`Queue`], 32 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    until: Instant,
    addr: Addr,
    order: u32,
    set: Set,
}

impl Op {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        until: Instant::ZERO,
        addr: Addr::UNSPECIFIED,
        order: 0,
        set: Set::of(Prefix::host(Addr::UNSPECIFIED), 0),
    };

    /// The element that is to be in the set at `now`, if one is.
    fn wanted(&self, now: Instant) -> Option<Element> {
        if self.until == Instant::NEVER {
            return Some(Element { addr: self.addr, timeout: None });
        }
        let left = self.until.since(now).millis();
        (left > 0).then_some(Element { addr: self.addr, timeout: Some(left) })
    }

    const fn bare(&self) -> Element {
        Element { addr: self.addr, timeout: None }
    }
}

/// What the sets that a queue is written to may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only what this queue wrote: the table was just made anew.
    Fresh,
    /// Anything: elements may exist already, or may have expired.
    Standing,
}

/// How far [`Queue::encode`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All is written; the queue is empty.
    Done,
    /// The batch is full: send it, begin another, call again.
    More,
}

/// Changes waiting, in lent slots.
pub struct Queue<'a> {
    ops: &'a mut [Op],
    len: usize,
    /// How far a sorted queue is written; `None` while it takes changes.
    at: Option<usize>,
    refused: Count,
}

impl<'a> Queue<'a> {
    /// An empty queue. With fewer than two slots it is always full.
    pub fn new(ops: &'a mut [Op]) -> Self {
        Self { ops, len: 0, at: None, refused: Count::ZERO }
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Drops what waits; the caller will send the whole blocklist instead.
    pub const fn clear(&mut self) {
        self.len = 0;
        self.at = None;
    }

    /// How many bans were left out because the port set of their scope is missing.
    pub const fn refused(&self) -> Count {
        self.refused
    }

    /// Takes a change; expiries are ignored, since the kernel's own timeouts end bans.
    ///
    /// # Errors
    ///
    /// [`Full`], and nothing taken, where fewer than two slots are free or the queue is being written: encode first.
    pub fn push(&mut self, change: &Change) -> Result<(), Full> {
        match change {
            Change::Added(ban) => self.push_ban(ban),
            Change::Renewed { ban, old_scope } => {
                self.room_for_two()?;
                if ban.scope != *old_scope {
                    self.put(ban.target, *old_scope, Instant::ZERO)?;
                }
                self.put(ban.target, ban.scope, ban.until)
            }
            Change::Removed(_, Reason::Expired) => Ok(()),
            Change::Removed(ban, Reason::Unbanned | Reason::Evicted) => {
                self.room_for_two()?;
                self.put(ban.target, ban.scope, Instant::ZERO)
            }
        }
    }

    /// Takes a ban in force.
    ///
    /// # Errors
    ///
    /// [`Full`] as in [`Queue::push`].
    pub fn push_ban(&mut self, ban: &Ban) -> Result<(), Full> {
        self.room_for_two()?;
        self.put(ban.target, ban.scope, ban.until)
    }

    fn room_for_two(&self) -> Result<(), Full> {
        if self.at.is_some() || self.ops.len().saturating_sub(self.len) < 2 { Err(Full) } else { Ok(()) }
    }

    fn put(&mut self, target: Prefix, scope: Scope, until: Instant) -> Result<(), Full> {
        let slot = self.ops.get_mut(self.len).ok_or(Full)?;
        *slot = Op { until, addr: target.addr(), order: self.len as u32, set: Set::of(target, scope) };
        self.len += 1;
        Ok(())
    }

    /// Writes what waits into `batch`, with the sets and rules that `layout` lacks, and notes those in `layout`. Bans that are
    /// over by `now` are left out. If the kernel does not apply the batch, `layout` is wrong and the table has to be made
    /// anew.
    pub fn encode(
        &mut self,
        batch: &mut Batch<'_>,
        layout: &mut Layout,
        now: Instant,
        mode: Mode,
    ) -> Progress {
        let mut at = match self.at {
            Some(at) => at,
            None => {
                self.sort();
                0
            }
        };
        let ops = self.ops.get(..self.len).unwrap_or(&[]);
        while let Some(rest) = ops.get(at..)
            && let Some(first) = rest.first()
        {
            let set = first.set;
            let run = rest.iter().take_while(|op| op.set == set).count();
            let run = rest.get(..run).unwrap_or(rest);
            if !layout.has_scope(set.scope()) {
                self.refused.add(run.iter().filter(|op| op.wanted(now).is_some()).count() as u64);
                at += run.len();
                continue;
            }
            match write(batch, layout, set, run, now, mode) {
                Ok(written) => at += written,
                Err(Full) => {
                    self.at = Some(at);
                    return Progress::More;
                }
            }
        }
        self.clear();
        Progress::Done
    }

    /// Sorts by set and address, and keeps the last change of each.
    fn sort(&mut self) {
        let ops = self.ops.get_mut(..self.len).unwrap_or(&mut []);
        ops.sort_unstable_by_key(|op| (op.set, op.addr, op.order));
        let mut kept = 0;
        for i in 0..ops.len() {
            let Some(&op) = ops.get(i) else { break };
            let overruled = ops.get(i + 1).is_some_and(|next| (next.set, next.addr) == (op.set, op.addr));
            if !overruled && let Some(slot) = ops.get_mut(kept) {
                *slot = op;
                kept += 1;
            }
        }
        self.len = kept;
    }
}

/// Writes as much as fits of `run`, whose changes are all of `set`; returns how many changes.
fn write(
    batch: &mut Batch<'_>,
    layout: &mut Layout,
    set: Set,
    run: &[Op],
    now: Instant,
    mode: Mode,
) -> Result<usize, Full> {
    let fresh = mode == Mode::Fresh || !layout.has(set);
    if !layout.has(set) {
        if !run.iter().any(|op| op.wanted(now).is_some()) {
            return Ok(run.len());
        }
        // If the rule does not fit any more, the next batch adds the set again, which is no error.
        batch.set_add(set, layout.table_uses())?;
        batch.rule_add(set)?;
        layout.add(set);
    }
    let (plain, timed) = (element_len(set, false), element_len(set, true));
    let (each, messages) = if fresh { (timed, 1) } else { (plain + plain + timed, 3) };
    let fit = batch.room().saturating_sub(messages * elements_overhead()) / each;
    let count = fit.min(MOST_ELEMENT_BYTES / timed).min(run.len());
    let head = run.get(..count).filter(|head| !head.is_empty()).ok_or(Full)?;
    if !fresh {
        batch.elements_add(set, &mut head.iter().map(Op::bare))?;
        batch.elements_delete(set, &mut head.iter().map(Op::bare))?;
    }
    let mut wanted = head.iter().filter_map(|op| op.wanted(now)).peekable();
    if wanted.peek().is_some() {
        batch.elements_add(set, &mut wanted)?;
    }
    Ok(count)
}
