//! Reads the words of the command line and calls the command that they name.

use super::output::{Out, print};
use super::{Done, Failure, check, client, filters, replay, run, test};
use crate::config::Likeness;
use lexopt::prelude::*;
use std::format;
use std::path::PathBuf;
use std::string::{String, ToString};
use std::vec::Vec;

const HELP: &str = "\
edgeban finds attackers in log streams and drops their packets.

Usage: edgeban COMMAND [OPTIONS]

The daemon:
  run     [-c FILE] [--dry-run]            in the foreground; --dry-run decides and drops nothing
  check   [-c FILE]                        check the configuration; errors say file:line
Talking to it:
  status  [JAIL] [--json]                  counters, tables and their fill, sources, sinks
  bans    [--json]                         address, jail, since, until, how often before
  ban     ADDR[/LEN] [--jail J] [--for 1h] drop an address or prefix; without --for for the
                                           jail's bantime, with '--for permanent' for good
  unban   ADDR[/LEN] | --all               lift its bans
  attempt ADDR --jail J                    count one failure
  reload                                   read the configuration again
Without it:
  filters [NAME] [--json]                  the built-in filters, their modes and rules
  test    [--filter NAME | --filter-file F | --rule R] [--set mode=M]... [--json] [FILE|-]
                                           what the filters say of each line
  replay  [-c FILE] [--json] FILE...       who would have been banned, when, by which lines;
                                           several logs are read as one; '-' is standard input
  help    [COMMAND]                        this text, or the part about COMMAND

Common options:
  -c, --config FILE   configuration (default: /etc/config/edgeban or /etc/edgeban/edgeban.conf)
  -s, --socket PATH   control socket (default: the configuration's, /run/edgeban.sock)
      --json          one JSON object per line instead of text
  -h, --help          this help
  -V, --version       version; 'edgeban version' prints it too

Exit codes: 0 fine, 1 ran but found an error in the input or was refused, 2 usage.
See edgeban(8), edgeban.conf(5) and edgeban.filter(5).
";

/// The options that any command may have.
#[derive(Default)]
pub(super) struct Options {
    pub config: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    pub json: bool,
    pub dry_run: bool,
    pub all: bool,
    pub jail: Option<String>,
    pub time: Option<String>,
    pub filter: Option<String>,
    pub filter_file: Option<PathBuf>,
    pub rule: Option<String>,
    pub mode: Option<String>,
    /// What is no option.
    pub words: Vec<PathBuf>,
}

impl Options {
    /// The only word, or usage.
    pub(super) fn one(&self, what: &str) -> Result<String, Failure> {
        match self.words.as_slice() {
            [word] => Ok(word.to_string_lossy().into_owned()),
            [] => Err(Failure::Usage(format!("{what} is missing"))),
            [_, more, ..] => Err(Failure::Usage(format!("unexpected '{}'", more.display()))),
        }
    }

    fn none(&self) -> Done {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(Failure::Usage(format!("unexpected '{}'", word.display()))),
        }
    }
}

/// Which options each command takes, beside its words.
const COMMANDS: [(&str, &str); 13] = [
    ("run", "config dry-run socket"),
    ("check", "config"),
    ("status", "json config socket"),
    ("bans", "json config socket"),
    ("ban", "jail for config socket json"),
    ("unban", "all config socket json"),
    ("attempt", "jail config socket json"),
    ("reload", "config socket json"),
    ("filters", "json"),
    ("test", "filter filter-file rule set json"),
    ("replay", "config json"),
    ("version", ""),
    ("help", ""),
];

/// The command of this name, or usage.
fn known(word: &str) -> Result<(&'static str, &'static str), Failure> {
    let found = COMMANDS.iter().find(|(name, _)| *name == word);
    found.copied().ok_or_else(|| {
        let mut likeness = Likeness::of(word);
        COMMANDS.iter().for_each(|(name, _)| likeness.look(name));
        let hint = likeness.found().map_or(String::new(), |near| format!("; did you mean {near}?"));
        Failure::Usage(format!("unknown command '{word}'{hint}"))
    })
}

fn usage(error: lexopt::Error) -> Failure {
    Failure::Usage(error.to_string())
}

