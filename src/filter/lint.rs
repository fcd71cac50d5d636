//! The injection lint: a rule in which a client can choose the address does not compile.
//!
//! *Open* is a user capture, or a run that admits both blanks and letters: text that a client writes and that
//! can look like the rest of the line. Three cases:
//!
//! - nothing open before the address: safe, the address is reached from the left through fixed text;
//! - open and greedy before, and after the address only closed pieces to an anchored end: safe, since the
//!   true tail is the last thing on the line, and text left of it cannot move the last occurrence;
//! - open on both sides, or lazy before: the client's text decides which address is found. Refused.
//!
//! A repeated group that admits both blanks and letters is open where it stands before the address. Behind it, it is
//! taken for a list that the daemon writes (`{ <[^ ]+>}*`), and the rule's author answers for that.

use super::error::Problem;

/// What is known of the text before the present place in a rule.
#[derive(Clone, Copy, Default)]
pub(super) struct Flow {
    open: bool,
    lazy: bool,
    address: bool,
    /// Open text stands before the address, so none may follow.
    exposed: bool,
    /// Some path reaches here without consuming a byte since the group began.
    pub consumed: bool,
}

impl Flow {
    pub(super) fn open_text(&mut self, lazy: bool) -> Result<(), Problem> {
        if self.exposed {
            return Err(Problem::ForgeableAddress);
        }
        self.open = true;
        self.lazy |= lazy;
        Ok(())
    }

    /// Words, one after the other, out of a repeated group.
    pub(super) fn open_words(&mut self) -> Result<(), Problem> {
        if self.address { Ok(()) } else { self.open_text(false) }
    }

    pub(super) fn address(&mut self, in_loop: bool) -> Result<(), Problem> {
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
            consumed: self.consumed & other.consumed,
        }
    }
}
