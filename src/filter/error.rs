//! What can be wrong with a rule text, and where.

use core::fmt;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The first word of a line is no directive.
    UnknownDirective,
    /// A directive that is permitted once is there again.
    Repeated,
    /// The text has no `filter NAME`.
    NoName,
    /// The text has no `app` line, and its kind reads only lines that name a program.
    NoApp,
    /// The text has no rule.
    NoRules,
    /// A name may have letters, digits, `-`, `_` and `.`.
    BadName,
    /// A program is `NAME`, `NAME/*`, `NAME-*`, `-` or `*`; a name has no quotes, brackets or commas.
    BadApp,
    /// `kind` takes `syslog`, `raw`, `clf`, `nginx-error` or `kernel`.
    UnknownKind,
    /// More than seven modes beside `normal`.
    TooManyModes,
    /// A rule with nothing in it.
    EmptyRule,
    /// `{` without its `}`, or `}` without its `{`.
    Unbalanced,
    /// Groups nested more than eight deep.
    TooDeep,
    /// `;` must be written `\;`.
    BareSemicolon,
    /// `\` at the end, or `\x` without two hex digits.
    BadEscape,
    /// What stands between `<` and `>` is no field.
    BadField,
    /// A field without its `>`.
    OpenField,
    /// A set without its `]`, empty, or with a range that runs backwards.
    BadSet,
    /// `{m,n}` with m > n, n = 0 or a number over 254.
    BadBounds,
    /// `<...>` before the end.
    RestNotLast,
    /// A group under `*` that can match the empty text, and so would repeat without end.
    EmptyLoop,
    /// An address inside a repeated group.
    AddressInLoop,
    /// Two addresses, one after the other.
    TwoAddresses,
    /// Free text on both sides of the address: who chooses that text could choose the address.
    ForgeableAddress,
    /// Free text in `strip` that does not begin behind a literal, or may end at more than one place: who chooses that text
    /// could choose what the rules see.
    OpenStrip,
    /// Lazy free text before the address: the first thing that looks like an address wins, and a client may have written it.
    LazyBeforeAddress,
    /// The lent space is full.
    NoSpace,
}

impl Problem {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownDirective => {
                "unknown directive (filter, app, kind, strip, fail, help, gain, ignore)"
            }
            Self::Repeated => "this directive may stand only once",
            Self::NoName => "no `filter NAME` line",
            Self::NoApp => {
                "no `app PROGRAM` line: without one only the kinds raw, clf and nginx-error read anything"
            }
            Self::NoRules => "no rule",
            Self::BadName => "a name has letters, digits, `-`, `_`, `.` and is not empty",
            Self::BadApp => {
                "a program is NAME, NAME/*, NAME-*, - (none) or *, without quotes, brackets or commas; several have blanks between them"
            }
            Self::UnknownKind => "kind is one of syslog, raw, clf, nginx-error, kernel",
            Self::TooManyModes => "more than seven modes beside normal",
            Self::EmptyRule => "empty rule",
            Self::Unbalanced => "unbalanced `{` or `}` (write `\\{` for the character)",
            Self::TooDeep => "groups nested too deep",
            Self::BareSemicolon => "write `\\;` for a semicolon",
            Self::BadEscape => "bad escape",
            Self::BadField => "unknown field (write `\\<` for the character)",
            Self::OpenField => "field without `>`",
            Self::BadSet => "bad set",
            Self::BadBounds => "bad bounds: {m,n} with m <= n, 1 <= n <= 254",
            Self::RestNotLast => "`<...>` stands only at the end",
            Self::EmptyLoop => "a repeated group must not match nothing",
            Self::AddressInLoop => "an address cannot stand in a repeated group",
            Self::TwoAddresses => "two addresses in one rule",
            Self::ForgeableAddress => {
                "forgeable: free text on both sides of the address; close and end-anchor what follows it"
            }
            Self::LazyBeforeAddress => "forgeable: lazy free text before the address",
            Self::OpenStrip => {
                "forgeable: free text in strip; begin it behind a literal, and end it with one that it cannot hold the start of"
            }
            Self::NoSpace => "rule tables are full",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A problem with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Line, from 1.
    pub line: u16,
    /// Byte in the line, from 1.
    pub column: u16,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.problem)
    }
}

impl core::error::Error for Problem {}

impl core::error::Error for Error {}
