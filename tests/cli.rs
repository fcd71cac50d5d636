//! The contract of the command line: words, exit codes, and what `--json` prints. Scripts depend on it.
#![cfg(feature = "std")]

#[path = "common/cli.rs"]
mod cli;

use cli::{Folder, command, edgeban, keys, run};
use edgeban::host::value::Value;
use std::collections::BTreeSet;
use std::process::Stdio;

const LOG: &str = "\
Nov 20 10:00:01 gw sshd[100]: Failed password for root from 203.0.113.9 port 4001 ssh2
Nov 20 10:00:02 gw sshd[100]: Failed password for root from 203.0.113.9 port 4001 ssh2
Nov 20 10:00:03 gw cron[7]: nothing

Nov 20 10:00:03 gw sshd[101]: Failed password for invalid user admin from 203.0.113.9 port 4002 ssh2
Nov 20 10:00:04 gw sshd[101]: message repeated 2 times: [ Failed password for root from 203.0.113.9 port 4001 ssh2]
Nov 20 12:00:04 gw sshd[102]: Accepted password for root from 198.51.100.2 port 4001 ssh2
";

/// 2026-11-20T10:00:00Z.
const TEN: i64 = 1_795_168_800;

fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::number).unwrap_or_else(|| panic!("no number {name}"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).map_or("", Value::text)
}

#[test]
fn words_that_make_no_sense_are_usage() {
    let folder = Folder::new("usage");
    let log = folder.file("log", LOG);
    let log = log.as_str();
    for words in [
        &[][..],
        &["frobnicate"],
        &["--frobnicate"],
        &["-x"],
        &["run", "now"],
        &["check", "now"],
        &["status", "--bogus"],
        &["status", "a", "b"],
        &["bans", "what"],
        &["reload", "what"],
        &["ban"],
        &["ban", ""],
        &["ban", "1.2.3"],
        &["ban", "01.2.3.4"],
        &["ban", "1.2.3.4/08"],
        &["ban", "1.2.3.4/33"],
        &["ban", "1.2.3.4/"],
        &["ban", "2001:db8::/129"],
        &["ban", "fe80::1%eth0"],
        &["ban", "example.com"],
        &["ban", "1.2.3.4", "5.6.7.8"],
        &["ban", "1.2.3.4", "--for"],
        &["ban", "1.2.3.4", "--for", "soon"],
        &["ban", "1.2.3.4", "--for", "0"],
        &["ban", "1.2.3.4", "--for", "11000d"],
        &["ban", "1.2.3.4", "--for", "1h", "--for", "2h"],
        &["ban", "1.2.3.4", "--dry-run"],
        &["unban"],
        &["unban", "--all", "1.2.3.4"],
        &["attempt", "1.2.3.4"],
        &["attempt", "1.2.3.0/24", "--jail", "sshd"],
        &["attempt", "--jail", "sshd"],
        &["filters", "sshd", "dropbear"],
        &["version", "now"],
        &["help", "nosuch"],
        &["help", "ban", "unban"],
        &["test", "--filter", "nosuch", log],
        &["test", "--filter", "sshd", "--set", "mode=nosuch", log],
        &["test", "--set", "colour=red", log],
        &["test", "--filter", "sshd", "--rule", "x <ip>", log],
        &["test", "--filter", "sshd", "--filter", "dropbear", log],
        &["test", log, log],
        &["replay"],
        &["replay", "-", "-"],
        &["replay", "--filter", "sshd", log],
    ] {
        let done = edgeban(words);
        assert_eq!(done.code, Some(2), "{words:?}: {} {}", done.out, done.err);
        assert!(done.err.starts_with("edgeban: ") && done.out.is_empty(), "{words:?}: {}", done.err);
    }
}

#[test]
fn options_stand_anywhere() {
    let folder = Folder::new("order");
    let log = folder.file("log", LOG);
    let wanted = edgeban(&["test", "--json", "--filter", "sshd", &log]).exits(0).out;
    for words in [
        ["--json", "test", "--filter", "sshd", &log],
        ["--json", "--filter", "sshd", "test", &log],
        ["test", &log, "--filter=sshd", "--json", "--"],
        ["test", "--json", "--filter=sshd", "--", &log],
    ] {
        assert_eq!(edgeban(&words).exits(0).out, wanted, "{words:?}");
    }
    assert!(edgeban(&["--help"]).exits(0).out.starts_with("edgeban finds"));
    assert_eq!(edgeban(&["help"]).exits(0).out, edgeban(&["-h", "status"]).exits(0).out);
    assert_eq!(edgeban(&["help", "status"]).exits(0).out, edgeban(&["status", "-h"]).exits(0).out);
    assert_eq!(edgeban(&["-V"]).exits(0).out, edgeban(&["version"]).exits(0).out);
}

