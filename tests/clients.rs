//! The daemon and its clients as real processes, over its control socket and a UDP source, without a firewall.
#![cfg(feature = "std")]

#[path = "common/cli.rs"]
mod cli;

use cli::{Folder, Run, command, edgeban, keys};
use edgeban::host::value::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, Command, Stdio};

/// A running daemon; killed where a test fails before it stops it.
struct Daemon {
    child: Child,
    log: BufReader<ChildStderr>,
    folder: Folder,
    udp: u16,
}

const JAILS: &str = "\
config jail 'sshd'
	option maxretry '3'
config jail 'web'
	option filter 'nginx-http-auth'
	option bantime '10m'
	list allow '198.18.0.1'
config jail 'off'
	option filter 'vsftpd'
	option enabled '0'
";

/// Writes the configuration with these jails, and returns its path.
fn config(folder: &Folder, udp: u16, jails: &str) -> String {
    let (socket, state) = (folder.path("socket"), folder.path("state"));
    let text = format!(
        "config edgeban 'global'\n\toption max_bans '12000'\n\tlist allow '198.51.100.64/26'\n\toption control '{socket}'\n\
         \toption state_dir '{state}'\nconfig source\n\toption kind 'udp'\n\
         \toption listen '127.0.0.1:{udp}'\n{jails}"
    );
    folder.file("conf", text)
}

impl Daemon {
    fn config(&self, jails: &str) -> String {
        config(&self.folder, self.udp, jails)
    }

    fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        // A port that was free a moment ago.
        let udp = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("loopback").port();
        let conf = config(&folder, udp, JAILS);
        let run = command(&["run", "--dry-run", "-c", &conf]).stderr(Stdio::piped()).spawn();
        let mut child = run.expect("the binary starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let mut daemon = Self { child, log, folder, udp };
        daemon.waits_for("ready");
        daemon
    }

    /// Reads the log up to the line that has `text`.
    #[track_caller]
    fn waits_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let read = self.log.read_line(&mut line).expect("the log");
            assert!(read > 0, "the log ended before '{text}'");
        }
    }

    fn ask(&self, words: &[&str]) -> Run {
        edgeban(&[words, &["-s", &self.folder.path("socket")]].concat())
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
        assert!(sent.expect("sh").success());
    }

    /// Stops it, and returns what the log said since.
    fn stop(mut self) -> String {
        self.signal("TERM");
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("the log");
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0), "{rest}");
        assert!(!std::path::Path::new(&self.folder.path("socket")).exists(), "the socket is still there");
        rest
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).map_or("", Value::text)
}

fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::number).unwrap_or_else(|| panic!("no number {name}"))
}

