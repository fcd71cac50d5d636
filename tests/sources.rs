//! The daemon's sources: no line is lost, read twice or misread, and each goes to the filters that it is for.

#[allow(unreachable_pub)] // Shared: each test binary uses a part of it.
mod common;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/net.rs"]
mod net;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/running.rs"]
mod running;

use net::{in_own_network as in_namespace, run};
use running::{CONF, Edgeban, Folder, file_conf, until};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::TcpStream;

#[test]
fn a_source_may_be_bound_to_a_jail_with_a_filter_file() {
    let folder = Folder::new();
    let (log, filter) = (folder.join("log"), folder.join("own.filter"));
    fs::write(&log, "").expect("a log");
    fs::write(&filter, "filter own\napp    own\nfail   refused <ip>\n").expect("a filter");
    let conf = file_conf(&log).replace("option kind 'file'", "option kind 'file'\n\tlist filter 'mine'")
        + &format!(
            "config jail 'mine'\n\toption filter_file '{}'\n\toption maxretry '1'\n",
            filter.display()
        );
    let edgeban = Edgeban::start(folder.path(), &conf, &[], &["--dry-run"]);
    let text = "Nov 22 20:00:00 h sshd[1]: Failed password for root from 192.0.2.9 port 22 ssh2\n"
        .repeat(2)
        + "Nov 22 20:00:00 h own: refused 192.0.2.7\n";
    File::options()
        .append(true)
        .open(&log)
        .and_then(|mut log| log.write_all(text.as_bytes()))
        .expect("written");
    until("all lines", 20, || edgeban.counter("engine", "lines") == 3);
    assert_eq!(edgeban.bans(), ["192.0.2.7"]);
}

#[test]
fn what_repeats_is_the_last_message_of_its_own_file() {
    let folder = Folder::new();
    let (log, other) = (folder.join("log"), folder.join("other"));
    let second = format!("config source\n\toption kind 'file'\n\toption path '{}'\n", other.display());
    let conf = file_conf(&log).replace("maxretry '2'", "maxretry '3'") + &second;
    for file in [&log, &other] {
        fs::write(file, "").expect("a log");
    }
    let edgeban = Edgeban::start(folder.path(), &conf, &[], &["--dry-run"]);
    let failure = "Nov 22 20:00:00 h sshd[1]: Failed password for root from 192.0.2.9 port 22 ssh2\n";
    let (between, repeated) =
        ("Nov 22 20:00:01 h cron[1]: a line\n", "Nov 22 20:00:02 h last message repeated 5 times\n");
    for (n, (file, line)) in [(&log, failure), (&other, between), (&log, repeated)].into_iter().enumerate()
    {
        File::options()
            .append(true)
            .open(file)
            .and_then(|mut f| f.write_all(line.as_bytes()))
            .expect("written");
        until("the line", 20, || edgeban.counter("engine", "lines") == n as i64 + 1);
    }
    assert_eq!(edgeban.bans(), ["192.0.2.9"]);
    edgeban.running.says("ban 192.0.2.9 jail sshd for 3600s (6 failures)");
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

#[test]
fn a_file_written_anew_does_not_count_twice() {
    let folder = Folder::new();
    let log = folder.join("log");
    fs::write(&log, "").expect("a log");
    let edgeban = Edgeban::start(folder.path(), &file_conf(&log), &[], &["--dry-run"]);
    let lines = |lines: i64| until("the lines", 20, || edgeban.counter("engine", "lines") == lines);
    write_lines(File::options().append(true).open(&log).expect("the log"), 0, 100);
    lines(100);
    for (n, edit) in ["1s,root,admin,", "2d", "1,20!d"].into_iter().enumerate() {
        run(&format!("sed -i '{edit}' '{}'", log.display()));
        // The last edit leaves few lines. With another behind them before the daemon looks, the file ends in lines that the one
        // before it did not have, and is read whole. The log's descriptor shows that it has looked, a reply that it is done.
        until("the new file", 20, || edgeban.running.has_open(&log));
        edgeban.counter("engine", "lines");
        write_lines(File::options().append(true).open(&log).expect("the log"), 1, 1);
        lines(101 + n as i64);
    }
    assert_eq!((edgeban.bans(), edgeban.counter("engine", "failures")), (vec![], 1));
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
fn a_compressed_log_is_told() {
    let folder = Folder::new();
    let log = folder.join("log.gz");
    fs::write(&log, b"\x1f\x8b\x08\0\0\0\0\0").expect("written");
    let edgeban = Edgeban::start(folder.path(), &file_conf(&log), &[], &["--dry-run"]);
    edgeban.running.says("log.gz: compressed, so that");
}

/// Otherwise who may make a file under a pattern could have the recidive filter ban anyone.
#[test]
fn a_files_name_makes_no_line_of_the_log() {
    let folder = Folder::new();
    let name = "a\nban 192.0.2.1 jail sshd for 3600s (5 failures)\u{1b}[31m.log";
    fs::write(folder.join(name), b"\x1f\x8b\x08\0\0\0\0\0").expect("written");
    let edgeban = Edgeban::start(folder.path(), &file_conf(&folder.join("*.log")), &[], &["--dry-run"]);
    edgeban.running.says("compressed, so that");
    let said = edgeban.running.said();
    assert!(!said.contains("\nban ") && !said.contains('\u{1b}'), "{said}");
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
fn the_state_is_kept_also_where_its_folder_could_not_be_made_at_the_start() {
    let folder = Folder::new();
    let (log, state) = (folder.join("log"), folder.join("state"));
    for file in [&log, &state] {
        fs::write(file, "").expect("a file");
    }
    let conf = file_conf(&log).replace("option state_dir", "option firewall 'none'\n\toption state_dir");
    let mut edgeban = Edgeban::start(folder.path(), &conf, &[], &[]);
    edgeban.running.says("how far files were read is not saved; tried again every minute");
    fs::remove_file(&state).expect("removed");
    edgeban.running.signal(libc::SIGTERM);
    assert_eq!(edgeban.running.ends(), Some(0));
    assert!(state.join("offsets").exists());
}

#[test]
fn all_files_share_one_inotify_instance() {
    let folder = Folder::new();
    let mut conf = file_conf(&folder.join("log"));
    for name in ["other", "*.txt"] {
        let path = folder.join(name);
        conf += &format!("config source\n\toption kind 'file'\n\toption path '{}'\n", path.display());
    }
    let files: Vec<_> = (0..64).map(|n| folder.join(&format!("{n}.txt"))).collect();
    let append = || {
        for file in &files {
            write_lines(File::options().append(true).create(true).open(file).expect("a file"), 1, 1);
        }
    };
    append();
    let edgeban = Edgeban::start(folder.path(), &conf, &[], &["--dry-run"]);
    append();
    until("a line of each", 20, || edgeban.counter("engine", "lines") == 64);
    let of = format!("/proc/{}/fd", edgeban.running.id());
    let links = fs::read_dir(of).expect("its descriptors").flatten();
    let is = |link: &std::path::PathBuf| link.to_string_lossy().contains("inotify");
    assert_eq!(links.filter_map(|fd| fs::read_link(fd.path()).ok()).filter(is).count(), 1);
}
