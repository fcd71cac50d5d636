//! Finds and reads the configuration file; [`crate::config`] says what is wrong with it.

use super::sys::file::append;
use crate::config::{CANDIDATES, Known, Settings};
use core::fmt;
use std::boxed::Box;
use std::io;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

/// Where a configuration is looked for when none is named: the first that exists is read.
pub const PATHS: [&str; 2] = ["/etc/config/edgeban", "/etc/edgeban/edgeban.conf"];

/// The longest configuration in bytes.
pub const LONGEST: usize = 256 * 1024;

/// Why a file gives no settings.
#[derive(Debug)]
pub enum Error {
    /// It cannot be read.
    Io(PathBuf, io::Error),
    /// It is longer than [`LONGEST`].
    TooLong(PathBuf),
    /// It has problems: lines and messages, by line.
    Problems(PathBuf, Vec<(u32, String)>),
}

impl fmt::Display for Error {
    /// `path:line: message`, one line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::TooLong(path) => write!(f, "{}:1: longer than {LONGEST} bytes", path.display()),
            Self::Problems(path, problems) => {
                for (i, (line, text)) in problems.iter().enumerate() {
                    write!(f, "{}{}:{line}: {text}", if i > 0 { "\n" } else { "" }, path.display())?;
                }
                Ok(())
            }
        }
    }
}

/// The bytes of a file; `None` where they are more than [`LONGEST`].
pub(super) fn contents(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    append(path, LONGEST + 1, &mut bytes)?;
    Ok((bytes.len() <= LONGEST).then_some(bytes))
}

/// Reads `path`; `None` looks at [`PATHS`] and falls back to the built-in configuration. Returns the settings and the
/// file they are from.
pub fn load(path: Option<&Path>, known: &[Known<'_>]) -> Result<(Box<Settings>, Option<PathBuf>), Error> {
    let mut settings = Box::new(Settings::new());
    let found = match path {
        Some(path) => Some(path.to_path_buf()),
        None => PATHS.iter().map(PathBuf::from).find(|p| p.exists()),
    };
    let Some(path) = found else {
        settings.builtin();
        add_existing(&mut settings, Path::new("/"));
        return Ok((settings, None));
    };
    let text = match contents(&path) {
        Ok(Some(text)) => text,
        Ok(None) => return Err(Error::TooLong(path)),
        Err(error) => return Err(Error::Io(path, error)),
    };
    let mut problems = Vec::new();
    settings.read(&text, known, &mut |p| {
        // Kept sorted by line. They nearly come so: only what is wrong with a whole section comes after its lines. (A sort
        // would be five kilobytes of code.)
        let behind = problems.iter().rposition(|(line, _): &(u32, String)| *line <= p.line);
        problems.insert(behind.map_or(0, |at| at + 1), (p.line, p.to_string()));
    });
    if !problems.is_empty() {
        return Err(Error::Problems(path, problems));
    }
    if settings.builtin_sources {
        add_existing(&mut settings, Path::new("/"));
    }
    Ok((settings, Some(path)))
}

/// Where a user without root has the control socket by default: in their own runtime directory, which nobody else can write
/// to. `None` without such a directory, or where the configuration names a socket.
pub fn own_control(settings: &Settings) -> Option<PathBuf> {
    if settings.global.control != crate::config::CONTROL {
        return None;
    }
    let dir = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    dir.is_absolute().then(|| dir.join("edgeban.sock"))
}

/// Adds the built-in sources that exist below `root`: usual log files, and `logread` where there is one.
pub fn add_existing(settings: &mut Settings, root: &Path) {
    for file in CANDIDATES.iter().filter(|c| root.join(c.path.trim_start_matches('/')).is_file()) {
        settings.add_source(Some(file));
    }
    if root.join("sbin/logread").is_file() {
        settings.add_source(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn problems_are_told_as_path_line_message() {
        let path = std::env::temp_dir().join(std::format!("edgeban-conf-{}", std::process::id()));
        fs::write(&path, "config sauce\nconfig edgeban\n\toption x 1\n").unwrap();
        let error = load(Some(&path), &[]).unwrap_err().to_string();
        let p = path.display();
        assert_eq!(
            error,
            std::format!(
                "{p}:1: unknown section type 'sauce'; did you mean 'source'?\n{p}:3: unknown option 'x'"
            )
        );
        fs::write(&path, std::vec![b'#'; LONGEST + 1]).unwrap();
        assert!(matches!(load(Some(&path), &[]), Err(Error::TooLong(_))));
        fs::remove_file(&path).unwrap();
        assert!(matches!(load(Some(&path), &[]), Err(Error::Io(..))));
    }

    #[test]
    fn existing_files_become_sources() {
        let root = std::env::temp_dir().join(std::format!("edgeban-root-{}", std::process::id()));
        fs::create_dir_all(root.join("var/log/lighttpd")).unwrap();
        fs::create_dir_all(root.join("sbin")).unwrap();
        for file in ["var/log/auth.log", "var/log/lighttpd/error.log", "sbin/logread"] {
            fs::write(root.join(file), "").unwrap();
        }
        let mut settings = Box::new(Settings::new());
        settings.builtin();
        add_existing(&mut settings, &root);
        let paths: Vec<_> =
            settings.sources.iter().map(|s| (s.kind.name(), s.path.as_str(), s.filters.len())).collect();
        assert_eq!(
            paths,
            [
                ("udp", "", 0),
                ("tcp", "", 0),
                ("file", "/var/log/auth.log", 0),
                ("file", "/var/log/lighttpd/error.log", 1),
                ("logread", "", 0),
            ]
        );
        fs::remove_dir_all(root).unwrap();
    }
}