#[test]
fn orders_for_people_and_for_scripts() {
    let daemon = Daemon::start("orders");
    let mode = std::fs::metadata(daemon.folder.path("socket")).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    assert_eq!(daemon.ask(&["bans"]).exits(0).out, "Nobody is banned.\n");
    assert_eq!(daemon.ask(&["bans", "--json"]).exits(0).out, "{\"ok\":true,\"count\":0}\n");
    assert_eq!(daemon.ask(&["ban", "192.0.2.7", "--for", "1h"]).exits(0).out, "Banned 192.0.2.7.\n");
    assert_eq!(
        daemon.ask(&["ban", "::ffff:192.0.2.8", "--json"]).exits(0).out,
        "{\"ok\":true,\"count\":1}\n"
    );
    let words = ["ban", "2001:DB8:0:1::5/64", "--jail", "web", "--for", "permanent"];
    assert_eq!(daemon.ask(&words).exits(0).out, "Banned 2001:db8:0:1::/64.\n");
    daemon.ask(&["ban", "203.0.113.0/24", "--jail", "web"]).exits(0);

    let human = daemon.ask(&["bans"]).exits(0).out;
    let order: Vec<&str> = human.lines().skip(1).filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(order, ["192.0.2.7", "192.0.2.8", "203.0.113.0/24", "2001:db8:0:1::/64"]);
    for part in ["ADDRESS", "192.0.2.7 ", "192.0.2.8 ", "2001:db8:0:1::/64 ", "permanent", "web (by hand)"]
    {
        assert!(human.contains(part), "no {part} in\n{human}");
    }
    let rows = daemon.ask(&["bans", "--json"]).exits(0).json();
    assert_eq!(rows.len(), 5);
    for row in rows.iter().take(4) {
        assert_eq!(keys(row), ["ip", "jail", "since", "until", "before", "manual"]);
        let seconds = match text(row, "ip") {
            "2001:db8:0:1::/64" => {
                assert!(matches!(row.get("until"), Some(Value::Null)));
                continue;
            }
            "203.0.113.0/24" => 600,
            _ => 3600,
        };
        assert!((number(row, "until") - number(row, "since") - seconds).abs() <= 1);
    }

    // Nobody bans this host or what it is told to leave alone.
    for target in
        ["0.0.0.0/0", "::/0", "127.0.0.1", "127.0.0.0/8", "::1", "0.0.0.0", "224.0.0.1", "::ffff:0:0/96"]
    {
        daemon.ask(&["ban", target]).exits(1).says("never banned");
    }
    daemon.ask(&["attempt", "127.0.0.1", "--jail", "sshd"]).exits(1).says("loopback");
    daemon.ask(&["ban", "198.51.100.77"]).exits(1).says("allow list");
    daemon.ask(&["attempt", "198.51.100.77", "--jail", "sshd"]).exits(1).says("allow list");
    daemon.ask(&["ban", "198.18.0.1", "--jail", "web"]).exits(1).says("allow list");
    daemon.ask(&["ban", "192.0.2.9", "--jail", "off"]).exits(1).says("jail off is not enabled");
    daemon.ask(&["attempt", "192.0.2.9", "--jail", "off"]).exits(1).says("jail off is not enabled");
    for jail in ["nosuch", "", "a b", "b\"ad", "back\\slash"] {
        daemon.ask(&["ban", "192.0.2.9", "--jail", jail]).exits(1).says("no such jail");
        daemon.ask(&["attempt", "192.0.2.9", "--jail", jail]).exits(1).says("no such jail");
        daemon.ask(&["status", jail]).exits(1).says("no such jail");
    }

    daemon.ask(&["unban", "203.0.113.5"]).exits(1).says("203.0.113.0/24 is, and covers it");
    assert_eq!(daemon.ask(&["unban", "192.0.2.7"]).exits(0).out, "Lifted 1.\n");
    daemon.ask(&["unban", "192.0.2.7"]).exits(1).says("not banned");
    let refused = daemon.ask(&["unban", "192.0.2.7", "--json"]).exits(1);
    assert_eq!(keys(&refused.json()[0]), ["ok", "error"]);
    assert_eq!(daemon.ask(&["unban", "--all"]).exits(0).out, "Lifted 3.\n");
    assert_eq!(daemon.ask(&["unban", "--all", "--json"]).exits(0).out, "{\"ok\":true,\"count\":0}\n");

    for _ in 0..3 {
        daemon.ask(&["attempt", "192.0.2.9", "--jail", "sshd"]).exits(0);
    }
    let rows = daemon.ask(&["bans", "--json"]).exits(0).json();
    assert_eq!((text(&rows[0], "ip"), text(&rows[0], "jail")), ("192.0.2.9", "sshd"));
    let words = ["attempt", "192.0.2.9", "--jail", "sshd"];
    assert_eq!(daemon.ask(&words).exits(0).out, "192.0.2.9 is banned already.\n");
    let log = daemon.stop();
    assert!(log.contains("ban 192.0.2.9 jail sshd for 3600s (3 failures)"), "{log}");
}

/// `ban --for` sets the end of an existing ban; without `--for` a ban that lasts longer stays as it is.
#[test]
fn a_ban_by_hand_lasts_as_long_as_was_said() {
    let daemon = Daemon::start("for");
    let left = |ip: &str| {
        let rows = daemon.ask(&["bans", "--json"]).exits(0).json();
        let row = rows.iter().find(|row| text(row, "ip") == ip).expect("the ban");
        row.get("until").and_then(Value::number).map(|until| until - number(row, "since"))
    };
    let near = |left: Option<i64>, secs: i64| {
        assert!(left.is_some_and(|l| (l - secs).abs() <= 5), "{left:?} {secs}")
    };
    for _ in 0..3 {
        daemon.ask(&["attempt", "192.0.2.7", "--jail", "sshd"]).exits(0);
    }
    near(left("192.0.2.7"), 3600);
    daemon.ask(&["ban", "192.0.2.7", "--for", "10m"]).exits(0);
    near(left("192.0.2.7"), 600);
    daemon.ask(&["ban", "192.0.2.7", "--for", "permanent"]).exits(0);
    assert_eq!(left("192.0.2.7"), None);
    daemon.ask(&["ban", "192.0.2.7"]).exits(0);
    assert_eq!(left("192.0.2.7"), None, "nothing was said of the time");
    daemon.ask(&["ban", "192.0.2.7", "--for", "2h"]).exits(0);
    near(left("192.0.2.7"), 7200);
    daemon.stop();
}

