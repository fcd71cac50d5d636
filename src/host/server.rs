//! The server side of the control socket, without a loop of its own.
//!
//! The daemon's loop calls [`Server::watch`] before it waits, [`Server::ready`] for each token that is ready and
//! [`Server::sweep`] at [`Server::deadline`]. Nothing here blocks. A call does a bounded amount of work:
//! one read, and at most [`CHUNK`] bytes of reply. A long reply is made piece by piece while the client reads, from a
//! [`Cursor`], so ten thousand bans need no more memory than ten.
//!
//! There are at most [`CLIENTS`] at a time. A client that neither sends nor reads for [`PATIENCE`] is dropped; when all
//! places are taken, the one that was silent for longest makes room. When the system has no descriptor left for another, the
//! listener is not watched for [`PAUSE`], since it stays ready and the loop would spin. A request line is at most
//! [`MAX_REQUEST`] bytes: a longer one is answered with an error, and the connection is closed.

use super::poll::{Interest, Poller, Token};
use super::sys::{Errno, refusal};
use crate::control::{MAX_REQUEST, Refusal, reply};
use crate::time::{Duration, Instant};
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::vec::Vec;

/// The most clients at a time.
pub const CLIENTS: usize = 8;
/// How much of a reply is held for a client before more of it is made. One piece may exceed it by its own length.
pub const CHUNK: usize = 16 * 1024;
/// For how long a client may neither send nor read.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// For how long the listener is left alone where the system cannot accept.
pub const PAUSE: Duration = Duration::from_secs(1);

/// The part of the listener's token.
const LISTENER: u32 = 0;

/// Where in a long reply a client is. The numbers are the daemon's own, such as the next slot and how many were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What comes next.
    pub next: u64,
    /// How many lines there were so far.
    pub sent: u64,
}

/// Who answers: the daemon.
pub trait Answer {
    /// Answers one request line, without its newline. `Some` means that the reply goes on from there.
    fn answer(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Cursor>;
    /// The next lines of a reply, preferably until `out` holds [`CHUNK`] bytes; `None` once it is whole.
    fn more(&mut self, from: Cursor, out: &mut Vec<u8>) -> Option<Cursor>;
}

struct Client {
    /// The part of its tokens; not used again for another client.
    id: u32,
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of `output` is gone.
    gone: usize,
    cursor: Option<Cursor>,
    /// Nothing more is read; closed once `output` is gone.
    ending: bool,
    active: Instant,
    told: Option<Interest>,
}

/// The control socket and its clients.
pub struct Server {
    listener: UnixListener,
    told: Option<Interest>,
    /// Until when the listener is left alone.
    paused: Option<Instant>,
    last: u32,
    path: PathBuf,
    /// Device and inode of the socket, so that another daemon's is never removed.
    id: (u64, u64),
    clients: Vec<Client>,
    /// Clients dropped because they were silent or there was no place.
    pub dropped: u64,
}

impl Server {
    /// Listens on `path`, with mode 0600: only this user may connect. A socket that nobody listens on is replaced.
    ///
    /// # Errors
    /// `AddrInUse` where somebody listens there, `AlreadyExists` where `path` is no socket, and those of the system.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Ok(meta) = fs::symlink_metadata(path) {
            if !meta.file_type().is_socket() {
                return Err(refusal(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
            }
            match UnixStream::connect(path) {
                Ok(_) => {
                    return Err(refusal(io::ErrorKind::AddrInUse, "another edgeban listens there"));
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
                Err(error) => return Err(error),
            }
        }
        // The mode must be narrow from the start: a change after bind(2) alone would leave a moment for others to
        // connect. The umask keeps the owner's own bits, since files made by other threads meanwhile need them.
        // SAFETY: umask(2) only swaps a number, and cannot fail.
        let old = unsafe { libc::umask(0o077) };
        let listener = UnixListener::bind(path);
        // SAFETY: as above.
        unsafe { libc::umask(old) };
        let listener = listener?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let meta = fs::symlink_metadata(path)?;
        Ok(Self {
            listener,
            told: None,
            paused: None,
            last: LISTENER,
            path: path.into(),
            id: (meta.dev(), meta.ino()),
            clients: Vec::new(),
            dropped: 0,
        })
    }

    /// Has `poller` watch the listener and the clients, as far as that changed, with tokens of `owner` and index 0. Closed
    /// descriptors leave the poller by themselves.
    pub fn watch(&mut self, poller: &Poller, owner: u8) -> Result<(), Errno> {
        let now = if self.paused.is_some() { Interest::None } else { Interest::Read };
        tell(poller, &self.listener, Token::new(owner, 0, LISTENER), &mut self.told, now)?;
        for client in &mut self.clients {
            let (token, now) = (Token::new(owner, 0, client.id), client.interest());
            tell(poller, &client.stream, token, &mut client.told, now)?;
        }
        Ok(())
    }

    /// Whether its path still leads to this socket.
    pub fn stands(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.id)
    }

