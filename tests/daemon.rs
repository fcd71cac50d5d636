//! The daemon as its users meet it: what it does without rights, on signals, over a restart, and that no line is lost.

#[allow(unreachable_pub)] // Shared: each test binary uses a part of it.
mod common;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/net.rs"]
mod net;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/running.rs"]
mod running;

use net::run;
use running::{Edgeban, Folder, PROGRAM, until};
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::net::TcpStream;

const CONF: &str = "
config edgeban 'global'
	option state_dir 'STATE'
config source
	option kind 'tcp'
	option listen '127.0.0.1:5514'
config jail 'sshd'
	option filter 'sshd'
	option maxretry '2'
	option bantime '1h'
";

/// A configuration with one file to read.
fn file_conf(log: &std::path::Path) -> String {
    let source = format!("option kind 'file'\n\toption path '{}'", log.display());
    CONF.replace("option kind 'tcp'\n\toption listen '127.0.0.1:5514'", &source)
}

fn in_namespace(test: impl FnOnce() + Send + 'static) {
    net::in_namespace(libc::CLONE_NEWNET, &["nft", "ip"], test);
}

#[test]
fn without_permission_bans_are_kept_and_it_is_said() {
    in_namespace(|| {
        if !net::have("setpriv") {
            return common::cannot("no setpriv");
        }
        let folder = Folder::new();
        run(&format!("chmod 777 {}", folder.path().display()));
        // The program lies where only its owner may go, perhaps.
        let program = folder.join("edgeban");
        fs::copy(PROGRAM, &program).expect("a copy");
        let before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
        let edgeban = Edgeban::start_as(&program, folder.path(), CONF, &before, &[]);
        edgeban.running.says("no permission to change nftables");
        edgeban.running.says("bans are kept in memory only, NO PACKET IS DROPPED");
        assert!(edgeban.ask(&["ban", "192.0.2.7"]).0);
        assert_eq!(edgeban.bans(), ["192.0.2.7"]);
        let (_, status) = edgeban.ask(&["status"]);
        assert!(status.contains("no permission"), "{status}");
    });
}

#[test]
fn own_addresses_are_not_banned_by_order_or_line() {
    in_namespace(|| {
        run("ip link add dummy type veth peer name other && ip addr add 10.7.0.1/24 dev dummy");
        run("ip link set dummy up && ip link set other up && ip route add default via 10.7.0.254");
        let folder = Folder::new();
        let edgeban = Edgeban::start(folder.path(), CONF, &[], &[]);
        for own in ["10.7.0.1", "127.0.0.1", "10.7.0.254", "10.0.0.0/8"] {
            let (good, said) = edgeban.ask(&["ban", own]);
            assert!(!good && said.contains("never banned"), "{own}: {said}");
        }
        let mut log = TcpStream::connect("127.0.0.1:5514").expect("a source");
        for ip in ["10.7.0.1", "10.7.0.254", "10.7.0.9"] {
            for _ in 0..5 {
                writeln!(
                    log,
                    "<38>Nov 22 20:00:00 sshd[1]: Failed password for root from {ip} port 22 ssh2"
                )
                .expect("written");
            }
        }
        until("all lines", 20, || edgeban.counter("engine", "lines") == 15);
        assert_eq!(edgeban.bans(), ["10.7.0.9"]);
        assert_eq!(edgeban.counter("engine", "allowed"), 10);
    });
}

