//! What can be wrong with a configuration, and where.

use super::uci::Syntax;
use crate::time::Duration;
use core::fmt;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The line is no UCI.
    Syntax(Syntax),
    /// An option before the first section.
    OutsideSection,
    /// No section of this type exists.
    UnknownSection,
    /// The section has no such option.
    UnknownOption,
    /// The section already gave this option.
    Twice,
    /// `list` for an option that has one value.
    NotAList,
    /// Not what the option takes, which is named here.
    Value(&'static str),
    /// Below the first or above the second number.
    Range(u64, u64),
    /// Shorter than the first or longer than the second duration.
    Span(Duration, Duration),
    /// Longer than this many bytes.
    TooLong(usize),
    /// More than this many of them.
    TooMany(usize),
    /// Not a name: 1 to 31 of `a-z A-Z 0-9 _ -`.
    BadName,
    /// A jail without a name.
    NoName,
    /// A second section with the same name, or a second global section.
    Duplicate,
    /// A jail called `manual` or `restored`, which is what bans that no jail decided are listed under.
    Reserved,
    /// A second source that reads the same, so that each line would count twice. Holds the line of the first one.
    SameSource(u32),
    /// No built-in filter has this name.
    UnknownFilter,
    /// A source is for a filter that no jail has, so nothing would read its lines.
    Unused,
    /// The filter has no such mode.
    UnknownMode,
    /// The section needs this option.
    Missing(&'static str),
    /// The option has no effect here, for the reason named.
    Useless(&'static str),
}

/// One thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem<'a> {
    /// The line, from 1.
    pub line: u32,
    /// What.
    pub kind: Kind,
    /// The option whose value is wrong; empty where something else is.
    pub option: &'a str,
    /// The word that is wrong, without control characters other than tabs; empty where it is the whole line.
    pub text: &'a str,
    /// A known word that may be meant.
    pub hint: Option<&'a str>,
}

impl fmt::Display for Problem<'_> {
    /// The message, without the line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text;
        if !self.option.is_empty() {
            write!(f, "option {}: ", self.option)?;
        }
        match self.kind {
            Kind::Syntax(Syntax::NotUtf8) => f.write_str("not UTF-8 text"),
            Kind::Syntax(Syntax::Control) => f.write_str("a NUL or another control character"),
            Kind::Syntax(Syntax::UnterminatedQuote) => {
                f.write_str("a quote that does not end on this line")
            }
            Kind::Syntax(Syntax::TrailingBackslash) => f.write_str("a backslash at the end of the file"),
            Kind::Syntax(Syntax::UnknownKeyword) => {
                f.write_str("a line starts with config, option, list or package")
            }
            Kind::Syntax(Syntax::MissingWord) => f.write_str("the line ends too early"),
            Kind::Syntax(Syntax::ExtraWord) => {
                f.write_str("the line goes on after its value: put the value in quotes")
            }
            Kind::OutsideSection => write!(f, "option '{text}' before the first section"),
            Kind::UnknownSection => write!(f, "unknown section type '{text}'"),
            Kind::UnknownOption => write!(f, "unknown option '{text}'"),
            Kind::Twice => write!(f, "option '{text}' is given twice"),
            Kind::NotAList => write!(f, "'{text}' takes one value: write option, not list"),
            Kind::Value(expected) => write!(f, "'{text}' is not {expected}"),
            Kind::Range(min, max) => write!(f, "'{text}' is not within {min} to {max}"),
            Kind::Span(min, max) => {
                write!(f, "'{text}' is not within {} to {}", min.write().as_str(), max.write().as_str())
            }
            Kind::TooLong(max) => write!(f, "'{text}' is longer than {max} bytes"),
            Kind::TooMany(max) => write!(f, "more than {max} of '{text}'"),
            Kind::NoName => f.write_str("the section needs a name, such as config jail 'sshd'"),
            Kind::BadName => write!(f, "'{text}' is not a name: 1 to 31 of a-z A-Z 0-9 _ -"),
            Kind::Duplicate => write!(f, "a second section '{text}'"),
            Kind::Reserved => {
                write!(f, "'{text}' is no name for a jail: bans that no jail decided have it")
            }
            Kind::SameSource(line) => write!(f, "this '{text}' source is that of line {line} again"),
            Kind::UnknownFilter => write!(f, "no built-in filter is called '{text}'"),
            Kind::Unused => {
                write!(f, "no jail has the filter '{text}', so nothing would read this source")
            }
            Kind::UnknownMode => write!(f, "the filter has no mode '{text}'"),
            Kind::Missing(option) => write!(f, "'{text}' needs option {option}"),
            Kind::Useless(why) => write!(f, "option '{text}' means nothing with {why}"),
        }?;
        match self.hint {
            Some(hint) => write!(f, "; did you mean '{hint}'?"),
            None => Ok(()),
        }
    }
}

/// The longest word that is compared; longer ones have no likeness.
const LONGEST: usize = 32;

/// The candidate that a word most likely stands for: the nearest within two edits, and within a third of its length.
///
/// Shown one at a time, since a copy of the code for each kind of list would be kilobytes.
pub struct Likeness<'w, 'c> {
    word: &'w str,
    best: Option<(usize, &'c str)>,
}

impl<'w, 'c> Likeness<'w, 'c> {
    /// Of `word`, to nothing yet.
    pub fn of(word: &'w str) -> Self {
        Self { word, best: None }
    }

    /// Looks at one more candidate.
    #[inline(never)]
    pub fn look(&mut self, candidate: &'c str) {
        let d = distance(self.word.as_bytes(), candidate.as_bytes());
        let near = d > 0 && d <= 2 && d * 3 <= candidate.len().max(self.word.len());
        if near && self.best.is_none_or(|(least, _)| d < least) {
            self.best = Some((d, candidate));
        }
    }

    /// What was found.
    pub fn found(&self) -> Option<&'c str> {
        self.best.map(|(_, candidate)| candidate)
    }
}

/// Levenshtein's distance, over one row in fixed memory; `usize::MAX` for words longer than [`LONGEST`].
fn distance(a: &[u8], b: &[u8]) -> usize {
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut row = [0usize; LONGEST + 1];
    for (j, cell) in row.iter_mut().enumerate() {
        *cell = j;
    }
    for (i, x) in a.iter().enumerate() {
        let (mut diagonal, mut left) = (i, i + 1);
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let up = *cell;
            left = (diagonal + usize::from(x != y)).min(up + 1).min(left + 1);
            diagonal = up;
            *cell = left;
        }
    }
    row.get(b.len()).copied().unwrap_or(usize::MAX)
}

impl core::error::Error for Problem<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_hinted() {
        let known = ["maxretry", "findtime", "bantime", "filter", "port"];
        for (word, hint) in [
            ("maxrety", Some("maxretry")),
            ("max_retry", Some("maxretry")),
            ("bantme", Some("bantime")),
            ("filters", Some("filter")),
            ("pt", None),
            ("colour", None),
            ("an option whose name is far longer than any", None),
        ] {
            let mut likeness = Likeness::of(word);
            known.into_iter().for_each(|k| likeness.look(k));
            assert_eq!(likeness.found(), hint, "{word}");
        }
        for (a, b, d) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), d);
        }
    }
}
