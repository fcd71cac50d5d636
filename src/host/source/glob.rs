//! Files by a pattern, such as `/var/log/*/error.log`: each file that matches is followed, also those that appear later.
//!
//! `*` stands for any text and `?` for any character within one part of the path, neither for a leading dot. Names that
//! a rotation gives (a number or date at the end, compressed, `.old`) are not followed, nor is a file a second time by
//! another name: each line counts once.
//!
//! Files that exist at the start are read on as a single file is. A file that appears later is read from its start, and the
//! stamps in its lines say how old they are; but one that nobody has written to for [`IDLE`] seconds is read from its end.
//!
//! At most [`MOST`] files at a time, first of all those that the run before has read. The others are counted and reported.

use super::file::{FileSource, Id, Saved};
use super::watches::{Held, Watches};
use super::{Cx, Error, SourceId, StreamKey};
use crate::host::clock;
use crate::host::sys::inotify::Event;
use crate::time::{Duration, Instant};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::vec::Vec;

/// The most files of one pattern, and the most directories that lead to them.
pub(super) const MOST: usize = 64;
/// The most names that a look examines, some of which may be one file; the others are counted.
const LOOKED: usize = 4 * MOST;
/// How often the directories are searched, even if inotify reports nothing.
const SCAN: Duration = Duration::from_secs(10);
/// The shortest time between two searches.
const RESCAN: Duration = Duration::from_millis(200);
/// A file that appears and was not written to for so many seconds is taken for an old one.
const IDLE: i64 = 60;

/// Whether `path` is a pattern.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_bytes().iter().any(|b| matches!(b, b'*' | b'?'))
}

/// The files of a pattern.
#[derive(Debug)]
pub(super) struct Glob {
    pattern: PathBuf,
    watches: Option<Rc<Watches>>,
    /// The directories where more files may appear.
    dirs: Vec<Held>,
    files: Vec<Option<FileSource>>,
    next_scan: Instant,
    scanned: Instant,
    /// Of the run before; `None` once the first look is done.
    saved: Option<Vec<(PathBuf, Saved)>>,
    over: usize,
    error: Option<Error>,
}

impl Glob {
    /// Looks for its files with the first [`Glob::turn`].
    pub(super) fn new(watches: Option<Rc<Watches>>, pattern: &Path, saved: &[(PathBuf, Saved)]) -> Self {
        let pattern = FileSource::absolute(pattern);
        let saved = saved.iter().filter(|(path, _)| matches(&pattern, path)).cloned().collect();
        Self {
            pattern,
            watches,
            dirs: Vec::new(),
            files: Vec::new(),
            next_scan: Instant::ZERO,
            scanned: Instant::ZERO,
            saved: Some(saved),
            over: 0,
            error: None,
        }
    }

    fn each(&self) -> impl Iterator<Item = &FileSource> {
        self.files.iter().flatten()
    }

    pub(super) fn open_files(&self) -> usize {
        self.each().map(FileSource::open_files).sum()
    }

    /// Why there is nothing to read.
    pub(super) fn error(&self) -> Option<&Error> {
        self.error.as_ref().or_else(|| self.each().find_map(FileSource::error))
    }

    pub(super) fn pending(&self) -> bool {
        self.each().any(FileSource::pending)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.each().map(FileSource::deadline).fold(self.next_scan, Instant::min)
    }

    /// As [`FileSource::save`], for each file.
    pub(super) fn save(&self, each: &mut dyn FnMut(&Path, &Saved)) {
        self.saved.iter().flatten().for_each(|(path, saved)| each(path, saved));
        for file in self.each() {
            file.save().iter().for_each(|saved| each(file.path(), saved));
        }
    }

    /// As [`FileSource::hear`], for the directories and each file.
    pub(super) fn hear(&mut self, event: &Event<'_>, now: Instant) {
        // Only that something happened matters.
        if event.mask & libc::IN_Q_OVERFLOW != 0 || self.dirs.iter().any(|dir| dir.told(event)) {
            self.next_scan = self.next_scan.min(self.scanned + RESCAN);
        }
        self.files.iter_mut().flatten().for_each(|file| file.hear(event, now));
    }