#[test]
fn a_broken_configuration_is_not_loaded() {
    let folder = Folder::new();
    let log = folder.join("log");
    fs::write(&log, "").expect("a log");
    let conf = file_conf(&log);
    let mut edgeban = Edgeban::start(folder.path(), &conf, &[], &["--dry-run"]);
    let path = folder.join("edgeban.conf").display().to_string();
    for (bad, line, why) in [
        (conf.replace("maxretry '2'", "maxretry 'two'"), 9, "not a whole number"),
        (conf.replace("option bantime", "option bentime"), 10, "bentime"),
        (conf.replace("filter 'sshd'", "filter 'sshhd'"), 8, "sshhd"),
    ] {
        Edgeban::configure(folder.path(), &bad);
        edgeban.running.signal(libc::SIGHUP);
        edgeban.running.says(&format!("{path}:{line}: "));
        edgeban.running.says(why);
        edgeban.running.says("the old one stays in force");
        let (good, said) = edgeban.ask(&["reload"]);
        assert!(!good && said.contains(&format!("{path}:{line}: ")), "{said}");
    }
    let mut file = File::options().append(true).open(&log).expect("the log");
    let failure = "Nov 22 20:00:00 h sshd[1]: Failed password for root from 192.0.2.9 port 22 ssh2\n";
    file.write_all(failure.repeat(2).as_bytes()).expect("written");
    until("a ban under the old configuration", 20, || edgeban.bans() == ["192.0.2.9"]);
    Edgeban::configure(folder.path(), &conf.replace("maxretry '2'", "maxretry '1'"));
    edgeban.running.signal(libc::SIGHUP);
    edgeban.running.says("reloaded");
    file.write_all(failure.replace(".9", ".10").as_bytes()).expect("written");
    until("a ban under the new one", 20, || edgeban.bans() == ["192.0.2.10", "192.0.2.9"]);
    edgeban.running.signal(libc::SIGTERM);
    assert_eq!(edgeban.running.ends(), Some(0));
}

#[test]
fn a_control_socket_that_is_not_there_comes() {
    let (folder, other) = (Folder::new(), Folder::new());
    let none = |folder: &Folder| {
        let conf = file_conf(&folder.join("log"));
        conf.replace("option state_dir", "option firewall 'none'\n\toption state_dir")
    };
    let edgeban = Edgeban::start(folder.path(), &none(&folder), &[], &[]);
    Edgeban::configure(other.path(), &none(&other));
    let socket = other.join("later/socket");
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["run", "-c"]).arg(other.join("edgeban.conf")).arg("-s").arg(&socket);
    let running = running::Running::start(&mut command);
    running.says("ready");
    // One has no folder yet, the other is removed.
    running.says("no control socket");
    fs::create_dir(other.join("later")).expect("a folder");
    fs::remove_file(folder.join("edgeban.sock")).expect("removed");
    edgeban.running.says("was removed, made anew");
    assert!(edgeban.ask(&["status"]).0);
    until("the other one", 20, || socket.exists());
}

#[test]
fn who_was_unbanned_by_order_stays_so_over_a_crash() {
    let folder = Folder::new();
    let log = folder.join("log");
    fs::write(&log, "").expect("a log");
    let conf = file_conf(&log).replace("option state_dir", "option firewall 'none'\n\toption state_dir");
    // The state is there from now on.
    let mut edgeban = Edgeban::start(folder.path(), &conf, &[], &[]);
    edgeban.running.signal(libc::SIGTERM);
    assert_eq!(edgeban.running.ends(), Some(0));
    let mut edgeban = Edgeban::start(folder.path(), &conf, &[], &[]);
    write_lines(File::options().append(true).open(&log).expect("the log"), 0, 2);
    let ip = "198.18.0.0";
    write_lines(File::options().append(true).open(&log).expect("the log"), 0, 2);
    until("a ban", 20, || edgeban.bans() == [ip]);
    assert!(edgeban.ask(&["unban", ip]).0);
    edgeban.running.signal(libc::SIGKILL);
    assert_eq!(edgeban.running.ends(), None);
    let edgeban = Edgeban::start(folder.path(), &conf, &[], &[]);
    write_lines(File::options().append(true).open(&log).expect("the log"), 1, 1);
    until("the last line", 20, || edgeban.counter("engine", "lines") >= 1);
    assert_eq!((edgeban.bans(), edgeban.counter("engine", "failures")), (vec![], 0));
}

