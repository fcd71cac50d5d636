//! Target → position: open addressing with linear probing over lent cells, under a keyed hash.
//!
//! A cell is 0 where empty, else 12 bits of the hash above 20 bits of position + 1. The 12 bits mean that a probe almost
//! never reads an entry which is not the right one. A greater hash has a later home cell, so walking the homes in order lists
//! the entries in the order of their hashes, whatever is added or removed meanwhile.

use super::slot::Slot;
use super::universal::Universal;
use crate::addr::{Addr, Prefix};

/// Cells that are read at once, and in which a home begins.
const GROUP: usize = 4;

const POSITION: u32 = (1 << 20) - 1;

/// The most entries that a cell can point to.
pub(super) const MOST: usize = POSITION as usize;

/// Counts the groups of cells that a lookup reads; `()` counts nothing and costs nothing.
pub(super) trait Steps {
    fn step(&mut self);
}

impl Steps for () {
    #[inline]
    fn step(&mut self) {}
}

impl Steps for u32 {
    fn step(&mut self) {
        *self = self.saturating_add(1);
    }
}

pub(super) struct Index<'a> {
    cells: &'a mut [u32],
    key: Universal,
}

impl<'a> Index<'a> {
    pub(super) fn new(cells: &'a mut [u32], key: Universal) -> Self {
        // Fresh memory of an operating system is zero, and has no page behind it until it is written to.
        if cells.iter().any(|cell| *cell != 0) {
            cells.fill(0);
        }
        let groups = cells.len() / GROUP;
        let cells = cells.get_mut(..groups * GROUP).unwrap_or_default();
        Self { cells, key }
    }

    /// How many entries it takes: one cell in eight stays empty, so that probes end early.
    pub(super) fn room(&self) -> usize {
        (self.cells.len() - self.cells.len().div_ceil(8)).min(MOST)
    }

    #[inline]
    pub(super) fn hash(&self, addr: Addr, bits: u8) -> u64 {
        self.key.hash(addr, bits)
    }

    #[inline]
    pub(super) fn home(&self, hash: u64) -> usize {
        (((hash >> 32) * (self.cells.len() / GROUP) as u64) >> 32) as usize * GROUP
    }

    #[inline]
    fn after(&self, cell: usize) -> usize {
        if cell + 1 < self.cells.len() { cell + 1 } else { 0 }
    }

    #[inline]
    fn tag(hash: u64) -> u32 {
        (hash as u32) & !POSITION
    }

    /// Where the entry for exactly this prefix lies.
    // Inlined, for the packet path. On a router the kernel has the packet path: there one function is smaller than seven
    // copies.
    #[cfg_attr(any(not(feature = "std"), target_pointer_width = "64"), inline(always))]
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    pub(super) fn find<S: Steps>(
        &self,
        slots: &[Slot],
        addr: Addr,
        bits: u8,
        steps: &mut S,
    ) -> Option<usize> {
        let hash = self.hash(addr, bits);
        let tag = Self::tag(hash);
        let mut cell = self.home(hash);
        for _ in 0..self.cells.len() / GROUP {
            steps.step();
            let group = self.cells.get(cell..)?.first_chunk::<GROUP>()?;
            // No branch per cell, since which one matches cannot be predicted. An empty cell never matches, since the
            // position in a full one is not 0.
            let mut same = 0u32;
            for (i, &held) in group.iter().enumerate() {
                same |= u32::from((held ^ tag).wrapping_sub(1) < POSITION) << i;
            }
            while same != 0 {
                let i = same.trailing_zeros() as usize & (GROUP - 1);
                same &= same - 1;
                let at = self.position(*group.get(i)?)?;
                if slots.get(at)?.is(addr, bits) {
                    return Some(at);
                }
            }
            if group.contains(&0) {
                return None;
            }
            cell = if cell + GROUP < self.cells.len() { cell + GROUP } else { 0 };
        }
        None
    }

    /// The cell that points to `at`, where the entry with this hash lies.
    pub(super) fn cell_of(&self, hash: u64, at: usize) -> Option<usize> {
        let want = Self::tag(hash) | (at as u32 + 1);
        let mut cell = self.home(hash);
        for _ in 0..self.cells.len() {
            match *self.cells.get(cell)? {
                0 => return None,
                held if held == want => return Some(cell),
                _ => cell = self.after(cell),
            }
        }
        None
    }

    /// Takes a cell for a new entry that lies `at`; `None` where no cell is empty.
    pub(super) fn add(&mut self, hash: u64, at: usize) -> Option<usize> {
        let mut cell = self.home(hash);
        for _ in 0..self.cells.len() {
            if *self.cells.get(cell)? == 0 {
                *self.cells.get_mut(cell)? = Self::tag(hash) | (at as u32 + 1);
                return Some(cell);
            }
            cell = self.after(cell);
        }
        None
    }

    /// The entry of this cell now lies `at`.
    pub(super) fn moved(&mut self, cell: usize, at: usize) {
        if let Some(held) = self.cells.get_mut(cell) {
            *held = (*held & !POSITION) | (at as u32 + 1);
        }
    }

    /// Empties a cell and closes the gap, so that no tombstone ever lengthens a probe.
    pub(super) fn remove(&mut self, slots: &[Slot], cell: usize) {
        let (mut gap, mut next) = (cell, cell);
        for _ in 0..self.cells.len() {
            next = self.after(next);
            let held = self.cells.get(next).copied().unwrap_or(0);
            let Some(slot) = self.position(held).and_then(|at| slots.get(at)) else { break };
            let target = slot.target();
            let home = self.home(self.hash(target.addr(), target.bits()));
            if self.distance(home, next) >= self.distance(gap, next) {
                if let Some(hole) = self.cells.get_mut(gap) {
                    *hole = held;
                }
                gap = next;
            }
        }
        if let Some(hole) = self.cells.get_mut(gap) {
            *hole = 0;
        }
    }

    /// The entry that comes next after `seen` in the order of hash, then target. `None` starts.
    pub(super) fn next(&self, slots: &[Slot], seen: Option<(u64, Prefix)>) -> Option<(u64, Prefix, usize)> {
        let first = seen.map_or(0, |(hash, _)| self.home(hash));
        for home in (first..self.cells.len()).step_by(GROUP) {
            let mut best: Option<(u64, Prefix, usize)> = None;
            let mut cell = home;
            for _ in 0..self.cells.len() {
                let Some(at) = self.position(*self.cells.get(cell)?) else { break };
                let target = slots.get(at)?.target();
                let hash = self.hash(target.addr(), target.bits());
                if self.home(hash) == home
                    && seen.is_none_or(|seen| (hash, target) > seen)
                    && best.is_none_or(|(h, t, _)| (hash, target) < (h, t))
                {
                    best = Some((hash, target, at));
                }
                cell = self.after(cell);
            }
            if best.is_some() {
                return best;
            }
        }
        None
    }

    fn position(&self, held: u32) -> Option<usize> {
        ((held & POSITION) as usize).checked_sub(1)
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.cells.len() - from }
    }
}