/// Words to a command and its options, which may stand before or behind it.
pub(super) fn dispatch() -> Done {
    let mut parser = lexopt::Parser::from_env();
    let mut command: Option<(&str, &str)> = None;
    let mut given: Vec<&str> = Vec::new();
    let mut options = Options::default();
    while let Some(arg) = parser.next().map_err(usage)? {
        let name = match arg {
            Short('h') | Long("help") => return help(command.map_or("", |(name, _)| name)),
            Short('V') | Long("version") => return version(),
            Value(word) if command.is_none() => {
                command = Some(known(&word.to_string_lossy())?);
                continue;
            }
            Value(word) => {
                options.words.push(word.into());
                continue;
            }
            Short('c') => "config",
            Short('s') => "socket",
            Long(name) => match OPTIONS.iter().find(|known| **known == name) {
                Some(known) => known,
                None => return Err(Failure::Usage(format!("unknown option '--{name}'"))),
            },
            Short(other) => return Err(Failure::Usage(format!("unknown option '-{other}'"))),
        };
        // It cannot be known which of the two was meant, and a wrong ban is worse than none.
        if given.contains(&name) && !["json", "dry-run", "all", "set"].contains(&name) {
            return Err(Failure::Usage(format!("'--{name}' is given twice")));
        }
        given.push(name);
        let text = |parser: &mut lexopt::Parser| parser.value().map_err(usage)?.string().map_err(usage);
        match name {
            "json" => options.json = true,
            "dry-run" => options.dry_run = true,
            "all" => options.all = true,
            "config" => options.config = Some(parser.value().map_err(usage)?.into()),
            "socket" => options.socket = Some(parser.value().map_err(usage)?.into()),
            "filter-file" => options.filter_file = Some(parser.value().map_err(usage)?.into()),
            "jail" => options.jail = Some(text(&mut parser)?),
            "for" => options.time = Some(text(&mut parser)?),
            "filter" => options.filter = Some(text(&mut parser)?),
            "rule" => options.rule = Some(text(&mut parser)?),
            _ => {
                let set = text(&mut parser)?;
                let Some(mode) = set.strip_prefix("mode=") else {
                    return Err(Failure::Usage(format!("'--set {set}': the only setting is mode=M")));
                };
                options.mode = Some(mode.to_string());
            }
        }
    }
    let Some((command, takes)) = command else { return Err(Failure::Usage("no command".to_string())) };
    if let Some(name) = given.iter().find(|name| !takes.split(' ').any(|option| option == **name)) {
        return Err(Failure::Usage(format!("'{command}' takes no '--{name}'")));
    }
    match command {
        "run" => options.none().and_then(|()| run::run(&options)),
        "check" => options.none().and_then(|()| check::run(&options)),
        "filters" => filters::run(&options),
        "test" => test::run(&options),
        "replay" => replay::run(&options),
        "version" => options.none().and_then(|()| version()),
        "help" if options.words.is_empty() => help(""),
        "help" => help(known(&options.one("a command")?)?.0),
        _ => client::run(command, &options),
    }
}

/// Prints the help: all of it, or the part about one command with the common options that it takes.
fn help(command: &str) -> Done {
    if matches!(command, "" | "version") {
        return print(format_args!("{}", HELP.trim_end()));
    }
    let takes = COMMANDS.iter().find(|(name, _)| *name == command).map_or("", |(_, takes)| takes);
    let mut out = Out::new();
    let (mut about, mut options) = (false, false);
    for line in HELP.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or("");
        // A command's help is its own line and the following ones that are indented further.
        about = line.starts_with("  ") && (first == command || about && line.starts_with("        "));
        options |= first == "Common";
        let option = if first.len() == 3 { words.next().unwrap_or("") } else { first };
        let takes = takes.split(' ').any(|name| option.strip_prefix("--") == Some(name));
        if about && !options {
            let lead = if first == command { "Usage: edgeban" } else { "              " };
            out.line(format_args!("{lead}{}", &line[1..]));
        } else if options && (takes || option == "--help") {
            out.line(format_args!("{line}"));
        }
    }
    out.done()
}

fn version() -> Done {
    print(format_args!("edgeban {}", env!("CARGO_PKG_VERSION")))
}

const OPTIONS: [&str; 11] =
    ["json", "dry-run", "all", "config", "socket", "filter-file", "jail", "for", "filter", "rule", "set"];
