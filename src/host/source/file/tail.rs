//! One open file (an inode), and how far it was read.
//!
//! Lines before [`Tail::past`] were written before edgeban came to the file ([`LineMeta::catch_up`]); those of a file that
//! has just appeared may be old ones too ([`LineMeta::fresh`]).

use super::{Saved, line_start};
use crate::host::source::lines::Lines;
use crate::host::source::watches::Held;
use crate::host::source::{Cx, LineMeta, SourceTally, StreamKey};
use crate::time::{Duration, Instant};
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Mutex, PoisonError};
use std::vec::Vec;

/// How many bytes before the offset are compared on each read, to notice that the file was truncated and written anew: a
/// whole line mostly, since two lines may differ in their stamps alone.
const SEEN: usize = 128;

/// How many bytes of a file's last lines are searched for in a file that may be the same one, written anew.
const LAST: usize = 256;

/// How long a file that appeared or was emptied counts as a copy that may still be written to.
const FRESH: Duration = Duration::from_secs(10);

/// Which file it is, as long as it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
}

impl Id {
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self { dev: meta.dev(), ino: meta.ino() }
    }
}

/// The open files of all sources, so that no file is read for two sources: its lines would count twice.
static OPEN: Mutex<Vec<Id>> = Mutex::new(Vec::new());

fn with_open<T>(f: impl FnOnce(&mut Vec<Id>) -> T) -> T {
    f(&mut OPEN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// How far the files that were closed last were read, the latest last, so that a source that waited for one misses no line.
static LEFT: Mutex<Vec<Saved>> = Mutex::new(Vec::new());

/// How many of them are remembered: enough for the files of a pattern, each with two rotated ones.
const MOST_LEFT: usize = 192;

/// Up to where the last source has read this file, if the file still holds what was read.
pub(super) fn left(file: &File, id: Id) -> Option<u64> {
    let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    let saved = left.iter().rfind(|saved| saved.id == id)?;
    saved.matches(file, id).then_some(saved.offset)
}

/// Whether some source reads this file.
pub(super) fn is_open(id: Id) -> bool {
    with_open(|open| open.contains(&id))
}

#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    pub(super) id: Id,
    pub(super) watch: Option<Held>,
    /// Whether there may be bytes that were not read.
    pub(super) pending: bool,
    /// When a byte was last read, or the file lost its name.
    pub(super) active: Instant,
    offset: u64,
    /// The offset after the last newline.
    line_end: u64,
    /// Lines that begin before this offset were written before edgeban came to the file.
    past: u64,
    /// Later lines that begin before this offset are [`LineMeta::fresh`], and so are all that are read before `fresh_until`.
    fresh: u64,
    fresh_until: Instant,
    /// The bytes before `offset`: if the file no longer has them there, its content is another one.
    seen: [u8; SEEN],
    seen_len: usize,
    /// Made with the first byte, since of many rotated files only one is read at a time.
    lines: Option<Lines>,
}

impl Tail {
    pub(super) fn new(
        file: File,
        id: Id,
        offset: u64,
        past: u64,
        watch: Option<Held>,
        now: Instant,
    ) -> Self {
        with_open(|open| open.push(id));
        let mut tail = Self {
            file,
            id,
            watch,
            pending: true,
            active: now,
            offset,
            line_end: offset,
            past,
            fresh: 0,
            fresh_until: Instant::ZERO,
            seen: [0; SEEN],
            seen_len: 0,
            lines: None,
        };
        let want = offset.min(SEEN as u64) as usize;
        if let Some(seen) = tail.seen.get_mut(..want)
            && tail.file.read_exact_at(seen, offset - want as u64).is_ok()
        {
            tail.seen_len = want;
        }
        tail
    }

    /// The file has just appeared or was just emptied: somebody may be filling it with old lines.
    pub(super) fn freshen(&mut self, now: Instant) {
        (self.fresh, self.fresh_until) = (0, now + FRESH);
    }

    fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |m| m.size())
    }

    /// If `new`, of `size` bytes, is this file written anew, perhaps without some of its lines: where to read on in it, behind
    /// the last lines that this file has too. Searches at most as many bytes as `buf` holds.
    pub(super) fn rewritten(&self, new: &File, size: u64, buf: &mut [u8]) -> Option<u64> {
        let own = self.size();
        let (mut here, mut there) = ([0; LAST], [0; LAST]);
        let (end, last) = last_lines(&self.file, own, &mut here)?;
        // Fewer bytes are not enough evidence: other lines may end with them too.
        let place = |at: &u64| last.len() == LAST || *at == end;
        let at = [end, size].into_iter().find_map(|end| behind(last, new, end, buf).filter(place));
        // Lines that were added to this file while it was copied are read from this one.
        at.or_else(|| {
            let (end, last) = last_lines(new, size, &mut there)?;
            (last.len() == LAST && behind(last, &self.file, own, buf).is_some()).then_some(end)
        })
    }

    /// Reads at most one buffer. Clears `pending` at the end of the file.
    pub(super) fn step(&mut self, cx: &mut Cx<'_>) {
        let keep = self.seen_len;
        let catch_up = self.offset < self.past;
        let young = cx.now < self.fresh_until;
        if young {
            self.fresh = self.fresh.max(self.size());
        }
        let fresh = !catch_up && (young || self.offset < self.fresh);
        let mut room = cx.buf.len();
        if catch_up || fresh && !young {
            let end = if catch_up { self.past } else { self.fresh };
            room =
                room.min(usize::try_from(end - self.offset).map_or(room, |left| keep.saturating_add(left)));
        }
        let Some(buf) = cx.buf.get_mut(..room) else { return };
        let n = match self.file.read_at(buf, self.offset - keep as u64) {
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => return,
            Err(_) => {
                cx.tally.errors.bump();
                self.pending = false;
                return;
            }
        };
        let (before, data) = buf.get(..n).unwrap_or(&[]).split_at(keep.min(n));
        if Some(before) != self.seen.get(..keep) {
            return self.restart(before.len() == keep, cx.now, cx.tally);
        }
        self.pending = n == room;
        if data.is_empty() {
            return;
        }
        self.active = cx.now;
        cx.tally.bytes.add(data.len() as u64);
        let end = self.offset + data.len() as u64;
        if let Some(newline) = memchr::memrchr(b'\n', data) {
            self.line_end = self.offset + newline as u64 + 1;
        }
        self.remember(n, cx.buf);
        let data = cx.buf.get(keep..n).unwrap_or(&[]);
        let (id, emit) = (cx.id, &mut *cx.emit);
        let meta = LineMeta { catch_up, fresh, from: None };
        let lines = self.lines.get_or_insert_with(Lines::text);
        lines.push(data, cx.tally, &mut |line| emit(id, StreamKey(0), line, meta));
        self.offset = end;
    }

    /// Keeps the last of the `n` bytes of `buf`, which end at the new offset.
    fn remember(&mut self, n: usize, buf: &[u8]) {
        let len = n.min(SEEN);
        if let (Some(seen), Some(last)) = (self.seen.get_mut(..len), buf.get(n - len..n)) {
            seen.copy_from_slice(last);
            self.seen_len = len;
        }
    }

    /// The file's content is another one: shorter, or with other bytes. In the second case it may be old lines.
    fn restart(&mut self, rewritten: bool, now: Instant, tally: &mut SourceTally) {
        tally.truncated.bump();
        self.close(tally);
        (self.offset, self.line_end, self.seen_len) = (0, 0, 0);
        self.past = if rewritten { self.size() } else { 0 };
        self.freshen(now);
        self.pending = true;
    }

    /// No more will be written to the file: drops a last line without its end.
    pub(super) fn close(&mut self, tally: &mut SourceTally) {
        if let Some(mut lines) = self.lines.take() {
            lines.abandon(tally);
        }
    }

    pub(super) fn save(&self) -> Option<Saved> {
        Saved::of(&self.file, self.id, self.line_end)
    }

    /// As [`Tail::save`], for a file that may come back: one without any name cannot, and another gets its inode.
    pub(super) fn leave(&self) -> Option<Saved> {
        self.save().filter(|_| self.file.metadata().is_ok_and(|m| m.nlink() > 0))
    }
}

