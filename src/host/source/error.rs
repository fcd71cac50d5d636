//! Why a source does not work, with its place.

use crate::host::sys::Errno;
use crate::host::sys::net::shown;
use core::fmt;
use core::net::SocketAddr;
use std::path::PathBuf;
use std::string::String;

/// Why a source does not work (yet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No socket of this protocol at this address.
    Listen(&'static str, SocketAddr, Errno),
    /// No socket or file at this path.
    Path(PathBuf, Errno),
    /// Another process listens at this path.
    Busy(PathBuf),
    /// Something is at this path that is neither a socket nor a file, as the source needs it.
    Kind(PathBuf),
    /// Another source reads this file.
    Twice(PathBuf),
    /// No file has a name like this.
    NoMatch(PathBuf),
    /// The program could not be started.
    Spawn(String, Errno),
    /// Standard input could not be watched.
    Stdin(Errno),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(kind, addr, e) => write!(f, "cannot listen on {kind} {}: {e}", shown(addr)),
            Self::Path(path, e) => write!(f, "{}: {e}", path.display()),
            Self::Busy(path) => write!(f, "{}: another process listens there", path.display()),
            Self::Kind(path) => write!(f, "{}: not the kind of file this source reads", path.display()),
            Self::Twice(path) => write!(f, "{}: another source reads this file already", path.display()),
            Self::NoMatch(path) => write!(f, "{}: no file has such a name", path.display()),
            Self::Spawn(program, e) => write!(f, "cannot start {program}: {e}"),
            Self::Stdin(e) => write!(f, "standard input: {e}"),
        }
    }
}

impl core::error::Error for Error {}
