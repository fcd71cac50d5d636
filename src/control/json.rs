//! JSON out, without `core::fmt` and without memory of its own.
//!
//! Whatever bytes go in, the text that comes out is valid JSON in valid UTF-8 on one line: what is not UTF-8 becomes
//! U+FFFD, and quotes, backslashes and all control characters (C0, DEL, C1, so nothing that a terminal obeys) are
//! escaped. Only the nesting is up to the caller: a key before each value of an object, and an end for each start. Linear;
//! never fails, never panics.

/// A writer into `out`, which takes the text in pieces.
pub struct Writer<'a> {
    out: &'a mut dyn FnMut(&[u8]),
    /// Whether the next key or value needs a comma before it.
    comma: bool,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl<'a> Writer<'a> {
    /// A writer at the start of a line.
    pub fn new(out: &'a mut dyn FnMut(&[u8])) -> Self {
        Self { out, comma: false }
    }

    fn lead(&mut self) {
        if self.comma {
            (self.out)(b",");
        }
        self.comma = true;
    }

    fn start(&mut self, bracket: &[u8]) -> &mut Self {
        self.lead();
        (self.out)(bracket);
        self.comma = false;
        self
    }

    fn end(&mut self, bracket: &[u8]) -> &mut Self {
        (self.out)(bracket);
        self.comma = true;
        self
    }

    /// Starts an object.
    pub fn object(&mut self) -> &mut Self {
        self.start(b"{")
    }

    /// Ends an object.
    pub fn end_object(&mut self) -> &mut Self {
        self.end(b"}")
    }

    /// Starts an array.
    pub fn array(&mut self) -> &mut Self {
        self.start(b"[")
    }

    /// Ends an array.
    pub fn end_array(&mut self) -> &mut Self {
        self.end(b"]")
    }

    /// A key; its value comes next.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.str(name.as_bytes());
        (self.out)(b":");
        self.comma = false;
        self
    }

    /// Any bytes as a string.
    pub fn str(&mut self, bytes: &[u8]) -> &mut Self {
        self.lead();
        (self.out)(b"\"");
        for chunk in bytes.utf8_chunks() {
            self.text(chunk.valid());
            if !chunk.invalid().is_empty() {
                (self.out)("\u{fffd}".as_bytes());
            }
        }
        (self.out)(b"\"");
        self
    }

    /// Text within quotes: runs that need no escape go out whole.
    fn text(&mut self, text: &str) {
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            let escape: &[u8] = match c {
                '"' => b"\\\"",
                '\\' => b"\\\\",
                '\n' => b"\\n",
                '\r' => b"\\r",
                '\t' => b"\\t",
                c if c.is_control() => b"",
                _ => continue,
            };
            (self.out)(text.as_bytes().get(plain..at).unwrap_or(b""));
            plain = at + c.len_utf8();
            if escape.is_empty() {
                // Control characters end at U+009F: two digits are enough.
                let n = c as usize;
                let digit = |n: usize| HEX.get(n & 15).copied().unwrap_or(b'0');
                (self.out)(&[b'\\', b'u', b'0', b'0', digit(n >> 4), digit(n)]);
            } else {
                (self.out)(escape);
            }
        }
        (self.out)(text.as_bytes().get(plain..).unwrap_or(b""));
    }

    /// A number.
    pub fn u64(&mut self, n: u64) -> &mut Self {
        self.lead();
        let (mut digits, mut rest) = ([0u8; 20], n);
        let mut used = 0;
        for slot in digits.iter_mut().rev() {
            *slot = b'0' + (rest % 10) as u8;
            rest /= 10;
            used += 1;
            if rest == 0 {
                break;
            }
        }
        (self.out)(digits.get(digits.len() - used..).unwrap_or(b"0"));
        self
    }

    /// A number that may be below zero.
    pub fn i64(&mut self, n: i64) -> &mut Self {
        if n < 0 {
            self.lead();
            (self.out)(b"-");
            self.comma = false;
        }
        self.u64(n.unsigned_abs())
    }

    /// `true` or `false`.
    pub fn bool(&mut self, b: bool) -> &mut Self {
        self.lead();
        (self.out)(if b { b"true" } else { b"false" });
        self
    }

    /// `null`.
    pub fn null(&mut self) -> &mut Self {
        self.lead();
        (self.out)(b"null");
        self
    }

    /// `null`, or what `write` makes of the value.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            Some(value) => write(self, value),
            None => {
                self.null();
            }
        }
        self
    }

    /// Ends the line; the next value starts a new one.
    pub fn newline(&mut self) -> &mut Self {
        (self.out)(b"\n");
        self.comma = false;
        self
    }
}
