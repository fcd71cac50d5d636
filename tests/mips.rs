//! The big-endian MIPS binary and the host's must say the same of the same log, byte for byte.
//!
//! The library's own tests run on the target by `targets/build --test mips-unknown-linux-musl`.

#[allow(unreachable_pub)] // Shared: each test binary uses a part of it.
mod common;
#[path = "common/cross.rs"]
mod cross;

use std::path::Path;
use std::process::{Command, Output};

const TRIPLE: &str = "mips-unknown-linux-musl";
/// An ath79 router's core: big-endian, no FPU.
const QEMU: [&str; 3] = ["qemu-mips", "-cpu", "24Kc"];

fn output(mut command: Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// What the binary for the router answers to `args`.
fn on_mips(image: &Path, args: &[&str]) -> Output {
    let [program, rest @ ..] = QEMU;
    let mut command = Command::new(program);
    command.args(rest).arg(image).args(args);
    output(command)
}

/// What the host's binary answers to `args`.
fn on_host(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgeban"));
    command.args(args);
    output(command)
}

#[test]
fn replay_says_the_same_on_big_endian_mips() {
    let image = match cross::have(QEMU[0]).and_then(|()| cross::image(TRIPLE)) {
        Ok(image) => image,
        Err(why) => return common::cannot(&why),
    };
    let mut logs: Vec<_> = std::fs::read_dir(cross::root().join("tests/samples"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "log"))
        .collect();
    logs.push(cross::root().join("boards/lm3s6965evb/sample.log"));
    logs.sort();
    for log in &logs {
        let log = log.to_str().expect("the repository's paths are UTF-8");
        for args in [&["replay", "--json", log][..], &["replay", log], &["test", "--json", log]] {
            let (host, mips) = (on_host(args), on_mips(&image, args));
            assert_eq!(host.status.code(), mips.status.code(), "exit code of {args:?}");
            let (host, mips) =
                (String::from_utf8_lossy(&host.stdout), String::from_utf8_lossy(&mips.stdout));
            assert_eq!(host, mips, "output of {args:?}");
        }
    }
}