/// The commands, as the help lists them.
fn commands() -> Vec<String> {
    let help = edgeban(&["--help"]).exits(0).out;
    let listed = help.lines().skip_while(|l| *l != "The daemon:").take_while(|l| !l.is_empty());
    listed
        .filter_map(|l| l.strip_prefix("  ")?.split(' ').next().filter(|w| !w.is_empty()))
        .map(String::from)
        .collect()
}

/// The words of `text` that are long options.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter_map(|w| w.strip_prefix("--")).filter(|w| !w.is_empty()).map(String::from).collect()
}

#[test]
fn help_manual_and_completions_know_what_the_program_knows() {
    let commands = commands();
    assert_eq!(commands.len(), 12, "{commands:?}");
    let manual = include_str!("../docs/edgeban.8").replace("\\-", "-");
    let bash = include_str!("../docs/completions/edgeban.bash");
    let fish = include_str!("../docs/completions/edgeban.fish");
    let zsh = include_str!("../docs/completions/_edgeban").replace("$daemon", "$config --socket --json");
    let zsh = zsh
        .replace("$config", "--config")
        .replace("case --command in", "")
        .replace("case $command in", ";;");
    for command in &commands {
        let about = edgeban(&["help", command]).exits(0).out;
        assert!(about.starts_with(&format!("Usage: edgeban {command}")), "{about}");
        assert_eq!(edgeban(&[command, "--help"]).exits(0).out, about);
        // What an option of another command is answered with tells which options this one takes.
        let mut takes = BTreeSet::new();
        for (option, value) in OPTIONS {
            let mut words = vec![command.as_str(), option];
            words.extend(value);
            // A bad command line, so that none of them does anything.
            let done = edgeban(&[&words[..], &["--frobnicate"]].concat()).exits(2);
            assert!(done.err.contains("--frobnicate"), "{}", done.err);
            let done = edgeban(&[&words[..], &["a", "b", "c"]].concat());
            if !done.err.contains("takes no") {
                takes.insert(option.trim_start_matches('-').to_string());
            }
        }
        let mut told = options(&about);
        told.remove("help");
        assert_eq!(told, takes, "help of {command}");
        let section =
            manual.split("\n.It Cm ").find(|part| part.split([' ', '\n']).next() == Some(command));
        let section = section.unwrap_or_else(|| panic!("{command} is not in the manual"));
        for option in &takes {
            if !["config", "socket", "json"].contains(&option.as_str()) {
                assert!(section.contains(&format!("Fl -{option}")), "{command} --{option} in the manual");
            }
            let short = match option.as_str() {
                "config" => "-c",
                "socket" => "-s",
                _ => "",
            };
            let named =
                |text: &str| options(text).contains(option) || !short.is_empty() && text.contains(short);
            let of_bash = bash.lines().map(str::trim).find(|l| {
                l.split_once(") words=")
                    .is_some_and(|(names, _)| names.split(" | ").any(|name| name == command))
            });
            assert!(named(of_bash.unwrap_or("")), "{command} {option} for bash: {of_bash:?}");
            let of_zsh = zsh.split(";;").find_map(|part| {
                let (names, words) = part.trim().split_once(')')?;
                names.split(" | ").any(|name| name == command).then_some(words)
            });
            assert!(named(of_zsh.unwrap_or("")), "{command} {option} for zsh: {of_zsh:?}");
            let of_fish = fish.lines().any(|l| {
                let mut parts = l.split('\'').nth(1).unwrap_or("").split(' ');
                let long = l.contains(&format!("-l {option} ")) || l.ends_with(&format!("-l {option}"));
                parts.any(|word| word == command) && long
            });
            assert!(of_fish, "{command} {option} for fish");
        }
        for option in of_line(bash, command) {
            assert!(takes.contains(&option), "bash offers {command} --{option}");
        }
        assert!(
            bash.contains(&format!("{command} ")) && fish.contains(&format!("'{command}|")),
            "{command}"
        );
        assert!(zsh.contains(&format!("'{command}:")), "{command}");
    }
    for mode in edgeban::rules::ALL.iter().flat_map(|filter| filter.modes).filter(|mode| !mode.is_empty()) {
        let offered = [bash, fish, &zsh].map(|text| text.contains(&format!("mode={mode}")));
        assert_eq!(offered, [true; 3], "mode={mode}");
    }
}

/// The options that the bash completion offers for `command`.
fn of_line(bash: &str, command: &str) -> BTreeSet<String> {
    let line = bash.lines().map(str::trim).find(|l| {
        l.split_once(") words=").is_some_and(|(names, _)| names.split(" | ").any(|name| name == command))
    });
    options(line.unwrap_or(""))
}

