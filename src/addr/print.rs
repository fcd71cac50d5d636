//! Addresses to text (RFC 5952), without the code size of `core::fmt`.

use super::{Addr, Prefix};
use core::fmt;

/// The longest text: eight groups, seven colons, a slash and three digits.
const LONGEST: usize = 43;

/// An address or prefix as text, held in place.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; LONGEST],
    len: u8,
}

impl Text {
    const fn new() -> Self {
        Self { bytes: [0; LONGEST], len: 0 }
    }

    fn push(&mut self, b: u8) {
        if let Some(slot) = self.bytes.get_mut(usize::from(self.len)) {
            *slot = b;
            self.len += 1;
        }
    }

    fn decimal(&mut self, n: u8) {
        if n >= 100 {
            self.push(b'0' + n / 100);
        }
        if n >= 10 {
            self.push(b'0' + n / 10 % 10);
        }
        self.push(b'0' + n % 10);
    }

    fn hex(&mut self, n: u16) {
        let mut started = false;
        for shift in [12, 8, 4, 0] {
            let nibble = (n >> shift & 15) as u8;
            started |= nibble != 0 || shift == 0;
            if started {
                self.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
            }
        }
    }

    /// The text. Always ASCII.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// The text as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl Addr {
    /// The address as text: dotted for IPv4, RFC 5952 for IPv6.
    pub fn write(self) -> Text {
        let mut out = Text::new();
        if let Some(octets) = self.to_v4() {
            for (i, octet) in octets.into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                out.decimal(octet);
            }
            return out;
        }
        let n = self.to_u128();
        let group = |i: usize| (n >> (112 - 16 * i as u32)) as u16;
        // The longest run of two or more zero groups, the first of equals (RFC 5952, 4.2).
        let (mut start, mut len) = (8, 1);
        let mut i = 0;
        while i < 8 {
            let run = (i..8).take_while(|&j| group(j) == 0).count();
            if run > len {
                (start, len) = (i, run);
            }
            i += run.max(1);
        }
        let mut i = 0;
        while i < 8 {
            if i == start {
                out.push(b':');
                if i == 0 {
                    out.push(b':');
                }
                i += len;
                continue;
            }
            out.hex(group(i));
            i += 1;
            if i < 8 {
                out.push(b':');
            }
        }
        out
    }
}

impl Prefix {
    /// The prefix as text; a single host without its length.
    pub fn write(self) -> Text {
        let mut out = self.addr().write();
        if !self.is_host() {
            out.push(b'/');
            out.decimal(self.family_len());
        }
        out
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.write().as_str())
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write().as_str())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.write().as_str())
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write().as_str())
    }
}
