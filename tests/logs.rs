//! What `test` and `replay` make of imperfect logs (repetitions, missing years, dates that run backwards), as the daemon would.
#![cfg(feature = "std")]

#[path = "common/cli.rs"]
mod cli;
#[allow(unreachable_pub)] // Shared: each test binary uses a part of it.
mod common;

use cli::{Folder, command, edgeban, keys, run};
use core::time::Duration;
use edgeban::host::value::Value;
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::SystemTime;

fn fail(stamp: &str, ip: &str) -> String {
    format!("{stamp} gw sshd[100]: Failed password for root from {ip} port 4001 ssh2\n")
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).map_or("", Value::text)
}

/// What `test --json` says of each line of `input`: verdict and time.
fn told(words: &[&str], input: &str) -> Vec<(String, Option<i64>)> {
    let done = run(command(&[&["test", "--json"], words].concat()), input.as_bytes()).exits(0);
    let one = |o: &Value| (text(o, "verdict").to_string(), o.get("time").and_then(Value::number));
    done.json().iter().map(one).collect()
}

#[test]
fn a_test_shows_what_the_daemon_does_with_its_own_lines() {
    let line = "2026-11-20T10:00:00Z gw edgeban[7]: ban 203.0.113.9 jail sshd for 3600s (5 failures)\n";
    let at = Some(1_795_168_800);
    assert_eq!(told(&[], line), [("none".to_string(), at)]);
    assert_eq!(told(&["--filter", "recidive"], line), [("fail".to_string(), at)]);
    // It takes the place of the message before it, as for the daemon.
    let repeated = format!(
        "{}{line}2026-11-20T10:00:09Z gw last message repeated 3 times\n",
        fail("2026-11-20T10:00:00Z", "203.0.113.9")
    );
    let verdicts: Vec<String> = told(&[], &repeated).into_iter().map(|(verdict, _)| verdict).collect();
    assert_eq!(verdicts, ["fail", "none", "none"]);
}

#[test]
fn a_line_has_its_time_whatever_it_says() {
    let lines =
        "2026-11-20T10:00:00Z gw cron[7]: x\n2026-11-20T10:00:01Z gw last message repeated 2 times\nx\n";
    let times: Vec<_> = told(&[], lines).into_iter().map(|(_, time)| time).collect();
    assert_eq!(times, [Some(1_795_168_800), Some(1_795_168_801), None]);
    // Without a year it is of the year before the file was written to, as in a replay.
    let folder = Folder::new("written");
    let log = folder.file("log", fail("Jul  1 00:00:00", "203.0.113.9").repeat(5));
    let file = std::fs::File::options().write(true).open(&log).expect("the log");
    // 2019-07-02.
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_562_025_600)).expect("a time");
    let at = Some(1_561_939_200);
    let time = |o: &Value| o.get("time").and_then(Value::number);
    assert_eq!(time(&edgeban(&["test", "--json", &log]).exits(0).json()[4]), at);
    assert_eq!(time(&edgeban(&["replay", "--json", &log]).exits(0).json()[0]), at);
}

#[test]
fn a_rule_of_some_modes_is_tried() {
    let words = ["--rule", "fail@ddos no <ip>"];
    assert_eq!(told(&words, "no 192.0.2.1\n")[0].0, "fail");
    assert_eq!(told(&[&words[..], &["--set", "mode=ddos"]].concat(), "no 192.0.2.1\n")[0].0, "fail");
    assert_eq!(told(&[&words[..], &["--set", "mode=normal"]].concat(), "no 192.0.2.1\n")[0].0, "none");
}

#[test]
fn a_clock_that_runs_backwards_is_said() {
    let folder = Folder::new("back");
    let future = fail("2039-01-01T00:00:00Z", "198.51.100.1");
    let real = fail("2026-11-20T10:00:00Z", "203.0.113.9").repeat(5);
    let log = folder.file("log", format!("{future}no date\n{real}"));
    let why = "5 failures too late to count: the log's clock ran backwards at line 3\n";
    let done = edgeban(&["replay", &log]).exits(0).says(why);
    assert!(
        done.out.ends_with("5 too late to count: the log's clock ran backwards at line 3\n"),
        "{}",
        done.out
    );
    let done = edgeban(&["replay", "--json", &log]).exits(0);
    assert_eq!((done.out.as_str(), done.err), ("", format!("edgeban: {why}")));
    let other = folder.file("other", "");
    edgeban(&["replay", &other, &log]).exits(0).says(&format!("backwards at {log}:3\n"));
    // Within the window they count.
    let near = fail("2026-11-20T10:09:00Z", "198.51.100.1") + &real;
    let done = edgeban(&["replay", &folder.file("near", near)]).exits(0);
    assert!(done.err.is_empty() && done.out.contains("1 ban;"), "{}{}", done.out, done.err);
}