/// Every option and a value for it.
const OPTIONS: [(&str, Option<&str>); 11] = [
    ("--json", None),
    ("--dry-run", None),
    ("--all", None),
    ("--config", Some("/nonexistent/x")),
    ("--socket", Some("/nonexistent/x")),
    ("--filter-file", Some("/nonexistent/x")),
    ("--jail", Some("x")),
    ("--for", Some("1h")),
    ("--filter", Some("sshd")),
    ("--rule", Some("x <ip>")),
    ("--set", Some("mode=normal")),
];

#[test]
fn a_repeated_message_is_shown_as_it_counts() {
    let input = b"Nov 20 10:00:01 gw last message repeated 9 times\n\
        Nov 20 10:00:01 gw sshd[100]: Failed password for root from 203.0.113.9 port 4001 ssh2\n\
        Nov 20 10:00:02 gw last message repeated 3 times\n\
        Nov 20 10:00:03 gw cron[7]: nothing\n\
        Nov 20 10:00:04 gw last message repeated 3 times\n";
    let objects = run(command(&["test", "--json"]), input).exits(0).json();
    let verdicts: Vec<&str> = objects.iter().map(|o| text(o, "verdict")).collect();
    assert_eq!(verdicts, ["none", "fail", "fail", "none", "none"]);
    assert_eq!((text(&objects[2], "rule"), text(&objects[2], "ip")), ("sshd:1", "203.0.113.9"));
    let failure = &objects[2].get("failures").expect("failures").items()[0];
    assert_eq!((text(failure, "ip"), number(failure, "attempts")), ("203.0.113.9", 3));
    // As it counts in a replay: 1 + 3, and the nine of nothing and the three of nothing not.
    let folder = Folder::new("repeated");
    let conf = folder.file("conf", "config jail 'sshd'\n\toption maxretry '4'\n");
    let log = folder.file("log", input);
    let bans = edgeban(&["replay", "-c", &conf, "--json", &log]).exits(0).json();
    assert_eq!(bans.len(), 1);
    let lines: Vec<_> = bans[0].get("lines").expect("lines").items().iter().map(Value::number).collect();
    assert_eq!(lines, [Some(2), Some(3)]);
}

#[test]
fn odd_files_are_read_or_named() {
    let folder = Folder::new("odd");
    // With the year, which standard input would have from today's date.
    let log = LOG.replace("Nov 20", "2026-11-20");
    let marked = folder.file("marked", format!("\u{feff}{}", log.replace('\n', "\r\n")));
    let plain = folder.file("plain", &log);
    for words in [["replay", "--json"], ["test", "--json"]] {
        let wanted = edgeban(&[&words[..], &[&plain]].concat()).exits(0).out;
        assert_eq!(edgeban(&[&words[..], &[&marked]].concat()).exits(0).out, wanted);
        let piped = command(&[&words[..], &["-"]].concat());
        assert_eq!(run(piped, log.as_bytes()).exits(0).out, wanted);
    }
    for (name, magic) in
        [("x.gz", &b"\x1f\x8b\x08\0\0"[..]), ("x.xz", b"\xfd7zXZ\0\0"), ("x.zst", b"\x28\xb5\x2f\xfd\0")]
    {
        let packed = folder.file(name, magic);
        edgeban(&["replay", &plain, &packed]).exits(1).says(&format!("edgeban: {packed}: compressed"));
        edgeban(&["test", &packed]).exits(1).says("zcat");
    }
    let undated = folder
        .file("undated", "sshd[7]: Failed password for root from 203.0.113.9 port 1 ssh2\n".repeat(5));
    edgeban(&["replay", &undated]).exits(0);
    let file = folder.path("");
    edgeban(&["replay", &plain, &file]).exits(1).says("edgeban: ").says("directory");
    edgeban(&["check", "-c", &file]).exits(1).says(&format!("edgeban: {file}: "));
    edgeban(&["test", "--filter", "sshdd", &plain]).exits(2).says("did you mean sshd?");
    edgeban(&["filters", "dropbare"]).exits(2).says("did you mean dropbear?");
    edgeban(&["statsu"]).exits(2).says("did you mean status?");
}

