//! The running daemon: what it does without rights, on signals, over a restart, and to the kernel's table.

#[allow(unreachable_pub)] // Shared: each test binary uses a part of it.
mod common;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/net.rs"]
mod net;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/running.rs"]
mod running;

use core::time::Duration as Wait;
use edgeban::time::civil::{Calendar, Civil, Stamp, rfc3339};
use net::{in_own_network as in_namespace, run};
use running::{CONF, Edgeban, Folder, PROGRAM, file_conf, until};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

#[test]
fn without_permission_bans_are_kept_and_it_is_said() {
    in_namespace(|| {
        if let Err(why) = common::have("setpriv") {
            return common::cannot(&why);
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
fn a_damaged_state_file_is_named() {
    let folder = Folder::new();
    let conf = file_conf(&folder.join("log"))
        .replace("option state_dir", "option firewall 'none'\n\toption state_dir");
    fs::create_dir(folder.join("state")).expect("a folder");
    for (text, said) in
        [("", false), ("1 2 0 0 /a\n", false), ("1 2 0 0 /a\n1 3", true), ("1 2 0 0 /a", true)]
    {
        fs::write(folder.join("state/offsets"), text).expect("a state");
        let edgeban = Edgeban::start(folder.path(), &conf, &[], &[]);
        assert_eq!(edgeban.running.said().contains("state/offsets: damaged"), said, "{text}");
    }
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
fn what_others_do_to_the_table_is_undone() {
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
            text.contains("192.0.2.7 timeout ")
                && text.contains("@ban4 counter")
                && !text.contains("192.0.2.66")
        };
        until("the ban in the kernel", 20, whole);
        for damage in [
            "nft flush set inet edgeban ban4",
            "nft 'delete element inet edgeban ban4 { 192.0.2.7 }'",
            "nft flush chain inet edgeban prerouting",
            "nft delete table inet edgeban",
            "nft 'add element inet edgeban ban4 { 192.0.2.66 }'",
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
fn the_log_counts_only_bans_that_the_kernel_has() {
    in_namespace(|| {
        let folder = Folder::new();
        let conf = |port| {
            format!(
                "{CONF}\tlist port '{port}'\nconfig jail 'seen'\n\toption filter 'luci'\n\tlist action 'log'\n"
            )
        };
        let edgeban = Edgeban::start(folder.path(), &conf(22), &[], &[]);
        for (address, jail) in [("192.0.2.7", "sshd"), ("192.0.2.8", "seen")] {
            assert!(edgeban.ask(&["ban", address, "--jail", jail]).0);
        }
        Edgeban::configure(folder.path(), &conf(23));
        assert!(edgeban.ask(&["reload"]).0);
        edgeban.running.says("table inet edgeban made, 1 bans");
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
        for _ in 0..12 {
            refused(&other, "is an edgeban that bans here already");
        }
        assert!(edgeban.ask(&["ban", "192.0.2.7"]).0, "the first one is as it was");
        // In a network of its own it is no other's business, nor is a dry run.
        drop(Edgeban::start(other.path(), &CONF.replace("5514", "5515"), &[], &["--dry-run"]));
        drop(Edgeban::start(other.path(), CONF, &["unshare", "-n"], &[]));
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
fn without_memory_for_its_tables_it_does_not_start() {
    let folder = Folder::new();
    let ends = |option: &str, entries: u32, kilobytes: u32| {
        let conf = file_conf(&folder.join("log"));
        let conf =
            conf.replace("option state_dir", &format!("option {option} '{entries}'\n\toption state_dir"));
        Edgeban::configure(
            folder.path(),
            &format!("{conf}\nconfig jail 'luci'\n\toption maxretry '100'\n"),
        );
        let mut command = std::process::Command::new("sh");
        let limited = format!("ulimit -v {kilobytes}; exec \"$0\" run --dry-run -c \"$1\" -s \"$2\"");
        let (conf, socket) = (folder.join("edgeban.conf"), folder.join("edgeban.sock"));
        let command = command.args(["-c", &limited, PROGRAM]).arg(conf).arg(socket);
        let mut running = running::Running::start(command);
        running.says(&format!("bytes of the table that {option} sizes"));
        assert_eq!(running.ends(), Some(1));
    };
    ends("max_tracked", 65_535, 40_000);
    ends("max_bans", 1_048_575, 30_000);
}

#[test]
fn bans_that_a_full_list_refuses_are_told() {
    let folder = Folder::new();
    let conf = file_conf(&folder.join("log"))
        .replace("option state_dir", "option max_bans '16'\n\toption state_dir");
    let edgeban = Edgeban::start(folder.path(), &conf, &[], &["--dry-run"]);
    for n in 1..=16 {
        assert!(edgeban.ask(&["ban", &format!("203.0.113.{n}")]).0);
    }
    for _ in 0..2 {
        edgeban.ask(&["attempt", "198.51.100.7", "--jail", "sshd"]);
    }
    edgeban.running.says("warning: the blocklist is full of bans by hand, 1 refused");
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
        let bans = edgeban.bans();
        edgeban.running.signal(libc::SIGTERM);
        assert_eq!(edgeban.running.ends(), Some(0));
        // A millisecond may pass before the kernel is told: then it holds `1h59m59s999ms`.
        let two_hours =
            |nft: &str| ["2h", "1h59m"].iter().any(|t| nft.contains(&format!("198.51.100.0 timeout {t}")));
        let left = run("nft list set inet edgeban net4_24");
        assert!(two_hours(&left), "{left}");
        // Many, so that the kernel needs several datagrams to tell them.
        for n in 0..40u8 {
            let mut batch = String::from("add element inet edgeban ban4 {");
            for i in 0..100u8 {
                batch += &format!(" 198.18.{n}.{i} timeout 1h,");
            }
            run(&format!("nft '{batch} 198.19.0.{n} timeout 1h }}'"));
        }

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
        assert!(two_hours(&table), "{table}");
        assert!(run("nft list set inet edgeban ban4_p1").contains("192.0.2.9"));

        // Ports that no jail has any more.
        edgeban.running.signal(libc::SIGTERM);
        assert_eq!(edgeban.running.ends(), Some(0));
        let edgeban = Edgeban::start(folder.path(), &ports.replace("'22'", "'23'"), &[], &[]);
        edgeban.running.says("4044 bans of the run before taken over, 1 left out");
        assert!(!edgeban.bans().contains(&"192.0.2.9".into()));

        // Ports that somebody took out of the table do not become every port.
        assert!(edgeban.ask(&["ban", "192.0.2.9", "--jail", "sshd", "--for", "1h"]).0);
        let mut edgeban = edgeban;
        edgeban.running.signal(libc::SIGTERM);
        assert_eq!(edgeban.running.ends(), Some(0));
        run("nft flush set inet edgeban ports_p1");
        let edgeban = Edgeban::start(folder.path(), &ports.replace("'22'", "'23'"), &[], &[]);
        edgeban.running.says("4044 bans of the run before taken over, 1 left out");
        assert!(!edgeban.bans().contains(&"192.0.2.9".into()));
        assert!(edgeban.ask(&["unban", "198.51.100.0/24"]).0);
        assert!(!run("nft list table inet edgeban").contains("198.51.100.0 "));
    });
}

/// In a zone whose repeated hour is this one: lines that were written while edgeban was down are of the first of the two, but of
/// the second where the first was over when edgeban went down.
#[test]
fn the_hour_that_autumn_repeats_is_read_by_when_edgeban_went_down() {
    let hour = 3600;
    let civil = |epoch: i64| Civil::from_epoch_ms(epoch * 1000);
    let local = |epoch: i64| rfc3339(epoch * 1000, 0).as_str().trim_end_matches('Z').to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
    // When summer time ends, when edgeban went down, and the local time of a line, each seconds from now.
    for (end, down, line, recent) in [
        (-1200, -1, 0, true),
        (-1200, -hour - 60, 0, false),
        (600, -2400, hour - 1800, false),
        (600, -60, hour - 1, true),
    ] {
        // The zone's dates are of summer time, an hour ahead.
        let end = civil(now + end + hour);
        let first = Civil { month: 1, day: 1, hour: 0, minute: 0, second: 0, ..end };
        let epoch =
            |date: Civil| Stamp::Civil(date, Some(0)).epoch_ms(&Calendar::fixed(0, 0)).expect("a date");
        let day = (epoch(end) - epoch(first)) / 86_400_000;
        let (h, m, s) = (end.hour, end.minute, end.second);
        let zone = format!("TZ=STD0DST-1,{}/0,{day}/{h}:{m}:{s}", (day + 180) % 365);
        let folder = Folder::new();
        let log = folder.join("log");
        let conf =
            file_conf(&log).replace("option state_dir", "option firewall 'none'\n\toption state_dir");
        let start = || Edgeban::start(folder.path(), &conf, &["env", &zone], &[]);
        fs::write(&log, "before\n").expect("a log");
        let mut edgeban = start();
        edgeban.running.signal(libc::SIGTERM);
        assert_eq!(edgeban.running.ends(), Some(0));
        let state = File::open(folder.join("state/offsets")).expect("a state");
        state.set_modified(UNIX_EPOCH + Wait::from_secs((now + down) as u64)).expect("an earlier time");
        let failed = |date: &str, ip: &str| {
            format!("{date} h sshd[1]: Failed password for root from {ip} port 22 ssh2\n").repeat(2)
        };
        let text = failed(&local(now + line), "192.0.2.9") + &failed(&(local(now) + "Z"), "192.0.2.10");
        File::options()
            .append(true)
            .open(&log)
            .and_then(|mut f| f.write_all(text.as_bytes()))
            .expect("lines");
        let edgeban = start();
        until("what has a zone", 20, || edgeban.bans().contains(&"192.0.2.10".to_string()));
        assert_eq!(edgeban.bans().len(), 1 + usize::from(recent), "{zone} {down} {line}");
    }
}
