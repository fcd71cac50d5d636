//! A file as numbered lines, in bounded memory.

use super::{Failure, newline};
use crate::host::clock;
use crate::host::sys::file;
use crate::host::sys::refusal;
use crate::host::sys::stdio::Stdio;
use std::format;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// Read at once.
pub(super) const CHUNK: usize = 256 * 1024;

/// How compressed files start: gzip, xz, zstd, bzip2.
const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh9"];

/// A line's number, and its bytes unless it is overlong.
type Numbered<'l> = (u64, Option<&'l [u8]>);

/// What lines are read from. (A `dyn Read` would link all that `Read` offers, and nothing but `read` is wanted.)
pub(super) enum Opened {
    Standard(Stdio),
    File(File),
}

impl Read for Opened {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Standard(input) => input.read(buf),
            Self::File(input) => input.read(buf),
        }
    }
}

/// Opens `path`; `-` is standard input, of which nothing else is known.
pub(super) fn open(path: &Path) -> Result<(Opened, Option<Metadata>), Failure> {
    if path.as_os_str() == "-" {
        return Ok((Opened::Standard(Stdio::IN), None));
    }
    let opened = file::open(path, libc::O_RDONLY).and_then(|file| file.metadata().map(|meta| (file, meta)));
    let (file, meta) = opened.map_err(|e| Failure::Error(format!("{}: {e}", path.display())))?;
    Ok((Opened::File(file), Some(meta)))
}

/// When a log was last written to, in milliseconds since 1970; now where that is not known. A stamp without a year is of the
/// year before.
pub(super) fn written(meta: Option<Metadata>) -> i64 {
    let time = meta.and_then(|meta| meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok());
    time.map_or_else(clock::wall, |time| time.as_millis() as i64)
}

/// What `path` is called in messages.
pub(super) fn called(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_string() } else { path.display().to_string() }
}

/// Splits what it reads at newlines and numbers the lines from 1; an overlong line is numbered and not shown. The CR of a
/// CR LF counts, as for the daemon. A byte order mark in front is no part of the first line, nor are NULs: a file that was
/// truncated while a daemon went on writing to it starts with a hole.
pub(super) struct Lines<R> {
    input: R,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the line at hand is.
    at: (usize, usize),
    number: u64,
    limit: usize,
    skipping: bool,
    overlong: bool,
    /// Bytes read so far.
    pub read: u64,
}

impl<R: Read> Lines<R> {
    /// Reads `chunk` bytes at once.
    pub(super) fn new(input: R, limit: usize, chunk: usize) -> Self {
        let buf = vec![0; chunk + limit];
        let (start, end, at) = (0, 0, (0, 0));
        Self { input, buf, start, end, at, number: 0, limit, skipping: false, overlong: false, read: 0 }
    }

    /// Goes to the next line; `false` where there is none. (Inlined, as what follows it: a call a line would cost as much.)
    #[inline(always)]
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        match newline::first(&self.buf[self.start..self.end]) {
            Some(len) => {
                self.take(len, 1);
                Ok(true)
            }
            None => self.fill(),
        }
    }

    /// [`Lines::advance`] where the line goes on beyond what was read.
    #[inline(never)]
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        loop {
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
            if self.read == 0 && COMPRESSED.iter().any(|magic| self.buf[..got].starts_with(magic)) {
                let advice = "compressed; unpack it first, as in 'zcat LOG.gz | edgeban replay -'";
                return Err(refusal(io::ErrorKind::InvalidData, advice));
            }
            self.read += got as u64;
            self.end += got;
            if self.number == 0 && !self.skipping {
                self.start = self.buf[..self.end].iter().take_while(|b| **b == 0).count();
            }
            let text = &self.buf[self.start..self.end];
            if got == 0 {
                let len = text.len();
                let over = len > 0 || self.skipping;
                if over {
                    self.take_after_reading(len, 0);
                }
                return Ok(over);
            }
            if let Some(len) = newline::first(text) {
                self.take_after_reading(len, 1);
                return Ok(true);
            }
        }
    }

    /// The line at hand without its CR LF or LF; `None` in its place where it is longer than the limit.
    #[inline(always)]
    pub(super) fn line(&self) -> Numbered<'_> {
        let (from, to) = self.at;
        (self.number, (!self.overlong).then_some(&self.buf[from..to]))
    }

    /// Takes the next `len` bytes as the line, and `end` bytes behind it that end it.
    #[inline(always)]
    fn take(&mut self, len: usize, end: usize) {
        let (from, mut to) = (self.start, self.start + len);
        self.start = to + end;
        self.number += 1;
        self.overlong = len > self.limit;
        if self.buf[from..to].last() == Some(&b'\r') {
            to -= 1;
        }
        self.at = (from, to);
    }

    /// [`Lines::take`] for a line that may be the first one, or the end of one that is too long.
    fn take_after_reading(&mut self, len: usize, end: usize) {
        self.take(len, end);
        self.overlong |= core::mem::take(&mut self.skipping);
        let (from, to) = self.at;
        if self.number == 1 && self.buf[from..to].starts_with(b"\xef\xbb\xbf") {
            self.at.0 += 3;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn all(text: &str, limit: usize) -> Vec<(u64, String)> {
        cut(text, limit, 3)
    }

    fn cut(text: &str, limit: usize, chunk: usize) -> Vec<(u64, String)> {
        let mut lines = Lines::new(text.as_bytes(), limit, chunk);
        let mut out = Vec::new();
        while lines.advance().unwrap() {
            let (n, line) = lines.line();
            out.push((n, line.map_or("OVER".to_string(), |l| String::from_utf8_lossy(l).into_owned())));
        }
        out
    }

    #[test]
    fn lines_are_numbered_whatever_their_length() {
        let want =
            [(1, "ab"), (2, ""), (3, "OVER"), (4, "c"), (5, "OVER")].map(|(n, l)| (n, l.to_string()));
        assert_eq!(all("ab\r\n\n0123456789abcdefghij\nc\n0123456", 4), want);
        assert_eq!(
            all("\u{feff}a\n\u{feff}e\n", 4)[..],
            [(1, "a"), (2, "\u{feff}e")].map(|(n, l)| (n, l.to_string()))
        );
        assert_eq!(all("", 4), []);
        assert_eq!(
            all("\0\0\0\0\0\0\0\0\0ab\n\0c", 4)[..],
            [(1, "ab"), (2, "\0c")].map(|(n, l)| (n, l.to_string()))
        );
        assert_eq!(all("\0\0\0\0\0\0\0\0\0", 4), []);
        assert_eq!(all("\n", 4), [(1, String::new())]);
        assert_eq!(all("0123456789abcdefghij", 4), [(1, "OVER".to_string())]);
    }

    #[test]
    fn the_limit_is_the_daemons_however_the_text_is_cut() {
        use crate::frame::{Framer, Framing, Tally};
        let text = "abc\r\nabcd\nabcd\r\nabcde\n";
        for chunk in 1..=text.len() {
            let lines = cut(text, 4, chunk);
            let read: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
            assert_eq!(read, ["abc", "abcd", "OVER", "OVER"], "{chunk}");
            let (mut buf, mut tally) = ([0; 4], Tally::default());
            let mut framer = Framer::new(&mut buf, Framing::Lf);
            let mut framed = Vec::new();
            for part in text.as_bytes().chunks(chunk) {
                framer.push(part, &mut tally, &mut |line| {
                    framed.push(String::from_utf8_lossy(line).into_owned());
                });
            }
            assert_eq!(
                (framed, tally.overlong.get()),
                (read[..2].iter().map(|l| l.to_string()).collect(), 2)
            );
        }
    }
}
