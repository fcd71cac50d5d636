//! The commands that ask a running daemon.

use super::args::Options;
use super::{Done, Failure, check};
use crate::addr::{Addr, Prefix};
use crate::control::{Request, ban_time};
use crate::host::sys::stdio::Stdio;
use crate::host::{client, clock, conf};
use std::format;
use std::path::PathBuf;
use std::string::ToString;

pub(super) fn run(command: &str, options: &Options) -> Done {
    let word;
    let target = |text: &str| {
        Prefix::parse(text.as_bytes())
            .ok_or_else(|| Failure::Usage(format!("'{text}' is not an address or prefix")))
    };
    let request = match command {
        "status" => {
            let jail = match options.words.is_empty() {
                true => None,
                false => {
                    word = options.one("a jail")?;
                    Some(word.as_str())
                }
            };
            Request::Status { jail }
        }
        "ban" => {
            let span = match &options.time {
                None => None,
                Some(text) => Some(ban_time(text.as_bytes()).ok_or_else(|| {
                    let like = "a duration is 90, 10m, 1h30m, 1w, at most ten years, or permanent";
                    Failure::Usage(format!("'--for {text}': {like}"))
                })?),
            };
            let target = target(&options.one("an address")?)?;
            Request::Ban { target, jail: options.jail.as_deref(), span }
        }
        "unban" if options.all => {
            if !options.words.is_empty() {
                return Err(Failure::Usage("give an address or --all, not both".to_string()));
            }
            Request::UnbanAll
        }
        "unban" => Request::Unban { target: target(&options.one("an address")?)? },
        "attempt" => {
            let text = options.one("an address")?;
            let ip = Addr::parse(text.as_bytes())
                .ok_or_else(|| Failure::Usage(format!("'{text}' is not an address")))?;
            let Some(jail) = options.jail.as_deref() else {
                return Err(Failure::Usage("--jail is missing".to_string()));
            };
            Request::Attempt { ip, jail }
        }
        other => {
            if let Some(word) = options.words.first() {
                return Err(Failure::Usage(format!("unexpected '{}'", word.display())));
            }
            if other == "bans" { Request::Bans } else { Request::Reload }
        }
    };
    // No jail has another name, and a request could not carry it.
    let odd = |name: &&str| name.bytes().any(|b| !b.is_ascii_alphanumeric() && b != b'_' && b != b'-');
    let jail = match request {
        Request::Status { jail } | Request::Ban { jail, .. } => jail,
        Request::Attempt { jail, .. } => Some(jail),
        _ => None,
    };
    if let Some(name) = jail.filter(|name| name.is_empty() || name.len() > 31 || odd(name)) {
        return Err(Failure::Error(format!("no such jail: {name}")));
    }
    let socket = match &options.socket {
        Some(path) => path.clone(),
        None => {
            let (settings, _) = check::settings(options.config.as_deref())?;
            let usual = PathBuf::from(settings.global.control.as_str());
            match conf::own_control(&settings).filter(|own| !usual.exists() && own.exists()) {
                Some(own) => own,
                None => usual,
            }
        }
    };
    let now = clock::wall().div_euclid(1000);
    let (mut out, mut err) = (std::io::BufWriter::new(Stdio::OUT), Stdio::ERR);
    match client::run(&socket, &request, options.json, now, &mut out, &mut err) {
        0 => Ok(()),
        _ => Err(Failure::Found),
    }
}
