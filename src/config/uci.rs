//! The grammar of UCI text, one command at a time.
//!
//! In: the bytes of a file. Out: for each command an [`Item`] or a [`Syntax`] error, with its line number from 1. Linear in
//! the input. The grammar is that of OpenWrt's libuci (`file.c`):
//!
//! - A word consists of bare, `'single'` and `"double"` quoted parts written together.
//! - Outside single quotes, a backslash makes the next character literal, and at the end of a line joins the next line.
//! - An unquoted `#` ends the line, an unquoted `;` the command.
//! - Keywords may be cut to their first letter.
//!
//! One thing differs: a quote must end on its line. libuci would take the line break into the value, but no option here
//! has such a value, and a forgotten quote would silently swallow the lines up to the next one.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while, take_while1},
    error::{Error, ErrorKind},
    sequence::delimited,
};

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Not UTF-8.
    NotUtf8,
    /// A NUL or another control character.
    Control,
    /// A quote without its partner on the same line.
    UnterminatedQuote,
    /// A backslash at the end of the text.
    TrailingBackslash,
    /// The command is none of `package`, `config`, `option`, `list`.
    UnknownKeyword,
    /// The line ends too early.
    MissingWord,
    /// The line goes on after its last word.
    ExtraWord,
}

/// A word as it is written, quotes and backslashes included. Known to be well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a>(&'a str);

impl<'a> Word<'a> {
    /// As written.
    pub const fn raw(self) -> &'a str {
        self.0
    }

    /// The characters that the word stands for.
    pub fn chars(self) -> impl Iterator<Item = char> + 'a {
        let (mut rest, mut quote) = (self.0.chars(), None);
        core::iter::from_fn(move || {
            loop {
                let c = rest.next()?;
                match (c, quote) {
                    ('\'', Some('\'')) | ('"', Some('"')) => quote = None,
                    ('\'' | '"', None) => quote = Some(c),
                    ('\\', None | Some('"')) => match rest.next()? {
                        '\n' => {}
                        '\r' if matches!(rest.as_str().bytes().next(), None | Some(b'\n')) => {
                            _ = rest.next()
                        }
                        escaped => return Some(escaped),
                    },
                    _ => return Some(c),
                }
            }
        })
    }
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// `package NAME`: accepted, says nothing.
    Package(Word<'a>),
    /// `config KIND [NAME]`: a section starts.
    Section {
        /// Its type.
        kind: Word<'a>,
        /// Its name, where it has one.
        name: Option<Word<'a>>,
    },
    /// `option KEY VALUE`.
    Option {
        /// Which.
        key: Word<'a>,
        /// To what.
        value: Word<'a>,
    },
    /// `list KEY VALUE`.
    List {
        /// Which.
        key: Word<'a>,
        /// One value more.
        value: Word<'a>,
    },
}

/// The items of a file; blank lines and comments are passed over. A byte order mark at the start is too.
pub struct Items<'a> {
    rest: &'a [u8],
    line: u32,
    head: bool,
}

impl<'a> Items<'a> {
    /// Over `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text), line: 1, head: false }
    }

    /// Whether the last item, well-formed or not, began with `config`.
    pub fn at_section(&self) -> bool {
        self.head
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = (u32, Result<Item<'a>, Syntax>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (text, line) = (self.rest, self.line);
            let found = item(&mut self.rest);
            // The next command starts behind a separator, or else on the next line.
            let skipped = match (self.rest.first(), &found) {
                (Some(b';'), Ok(_)) => 1,
                _ => memchr::memchr(b'\n', self.rest).map_or(self.rest.len(), |at| at + 1),
            };
            self.rest = self.rest.get(skipped..).unwrap_or(&[]);
            let taken = consumed(text, self.rest);
            let breaks = taken.iter().filter(|b| **b == b'\n').count();
            self.line = line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
            let head = taken.trim_ascii_start();
            self.head = [&b"config"[..], b"c ", b"c\t"].iter().any(|word| head.starts_with(word));
            if let Err(syntax) = characters(taken) {
                return Some((line, Err(syntax)));
            }
            if let Some(item) = found.transpose() {
                return Some((line, item));
            }
        }
        None
    }
}

