//! For tests that need what a machine may lack: root, a daemon, an emulator.

use std::process::Command;

/// Says why a test cannot run here, which then passes; with `EDGEBAN_REQUIRE=all` it fails.
pub fn cannot(reason: &str) {
    if std::env::var("EDGEBAN_REQUIRE").as_deref() == Ok("all") {
        panic!("cannot run: {reason}")
    }
    eprintln!("skipped: {reason}");
}

/// Whether `program` can be started; if not, why.
pub fn have(program: &str) -> Result<(), String> {
    Command::new(program).arg("--version").output().map(drop).map_err(|e| format!("{program}: {e}"))
}