/// Hostile bytes in every place: each line of output is an object of UTF-8 without anything that a terminal obeys.
#[test]
fn hostile_names_stay_within_their_strings() {
    let mut input = Vec::new();
    for hostile in [
        &b"\xff\xfe\xc3("[..],
        "j\u{fc}rgen\u{202e}\u{2028}\u{85}".as_bytes(),
        b"a\0b\x1b[31m\x7f",
        b"\",\"ip\":\"198.51.100.1",
        b"\\\\u0000",
        b"\xed\xa0\x80",
        b"{}[]",
    ] {
        input.extend_from_slice(b"Nov 20 10:00:01 gw sshd[100]: Failed password for invalid user ");
        input.extend_from_slice(hostile);
        input.extend_from_slice(b" from 203.0.113.9 port 4001 ssh2\n");
    }
    let done = run(command(&["test", "--json", "--filter", "sshd"]), &input).exits(0);
    assert!(!done.out.chars().any(|c| c.is_control() && c != '\n'));
    for object in done.json() {
        assert_eq!((text(&object, "verdict"), text(&object, "ip")), ("fail", "203.0.113.9"));
    }
    let human = run(command(&["test", "--filter", "sshd"]), &input).exits(0).out;
    assert!(!human.chars().any(|c| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2028}')));
}

#[test]
fn test_prints_one_object_a_line_with_the_keys_in_order() {
    let folder = Folder::new("test-json");
    let log = folder.file("log", LOG);
    let objects = edgeban(&["test", "--json", &log]).exits(0).json();
    assert_eq!(objects.len(), LOG.lines().count());
    let names = ["line", "verdict", "rule", "ip", "host", "user", "port", "time", "session", "failures"];
    for (at, object) in objects.iter().enumerate() {
        assert_eq!(keys(object), names);
        assert_eq!(number(object, "line"), at as i64 + 1);
        for failure in object.get("failures").map(Value::items).unwrap_or_default() {
            assert_eq!(keys(failure), ["ip", "user", "attempts"]);
        }
    }
    let verdicts: Vec<&str> = objects.iter().map(|o| text(o, "verdict")).collect();
    assert_eq!(verdicts, ["fail", "fail", "none", "none", "fail", "fail", "gain"]);
    let first = edgeban(&["test", "--json", "--filter", "sshd", "-"]);
    assert_eq!(first.exits(0).out, "", "nothing on standard input");
    let line = "2005-08-14T12:00:00Z gw sshd[31602]: Failed password for invalid user a\"b from 192.0.2.7 port 2222 ssh2\n";
    let one = run(command(&["test", "--json", "--filter", "sshd"]), line.as_bytes()).exits(0);
    assert_eq!(
        one.out,
        "{\"line\":1,\"verdict\":\"fail\",\"rule\":\"sshd:1\",\"ip\":\"192.0.2.7\",\"host\":null,\"user\":\"a\\\"b\",\
         \"port\":2222,\"time\":1124020800,\"session\":\"sshd/31602\",\"failures\":[{\"ip\":\"192.0.2.7\",\"user\":\"a\\\"b\",\
         \"attempts\":1}]}\n"
    );
}

#[test]
fn test_says_what_it_did_not_read() {
    let long = format!("Nov 20 10:00:00 gw sshd[7]: {}", "x".repeat(64 * 1024));
    let input = format!("{long}\n\0\0\0\nshort\n{long}");
    let objects = run(command(&["test", "--json", "-"]), input.as_bytes()).exits(0).json();
    let verdicts: Vec<&str> = objects.iter().map(|o| text(o, "verdict")).collect();
    assert_eq!(verdicts, ["overlong", "none", "none", "overlong"]);
    for object in &objects {
        assert!(matches!(object.get("rule"), Some(Value::Null)), "null where nothing matched");
        assert_eq!(object.get("failures").map(|f| f.items().len()), Some(0));
    }
    // A rule that needs more choices than there is memory for gives up: refused, and so no ban.
    let words = ["test", "--json", "--rule", "{<word> }*<ip>", "-"];
    let verdict = |line: String| {
        text(&run(command(&words), line.as_bytes()).exits(0).json()[0], "verdict").to_string()
    };
    let [few, many] = [2, 2000].map(|n| verdict(format!("{}192.0.2.7\n", "ab ".repeat(n))));
    assert_eq!([few, many], ["fail", "refused"]);
}

#[test]
fn test_takes_rules_and_files_of_ones_own_and_places_their_errors() {
    let folder = Folder::new("rules");
    let done = run(
        command(&["test", "--json", "--rule", "login of <user> from <ip> failed", "-"]),
        b"login of bob from 192.0.2.1 failed\n",
    );
    let objects = done.exits(0).json();
    assert_eq!(text(&objects[0], "verdict"), "fail");
    assert_eq!((text(&objects[0], "ip"), text(&objects[0], "user")), ("192.0.2.1", "bob"));
    edgeban(&["test", "--rule", "a <ip", "-"]).exits(1).says("--rule:1:3: ");
    edgeban(&["test", "--rule", "help a <ip", "-"]).exits(1).says("--rule:1:8: ");
    let good = folder.file("good.filter", "filter mine\napp mine\nfail no <ip>\n");
    let bad = folder.file("bad.filter", "filter mine\napp mine\nfail no <ip\nfail <nosuch>\n");
    let line = b"Nov 20 10:00:00 gw mine[7]: no 192.0.2.1\n";
    let objects = run(command(&["test", "--json", "--filter-file", &good]), line).exits(0).json();
    assert_eq!(text(&objects[0], "rule"), "mine:1");
    edgeban(&["test", "--filter-file", &bad, "-"])
        .exits(1)
        .says(&format!("{bad}:3:9: "))
        .says(&format!("{bad}:4:6: "));
    let odd = folder.file("odd.filter", b"filter mine\napp mine\nfail \xff<ip>\n");
    edgeban(&["test", "--filter-file", &odd, "-"]).exits(1).says(&format!("{odd}:3:6: not UTF-8"));
    let conf = folder.file("conf", format!("config jail 'mine'\n\toption filter_file '{odd}'\n"));
    edgeban(&["check", "-c", &conf]).exits(1).says(&format!("{odd}:3:6: not UTF-8"));
    edgeban(&["test", "--filter-file", "/dev/zero", "-"]).exits(1).says("/dev/zero:1:1: longer than");
    edgeban(&["test", "--rule", "a <ip>\nb <ip>", "-"]).exits(2).says("one line");
    edgeban(&["test", "--filter", "sshd", "--set", "mode=agressive", "-"])
        .exits(2)
        .says("only normal ddos aggressive extra");
    edgeban(&["test", "--filter-file", &folder.path("none"), "-"]).exits(1).says("none: No such file");
    let line = b"Nov 20 10:00:00 gw sshd[7]: Did not receive identification string from 192.0.2.1 port 5\n";
    for (mode, verdict) in [("normal", "none"), ("ddos", "fail"), ("extra", "none"), ("aggressive", "fail")]
    {
        let words = ["test", "--json", "--filter", "sshd", "--set", &format!("mode={mode}")];
        assert_eq!(text(&run(command(&words), line).exits(0).json()[0], "verdict"), verdict, "{mode}");
    }
}

#[test]
fn replay_does_not_tell_of_lines_that_a_login_forgave() {
    let folder = Folder::new("replay-forgiven");
    let line = |second: u32, text: &str| {
        format!(
            "Nov 20 10:00:{second:02} gw sshd[{second}]: {text} password for root from 192.0.2.1 port {second}\n"
        )
    };
    let log: String = (1..10).map(|n| line(n, if n == 4 { "Accepted" } else { "Failed" })).collect();
    let bans = edgeban(&["replay", "--json", &folder.file("log", log)]).exits(0).out;
    assert!(bans.contains("\"lines\":[5,6,7,8,9]"), "{bans}");
}

#[test]
fn replay_prints_bans_and_what_made_them() {
    let folder = Folder::new("replay");
    let log = folder.file("log", LOG);
    let done = edgeban(&["replay", "--json", &log]).exits(0);
    assert_eq!(
        done.out,
        format!(
            "{{\"time\":{},\"event\":\"ban\",\"ip\":\"203.0.113.9\",\"jail\":\"sshd\",\"seconds\":3600,\"lines\":[1,2,5,6]}}\n\
             {{\"time\":{},\"event\":\"unban\",\"ip\":\"203.0.113.9\",\"jail\":\"sshd\",\"seconds\":3600,\"lines\":[]}}\n",
            TEN + 4,
            TEN + 3604
        )
    );
    let human = edgeban(&["replay", &log]).exits(0).out;
    assert!(human.contains("2026-11-20T10:00:04Z  ban    203.0.113.9"), "{human}");
    assert!(human.ends_with("1 ban; 7 lines, 5 matched, 5 failures\n"), "{human}");
    let human = edgeban(&["replay", &folder.file("nothing", "")]).exits(0).out;
    assert_eq!(human, "0 bans; 0 lines\n");
    let long = format!("{}\n{LOG}", "x".repeat(10_000));
    let done = edgeban(&["replay", &folder.file("long", long)]).exits(0).says("long:1: ");
    assert!(
        done.out.ends_with("1 ban; 8 lines, 5 matched, 5 failures, 1 too long to read\n"),
        "{}",
        done.out
    );
    // The local zone is that of stamps which name none.
    let mut east = command(&["replay", "--json", &log]);
    east.env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
    assert_eq!(number(&run(east, b"").exits(0).json()[0], "time"), TEN + 4 - 3600);
    let json = edgeban(&["replay", "--json", &folder.file("empty", "")]).exits(0).out;
    assert_eq!(json, "");
}

/// At 03:00 of 25 October 2026 it is 02:00 again.
#[test]
fn replay_goes_on_over_the_hour_that_the_zone_repeats() {
    let folder = Folder::new("autumn");
    let fail = |stamp: &str| {
        format!(
            "2026-10-25 {stamp} gw sshd[100]: Failed password for root from 203.0.113.9 port 4001 ssh2\n"
        )
    };
    let log = folder.file("log", fail("01:50:00") + &fail("02:50:00") + &fail("02:05:00").repeat(5));
    let mut berlin = command(&["replay", "--json", &log]);
    berlin.env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
    let done = run(berlin, b"").exits(0);
    assert_eq!((done.err.as_str(), number(&done.json()[0], "time")), ("", 1_792_890_300));
}

#[test]
fn replay_goes_on_over_files_and_years() {
    let folder = Folder::new("years");
    let fail = |stamp: &str| {
        format!("{stamp} gw sshd[100]: Failed password for root from 203.0.113.9 port 4001 ssh2\n")
    };
    // Rotated at midnight: three failures before, two after.
    let old = folder.file("old", fail("2025-12-31T23:59:58Z").repeat(3));
    let new = folder.file("new", fail("2026-01-01T00:00:01Z").repeat(2));
    let bans = edgeban(&["replay", "--json", &old, &new]).exits(0).json();
    assert_eq!((bans.len(), number(&bans[0], "time")), (1, 1_767_225_601));
    assert_eq!(keys(&bans[0]), ["time", "event", "ip", "jail", "seconds", "lines", "files"]);
    // In whichever order they are named, as a shell's `auth.log*` does.
    assert_eq!(edgeban(&["replay", "--json", &new, &old]).exits(0).json(), bans);
    let files: Vec<&str> = bans[0].get("files").expect("files").items().iter().map(Value::text).collect();
    assert_eq!(files, [&old, &old, &old, &new, &new]);
    // Two logs that were written beside each other are one story; lines without a date stay with those before them.
    let auth: String = (0..3).map(|s| fail(&format!("2026-11-20T10:00:0{s}Z"))).collect();
    let auth = folder.file("auth", auth + "no date\n" + &fail("2026-11-20T12:00:00Z"));
    let mail = folder.file("mail", fail("2026-11-20T10:00:02Z") + &fail("2026-11-20T10:00:04Z"));
    let out = edgeban(&["replay", "--json", &auth, &mail]).exits(0).json();
    let lines: Vec<_> = out[0].get("lines").expect("lines").items().iter().map(Value::number).collect();
    assert_eq!((lines, number(&out[0], "time")), ([1, 2, 3, 1, 2].map(Some).to_vec(), TEN + 4));
    assert_eq!(text(&out[1], "event"), "unban");
    let human = edgeban(&["replay", &auth, &mail]).exits(0).out;
    assert!(human.contains(&format!("lines {auth}:1,2,3 {mail}:1,2\n")), "{human}");
    // The same without years: the file was last written to in November 2026, so December is of 2025.
    let year = folder.file("year", fail("Dec 31 23:59:58").repeat(3) + &fail("Jan  1 00:00:01").repeat(2));
    let bans = edgeban(&["replay", "--json", &year]).exits(0).json();
    assert_eq!((bans.len(), number(&bans[0], "time")), (1, 1_767_225_601));
    // Years apart is not within ten minutes.
    let apart: String = (2019..2026).map(|y| fail(&format!("{y}-03-01T00:00:00Z"))).collect();
    assert_eq!(edgeban(&["replay", "--json", &folder.file("apart", apart)]).exits(0).out, "");
    // A stamp that runs backwards neither bans nor unbans.
    let back = fail("2026-11-20T10:00:00Z").repeat(4) + &fail("2020-11-20T10:00:00Z").repeat(9);
    assert_eq!(edgeban(&["replay", "--json", &folder.file("back", back)]).exits(0).out, "");
    // What is missing is said before anything is read.
    let missing = folder.path("missing");
    let done = edgeban(&["replay", "--json", &old, &missing]).exits(1).says(&missing);
    assert_eq!(done.out, "");
}

#[test]
fn bad_input_is_neither_a_panic_nor_a_ban() {
    let folder = Folder::new("bad");
    let mut seed = 0x9e37_79b9_u32;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed as u8
    };
    let noise: Vec<u8> = (0..70_000).map(|_| random()).collect();
    let nul: Vec<u8> = LOG.bytes().flat_map(|b| [b, 0]).collect();
    let mut invalid = LOG.replace("203.0.113.9", "203.0.113.9\u{0}").into_bytes();
    invalid.iter_mut().for_each(|b| *b = if *b == 0 { 0xff } else { *b });
    let long = format!(
        "Nov 20 10:00:00 gw sshd[7]: {} from 203.0.113.9 port 1 ssh2\n",
        "Failed password for ".repeat(4000)
    );
    for (name, bytes) in [
        ("noise", noise.as_slice()),
        ("nul", &nul),
        ("invalid", &invalid),
        ("long", long.repeat(3).as_bytes()),
        ("zeros", &[0; 70_000]),
        ("newlines", &[b'\n'; 5_000]),
        ("high", &[0xff; 70_000]),
    ] {
        let path = folder.file(name, bytes);
        let done = edgeban(&["replay", "--json", &path]).exits(0);
        assert_eq!(done.out, "", "{name}");
        let tested = edgeban(&["test", "--json", &path]).exits(0);
        assert!(
            tested.json().iter().all(|o| o.get("failures").is_none_or(|f| f.items().is_empty())),
            "{name}"
        );
        edgeban(&["replay", &path]).exits(0);
        edgeban(&["test", &path]).exits(0);
        // As a filter and as a configuration it is an error with its place.
        let bad = edgeban(&["test", "--filter-file", &path, "-"]).exits(1);
        assert!(bad.err.contains(&path), "{name}: {}", bad.err);
        if !["newlines", "zeros"].contains(&name) {
            edgeban(&["check", "-c", &path]).exits(1).says(&format!("{path}:1: "));
        }
    }
}

