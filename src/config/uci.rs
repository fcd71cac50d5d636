//! The grammar of UCI text, one line at a time.
//!
//! In: the bytes of a file. Out: an [`Item`] or a [`Syntax`] error a line, each with its line number from 1.
//! Linear in the input; no line is looked at twice. The grammar is that of OpenWrt's libuci (`file.c`) within
//! a line: words are made of bare, `'single'` and `"double"` quoted parts written together, a backslash takes
//! the next character as it is except within single quotes, `#` starts a comment. What libuci reads in a way
//! that few people mean is an error here: a value that runs over a line's end, and a bare `#` or `;` in a
//! word (libuci silently ends the value there).

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
    /// A backslash at the end of the line.
    TrailingBackslash,
    /// A `#` or `;` in a word, outside quotes.
    BareSeparator,
    /// The line starts with none of `package`, `config`, `option`, `list`.
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
                    ('\\', None | Some('"')) => return rest.next(),
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
    rest: Option<&'a [u8]>,
    line: u32,
    head: bool,
}

impl<'a> Items<'a> {
    /// Over `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: Some(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)), line: 0, head: false }
    }

    /// Whether the line of the last item was meant to start a section, be it well-formed or not.
    pub fn at_section(&self) -> bool {
        self.head
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = (u32, Result<Item<'a>, Syntax>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest?;
            let (line, after) = match memchr::memchr(b'\n', rest) {
                Some(at) => (rest.get(..at).unwrap_or(&[]), rest.get(at + 1..)),
                None => (rest, None),
            };
            self.rest = after;
            self.line = self.line.saturating_add(1);
            self.head = line.trim_ascii_start().starts_with(b"config");
            if let Some(item) = item(line.strip_suffix(b"\r").unwrap_or(line)).transpose() {
                return Some((self.line, item));
            }
        }
    }
}

/// One line, without its end. `None` where it says nothing.
fn item(line: &[u8]) -> Result<Option<Item<'_>>, Syntax> {
    let text = core::str::from_utf8(line).map_err(|_| Syntax::NotUtf8)?;
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Syntax::Control);
    }
    let mut rest = line;
    let Some(keyword) = next(&mut rest)? else { return Ok(None) };
    let item = match keyword.0 {
        "package" => Item::Package(must(&mut rest)?),
        "config" => Item::Section { kind: must(&mut rest)?, name: next(&mut rest)? },
        "option" => Item::Option { key: must(&mut rest)?, value: must(&mut rest)? },
        "list" => Item::List { key: must(&mut rest)?, value: must(&mut rest)? },
        _ => return Err(Syntax::UnknownKeyword),
    };
    match next(&mut rest)? {
        None => Ok(Some(item)),
        Some(_) => Err(Syntax::ExtraWord),
    }
}

fn must<'a>(rest: &mut &'a [u8]) -> Result<Word<'a>, Syntax> {
    next(rest)?.ok_or(Syntax::MissingWord)
}

/// Takes the next word off `rest`; `None` at the end of the line or at a comment.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Word<'a>>, Syntax> {
    let (text, _) = blanks(rest).map_err(|_| Syntax::MissingWord)?;
    if matches!(text.first(), None | Some(b'#')) {
        *rest = b"";
        return Ok(None);
    }
    let mut tail = text;
    while let Ok((after, _)) = part(tail) {
        tail = after;
    }
    *rest = tail;
    match tail.first() {
        None | Some(b' ' | b'\t') => {
            // A word starts and ends at ASCII, so it is UTF-8 as its line is.
            core::str::from_utf8(consumed(text, tail))
                .map(|word| Some(Word(word)))
                .map_err(|_| Syntax::NotUtf8)
        }
        Some(b'\'' | b'"') => Err(Syntax::UnterminatedQuote),
        Some(b'\\') => Err(Syntax::TrailingBackslash),
        Some(_) => Err(Syntax::BareSeparator),
    }
}

// The parsers work on bytes, since nom's for `&str` can panic as far as the linker sees.

/// What was read of `text` when `rest` is left. (nom's `recognize` slices, which can panic as far as the linker sees.)
fn consumed<'a>(text: &'a [u8], rest: &[u8]) -> &'a [u8] {
    text.get(..text.len().saturating_sub(rest.len())).unwrap_or(b"")
}

fn blanks(text: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(|c| c == b' ' || c == b'\t')(text)
}

/// A part of a word: bare, quoted or one escaped character.
fn part(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let bare = take_while1(|c| !matches!(c, b' ' | b'\t' | b'\'' | b'"' | b'\\' | b'#' | b';'));
    alt((bare, single, double, escaped)).parse(text)
}

fn single(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let (rest, _) = delimited(tag("'"), take_while(|c| c != b'\''), tag("'")).parse(text)?;
    Ok((rest, consumed(text, rest)))
}

/// A backslash and one byte. Of a longer character the other bytes are bare ones that follow.
fn escaped(text: &[u8]) -> IResult<&[u8], &[u8]> {
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
        (rest, _) = alt((take_while1(|c| c != b'"' && c != b'\\'), escaped)).parse(rest)?;
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
            ("ä\\ö", &["äö"]),
        ] {
            assert_eq!(words(line).unwrap(), expect, "{line}");
        }
        for (line, error) in [
            ("'a", Syntax::UnterminatedQuote),
            ("a 'b\"", Syntax::UnterminatedQuote),
            ("\"a\\\"", Syntax::UnterminatedQuote),
            ("a\\", Syntax::TrailingBackslash),
            ("a#b", Syntax::BareSeparator),
            ("a;b", Syntax::BareSeparator),
            ("'a'#", Syntax::BareSeparator),
        ] {
            assert_eq!(words(line), Err(error), "{line}");
        }
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
