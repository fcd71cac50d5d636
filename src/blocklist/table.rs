//! The entries: two heaps ordered by expiry that share the lent slots, and the index over both.
//!
//! The heap of automatic bans grows from the first slot on, that of manual ones from the last slot backwards; the table is
//! full when they meet. Each root is the entry of its kind that expires first, so expiry and eviction find it at once. When
//! a heap moves an entry it tells the index, so entries need no links.

use super::Ban;
use super::index::{Index, Steps};
use super::slot::Slot;
use crate::addr::{Addr, Prefix};
use crate::time::Instant;

/// Children per heap node. Four instead of two halve the depth, and so the moves, each of which costs more than the
/// additional comparisons.
const FAN: usize = 4;

pub(super) struct Table<'a> {
    slots: &'a mut [Slot],
    index: Index<'a>,
    automatic: usize,
    manual: usize,
    capacity: usize,
}

impl<'a> Table<'a> {
    pub(super) fn new(slots: &'a mut [Slot], index: Index<'a>) -> Self {
        let capacity = slots.len().min(index.room());
        Self { slots, index, automatic: 0, manual: 0, capacity }
    }

    pub(super) fn len(&self) -> usize {
        self.automatic + self.manual
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn manual(&self) -> usize {
        self.manual
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    fn count(&self, manual: bool) -> usize {
        if manual { self.manual } else { self.automatic }
    }

    /// Position of the `i`th node of a heap. The two mirror each other, so this is its own inverse.
    fn place(&self, manual: bool, i: usize) -> usize {
        if manual { self.capacity.saturating_sub(i + 1) } else { i }
    }

    fn is_manual(&self, at: usize) -> bool {
        at >= self.automatic
    }

    fn node(&self, manual: bool, i: usize) -> Option<&Slot> {
        self.slots.get(self.place(manual, i))
    }

    #[inline(always)]
    pub(super) fn find<S: Steps>(&self, addr: Addr, bits: u8, steps: &mut S) -> Option<usize> {
        self.index.find(self.slots, addr, bits, steps)
    }

    #[inline]
    pub(super) fn slot(&self, at: usize) -> Option<&Slot> {
        self.slots.get(at)
    }

    pub(super) fn ban(&self, at: usize) -> Option<Ban> {
        Some(self.slots.get(at)?.ban(self.is_manual(at)))
    }

    /// The entry of a heap that expires first.
    pub(super) fn soonest(&self, manual: bool) -> Option<Ban> {
        if self.count(manual) == 0 {
            return None;
        }
        self.ban(self.place(manual, 0))
    }

    /// Some entry, the cheapest one to remove.
    pub(super) fn last(&self) -> Option<Ban> {
        let manual = self.automatic == 0;
        self.ban(self.place(manual, self.count(manual).checked_sub(1)?))
    }

    /// See [`Index::next`].
    pub(super) fn next(&self, seen: Option<(u64, Prefix)>) -> Option<(u64, Prefix, usize)> {
        self.index.next(self.slots, seen)
    }

    /// Every target, in no order.
    pub(super) fn targets(&self) -> impl Iterator<Item = Prefix> {
        let left = self.slots.iter().take(self.automatic);
        let right = self.slots.iter().take(self.capacity).skip(self.capacity - self.manual);
        left.chain(right).map(Slot::target)
    }

    /// Adds an entry whose target is not there yet. `false`, and nothing done, where it is full.
    pub(super) fn add(&mut self, ban: &Ban) -> bool {
        if self.is_full() {
            return false;
        }
        let (manual, i) = (ban.manual, self.count(ban.manual));
        let hash = self.index.hash(ban.target.addr(), ban.target.bits());
        let Some(cell) = self.index.add(hash, self.place(manual, i)) else { return false };
        self.grow(manual, true);
        self.rise(manual, i, Slot::new(ban), cell);
        true
    }

    /// Takes the entry out that lies `at`.
    pub(super) fn remove(&mut self, at: usize) {
        let Some(cell) = self.slots.get(at).and_then(|slot| self.cell_of(slot, at)) else { return };
        let manual = self.is_manual(at);
        let i = self.place(manual, at);
        self.index.remove(self.slots, cell);
        let last = self.place(manual, self.count(manual).saturating_sub(1));
        let moving = self.slots.get(last).copied();
        self.grow(manual, false);
        if let Some(slot) = moving.filter(|_| last != at)
            && let Some(cell) = self.cell_of(&slot, last)
        {
            let parent = i.checked_sub(1).and_then(|up| self.node(manual, up / FAN));
            if parent.is_some_and(|p| p.until() > slot.until()) {
                self.rise(manual, i, slot, cell);
            } else {
                self.sink(manual, i, slot, cell);
            }
        }
    }

    fn grow(&mut self, manual: bool, more: bool) {
        let count = if manual { &mut self.manual } else { &mut self.automatic };
        *count = if more { *count + 1 } else { count.saturating_sub(1) };
    }

    fn cell_of(&self, slot: &Slot, at: usize) -> Option<usize> {
        let target = slot.target();
        self.index.cell_of(self.index.hash(target.addr(), target.bits()), at)
    }

    fn put(&mut self, at: usize, slot: Slot, cell: usize) {
        if let Some(room) = self.slots.get_mut(at) {
            *room = slot;
        }
        self.index.moved(cell, at);
    }

    /// Moves the entry of node `from` into the free node `to`.
    fn shift(&mut self, manual: bool, from: usize, to: usize) {
        let (from, to) = (self.place(manual, from), self.place(manual, to));
        if let Some(slot) = self.slots.get(from).copied()
            && let Some(cell) = self.cell_of(&slot, from)
        {
            self.put(to, slot, cell);
        }
    }

    /// Puts `slot` into the free node `i` or above it.
    fn rise(&mut self, manual: bool, mut i: usize, slot: Slot, cell: usize) {
        while let Some(up) = i.checked_sub(1).map(|i| i / FAN)
            && self.node(manual, up).is_some_and(|parent| parent.until() > slot.until())
        {
            self.shift(manual, up, i);
            i = up;
        }
        self.put(self.place(manual, i), slot, cell);
    }

    /// Puts `slot` into the free node `i` or below it.
    fn sink(&mut self, manual: bool, mut i: usize, slot: Slot, cell: usize) {
        while let Some((child, until)) = self.first_child(manual, i)
            && until < slot.until()
        {
            self.shift(manual, child, i);
            i = child;
        }
        self.put(self.place(manual, i), slot, cell);
    }

    fn first_child(&self, manual: bool, i: usize) -> Option<(usize, Instant)> {
        let first = i * FAN + 1;
        (first..self.count(manual).min(first + FAN))
            .filter_map(|child| Some((child, self.node(manual, child)?.until())))
            .min_by_key(|&(_, until)| until)
    }
}
