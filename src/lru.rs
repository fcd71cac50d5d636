//! A hash index with least-recently-used eviction, used by the session and jail tables.
//!
//! In: 64-bit keyed hashes and slot numbers. Out: slot numbers, 0 to [`Index::capacity`] − 1, for the caller's own
//! slice of entries. Memory is lent: one [`Link`] per slot, and buckets (half as many as slots to twice as many;
//! fewer make longer chains). When full, [`Index::insert`] returns `None` and the caller removes
//! [`Index::oldest`] first. Each operation costs O(1) plus the length of one chain, which stays near slots ÷
//! buckets because the hash is keyed with a secret. Nothing panics, on any argument.

#[cfg(test)]
mod tests;

use core::cell::Cell;

const NONE: u16 = u16::MAX;
/// In [`Link::place`]: the slot is in the second list.
const SECOND: u16 = 1 << 15;

/// One slot's links: 8 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Towards the most recent of its list.
    newer: u16,
    /// Towards the oldest of its list.
    older: u16,
    /// The next slot of its hash chain, or of the list of free slots.
    chain: u16,
    /// The bucket in the low 15 bits, the list in the top one.
    place: u16,
}

impl Link {
    /// Unused; what a board's static starts as.
    pub const EMPTY: Self = Self { newer: NONE, older: NONE, chain: NONE, place: 0 };
}

/// The two lists that a slot can be in, each ordered by last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// The list that a new slot is put into.
    First,
    /// The list that a caller may move a slot to, for a purpose of its own.
    Second,
}

#[derive(Clone, Copy)]
struct Ends {
    newest: u16,
    oldest: u16,
    len: u16,
}

/// Which slots are in use, for which hash, and how recently.
pub struct Index<'a> {
    links: &'a mut [Link],
    buckets: &'a mut [u16],
    free: u16,
    first: Ends,
    second: Ends,
    steps: Cell<u64>,
}

impl<'a> Index<'a> {
    /// An empty index over `links` (at most 65,535 of them are used) and `buckets` (at most 32,768). Without a
    /// bucket it has no capacity.
    pub fn new(links: &'a mut [Link], buckets: &'a mut [u16]) -> Self {
        let slots = if buckets.is_empty() { 0 } else { links.len().min(usize::from(NONE)) };
        let links = links.get_mut(..slots).unwrap_or_default();
        let kept = buckets.len().min(usize::from(SECOND));
        let buckets = buckets.get_mut(..kept).unwrap_or_default();
        buckets.fill(NONE);
        for (i, link) in links.iter_mut().enumerate() {
            *link = Link { chain: if i + 1 < slots { (i + 1) as u16 } else { NONE }, ..Link::EMPTY };
        }
        let none = Ends { newest: NONE, oldest: NONE, len: 0 };
        let free = if slots > 0 { 0 } else { NONE };
        Self { links, buckets, free, first: none, second: none, steps: Cell::new(0) }
    }

    /// How many slots there are.
    pub fn capacity(&self) -> usize {
        self.links.len()
    }

    /// How many are in use.
    pub fn len(&self) -> usize {
        usize::from(self.first.len) + usize::from(self.second.len)
    }

    /// Whether none is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots of `list` are in use.
    pub fn len_of(&self, list: List) -> usize {
        usize::from(self.ends(list).len)
    }

    /// How many chain links were followed so far: the measure of the work done.
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// The slot with this hash for which `is` returns true. Unequal keys may have equal hashes, so `is` must compare keys.
    pub fn find(&self, hash: u64, mut is: impl FnMut(u16) -> bool) -> Option<u16> {
        let mut at = *self.buckets.get(self.bucket(hash))?;
        // A chain has no cycle; the bound makes that independent of the rest of this file.
        for _ in 0..self.links.len() {
            let link = self.links.get(usize::from(at))?;
            self.steps.set(self.steps.get().saturating_add(1));
            if is(at) {
                return Some(at);
            }
            at = link.chain;
        }
        None
    }

