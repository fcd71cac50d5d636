//! A JSON reader for the client, for the daemon's replies. Whole numbers only, since the protocol has no others.
//!
//! Nesting is bounded by [`DEPTH`]; nothing panics on any text.

use std::string::String;
use std::vec::Vec;

/// The deepest nesting that is read.
pub const DEPTH: u8 = 16;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number. The daemon's counters would need centuries to pass this.
    Number(i64),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, its members in order.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The whole of `text` as a value; `None` where it is not one JSON value, or nested deeper than [`DEPTH`].
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value(DEPTH)?;
        reader.blanks();
        reader.rest.is_empty().then_some(value)
    }

    /// The member `name` of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The members of an object, else none.
    pub fn members(&self) -> &[(String, Self)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// The items of an array, else none.
    pub fn items(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    /// The text of a string, else nothing.
    pub fn text(&self) -> &str {
        if let Self::String(text) = self { text } else { "" }
    }

    /// The number, where it is one.
    pub const fn number(&self) -> Option<i64> {
        if let Self::Number(n) = self { Some(*n) } else { None }
    }

    /// Whether this is `true`.
    pub const fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.blanks();
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn value(&mut self, depth: u8) -> Option<Value> {
        let deeper = depth.checked_sub(1)?;
        self.blanks();
        match self.rest.chars().next()? {
            '{' => {
                let mut members = Vec::new();
                self.list('}', |r| {
                    r.blanks();
                    let key = r.string()?;
                    r.take(":")?;
                    members.push((key, r.value(deeper)?));
                    Some(())
                })?;
                Some(Value::Object(members))
            }
            '[' => {
                let mut items = Vec::new();
                self.list(']', |r| {
                    items.push(r.value(deeper)?);
                    Some(())
                })?;
                Some(Value::Array(items))
            }
            '"' => self.string().map(Value::String),
            't' => self.take("true").map(|()| Value::Bool(true)),
            'f' => self.take("false").map(|()| Value::Bool(false)),
            'n' => self.take("null").map(|()| Value::Null),
            _ => {
                let len = self.rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'-').count();
                let (number, rest) = self.rest.split_at_checked(len)?;
                self.rest = rest;
                number.parse().ok().map(Value::Number)
            }
        }
    }

    fn list(&mut self, end: char, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
        self.blanks();
        if let Some(rest) = self.rest.strip_prefix(end) {
            self.rest = rest;
            return Some(());
        }
        loop {
            one(self)?;
            self.blanks();
            if let Some(rest) = self.rest.strip_prefix(end) {
                self.rest = rest;
                return Some(());
            }
            self.take(",")?;
        }
    }

    fn string(&mut self) -> Option<String> {
        let mut chars = self.rest.strip_prefix('"')?.chars();
        let mut out = String::new();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => match chars.next()? {
                    c @ ('"' | '\\' | '/') => out.push(c),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'n' => out.push('\n'),
                    'r' => out.push('\r'),
                    't' => out.push('\t'),
                    'u' => {
                        let (digits, rest) = chars.as_str().split_at_checked(4)?;
                        // Surrogates are never written by the daemon.
                        out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                        chars = rest.chars();
                    }
                    _ => return None,
                },
                c if c < ' ' => return None,
                c => out.push(c),
            }
        }
        self.rest = chars.as_str();
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::json::Writer;
    use proptest::prelude::*;

    #[test]
    fn values_are_read() {
        let v = Value::parse(r#" {"a":[1,-2,{}],"b":null,"c":"x\"\u0041","d":true} "#).unwrap();
        let numbers: Vec<_> = v.get("a").unwrap().items().iter().map(Value::number).collect();
        assert_eq!(numbers, [Some(1), Some(-2), None]);
        assert_eq!((v.get("c").unwrap().text(), v.get("d").unwrap().is_true()), ("x\"A", true));
        for bad in
            ["", "{", "[1,]", "{\"a\"}", "\"", "1.5", "--1", "-", "nul", "1 2", "\"\\ud800\"", "\"\n\""]
        {
            assert_eq!(Value::parse(bad), None, "{bad}");
        }
        assert_eq!(Value::parse(&core::iter::repeat_n('[', 1 << 20).collect::<String>()), None);
    }

    proptest! {
        #[test]
        fn what_the_writer_writes_is_read_back(bytes in any::<Vec<u8>>(), n in 0..=i64::MAX as u64, m in any::<i64>()) {
            let mut out = Vec::new();
            let mut sink = |piece: &[u8]| out.extend_from_slice(piece);
            Writer::new(&mut sink).array().str(&bytes).u64(n).i64(m).end_array();
            let value = Value::parse(&String::from_utf8(out).unwrap()).unwrap();
            prop_assert_eq!(value, Value::Array([
                Value::String(String::from_utf8_lossy(&bytes).into_owned()),
                Value::Number(n as i64),
                Value::Number(m),
            ].into()));
        }

        #[test]
        fn any_text_is_a_value_or_none(text in "[\\[\\]{}\":,\\\\u0-9a-f -]{0,40}") {
            let _ = Value::parse(&text);
        }
    }
}
