//! The injection lint: a rule in which a client can choose the address does not compile.
//!
//! *Open* is a user capture, a run that admits both blanks and letters, or a repeated group that does: text that a
//! client writes and that can look like the rest of the line. The *mark* is the literal directly before the
//! address, which the daemon writes there in every line. Four cases:
//!
//! - nothing open before the address: safe, the address is reached from the left through fixed text;
//! - open and greedy before, and after the address only closed pieces to an anchored end: safe, since the
//!   true tail is the last thing on the line, and text left of it cannot move the last occurrence;
//! - open on both sides, and every open run ends before (a part of) the mark (`<user!, client: >`) which cannot have
//!   begun in what stands before the run: safe, for what matches has the mark once, and that is the daemon's own;
//! - otherwise open on both sides, or lazy before: the client's text decides which address is found. Refused.
//!
//! Closed pieces behind the address must not be able to read the mark and what follows it: where the daemon writes a name
//! for an address, the line would end in ` from name`, and a tail of optional words would let the client's own
//! ` from 192.0.2.1` stand before it. [`super::tail`] decides that.
//!
//! What `strip` takes off is not matched, so open text in it must begin behind a literal, which the text then starts with, and
//! end where the next literal begins, whatever stands before.
//!
//! The lint takes the daemon's line to be whole. Where a log cuts long lines (1,024 bytes in musl's `syslog`,
//! 2,048 in nginx), a client can write a text that ends where the cut is: there the open runs need bounds too, so
//! that no line as long as the cut matches (`<user{0,254}>`).

use super::Set;
use super::error::Problem;

/// What is known of the text before the present place in a rule.
#[derive(Clone, Copy, Default)]
pub(super) struct Flow {
    open: bool,
    lazy: bool,
    address: bool,
    /// Open text stands before the address, so none may follow.
    pub exposed: bool,
    /// Some open text before the address does not end before the mark.
    pub unbounded: bool,
    /// All of it does, so open text that does may follow.
    guarded: bool,
    /// Where the last open text before the address ends in the program; 0 where there is none.
    open_end: u16,
    pub prev: Prev,
    /// Some path reaches here without consuming a byte since the group began.
    pub consumed: bool,
}

/// What stands before the present place: the offset and length of a literal, or one of these.
pub(super) type Prev = (u16, u8);
/// Nothing that is known.
pub(super) const ANYTHING: Prev = (0, 0);
/// An open run that ended before a part of the mark.
pub(super) const BOUNDED: Prev = (u16::MAX, 0);

/// Whether an ASCII letter is in.
pub(super) fn has_letters(set: &Set) -> bool {
    (b'a'..=b'z').chain(b'A'..=b'Z').any(|b| set.has(b))
}

impl Flow {
    /// Open text; `bounded` where it ends before the mark of an address behind which it stands.
    pub(super) fn open_text(&mut self, lazy: bool, bounded: bool) -> Result<(), Problem> {
        if self.exposed && !(self.guarded && bounded) {
            return Err(Problem::ForgeableAddress);
        }
        self.open = true;
        self.lazy |= lazy;
        Ok(())
    }

    /// Open text ends at this place of the program. Behind the address that is of no more interest.
    pub(super) fn opened(&mut self, here: u16) {
        if !self.address {
            self.open_end = here;
        }
    }

    /// Where the open text before the address ends, if there is such text.
    pub(super) fn mark(&self) -> Option<u16> {
        self.exposed.then_some(self.open_end)
    }

    /// The address; `guarded` where all open text before it ends before the mark.
    pub(super) fn address(&mut self, in_loop: bool, guarded: bool) -> Result<(), Problem> {
        if in_loop {
            return Err(Problem::AddressInLoop);
        }
        if self.address {
            return Err(Problem::TwoAddresses);
        }
        if self.lazy {
            return Err(Problem::LazyBeforeAddress);
        }
        self.address = true;
        self.exposed = self.open;
        self.guarded = guarded;
        Ok(())
    }

    /// `<...>`: anything may follow.
    pub(super) fn rest(&self) -> Result<(), Problem> {
        if self.exposed { Err(Problem::ForgeableAddress) } else { Ok(()) }
    }

    /// Two ways through a group lead here.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            open: self.open | other.open,
            lazy: self.lazy | other.lazy,
            address: self.address | other.address,
            exposed: self.exposed | other.exposed,
            unbounded: self.unbounded | other.unbounded,
            guarded: self.guarded & other.guarded,
            // From the earlier one more can be read on the way, which can only find more.
            open_end: match (self.open_end, other.open_end) {
                (0, end) | (end, 0) => end,
                (one, two) => one.min(two),
            },
            prev: match (self.prev, other.prev) {
                (BOUNDED, prev) | (prev, BOUNDED) => prev,
                (a, b) if a == b => a,
                _ => ANYTHING,
            },
            consumed: self.consumed & other.consumed,
        }
    }
}
