//! One inotify instance for all files of all sources, since a system permits few instances
//! (`fs.inotify.max_user_instances`) and many watches. Several may hold one watch; it ends when the last of them drops it.

use crate::host::sys::Errno;
use crate::host::sys::file::c_path;
use crate::host::sys::inotify::{Event, Inotify, Watch};
use core::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::vec::Vec;

/// What is told of a directory. One mask for all, since a second watch of a directory would replace the first one's.
const DIR: u32 = libc::IN_CREATE
    | libc::IN_MOVED_FROM
    | libc::IN_MOVED_TO
    | libc::IN_DELETE
    | libc::IN_ATTRIB
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF
    | libc::IN_ONLYDIR;
/// What is told of a file.
const FILE: u32 = libc::IN_MODIFY | libc::IN_ATTRIB;

/// The instance and its watches.
#[derive(Debug)]
pub(super) struct Watches {
    inotify: Inotify,
    /// With how many hold each.
    held: RefCell<Vec<(Watch, u32)>>,
    /// How often [`Watches::read`] was called.
    round: Cell<u32>,
    /// Somebody waits for the next round.
    wanted: Cell<bool>,
}

impl Watches {
    pub(super) fn new() -> Result<Self, Errno> {
        let (held, round, wanted) = (RefCell::default(), Cell::new(0), Cell::new(false));
        Ok(Self { inotify: Inotify::new()?, held, round, wanted })
    }

    pub(super) const fn inotify(&self) -> &Inotify {
        &self.inotify
    }

    /// Watches a directory.
    pub(super) fn dir(self: &Rc<Self>, path: &Path) -> Option<Held> {
        self.hold(path, DIR)
    }

    /// Watches a file.
    pub(super) fn file(self: &Rc<Self>, path: &Path) -> Option<Held> {
        self.hold(path, FILE)
    }

    fn hold(self: &Rc<Self>, path: &Path, mask: u32) -> Option<Held> {
        let watch = c_path(path).and_then(|path| self.inotify.watch(&path, mask)).ok()?;
        let mut held = self.held.borrow_mut();
        match held.iter_mut().find(|(known, _)| *known == watch) {
            Some((_, count)) => *count += 1,
            None => held.push((watch, 1)),
        }
        Some(Held { watches: Rc::clone(self), watch })
    }

    /// Hands on what is queued, a bounded piece of it; the rest stays queued, in its order.
    pub(super) fn read(&self, buf: &mut [u8], mut each: impl FnMut(&Event<'_>)) {
        self.wanted.set(false);
        for _ in 0..4 {
            if !matches!(self.inotify.read(buf, |event| each(&event)), Ok(true)) {
                break;
            }
        }
        self.round.set(self.round.get().wrapping_add(1));
    }

    /// Asks for a call of [`Watches::read`] before the next wait. Returns its round.
    pub(super) fn want(&self) -> u32 {
        self.wanted.set(true);
        self.round.get()
    }

    /// Whether one is asked for.
    pub(super) const fn wanted(&self) -> bool {
        self.wanted.get()
    }

    /// The round that is under way, or is next.
    pub(super) const fn round(&self) -> u32 {
        self.round.get()
    }
}

/// A watch, as long as this lives.
#[derive(Debug)]
pub(super) struct Held {
    watches: Rc<Watches>,
    watch: Watch,
}

impl Held {
    /// Whether the event is of this watch.
    pub(super) fn told(&self, event: &Event<'_>) -> bool {
        self.watch == event.watch
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.watches.held.borrow_mut();
        let Some(at) = held.iter().position(|(watch, _)| *watch == self.watch) else { return };
        if let Some((_, count)) = held.get_mut(at) {
            *count -= 1;
            if *count == 0 {
                held.swap_remove(at);
                self.watches.inotify.unwatch(self.watch);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Dir, Rig};
    use super::super::{Spec, State};
    use super::*;
    use crate::host::clock;
    use std::fs;

    #[test]
    fn a_watch_ends_with_the_last_who_holds_it() {
        let dir = Dir::new();
        let watches = Rc::new(Watches::new().unwrap());
        let heard = || {
            let mut count = 0;
            fs::write(dir.at("file"), "").unwrap();
            fs::remove_file(dir.at("file")).unwrap();
            watches.read(&mut [0; 4096], |event| count += usize::from(event.name == b"file"));
            count
        };
        let (first, second) = (watches.dir(&dir.0).unwrap(), watches.dir(&dir.0).unwrap());
        assert_eq!(heard(), 2, "each event once");
        drop(first);
        assert_eq!(heard(), 2);
        drop(second);
        assert_eq!(heard(), 0);
        assert!(watches.held.borrow().is_empty());
        let _third = watches.dir(&dir.0).unwrap();
        assert_eq!(heard(), 2);
    }

    #[test]
    fn a_source_that_goes_leaves_the_others_their_watches() {
        let dir = Dir::new();
        let specs = ["a", "b", "*.log"].map(|name| Spec::File { path: dir.at(name) });
        for name in ["a", "b", "c.log", "d.log"] {
            fs::write(dir.at(name), "").unwrap();
        }
        let mut rig = Rig::new(None, &specs);
        rig.rest();
        let held = |rig: &Rig| rig.sources.watches.as_ref().unwrap().held.borrow().len();
        // Four files, the directory and the one above it.
        assert_eq!(held(&rig), 6);
        rig.sources.apply(&rig.poller, &specs[1..2], clock::now(), |e| panic!("{e}"));
        assert_eq!(held(&rig), 3);
        // By inotify: the clock is not put forward.
        fs::rename(dir.at("b"), dir.at("b.1")).unwrap();
        fs::write(dir.at("b"), "one\n").unwrap();
        rig.until("the line", |rig| rig.got.len() == 1);
        assert_eq!(rig.state(1), State::Up(2));
        rig.sources.apply(&rig.poller, &[], clock::now(), |e| panic!("{e}"));
        assert_eq!(held(&rig), 0);
    }
}
