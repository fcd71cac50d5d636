//! What a real sshd and a real dropbear log of hostile clients: the filters know each line that they should, and no
//! client makes another address count. Needs what `end_to_end.rs` needs.

#[allow(unreachable_pub)] // Shared: each test binary uses a part of it.
mod common;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/net.rs"]
mod net;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/running.rs"]
mod running;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/site.rs"]
mod site;

use core::time::Duration as Wait;
use edgeban::host::value::Value;
use running::{Edgeban, PROGRAM, until};
use site::{DROPBEAR, SERVER, SSHD, Site, at, with_site};
use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Who the clients say they are.
const NAMES: [&str; 18] = [
    "x from 9.9.9.9 port 1 ssh2",
    "root from 198.51.100.1 port 22 ssh2",
    "root from 198.51.100.1 port 22",
    "x from 2001:db8:9::9 port 22 ssh2: RSA SHA256:abc",
    "x' from 9.9.9.9:22",
    "' from 9.9.9.9:22\n<38>Nov 22 20:00:00 dropbear[1]: Bad password attempt for 'root' from 9.9.9.9:22",
    "\nNov 22 20:00:00 host sshd[1]: Failed password for root from 9.9.9.9 port 22 ssh2",
    "a\r\n<38>sshd[1]: Failed password for root from 9.9.9.9 port 22 ssh2\r\n",
    "x\x1b[2J\x07 from 9.9.9.9 port 1",
    "9.9.9.9",
    "[preauth]",
    "x 9.9.9.9 port 22 [preauth]",
    "Connection from 9.9.9.9 port 22 on 10.9.0.1 port 22",
    "authenticating user root 9.9.9.9 port 22",
    "x: Auth fail",
    "rhost=9.9.9.9 user=root",
    " ",
    "\u{ff}\u{20ac} from 9.9.9.9",
];

/// What they send before any key exchange.
const BANNERS: [&str; 12] = [
    "SSH-2.0-x from 9.9.9.9\r\n",
    "SSH-2.0-x from 9.9.9.9 port 22\r\n",
    "SSH-1.5-x from 9.9.9.9\r\n",
    "SSH-9.9-' from 9.9.9.9 port 22\r\n",
    "' from 9.9.9.9 port 22\r\n",
    "GET / HTTP/1.1\r\nHost: 9.9.9.9\r\n\r\n",
    "\0\0\0\0 from 9.9.9.9\r\n",
    "\n\n\n<38>sshd[1]: Failed password for root from 9.9.9.9 port 22 ssh2\n",
    "Did not receive identification string from 9.9.9.9 port 22\r\n",
    "x\r\nSSH-2.0-y\r\nBad packet length from 9.9.9.9 port 22\r\n",
    "SSH-2.0-%s%n%x from 9.9.9.9\r\n",
    "",
];

/// Lists at the first failure and drops nobody, so that every client gets to try all it has.
const CONF: &str = "
config edgeban 'global'
	option state_dir 'STATE'
	option action 'log'
config source
	option kind 'unix'
	option path 'SOCKET'
config jail 'sshd'
	option filter 'sshd'
	option mode 'aggressive'
	option maxretry '1'
	option bantime '1h'
config jail 'dropbear'
	option filter 'dropbear'
	option mode 'aggressive'
	option maxretry '1'
	option bantime '1h'
";

/// Passes what comes to `/dev/log` on to edgeban and keeps it.
fn tap(to: std::path::PathBuf) -> Arc<Mutex<Vec<Vec<u8>>>> {
    let log = UnixDatagram::bind("/dev/log").expect("a socket");
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = kept.clone();
    std::thread::spawn(move || {
        let (out, mut buf) = (UnixDatagram::unbound().expect("a socket"), vec![0; 65536]);
        while let Ok(len) = log.recv(&mut buf) {
            if buf[..len] == *b"the end" {
                break;
            }
            keep.lock().expect("a list").push(buf[..len].to_vec());
            out.send_to(&buf[..len], &to).expect("edgeban");
        }
    });
    kept
}