    pub(super) fn turn(&mut self, cx: &mut Cx<'_>) {
        if self.next_scan <= cx.now {
            self.scan(cx);
        }
        for (place, file) in self.files.iter_mut().enumerate() {
            if let Some(file) = file {
                within(place, cx, |cx| file.turn(cx));
            }
        }
    }

    fn scan(&mut self, cx: &mut Cx<'_>) {
        (self.scanned, self.next_scan) = (cx.now, cx.now + SCAN);
        let first = self.saved.take();
        let mut found = Vec::new();
        // Of too many, those that were read before go on: what was written to them since is not lost.
        found.extend(first.iter().flatten().map(|(path, _)| path.clone()).filter(|path| path.is_file()));
        let mut dirs = Vec::new();
        let mut watch = |dir: &Path| dirs.extend(self.watches.as_ref().and_then(|w| w.dir(dir)));
        let mut over = expand(&self.pattern, &mut watch, &mut found);
        // What is there as before is watched on.
        self.dirs = dirs;
        for slot in &mut self.files {
            // Its name may come back within the time that the rotated file is kept open.
            if slot.as_ref().is_some_and(|f| f.open_files() == 0 && !f.path().is_file()) {
                *slot = None;
            }
        }
        // What was read before and was rotated while nobody looked is found through its name.
        for (path, _) in first.iter().flatten() {
            if !found.contains(path) {
                found.push(path.clone());
            }
        }
        let mut ids: Vec<Id> = Vec::new();
        for path in &found {
            if self.each().any(|f| f.path() == path) {
                continue;
            }
            let meta = fs::metadata(path).ok();
            let id = meta.as_ref().map(Id::of);
            if let Some(id) = id {
                if ids.contains(&id) || self.each().any(|f| f.holds(id)) {
                    continue;
                }
                ids.push(id);
            }
            let free = self.files.iter().position(Option::is_none).unwrap_or(self.files.len());
            if free >= MOST {
                over += 1;
                continue;
            }
            if free == self.files.len() {
                self.files.push(None);
            }
            let saved = first.iter().flatten().filter(|(p, _)| p == path).map(|(_, s)| *s).collect();
            let mut file = FileSource::new(self.watches.clone(), path, saved);
            let idle = meta.is_some_and(|m| m.mtime().saturating_add(IDLE) <= clock::wall() / 1000);
            if first.is_none() && !idle {
                file.begin_at_start();
            }
            if let Some(slot) = self.files.get_mut(free) {
                *slot = Some(file);
            }
        }
        if over > self.over {
            cx.tally.unfollowed.add((over - self.over) as u64);
            log::warn!("{}: {over} files more than the {MOST} that are followed", self.pattern.display());
        }
        self.over = over;
        let none = self.each().next().is_none();
        self.error = none.then(|| Error::NoMatch(self.pattern.clone()));
        if first.is_some() && none {
            log::info!("{}: no file has such a name yet; waiting", self.pattern.display());
        }
    }
}

/// Does `work` for the file in `place`, whose lines are a stream of their own.
fn within(place: usize, cx: &mut Cx<'_>, work: impl FnOnce(&mut Cx<'_>)) {
    let emit = &mut *cx.emit;
    let mut own = |id: SourceId, _: StreamKey, line: &[u8], meta| {
        emit(id, StreamKey(place as u32 + 1), line, meta);
    };
    work(&mut Cx {
        poller: cx.poller,
        id: cx.id,
        now: cx.now,
        buf: &mut *cx.buf,
        tally: &mut *cx.tally,
        emit: &mut own,
    });
}

/// Adds the files that `pattern` names to `found`, [`LOOKED`] at the most, and has the directories watched where more
/// may appear. Returns how many names were left out.
fn expand(pattern: &Path, watch: &mut dyn FnMut(&Path), found: &mut Vec<PathBuf>) -> usize {
    let mut dirs = Vec::from([PathBuf::from("/")]);
    let mut over = 0;
    let mut parts = pattern.components().filter_map(|c| match c {
        Component::Normal(part) => Some(part),
        Component::ParentDir => Some(OsStr::new("..")),
        _ => None,
    });
    let mut next = parts.next();
    while let Some(part) = next {
        next = parts.next();
        let last = next.is_none();
        if !is_pattern(Path::new(part)) {
            dirs.iter_mut().for_each(|dir| dir.push(part));
            continue;
        }
        let mut inner = Vec::new();
        for dir in &dirs {
            // A directory that is not there, or one watch too many: found by the regular look.
            watch(dir);
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let wanted =
                    like(part.as_bytes(), name.as_bytes()) && (!last || !is_rotated(name.as_bytes()));
                if wanted && inner.len() < if last { LOOKED } else { MOST } {
                    inner.push(dir.join(name));
                } else if wanted && last {
                    over += 1;
                }
            }
        }
        dirs = inner;
    }
    found.extend(dirs.into_iter().filter(|path| path.is_file()));
    over
}

