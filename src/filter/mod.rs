//! Floor 0: the rule language, its compiler, and the tables it makes.
//!
//! In: the text of a `.filter` file. Out: a [`Filter`], a few slices over memory that the caller lends
//! ([`Space`]). build.rs and the daemon call the same [`compile()`], so built-in filters and those of a user are compiled
//! alike. A bad rule, an unsafe one or too little space is an [`Error`] with line and column; nothing here panics. This
//! module imports only `core`, `heapless`, `nom` and its own parts, since build.rs includes it by path.
//!
//! A text passes `compile` (directives), `text` and `field` (rules), `emit` (bytecode); `lint` and `tail` refuse rules whose
//! address a client could choose; `first` works out what a rule can start with. [`crate::matcher`] runs the result.
//!
//! # The language
//!
//! A summary; edgeban.filter(5) in `docs/` explains it to those who write filters.
//!
//! ```text
//! filter sshd
//! app    sshd sshd-session           # programs: NAME, postfix/*, postfix-*, - for none, * for any
//! kind   syslog                      # syslog | raw | clf | nginx-error | kernel
//! strip  {{error|fatal}: {PAM: }?}?  # taken off the front of each text first
//! fail   Failed <word> for {invalid user }?<user> from <host> port <port:int>{ ssh<int>}?
//! fail@ddos,aggressive  Did not receive identification string from <ip>{ port <port:int>}?
//! fail early   User <user> from <host> not allowed because <...>
//! help   Connection from <ip><...>
//! gain forget  Accepted <word> for <user> from <ip><...>
//! ignore Failed none for <...>
//! ```
//!
//! | piece | meaning |
//! |---|---|
//! | `{a\|b}` `{a}?` `{a}*` | alternatives, left to right; optional, present preferred; repeated, more preferred |
//! | `<ip>` | IPv4 or IPv6, perhaps in brackets or with a zone, never a part of a longer word; backs off for `<ip>:<int>` |
//! | `<host>` | an address or a name with at least one letter; a name is recognised, never banned |
//! | `<int>` `<hex>` `<word>` `<sp>` | one or more digits, hex digits, non-blanks, blanks |
//! | `<text>` `<user>` | anything, greedy: **the last occurrence of what follows wins**; `<text{0,100}>` with bounds |
//! | `<[a-z ]*>` `+` `{2,5}` | a set: one, any number, at least one, between; `^` inverts |
//! | `~` `!lit` after a run | lazy; not beyond the first `lit` |
//! | `<qstr>` | a double-quoted string with `\` escapes |
//! | `<!a\|b>` `<=a\|b>` | here neither, here one of these literals |
//! | `<user:T>` `<port:T>` `<sess:T>` `<id:T>` | captures what T matches; a port has five digits at most |
//! | `<...>` | at the end: and anything more |
//!
//! An address is part of a longer word where a letter, a digit, `-`, `_` or a byte from 0x80 on follows it, or a dot and
//! then one of these. A rule that expects such a byte says so with a literal (`<ip>-<int>`).
//!
//! Between directive and rule there may be `forget`: the session ends with this line. A `fail` may also have one word that
//! says which part of an attempt its line reports ([`Part`]): `early`, `middle`, `late` or `sum`. A rule whose text starts
//! with such a word has a `\` before it.
//!
//! A line that starts with `#` is a comment. In `filter`, `app` and `kind` lines, so is the rest of the line from ` #` on; in
//! rules and `strip`, `#` is text. Kinds that also read a daemon's own file (raw, clf, nginx-error) need no `app`.
//!
//! `\` makes the next character literal (`\t` is a tab, `\x1b` a byte). Rules are anchored at both ends. `ignore` rules are
//! tried first; otherwise the first rule that matches wins. Where text that a client chooses could change which address
//! is found, the compiler refuses the rule (see `lint`).

mod compile;
mod emit;
mod error;
mod field;
mod first;
mod lint;
pub mod ops;
mod tail;
mod text;

#[cfg(test)]
mod lint_tests;
#[cfg(test)]
mod tests;

pub use compile::compile;
pub use emit::Space;
pub use error::{Error, Problem};

/// A set of bytes: 256 bits, one for each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set(pub [u32; 8]);

impl Set {
    /// No byte.
    pub const NONE: Self = Self([0; 8]);
    /// Every byte.
    pub const ALL: Self = Self([u32::MAX; 8]);

    /// Whether `b` is in.
    #[inline]
    pub const fn has(&self, b: u8) -> bool {
        self.0[(b >> 5) as usize] >> (b & 31) & 1 == 1
    }

    /// Whether every ASCII letter and digit is in.
    pub(crate) const fn has_alphanumerics(&self) -> bool {
        const LETTERS: u32 = 0x07ff_fffe;
        const DIGITS: u32 = 0x03ff_0000;
        let [_, digits, upper, lower, ..] = self.0;
        digits & DIGITS == DIGITS && upper & lower & LETTERS == LETTERS
    }

