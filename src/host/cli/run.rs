//! `edgeban run`: the daemon, in the foreground.

use super::args::Options;
use super::output::say;
use super::{Done, Failure, check};
use crate::host::daemon::{self, Daemon};
use crate::host::memory;

pub(super) fn run(options: &Options) -> Done {
    memory::frugal();
    let (loaded, path) = check::loaded(options.config.as_deref())?;
    if !loaded.settings.global.enabled && !options.dry_run {
        say(format_args!("{}: option enabled '0': nothing to do", check::called(path.as_deref())));
        return Ok(());
    }
    let control = options.socket.clone();
    let plan =
        daemon::Plan { loaded, named: options.config.clone(), path, control, dry_run: options.dry_run };
    let mut daemon = Daemon::start(plan).map_err(Failure::Error)?;
    daemon.run().map_err(Failure::Error)
}
