//! The socket that `syslog(3)` writes to.

use super::lines::Lines;
use super::{Cx, Error, udp};
use crate::host::poll::{Interest, Poller, Token};
use crate::host::sys::{Errno, net};
use crate::time::Instant;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// A bound Unix datagram socket. Dropping it removes its path, if that is still its own.
#[derive(Debug)]
pub(super) struct Unix {
    socket: UnixDatagram,
    lines: Lines,
    path: PathBuf,
    id: Option<(u64, u64)>,
    /// When to look whether its path still leads to it.
    pub(super) next_check: Instant,
}

impl Unix {
    pub(super) fn open(poller: &Poller, token: Token, path: &Path) -> Result<Self, Error> {
        let fail = |e: io::Error| Error::Path(path.into(), Errno::from(e));
        let socket = match UnixDatagram::bind(path) {
            Ok(socket) => socket,
            Err(e) if e.raw_os_error() == Some(libc::EADDRINUSE) => {
                remove_stale(path)?;
                UnixDatagram::bind(path).map_err(fail)?
            }
            Err(e) => return Err(fail(e)),
        };
        let id = id_of(path);
        let made =
            Self { socket, lines: Lines::datagram(), path: path.into(), id, next_check: Instant::ZERO };
        // Any local program may log, as with any syslog daemon.
        fs::set_permissions(path, Permissions::from_mode(0o666)).map_err(fail)?;
        poller.add(&made.socket, token, Interest::Read).map_err(|e| Error::Path(path.into(), e))?;
        net::receive_buffer(&made.socket, 1 << 18);
        Ok(made)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its path still leads to it.
    pub(super) fn stands(&self) -> bool {
        self.id.is_some() && id_of(&self.path) == self.id
    }

    pub(super) fn ready(&mut self, cx: &mut Cx<'_>) {
        // The kernel drops none here: it lets the writer wait.
        udp::receive(&self.socket, &mut self.lines, &mut 0, cx);
    }
}

impl Drop for Unix {
    fn drop(&mut self) {
        if self.stands() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode of the path itself.
fn id_of(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()))
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
