//! Runs of a set that may give back: greedy and lazy ends, and what the memo knows of them.

use super::{Back, COVER, Halt, Machine, Step, UNSET};
use crate::filter::ops::{self, Mode, Run};
use crate::matcher::probe::span;
use memchr::memchr_iter;

/// What is known of one run instruction in memo mode: from any place in `start..=high` it reaches to `high`,
/// and its ends in `low..=high` need no second try. Keeps nested runs from scanning the same text again.
#[derive(Clone, Copy)]
struct Cover {
    start: usize,
    low: usize,
    high: usize,
}

impl<'m> Machine<'m, '_> {
    /// What earlier scans of the run `choice` covered; see [`Cover`].
    fn cover(&self, choice: u8) -> Option<Cover> {
        if !self.memo_on {
            return None;
        }
        let at = usize::from(choice) * COVER;
        let &[start, low, high] = self.memo.get(at..at + COVER)? else { return None };
        (start != UNSET).then_some(Cover { start: start as usize, low: low as usize, high: high as usize })
    }

    fn set_cover(&mut self, choice: u8, cover: Cover) {
        let at = usize::from(choice) * COVER;
        if self.memo_on
            && let Some(words) = self.memo.get_mut(at..at + COVER)
        {
            words.copy_from_slice(&[cover.start as u32, cover.low as u32, cover.high as u32]);
        }
    }

    /// How far a run reaches from `at`. A scan that meets an earlier one of the same run ends with it.
    fn extent(&mut self, run: &Run<'_>, at: usize) -> Step<usize> {
        // A possessive run is no choice point and has no number.
        let shared = run.max == ops::UNBOUNDED && run.mode != Mode::Possessive;
        let cover = if shared { self.cover(run.choice) } else { None };
        let known = cover.filter(|c| at <= c.high);
        if let Some(c) = known
            && at >= c.start
        {
            return Ok(c.high);
        }
        let text = self.text;
        let stop = match known {
            Some(c) => c.start,
            None if run.max == ops::UNBOUNDED => text.len(),
            None => text.len().min(at + usize::from(run.max)),
        };
        let rest = text.get(at..stop).unwrap_or(&[]);
        let stops = |from: usize| self.rest(at + from).starts_with(run.until);
        let len = match (run.set, run.until.first()) {
            (index, None) => span(self.sets, index, rest),
            (ops::ANY, Some(&first)) => {
                memchr_iter(first, rest).find(|from| stops(*from)).unwrap_or(rest.len())
            }
            (index, Some(first)) => {
                let set = ops::set(self.sets, index);
                // In one pass, so that no more is read than is counted below.
                let ends = |(from, b): (usize, &u8)| !set.has(*b) || first == b && stops(from);
                rest.iter().enumerate().position(ends).unwrap_or(rest.len())
            }
        };
        self.spend(len / 8)?;
        let end = at + len;
        let (end, low) = match known {
            Some(c) if end == c.start => (c.high, c.low),
            _ => (end, end + 1),
        };
        if shared {
            self.set_cover(run.choice, Cover { start: at, low, high: end });
        }
        Ok(end)
    }

    pub(super) fn repeat(&mut self, run: &Run<'_>, pc: u16, next: u16, at: usize) -> Step<(u16, usize)> {
        let low = at + usize::from(run.min);
        let end = self.extent(run, at)?;
        if end < low {
            return Err(Halt::Back);
        }
        match run.mode {
            Mode::Possessive => Ok((next, end)),
            Mode::Lazy => self.lazy(run, pc, next, low, end),
            Mode::Greedy => {
                let mut high = end;
                if run.max == ops::UNBOUNDED
                    && let Some(c) = self.cover(run.choice)
                {
                    // Ends from `c.low` on were tried, or are being tried before this one would be.
                    self.set_cover(run.choice, Cover { low: c.low.min(low), ..c });
                    if c.low <= low {
                        return Err(Halt::Back);
                    }
                    high = end.min(c.low - 1);
                }
                self.greedy(run, pc, next, low, high)
            }
        }
    }

    /// The longest end from `high` down to `low` at which the continuation can start.
    pub(super) fn greedy(
        &mut self,
        run: &Run<'_>,
        pc: u16,
        next: u16,
        low: usize,
        high: usize,
    ) -> Step<(u16, usize)> {
        let follow = self.follows(next);
        let mut end = high;
        loop {
            end = self.last_fit(&follow, low, end)?;
            if self.claim(run.choice, end) {
                if end > low {
                    self.push(Back::Greedy(pc), low, end)?;
                }
                return Ok((next, end));
            }
            self.spend(1)?;
            if end == low {
                return Err(Halt::Back);
            }
            end -= 1;
        }
    }

    /// The shortest end from `low` up to `high` at which the continuation can start.
    pub(super) fn lazy(
        &mut self,
        run: &Run<'_>,
        pc: u16,
        next: u16,
        low: usize,
        high: usize,
    ) -> Step<(u16, usize)> {
        let found = self.next_lazy(run, pc, next, low, high);
        if matches!(found, Err(Halt::Back))
            && let Some(c) = self.cover(run.choice)
            && run.max == ops::UNBOUNDED
            && c.high == high
        {
            // Only a lazy scan that is through has tried its ends: an outer one need not try them again.
            self.set_cover(run.choice, Cover { low: c.low.min(low), ..c });
        }
        found
    }

    fn next_lazy(
        &mut self,
        run: &Run<'_>,
        pc: u16,
        next: u16,
        low: usize,
        top: usize,
    ) -> Step<(u16, usize)> {
        let mut high = top;
        if run.max == ops::UNBOUNDED
            && let Some(c) = self.cover(run.choice)
            && c.high == top
        {
            if c.low <= low {
                return Err(Halt::Back);
            }
            high = top.min(c.low - 1);
        }
        let follow = self.follows(next);
        let mut end = low;
        loop {
            end = self.first_fit(&follow, end, high)?;
            if self.claim(run.choice, end) {
                if end < top {
                    self.push(Back::Lazy(pc), end + 1, top)?;
                }
                return Ok((next, end));
            }
            self.spend(1)?;
            if end == high {
                return Err(Halt::Back);
            }
            end += 1;
        }
    }
}