#[test]
fn what_is_compressed_among_others_is_skipped() {
    let folder = Folder::new("packed");
    let log = folder.file("log", fail("2026-11-20T10:00:00Z", "203.0.113.9").repeat(5));
    let packed = folder.file("log.2.gz", b"\x1f\x8b\x08\0\0");
    for words in [[&log, &packed], [&packed, &log]] {
        let done = edgeban(&["replay", words[0], words[1]]).exits(1);
        assert!(
            done.err.starts_with(&format!("edgeban: {packed}: compressed")) && done.err.contains("skipped"),
            "{}",
            done.err
        );
        assert!(done.out.ends_with("1 ban; 5 lines, 5 matched, 5 failures\n"), "{}", done.out);
    }
    assert_eq!(edgeban(&["replay", &packed]).exits(1).says("compressed").out, "");
}

#[test]
fn a_ban_of_a_part_of_a_prefix_shows_its_lines() {
    let folder = Folder::new("narrowed");
    let conf = folder.file(
        "conf",
        "config edgeban 'global'\n\tlist allow '2001:db8::1'\nconfig jail 'sshd'\n\toption maxretry '3'\n",
    );
    let one = |ip: &str| fail("2026-11-20T10:00:00Z", ip);
    let log = [one("2001:db8::7"), one("2001:db8::8"), one("2001:db8::7").repeat(2)].concat();
    let bans = edgeban(&["replay", "--json", "-c", &conf, &folder.file("log", log)]).exits(0).json();
    assert_eq!((bans.len(), text(&bans[0], "ip")), (1, "2001:db8::7"));
    assert_eq!(keys(&bans[0])[5], "lines");
    let lines: Vec<_> = bans[0].get("lines").expect("lines").items().iter().map(Value::number).collect();
    assert_eq!(lines, [Some(1), Some(3), Some(4)]);
}

/// Lines are told as they come, so that no width can depend on those to come.
#[test]
fn columns_of_a_replay_are_aligned() {
    let folder = Folder::new("columns");
    let longest = edgeban::config::JAILS.map(|(name, ..)| name).into_iter().max_by_key(|name| name.len());
    let longest = longest.expect("jails");
    let jails = format!(
        "config jail 'a'\n\toption filter 'sshd'\nconfig jail '{longest}'\n\toption filter 'luci'\n"
    );
    let conf = folder.file("conf", jails);
    let luci = "2026-11-20T10:00:01Z gw luci: failed login on / for root from 203.0.113.9\n".repeat(5);
    let log = fail("2026-11-20T10:00:00Z", "2001:db8:1111:2222:3333:4444:5555:6666").repeat(5)
        + &luci
        + &fail("2026-11-20T10:00:02Z", "203.0.113.7").repeat(5);
    let told = edgeban(&["replay", "-c", &conf, &folder.file("log", log)]).exits(0).out;
    let columns: Vec<_> = told.lines().filter_map(|line| line.find("  lines ")).collect();
    assert_eq!(columns, [columns[0]; 3], "{told}");
}

/// On a terminal, which script(1) gives it. What the terminal shows of a line is what follows its last carriage return.
#[test]
fn a_long_replay_shows_how_far_it_is_and_nothing_is_mixed_with_that() {
    if let Err(why) = common::have("script") {
        return common::cannot(&why);
    }
    let folder = Folder::new("progress");
    let log = folder.file("log", "");
    let mut file = File::options().append(true).open(&log).expect("the log");
    // A hole, and a line that is too long.
    file.set_len(40 << 20).expect("a hole");
    let rest = format!("\n{}\n{}", "x".repeat(9000), fail("2026-11-20T10:00:00Z", "203.0.113.9"));
    file.write_all(rest.as_bytes()).expect("lines");
    let replay = format!("{} replay '{log}'", env!("CARGO_BIN_EXE_edgeban"));
    let mut script = Command::new("script");
    script.args(["-qec", &replay, "/dev/null"]).stdin(Stdio::null()).env("TZ", "UTC0");
    let told = script.output().expect("script").stdout;
    let told = String::from_utf8(told).expect("UTF-8");
    assert!(told.contains("100 % of 40 MiB\r"), "{told:?}");
    let lines: Vec<_> =
        told.lines().filter_map(|line| line.trim_end_matches('\r').rsplit('\r').next()).collect();
    let long = format!("{log}:2: longer than 8192 bytes, not read");
    let sum = "0 bans; 3 lines, 1 matched, 1 failures, 1 too long to read";
    assert_eq!(lines, [&long, sum], "{told:?}");
}
