//! `edgeban check`, and the configuration as every command finds it.

use super::args::Options;
use super::{Done, Failure};
use crate::config::{Known, Settings};
use crate::host::load::Loaded;
use crate::rules;
use std::boxed::Box;
use std::format;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

/// Where a configuration is looked for when none is named; the first that exists.
const PLACES: [&str; 2] = ["/etc/config/edgeban", "/etc/edgeban/edgeban.conf"];

/// The configuration file in use; `None` means the built-in default.
pub(super) fn path(named: Option<&Path>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.to_path_buf()),
        None => PLACES.iter().map(PathBuf::from).find(|path| path.exists()),
    }
}

/// Reads and checks the settings, without the filters' texts. Says every problem on stderr.
pub(super) fn settings(named: Option<&Path>) -> Result<Box<Settings>, Failure> {
    read(path(named).as_deref(), &mut |problem| std::eprintln!("{problem}"))
}

/// The same for a caller that says problems elsewhere; each comes as `path:line: message`.
pub(crate) fn read(path: Option<&Path>, report: &mut dyn FnMut(&str)) -> Result<Box<Settings>, Failure> {
    let mut settings = Box::new(Settings::new());
    let Some(path) = path else {
        settings.builtin();
        return Ok(settings);
    };
    let text = std::fs::read(path).map_err(|e| Failure::Error(format!("{}: {e}", path.display())))?;
    let modes: Vec<Vec<&str>> =
        rules::ALL.iter().map(|f| f.modes.into_iter().filter(|m| !m.is_empty()).collect()).collect();
    let known: Vec<Known<'_>> =
        rules::ALL.iter().zip(&modes).map(|(f, modes)| Known { name: f.name, modes }).collect();
    let fine = settings.read(&text, &known, &mut |problem| {
        report(&format!("{}:{}: {problem}", path.display(), problem.line));
    });
    if fine { Ok(settings) } else { Err(Failure::Found) }
}

/// Says what loading found wrong; a message that starts with a number is about that line of the configuration.
pub(super) fn all(named: Option<&Path>, errors: &[String]) -> Failure {
    let path = path(named).map_or("built-in configuration".to_string(), |p| p.display().to_string());
    for error in errors {
        std::eprintln!("{}", placed(&path, error));
    }
    Failure::Found
}

/// A message of [`Loaded::new`] with its file in front.
pub(crate) fn placed(path: &str, error: &str) -> String {
    if error.starts_with(|c: char| c.is_ascii_digit()) { format!("{path}:{error}") } else { error.to_string() }
}

pub(super) fn run(options: &Options) -> Done {
    let named = options.config.as_deref();
    let settings = settings(named)?;
    let loaded = Loaded::new(settings, &[], None).map_err(|errors| all(named, &errors))?;
    let jails = loaded.rules().jails.iter().filter(|jail| jail.enabled).count();
    let path = path(named).map_or("built-in configuration".to_string(), |p| p.display().to_string());
    std::println!("{path}: {jails} jails, fine");
    Ok(())
}