    /// A free slot for `hash`, the most recent of the first list from now on; `None` where all are in use.
    pub fn insert(&mut self, hash: u64) -> Option<u16> {
        let slot = self.free;
        let bucket = self.bucket(hash);
        let next = self.links.get(usize::from(slot))?.chain;
        let head = self.buckets.get_mut(bucket)?;
        let chain = core::mem::replace(head, slot);
        self.free = next;
        if let Some(link) = self.link(slot) {
            *link = Link { chain, place: bucket as u16, ..Link::EMPTY };
        }
        self.push(slot, List::First);
        Some(slot)
    }

    /// Makes `slot` the most recent of its list.
    pub fn touch(&mut self, slot: u16) {
        if let Some(list) = self.list_of(slot) {
            self.shift(slot, list);
        }
    }

    /// Moves `slot`, which must be in use, to `list` as its most recent.
    pub fn shift(&mut self, slot: u16, list: List) {
        if self.ends(list).newest == slot {
            return;
        }
        self.detach(slot);
        self.push(slot, list);
    }

    /// The slot of `list` that was not used for the longest time.
    pub fn oldest(&self, list: List) -> Option<u16> {
        Some(self.ends(list).oldest).filter(|&slot| slot != NONE)
    }

    /// The slot used next after `slot` in its list; walks from [`Index::oldest`] to the most recent.
    pub fn newer(&self, slot: u16) -> Option<u16> {
        self.links.get(usize::from(slot)).map(|l| l.newer).filter(|&slot| slot != NONE)
    }

    /// Frees `slot`, which must be in use.
    pub fn remove(&mut self, slot: u16) {
        let Some(&Link { chain, place, .. }) = self.links.get(usize::from(slot)) else { return };
        self.detach(slot);
        let Some(head) = self.buckets.get_mut(usize::from(place & !SECOND)) else { return };
        if *head == slot {
            *head = chain;
        } else {
            let mut at = *head;
            for _ in 0..self.links.len() {
                self.steps.set(self.steps.get().saturating_add(1));
                let Some(link) = self.links.get_mut(usize::from(at)) else { break };
                if link.chain == slot {
                    link.chain = chain;
                    break;
                }
                at = link.chain;
            }
        }
        let free = core::mem::replace(&mut self.free, slot);
        if let Some(link) = self.link(slot) {
            *link = Link { chain: free, ..Link::EMPTY };
        }
    }

    /// Scales the hash to the buckets by multiplication, so that their number need not be a power of two.
    fn bucket(&self, hash: u64) -> usize {
        (((hash >> 32) * self.buckets.len() as u64) >> 32) as usize
    }

    fn link(&mut self, slot: u16) -> Option<&mut Link> {
        self.links.get_mut(usize::from(slot))
    }

    fn ends(&self, list: List) -> Ends {
        match list {
            List::First => self.first,
            List::Second => self.second,
        }
    }

    fn ends_mut(&mut self, list: List) -> &mut Ends {
        match list {
            List::First => &mut self.first,
            List::Second => &mut self.second,
        }
    }

    fn list_of(&self, slot: u16) -> Option<List> {
        let link = self.links.get(usize::from(slot))?;
        Some(if link.place & SECOND == 0 { List::First } else { List::Second })
    }

    fn push(&mut self, slot: u16, list: List) {
        let older = self.ends(list).newest;
        let Some(link) = self.link(slot) else { return };
        link.newer = NONE;
        link.older = older;
        link.place = link.place & !SECOND | if list == List::Second { SECOND } else { 0 };
        if let Some(link) = self.link(older) {
            link.newer = slot;
        }
        let ends = self.ends_mut(list);
        ends.newest = slot;
        ends.len = ends.len.saturating_add(1);
        if older == NONE {
            ends.oldest = slot;
        }
    }

    fn detach(&mut self, slot: u16) {
        let Some(list) = self.list_of(slot) else { return };
        let Some(&Link { newer, older, .. }) = self.links.get(usize::from(slot)) else { return };
        if let Some(link) = self.link(newer) {
            link.older = older;
        }
        if let Some(link) = self.link(older) {
            link.newer = newer;
        }
        let ends = self.ends_mut(list);
        if newer == NONE {
            ends.newest = older;
        }
        if older == NONE {
            ends.oldest = newer;
        }
        ends.len = ends.len.saturating_sub(1);
    }
}
