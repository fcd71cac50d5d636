//! The big-endian MIPS binary and the host's must say the same of the same log, byte for byte; and its daemon serves.
//!
//! The library's own tests run on the target by `targets/build --test mips-unknown-linux-musl`.

#[allow(unreachable_pub)] // Shared: each test binary uses a part of it.
mod common;
#[path = "common/cross.rs"]
mod cross;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/running.rs"]
mod running;

use running::{Edgeban, Folder, until};
use std::fs::File;
use std::io::Write as _;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

const TRIPLE: &str = "mips-unknown-linux-musl";
/// An ath79 router's core: big-endian, no FPU.
const QEMU: [&str; 3] = ["qemu-mips", "-cpu", "24Kc"];

/// The binary for the router, or which tool is missing. Built once, since a second build would overwrite a running binary.
static IMAGE: LazyLock<Result<PathBuf, String>> =
    LazyLock::new(|| common::have(QEMU[0]).and_then(|()| cross::image(TRIPLE)));

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
    let image = match &*IMAGE {
        Ok(image) => image,
        Err(why) => return common::cannot(why),
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
            let (host, mips) = (on_host(args), on_mips(image, args));
            assert_eq!(host.status.code(), mips.status.code(), "exit code of {args:?}");
            let (host, mips) =
                (String::from_utf8_lossy(&host.stdout), String::from_utf8_lossy(&mips.stdout));
            assert_eq!(host, mips, "output of {args:?}");
        }
    }
}

#[test]
fn the_daemon_serves_on_big_endian_mips() {
    let image = match &*IMAGE {
        Ok(image) => image,
        Err(why) => return common::cannot(why),
    };
    let folder = Folder::new();
    let log = folder.join("log");
    let mut file = File::create(&log).expect("a log");
    let free = UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("its address");
    let conf = format!(
        "config edgeban 'global'\n\toption state_dir 'STATE'\n\
         config source\n\toption kind 'udp'\n\toption listen '{free}'\n\
         config source\n\toption kind 'file'\n\toption path '{}'\n\
         config jail 'sshd'\n\toption filter 'sshd'\n\toption maxretry '3'\n",
        log.display()
    );
    // Dry: qemu-user has no nftables to offer.
    let mut edgeban = Edgeban::start_as(image, folder.path(), &conf, &QEMU, &["--dry-run"]);
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for pid in 1..=3 {
        let udp = format!(
            "<38>Nov 22 20:00:00 r sshd[{pid}]: Failed password for root from 192.0.2.7 port 22 ssh2"
        );
        sender.send_to(udp.as_bytes(), free).expect("sent");
        let line =
            format!("Nov 22 20:00:00 r sshd[1{pid}]: Failed password for root from 2001:db8::7 port 22");
        writeln!(file, "{line} ssh2").expect("written");
    }
    let both = ["192.0.2.7", "2001:db8::/64"];
    until("both bans", 20, || edgeban.bans() == both);
    // The router's own client over the same socket, for people and for programs.
    let socket = folder.join("edgeban.sock");
    let ask = |words: &[&str]| {
        let all = [words, &["-s", socket.to_str().expect("a path")]].concat();
        let out = on_mips(image, &all);
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let table = ask(&["bans"]);
    assert!(both.iter().all(|ip| table.contains(ip)), "{table}");
    ask(&["unban", "192.0.2.7"]);
    ask(&["ban", "198.51.100.1", "--for", "1h"]);
    assert_eq!(edgeban.bans(), ["198.51.100.1", "2001:db8::/64"]);
    assert!(ask(&["status", "--json"]).contains("\"lines\":6"));
    edgeban.running.signal(libc::SIGTERM);
    assert_eq!(edgeban.running.ends(), Some(0));
}
