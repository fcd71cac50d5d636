//! The command line: `args` reads the words, and each command has a module.
//!
//! Exit codes: 0 fine, 1 it ran and found an error in its input or was refused, 2 usage. Errors go to stderr with
//! their place; output is plain text, or with `--json` one JSON object per line.

mod args;
pub(super) mod check;
mod client;
mod filters;
mod lines;
mod newline;
mod output;
mod replay;
mod run;
mod test;
mod trail;

use super::human::plain;
use std::process::ExitCode;
use std::string::String;
use std::vec::Vec;

/// How a command failed.
pub(super) enum Failure {
    /// Wrong usage: exit code 2 and this message.
    Usage(String),
    /// It ran and found something wrong, which it has printed: exit code 1.
    Found,
    /// It could not run: exit code 1 and this message.
    Error(String),
}

/// What a command returns.
pub(super) type Done = Result<(), Failure>;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match args::dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(why)) => {
            output::say(format_args!("edgeban: {}\nTry 'edgeban --help'.", plain(&why)));
            ExitCode::from(2)
        }
        Err(Failure::Found) => ExitCode::from(1),
        Err(Failure::Error(why)) => {
            // Scripts pass on words that strangers chose; a configuration's problems are a line each.
            let lines: Vec<String> = why.lines().map(plain).collect();
            output::say(format_args!("edgeban: {}", lines.join("\n")));
            ExitCode::from(1)
        }
    }
}
