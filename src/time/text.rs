//! Durations as people write them: `90`, `10m`, `1h30m`, `1w`, `permanent`.

use super::Duration;

const UNITS: [(u8, u64); 5] = [(b'w', 604_800), (b'd', 86_400), (b'h', 3_600), (b'm', 60), (b's', 1)];

/// `text` as a duration: numbers with a unit of `w`, `d`, `h`, `m` or `s` each, summed (`1h30m`); a number alone is
/// seconds; `permanent`, `forever` and `-1` are [`Duration::FOREVER`]. `None` for anything else or an overflow.
pub fn parse_duration(text: &[u8]) -> Option<Duration> {
    if matches!(text, b"permanent" | b"forever" | b"-1") {
        return Some(Duration::FOREVER);
    }
    let (mut total, mut number, mut pending, mut units) = (0u64, 0u64, false, false);
    for &b in text {
        if b.is_ascii_digit() {
            number = number.checked_mul(10)?.checked_add(u64::from(b - b'0'))?;
            pending = true;
            continue;
        }
        let unit = UNITS.iter().find(|(name, _)| *name == b).filter(|_| pending)?.1;
        total = total.checked_add(number.checked_mul(unit)?)?;
        (number, pending, units) = (0, false, true);
    }
    if pending {
        if units {
            return None; // "1h30": minutes or seconds?
        }
        total = number;
    } else if !units {
        return None;
    }
    total.checked_mul(1000).filter(|&ms| ms < u64::MAX).map(Duration::from_millis)
}

/// A date or a length of time as text, held in place. Always ASCII.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; 32],
    len: u8,
}

impl Text {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; 32], len: 0 }
    }

    pub(super) fn push(&mut self, b: u8) {
        if let Some(slot) = self.bytes.get_mut(usize::from(self.len)) {
            *slot = b;
            self.len += 1;
        }
    }

    /// `n`, no more digits than it needs.
    fn number(&mut self, n: u64) {
        if n >= 10 {
            self.number(n / 10);
        }
        self.push(b'0' + (n % 10) as u8);
    }

    /// The digits of `n` from that of `scale`, a power of ten, down; zeros too.
    pub(super) fn digits(&mut self, n: u32, mut scale: u32) {
        while scale > 0 {
            self.push(b'0' + (n / scale % 10) as u8);
            scale /= 10;
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.bytes.get(..usize::from(self.len)).unwrap_or(&[])).unwrap_or("")
    }
}

impl Duration {
    /// As people read it: the two largest units (`1h23m`), rounded down but never to nothing (`999 ms` is `1s`), or
    /// `permanent`.
    pub fn write(self) -> Text {
        let mut out = Text::new();
        if self.is_forever() {
            b"permanent".iter().for_each(|&b| out.push(b));
            return out;
        }
        let mut rest = self.secs();
        let mut parts = 0;
        for (name, unit) in UNITS {
            let n = rest / unit;
            if (n > 0 || parts > 0) && parts < 2 {
                if n > 0 {
                    out.number(n);
                    out.push(name);
                }
                parts += 1;
            }
            rest %= unit;
        }
        if out.len == 0 {
            out.push(b'0');
            out.push(b's');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for (text, secs) in
            [("90", 90), ("10m", 600), ("1h30m", 5400), ("1w", 604_800), ("0", 0), ("2d3h", 183_600)]
        {
            assert_eq!(parse_duration(text.as_bytes()), Some(Duration::from_secs(secs)), "{text}");
        }
        for bad in ["", "m", "1x", "1h30", "-2", "1.5h", "99999999999999999999", "1 h", "h1"] {
            assert_eq!(parse_duration(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_duration(b"permanent"), Some(Duration::FOREVER));
        for (secs, text) in [
            (0, "0s"),
            (59, "59s"),
            (4980, "1h23m"),
            (3600, "1h"),
            (3601, "1h"),
            (86_461, "1d"),
            (604_800 * 2, "2w"),
        ] {
            assert_eq!(Duration::from_secs(secs).write().as_str(), text);
        }
        assert_eq!(Duration::FOREVER.write().as_str(), "permanent");
        assert_eq!(Duration::from_millis(u64::MAX - 1).write().as_str(), "30500568904w6d");
    }
}