#[test]
fn check_says_file_and_line_of_every_error() {
    let folder = Folder::new("check");
    let broken = "config edgeban 'global'\n\toption max_bans 'many'\n\toption nosuch '1'\n\nconfig jail 'a'\n\
                  \toption filter 'nosuch'\n\toption bantime 'x'\n\nconfig nosuch 'x'\n\nconfig jail 'sshd'\n\
                  \toption mode 'nosuch'\n\toption findtime \"10m\n";
    let path = folder.file("broken", broken);
    let done = edgeban(&["check", "-c", &path]).exits(1);
    for line in [2, 3, 6, 7, 9, 12, 13] {
        assert!(done.err.contains(&format!("{path}:{line}: ")), "line {line}: {}", done.err);
    }
    assert_eq!(done.out, "");
    let log = folder.file("log", LOG);
    assert_eq!(edgeban(&["replay", "-c", &path, &log]).exits(1).err, done.err);
    edgeban(&["run", "-c", &path, "--dry-run"]).exits(1).says(&format!("{path}:2: "));
    edgeban(&["check", "-c", &folder.path("none")]).exits(1).says("none: No such file");
    edgeban(&["replay", "-c", &folder.path("none"), &log]).exits(1).says("none: No such file");
    let filter = folder.file("own.filter", "filter own\napp own\nfail <ip\n");
    let good = format!("config jail 'own'\n\toption filter_file '{filter}'\n");
    edgeban(&["check", "-c", &folder.file("own", good)]).exits(1).says(&format!("{filter}:3:6: "));
    // One mistake is told once, with the line of its option.
    let mode =
        |file: &str| format!("config jail 'own'\n\toption mode 'ddos'\n\toption filter_file '{file}'\n");
    let done = edgeban(&["check", "-c", &folder.file("mode", mode(&filter))]).exits(1);
    assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    let none = folder.path("none.filter");
    let done = edgeban(&["check", "-c", &folder.file("mode", mode(&none))]).exits(1);
    assert!(done.err.contains("mode:3: jail own: ") && done.err.lines().count() == 1, "{}", done.err);
    let own = folder.file("own.filter", "\u{feff}filter own\napp own\nfail <ip>\n");
    let conf = folder.file("mode", mode(&own));
    edgeban(&["check", "-c", &conf])
        .exits(1)
        .says(&format!("{conf}:2: jail own: filter own has no mode ddos"));
    let good = folder.file("good", "config jail 'sshd'\n\toption maxretry '2'\n");
    assert!(edgeban(&["check", "-c", &good]).exits(0).out.starts_with(&format!("{good}: fine")));
    // The settings count in a replay.
    let bans = edgeban(&["replay", "-c", &good, "--json", &log]).exits(0).json();
    assert_eq!(number(&bans[0], "time"), TEN + 2);
}