#[test]
fn lines_become_bans_and_status_shows_what_happened() {
    let mut daemon = Daemon::start("status");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    for user in ["root", "admin", "x from 198.51.100.1 port 22 ssh2"] {
        let line = format!(
            "<38>Nov 20 10:00:00 gw sshd[7]: Failed password for {user} from 203.0.113.9 port 4001 ssh2"
        );
        sender.send_to(line.as_bytes(), ("127.0.0.1", daemon.udp)).expect("sent");
    }
    daemon.waits_for("ban 203.0.113.9 jail sshd for 3600s (3 failures)");
    let status = &daemon.ask(&["status", "--json"]).exits(0).json()[0];
    assert_eq!(
        keys(status),
        ["ok", "version", "uptime", "tables", "counters", "jails", "sources", "sinks"]
    );
    let jail = &status.get("jails").expect("jails").items()[0];
    assert_eq!(keys(jail), ["name", "filter", "enabled", "failing", "failures", "banned", "total"]);
    assert_eq!(["failing", "failures", "banned", "total"].map(|n| number(jail, n)), [0, 3, 1, 1]);
    let bans = status.get("tables").and_then(|t| t.get("bans")).expect("the table of bans");
    assert_eq!(["used", "size"].map(|n| number(bans, n)), [1, 12_000]);
    let source = &status.get("sources").expect("sources").items()[0];
    assert_eq!((text(source, "kind"), number(source, "count")), ("udp", 3));
    let one = &daemon.ask(&["status", "sshd", "--json"]).exits(0).json()[0];
    assert_eq!(keys(one), ["ok", "jails"]);
    let human = daemon.ask(&["status"]).exits(0).out;
    for part in ["edgeban 0.", "TABLE", "JAIL", "SOURCE", "SINK", "MESSAGES", "dry run", "engine.sentences"]
    {
        assert!(human.contains(part), "no {part} in\n{human}");
    }
    // What fail2ban-client shows of a jail: who fails, who failed, who is banned, and their addresses.
    daemon.ask(&["attempt", "192.0.2.44", "--jail", "sshd"]).exits(0);
    daemon.ask(&["ban", "192.0.2.55", "--jail", "web"]).exits(0);
    let one = daemon.ask(&["status", "sshd"]).exits(0).out;
    let words: Vec<Vec<&str>> = one.lines().map(|l| l.split_ascii_whitespace().collect()).collect();
    assert_eq!(words[0], ["JAIL", "FILTER", "STATE", "FAILING", "FAILURES", "BANNED", "TOTAL"]);
    assert_eq!(words[1], ["sshd", "sshd", "on", "1", "4", "1", "1"]);
    assert_eq!((words[4][0], words.len()), ("203.0.113.9", 5), "{one}");
    daemon.ask(&["status", "nosuch"]).exits(1).says("no such jail: nosuch");
    daemon.stop();
}

/// Nobody reads the daemon's log, so that its pipe is full long before the end; that must not stop the daemon.
#[test]
fn ten_thousand_bans_are_listed() {
    let daemon = Daemon::start("many");
    let stream = UnixStream::connect(daemon.folder.path("socket")).expect("the socket");
    let mut writer = stream.try_clone().expect("a descriptor");
    let mut reader = BufReader::new(stream);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0..10_000 {
                let line = format!("{{\"cmd\":\"ban\",\"ip\":\"198.18.{}.{}\"}}\n", n / 256, n % 256);
                writer.write_all(line.as_bytes()).expect("sent");
            }
        });
        let mut line = String::new();
        for _ in 0..10_000 {
            line.clear();
            reader.read_line(&mut line).expect("an answer");
            assert_eq!(line, "{\"ok\":true,\"count\":1}\n");
        }
    });
    let json = daemon.ask(&["bans", "--json"]).exits(0).out;
    assert_eq!(json.lines().count(), 10_001);
    assert!(json.ends_with("{\"ok\":true,\"count\":10000}\n"));
    let mut known: Vec<&str> = json.lines().take(10_000).filter_map(|l| l.split('"').nth(3)).collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), 10_000);
    assert_eq!(daemon.ask(&["bans"]).exits(0).out.lines().count(), 10_001);
    assert_eq!(daemon.ask(&["unban", "198.18.0.0/15"]).exits(0).out, "Lifted 10000.\n");
    daemon.stop();
}

