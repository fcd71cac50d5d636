//! What inotify reports about a followed name: changes in the directories that lead to it, and where renames took its files.

use super::open;
use super::tail::Id;
use crate::host::source::watches::{Held, Watches};
use crate::host::sys::inotify::Event;
use crate::time::{Duration, Instant};
use std::ffi::OsStr;
use std::format;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::vec::Vec;

/// Symlinks followed from the name to the file.
const HOPS: usize = 8;
/// Renamed files followed at once; the oldest is forgotten.
const MOVES: usize = 64;
/// How long to wait for the second half of a rename; after that the file has left the watched directories.
const FLIGHT: Duration = Duration::from_secs(1);
/// How long a renamed file is followed after its last rename, if it is not open.
const TRAIL: Duration = Duration::from_secs(60);

/// Events that may change which file a name leads to.
const SHAPE: u32 = libc::IN_CREATE | libc::IN_MOVED_FROM | libc::IN_MOVED_TO | libc::IN_DELETE;

/// A watched directory and the name in it that leads to the file.
#[derive(Debug)]
struct Step {
    watch: Held,
    dir: PathBuf,
    name: Vec<u8>,
    /// Whether the name is that of the next step's directory. This watch reports its removal, which its own watch does not
    /// while a deleted file in it is still open.
    above: bool,
}

/// A file that bore the name and was renamed.
#[derive(Debug)]
struct Moved {
    cookie: u32,
    /// Where it is now; `None` between the two halves of a rename.
    place: Option<PathBuf>,
    /// Whether its place has changed since [`Watcher::found`].
    fresh: bool,
    id: Option<Id>,
    at: Instant,
}

/// What [`Watcher::hear`] found.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The name may lead to another file now.
    pub(super) recheck: bool,
    /// A file was moved to the name.
    pub(super) replaced: bool,
    /// Something's attributes changed.
    pub(super) attributes: bool,
    /// Events were lost.
    pub(super) overflow: bool,
    /// Renamed files that were deleted before they were looked at.
    pub(super) untraced: u64,
}

#[derive(Debug)]
pub(super) struct Watcher {
    watches: Rc<Watches>,
    steps: Vec<Step>,
    moved: Vec<Moved>,
    /// The file that bears the name, as far as is known.
    bearer: Option<Id>,
    changes: Changes,
    /// The round of [`Watches::read`] whose events are of the past.
    past: Option<u32>,
}

impl Watcher {
    pub(super) fn new(watches: Rc<Watches>) -> Self {
        let (steps, moved, changes) = (Vec::new(), Vec::new(), Changes::default());
        Self { watches, steps, moved, bearer: None, changes, past: None }
    }

    /// Watches an open file for writes. By its descriptor, since the name may mean another one by now.
    pub(super) fn watch_file(&self, file: &File, path: &Path) -> Option<Held> {
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        // Without /proc a wrong guess costs time, not lines: the regular check finds it.
        self.watches.file(Path::new(&own)).or_else(|| self.watches.file(path))
    }

    /// The file `id` is open and bears the name: if it is renamed, it cannot be lost.
    pub(super) const fn borne_by(&mut self, id: Option<Id>) {
        self.bearer = id;
    }

    /// Forgets the renames so far, also those that are queued: they were of files that are not ours.
    pub(super) fn forget_moves(&mut self) {
        self.moved.clear();
        self.past = Some(self.watches.want());
    }

    /// An old file was closed.
    pub(super) fn forget(&mut self, id: Id) {
        self.moved.retain(|m| m.id != Some(id));
    }

    /// Takes an event, of a file of ours (`own`) or of what leads to the name, and keeps what follows from it.
    pub(super) fn hear(&mut self, event: &Event<'_>, own: bool, now: Instant) {
        let Self { watches, steps, moved, bearer, changes, past } = self;
        if event.mask & libc::IN_Q_OVERFLOW != 0 {
            (changes.overflow, changes.recheck) = (true, true);
        }
        let step = steps.iter().find(|s| s.watch.told(event));
        changes.attributes |= event.mask & libc::IN_ATTRIB != 0 && (own || step.is_some());
        let Some(step) = step.filter(|_| *past != Some(watches.round())) else { return };
        let gone = libc::IN_DELETE_SELF | libc::IN_MOVE_SELF | libc::IN_IGNORED | libc::IN_UNMOUNT;
        changes.recheck |= event.mask & gone != 0;
        // A directory may be on the way to the name twice, through symlinks.
        let by = |above| {
            let mut ways = steps.iter().filter(|s| s.watch.told(event) && s.name == event.name);
            ways.any(|s| s.above == above)
        };
        changes.recheck |= event.mask & SHAPE != 0 && by(true);
        let named = event.mask & SHAPE != 0 && by(false);
        let named = named.then(|| core::mem::take(bearer));
        trace(moved, event, &step.dir, named, now, changes);
    }

