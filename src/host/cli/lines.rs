//! A file as numbered lines, in bounded memory.

use memchr::memchr;
use std::io::{self, Read};
use std::vec;
use std::vec::Vec;

/// Read at once.
const CHUNK: usize = 256 * 1024;

/// A line's number, and its bytes unless it is overlong.
type Numbered<'l> = (u64, Option<&'l [u8]>);

/// Splits what it reads at newlines and numbers the lines from 1; an overlong line is numbered and not shown.
pub(super) struct Lines<R> {
    input: R,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    number: u64,
    limit: usize,
    skipping: bool,
    /// Bytes read so far.
    pub read: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R, limit: usize) -> Self {
        let buf = vec![0; CHUNK + limit];
        Self { input, buf, start: 0, end: 0, number: 0, limit, skipping: false, read: 0 }
    }

    /// The next line without its CR LF or LF; `None` in its place where it is longer than the limit.
    pub(super) fn next(&mut self) -> io::Result<Option<Numbered<'_>>> {
        loop {
            if let Some(len) = memchr(b'\n', &self.buf[self.start..self.end]) {
                let from = self.start;
                self.start += len + 1;
                return Ok(Some(self.line(from, len)));
            }
            if self.end - self.start > self.limit {
                self.skipping = true;
                self.start = self.end;
            }
            self.buf.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            let got = match self.input.read(&mut self.buf[self.end..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            self.read += got as u64;
            self.end += got;
            if got == 0 {
                let len = self.end;
                (self.start, self.end) = (0, 0);
                let over = len > 0 || self.skipping;
                return Ok(if over { Some(self.line(0, len)) } else { None });
            }
        }
    }

    fn line(&mut self, from: usize, len: usize) -> Numbered<'_> {
        self.number += 1;
        let line = &self.buf[from..from + len];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let skipped = core::mem::take(&mut self.skipping);
        (self.number, (!skipped && line.len() <= self.limit).then_some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    fn all(text: &str, limit: usize) -> Vec<(u64, String)> {
        let mut lines = Lines::new(text.as_bytes(), limit);
        lines.buf.truncate(limit + 3);
        let mut out = Vec::new();
        while let Some((n, line)) = lines.next().unwrap() {
            out.push((n, line.map_or("OVER".to_string(), |l| String::from_utf8_lossy(l).into_owned())));
        }
        out
    }

    #[test]
    fn lines_are_numbered_whatever_their_length() {
        let want =
            [(1, "ab"), (2, ""), (3, "OVER"), (4, "c"), (5, "OVER")].map(|(n, l)| (n, l.to_string()));
        assert_eq!(all("ab\r\n\n0123456789abcdefghij\nc\n0123456", 4), want);
        assert_eq!(all("", 4), []);
        assert_eq!(all("\n", 4), [(1, String::new())]);
        assert_eq!(all("0123456789abcdefghij", 4), [(1, "OVER".to_string())]);
    }
}