/// Connects, sends `bytes`, and reads until the daemon hangs up or has had its time.
fn raw(site: &Site, client: usize, to: &str, bytes: Vec<u8>) -> std::thread::JoinHandle<()> {
    let mut stream = site.clients[client].reaches(to);
    std::thread::spawn(move || {
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream.set_read_timeout(Some(Wait::from_secs(3))).expect("set");
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// What a filter says of each line.
fn verdicts(site: &Site, filter: &str, lines: &[Vec<u8>]) -> Vec<Value> {
    let file = site.folder.join("lines");
    // A datagram is one line, whatever is in it; in a file a newline would end it.
    let flat = |byte: &u8| if *byte == b'\n' { b' ' } else { *byte };
    let text: Vec<u8> = lines.iter().flat_map(|line| line.iter().map(flat).chain([b'\n'])).collect();
    std::fs::write(&file, text).expect("a file");
    let mut test = Command::new(PROGRAM);
    test.args(["test", "--json", "--filter", filter, "--set", "mode=aggressive"]).arg(&file);
    let out = String::from_utf8(test.output().expect("edgeban").stdout).expect("text");
    let all: Vec<_> =
        out.lines().map(|line| Value::parse(line).unwrap_or_else(|| panic!("{line}"))).collect();
    assert_eq!(all.len(), lines.len(), "{filter}: a verdict a line");
    all
}

/// Edgeban, the daemons, and what they log.
fn start(site: &mut Site) -> (Edgeban, Arc<Mutex<Vec<Vec<u8>>>>) {
    let socket = site.folder.join("log");
    let conf = CONF.replace("SOCKET", &socket.display().to_string());
    let edgeban = Edgeban::start(site.folder.path(), &conf, &[], &[]);
    let kept = tap(socket);
    site.daemons();
    for port in [SSHD, DROPBEAR] {
        site.clients[0].reaches(&at(SERVER[0], port));
    }
    (edgeban, kept)
}

/// Waits until the daemons have nothing more to say and edgeban has read all of it.
fn finish(edgeban: &Edgeban, kept: &Mutex<Vec<Vec<u8>>>) -> Vec<Vec<u8>> {
    let count = || kept.lock().expect("a list").len();
    let mut quiet = (count(), std::time::Instant::now());
    until("the end of the log", 60, || {
        if count() != quiet.0 {
            quiet = (count(), std::time::Instant::now());
        }
        quiet.1.elapsed() > Wait::from_secs(1)
    });
    until("all lines", 20, || edgeban.counter("engine", "lines") == count() as i64);
    kept.lock().expect("a list").clone()
}

/// `least` lines are expected to show a name or a banner with an address that is not the client's.
fn only_the_client_counts(port: u16, filter: &'static str, least: usize) {
    with_site(move |site| {
        let (edgeban, kept) = start(site);
        let long = [64, 200, 900, 2000].map(|n| format!("{} from 9.9.9.9 port 22 ssh2", "a".repeat(n)));
        let names: Vec<&str> = NAMES.into_iter().chain(long.iter().map(String::as_str)).collect();
        // Four addresses; dropbear lets five connections of each in at a time that are not known yet.
        for some in names.chunks(8) {
            let mut tries = Vec::new();
            for (i, user) in some.iter().enumerate() {
                let (client, server) = (i % 2, SERVER[i / 2 % 2]);
                tries.push(site.dbclient_started(client, server, port, user));
                // Newer OpenSSH clients refuse some of the names themselves.
                tries.push(site.ssh_started(client, server, port, user));
            }
            tries.iter_mut().for_each(|client| _ = client.ends());
        }
        let long = " from 9.9.9.9 port 22".repeat(3000);
        let talks: Vec<_> = BANNERS
            .into_iter()
            .chain([long.as_str()])
            .enumerate()
            .map(|(i, b)| raw(site, i % 2, &at(SERVER[i / 2 % 2], port), b.as_bytes().to_vec()))
            .collect();
        talks.into_iter().for_each(|talk| talk.join().expect("a talk"));
        let lines = finish(&edgeban, &kept);
        let text: Vec<_> = lines.iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect();
        assert_eq!(
            edgeban.bans(),
            ["10.8.1.2", "10.8.2.2", "fd0a:1::/64", "fd0a:2::/64"],
            "{}",
            text.join("\n")
        );
        let forged =
            text.iter().filter(|line| line.contains("9.9.9.9") || line.contains("198.51.")).count();
        println!("{filter}: {} lines, {forged} of them with a forged address", lines.len());
        assert!(forged >= least, "{}", text.join("\n"));
        for (line, verdict) in text.iter().zip(verdicts(site, filter, &lines)) {
            let failures = verdict.get("failures").expect("failures").items();
            for ip in failures.iter().chain([&verdict]).filter_map(|v| v.get("ip")) {
                assert!(
                    ["", "10.8.1.2", "10.8.2.2", "fd0a:1::2", "fd0a:2::2"].contains(&ip.text()),
                    "{ip:?}: {line}"
                );
            }
        }
    });
}

#[test]
fn only_the_client_counts_with_sshd() {
    only_the_client_counts(SSHD, "sshd", 30);
}

#[test]
fn only_the_client_counts_with_dropbear() {
    // It does not tell names that no account has.
    only_the_client_counts(DROPBEAR, "dropbear", 0);
}

#[test]
fn the_daemons_lines_are_known() {
    with_site(|site| {
        let (edgeban, kept) = start(site);
        for (port, filter, app, failed, entered) in [
            (SSHD, "sshd", "sshd", "Failed password for", "Accepted "),
            (
                DROPBEAR,
                "dropbear",
                "dropbear",
                "Bad password attempt for 'guest'",
                "auth succeeded for 'guest'",
            ),
        ] {
            let before = kept.lock().expect("a list").len();
            let key = site.folder.join("client_key");
            for (server, client) in SERVER.into_iter().zip(["10.8.1.2", "fd0a:1::2"]) {
                let from = kept.lock().expect("a list").len();
                assert!(!site.ssh(0, server, port, "guest", "wrong").status.success());
                site.dbclient_started(0, server, port, "guest").ends();
                assert!(site.ssh(0, server, port, "guest", "right").status.success());
                if port == SSHD {
                    let key = key.display();
                    let line = format!(
                        "ssh -F /dev/null -i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
                         -l guest {server} true </dev/null"
                    );
                    site.clients[0].run(move || net::run(&line));
                }
                let lines = finish(&edgeban, &kept).split_off(from);
                let (mut fails, mut gains) = (0, 0);
                for (line, verdict) in lines.iter().zip(verdicts(site, filter, &lines)) {
                    let text = String::from_utf8_lossy(line);
                    let told = |name: &str| verdict.get(name).expect(name).text();
                    if text.contains(failed) {
                        assert_eq!(
                            (told("verdict"), told("ip"), told("user")),
                            ("fail", client, "guest"),
                            "{text}"
                        );
                        assert_eq!(verdict.get("failures").expect("failures").items().len(), 1, "{text}");
                        fails += 1;
                    } else if text.contains(entered) {
                        assert_eq!((told("verdict"), told("ip")), ("gain", client), "{text}");
                        gains += 1;
                    }
                }
                assert!(fails >= 2 && gains > usize::from(port == SSHD), "{fails} {gains}");
            }
            // Lines of the daemon's that mean nothing to the filter, for the eye.
            let lines = finish(&edgeban, &kept).split_off(before);
            for (line, verdict) in lines.iter().zip(verdicts(site, filter, &lines)) {
                let text = String::from_utf8_lossy(line);
                if verdict.get("verdict").expect("a verdict").text() == "none" && text.contains(app) {
                    println!("{filter} says nothing of: {text}");
                }
            }
        }
    });
}