#[test]
fn filters_are_listed_and_shown() {
    let listed = edgeban(&["filters"]).exits(0).out;
    let objects = edgeban(&["filters", "--json"]).exits(0).json();
    assert_eq!(objects.len(), edgeban::rules::ALL.len());
    for object in &objects {
        assert_eq!(keys(object), ["name", "apps", "modes", "rules"]);
        let name = text(object, "name");
        assert!(listed.contains(name), "{name}");
        let shown = edgeban(&["filters", name]).exits(0).out;
        assert!(shown.contains(&format!("filter {name}")), "{shown}");
        let rules = object.get("rules").expect("rules").items();
        let last = rules.len();
        for (at, rule) in rules.iter().enumerate() {
            assert_eq!(keys(rule), ["rule", "line", "verdict", "modes", "text"]);
            assert_eq!(number(rule, "rule"), at as i64 + 1);
            assert!(text(rule, "text").starts_with(text(rule, "verdict")));
            let named: Vec<&str> =
                text(rule, "text").split(' ').next().unwrap_or("").split(['@', ',']).collect();
            let modes: Vec<&str> =
                rule.get("modes").expect("modes").items().iter().map(Value::text).collect();
            let all: Vec<&str> =
                object.get("modes").expect("modes").items().iter().map(Value::text).collect();
            let want = if named.len() == 1 { &all[..] } else { &named[1..] };
            let set = |modes: &[&str]| modes.iter().map(|mode| mode.to_string()).collect::<BTreeSet<_>>();
            assert_eq!(
                (set(&modes), modes.len()),
                (set(want), want.len()),
                "{name}: {}",
                text(rule, "text")
            );
        }
        assert!(shown.lines().any(|l| l.starts_with(&format!("{last:>4}  "))), "{name}: no rule {last}");
    }
    let one = edgeban(&["filters", "sshd", "--json"]).exits(0).json();
    assert_eq!((one.len(), text(&one[0], "name")), (1, "sshd"));
    edgeban(&["filters", "nosuch"]).exits(2).says("nosuch");
    // Without the numbers it is a filter.
    let folder = Folder::new("filters");
    let text: String =
        edgeban(&["filters", "sshd"]).out.lines().map(|l| format!("{}\n", &l[6..])).collect();
    edgeban(&["test", "--filter-file", &folder.file("own", text), "-"]).exits(0);
}

