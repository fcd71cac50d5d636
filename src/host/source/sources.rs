//! All sources of the daemon, and what they share.

use super::file::{FileSource, Saved};
use super::glob::{self, Glob};
use super::logread::{self, Logread};
use super::stdin::Stdin;
use super::tcp::Tcp;
use super::udp::Udp;
use super::unix::Unix;
use super::watches::Watches;
use super::{Cx, Error, OnLine, READ, SourceId, SourceTally, Spec};
use crate::host::poll::{Interest, Poller, Token};
use crate::host::sys::Errno;
use crate::host::sys::file::{append, open as open_file};
use crate::host::sys::spawn::Child;
use crate::time::{Duration, Instant};
use log::Level;
use std::boxed::Box;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::vec;
use std::vec::Vec;
use std::{fs, io};

/// When a source that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// The shortest time between two writes of the state file, which may lie on flash.
const SAVE: Duration = Duration::from_secs(60);
/// When it is written after the sources changed, so that a daemon that is killed soon after its first start goes on where
/// it was.
const FIRST_SAVE: Duration = Duration::from_secs(1);

/// In a token, the index of what is no source's: inotify.
const NO_SOURCE: usize = u16::MAX as usize;

/// How a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Open, with so many connections (TCP) or files (1 or 0, and rotated ones).
    Up(usize),
    /// Not working; tried again by itself.
    Waiting(Error),
    /// Read to its end.
    Ended,
}

#[derive(Debug)]
enum Kind {
    Udp(Udp),
    Tcp(Tcp),
    Unix(Unix),
    File(Box<FileSource>),
    Glob(Box<Glob>),
    Logread(Box<Logread>),
    Stdin(Stdin),
    Down { error: Error, retry: Instant },
}

#[derive(Debug)]
struct Slot {
    spec: Spec,
    kind: Kind,
    tally: SourceTally,
}

/// The sources. See [`super`] for how to drive them.
#[derive(Debug)]
pub struct Sources {
    slots: Vec<Option<Slot>>,
    buf: Box<[u8]>,
    /// What tells of files, once there is a source that reads some.
    pub(super) watches: Option<Rc<Watches>>,
    /// Children of closed sources that have not been waited for.
    orphans: Vec<Child>,
    state: Option<PathBuf>,
    written: Vec<u8>,
    next_save: Instant,
    /// Why the state file could not be written, as it was said.
    unsaved: Option<Error>,
}

impl Sources {
    /// [`Token::owner`] of every descriptor of a source.
    pub const OWNER: u8 = 0;

    /// None yet. `state` is the file that remembers how far files were read, whose folder is made; without one every
    /// file is begun at its end.
    pub fn new(state: Option<&Path>) -> Self {
        let mut sources = Self {
            slots: Vec::new(),
            buf: vec![0; READ].into_boxed_slice(),
            watches: None,
            orphans: Vec::new(),
            state: state.map(Into::into),
            written: Vec::new(),
            next_save: Instant::ZERO,
            unsaved: None,
        };
        if let Some(path) = state
            && let Some(Err(e)) = path.parent().map(fs::create_dir_all)
        {
            // Not worth a warning to a user who tries edgeban without root: only lines written while it is stopped are missed.
            let denied = e.kind() == io::ErrorKind::PermissionDenied;
            sources.is_unsaved(path, e, if denied { Level::Debug } else { Level::Warn });
        }
        sources
    }