#[test]
fn old_lines_under_the_name_ban_nobody_and_new_ones_do() {
    let folder = Folder::new();
    let log = folder.join("log");
    fs::write(&log, "").expect("a log");
    let edgeban = Edgeban::start(folder.path(), &file_conf(&log), &[], &["--dry-run"]);
    let line =
        |ip: u32| format!("<38>sshd[1]: Failed password for root from 198.51.100.{ip} port 22 ssh2\n");
    let dated = |ago: &str, ip: u32| {
        let stamp = run(&format!("date -d '-{ago}' '+%b %e %T' 2>/dev/null || date '+%b %e %T'"));
        format!("{} h {}", stamp.trim_end(), &line(ip)[4..]).repeat(2)
    };
    let mut late = 0;
    let mut old = |how: &str, put: &dyn Fn(&str)| {
        put(&dated("2 hours", 1));
        late += 2;
        // A machine that is not up for so long cannot tell how old they are.
        until(how, 20, || edgeban.counter("jail", "late") + edgeban.counter("engine", "undated") == late);
    };
    old("removed and copied to the name", &|text| {
        fs::remove_file(&log).expect("removed");
        fs::write(folder.join("old"), text).expect("a copy");
        fs::copy(folder.join("old"), &log).map(drop).expect("copied");
    });
    old("copied over", &|text| {
        fs::write(folder.join("old"), format!("a line\n{text}")).expect("a copy");
        fs::copy(folder.join("old"), &log).map(drop).expect("copied");
    });
    old("written after it was emptied", &|text| {
        let before = edgeban.counter("source", "truncated");
        File::create(&log).expect("emptied");
        until("emptied", 20, || edgeban.counter("source", "truncated") > before);
        fs::write(&log, text).expect("written");
    });
    assert!(edgeban.bans().is_empty(), "{:?}", edgeban.bans());
    // What a daemon writes as soon as it has the new file counts, with a date and without.
    fs::rename(&log, folder.join("log.1")).expect("renamed");
    fs::write(&log, dated("0 hours", 2) + &line(3).repeat(2)).expect("written");
    until("the bans", 20, || edgeban.bans() == ["198.51.100.2", "198.51.100.3"]);
}

/// Lines of which every hundredth is a failure, as logs have them. They are from now: files that have just appeared are
/// judged by their stamps.
fn write_lines(out: impl Write, from: usize, count: usize) {
    let stamp = run("date '+%b %e %T'");
    let stamp = stamp.trim_end();
    let mut out = BufWriter::with_capacity(1 << 16, out);
    for n in from..from + count {
        if n.is_multiple_of(100) {
            let (a, b) = (n / 100 % 250, n / 25_000);
            writeln!(out, "{stamp} h sshd[{n}]: Failed password for root from 198.18.{b}.{a} port 22 ssh2")
        } else {
            writeln!(out, "{stamp} h cron[{n}]: (root) CMD (test -x /usr/sbin/anacron)")
        }
        .expect("written");
    }
    out.flush().expect("written");
}

#[test]
fn a_million_lines_of_a_file_that_is_rotated_ten_times_are_counted() {
    const EACH: usize = 100_000;
    let folder = Folder::new();
    let log = folder.join("log");
    File::create(&log).expect("a log");
    let edgeban = Edgeban::start(folder.path(), &file_conf(&log), &[], &["--dry-run"]);
    for round in 0..10 {
        // As logrotate does it: the writer keeps the old file open for a while after it has its new name.
        let file = File::options().append(true).create(true).open(&log).expect("a log");
        write_lines(&file, round * EACH, EACH / 2);
        fs::rename(&log, folder.join(&format!("log.{round}"))).expect("renamed");
        write_lines(&file, round * EACH + EACH / 2, EACH / 4);
        let new = File::options().append(true).create(true).open(&log).expect("a log");
        write_lines(&file, round * EACH + EACH * 3 / 4, EACH / 8);
        write_lines(&new, round * EACH + EACH * 7 / 8, EACH / 8);
    }
    let took = until("a million lines", 100, || edgeban.counter("engine", "lines") >= 1_000_000);
    println!("a million lines read {took:?} after the last was written");
    assert_eq!(edgeban.counter("engine", "lines"), 1_000_000);
    assert_eq!(edgeban.counter("engine", "failures"), 10_000);
    assert_eq!(edgeban.counter("source", "rotated"), 10);
}

#[test]
fn a_hundred_thousand_lines_over_tcp_are_counted() {
    let folder = Folder::new();
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let conf = CONF.replace("5514", &port.to_string());
    let edgeban = Edgeban::start(folder.path(), &conf, &[], &["--dry-run"]);
    let writers: Vec<_> = (0..2)
        .map(|half| {
            let stream = TcpStream::connect(("127.0.0.1", port)).expect("a source");
            std::thread::spawn(move || write_lines(stream, half * 50_000, 50_000))
        })
        .collect();
    writers.into_iter().for_each(|w| w.join().expect("a writer"));
    until("100,000 lines", 60, || edgeban.counter("engine", "lines") >= 100_000);
    assert_eq!(edgeban.counter("engine", "lines"), 100_000);
    assert_eq!(edgeban.counter("engine", "failures"), 1_000);
}

