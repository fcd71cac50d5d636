//! The injection lint: a rule in which a client can choose the address does not compile.
//!
//! *Open* text is what a client may write and make look like the rest of the line: a user capture, a run of a set with
//! both blanks and letters, or a repeated group that can read both. Everything else is *closed*. The *mark* is the literal
//! directly before the address, which the daemon writes there in every line. There are four cases:
//!
//! - Nothing open before the address: safe. The address is reached from the left through fixed text.
//! - Open and greedy text before the address, and only closed pieces behind it up to an anchored end: safe. Greedy text
//!   takes the last place where the rest still fits, and the daemon's own address is the last one in the line.
//! - Open text on both sides, and every open run stops before the mark or a part of it (`<user!, client: >`), of which no
//!   start may be in what precedes the run: safe. A line that matches holds the mark once, and the daemon wrote that one.
//! - Otherwise, with open text on both sides or lazy text before the address, the client's text decides which address is
//!   found: refused.
//!
//! In the second case the closed pieces must not be able to read the mark and a name. Where the daemon writes a name in place
//! of an address, the line ends in ` from name`; a tail of optional words could read that, and the client's own
//! ` from 192.0.2.1` before it would be taken for the daemon's. [`super::tail`] decides whether it could.
//!
//! Rules do not see what `strip` takes off. So open text in it must begin right behind a literal, and must end at the
//! next literal, whatever is in between.
//!
//! The lint assumes whole lines. Where a log cuts long lines (1,024 bytes in musl's `syslog`, 2,048 in nginx), a client can
//! write a text that ends at the cut. Open runs then need bounds too (`<user{0,254}>`), so that no line as long as the cut
//! matches.

use super::Set;
use super::error::Problem;

/// What is known of the text before the current place in a rule.
#[derive(Clone, Copy, Default)]
pub(super) struct Flow {
    open: bool,
    lazy: bool,
    address: bool,
    /// The address has open text before it, so none may follow, unless `guarded`.
    pub exposed: bool,
    /// Some open text before the address does not stop before the mark.
    pub unbounded: bool,
    /// All open text before the address stops before the mark, so more that does may follow.
    guarded: bool,
    /// Where the last open text before the address ends in the program; 0 where there is none.
    open_end: u16,
    pub prev: Prev,
    /// Every path from the start of the group to here consumes at least one byte.
    pub consumed: bool,
}

/// What precedes the current place: the offset and length of a literal, or one of these.
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
    /// Takes note of open text; `bounded` where it stops before the mark of the address that it follows.
    pub(super) fn open_text(&mut self, lazy: bool, bounded: bool) -> Result<(), Problem> {
        if self.exposed && !(self.guarded && bounded) {
            return Err(Problem::ForgeableAddress);
        }
        self.open = true;
        self.lazy |= lazy;
        Ok(())
    }

    /// Open text ends at this place of the program. Only text before the address matters.
    pub(super) fn opened(&mut self, here: u16) {
        if !self.address {
            self.open_end = here;
        }
    }

    /// Where the open text before the address ends, if there is such text.
    pub(super) fn mark(&self) -> Option<u16> {
        self.exposed.then_some(self.open_end)
    }

    /// Takes note of the address; `guarded` where all open text before it stops before the mark.
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
            // The earlier of the two: the check in `tail` then looks at more text, and can only refuse more.
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
