//! The private memory (USS) of the running daemon, held to a budget: with the default tables, when it is ready and after it
//! has done all that it does at intervals; and with 10,000 bans. Of the release build, which is what is installed, the whole
//! USS counts; of the far larger debug build, only the pages that it wrote.
//!
//! `cargo test --release --test memory -- --nocapture` prints the figures.

#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
mod common;
#[path = "common/cli.rs"]
#[allow(dead_code)] // Shared: each test binary uses a part of it.
mod cli;

use cli::Folder;
use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Bytes, idle.
const IDLE: u64 = 1 << 20;
/// Bytes, with [`BANS`] bans.
const FULL: u64 = 2 << 20;
/// Bans of the second measurement.
const BANS: u32 = 10_000;

/// A daemon that ends with the test.
struct Daemon {
    child: Child,
    socket: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it with `options` in its global section, through the words of `before` where there are any, and waits until
/// it is ready.
fn start(folder: &Folder, before: &[&str], options: &str) -> Daemon {
    let state = folder.path("state");
    let text = format!("config edgeban 'global'\n\toption state_dir '{state}'\n{options}");
    let (config, socket) = (folder.file("edgeban.conf", text), folder.path("socket"));
    let mut words = before.to_vec();
    words.extend([env!("CARGO_BIN_EXE_edgeban"), "run", "-c", &config, "-s", &socket]);
    let [program, rest @ ..] = words.as_slice() else { unreachable!("at least the binary") };
    let mut command = Command::new(program);
    let mut child =
        command.args(rest).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    let daemon = Daemon { child, socket };
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert_ne!(log.read_line(&mut line).expect("a log"), 0, "it ended before it was ready");
    }
    // Somebody has to read what it says of each ban.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    daemon
}

/// Sends requests and waits for the answer to each.
fn ask(socket: &str, requests: impl Iterator<Item = String>) {
    let stream = UnixStream::connect(socket).expect("the control socket");
    let (mut writer, mut reader) = (stream.try_clone().expect("a second handle"), BufReader::new(stream));
    let mut answer = String::new();
    for request in requests {
        writer.write_all(request.as_bytes()).expect("a request");
        answer.clear();
        reader.read_line(&mut answer).expect("an answer");
        // A listing comes before its last line.
        while answer.starts_with("{\"ip\"") {
            answer.clear();
            reader.read_line(&mut answer).expect("the rest");
        }
        assert!(answer.starts_with("{\"ok\":true"), "{request}{answer}");
    }
}

/// Bytes of the process's memory that count, and a line that says so.
fn figures(process: u32) -> (u64, String) {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("smaps_rollup");
    let field = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).expect("a field");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    };
    let (private, anonymous) = (field("Private_Clean:") + field("Private_Dirty:"), field("Anonymous:"));
    let line = format!("USS {private} KiB, {anonymous} KiB of it written, {} KiB resident", field("Rss:"));
    (1024 * if cfg!(debug_assertions) { anonymous } else { private }, line)
}

/// Says and returns the first of [`figures`].
fn own(process: u32) -> u64 {
    let (bytes, line) = figures(process);
    println!("{line}");
    bytes
}

/// As [`own`], once it is at most `most`, since memory is given back a moment after its use. If that takes too long, the
/// last figure.
fn rested(process: u32, most: u64) -> u64 {
    let end = Instant::now() + Duration::from_secs(10);
    while figures(process).0 > most && Instant::now() < end {
        std::thread::yield_now();
    }
    asleep(process);
    own(process)
}

/// Waits until the process sleeps.
fn asleep(process: u32) {
    let state = || std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    while !state().contains(") S ") {
        std::thread::yield_now();
    }
}

/// All measurements.
fn measure(name: &str, before: &[&str], options: &str) {
    let folder = Folder::new(name);
    println!("{name}, idle:");
    let daemon = start(&folder, before, options);
    asleep(daemon.child.id());
    let idle = own(daemon.child.id());
    // A reload also looks at addresses and routes, as the daemon does every half minute.
    let some = ["status", "ban\",\"ip\":\"192.0.2.7", "bans", "unban\",\"ip\":\"192.0.2.7", "reload"];
    for _ in 0..3 {
        ask(&daemon.socket, some.iter().map(|cmd| format!("{{\"cmd\":\"{cmd}\"}}\n")));
    }
    println!("{name}, idle again:");
    let again = rested(daemon.child.id(), IDLE);
    drop(daemon);

    println!("{name}, {BANS} bans:");
    let daemon = start(&folder, before, &format!("\toption max_bans '16384'\n{options}"));
    let bans = (0..BANS).map(|n| {
        let ip = Ipv4Addr::from(0x0b00_0000 + 7 * n);
        format!("{{\"cmd\":\"ban\",\"ip\":\"{ip}\",\"for\":\"1h\"}}\n")
    });
    ask(&daemon.socket, bans);
    let full = own(daemon.child.id());
    assert!(idle <= IDLE, "idle: {idle} bytes");
    assert!(again <= IDLE, "idle again: {again} bytes");
    assert!(full <= FULL, "with {BANS} bans: {full} bytes");
}

#[test]
fn the_tables_alone() {
    measure("memory", &[], "\toption firewall 'none'\n");
}

/// With nftables, in a network namespace of its own.
#[test]
fn with_the_firewall() {
    let probe = Command::new("unshare").args(["-n", "true"]).output();
    if !probe.is_ok_and(|done| done.status.success()) {
        return common::cannot("no right to make a network namespace (unshare -n)");
    }
    measure("memory-nft", &["unshare", "-n"], "\toption firewall 'nftables'\n");
}