#[test]
fn what_others_take_from_the_table_comes_back() {
    in_namespace(|| {
        let folder = Folder::new();
        run("nft 'add table inet other; add set inet other s { type ipv4_addr; }'");
        run("nft add element inet other s '{ 192.0.2.7 }'");
        let edgeban = Edgeban::start(folder.path(), CONF, &[], &[]);
        assert!(edgeban.ask(&["ban", "192.0.2.7"]).0);
        let whole = || {
            let listed =
                std::process::Command::new("nft").args(["list", "table", "inet", "edgeban"]).output();
            let text = listed.expect("nft").stdout;
            let text = String::from_utf8_lossy(&text);
            text.contains("192.0.2.7 timeout ") && text.contains("@ban4 counter")
        };
        until("the ban in the kernel", 20, whole);
        for damage in [
            "nft flush set inet edgeban ban4",
            "nft 'delete element inet edgeban ban4 { 192.0.2.7 }'",
            "nft flush chain inet edgeban prerouting",
            "nft delete table inet edgeban",
        ] {
            run(damage);
            let took = until(damage, 20, whole);
            println!("{damage}: whole again {took:?} later");
        }
        assert!(run("nft list table inet other").contains("192.0.2.7"), "others' tables are theirs");
    });
}

/// edgeban on a router: what it forwards is dropped too, new and established, and by jails with ports on those.
#[test]
fn what_is_forwarded_is_dropped() {
    in_namespace(|| {
        let folder = Folder::new();
        let peer = |link: &str, net: u8| {
            let (here, there) = (format!("10.7.{net}.1"), format!("10.7.{net}.2"));
            let (here6, there6) = (format!("fd07:{net}::1"), format!("fd07:{net}::2"));
            let peer = net::Peer::new(
                link,
                &[&format!("{here}/24"), &format!("{here6}/64")],
                &[&format!("{there}/24"), &format!("{there6}/64")],
            );
            peer.run(move || {
                run(&format!("ip route add default via {here}; ip -6 route add default via {here6}"))
            });
            peer
        };
        let (client, server) = (peer("outside", 1), peer("inside", 2));
        run("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
        server.run(|| {
            for port in [22, 443] {
                let listener = std::net::TcpListener::bind(("::", port)).expect("a port");
                std::thread::spawn(move || {
                    for stream in listener.incoming().flatten() {
                        std::thread::spawn(move || {
                            let mut from = stream.try_clone().expect("a stream");
                            let _ = std::io::copy(&mut from, &mut &stream);
                        });
                    }
                });
            }
        });
        let conf = CONF.replace("option maxretry", "list port '20-30'\n\toption maxretry");
        let edgeban = Edgeban::start(folder.path(), &conf, &[], &[]);
        for (to, target) in [("10.7.2.2", "10.7.1.2"), ("[fd07:2::2]", "fd07:1::2")] {
            let (ssh, web) = (format!("{to}:22"), format!("{to}:443"));
            let mut buf = [0; 6];
            let mut talk = client.reaches(&ssh);
            talk.write_all(b"before").and_then(|()| talk.read_exact(&mut buf)).expect("an echo");
            drop(client.reaches(&web));
            // By hand without a jail: every port.
            assert!(edgeban.ask(&["ban", target]).0);
            client.fails(&ssh);
            client.fails(&web);
            talk.write_all(b"during").expect("sent");
            talk.set_read_timeout(Some(core::time::Duration::from_millis(300))).expect("set");
            assert_eq!(talk.read(&mut buf).map_err(|e| e.kind()), Err(ErrorKind::WouldBlock), "{target}");
            assert!(edgeban.ask(&["unban", target]).0);
            talk.set_read_timeout(Some(core::time::Duration::from_secs(30))).expect("set");
            talk.read_exact(&mut buf).expect("what stalled");
            assert_eq!(&buf, b"during");
            // In a jail with ports: those.
            assert!(edgeban.ask(&["ban", target, "--jail", "sshd"]).0);
            client.fails(&ssh);
            drop(client.reaches(&web));
        }
    });
}

#[test]
fn ports_may_change_as_often_as_one_likes_and_bans_keep_theirs() {
    in_namespace(|| {
        let folder = Folder::new();
        let conf = |port: u16| {
            CONF.replace("option maxretry", &format!("list port '{port}'\n\toption maxretry"))
                .replace("'sshd'\n\toption filter", &format!("'j{}'\n\toption filter", port % 20))
        };
        let edgeban = Edgeban::start(folder.path(), &conf(22), &[], &[]);
        assert!(edgeban.ask(&["ban", "192.0.2.7", "--jail", "j2"]).0);
        for port in 1000..1080 {
            // Jails that come and go, and come back with other ports.
            Edgeban::configure(folder.path(), &conf(port));
            let (good, said) = edgeban.ask(&["reload"]);
            assert!(good, "{port}: {said}");
        }
        let table = run("nft list table inet edgeban");
        assert!(table.contains("ip saddr @ban4_p1 ") && table.contains("elements = { 22 }"), "{table}");
        assert!(table.contains("elements = { 1079 }"), "{table}");
        assert!(table.matches("set ports_p").count() <= 4, "{table}");
        assert_eq!(edgeban.bans(), ["192.0.2.7"]);
        // The jail is gone; its ban is not. Of those that are gone and have no ban nothing is said.
        let (_, status) = edgeban.ask(&["status"]);
        let jails: Vec<&str> =
            status.lines().filter(|l| l.starts_with('j')).filter_map(|l| l.split(' ').next()).collect();
        assert_eq!(jails, ["j2", "j19"], "{status}");
    });
}

#[test]
fn a_jail_in_the_place_of_one_that_is_gone_begins_anew() {
    let folder = Folder::new();
    let conf =
        |jail: &str| file_conf(&folder.join("log")).replace("jail 'sshd'", &format!("jail '{jail}'"));
    let edgeban = Edgeban::start(folder.path(), &conf("gone"), &[], &["--dry-run"]);
    assert!(edgeban.ask(&["attempt", "198.51.100.1", "--jail", "gone"]).0);
    assert!(edgeban.ask(&["ban", "198.51.100.2", "--jail", "gone"]).0);
    for n in 0..40 {
        let jail = format!("j{n}");
        Edgeban::configure(folder.path(), &conf(&jail));
        assert!(edgeban.ask(&["reload"]).0);
        assert!(edgeban.ask(&["attempt", "198.51.100.1", "--jail", &jail]).0);
        assert_eq!(edgeban.bans(), ["198.51.100.2"], "two failures, each in a jail of its own");
        let by = edgeban.listed()[0].get("jail").expect("jail").text().to_string();
        assert!(by == "gone" || by == "restored", "{by}");
    }
}

#[test]
fn a_second_daemon_is_refused() {
    in_namespace(|| {
        let (folder, other) = (Folder::new(), Folder::new());
        let edgeban = Edgeban::start(folder.path(), CONF, &[], &[]);
        let refused = |folder: &Folder, why: &str| {
            Edgeban::configure(folder.path(), &CONF.replace("5514", "5515"));
            let conf = folder.join("edgeban.conf");
            let socket = folder.join("edgeban.sock");
            let mut command = std::process::Command::new(PROGRAM);
            let mut running =
                running::Running::start(command.arg("run").arg("-c").arg(conf).arg("-s").arg(socket));
            running.says(why);
            assert_eq!(running.ends(), Some(1));
        };
        // With the same control socket, and with another one but the same table.
        refused(&folder, "another edgeban listens there");
        refused(&other, "is an edgeban that bans here already");
        assert!(edgeban.ask(&["ban", "192.0.2.7"]).0, "the first one is as it was");
        // In a network of its own it is no other's business, nor is a dry run.
        drop(Edgeban::start(other.path(), &CONF.replace("5514", "5515"), &[], &["--dry-run"]));
        drop(Edgeban::start(other.path(), CONF, &["unshare", "-n"], &[]));
    });
}

#[test]
fn who_becomes_our_own_or_allowed_is_set_free() {
    in_namespace(|| {
        let folder = Folder::new();
        let edgeban = Edgeban::start(folder.path(), CONF, &[], &[]);
        for target in ["10.7.0.1", "10.7.0.0/24", "10.7.0.2", "10.9.0.1", "198.51.100.7", "2001:db8::/64"] {
            assert!(edgeban.ask(&["ban", target]).0);
        }
        // At once, not when the next look at the addresses is due.
        run("ip addr add 10.7.0.1/32 dev lo");
        until("own addresses free", 20, || {
            edgeban.bans() == ["10.7.0.2", "10.9.0.1", "198.51.100.7", "2001:db8::/64"]
        });
        assert!(!edgeban.ask(&["ban", "10.7.0.1"]).0);
        run("ip link add dummy type veth peer name other && ip addr add 10.9.0.2/24 dev dummy");
        run("ip link set dummy up && ip link set other up && ip route add default via 10.9.0.1");
        until("the gateway free", 20, || edgeban.bans() == ["10.7.0.2", "198.51.100.7", "2001:db8::/64"]);
        // One of two, and one of a table of its own.
        for ip in ["10.9.0.7", "10.9.0.8", "10.9.0.9"] {
            assert!(edgeban.ask(&["ban", ip]).0);
        }
        run("ip route add 10.11.0.0/16 nexthop via 10.9.0.7 nexthop via 10.9.0.8");
        run("ip route add default via 10.9.0.9 table 77");
        until("all gateways free", 20, || edgeban.bans() == ["10.7.0.2", "198.51.100.7", "2001:db8::/64"]);
        let table = run("nft list table inet edgeban");
        assert!(!table.contains("10.7.0.1") && !table.contains("10.9.0.1"), "{table}");

        let allow = "config edgeban 'global'\n\tlist allow '198.51.100.0/24'\n\tlist allow '2001:db8::9'";
        Edgeban::configure(folder.path(), &CONF.replace("config edgeban 'global'", allow));
        assert!(edgeban.ask(&["reload"]).0);
        assert_eq!(edgeban.bans(), ["10.7.0.2"]);
        edgeban.running.says("2 bans lifted");
    });
}

#[test]
fn own_addresses_are_known_while_the_loopback_interface_is_down() {
    in_namespace(|| {
        run("ip addr add 10.44.0.1/24 dev lo && ip link set lo down");
        let folder = Folder::new();
        let edgeban = Edgeban::start(folder.path(), &file_conf(&folder.join("log")), &[], &[]);
        let (good, said) = edgeban.ask(&["ban", "10.44.0.1"]);
        assert!(!good && said.contains("own address"), "{said}");
    });
}

#[test]
fn connections_leave_descriptors_for_everything_else() {
    in_namespace(|| {
        let folder = Folder::new();
        let conf = CONF.replace("5514'", "5514'\n\toption connections '1000'");
        let few = ["sh", "-c", "ulimit -n 100; exec \"$0\" \"$@\""];
        let edgeban = Edgeban::start(folder.path(), &conf, &few, &[]);
        assert!(edgeban.ask(&["ban", "10.7.0.1"]).0);
        let senders: Vec<TcpStream> =
            (0..150).map(|_| TcpStream::connect("127.0.0.1:5514").expect("a source")).collect();
        until("all connections", 20, || edgeban.counter("source", "connections") == 150);
        assert!(edgeban.counter("source", "evicted") > 50, "room was made");
        run("ip addr add 10.7.0.1/32 dev lo");
        until("the address seen", 20, || edgeban.bans().is_empty());
        drop(senders);
    });
}

#[test]
fn who_is_set_free_is_so_in_the_kernel_without_further_ado() {
    in_namespace(|| {
        // IPv6 addresses come up some time later, which would have the daemon go on.
        run("cd /proc/sys/net/ipv6/conf/default 2>/dev/null && echo 1 >disable_ipv6; true");
        run("ip link add dummy type veth peer name other && ip addr add 10.9.0.2/24 dev dummy");
        run("ip link set dummy up && ip link set other up");
        let folder = Folder::new();
        let edgeban = Edgeban::start(folder.path(), CONF, &[], &[]);
        assert!(edgeban.ask(&["ban", "10.9.0.7"]).0);
        run("ip route add 10.11.0.0/16 via 10.9.0.7");
        edgeban.running.says("1 bans lifted");
        // Nor does anybody ask anything meanwhile.
        until("free in the kernel", 20, || !run("nft list set inet edgeban ban4").contains("10.9.0.7"));
    });
}

#[test]
fn signals_that_other_daemons_reopen_logs_at_do_no_harm() {
    let folder = Folder::new();
    let log = folder.join("log");
    fs::write(&log, "").expect("a log");
    let mut edgeban = Edgeban::start(folder.path(), &file_conf(&log), &[], &["--dry-run"]);
    edgeban.running.signal(libc::SIGUSR1);
    edgeban.running.signal(libc::SIGUSR2);
    assert!(edgeban.ask(&["status"]).0);
    edgeban.running.signal(libc::SIGTERM);
    assert_eq!(edgeban.running.ends(), Some(0));
}

#[test]
fn a_daemon_that_is_turned_off_ends_at_once_and_well() {
    let folder = Folder::new();
    Edgeban::configure(folder.path(), "config edgeban 'global'\n\toption enabled '0'\n");
    let mut command = std::process::Command::new(PROGRAM);
    let mut running =
        running::Running::start(command.arg("run").arg("-c").arg(folder.join("edgeban.conf")));
    running.says("option enabled '0': nothing to do");
    assert_eq!(running.ends(), Some(0));
}

#[test]
fn a_tcp_source_has_as_many_connections_as_its_configuration_says() {
    let folder = Folder::new();
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let listen = format!("option listen '127.0.0.1:{port}'\n\toption connections '200'");
    let conf = CONF.replace("option listen '127.0.0.1:5514'", &listen);
    let edgeban = Edgeban::start(folder.path(), &conf, &[], &["--dry-run"]);
    let senders: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("a source")).collect();
    for mut sender in &senders {
        writeln!(sender, "a line").expect("written");
    }
    until("a line of each", 20, || edgeban.counter("source", "lines") == 200);
    assert_eq!(edgeban.counter("source", "evicted"), 0, "no room had to be made");
}