#[test]
fn without_a_daemon_a_client_says_so() {
    let folder = Folder::new("alone");
    let socket = folder.path("no.sock");
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["bans"],
        &["ban", "192.0.2.1"],
        &["unban", "--all"],
        &["attempt", "192.0.2.1", "--jail", "sshd"],
        &["reload"],
    ] {
        let done = edgeban(&[words, &["-s", &socket]].concat()).exits(1);
        assert!(done.err.contains("not running") && done.err.contains(&socket), "{}", done.err);
        assert_eq!(done.out, "");
    }
    // A socket file that nobody listens on any more, and a file that is none.
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("a socket"));
    edgeban(&["status", "-s", &socket]).exits(1).says("not running");
    edgeban(&["status", "-s", &folder.file("plain", "x")]).exits(1);
}

#[test]
fn nobody_reading_is_no_panic() {
    let folder = Folder::new("pipe");
    let log = folder.file("log", LOG.repeat(20_000));
    for words in
        [&["test", "--json", &log][..], &["test", &log], &["filters", "sshd"], &["--help"], &["-V"]]
    {
        let mut child =
            command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let done = child.wait_with_output().expect("it ends");
        assert_eq!(done.status.code(), Some(0), "{words:?}");
        assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{words:?}");
    }
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    for words in [&["test", "--json", &log][..], &["filters"], &["--help"], &["check"], &["frobnicate"]] {
        let full = || Stdio::from(full.try_clone().expect("a descriptor"));
        let code = command(words).stdout(full()).stderr(full()).status().expect("it starts").code();
        assert_eq!(code, Some(if words == ["frobnicate"] { 2 } else { 1 }), "{words:?}");
    }
}

/// Scripts pass on what strangers wrote.
#[test]
fn errors_about_words_keep_them_from_the_terminal() {
    edgeban(&["status", "\u{1b}[31m"]).exits(1).says("no such jail: ?[31m");
    edgeban(&["ban", "\u{1b}[31m"]).exits(2).says("'?[31m' is not an address or prefix\nTry");
}

/// The example of edgeban.filter(5) is a filter, and does what is said there.
#[test]
fn the_manuals_own_filter_works() {
    let manual = include_str!("../docs/edgeban.filter.5");
    let (_, after) = manual.split_once(".Bd -literal -offset indent\n").expect("an example");
    let (example, _) = after.split_once(".Ed").expect("its end");
    let line = example.lines().find_map(|line| line.strip_prefix("#   ")).expect("a line of its log");
    let folder = Folder::new("manual");
    let (filter, log) = (folder.file("mydaemon.filter", example), folder.file("log", format!("{line}\n")));
    let out = edgeban(&["test", "--json", "--filter-file", &filter, &log]).exits(0).json();
    assert_eq!(
        (text(&out[0], "verdict"), text(&out[0], "ip"), number(&out[0], "port")),
        ("fail", "192.0.2.7", 2201)
    );
}
