//! A log file, followed by name over rotations.
//!
//! - **Rotation by rename**: the old inode is read to its end before the new one is begun, and kept open for
//!   [`GRACE`] after its last line, since a daemon writes on until it is told to reopen. Inodes that bore the name
//!   so shortly that they were never opened are found by following the renames that inotify reports.
//! - **copytruncate**: a file that no longer holds the bytes last read, or is shorter, is read from its start and
//!   counted. What is written between the copy and the truncation is lost to every reader.
//! - **Old lines under the name**, copied or moved there: while a file is young, the stamps of its lines say from when
//!   they are. A line without one is from now, unless its file was moved there with it.
//! - **Written anew** and renamed to the name (`sed -i`, an editor): if the new file has the last lines of the old one too,
//!   it is read from behind them on; the lines before them were read already.
//! - **Late creation and deletion**: the nearest existing directory is watched; a file that was not there at the
//!   start is read from its beginning.
//! - **Start**: at the saved offset if the file is the one that was saved, else at its end, like `tail -F`.
//! - **Two sources, one file**: the first that opens it reads it. The other waits until it is free, and goes on where the
//!   first one ended. A new file of the name is left to the first one for a second.
//! - **No permission**: said once, tried again when the attributes change.
//! - **Back after a long absence**: the file itself, when its name or the permission returns, is read on from where it was left.
//!
//! inotify makes it quick, but is not relied on: every [`CHECK`] the name is compared with the open file, and the open file
//! is read. So an overflown queue, a swapped directory symlink or a file without events costs seconds and no lines. Without
//! inotify that is done every half second.
//!
//! Limits: a rotated file that is deleted, compressed or moved out of its directory before it was ever opened
//! is lost (and counted, as far as its renames can be followed); rotations while edgeban is down are followed
//! for the saved file alone; a file that is written anew with other last lines, or under the name or in place (as editors do
//! that rename no new file to it), is read whole, by its stamps.

mod saved;
mod tail;
mod watch;

#[cfg(test)]
mod same_tests;
#[cfg(test)]
mod tests;

pub use saved::Saved;
pub use tail::Id;

use super::lines::longest;
use super::watches::Watches;
use super::{Cx, Error};
use crate::host::sys::inotify::Event;
use crate::host::sys::{self, Errno};
use crate::time::{Duration, Instant};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::vec;
use std::vec::Vec;
use tail::{Tail, is_open, left};
use watch::{Changes, Watcher};

/// How long a rotated file is kept open after its last line.
pub const GRACE: Duration = Duration::from_secs(60);
/// How often the name is compared with the open file, whatever inotify says.
pub const CHECK: Duration = Duration::from_secs(10);
/// How often it is, and the file read, where there is no inotify.
const CHECK_BLIND: Duration = Duration::from_millis(500);
/// How long a new file is left to the source that read the last file of that name.
const YIELD: Duration = Duration::from_secs(1);
/// The most rotated files held open; one more closes the oldest that is read to its end, or reads the oldest to
/// its end at once. An open file cannot vanish, so this bounds how far a reader may fall behind rotations.
const MOST_OLD: usize = 64;

/// A followed file.
#[derive(Debug)]
pub(super) struct FileSource {
    path: PathBuf,
    watcher: Option<Watcher>,
    current: Option<Tail>,
    /// Rotated away, the oldest first.
    old: Vec<Tail>,
    begin: Begin,
    next_check: Instant,
    error: Option<Error>,
    saved: Vec<Saved>,
    /// The file that was closed last, in case it comes back.
    closed: Option<Saved>,
}

/// From where a file that is opened next is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// At its end: it is the first file, and what it holds was written before.
    End,
    /// The first file could not be read, but had this size: from there.
    At(Id, u64),
    /// Another source reads this file. A new file of the name is left to that source until this time.
    Behind(Id, Option<Instant>),
    /// From its start: it appeared among the files of a pattern. Only its stamps say when its lines were written.
    Moved,
    /// From its start: the name was free, or that of another file.
    Start,
}