#[test]
fn a_reload_is_whole_or_nothing() {
    let mut daemon = Daemon::start("reload");
    daemon.ask(&["ban", "192.0.2.7"]).exits(0);
    let conf = daemon.config("config jail 'sshd'\n\toption maxretry '1'\n\toption nosuch '1'\n");
    let done = daemon.ask(&["reload"]).exits(1);
    assert!(done.err.contains(&format!("{conf}:11: ")), "{}", done.err);
    daemon.waits_for("the old one stays");
    daemon.signal("HUP");
    daemon.waits_for("the old one stays");
    // Each problem on a line of its own, with its place in front.
    daemon.config("config jail 'sshd'\n\toption maxretry 'x'\n\toption nosuch '1'\n");
    let done = daemon.ask(&["reload"]).exits(1);
    assert_eq!(done.err, edgeban(&["check", "-c", &conf]).exits(1).err);
    assert_eq!(done.err.lines().filter(|line| line.starts_with(&conf)).count(), 2, "{}", done.err);
    // The jails are the old ones: one attempt is no ban, and web is still there.
    daemon.ask(&["attempt", "192.0.2.8", "--jail", "sshd"]).exits(0);
    daemon.ask(&["attempt", "192.0.2.8", "--jail", "web"]).exits(0);
    assert_eq!(daemon.ask(&["bans", "--json"]).exits(0).json().len(), 2);

    daemon.config("config jail 'sshd'\n\toption maxretry '2'\n");
    assert_eq!(daemon.ask(&["reload"]).exits(0).out, "Loaded the configuration.\n");
    // Counts and bans are kept: the second attempt bans.
    daemon.ask(&["attempt", "192.0.2.8", "--jail", "sshd"]).exits(0);
    assert_eq!(daemon.ask(&["bans", "--json"]).exits(0).json().len(), 3);
    daemon.ask(&["attempt", "192.0.2.8", "--jail", "web"]).exits(1).says("no such jail");
    // What waits for a restart is said, as long as it waits.
    let text_of = std::fs::read_to_string(&conf).expect("the configuration");
    let less = text_of.replace("max_bans '12000'", "max_bans '99'\n\toption max_line '2000'");
    std::fs::write(&conf, less).expect("written");
    for _ in 0..2 {
        let done = daemon.ask(&["reload"]).exits(0);
        assert_eq!(done.out, "Loaded the configuration; max_bans, max_line will change at a restart.\n");
    }
    let done = &daemon.ask(&["reload", "--json"]).exits(0).json()[0];
    assert_eq!(text(done, "warning"), "max_bans, max_line will change at a restart");
    std::fs::remove_file(&conf).expect("the configuration");
    daemon.ask(&["reload", "--json"]).exits(1);
    let done = daemon.ask(&["reload"]).exits(1);
    assert!(done.err.starts_with(&format!("edgeban: {conf}: ")), "{}", done.err);
    // Half-written: the defaults would have no allow list.
    std::fs::write(&conf, "").expect("written");
    assert_eq!(daemon.ask(&["reload"]).exits(1).err.lines().next(), Some(&*format!("{conf}:1: empty")));
    daemon.config(JAILS);
    daemon.signal("HUP");
    daemon.waits_for("reloaded");
    daemon.ask(&["attempt", "192.0.2.8", "--jail", "web"]).exits(0);
    daemon.stop();
}

