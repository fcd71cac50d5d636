//! The socket that `syslog(3)` writes to. Where its path is a symlink, as `/dev/log` may be, the socket is made where the
//! link leads, since programs that log follow the link too.

use super::lines::Lines;
use super::{Cx, Error, udp};
use crate::host::poll::{Interest, Poller, Token};
use crate::host::sys::{Errno, net};
use crate::time::Instant;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// The most symlinks in a row that are followed.
const HOPS: usize = 8;

/// A bound Unix datagram socket. Dropping it removes it, and no symlink to it.
#[derive(Debug)]
pub(super) struct Unix {
    socket: UnixDatagram,
    lines: Lines,
    path: PathBuf,
    /// Where the symlinks at the path led when it was made.
    place: PathBuf,
    id: Option<(u64, u64)>,
    /// When to look whether its path still leads to it.
    pub(super) next_check: Instant,
}

impl Unix {
    pub(super) fn open(poller: &Poller, token: Token, path: &Path) -> Result<Self, Error> {
        let place = led_to(path);
        let fail = |e: io::Error| Error::Path(place.clone(), Errno::from(e));
        let socket = match UnixDatagram::bind(&place) {
            Ok(socket) => socket,
            Err(e) if e.raw_os_error() == Some(libc::EADDRINUSE) => {
                remove_stale(&place)?;
                UnixDatagram::bind(&place).map_err(fail)?
            }
            Err(e) => return Err(fail(e)),
        };
        // Any local program may log, as with any syslog daemon.
        let opened = fs::set_permissions(&place, Permissions::from_mode(0o666)).map_err(fail);
        let (id, lines) = (id_of(fs::symlink_metadata(&place)), Lines::datagram());
        let made = Self { socket, lines, path: path.into(), place, id, next_check: Instant::ZERO };
        opened?;
        poller.add(&made.socket, token, Interest::Read).map_err(|e| Error::Path(path.into(), e))?;
        net::receive_buffer(&made.socket, 1 << 18);
        Ok(made)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its path still leads to it.
    pub(super) fn stands(&self) -> bool {
        self.id.is_some() && id_of(fs::metadata(&self.path)) == self.id
    }

    pub(super) fn ready(&mut self, cx: &mut Cx<'_>) {
        // The kernel drops none here: it lets the writer wait.
        udp::receive(&self.socket, &mut self.lines, &mut 0, cx);
    }
}

impl Drop for Unix {
    fn drop(&mut self) {
        if self.id.is_some() && id_of(fs::symlink_metadata(&self.place)) == self.id {
            let _ = fs::remove_file(&self.place);
        }
    }
}

/// Device and inode.
fn id_of(meta: io::Result<Metadata>) -> Option<(u64, u64)> {
    meta.ok().map(|m| (m.dev(), m.ino()))
}

/// Where the symlinks at `path` lead, whether or not there is something.
fn led_to(path: &Path) -> PathBuf {
    let mut place = path.to_path_buf();
    for _ in 0..HOPS {
        let Ok(target) = fs::read_link(&place) else { break };
        place.pop();
        place.push(target);
    }
    place
}

/// Removes a socket that nobody listens on. Anything else stays and is an error.
fn remove_stale(path: &Path) -> Result<(), Error> {
    let fail = |e: io::Error| Error::Path(path.into(), Errno::from(e));
    let probe = UnixDatagram::unbound().map_err(fail)?;
    match probe.connect(path) {
        Ok(()) => return Err(Error::Busy(path.into())),
        // The wrong type of socket: a stream listener is somebody, too.
        Err(e) if e.raw_os_error() == Some(libc::EPROTOTYPE) => return Err(Error::Busy(path.into())),
        Err(e) if e.raw_os_error() == Some(libc::ECONNREFUSED) => {}
        Err(e) => return Err(fail(e)),
    }
    if !fs::symlink_metadata(path).map_err(fail)?.file_type().is_socket() {
        return Err(Error::Kind(path.into()));
    }
    fs::remove_file(path).map_err(fail)
}