    /// Puts `b` in.
    pub const fn add(&mut self, b: u8) {
        self.0[(b >> 5) as usize] |= 1 << (b & 31);
    }

    /// Puts in every byte that `f` accepts.
    pub fn of(f: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::NONE;
        (0..=255u8).filter(|&b| f(b)).for_each(|b| set.add(b));
        set
    }

    /// All bytes that are not in.
    pub fn inverted(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// Adds all of `other`.
    pub fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
    }

    /// Whether no byte is in both.
    pub fn disjoint(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| a & b == 0)
    }
}

/// What a matching rule says of its line: its directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A failure.
    Fail,
    /// Not a failure, but it says something of the session, most often its address.
    Help,
    /// An accepted login.
    Gain,
    /// The line is to be passed over.
    Ignore,
}

/// Which part of an attempt a `fail` line reports. A daemon may write several lines about one attempt; a session counts the
/// attempt once, with the first of them. Lines that belong to no session all count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All of it: the line always counts.
    Whole,
    /// Its start: the session's next `middle` or `late` line is about the same attempt.
    Early,
    /// A step on the way: about the same attempt as the `early` line before it and the `late` line after it.
    Middle,
    /// Its end: it counts unless an `early` or `middle` line reported the attempt.
    Late,
    /// A summary of the session: it counts if nothing in the session has.
    Sum,
}

/// Which lines a filter is tried on, and what is taken off their front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Syslog messages of the filter's programs.
    Syslog,
    /// Those, and lines of a daemon's own log file: date, message.
    Raw,
    /// Those, and access logs in the common log format; the rule sees the whole line.
    Clf,
    /// Those, and nginx's error log: `[level] pid#tid: *connection ` comes off first.
    NginxError,
    /// Kernel messages; `[uptime] ` comes off first.
    Kernel,
}

/// A literal that is in every text which a rule matches: texts without it need not be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its offset in [`Filter::code`].
    pub at: u16,
    /// Its length, 0 for none.
    pub len: u8,
    /// Which of its bytes, from 0, is the rarest in logs: the one to look for.
    pub rare: u8,
}

/// One rule's place in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// From 1, in the order of the text.
    pub ordinal: u16,
    /// Line of the text it stands on, from 1.
    pub line: u16,
    /// Where its program starts in [`Filter::code`].
    pub entry: u16,
    /// The longest literal that every match contains, apart from the one it starts with, which `key` covers.
    pub need: Need,
    /// The first four bytes of a text, as a little-endian number, must be `key` where `mask` has bits.
    pub key: u32,
    /// Which bits of `key` are fixed.
    pub mask: u32,
    /// The modes it belongs to, a bit for each; bit 0 is `normal`. All bits for a rule without `@`.
    pub modes: u8,
    /// Its directive.
    pub verdict: Verdict,
    /// Whether the session ends with it.
    pub forget: bool,
    /// Which part of an attempt it reports; [`Part::Whole`] for any rule but a `fail`.
    pub part: Part,
}

impl Rule {
    /// No rule: what lent space starts with.
    pub const EMPTY: Self = Self {
        ordinal: 0,
        line: 0,
        entry: 0,
        need: Need { at: 0, len: 0, rare: 0 },
        key: 0,
        mask: 0,
        modes: 0,
        verdict: Verdict::Ignore,
        forget: false,
        part: Part::Whole,
    };
}

/// A compiled filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter<'a> {
    /// Its name.
    pub name: &'a str,
    /// Program names as in the `app` line, separated by blanks.
    pub apps: &'a str,
    /// The names of its modes besides `normal`; the n-th, from 0, has bit n + 1. Unused ones are empty.
    pub modes: [&'a str; 7],
    /// Which lines it is tried on.
    pub kind: Kind,
    /// Where the `strip` program starts in `code`, if there is one.
    pub strip: Option<u16>,
    /// The bytes with which a text can start that `strip` takes something off.
    pub strip_starts: Set,
    /// Two tables, by a text's first byte modulo 16 and by its second (0 where it has none). Bit i is set in both entries if
    /// the i-th of `rules` may match the text. Rules from the 64th on share the last bit.
    pub starts: [[u64; 16]; 2],
    /// Programs; see [`ops`].
    pub code: &'a [u8],
    /// Sets that `code` names by index.
    pub sets: &'a [Set],
    /// The rules: first `ignore` rules, then the others, each in the order of the text.
    pub rules: &'a [Rule],
}

impl Filter<'_> {
    /// The bit of the mode `name`; `None` where the filter has no such mode. `normal` is always bit 0.
    pub fn mode(&self, name: &str) -> Option<u8> {
        if name == "normal" {
            return Some(1);
        }
        let at = self.modes.iter().position(|known| !known.is_empty() && *known == name)?;
        1u8.checked_shl(at as u32 + 1).filter(|&bit| bit != 0)
    }
}