/// UTF-8 without control characters but tabs and the ends of lines.
fn characters(text: &[u8]) -> Result<(), Syntax> {
    let text = core::str::from_utf8(text).map_err(|_| Syntax::NotUtf8)?;
    let mut before = '\0';
    for c in text.chars() {
        // A lone carriage return would overwrite what a terminal shows of the line.
        if before == '\r' && c != '\n' || c.is_control() && !matches!(c, '\t' | '\r' | '\n') {
            return Err(Syntax::Control);
        }
        before = c;
    }
    Ok(())
}

/// Takes one command off `rest`; `None` where there is none.
fn item<'a>(rest: &mut &'a [u8]) -> Result<Option<Item<'a>>, Syntax> {
    let Some(keyword) = next(rest)? else { return Ok(None) };
    let item = match keyword.0 {
        "package" | "p" => Item::Package(must(rest)?),
        "config" | "c" => Item::Section { kind: must(rest)?, name: next(rest)? },
        "option" | "o" => Item::Option { key: must(rest)?, value: must(rest)? },
        "list" | "l" => Item::List { key: must(rest)?, value: must(rest)? },
        _ => return Err(Syntax::UnknownKeyword),
    };
    match next(rest)? {
        None => Ok(Some(item)),
        Some(_) => Err(Syntax::ExtraWord),
    }
}

fn must<'a>(rest: &mut &'a [u8]) -> Result<Word<'a>, Syntax> {
    next(rest)?.ok_or(Syntax::MissingWord)
}

/// Takes the next word off `rest`; `None` at the end of the line or command, or at a comment.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Word<'a>>, Syntax> {
    let mut text = *rest;
    loop {
        (text, _) = blanks(text).map_err(|_| Syntax::MissingWord)?;
        match joined(text) {
            Some(after) => text = after,
            None => break,
        }
    }
    *rest = text;
    if matches!(text.first(), None | Some(b'#' | b';' | b'\n')) {
        return Ok(None);
    }
    let mut tail = text;
    while let Ok((after, _)) = part(tail) {
        tail = after;
    }
    *rest = tail;
    match tail.first() {
        Some(b'\'' | b'"') => Err(Syntax::UnterminatedQuote),
        Some(b'\\') => Err(Syntax::TrailingBackslash),
        _ => {
            // A word starts and ends at ASCII, so it is UTF-8 where its line is.
            core::str::from_utf8(consumed(text, tail))
                .map(|word| Some(Word(word)))
                .map_err(|_| Syntax::NotUtf8)
        }
    }
}

/// What follows where `text` starts with a backslash at the end of its line.
fn joined(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"\\\n").or_else(|| text.strip_prefix(b"\\\r\n"))
}

// The parsers work on bytes, since nom's for `&str` can panic as far as the linker sees.

/// What was read of `text` when `rest` is left. (nom's `recognize` slices, which can panic as far as the linker sees.)
fn consumed<'a>(text: &'a [u8], rest: &[u8]) -> &'a [u8] {
    text.get(..text.len().saturating_sub(rest.len())).unwrap_or(b"")
}

fn blanks(text: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(|c| matches!(c, b' ' | b'\t' | b'\r'))(text)
}

/// A part of a word: bare, quoted or one escaped character.
fn part(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let bare =
        take_while1(|c| !matches!(c, b' ' | b'\t' | b'\r' | b'\n' | b'\'' | b'"' | b'\\' | b'#' | b';'));
    alt((bare, single, double, escaped)).parse(text)
}

fn single(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let (rest, _) = delimited(tag("'"), take_while(|c| c != b'\'' && c != b'\n'), tag("'")).parse(text)?;
    Ok((rest, consumed(text, rest)))
}

/// A backslash and one byte. Of a longer character the other bytes are bare ones that follow.
fn escaped(text: &[u8]) -> IResult<&[u8], &[u8]> {
    if let Some(rest) = joined(text) {
        return Ok((rest, consumed(text, rest)));
    }
    match text {
        [b'\\', _, rest @ ..] => Ok((rest, consumed(text, rest))),
        _ => Err(nom::Err::Error(Error::new(text, ErrorKind::Escaped))),
    }
}

