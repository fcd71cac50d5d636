//! The lm3s6965evb image in QEMU: log lines go in on its UART, what comes out is compared with the golden file.
//!
//! `EDGEBAN_BLESS=1 cargo test --test board` writes the golden file anew, to be read before it is committed.

#[allow(unreachable_pub)] // Shared between test binaries.
mod common;
#[path = "common/cross.rs"]
mod cross;

use core::time::Duration;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::{env, fs, thread};

const TRIPLE: &str = "thumbv7m-none-eabi";
const EOT: u8 = 4;

/// Far more than any run needs: a board that hangs must not hang the tests.
const DEADLINE: Duration = Duration::from_secs(180);

/// Bytes of the stack's reserve (memory.x) that must stay unused.
const STACK_HEADROOM: u64 = 1024;

/// Runs `image` on `log` and returns what it sent.
fn run(image: &Path, mut log: Vec<u8>) -> String {
    log.push(EOT);
    let mut board = Command::new("qemu-system-arm")
        .args([
            "-M",
            "lm3s6965evb",
            "-display",
            "none",
            "-monitor",
            "none",
            "-nic",
            "none",
            "-serial",
            "stdio",
        ])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(image)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("QEMU starts");
    let mut uart_in = board.stdin.take().expect("piped");
    let mut uart_out = board.stdout.take().expect("piped");
    // A board that stops early closes the pipe; its exit code and output then tell why.
    let writer = thread::spawn(move || uart_in.write_all(&log).and_then(|()| uart_in.flush()).is_ok());
    let (sent, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = uart_out.read_to_end(&mut text);
        let _ = sent.send(text);
    });
    let text = ended.recv_timeout(DEADLINE);
    if text.is_err() {
        let _ = board.kill();
    }
    let status = board.wait().expect("a child can be waited for");
    let text = String::from_utf8(text.expect("the board ends before the deadline"))
        .expect("the board sends ASCII");
    assert!(status.success(), "the board ended with {status}\n{text}");
    assert!(writer.join().expect("the writer does not panic"), "the board took every byte");
    text
}

/// The image, where this machine can build and run it.
fn ready() -> Option<std::path::PathBuf> {
    let image = common::have("qemu-system-arm").and_then(|()| cross::image(TRIPLE));
    image.map_err(|why| common::cannot(&why)).ok()
}

/// A member of the summary line.
fn number(summary: &str, name: &str) -> u64 {
    let from = summary.find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("no {name} in {summary}"));
    let digits: String =
        summary[from + name.len() + 3..].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

#[test]
fn the_board_bans_as_its_golden_file_says() {
    let Some(image) = ready() else { return };
    let folder = cross::root().join("boards/lm3s6965evb");
    let text = run(&image, fs::read(folder.join("sample.log")).expect("the sample is there"));
    let (events, summary) = text.trim_end().rsplit_once('\n').expect("events, then a summary");
    println!("{summary}");
    let golden = folder.join("golden.jsonl");
    if env::var_os("EDGEBAN_BLESS").is_some() {
        fs::write(&golden, format!("{events}\n")).expect("the golden file can be written");
    }
    let wanted = fs::read_to_string(&golden).expect("the golden file is there");
    for (i, (got, wanted)) in events.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(got, wanted, "line {} of the golden file", i + 1);
    }
    assert_eq!(events.lines().count(), wanted.lines().count(), "lines of the golden file\n{events}");
    assert_eq!(number(summary, "overruns"), 0);
    let (used, reserve) = (number(summary, "stack"), number(summary, "stack_reserve"));
    assert!(used + STACK_HEADROOM <= reserve, "{used} bytes of {reserve} bytes of stack were used");
}

/// The sender is far faster than the board: the UART's queue fills, and nothing may get lost.
#[test]
fn the_board_loses_nothing_at_full_speed() {
    let Some(image) = ready() else { return };
    const LINES: u64 = 3_000;
    let mut log = Vec::new();
    for i in 0..LINES {
        let pad = "x".repeat((i % 200) as usize);
        writeln!(log, "Nov 22 10:00:00 router cron[{i}]: (root) CMD ({pad})")
            .expect("a Vec takes everything");
    }
    let text = run(&image, log);
    let summary = text.lines().last().expect("a summary");
    assert_eq!((number(summary, "lines"), number(summary, "overruns")), (LINES, 0), "{summary}");
}

/// Whatever comes in on the wire, the board neither faults nor bans.
#[test]
fn the_board_survives_garbage() {
    let Some(image) = ready() else { return };
    let mut log = Vec::new();
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    for _ in 0..40_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let byte = state as u8;
        log.push(if byte == EOT { b'\n' } else { byte });
    }
    log.extend(core::iter::repeat_n(b'A', 5_000));
    log.push(b'\n');
    let text = run(&image, log);
    assert!(!text.contains("\"event\":\"ban\""), "{text}");
    assert!(number(text.lines().last().expect("a summary"), "overlong") > 0);
}
