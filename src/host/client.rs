//! The client side of the control socket: sends one request, prints its reply and gives the exit code.

use super::human;
use super::value::Value;
use crate::control::Request;
use core::fmt;
use core::time::Duration;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

/// How long to wait for a daemon that says nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest line of a reply in bytes.
const LONGEST: u64 = 1 << 20;

/// Why there is no answer.
#[derive(Debug)]
pub enum Error {
    /// Nothing listens there.
    NotRunning(PathBuf),
    /// The socket is another user's.
    Denied(PathBuf),
    /// There can be no socket of this path.
    NoSocket(PathBuf, io::Error),
    /// The daemon closed the connection before its reply was whole.
    Cut,
    /// The daemon said nothing for ten seconds.
    Silent,
    /// The reply is not the protocol's.
    Garbled,
    /// What was to be shown could not be written.
    Output(io::Error),
    /// Anything else.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(path) => {
                write!(f, "edgeban is not running (nothing listens on {})", path.display())
            }
            Self::Denied(path) => write!(f, "not permitted to talk to {}: try as root", path.display()),
            Self::NoSocket(path, error) => write!(f, "'{}': {error}", path.display()),
            Self::Cut => f.write_str("edgeban ended the connection before its reply was whole"),
            Self::Silent => f.write_str("edgeban does not answer"),
            Self::Garbled => f.write_str("the reply is not one of edgeban's"),
            Self::Output(error) => write!(f, "standard output: {error}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Cut,
            _ => Self::Io(error),
        }
    }
}

/// Sends a request and hands each line of the reply to `each`, without its end. The last one has `ok`.
pub fn ask(
    socket: &Path,
    request: &Request<'_>,
    each: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<(), Error> {
    let mut stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::NotRunning(socket.into()),
        io::ErrorKind::PermissionDenied => Error::Denied(socket.into()),
        _ => Error::NoSocket(socket.into(), error),
    })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut text = Vec::new();
    request.write(&mut |piece| text.extend_from_slice(piece));
    stream.write_all(&text)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        match reader.by_ref().take(LONGEST).read_line(&mut line) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(Error::Garbled),
            Err(error) => return Err(error.into()),
            Ok(_) if !line.ends_with('\n') => return Err(Error::Cut),
            Ok(_) => {}
        }
        each(line.trim_end()).map_err(Error::Output)?;
        // Only the last line of a reply starts with this.
        if line.starts_with("{\"ok\":") {
            return Ok(());
        }
    }
}

/// Asks and prints: the reply's own lines for `json`, else tables. `now` is in seconds since 1970. Returns the exit
/// code: 0 done, 1 refused, failed or not running (said on `err`).
pub fn run(
    socket: &Path,
    request: &Request<'_>,
    json: bool,
    now: i64,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    match show(socket, request, json, now, out) {
        Ok(None) => 0,
        Ok(Some(refusal)) => {
            for line in refusal.lines() {
                // Problems of a configuration start with their place, as in `check`, and take no prefix.
                let place = line.split(':').nth(1).unwrap_or("");
                let placed = !place.is_empty() && place.bytes().all(|b| b.is_ascii_digit());
                let _ = writeln!(err, "{}{}", if placed { "" } else { "edgeban: " }, human::plain(line));
            }
            1
        }
        // `edgeban bans | head` is no failure.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            let _ = writeln!(err, "edgeban: {error}");
            1
        }
    }
}

/// Asks and prints. Returns what the daemon said if it refused.
fn show(
    socket: &Path,
    request: &Request<'_>,
    json: bool,
    now: i64,
    out: &mut dyn Write,
) -> Result<Option<String>, Error> {
    // The status of one jail also lists whom it has banned.
    let of_jail = matches!(request, Request::Status { jail: Some(_) }) && !json;
    let (mut rows, mut lasts) = (Vec::new(), Vec::new());
    for asked in core::iter::once(request).chain(of_jail.then_some(&Request::Bans)) {
        ask(socket, asked, &mut |line| {
            if json {
                writeln!(out, "{line}")?;
            }
            let list = if line.starts_with("{\"ok\":") { &mut lasts } else { &mut rows };
            if !json || line.starts_with("{\"ok\":") {
                list.push(line.to_string());
            }
            Ok(())
        })?;
    }
    let last = lasts.first().and_then(|last| Value::parse(last)).ok_or(Error::Garbled)?;
    if !last.get("ok").is_some_and(Value::is_true) {
        return Ok(Some(last.get("error").map(Value::text).unwrap_or("refused").to_string()));
    }
    if json {
        out.flush().map_err(Error::Output)?;
        return Ok(None);
    }
    let mut bans = Vec::new();
    for row in &rows {
        let ban = Value::parse(row).ok_or(Error::Garbled)?;
        match request {
            Request::Status { jail: Some(jail) } if ban.get("jail").is_none_or(|by| by.text() != *jail) => {
            }
            _ => bans.push(ban),
        }
    }
    let count = last.get("count").and_then(Value::number).unwrap_or(0);
    match request {
        Request::Bans => human::bans(out, &bans, now),
        Request::Status { .. } => human::status(out, &last).and_then(|()| match of_jail {
            true => writeln!(out).and_then(|()| human::bans(out, &bans, now)),
            false => Ok(()),
        }),
        Request::Version => {
            writeln!(out, "edgeban {}", human::plain(last.get("version").map_or("", Value::text)))
        }
        Request::Ban { target, .. } => writeln!(out, "Banned {target}."),
        Request::UnbanAll if count == 0 => writeln!(out, "Nothing was banned."),
        Request::Unban { .. } | Request::UnbanAll => writeln!(out, "Lifted {count}."),
        Request::Attempt { ip, .. } if last.get("count").is_some() && count == 0 => {
            writeln!(out, "{ip} is banned already.")
        }
        Request::Attempt { ip, jail } => writeln!(out, "Counted a failure of {ip} in {jail}."),
        Request::Reload => match last.get("warning").map_or("", Value::text) {
            "" => writeln!(out, "Loaded the configuration."),
            warning => writeln!(out, "Loaded the configuration; {}.", human::plain(warning)),
        },
    }
    .and_then(|()| out.flush())
    .map_err(Error::Output)?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_from_a_cut() {
        let told = |kind| Error::from(io::Error::from(kind)).to_string();
        assert_eq!(told(io::ErrorKind::WouldBlock), "edgeban does not answer");
        assert!(told(io::ErrorKind::ConnectionReset).contains("ended the connection"));
    }
}