/// The last bytes of the whole lines of a file of `size` bytes, and where they end. `None` without such a line.
fn last_lines<'b>(file: &File, size: u64, bytes: &'b mut [u8; LAST]) -> Option<(u64, &'b [u8])> {
    let end = line_start(file, size);
    let len = end.min(LAST as u64);
    let bytes = bytes.get_mut(..len as usize).filter(|_| len > 0)?;
    file.read_exact_at(bytes, end - len).ok()?;
    Some((end, bytes))
}

/// The place behind the last occurrence of `last`, where a line ends, among the bytes of `file` before `end` that fit `buf`.
fn behind(last: &[u8], file: &File, end: u64, buf: &mut [u8]) -> Option<u64> {
    let len = end.min(buf.len() as u64);
    let window = buf.get_mut(..len as usize)?;
    file.read_exact_at(window, end - len).ok()?;
    let mut at = window.len();
    while !window.get(..at)?.ends_with(last) {
        at = memchr::memrchr(b'\n', window.get(..at.checked_sub(1)?)?)? + 1;
    }
    Some(end - len + at as u64)
}

impl Drop for Tail {
    fn drop(&mut self) {
        if let Some(saved) = self.save() {
            let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
            left.retain(|other| other.id != saved.id);
            if left.len() == MOST_LEFT {
                left.remove(0);
            }
            left.push(saved);
        }
        with_open(|open| {
            if let Some(at) = open.iter().position(|id| *id == self.id) {
                open.swap_remove(at);
            }
        });
    }
}
