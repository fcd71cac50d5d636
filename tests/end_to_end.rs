//! From a real daemon's log line to a dropped packet, in namespaces that the test makes: sshd and dropbear, IPv4
//! and IPv6. Needs root, `nft`, `ip`, `ssh`, `sshpass`, sshd, dropbear and dbclient.

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
use net::run;
use running::{Edgeban, until};
use site::{DROPBEAR, ECHO, SERVER, SSHD, at, banner, with_site};
use std::io::{ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

const CONF: &str = "
config edgeban 'global'
	option state_dir 'STATE'
	option firewall 'nftables'
config source
	option kind 'unix'
	option path '/dev/log'
config jail 'sshd'
	option filter 'sshd'
	option maxretry '3'
	option findtime '10m'
	option bantime '10s'
config jail 'dropbear'
	option filter 'dropbear'
	option maxretry '3'
	option findtime '10m'
	option bantime '10s'
";

/// A client that fails three times on `port` is shut out of every port, and let in again after `bantime`.
fn a_guesser_is_shut_out(port: u16, jail: &'static str, family: usize) {
    with_site(move |site| {
        let server = SERVER[family];
        let (door, echo) = (at(server, port), at(server, ECHO));
        let target = ["10.8.1.2", "fd0a:1::/64"][family];
        let edgeban = Edgeban::start(site.folder.path(), CONF, &[], &[]);
        site.daemons();
        site.echo();
        let [guesser, other] = [&site.clients[0], &site.clients[1]];
        for client in [guesser, other] {
            assert!(banner(&mut client.reaches(&door)).starts_with("SSH-2.0-"));
        }
        let mut talk = guesser.reaches(&echo);
        let mut buf = [0; 6];
        talk.write_all(b"before").expect("sent");
        talk.read_exact(&mut buf).expect("an echo");

        // The right password is no failure, and two wrong ones are not enough.
        let out = site.ssh(0, server, port, "guest", "right");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        for user in ["root", "guest"] {
            assert!(!site.ssh(0, server, port, user, "wrong").status.success());
        }
        assert_eq!(edgeban.bans(), [""; 0]);
        guesser.reaches(&door);
        let _third = site.ssh_started(0, server, port, "root");
        until("a ban", 20, || edgeban.bans() == [target]);
        assert_eq!(edgeban.listed()[0].get("jail").expect("a jail").text(), jail);

        // New connections time out, on every port; the one that stood stalls; the other client does not notice.
        guesser.fails(&door);
        guesser.fails(&echo);
        talk.write_all(b"during").expect("sent");
        talk.set_read_timeout(Some(Wait::from_millis(300))).expect("set");
        assert_eq!(talk.read(&mut buf).map_err(|e| e.kind()), Err(ErrorKind::WouldBlock));
        assert!(banner(&mut other.reaches(&door)).starts_with("SSH-2.0-"));

        run("nft flush ruleset");
        let back = until("the ban after a flush", 5, || {
            let listed =
                std::process::Command::new("nft").args(["list", "table", "inet", "edgeban"]).output();
            String::from_utf8_lossy(&listed.expect("nft").stdout).contains(target.trim_end_matches("/64"))
        });
        guesser.fails(&door);
        println!("{jail} on {server}: the ban is back {back:?} after `nft flush ruleset`");

        // Nobody does anything, and it is over.
        assert!(banner(&mut guesser.reaches(&door)).starts_with("SSH-2.0-"));
        talk.set_read_timeout(Some(Wait::from_secs(60))).expect("set");
        talk.read_exact(&mut buf).expect("what stalled");
        assert_eq!(&buf, b"during");
        until("an empty list", 20, || edgeban.bans().is_empty());
        let out = site.ssh(0, server, port, "guest", "right");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    });
}

/// Both families at the same time, since they mostly wait; each has a server of its own.
fn over_both_families(port: u16, jail: &'static str) {
    let tests = [0, 1].map(|family| std::thread::spawn(move || a_guesser_is_shut_out(port, jail, family)));
    for test in tests {
        if let Err(panic) = test.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn a_guesser_is_shut_out_of_sshd() {
    over_both_families(SSHD, "sshd");
}

#[test]
fn a_guesser_is_shut_out_of_dropbear() {
    over_both_families(DROPBEAR, "dropbear");
}

/// From the write of the line that bans to the first packet that does not arrive. Prints figures; asserts none.
#[test]
fn latency_from_line_to_drop() {
    const ROUNDS: usize = 20;
    with_site(|site| {
        let conf = CONF.replace("maxretry '3'", "maxretry '1'").replace("'10s'", "'1h'");
        let _edgeban = Edgeban::start(site.folder.path(), &conf, &[], &[]);
        let client = &site.clients[0];
        let log = UnixDatagram::unbound().expect("a socket");
        let start = Instant::now();
        let mut took = Vec::new();
        for round in 0..ROUNDS {
            let from = format!("10.8.1.{}", 10 + round);
            let receiver = UdpSocket::bind((SERVER[0], 0)).expect("a port");
            let port = receiver.local_addr().expect("an address").port();
            receiver.set_read_timeout(Some(Wait::from_millis(200))).expect("set");
            let source = from.clone();
            // Each packet says when it left. The first that left after the last that arrived was dropped.
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            let sending = client.start(move || {
                run(&format!("ip addr add {source}/24 dev outer"));
                let socket = UdpSocket::bind((source.as_str(), 0)).expect("a port");
                socket.connect((SERVER[0], port)).expect("connected");
                // SAFETY: no memory is passed. Short pauses are to be short.
                unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
                let mut left = Vec::new();
                while stopped.try_recv().is_err() {
                    let at = start.elapsed().as_nanos() as u64;
                    let _ = socket.send(&at.to_be_bytes());
                    left.push(at);
                    std::thread::sleep(Wait::from_micros(20));
                }
                left
            });
            let mut buf = [0; 8];
            until("the first packet", 10, || receiver.recv(&mut buf).is_ok());
            let line = format!(
                "<38>Nov 22 20:00:00 dropbear[7]: Bad password attempt for 'root' from {from}:4000"
            );
            let written = start.elapsed().as_nanos() as u64;
            log.send_to(line.as_bytes(), "/dev/log").expect("written");
            let mut last = written;
            let end = Instant::now() + Wait::from_secs(20);
            while receiver.recv(&mut buf).is_ok() {
                last = u64::from_be_bytes(buf).max(last);
                assert!(Instant::now() < end, "{from} is not dropped");
            }
            stop.send(()).expect("a sender");
            let left = sending.recv().expect("its end");
            let dropped = left.into_iter().find(|at| *at > last).expect("a packet that was dropped");
            took.push(Wait::from_nanos(dropped - written));
        }
        took.sort();
        println!(
            "from line to drop: median {:?}, {:?} to {:?}",
            took[ROUNDS / 2],
            took[0],
            took[ROUNDS - 1]
        );
        assert_eq!(took.len(), ROUNDS);
    });
}