    /// What was heard since the last call.
    pub(super) fn changes(&mut self, now: Instant) -> Changes {
        self.moved.retain(|m| {
            m.place.is_some() && m.at + TRAIL > now || m.place.is_none() && m.at + FLIGHT > now
        });
        core::mem::take(&mut self.changes)
    }

    /// Opens the renamed files whose place is new.
    pub(super) fn found(&mut self) -> Vec<(File, Id)> {
        let mut all = Vec::new();
        for moved in self.moved.iter_mut().filter(|m| m.fresh) {
            let Some(place) = &moved.place else { continue };
            moved.fresh = false;
            if let Ok((file, id, _)) = open(place) {
                moved.id = Some(id);
                all.push((file, id));
            }
        }
        all
    }

    /// Watches every directory on the way to `path`, through symlinks; where one is missing, the nearest above it.
    pub(super) fn follow(&mut self, path: &Path) {
        let mut steps = Vec::new();
        let mut path = path.to_path_buf();
        for _ in 0..HOPS {
            let Some(step) = self.subscribe(&path) else { break };
            let whole = step.dir.join(OsStr::from_bytes(&step.name)) == path;
            let dir = step.dir.clone();
            steps.extend(self.above(&dir));
            steps.push(step);
            match fs::read_link(&path) {
                Ok(target) if whole => path = dir.join(target),
                _ => break,
            }
        }
        // Assigned last, so that watches which both have never end in between.
        self.steps = steps;
    }

    /// Watches the directory that `dir` lies in, where there is one that can be watched.
    fn above(&self, dir: &Path) -> Option<Step> {
        let (above, name) = (dir.parent()?, dir.file_name()?.as_bytes().to_vec());
        Some(Step { watch: self.watches.dir(above)?, dir: above.into(), name, above: true })
    }

    /// Watches the directory of `path`, or the nearest one above that can be watched.
    fn subscribe(&self, path: &Path) -> Option<Step> {
        let mut before = None;
        loop {
            let (step, child) = self.climb(path)?;
            // A directory may have been made between the failed watch of it and the watch above it: try again. If that fails
            // too, it cannot be watched, and the one above must do.
            if child == path || !child.exists() || before == Some(child) {
                return Some(step);
            }
            before = Some(child);
        }
    }

    /// The nearest watchable directory, and what of `path` lies in it.
    fn climb<'p>(&self, path: &'p Path) -> Option<(Step, &'p Path)> {
        path.ancestors().find_map(|child| {
            let (dir, name) = (child.parent()?, child.file_name()?);
            let watch = self.watches.dir(dir)?;
            Some((Step { watch, dir: dir.into(), name: name.as_bytes().to_vec(), above: false }, child))
        })
    }
}

/// Follows renames of the files that had the name. `named` is `Some` where the event is about the name itself, and holds the
/// file that had it, if that is known.
fn trace(
    moved: &mut Vec<Moved>,
    event: &Event<'_>,
    dir: &Path,
    named: Option<Option<Id>>,
    now: Instant,
    changes: &mut Changes,
) {
    let is = |bit| event.mask & bit != 0;
    let place = || dir.join(OsStr::from_bytes(event.name));
    // A deletion, or a rename onto it, ends what was there.
    if is(libc::IN_DELETE | libc::IN_MOVED_TO)
        && let Some(at) = moved.iter().position(|m| m.place.as_ref().is_some_and(|p| *p == place()))
    {
        changes.untraced += u64::from(moved.remove(at).id.is_none());
    }
    if is(libc::IN_MOVED_TO)
        && let Some(m) = moved.iter_mut().find(|m| m.place.is_none() && m.cookie == event.cookie)
    {
        (m.place, m.fresh, m.at) = (Some(place()), true, now);
        changes.recheck = true;
        if named.is_none() {
            return;
        }
    }
    if let Some(id) = named {
        changes.recheck |= is(SHAPE);
        changes.replaced |= is(libc::IN_MOVED_TO);
        if is(libc::IN_MOVED_FROM) {
            if moved.len() >= MOVES {
                moved.remove(0);
            }
            moved.push(Moved { cookie: event.cookie, place: None, fresh: false, id, at: now });
        }
    } else if is(libc::IN_MOVED_FROM)
        && let Some(m) = moved.iter_mut().find(|m| m.place.as_ref().is_some_and(|p| *p == place()))
    {
        (m.cookie, m.place, m.at) = (event.cookie, None, now);
    }
}