    /// Makes a socket that was removed anew; its clients stay.
    ///
    /// # Errors
    /// As [`Server::bind`]; all is as before.
    pub fn renew(&mut self) -> io::Result<()> {
        let mut new = Self::bind(&self.path)?;
        core::mem::swap(&mut new.listener, &mut self.listener);
        core::mem::swap(&mut new.id, &mut self.id);
        (self.told, self.paused) = (None, None);
        Ok(())
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Serves the token with this `part`, which is ready. Does nothing where its client is gone.
    pub fn ready(&mut self, part: u32, now: Instant, answer: &mut dyn Answer) {
        if part == LISTENER {
            self.accept(now);
        } else if let Some(at) = self.clients.iter().position(|c| c.id == part)
            && let Some(client) = self.clients.get_mut(at)
            && !client.work(now, answer)
        {
            self.clients.swap_remove(at);
        }
    }

    /// Drops clients that were silent for too long, and ends a pause that is over.
    pub fn sweep(&mut self, now: Instant) {
        self.paused = self.paused.filter(|until| *until > now);
        let before = self.clients.len();
        self.clients.retain(|c| now.since(c.active) < PATIENCE);
        self.dropped = self.dropped.saturating_add((before - self.clients.len()) as u64);
    }

    /// When [`Server::sweep`] has something to do next.
    pub fn deadline(&self) -> Option<Instant> {
        self.clients.iter().map(|c| c.active + PATIENCE).chain(self.paused).min()
    }

    fn accept(&mut self, now: Instant) {
        // One connection per call: the loop comes back for more after it has served others.
        let accepted = self.listener.accept().map(|(stream, _)| stream);
        self.accepted(accepted, now);
    }

    fn accepted(&mut self, accepted: io::Result<UnixStream>, now: Instant) {
        let stream = match accepted {
            Ok(stream) => stream,
            Err(e) => {
                let none_there = [
                    io::ErrorKind::WouldBlock,
                    io::ErrorKind::Interrupted,
                    io::ErrorKind::ConnectionAborted,
                ];
                if !none_there.contains(&e.kind()) {
                    self.paused = Some(now + PAUSE);
                }
                return;
            }
        };
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        if self.clients.len() >= CLIENTS {
            let silent = self.clients.iter().enumerate().min_by_key(|(_, c)| c.active).map(|(at, _)| at);
            if let Some(at) = silent {
                self.clients.swap_remove(at);
                self.dropped = self.dropped.saturating_add(1);
            }
        }
        self.last = self.last.checked_add(1).unwrap_or(LISTENER + 1);
        self.clients.push(Client {
            id: self.last,
            stream,
            input: Vec::new(),
            output: Vec::new(),
            gone: 0,
            cursor: None,
            ending: false,
            active: now,
            told: None,
        });
    }
}

/// Tells `poller` what `fd` waits for, if that changed.
fn tell(
    poller: &Poller,
    fd: &impl AsFd,
    token: Token,
    told: &mut Option<Interest>,
    now: Interest,
) -> Result<(), Errno> {
    match *told {
        None => poller.add(fd, token, now)?,
        Some(before) if before != now => poller.modify(fd, token, now)?,
        Some(_) => {}
    }
    *told = Some(now);
    Ok(())
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stands() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Client {
    /// Whether a reply, or a request that has arrived, is still to be dealt with.
    fn busy(&self) -> bool {
        self.cursor.is_some()
            || self.gone < self.output.len()
            || memchr::memchr(b'\n', &self.input).is_some()
    }

    /// While a reply is on its way no further request is read: a client that does not read its replies stops itself.
    fn interest(&self) -> Interest {
        match (self.busy(), self.ending) {
            (true, _) => Interest::Write,
            (false, false) => Interest::Read,
            (false, true) => Interest::None,
        }
    }

    /// Whether the client stays.
    fn work(&mut self, now: Instant, answer: &mut dyn Answer) -> bool {
        if self.interest() == Interest::Read && !self.receive(now, answer) {
            return false;
        }
        self.send(now, answer) && (self.busy() || !self.ending)
    }

    fn receive(&mut self, now: Instant, answer: &mut dyn Answer) -> bool {
        let mut buffer = [0u8; MAX_REQUEST + 1];
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                self.ending = true;
                // A last request without its newline is one too: JSON says itself where it ends.
                if !self.input.is_empty() {
                    self.input.push(b'\n');
                }
            }
            Ok(n) => {
                self.active = now;
                self.input.extend_from_slice(buffer.get(..n).unwrap_or(&[]));
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => return false,
        }
        self.next_request(answer);
        true
    }

    /// Answers what has arrived whole, until a reply goes on beyond what is held.
    fn next_request(&mut self, answer: &mut dyn Answer) {
        while self.cursor.is_none() && self.output.len() < CHUNK {
            let Some(end) = memchr::memchr(b'\n', &self.input) else { break };
            let line: Vec<u8> = self.input.drain(..=end).collect();
            let line = line.trim_ascii_end();
            if !line.is_empty() {
                self.cursor = answer.answer(line, &mut self.output);
            }
        }
        if self.input.len() > MAX_REQUEST && memchr::memchr(b'\n', &self.input).is_none() {
            self.input = Vec::new();
            self.ending = true;
            reply::error(Refusal::TooLong.text().as_bytes(), &mut |piece| {
                self.output.extend_from_slice(piece)
            });
        }
    }

    fn send(&mut self, now: Instant, answer: &mut dyn Answer) -> bool {
        let mut budget = CHUNK;
        while budget > 0 {
            if self.gone == self.output.len() {
                self.output.clear();
                self.gone = 0;
                match self.cursor {
                    Some(from) => self.cursor = answer.more(from, &mut self.output),
                    None => self.next_request(answer),
                }
                if self.output.is_empty() {
                    if self.cursor.is_some() {
                        return true;
                    }
                    // A client's memory is given back as soon as it has its reply.
                    self.output = Vec::new();
                    return true;
                }
            }
            match self.stream.write(self.output.get(self.gone..).unwrap_or(&[])) {
                Ok(0) => return false,
                Ok(n) => {
                    self.gone += n;
                    self.active = now;
                    budget = budget.saturating_sub(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
