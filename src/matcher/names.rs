//! A table of program names, and of the filters that want their messages.
//!
//! In: the names after `app` of each active filter. Out: a bit for each filter that wants a message's program. `postfix/*`
//! and `ovpn-*` stand for all names that start so; `sshd(pam_unix)` is `sshd` too. Memory is lent; a table that is too small
//! is refused.
//!
//! Every line of every log is looked up here. Lines of different programs follow each other in no order, so a branch on a
//! name's length, or on what its slot holds, cannot be predicted and costs more than the rest of the lookup. Hence there
//! are few.

/// One program name and the filters that want its messages. Lent, more than there are names, a power of two; twice as many
/// find a name in a step or two.
#[derive(Clone, Copy, Debug)]
pub struct AppSlot<'a> {
    name: &'a [u8],
    /// See [`ends`].
    ends: u64,
    /// Bit i: the i-th active filter.
    wanted: u32,
    /// Whether a name that belongs here had to go further.
    passed: bool,
}

impl AppSlot<'_> {
    /// What lent tables start with.
    pub const EMPTY: Self = Self { name: b"", ends: 0, wanted: 0, passed: false };

    #[inline(always)]
    fn is(&self, name: &[u8], ends: u64) -> bool {
        let len = (self.name.len() ^ name.len()) as u64;
        self.ends ^ ends | len == 0 && (name.len() <= 8 || self.name == name)
    }
}

/// The first and the last four bytes of a name, which overlap in a short one: all of it up to eight.
#[inline(always)]
fn ends(name: &[u8]) -> u64 {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => name.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)),
    }
}

/// The names in the table are the configuration's, so nobody can make them collide.
#[inline(always)]
fn mixed(ends: u64, len: usize) -> u32 {
    ((ends ^ (len as u64) << 24).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// The bit of [`Names::open`] for a name, by its first two bytes.
#[inline(always)]
fn beginning(ends: u64) -> u32 {
    1 << ((ends as u32).wrapping_add(ends as u32 >> 7) % 32)
}

/// The table while it is filled.
pub(super) struct Register<'a> {
    slots: &'a mut [AppSlot<'a>],
    used: usize,
    open: u32,
}

impl<'a> Register<'a> {
    /// An empty table. `None` where the slots are no power of two.
    pub(super) fn new(slots: &'a mut [AppSlot<'a>]) -> Option<Self> {
        slots.len().is_power_of_two().then_some(Self { slots, used: 0, open: 0 })
    }

    /// Adds `filters` to those that want `name`. `None` where the table is full: one slot stays empty.
    pub(super) fn add(&mut self, name: &'a str, filters: u32) -> Option<()> {
        // "postfix/*" is kept as "postfix/", "postfix-*" as "postfix-".
        let start = name.strip_suffix('*');
        let name = start.unwrap_or(name).as_bytes();
        let ends = ends(name);
        self.open |= if start.is_some() { beginning(ends) } else { 0 };
        let mask = self.slots.len() - 1;
        let mut at = mixed(ends, name.len()) as usize & mask;
        loop {
            let slot = self.slots.get_mut(at)?;
            if slot.name.is_empty() {
                self.used += 1;
                if self.used > mask {
                    return None;
                }
                (slot.name, slot.ends) = (name, ends);
            }
            if slot.is(name, ends) {
                slot.wanted |= filters;
                return Some(());
            }
            slot.passed = true;
            at = (at + 1) & mask;
        }
    }

    /// The table for looking up.
    pub(super) fn done(self) -> Names<'a> {
        Names { slots: self.slots, open: self.open }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Names<'a> {
    slots: &'a [AppSlot<'a>],
    /// A bit for the beginning of each name that ended in `*`.
    open: u32,
}

impl Names<'_> {
    /// The filters that want messages of `app`.
    #[inline(always)]
    pub(super) fn find(&self, app: &[u8]) -> u32 {
        let ends = ends(app);
        let found = self.slot(app, ends);
        if self.open & beginning(ends) == 0 && app.last() != Some(&b')') {
            found
        } else {
            found | self.parts(app)
        }
    }

    #[inline(always)]
    fn slot(&self, name: &[u8], ends: u64) -> u32 {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = mixed(ends, name.len()) as usize & mask;
        // An empty slot was passed by none, so this ends.
        while let Some(slot) = self.slots.get(at) {
            if slot.is(name, ends) {
                return slot.wanted;
            }
            if !slot.passed {
                return 0;
            }
            at = (at + 1) & mask;
        }
        0
    }

    /// The filters that want what stands before a `(` of `app`, or up to a `/` or `-` of it.
    #[inline(never)]
    fn parts(&self, app: &[u8]) -> u32 {
        let wanted = |end: usize| app.get(..end).map_or(0, |name| self.slot(name, ends(name)));
        let apart = app.iter().enumerate().filter(|(_, b)| *b & 0xf8 == 0x28);
        apart.fold(0, |found, (at, b)| match b {
            b'(' => found | wanted(at),
            b'/' | b'-' => found | wanted(at + 1),
            _ => found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn names<'a>(slots: &'a mut [AppSlot<'a>], all: &[(&'a str, u32)]) -> Option<Names<'a>> {
        let mut register = Register::new(slots)?;
        all.iter().try_for_each(|(name, filters)| register.add(name, *filters))?;
        Some(register.done())
    }

    #[test]
    fn a_name_is_found_whole_or_by_its_beginning() {
        let mut slots = [AppSlot::EMPTY; 16];
        let all = [
            ("sshd", 1),
            ("su", 2),
            ("postfix/*", 4),
            ("ovpn-*", 8),
            ("lighttpd", 16),
            ("sshd-session", 32),
        ];
        let names = names(&mut slots, &all).unwrap();
        let cases: [(&str, u32); 16] = [
            ("sshd", 1),
            ("sshd(pam_unix)", 1),
            ("sshd-session", 32),
            ("sshd-auth", 0),
            ("sshx-session", 0),
            ("sshd-sessioo", 0),
            ("su", 2),
            ("us", 0),
            ("su(pam_unix)", 2),
            ("s", 0),
            ("postfix/smtpd", 4),
            ("postfix/submission/smtpd", 4),
            ("postfix", 0),
            ("postfiy/smtpd", 0),
            ("ovpn-office-2", 8),
            ("lighttpd", 16),
        ];
        for (name, filters) in cases {
            assert_eq!(names.find(name.as_bytes()), filters, "{name}");
        }
    }

    #[test]
    fn a_full_table_finds_every_name_and_no_other() {
        let texts: Vec<String> = (0..127).map(|n| format!("daemon-{}-{n}", n % 7)).collect();
        let all: Vec<(&str, u32)> = (1..).zip(&texts).map(|(n, text)| (text.as_str(), n)).collect();
        let mut slots = [AppSlot::EMPTY; 128];
        let found = names(&mut slots, &all).unwrap();
        for (name, filters) in &all {
            assert_eq!(found.find(name.as_bytes()), *filters, "{name}");
            assert_eq!(found.find(&name.as_bytes()[1..]), 0, "{name}");
            assert_eq!(found.find(format!("{name}x").as_bytes()), 0, "{name}");
        }
    }

    #[test]
    fn a_table_that_is_too_small_is_refused() {
        let all = [("a", 1), ("b", 1), ("c", 1), ("d", 1)];
        assert!(names(&mut [AppSlot::EMPTY; 4], &all[..3]).is_some());
        assert!(names(&mut [AppSlot::EMPTY; 4], &all).is_none());
        assert!(names(&mut [AppSlot::EMPTY; 3], &all[..1]).is_none());
        assert!(names(&mut [], &[]).is_none());
    }
}