fn double(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let (mut rest, _) = tag("\"")(text)?;
    loop {
        if let [b'"', after @ ..] = rest {
            return Ok((after, consumed(text, after)));
        }
        (rest, _) = alt((take_while1(|c| !matches!(c, b'"' | b'\\' | b'\n')), escaped)).parse(rest)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    fn words(line: &str) -> Result<Vec<String>, Syntax> {
        let mut rest = line.as_bytes();
        let mut out = Vec::new();
        while let Some(word) = next(&mut rest)? {
            out.push(word.chars().collect());
        }
        Ok(out)
    }

    #[test]
    fn words_are_read_as_libuci_reads_them() {
        for (line, expect) in [
            ("", &[][..]),
            ("  # all comment", &[]),
            ("a b\tc", &["a", "b", "c"]),
            ("'a b' \"c d\"", &["a b", "c d"]),
            ("a'b c'd\"e f\"", &["ab cde f"]),
            (r"a\ b \#", &["a b", "#"]),
            (r#""a\"b" 'a\b' "a'b" 'a"b'"#, &["a\"b", r"a\b", "a'b", "a\"b"]),
            ("'' \"\"", &["", ""]),
            ("'a#b;c' # d 'e", &["a#b;c"]),
            ("'a'# d 'e", &["a"]),
            ("a#b", &["a"]),
            ("a;b", &["a"]),
            ("a \\\nb\\\n c \"d\\\r\ne\" # f\\\ng", &["a", "b", "c", "de"]),
            ("ä\\ö", &["äö"]),
        ] {
            assert_eq!(words(line).unwrap(), expect, "{line}");
        }
        for (line, error) in [
            ("'a", Syntax::UnterminatedQuote),
            ("a 'b\"", Syntax::UnterminatedQuote),
            ("\"a\\\"", Syntax::UnterminatedQuote),
            ("'a\nb'", Syntax::UnterminatedQuote),
            ("\"a\nb\"", Syntax::UnterminatedQuote),
            ("a\\", Syntax::TrailingBackslash),
        ] {
            assert_eq!(words(line), Err(error), "{line}");
        }
    }

    #[test]
    fn commands_are_cut_as_libuci_cuts_them() {
        let text = b"c jail x; o a b;;l c d # e; f\noption a \\\n\n'b'\noption a \\\n'b'\n # x \\\nlist e 'f\\'\n;";
        let all: Vec<_> = Items::new(text).collect();
        let (a, b) = (Word("a"), Word("'b'"));
        assert_eq!(
            all,
            [
                (1, Ok(Item::Section { kind: Word("jail"), name: Some(Word("x")) })),
                (1, Ok(Item::Option { key: a, value: Word("b") })),
                (1, Ok(Item::List { key: Word("c"), value: Word("d") })),
                (2, Err(Syntax::MissingWord)),
                (4, Err(Syntax::UnknownKeyword)),
                (5, Ok(Item::Option { key: a, value: b })),
                (8, Ok(Item::List { key: Word("e"), value: Word("'f\\'") })),
            ]
        );
        let errors: Vec<_> =
            Items::new(b"option a 'b; option\noption a b\rc\noption a b\xff; list c d\n").collect();
        assert_eq!(
            errors,
            [(1, Err(Syntax::UnterminatedQuote)), (2, Err(Syntax::Control)), (3, Err(Syntax::NotUtf8))]
        );
    }

    #[test]
    fn lines_carry_their_numbers() {
        let text = b"\xef\xbb\xbf# head\r\n\r\npackage edgeban\nconfig jail 'x' # y\r\n\toption a 'b'\n list c d\n\
            wrong\nconfig\noption a\noption a b c\n\0\n\xff\nconfig 'x";
        let all: Vec<_> = Items::new(text).collect();
        let name = Some(Word("'x'"));
        assert_eq!(
            all[..4],
            [
                (3, Ok(Item::Package(Word("edgeban")))),
                (4, Ok(Item::Section { kind: Word("jail"), name })),
                (5, Ok(Item::Option { key: Word("a"), value: Word("'b'") })),
                (6, Ok(Item::List { key: Word("c"), value: Word("d") })),
            ]
        );
        let errors: Vec<_> = all[4..].iter().map(|(line, item)| (*line, item.unwrap_err())).collect();
        assert_eq!(
            errors,
            [
                (7, Syntax::UnknownKeyword),
                (8, Syntax::MissingWord),
                (9, Syntax::MissingWord),
                (10, Syntax::ExtraWord),
                (11, Syntax::Control),
                (12, Syntax::NotUtf8),
                (13, Syntax::UnterminatedQuote),
            ]
        );
    }
}
