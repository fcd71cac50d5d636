//! `edgeban check`, and the configuration as every command finds it.

use super::args::Options;
use super::output::{print, say};
use super::{Done, Failure};
use crate::config::{Known, Settings};
use crate::host::conf;
use crate::host::load::Loaded;
use crate::rules;
use std::boxed::Box;
use std::format;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

type Read = (Box<Settings>, Option<PathBuf>);

/// The settings of the file `named`, or of the one that is found; and which that is.
///
/// # Errors
/// Every problem, a line each, as `path:line: message`.
pub(crate) fn read(named: Option<&Path>) -> Result<Read, String> {
    find(named).map_err(|error| error.to_string())
}

/// As [`read`]; says every problem on stderr.
pub(super) fn settings(named: Option<&Path>) -> Result<Read, Failure> {
    find(named).map_err(|error| match error {
        conf::Error::Io(..) => Failure::Error(error.to_string()),
        placed => said(placed.to_string()),
    })
}

/// Prints problems that start with their place, without a prefix.
fn said(text: String) -> Failure {
    say(format_args!("{text}"));
    Failure::Found
}

fn find(named: Option<&Path>) -> Result<Read, conf::Error> {
    let modes: Vec<Vec<&str>> =
        rules::ALL.iter().map(|f| f.modes.into_iter().filter(|m| !m.is_empty()).collect()).collect();
    let known: Vec<Known<'_>> =
        rules::ALL.iter().zip(&modes).map(|(f, modes)| Known { name: f.name, modes }).collect();
    conf::load(named, &known)
}

/// What a configuration is called in messages.
pub(crate) fn called(path: Option<&Path>) -> String {
    path.map_or("built-in configuration".to_string(), |p| p.display().to_string())
}

/// What [`Loaded::new`] found wrong; a message that starts with a number is about that line of the configuration.
pub(crate) fn placed(path: Option<&Path>, errors: &[String]) -> String {
    let path = called(path);
    let place = |error: &String| match error.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("{path}:{error}"),
        false => error.clone(),
    };
    errors.iter().map(place).collect::<Vec<_>>().join("\n")
}

/// Reads and loads the configuration; says every problem on stderr.
pub(super) fn loaded(named: Option<&Path>) -> Result<(Loaded, Option<PathBuf>), Failure> {
    let (settings, path) = settings(named)?;
    let loaded =
        Loaded::new(settings, &[], None).map_err(|errors| said(placed(path.as_deref(), &errors)))?;
    Ok((loaded, path))
}

pub(super) fn run(options: &Options) -> Done {
    let (loaded, path) = loaded(options.config.as_deref())?;
    let jails = loaded.rules().jails.iter().filter(|jail| jail.enabled).count();
    let sources = loaded.settings.sources.iter().filter(|source| source.enabled).count();
    let plural = |n| if n == 1 { "" } else { "s" };
    print(format_args!(
        "{}: fine, {jails} jail{}, {sources} source{}",
        called(path.as_deref()),
        plural(jails),
        plural(sources)
    ))
}