impl FileSource {
    /// Looks for its file with the first [`FileSource::turn`]. `saved` is what [`FileSource::save`] gave.
    pub(super) fn new(watches: Option<Rc<Watches>>, path: &Path, saved: Vec<Saved>) -> Self {
        Self {
            path: Self::absolute(path),
            watcher: watches.map(Watcher::new),
            current: None,
            old: Vec::new(),
            begin: Begin::End,
            next_check: Instant::ZERO,
            error: None,
            saved,
            closed: None,
        }
    }

    /// Has a file that appeared after the first look read from its start.
    pub(super) fn begin_at_start(&mut self) {
        self.begin = Begin::Moved;
    }

    /// Whether this file is open.
    pub(super) fn holds(&self, id: Id) -> bool {
        self.current.iter().chain(&self.old).any(|t| t.id == id)
    }

    /// The name by which a file is followed and saved.
    pub(super) fn absolute(path: &Path) -> PathBuf {
        std::path::absolute(path).unwrap_or_else(|_| path.into())
    }

    /// How many files are open, rotated ones included.
    pub(super) fn open_files(&self) -> usize {
        usize::from(self.current.is_some()) + self.old.len()
    }

    /// Why there is no file to read.
    pub(super) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Whether there is more to read at once.
    pub(super) fn pending(&self) -> bool {
        self.current.iter().chain(&self.old).any(|t| t.pending)
    }

    pub(super) fn deadline(&self) -> Instant {
        let retire = self.old.iter().map(|t| t.active + GRACE);
        retire.min().unwrap_or(Instant::NEVER).min(self.next_check)
    }

    /// Takes an event of inotify, about this file or another; the next turn acts on it.
    pub(super) fn hear(&mut self, event: &Event<'_>, now: Instant) {
        let mut own = false;
        for tail in self.current.iter_mut().chain(&mut self.old) {
            if tail.watch.as_ref().is_some_and(|watch| watch.told(event)) {
                own = true;
                tail.pending |= event.mask & libc::IN_MODIFY != 0;
            }
        }
        if let Some(watcher) = &mut self.watcher {
            watcher.hear(event, own, now);
        }
    }

    pub(super) fn turn(&mut self, cx: &mut Cx<'_>) {
        let changes = self.watcher.as_mut().map_or_else(Changes::default, |w| w.changes(cx.now));
        cx.tally.untraced.add(changes.untraced);
        cx.tally.errors.add(changes.overflow.into());
        let due = self.next_check <= cx.now;
        if due || changes.overflow {
            // A file that another machine writes, or one beyond the limit of watches, gives no events.
            self.current.iter_mut().chain(&mut self.old).for_each(|t| t.pending = true);
        }
        if due {
            self.next_check = Instant::NEVER;
        }
        if due || changes.recheck || changes.attributes && self.error.is_some() {
            self.check(cx, changes.replaced);
        }
        if due {
            let blind = self.watcher.is_none() || self.current.as_ref().is_some_and(|t| t.watch.is_none());
            self.next_check = self.next_check.min(cx.now + if blind { CHECK_BLIND } else { CHECK });
        }
        // The old files first, so that lines come in the order in which they were written.
        if let Some(tail) = self.old.iter_mut().find(|t| t.pending) {
            tail.step(cx);
        } else if let Some(tail) = &mut self.current
            && tail.pending
        {
            tail.step(cx);
        }
        while let Some(done) = self.old.iter().position(|t| !t.pending && t.active + GRACE <= cx.now) {
            self.close_old(done, cx);
        }
    }

    /// Compares the name with the open file.
    fn check(&mut self, cx: &mut Cx<'_>, replaced: bool) {
        self.compare(cx, replaced);
        if let Some(watcher) = &mut self.watcher {
            watcher.borne_by(self.current.as_ref().map(|t| t.id));
        }
    }