/// Whether `path` is one that `pattern` names.
fn matches(pattern: &Path, path: &Path) -> bool {
    let parts = |path: &Path| path.components().count();
    parts(pattern) == parts(path)
        && pattern
            .components()
            .zip(path.components())
            .all(|(pattern, part)| like(pattern.as_os_str().as_bytes(), part.as_os_str().as_bytes()))
        && path.file_name().map(OsStr::as_bytes).is_some_and(|name| !is_rotated(name))
}

/// Whether `name` is as `pattern` says. Steps back to the last `*` only, so that it takes the product of both lengths
/// at the most.
fn like(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while let Some(&b) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b || c == b'?' => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    (p, n) = (at + 1, from + 1);
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&b| b == b'*'))
}

/// Whether a rotation gave this name: `error.log.1`, `error.log-20261122`, `error.log.2.gz`, `error.log.old`.
fn is_rotated(name: &[u8]) -> bool {
    let Some(at) = name.iter().rposition(|b| matches!(b, b'.' | b'-')) else {
        return name.ends_with(b"~");
    };
    let tail = name.get(at + 1..).unwrap_or(&[]);
    let packed: [&[u8]; 8] = [b"gz", b"xz", b"bz2", b"zst", b"lz4", b"lzma", b"Z", b"old"];
    packed.contains(&tail)
        || !tail.is_empty() && tail.iter().all(u8::is_ascii_digit)
        || name.ends_with(b"~")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_told_from_those_of_rotations() {
        for (pattern, name, good) in [
            ("*.log", "error.log", true),
            ("*.log", ".hidden.log", false),
            (".*", ".hidden", true),
            ("*error*", "x-error.log", true),
            ("err??", "err42", true),
            ("err??", "err4", false),
            ("*a*b*c", "xaybzc", true),
            ("*a*b*c", "xaybz", false),
            ("a", "a", true),
            ("**", "", true),
        ] {
            assert_eq!(like(pattern.as_bytes(), name.as_bytes()), good, "{pattern} {name}");
        }
        for (name, rotated) in [
            ("error.log", false),
            ("error.log.1", true),
            ("error.log-20261122", true),
            ("error.log.12.gz", true),
            ("error.log~", true),
            ("error.old", true),
            ("php-2026-11-22.log", false),
            ("php8.2-fpm.log", false),
            ("access_log", false),
        ] {
            assert_eq!(is_rotated(name.as_bytes()), rotated, "{name}");
        }
        assert!(matches(Path::new("/var/log/*/error.log"), Path::new("/var/log/a/error.log")));
        assert!(!matches(Path::new("/var/log/*/error.log"), Path::new("/var/log/a/b/error.log")));
    }

    #[test]
    fn a_look_examines_so_many_names_and_counts_the_others() {
        let dir = super::super::tests::Dir::new();
        for n in 0..LOOKED + 5 {
            fs::write(dir.at(&std::format!("{n}.log")), "").unwrap();
        }
        let mut found = Vec::new();
        assert_eq!((expand(&dir.at("*.log"), &mut |_| {}, &mut found), found.len()), (5, LOOKED));
    }

    /// The definition: each `*` takes nothing, or one byte and goes on.
    fn plainly(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, _) => name.is_empty(),
            (Some((b'*', rest)), None) => plainly(rest, name),
            (Some((b'*', rest)), Some((_, tail))) => plainly(rest, name) || plainly(pattern, tail),
            (Some((&c, rest)), Some((&b, tail))) => (c == b || c == b'?') && plainly(rest, tail),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_mean_what_they_say(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(
                like(pattern.as_bytes(), name.as_bytes()),
                plainly(pattern.as_bytes(), name.as_bytes())
            );
        }
    }
}
