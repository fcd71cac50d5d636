//! Writes JSON objects, one on each line, byte by byte, without `core::fmt` and without a buffer.

/// An object being written through `put`. Members come in the order of the calls.
pub struct Object<'w, W: FnMut(u8)> {
    put: &'w mut W,
    first: bool,
}

impl<'w, W: FnMut(u8)> Object<'w, W> {
    /// Opens an object.
    pub fn open(put: &'w mut W) -> Self {
        put(b'{');
        Self { put, first: true }
    }

    /// A text member. Bytes that are not printable ASCII become `?`, quote and backslash are escaped: names and
    /// addresses are ASCII, and nothing that a line says can end the string.
    pub fn text(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        (self.put)(b'"');
        for &b in value {
            match b {
                b'"' | b'\\' => {
                    (self.put)(b'\\');
                    (self.put)(b);
                }
                0x20..=0x7e => (self.put)(b),
                _ => (self.put)(b'?'),
            }
        }
        (self.put)(b'"');
    }

    /// A number member.
    pub fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        let mut digits = [0u8; 20];
        let (mut rest, mut used) = (value, 0);
        for slot in digits.iter_mut().rev() {
            *slot = b'0' + (rest % 10) as u8;
            rest /= 10;
            used += 1;
            if rest == 0 {
                break;
            }
        }
        digits.iter().skip(digits.len() - used).for_each(|&b| (self.put)(b));
    }

    /// Closes the object and ends the line.
    pub fn close(self) {
        (self.put)(b'}');
        (self.put)(b'\n');
    }

    fn name(&mut self, name: &str) {
        if !self.first {
            (self.put)(b',');
        }
        self.first = false;
        (self.put)(b'"');
        name.bytes().for_each(|b| (self.put)(b));
        (self.put)(b'"');
        (self.put)(b':');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_escaped_and_numbers_are_whole() {
        let mut out = Vec::new();
        let mut put = |b| out.push(b);
        let mut object = Object::open(&mut put);
        object.text("a", b"x\"\\\n\xff");
        object.number("b", 0);
        object.number("c", u64::MAX);
        object.close();
        assert_eq!(out, b"{\"a\":\"x\\\"\\\\??\",\"b\":0,\"c\":18446744073709551615}\n");
    }
}