    fn compare(&mut self, cx: &mut Cx<'_>, replaced: bool) {
        if let Some(watcher) = &mut self.watcher {
            watcher.follow(&self.path);
            for (file, id) in watcher.found() {
                if self.current.as_ref().is_some_and(|t| t.id == id) {
                    self.retire_current(cx);
                } else if self.old.iter().all(|t| t.id != id) {
                    self.open_old(file, id, 0, 0, cx);
                }
            }
        }
        let opened = match open(&self.path) {
            Ok((_, id, _)) if self.current.as_ref().is_some_and(|t| t.id == id) => {
                self.error = None;
                return;
            }
            Ok(opened) => opened,
            Err(error) => return self.missing(error, cx),
        };
        if !self.holds(opened.1) && self.yields(opened.1, cx.now) {
            return self.retire_current(cx);
        }
        self.error = None;
        self.retire_current(cx);
        let (file, id, size) = opened;
        if let Some(back) = self.old.iter().position(|t| t.id == id) {
            self.current = Some(self.old.remove(back));
            return;
        }
        if is_packed(&file) {
            log::warn!("{}: compressed, so that there are no lines to be read", self.path.display());
        }
        let begin = core::mem::replace(&mut self.begin, Begin::Start);
        if begin != Begin::Start {
            self.settle(cx);
        }
        let back = self.closed.filter(|closed| closed.offset > 0 && closed.matches(&file, id));
        let (offset, past) = match (begin, back) {
            (Begin::End, _) => self.resume(&file, id, size, cx),
            (Begin::Behind(seen, _), _) if seen == id => {
                (left(&file, id).unwrap_or_else(|| line_start(&file, size)), 0)
            }
            // It was closed while its name was gone, or could not be read.
            (_, Some(closed)) => (closed.offset, size),
            (Begin::At(seen, at), _) if seen == id => (line_start(&file, at.min(size)), size),
            // Moved here with its content, by an editor or from elsewhere. Its stamps say how old it is.
            (Begin::Moved | Begin::Behind(..), _) => (0, size),
            _ if replaced => {
                let again = self.old.last().and_then(|old| old.rewritten(&file, size, cx.buf));
                again.map_or((0, size), |at| (at, 0))
            }
            _ => (0, 0),
        };
        let mut tail = self.tail(file, id, offset, past, cx.now);
        if begin != Begin::End {
            tail.freshen(cx.now);
        }
        self.current = Some(tail);
    }

    /// Whether another source reads the file, or may do so soon.
    fn yields(&mut self, id: Id, now: Instant) -> bool {
        let wait = match self.begin {
            _ if is_open(id) => {
                self.saved.clear();
                let error = Some(Error::Twice(self.path.clone()));
                if self.error != error {
                    log::warn!("{}: another source reads this file already", self.path.display());
                    self.error = error;
                }
                (id, None)
            }
            Begin::Behind(seen, None) if seen != id => (seen, Some(now + YIELD)),
            Begin::Behind(seen, Some(until)) if seen != id && now < until => (seen, Some(until)),
            _ => return false,
        };
        self.begin = Begin::Behind(wait.0, wait.1);
        self.next_check = self.next_check.min(wait.1.unwrap_or(Instant::NEVER));
        true
    }