#[test]
fn only_the_journal_is_told_priorities_by_number() {
    let folder = Folder::new();
    let log = folder.join("log");
    let edgeban = Edgeban::start(folder.path(), &file_conf(&log), &[], &["--dry-run"]);
    assert!(!edgeban.running.said().contains("<6>"), "procd keeps it in the text");
    drop(edgeban);
    let journal = "JOURNAL_STREAM=$(stat -Lc %d:%i /dev/fd/2) exec \"$0\" \"$@\"";
    let edgeban = Edgeban::start(folder.path(), &file_conf(&log), &["sh", "-c", journal], &["--dry-run"]);
    edgeban.running.says("<6>ready");
}

#[test]
fn both_families_have_a_socket_on_one_port() {
    in_namespace(|| {
        let folder = Folder::new();
        let mut conf = String::from("config edgeban 'global'\n\toption state_dir 'STATE'\n");
        // Whichever comes first.
        for (kind, listen) in
            [("udp", "0.0.0.0:514"), ("udp", "[::]:514"), ("tcp", "[::]:514"), ("tcp", "0.0.0.0:514")]
        {
            conf += &format!("config source\n\toption kind '{kind}'\n\toption listen '{listen}'\n");
        }
        conf += "config jail 'sshd'\n";
        let edgeban = Edgeban::start(folder.path(), &conf, &[], &[]);
        let (_, status) = edgeban.ask(&["status"]);
        assert!(!status.contains("down"), "{status}");
        for to in ["127.0.0.1:514", "[::1]:514"] {
            writeln!(TcpStream::connect(to).expect("a source"), "a line").expect("written");
            let from = std::net::UdpSocket::bind(if to.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" });
            from.expect("a socket").send_to(b"a line", to).expect("sent");
        }
        until("all lines", 20, || edgeban.counter("engine", "lines") == 4);
    });
}

#[test]
fn a_dry_run_does_not_move_the_place_where_the_next_run_begins() {
    let folder = Folder::new();
    let log = folder.join("log");
    fs::write(&log, "").expect("a log");
    let none = file_conf(&log).replace("option state_dir", "option firewall 'none'\n\toption state_dir");
    let stop = |mut edgeban: Edgeban| {
        edgeban.running.signal(libc::SIGTERM);
        assert_eq!(edgeban.running.ends(), Some(0));
    };
    stop(Edgeban::start(folder.path(), &none, &[], &[]));
    let saved = fs::read(folder.join("state/offsets")).expect("a state");
    fs::write(&log, "a line\n").expect("written");
    stop(Edgeban::start(folder.path(), &none, &[], &["--dry-run"]));
    assert_eq!(fs::read(folder.join("state/offsets")).expect("a state"), saved);
    let edgeban = Edgeban::start(folder.path(), &none, &[], &[]);
    until("the line", 20, || edgeban.counter("engine", "lines") == 1);
}

#[test]
fn bans_outlive_a_restart() {
    in_namespace(|| {
        let folder = Folder::new();
        let ports =
            CONF.replace("option maxretry", "list port '22'\n\tlist port '2200-2300'\n\toption maxretry");
        let mut edgeban = Edgeban::start(folder.path(), &ports, &[], &[]);
        for (target, time) in [
            ("192.0.2.7", "1h"),
            ("192.0.2.8", "permanent"),
            ("198.51.100.0/24", "2h"),
            ("2001:db8:7::/64", "3h"),
            ("10.77.0.1", "1h"),
        ] {
            assert!(edgeban.ask(&["ban", target, "--for", time]).0);
        }
        assert!(edgeban.ask(&["ban", "192.0.2.9", "--jail", "sshd", "--for", "1h"]).0);
        // Many, so that the kernel needs several datagrams to tell them.
        for n in 0..40u8 {
            let mut batch = String::from("add element inet edgeban ban4 {");
            for i in 0..100u8 {
                batch += &format!(" 198.18.{n}.{i} timeout 1h,");
            }
            run(&format!("nft '{batch} 198.19.0.{n} timeout 1h }}'"));
        }
        let bans = edgeban.bans();
        edgeban.running.signal(libc::SIGTERM);
        assert_eq!(edgeban.running.ends(), Some(0));
        assert!(
            run("nft list set inet edgeban net4_24").contains("198.51.100.0 timeout 2h"),
            "left in place"
        );

        // One of them has become ours meanwhile.
        run("ip addr add 10.77.0.1/32 dev lo");
        let mut edgeban = Edgeban::start(folder.path(), &ports, &[], &[]);
        edgeban.running.says("4045 bans of the run before taken over, 1 left out");
        let restored: Vec<_> = edgeban.bans().into_iter().filter(|ip| !ip.starts_with("198.1")).collect();
        let mut wanted: Vec<_> = bans.into_iter().filter(|ip| ip != "10.77.0.1").collect();
        wanted.sort();
        assert_eq!(restored, wanted);
        for ban in edgeban.listed() {
            let (ip, jail) = (ban.get("ip").expect("ip").text(), ban.get("jail").expect("jail").text());
            let number = |name: &str| ban.get(name).and_then(edgeban::host::value::Value::number);
            assert_eq!(jail, "restored", "{ip}");
            match (number("until"), ip) {
                (None, ip) => assert_eq!(ip, "192.0.2.8"),
                (Some(until), "198.51.100.0/24") => {
                    let lasts = until - number("since").expect("since");
                    assert!((7199..=7201).contains(&lasts), "{lasts} s");
                }
                _ => {}
            }
        }
        let table = run("nft list table inet edgeban");
        assert!(
            table.contains("198.51.100.0 timeout 1h59m") || table.contains("198.51.100.0 timeout 2h"),
            "{table}"
        );
        assert!(run("nft list set inet edgeban ban4_p1").contains("192.0.2.9"));

        // Ports that no jail has any more.
        edgeban.running.signal(libc::SIGTERM);
        assert_eq!(edgeban.running.ends(), Some(0));
        let edgeban = Edgeban::start(folder.path(), &ports.replace("'22'", "'23'"), &[], &[]);
        edgeban.running.says("4044 bans of the run before taken over, 1 left out");
        assert!(!edgeban.bans().contains(&"192.0.2.9".into()));
        assert!(edgeban.ask(&["unban", "198.51.100.0/24"]).0);
        assert!(!run("nft list table inet edgeban").contains("198.51.100.0 "));
    });
}