    /// Makes the sources those of `specs`: what is there stays as it is, what is not named any more is closed, what is
    /// new is opened. One that cannot be opened is reported to `failed` and tried again every ten seconds. Only the
    /// first 65,535 are taken.
    pub fn apply(&mut self, poller: &Poller, specs: &[Spec], now: Instant, mut failed: impl FnMut(&Error)) {
        self.save();
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|s| !specs.contains(&s.spec))
                && let Some(Slot { kind: Kind::Logread(mut logread), .. }) = slot.take()
            {
                self.orphans.append(&mut logread.stop());
            }
        }
        let saved = self.read_state();
        if self.watches.is_none() && specs.iter().any(|spec| matches!(spec, Spec::File { .. })) {
            let made = Watches::new().and_then(|w| {
                poller.add(w.inotify(), token(NO_SOURCE), Interest::Read)?;
                Ok(Rc::new(w))
            });
            self.watches = made
                .inspect_err(|e| log::warn!("no inotify ({e}), looking at files every half second"))
                .ok();
        }
        for spec in specs.iter().take(NO_SOURCE) {
            if self.slots.iter().flatten().any(|s| s.spec == *spec) {
                continue;
            }
            let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
            if free == self.slots.len() {
                self.slots.push(None);
            }
            let kind =
                open(poller, token(free), spec, &saved, self.watches.as_ref()).unwrap_or_else(|error| {
                    failed(&error);
                    Kind::Down { error, retry: now + RETRY }
                });
            if let Some(slot) = self.slots.get_mut(free) {
                *slot = Some(Slot { spec: spec.clone(), kind, tally: SourceTally::default() });
            }
        }
        self.next_save = now + FIRST_SAVE;
    }

    /// Serves one event whose owner is [`Sources::OWNER`].
    pub fn ready(&mut self, poller: &Poller, token: Token, now: Instant, on_line: &mut OnLine<'_>) {
        if usize::from(token.index) == NO_SOURCE {
            return self.hear(now);
        }
        let Some(Some(slot)) = self.slots.get_mut(usize::from(token.index)) else { return };
        let cx = &mut Cx {
            poller,
            id: SourceId(token.index),
            now,
            buf: &mut self.buf,
            tally: &mut slot.tally,
            emit: on_line,
        };
        match &mut slot.kind {
            Kind::Udp(s) => s.ready(cx),
            Kind::Tcp(s) => s.ready(token.part, cx),
            Kind::Unix(s) => s.ready(cx),
            Kind::Logread(s) => s.ready(cx),
            Kind::Stdin(s) => s.ready(cx),
            Kind::File(_) | Kind::Glob(_) | Kind::Down { .. } => {}
        }
    }

    /// Passes inotify's events to all files, which act on them in their turn.
    fn hear(&mut self, now: Instant) {
        let Self { watches: Some(watches), slots, buf, .. } = self else { return };
        watches.read(buf, |event| {
            for slot in slots.iter_mut().flatten() {
                match &mut slot.kind {
                    Kind::File(s) => s.hear(event, now),
                    Kind::Glob(s) => s.hear(event, now),
                    _ => {}
                }
            }
        });
    }

    /// Does what no event announces: the rest of a file, restarts, retries, the state file. To be called after every wait.
    pub fn turn(&mut self, poller: &Poller, now: Instant, on_line: &mut OnLine<'_>) {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            let cx = &mut Cx {
                poller,
                id: SourceId(index as u16),
                now,
                buf: &mut self.buf,
                tally: &mut slot.tally,
                emit: on_line,
            };
            match &mut slot.kind {
                Kind::Tcp(s) => s.turn(cx),
                Kind::File(s) => s.turn(cx),
                Kind::Glob(s) => s.turn(cx),
                Kind::Logread(s) => s.turn(cx),
                Kind::Stdin(s) => s.turn(cx),
                Kind::Down { retry, error: before } if *retry <= now => {
                    slot.kind = open(poller, token(index), &slot.spec, &[], None)
                        .inspect(|_| log::info!("{before}: no longer, it is read now"))
                        .unwrap_or_else(|error| Kind::Down { error, retry: now + RETRY });
                }
                Kind::Unix(s) if s.next_check <= now => {
                    s.next_check = now + RETRY;
                    // Removed, or replaced by another daemon: who logs does not find ours any more.
                    if !s.stands() {
                        slot.tally.errors.bump();
                        slot.kind = open(poller, token(index), &slot.spec, &[], None)
                            .inspect(|_| log::warn!("{}: was removed, made anew", s.path().display()))
                            .unwrap_or_else(|error| {
                                log::warn!("{error}; tried again every 10 s");
                                Kind::Down { error, retry: now + RETRY }
                            });
                    }
                }
                Kind::Udp(_) | Kind::Unix(_) | Kind::Down { .. } => {}
            }
        }
        if self.watches.as_ref().is_some_and(|w| w.wanted()) {
            self.hear(now);
        }
        if self.next_save <= now {
            self.next_save = now + SAVE;
            self.save();
        }
    }

    /// How long [`Poller::wait`] may wait as far as the sources are concerned, in milliseconds.
    pub fn timeout(&self, now: Instant) -> Option<u32> {
        let mut first = Instant::NEVER;
        for slot in self.slots.iter().flatten() {
            let (pending, deadline) = match &slot.kind {
                Kind::Tcp(s) => (false, s.deadline()),
                Kind::File(s) => (s.pending(), s.deadline().min(self.next_save)),
                Kind::Glob(s) => (s.pending(), s.deadline().min(self.next_save)),
                Kind::Logread(s) => (false, s.deadline()),
                Kind::Stdin(s) => (s.pending(), Instant::NEVER),
                Kind::Down { retry, .. } => (false, *retry),
                Kind::Unix(s) => (false, s.next_check),
                Kind::Udp(_) => (false, Instant::NEVER),
            };
            first = first.min(if pending { now } else { deadline });
        }
        (first != Instant::NEVER).then(|| u32::try_from(first.since(now).millis()).unwrap_or(u32::MAX))
    }

    /// A child has ended (`SIGCHLD`).
    pub fn reap(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            if let Kind::Logread(s) = &mut slot.kind {
                s.reap();
            }
        }
        logread::reap(&mut self.orphans);
    }

    /// Saves how far files were read, ends the children and closes everything. A Unix socket's path is removed.
    pub fn stop(&mut self) {
        self.save();
        for slot in core::mem::take(&mut self.slots).into_iter().flatten() {
            if let Kind::Logread(mut s) = slot.kind {
                self.orphans.append(&mut s.stop());
            }
        }
        self.reap();
    }

    /// Calls `each` for every source, for `status`.
    pub fn each(&self, mut each: impl FnMut(SourceId, &Spec, State, &SourceTally)) {
        for (index, slot) in self.slots.iter().enumerate() {
            let Some(slot) = slot else { continue };
            let waiting =
                |error: Option<&Error>, n| error.map_or(State::Up(n), |e| State::Waiting(e.clone()));
            let state = match &slot.kind {
                Kind::Udp(_) | Kind::Unix(_) => State::Up(1),
                Kind::Tcp(s) => State::Up(s.open_connections()),
                Kind::File(s) => waiting(s.error(), s.open_files()),
                // Some files of many that cannot be read are said when they are found.
                Kind::Glob(s) if s.open_files() > 0 => State::Up(s.open_files()),
                Kind::Glob(s) => waiting(s.error(), 0),
                Kind::Logread(s) => waiting(s.error(), 1),
                Kind::Stdin(s) if s.ended() => State::Ended,
                Kind::Stdin(_) => State::Up(1),
                Kind::Down { error, .. } => State::Waiting(error.clone()),
            };
            each(SourceId(index as u16), &slot.spec, state, &slot.tally);
        }
    }

    /// What [`Sources::each`] shows of one source.
    pub fn tally(&self, id: SourceId) -> Option<&SourceTally> {
        self.slots.get(usize::from(id.0))?.as_ref().map(|s| &s.tally)
    }

    /// Writes the state file if it would change, by renaming a new file: whole or not at all. Makes its folder if that is
    /// missing.
    pub fn save(&mut self) {
        let Some(path) = &self.state else { return };
        let mut text = Vec::new();
        for slot in self.slots.iter().flatten() {
            match &slot.kind {
                Kind::File(s) => s.save().iter().for_each(|saved| saved.write(s.path(), &mut text)),
                Kind::Glob(s) => s.save(&mut |path, saved| saved.write(path, &mut text)),
                _ => {}
            }
        }
        if text == self.written {
            return;
        }
        // On the disk before it takes the old one's name, or a power cut could leave an empty file.
        let write = |new: &Path| {
            let mut file = open_file(new, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)?;
            io::Write::write_all(&mut file, &text)?;
            file.sync_data()
        };
        let new = path.with_extension("new");
        let written = write(&new).or_else(|e| match path.parent() {
            Some(dir) if e.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(dir).and_then(|()| write(&new))
            }
            _ => Err(e),
        });
        match written.and_then(|()| fs::rename(&new, path)) {
            Ok(()) => (self.written, self.unsaved) = (text, None),
            Err(e) => {
                let path = path.clone();
                self.is_unsaved(&path, e, Level::Warn);
            }
        }
    }

    /// Says once why the state file cannot be written; each save tries again.
    fn is_unsaved(&mut self, path: &Path, e: io::Error, level: Level) {
        let error = Error::Path(path.into(), Errno::from(e));
        if self.unsaved.as_ref() != Some(&error) {
            log::log!(level, "{error}; how far files were read is not saved; tried again every minute");
            self.unsaved = Some(error);
        }
    }

    fn read_state(&self) -> Vec<(PathBuf, Saved)> {
        let mut text = Vec::new();
        let Some(path) = self.state.as_ref().filter(|path| append(path, usize::MAX, &mut text).is_ok())
        else {
            return Vec::new();
        };
        let lines = || text.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        let saved: Vec<_> = lines().filter_map(Saved::read).collect();
        if saved.len() < lines().count() || text.last().is_some_and(|&b| b != b'\n') {
            log::warn!("{}: damaged; files that it does not name are begun at their end", path.display());
        }
        saved
    }

    #[cfg(test)]
    pub(super) fn local(&self, id: SourceId) -> Option<core::net::SocketAddr> {
        match &self.slots.get(usize::from(id.0))?.as_ref()?.kind {
            Kind::Udp(s) => s.local(),
            Kind::Tcp(s) => s.local(),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(super) fn add_input(&mut self, poller: &Poller, fd: std::os::fd::OwnedFd) {
        let framing = crate::frame::Framing::Lf;
        let kind = Kind::Stdin(Stdin::over(poller, token(self.slots.len()), fd, framing).unwrap());
        self.slots.push(Some(Slot { spec: Spec::Stdin { framing }, kind, tally: SourceTally::default() }));
    }

    #[cfg(test)]
    pub(super) fn unreaped(&self) -> usize {
        let of = |slot: &Slot| if let Kind::Logread(s) = &slot.kind { s.unreaped() } else { 0 };
        self.orphans.len() + self.slots.iter().flatten().map(of).sum::<usize>()
    }
}

fn token(index: usize) -> Token {
    Token::new(Sources::OWNER, index as u16, 0)
}

fn open(
    poller: &Poller,
    token: Token,
    spec: &Spec,
    saved: &[(PathBuf, Saved)],
    watches: Option<&Rc<Watches>>,
) -> Result<Kind, Error> {
    Ok(match spec {
        Spec::Udp { listen } => Kind::Udp(Udp::open(poller, token, *listen)?),
        Spec::Tcp { listen, connections, framing } => {
            Kind::Tcp(Tcp::open(poller, token, *listen, *connections, *framing)?)
        }
        Spec::Unix { path } => Kind::Unix(Unix::open(poller, token, path)?),
        Spec::File { path } if glob::is_pattern(path) => {
            Kind::Glob(Box::new(Glob::new(watches.cloned(), path, saved)))
        }
        Spec::File { path } => {
            let own = |(p, s): &(PathBuf, Saved)| (*p == FileSource::absolute(path)).then_some(*s);
            let saved = saved.iter().filter_map(own).collect();
            Kind::File(Box::new(FileSource::new(watches.cloned(), path, saved)))
        }
        Spec::Logread { argv } => Kind::Logread(Box::new(Logread::new(token, argv))),
        Spec::Stdin { framing } => Kind::Stdin(Stdin::open(poller, token, *framing)?),
    })
}