    /// Drops the renames from before the first file was opened; everything else is checked again.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        if let Some(watcher) = &mut self.watcher {
            watcher.forget_moves();
        }
        self.next_check = cx.now;
    }

    fn missing(&mut self, error: Error, cx: &mut Cx<'_>) {
        self.retire_current(cx);
        if matches!(self.begin, Begin::Behind(..)) {
            // The other source reports it.
            return;
        }
        let absent = matches!(error, Error::Path(_, Errno::NOENT | Errno::NOTDIR));
        if absent && self.begin == Begin::End {
            log::info!("{error}; waiting for it");
        }
        if absent {
            if self.begin == Begin::End {
                for saved in core::mem::take(&mut self.saved) {
                    if let Some((file, id, size)) = self.sibling(&saved) {
                        self.open_old(file, id, saved.offset, size, cx);
                    }
                }
            }
            self.begin = Begin::Start;
        } else if matches!(error, Error::Kind(_)) {
            self.begin = Begin::Start;
        } else if self.begin == Begin::End
            && let Ok(meta) = fs::metadata(&self.path)
        {
            self.begin = Begin::At(Id::of(&meta), meta.len());
        }
        if self.error.as_ref() != Some(&error) {
            // Between a rename and a new file it is always absent.
            if !absent {
                log::warn!("{error}; waiting until it can be read");
                cx.tally.errors.bump();
            }
            self.error = Some(error);
        }
    }

    /// Where to begin in the first file: the offset, and up to where lines were written before this run.
    fn resume(&mut self, file: &File, id: Id, size: u64, cx: &mut Cx<'_>) -> (u64, u64) {
        let saved = core::mem::take(&mut self.saved);
        if saved.is_empty() {
            return (line_start(file, size), 0);
        }
        let mut offset = 0;
        for saved in saved {
            if saved.matches(file, id) {
                offset = saved.offset;
            } else if let Some((file, id, size)) = self.sibling(&saved) {
                self.open_old(file, id, saved.offset, size, cx);
            }
        }
        (offset, size)
    }

    /// The file that was saved, under the name that a rotation gave it.
    fn sibling(&self, saved: &Saved) -> Option<(File, Id, u64)> {
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let entries = fs::read_dir(target.parent()?).ok()?;
        entries
            .flatten()
            .filter(|entry| std::os::unix::fs::DirEntryExt::ino(entry) == saved.id.ino)
            .filter_map(|entry| open(&entry.path()).ok())
            .find(|(file, id, _)| saved.matches(file, *id))
    }

    fn tail(&self, file: File, id: Id, offset: u64, past: u64, now: Instant) -> Tail {
        let watch = self.watcher.as_ref().and_then(|w| w.watch_file(&file, &self.path));
        Tail::new(file, id, offset, past, watch, now)
    }

    fn open_old(&mut self, file: File, id: Id, offset: u64, past: u64, cx: &mut Cx<'_>) {
        if is_open(id) {
            return;
        }
        let mut tail = self.tail(file, id, offset, past, cx.now);
        if past == 0 {
            tail.freshen(cx.now);
        }
        self.push_old(tail, cx);
    }

    fn retire_current(&mut self, cx: &mut Cx<'_>) {
        if let Some(mut tail) = self.current.take() {
            tail.active = cx.now;
            tail.pending = true;
            self.push_old(tail, cx);
        }
    }

    fn push_old(&mut self, tail: Tail, cx: &mut Cx<'_>) {
        cx.tally.rotated.bump();
        self.old.push(tail);
        if self.old.len() > MOST_OLD {
            let done = self.old.iter().position(|t| !t.pending).unwrap_or(0);
            while let Some(tail) = self.old.get_mut(done)
                && tail.pending
            {
                tail.step(cx);
            }
            self.close_old(done, cx);
        }
    }

    fn close_old(&mut self, place: usize, cx: &mut Cx<'_>) {
        let mut tail = self.old.remove(place);
        self.closed = tail.leave();
        tail.close(cx.tally);
        if let Some(watcher) = &mut self.watcher {
            watcher.forget(tail.id);
        }
    }

    /// How far the files were read, so that the next start goes on there. A line without its end counts as not read.
    pub(super) fn save(&self) -> Vec<Saved> {
        if !self.saved.is_empty() {
            return self.saved.clone();
        }
        let old = self.old.iter().filter(|t| t.pending);
        old.chain(&self.current).filter_map(Tail::save).collect()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens a regular file with its identity and size. Waits for no FIFO and takes no terminal.
fn open(path: &Path) -> Result<(File, Id, u64), Error> {
    let fail = |e: io::Error| Error::Path(path.into(), Errno::from(e));
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = sys::file::open(path, flags).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if !meta.is_file() {
        return Err(Error::Kind(path.into()));
    }
    Ok((file, Id::of(&meta), meta.size()))
}

/// Whether it begins as gzip, zstd, xz or bzip2 have it.
fn is_packed(file: &File) -> bool {
    let mut start = [0; 4];
    file.read_exact_at(&mut start, 0).is_ok()
        && matches!(
            start,
            [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd] | [0xfd, b'7', b'z', b'X'] | [b'B', b'Z', b'h', _]
        )
}

/// The start of the line that ends at or after `end`. Where that line is longer than the longest, a place in it
/// from which it is still too long, so that its tail is never taken for a line.
fn line_start(file: &File, end: u64) -> u64 {
    let mut window = vec![0u8; longest() + 1];
    let from = end.saturating_sub(window.len() as u64);
    let len = (end - from) as usize;
    let Some(window) = window.get_mut(..len) else { return end };
    match file.read_exact_at(window, from) {
        Ok(()) => memchr::memrchr(b'\n', window).map_or(from, |i| from + i as u64 + 1),
        Err(_) => end,
    }
}
