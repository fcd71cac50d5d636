//! The exact sliding window of one source: the times of its latest failures, in order, in a ring of 32-bit stamps.
//!
//! A stamp is the low half of an instant in milliseconds. The latest instant is kept whole beside the ring, and stamps 2³² ms
//! or more before it are dropped, so no stamp is ambiguous.

use crate::time::Instant;

/// The state of the ring. The stamps themselves are in a slice that the caller passes, the same one to every call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The latest instant, high and low half: an array of `u32` needs no padding in a slot, which a `u64` would.
    newest: [u32; 2],
    head: u16,
    len: u16,
}

impl Window {
    pub(super) const EMPTY: Self = Self { newest: [0; 2], head: 0, len: 0 };

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many failures it holds, including those too old to count.
    pub(super) fn len(&self) -> u16 {
        self.len
    }

    fn newest(&self) -> Instant {
        let [high, low] = self.newest;
        Instant::from_millis(u64::from(high) << 32 | u64::from(low))
    }

    fn set_newest(&mut self, at: Instant) {
        self.newest = [(at.millis() >> 32) as u32, at.millis() as u32];
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds `count` failures at `at`. Returns whether `need` failures now lie within some `span` milliseconds; if so, the
    /// window is empty afterwards. `ring` must hold at least `need` stamps, or the answer is always `false`.
    ///
    /// A full ring drops its oldest stamps. That is exact while failures come in order of time, and also when they come late
    /// (`at` before the latest) by up to `span` and the ring holds 2 × `need`. In a shorter ring late failures may be missed;
    /// a `true` is always right.
    pub(super) fn add(&mut self, ring: &mut [u32], at: Instant, count: u32, need: u16, span: u32) -> bool {
        let need = usize::from(need.max(1));
        let capacity = ring.len().min(usize::from(u16::MAX));
        if need > capacity {
            return false;
        }
        let count = usize::try_from(count).unwrap_or(need).min(need);
        self.advance(ring, at);
        let late = self.newest().since(at).millis();
        let Ok(late) = u32::try_from(late) else { return false };
        let len = usize::from(self.len);
        // Where failures come in order the loop ends at once.
        let mut place = len;
        while place > 0 && self.age(ring, place - 1) < late {
            place -= 1;
        }
        if self.has_run(ring, place, count, late, need, span) {
            self.clear();
            return true;
        }
        self.insert(ring, capacity, place, count, at);
        false
    }

    /// How many failures lie within `span` milliseconds before the latest one.
    pub(super) fn within(&self, ring: &[u32], span: u32) -> u16 {
        // Ages fall with the place: find the first place that is young enough.
        let (mut low, mut high) = (0, usize::from(self.len));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.age(ring, middle) > span {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.len - low as u16
    }

    /// What [`Window::within`] would be with `at` as the latest, not counting `at` itself.
    pub(super) fn within_at(&self, ring: &[u32], at: Instant, span: u32) -> u16 {
        let step = u32::try_from(at.since(self.newest()).millis());
        step.ok().and_then(|step| span.checked_sub(step)).map_or(0, |span| self.within(ring, span))
    }

    /// Moves the latest instant on to `at`, if that is later.
    fn advance(&mut self, ring: &[u32], at: Instant) {
        if self.len == 0 {
            self.set_newest(at);
            return;
        }
        let step = at.since(self.newest()).millis();
        while self.len > 0 && u64::from(self.age(ring, 0)).saturating_add(step) > u64::from(u32::MAX) {
            self.head = self.physical(ring.len().min(usize::from(u16::MAX)), 1) as u16;
            self.len -= 1;
        }
        self.set_newest(self.newest().max(at));
    }

    /// Whether `need` consecutive stamps span at most `span`, once `count` stamps of age `late` are put at `place`. Only runs with
    /// a new stamp in them are looked at: the others were looked at before.
    fn has_run(&self, ring: &[u32], place: usize, count: usize, late: u32, need: usize, span: u32) -> bool {
        let total = usize::from(self.len) + count;
        let age = |i: usize| match i.checked_sub(place) {
            None => self.age(ring, i),
            Some(k) if k < count => late,
            Some(_) => self.age(ring, i - count),
        };
        let first = (place + count).saturating_sub(need);
        (first..=place)
            .take_while(|start| start + need <= total)
            .any(|start| age(start).saturating_sub(age(start + need - 1)) <= span)
    }

    fn insert(&mut self, ring: &mut [u32], capacity: usize, place: usize, count: usize, at: Instant) {
        let len = usize::from(self.len);
        let newer = len.saturating_sub(place);
        let count = count.min(capacity.saturating_sub(newer));
        for i in (place..len).rev() {
            let stamp = ring.get(self.physical(capacity, i)).copied().unwrap_or(0);
            if let Some(to) = ring.get_mut(self.physical(capacity, i + count)) {
                *to = stamp;
            }
        }
        for i in place..place + count {
            if let Some(to) = ring.get_mut(self.physical(capacity, i)) {
                *to = at.millis() as u32;
            }
        }
        let dropped = (len + count).saturating_sub(capacity);
        self.head = self.physical(capacity, dropped) as u16;
        self.len = (len + count).saturating_sub(dropped) as u16;
    }

    /// Milliseconds from the stamp at `place` to the latest.
    fn age(&self, ring: &[u32], place: usize) -> u32 {
        let capacity = ring.len().min(usize::from(u16::MAX));
        let stamp = ring.get(self.physical(capacity, place)).copied().unwrap_or(0);
        let [_, low] = self.newest;
        low.wrapping_sub(stamp)
    }

    /// The index in the ring of the failure at `place`, counted from the oldest.
    fn physical(&self, capacity: usize, place: usize) -> usize {
        let mut at = usize::from(self.head) + place;
        while at >= capacity && capacity > 0 {
            at -= capacity;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    /// The oracle: every failure there ever was, and every window of them.
    #[derive(Default)]
    struct Naive(Vec<u64>);

    impl Naive {
        fn add(&mut self, at: u64, count: u32, need: u16, span: u32) -> bool {
            self.0.extend((0..count).map(|_| at));
            let full = |from: &u64| {
                let inside = self.0.iter().filter(|t| *t >= from && **t - from <= u64::from(span));
                inside.count() >= usize::from(need)
            };
            if self.0.iter().any(full) {
                self.0.clear();
                return true;
            }
            false
        }

        fn within(&self, span: u32) -> usize {
            let newest = self.0.iter().max().copied().unwrap_or(0);
            self.0.iter().filter(|t| newest - **t <= u64::from(span)).count()
        }
    }

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn the_edge_of_the_window_is_inside() {
        for (last, full) in [(110, true), (111, false)] {
            let (mut w, mut ring) = (Window::EMPTY, [0; 2]);
            assert!(!w.add(&mut ring, at(10), 1, 2, 100));
            assert_eq!(w.add(&mut ring, at(last), 1, 2, 100), full);
        }
    }

    #[test]
    fn stamps_far_apart_are_not_taken_for_each_other() {
        let (mut w, mut ring) = (Window::EMPTY, [0; 4]);
        assert!(!w.add(&mut ring, at(5), 1, 2, 100));
        assert!(!w.add(&mut ring, at(5 + (1 << 32)), 1, 2, 100));
        assert!(!w.add(&mut ring, at(u64::MAX), 1, 2, u32::MAX));
        assert!(!w.add(&mut ring, at(0), 1, 2, u32::MAX), "later than the ring can tell");
        assert_eq!(w.within(&ring, u32::MAX), 1);
    }

    #[test]
    fn a_ring_that_is_too_short_never_says_yes() {
        let mut w = Window::EMPTY;
        assert!(!w.add(&mut [], at(1), 9, 1, 9));
        assert!(!w.add(&mut [0; 2], at(1), 9, 3, 9));
        assert!(w.add(&mut [0; 1], at(1), 9, 0, 0));
    }

    fn steps(wait: core::ops::Range<u64>, late: u64) -> impl Strategy<Value = Vec<(u64, u64, u32)>> {
        let wait = prop_oneof![9 => wait, 1 => Just(u64::from(u32::MAX) - 20)];
        proptest::collection::vec((wait, 0..=late, 1u32..4), 0..80)
    }

    proptest! {
        #[test]
        fn in_order_a_ring_of_need_is_exact(
            steps in steps(0..30, 0), need in 1u16..9, spare in 0usize..3, span in 0u32..100,
        ) {
            let (mut w, mut ring, mut naive, mut now) = (Window::EMPTY, vec![0; usize::from(need) + spare], Naive::default(), 0);
            for (wait, _, count) in steps {
                now += wait;
                prop_assert_eq!(w.add(&mut ring, at(now), count, need, span), naive.add(now, count, need, span));
                prop_assert_eq!(usize::from(w.within(&ring, span)), naive.within(span));
            }
        }

        #[test]
        fn late_by_up_to_the_span_a_ring_of_twice_need_is_exact(
            steps in steps(0..30, 60), need in 1u16..9, span in 60u32..100,
        ) {
            let (mut w, mut ring, mut naive, mut now) = (Window::EMPTY, vec![0; 2 * usize::from(need)], Naive::default(), 0u64);
            for (wait, late, count) in steps {
                now += wait;
                let t = now.saturating_sub(late);
                prop_assert_eq!(w.add(&mut ring, at(t), count, need, span), naive.add(t, count, need, span));
                prop_assert_eq!(usize::from(w.within(&ring, span)), naive.within(span));
            }
        }

        #[test]
        fn whatever_the_ring_a_run_is_never_invented(
            steps in steps(0..30, 200), need in 1u16..9, spare in 0usize..4, span in 0u32..100,
        ) {
            let (mut w, mut ring, mut naive, mut now) = (Window::EMPTY, vec![0; usize::from(need) + spare], Naive::default(), 0u64);
            for (wait, late, count) in steps {
                now += wait;
                let t = now.saturating_sub(late);
                let ours = w.add(&mut ring, at(t), count, need, span);
                let truth = naive.add(t, count, need, span);
                prop_assert!(!ours || truth);
                if truth != ours { break; }
            }
        }
    }
}