#[test]
fn garbage_on_the_control_socket_is_answered_with_an_error() {
    let daemon = Daemon::start("garbage");
    let say = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(daemon.folder.path("socket")).expect("the socket");
        // It may close the connection while we still write.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8(reply).expect("UTF-8")
    };
    for garbage in [
        &b"\n"[..],
        b"",
        b"x",
        b"x\n",
        b"{}\n",
        b"[]\n",
        b"{\"cmd\":\"ban\"}\n",
        b"{\"cmd\":\"ban\",\"ip\":\"0.0.0.0/0\"}\n",
        b"{\"cmd\":\"ban\",\"ip\":\"1.2.3.4\",\"for\":\"99999999999999999999w\"}\n",
        b"{\"cmd\":\"ban\",\"ip\":\"1.2.3.4\",\"jail\":\"\\u0000\"}\n",
        b"{\"cmd\":\"frobnicate\"}\n",
        b"{\"cmd\":\"unban\"}\n",
        b"\xff\xfe\x00\n",
        &[b'{'; 5000],
        &[0; 100_000],
    ] {
        let reply = say(garbage);
        assert!(!reply.contains("\"ok\":true"), "{reply}");
        assert!(
            reply.lines().all(|l| Value::parse(l).is_some_and(|v| v.get("error").is_some())),
            "{reply}"
        );
    }
    // A last request without its newline is answered; half of one is refused.
    assert_eq!(say(b"{\"cmd\":\"bans\"}"), "{\"ok\":true,\"count\":0}\n");
    assert!(say(b"{\"cmd\":\"unban\",\"all\":tr").contains("\"ok\":false"));
    let both = say(b"nonsense\n{\"cmd\":\"version\"}\n");
    assert_eq!(both.lines().count(), 2, "{both}");
    // More clients than there is room for, all silent.
    let silent: Vec<_> =
        (0..50).map(|_| UnixStream::connect(daemon.folder.path("socket")).expect("the socket")).collect();
    daemon.ask(&["status"]).exits(0);
    drop(silent);
    assert_eq!(daemon.ask(&["bans"]).exits(0).out, "Nobody is banned.\n");
    daemon.stop();
}

#[test]
fn a_second_daemon_leaves_the_first_ones_socket_alone() {
    let daemon = Daemon::start("second");
    let conf = daemon.folder.path("conf");
    let mut second =
        command(&["run", "--dry-run", "-c", &conf]).stderr(Stdio::piped()).spawn().expect("starts");
    let mut log = BufReader::new(second.stderr.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("ready") && log.read_line(&mut said).expect("the log") > 0 {}
    if said.contains("ready") {
        let pid = second.id().to_string();
        Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().expect("sh");
    }
    second.wait().expect("it ends");
    assert!(said.contains("another edgeban"), "{said}");
    daemon.ask(&["status"]).exits(0);
    daemon.stop();
}

#[test]
fn a_socket_that_cannot_be_is_named() {
    let long = format!("/{}", "x".repeat(200));
    for path in ["", &long] {
        edgeban(&["bans", "-s", path]).exits(1).says(&format!("edgeban: '{path}': "));
    }
    edgeban(&["bans", "-s", "/nonexistent/x"]).exits(1).says("nothing listens on /nonexistent/x");
}

/// The objects of the manual's section on JSON.
fn shown() -> Vec<Value> {
    let section = include_str!("../docs/edgeban.8").split("\n.Sh ").find(|part| part.starts_with("JSON\n"));
    let blocks = section.expect("the section").split(".Bd -literal -offset indent\n").skip(1);
    let objects = blocks.filter_map(|block| Some(block.split_once("\n.Ed")?.0.replace('\n', "")));
    objects.map(|text| Value::parse(&text).unwrap_or_else(|| panic!("no JSON: {text}"))).collect()
}

#[test]
fn the_manual_shows_what_json_has() {
    let daemon = Daemon::start("manual");
    daemon.ask(&["ban", "192.0.2.7"]).exits(0);
    let line = "2026-11-20T10:00:00Z gw sshd[1]: Failed password for root from 203.0.113.9 port 1 ssh2\n";
    let log = daemon.folder.file("log", line.repeat(5));
    let first = |run: Run| run.exits(0).json().swap_remove(0);
    let told = [
        edgeban(&["test", "--json", &log]),
        edgeban(&["replay", "--json", &log]),
        daemon.ask(&["bans", "--json"]),
        daemon.ask(&["status", "--json"]),
        edgeban(&["filters", "sshd", "--json"]),
    ]
    .map(first);
    let shown = shown();
    assert_eq!(shown.len(), told.len());
    for (shown, told) in shown.iter().zip(&told) {
        assert_eq!(keys(shown), keys(told));
        for list in ["failures", "jails", "sources", "sinks", "rules"] {
            let of = |object: &Value| {
                let item = object.get(list)?.items().first()?;
                Some(keys(item).into_iter().map(String::from).collect::<Vec<_>>())
            };
            assert_eq!(of(shown), of(told), "{list}");
        }
    }
    daemon.stop();
}
