//! The sources over real sockets, pipes and children, driven by their own loop.

use super::*;
use crate::host::clock;
use crate::host::sys::Errno;
use crate::host::sys::signal::SignalFd;
use core::sync::atomic::{AtomicU32, Ordering};
use std::format;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::string::{String, ToString};
use std::time;
use std::vec;

/// A directory of a test's own, removed at its end.
pub(super) struct Dir(pub(super) PathBuf);

impl Dir {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("edgeban-source-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        // The umask is the whole process's, and a test of the control socket may have narrowed it just now.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) line: String,
    pub(super) stream: u32,
    pub(super) meta: LineMeta,
}

/// Sources, their poller, and what came of them. The clock can be put forward.
pub(super) struct Rig {
    pub(super) poller: Poller,
    pub(super) sources: Sources,
    pub(super) got: Vec<Got>,
    pub(super) ahead: crate::time::Duration,
}

impl Rig {
    pub(super) fn new(state: Option<&Path>, specs: &[Spec]) -> Self {
        let (poller, mut sources) = (Poller::new().unwrap(), Sources::new(state));
        sources.apply(&poller, specs, clock::now(), |e| panic!("{e}"));
        Self { poller, sources, got: Vec::new(), ahead: crate::time::Duration::ZERO }
    }

    pub(super) fn now(&self) -> Instant {
        clock::now() + self.ahead
    }

    /// One wait and one turn, as the daemon does.
    pub(super) fn turn_with(&mut self, on_line: &mut OnLine<'_>) {
        let timeout = self.sources.timeout(self.now()).unwrap_or(20).min(20);
        for event in self.poller.wait(Some(timeout)).unwrap() {
            if event.token.owner == Sources::OWNER {
                self.sources.ready(&self.poller, event.token, self.now(), on_line);
            }
        }
        self.sources.turn(&self.poller, self.now(), on_line);
    }

    pub(super) fn turn(&mut self) {
        let mut got = core::mem::take(&mut self.got);
        self.turn_with(&mut |_, stream, line, meta| {
            let line = String::from_utf8_lossy(line).into_owned();
            got.push(Got { line, stream: stream.0, meta });
        });
        self.got = got;
    }

    /// Turns until `done`, which must come.
    pub(super) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = time::Instant::now() + time::Duration::from_secs(60);
        while !done(self) {
            assert!(time::Instant::now() < end, "{what} did not happen; got {:?}", self.got.len());
            self.turn();
        }
    }

    /// Turns until nothing is left to do at once.
    pub(super) fn rest(&mut self) {
        loop {
            let before = (self.got.len(), self.tally(0));
            self.turn();
            if self.sources.timeout(self.now()) != Some(0) && before == (self.got.len(), self.tally(0)) {
                return;
            }
        }
    }

    pub(super) fn tally(&self, id: u16) -> SourceTally {
        *self.sources.tally(SourceId(id)).unwrap()
    }

    pub(super) fn texts(&self) -> Vec<&str> {
        self.got.iter().map(|g| g.line.as_str()).collect()
    }

    pub(super) fn state(&self, id: u16) -> State {
        let mut found = None;
        self.sources.each(|i, _, state, _| found = if i.0 == id { Some(state) } else { found.clone() });
        found.unwrap()
    }
}

const ANY4: &str = "127.0.0.1:0";

fn udp(listen: &str) -> Spec {
    Spec::Udp { listen: listen.parse().unwrap() }
}

fn tcp(listen: &str, connections: u16) -> Spec {
    Spec::Tcp { listen: listen.parse().unwrap(), connections, framing: crate::frame::Framing::Auto }
}

fn sh(script: &str) -> Spec {
    let words = ["sh", "-c", script];
    Spec::Logread { argv: words.map(|w| CString::new(w).unwrap()).to_vec() }
}

#[test]
fn udp_gives_each_datagram_and_its_sender() {
    let mut rig = Rig::new(None, &[udp(ANY4)]);
    let to = rig.sources.local(SourceId(0)).unwrap();
    let client = UdpSocket::bind(ANY4).unwrap();
    for n in 0..200 {
        client.send_to(format!("<34>line {n}\n").as_bytes(), to).unwrap();
        if n % 50 == 49 {
            rig.until("the lines", |rig| rig.got.len() > n);
        }
    }
    let last = rig.got.last().unwrap();
    assert_eq!(last.line, "<34>line 199");
    assert_eq!(last.meta, LineMeta { from: Some(Addr::v4([127, 0, 0, 1])), ..LineMeta::default() });
    client.send_to(&[b'x'; 60_000], to).unwrap();
    rig.until("the long one", |rig| rig.tally(0).overlong.get() == 1);
    assert_eq!(rig.tally(0).lines.get(), 200);
}

#[test]
fn udp_over_ipv6() {
    let Ok(probe) = UdpSocket::bind("[::1]:0") else {
        return std::eprintln!("not run: this machine has no IPv6");
    };
    let mut rig = Rig::new(None, &[udp("[::1]:0")]);
    probe.send_to(b"six", rig.sources.local(SourceId(0)).unwrap()).unwrap();
    rig.until("the line", |rig| rig.got.len() == 1);
    assert_eq!(rig.got[0].meta.from, Addr::parse(b"::1"));
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "qemu-user does not hand on SO_RXQ_OVFL and SO_MEMINFO")]
fn udp_counts_what_the_kernel_drops() {
    let mut rig = Rig::new(None, &[udp(ANY4)]);
    let to = rig.sources.local(SourceId(0)).unwrap();
    let client = UdpSocket::bind(ANY4).unwrap();
    let mut sent = 0;
    // More than any receive buffer holds, while nobody reads. No datagram comes behind the last that is lost.
    for _ in 0..4_000 {
        sent += u64::from(client.send_to(&[b'x'; 4_000], to).is_ok());
    }
    rig.rest();
    let tally = rig.tally(0);
    assert!(tally.dropped.get() > 0);
    assert_eq!(tally.lines.get() + tally.dropped.get(), sent);
}

#[test]
fn a_hundred_thousand_lines_over_tcp_are_all_counted() {
    // Where the tests run emulated, fewer.
    const LINES: u64 = if cfg!(target_endian = "big") { 4_000 } else { 100_000 };
    const CLIENTS: u64 = 4;
    let mut rig = Rig::new(None, &[tcp(ANY4, 8)]);
    let to = rig.sources.local(SourceId(0)).unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            std::thread::spawn(move || {
                let mut out = std::io::BufWriter::new(TcpStream::connect(to).unwrap());
                for n in 0..LINES / CLIENTS {
                    let text = format!("<38>Nov 22 20:00:00 host app[{client}]: line {n}");
                    // Two senders count octets, two end in newlines.
                    if client % 2 == 0 {
                        write!(out, "{} {text}", text.len()).unwrap();
                    } else {
                        writeln!(out, "{text}").unwrap();
                    }
                }
            })
        })
        .collect();
    let mut next = [0u64; CLIENTS as usize];
    let end = time::Instant::now() + time::Duration::from_secs(60);
    while next.iter().sum::<u64>() < LINES {
        assert!(time::Instant::now() < end, "{next:?}");
        rig.turn_with(&mut |_, _, line, _| {
            let line = core::str::from_utf8(line).unwrap();
            let (head, n) = line.split_once("]: line ").unwrap();
            let client = usize::from(head.as_bytes()[head.len() - 1] - b'0');
            assert_eq!(n.parse(), Ok(next[client]));
            next[client] += 1;
        });
    }
    clients.into_iter().for_each(|c| c.join().unwrap());
    assert_eq!(rig.tally(0).lines.get(), LINES);
    rig.until("the close", |rig| rig.state(0) == State::Up(0));
}

#[test]
fn tcp_streams_are_told_apart_and_cut_lines_dropped() {
    let mut rig = Rig::new(None, &[tcp(ANY4, 8)]);
    let to = rig.sources.local(SourceId(0)).unwrap();
    let (mut a, mut b) = (TcpStream::connect(to).unwrap(), TcpStream::connect(to).unwrap());
    a.write_all(b"one of a\nhalf").unwrap();
    rig.until("a", |rig| rig.got.len() == 1);
    b.write_all(b"one of b\nunfinished").unwrap();
    rig.until("b", |rig| rig.got.len() == 2);
    drop(b);
    rig.until("the cut", |rig| rig.tally(0).partial.get() == 1);
    a.write_all(b" and half\n").unwrap();
    rig.until("the rest", |rig| rig.got.len() == 3);
    assert_eq!(rig.texts(), ["one of a", "one of b", "half and half"]);
    assert_eq!(rig.got[0].stream, rig.got[2].stream);
    assert_ne!(rig.got[0].stream, rig.got[1].stream);
}

#[test]
fn a_full_tcp_server_closes_the_silent_ones_of_the_greediest() {
    let six = UdpSocket::bind("[::1]:0").is_ok();
    let mut rig = Rig::new(None, &[tcp(if six { "[::]:0" } else { "0.0.0.0:0" }, 3)]);
    let port = rig.sources.local(SourceId(0)).unwrap().port();
    let connect = |rig: &mut Rig, host: &str, line: &str| {
        let mut stream = TcpStream::connect((host, port)).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        let want = rig.got.len() + 1;
        rig.until("the line", |rig| rig.got.len() == want);
        // Each is silent longer than the next.
        rig.ahead = rig.ahead + crate::time::Duration::from_secs(1);
        stream
    };
    let closed = |rig: &mut Rig, stream: &mut TcpStream| {
        stream.set_nonblocking(true).unwrap();
        rig.rest();
        stream.read(&mut [0; 1]).is_ok_and(|n| n == 0)
    };
    let mut first = connect(&mut rig, "127.0.0.1", "first\n");
    let mut second = connect(&mut rig, "127.0.0.1", "second\n");
    let mut third = connect(&mut rig, "127.0.0.1", "third\n");
    first.write_all(b"still here\n").unwrap();
    rig.until("the line", |rig| rig.got.len() == 4);
    let mut fourth = connect(&mut rig, "127.0.0.1", "fourth\n");
    assert_eq!(rig.tally(0).evicted.get(), 1);
    assert!(closed(&mut rig, &mut second), "the longest silent goes");
    assert!(
        !closed(&mut rig, &mut first) && !closed(&mut rig, &mut third) && !closed(&mut rig, &mut fourth)
    );
    assert_eq!(rig.state(0), State::Up(3));
    if !six {
        return;
    }
    // Who has one place only keeps it, however long it is silent; and counts go down as connections end.
    drop((first, third));
    rig.until("the ends", |rig| rig.state(0) == State::Up(1));
    let mut more: Vec<_> = (0..5).map(|n| connect(&mut rig, "::1", &std::format!("more {n}\n"))).collect();
    assert_eq!(rig.tally(0).evicted.get(), 4);
    assert!(!closed(&mut rig, &mut fourth));
    let gone = more.iter_mut().map(|stream| closed(&mut rig, stream)).collect::<Vec<_>>();
    assert_eq!(gone, [true, true, true, false, false]);
}

#[test]
fn a_broken_octet_count_closes_its_connection() {
    let mut rig = Rig::new(None, &[tcp(ANY4, 8)]);
    let mut client = TcpStream::connect(rig.sources.local(SourceId(0)).unwrap()).unwrap();
    client.write_all(b"5 right99x").unwrap();
    rig.until("the close", |rig| rig.tally(0).connections.get() == 1 && rig.state(0) == State::Up(0));
    assert_eq!(rig.texts(), ["right"]);
    assert_eq!(rig.tally(0).broken.get(), 1);
}

#[test]
fn a_port_in_use_is_an_error_and_is_tried_again() {
    let taken = UdpSocket::bind(ANY4).unwrap();
    let listen = taken.local_addr().unwrap();
    let (poller, mut sources) = (Poller::new().unwrap(), Sources::new(None));
    let mut errors = Vec::new();
    sources.apply(&poller, &[Spec::Udp { listen }], clock::now(), |e| errors.push(e.clone()));
    assert_eq!(errors, [Error::Listen("udp", listen, Errno(libc::EADDRINUSE))]);
    assert!(errors[0].to_string().starts_with(&format!("cannot listen on udp {listen}: ")));
    let mut rig = Rig { poller, sources, got: Vec::new(), ahead: crate::time::Duration::ZERO };
    drop(taken);
    rig.ahead = crate::time::Duration::from_secs(11);
    rig.until("the retry", |rig| rig.state(0) == State::Up(1));
}

#[test]
fn the_unix_socket_is_for_everyone_replaces_a_stale_one_and_goes_with_us() {
    let dir = Dir::new();
    let path = dir.at("log");
    drop(UnixDatagram::bind(&path).unwrap());
    let spec = Spec::Unix { path: path.clone() };
    let mut rig = Rig::new(None, core::slice::from_ref(&spec));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    let client = UnixDatagram::unbound().unwrap();
    client.send_to(b"<38>Nov 22 20:00:00 sshd[1]: hello\0", &path).unwrap();
    rig.until("the line", |rig| rig.got.len() == 1);
    assert_eq!(rig.texts(), ["<38>Nov 22 20:00:00 sshd[1]: hello"]);

    // A second daemon must not take it away, and leaves it there when it ends.
    let mut other = Sources::new(None);
    let mut errors = Vec::new();
    other.apply(&rig.poller, &[spec], clock::now(), |e| errors.push(e.clone()));
    assert_eq!(errors, [Error::Busy(path.clone())]);
    other.stop();
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    rig.sources.stop();
    assert!(!path.exists());
}

#[test]
fn a_unix_socket_that_was_removed_comes_back_and_another_daemons_is_left_alone() {
    let dir = Dir::new();
    let path = dir.at("log");
    let mut rig = Rig::new(None, &[Spec::Unix { path: path.clone() }]);
    rig.turn();
    fs::remove_file(&path).unwrap();
    rig.ahead = crate::time::Duration::from_secs(11);
    rig.until("a socket", |_| path.exists());
    let client = UnixDatagram::unbound().unwrap();
    client.send_to(b"hello", &path).unwrap();
    rig.until("the line", |rig| rig.got.len() == 1);

    fs::remove_file(&path).unwrap();
    let other = UnixDatagram::bind(&path).unwrap();
    rig.ahead = crate::time::Duration::from_secs(22);
    rig.until("a complaint", |rig| rig.state(0) == State::Waiting(Error::Busy(path.clone())));
    client.send_to(b"for another", &path).unwrap();
    other.recv(&mut [0; 32]).unwrap();
    drop(other);
    rig.ahead = crate::time::Duration::from_secs(33);
    rig.until("its path is free", |rig| rig.state(0) == State::Up(1));
}

#[test]
fn the_unix_socket_is_made_where_a_symlink_leads() {
    let dir = Dir::new();
    let (path, place) = (dir.at("log"), dir.at("run/socket"));
    std::os::unix::fs::symlink("other", &path).unwrap();
    std::os::unix::fs::symlink(&place, dir.at("other")).unwrap();
    let (poller, mut sources) = (Poller::new().unwrap(), Sources::new(None));
    let mut errors = Vec::new();
    let spec = [Spec::Unix { path: path.clone() }];
    sources.apply(&poller, &spec, clock::now(), |e| errors.push(e.clone()));
    assert_eq!(errors, [Error::Path(place.clone(), Errno::NOENT)], "the folder is missing");

    fs::create_dir(dir.at("run")).unwrap();
    drop(UnixDatagram::bind(&place).unwrap());
    let mut rig = Rig { poller, sources, got: Vec::new(), ahead: crate::time::Duration::from_secs(11) };
    rig.until("a socket in the place of the stale one", |rig| rig.state(0) == State::Up(1));
    assert_eq!(fs::symlink_metadata(&place).unwrap().permissions().mode() & 0o777, 0o666);
    let client = UnixDatagram::unbound().unwrap();
    client.send_to(b"hello", &path).unwrap();
    rig.until("the line", |rig| rig.got.len() == 1);

    // Led elsewhere, who logs does not find it.
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(dir.at("elsewhere"), &path).unwrap();
    rig.ahead = crate::time::Duration::from_secs(33);
    rig.until("the other place", |_| dir.at("elsewhere").exists());
    assert!(!place.exists());
    client.send_to(b"there", &path).unwrap();
    rig.until("the line", |rig| rig.got.len() == 2);
    rig.sources.stop();
    assert!(!dir.at("elsewhere").exists() && fs::symlink_metadata(&path).is_ok(), "the symlink stays");

    let mut sources = Sources::new(None);
    std::os::unix::fs::symlink("elsewhere", dir.at("elsewhere")).unwrap();
    sources.apply(&rig.poller, &spec, clock::now(), |e| errors.push(e.clone()));
    assert_eq!(errors[1..], [Error::Path(dir.at("elsewhere"), Errno(libc::ELOOP))]);
}

#[test]
fn the_unix_socket_replaces_nothing_else() {
    let dir = Dir::new();
    let path = dir.at("log");
    fs::write(&path, "precious").unwrap();
    let (poller, mut sources) = (Poller::new().unwrap(), Sources::new(None));
    let mut errors = 0;
    sources.apply(&poller, &[Spec::Unix { path: path.clone() }], clock::now(), |_| errors += 1);
    sources.stop();
    assert_eq!((errors, fs::read(&path).unwrap().as_slice()), (1, b"precious".as_slice()));
}

#[test]
fn the_log_reader_is_started_again_with_growing_waits() {
    let mut rig = Rig::new(None, &[sh("echo one; printf cut")]);
    rig.until("the first", |rig| rig.tally(0).partial.get() == 1);
    assert_eq!(rig.texts(), ["one"]);
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        let left = rig.sources.timeout(rig.now()).unwrap();
        assert!(left > wait * 1000 - 900 && left <= wait * 1000, "{wait} s: {left} ms");
        let lines = rig.got.len();
        rig.ahead = rig.ahead + crate::time::Duration::from_secs(u64::from(wait));
        rig.until("the next", |rig| rig.got.len() > lines && rig.sources.timeout(rig.now()).is_some());
    }
    assert_eq!(rig.tally(0).restarts.get(), 8);
    rig.until("the reaping", |rig| rig.sources.unreaped() <= 1);
}

#[test]
fn the_log_reader_ends_with_us_and_leaves_no_zombie() {
    let mut rig = Rig::new(None, &[sh("echo ready; exec sleep 1000")]);
    rig.until("the line", |rig| rig.got.len() == 1);
    rig.sources.stop();
    let end = time::Instant::now() + time::Duration::from_secs(60);
    while rig.sources.unreaped() > 0 {
        assert!(time::Instant::now() < end);
        rig.sources.reap();
        std::thread::yield_now();
    }
}

#[test]
fn a_child_has_no_blocked_signals() {
    let _signals = SignalFd::new().unwrap();
    // With SIGTERM blocked or SIGPIPE ignored, as the daemon has them, the shell would say so.
    let mut rig = Rig::new(None, &[sh("grep -E 'Sig(Blk|Ign)' /proc/self/status; exec sleep 1000")]);
    rig.until("both masks", |rig| rig.got.len() == 2);
    for got in &rig.got {
        let mask = u64::from_str_radix(got.line.split_whitespace().nth(1).unwrap(), 16).unwrap();
        let ours = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD, libc::SIGPIPE];
        assert!(ours.iter().all(|s| mask >> (s - 1) & 1 == 0), "{}", got.line);
    }
    rig.sources.stop();
}

#[test]
fn a_program_that_is_not_there_is_an_error_once_a_try() {
    let argv = vec![CString::new("/nonexistent/logread").unwrap()];
    let mut rig = Rig::new(None, &[Spec::Logread { argv }]);
    rig.until("the error", |rig| matches!(rig.state(0), State::Waiting(Error::Spawn(..))));
    let State::Waiting(error) = rig.state(0) else { unreachable!("it was waiting") };
    assert!(error.to_string().starts_with("cannot start /nonexistent/logread: No such file"));
}

#[test]
fn input_is_read_to_its_end_from_a_pipe_and_from_a_file() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut rig = Rig::new(None, &[]);
    rig.sources.add_input(&rig.poller, ours.into());
    theirs.write_all(b"one\ntwo\nlast without an end").unwrap();
    drop(theirs);
    rig.until("the end", |rig| rig.state(0) == State::Ended);
    assert_eq!(rig.texts(), ["one", "two", "last without an end"]);

    let dir = Dir::new();
    fs::write(dir.at("in"), "from a file\n".repeat(10_000)).unwrap();
    let mut rig = Rig::new(None, &[]);
    rig.sources.add_input(&rig.poller, fs::File::open(dir.at("in")).unwrap().into());
    rig.until("the end", |rig| rig.state(0) == State::Ended);
    assert_eq!(rig.got.len(), 10_000);
    assert_eq!(rig.sources.timeout(rig.now()), None);
}

#[test]
fn a_loud_source_does_not_starve_another() {
    let dir = Dir::new();
    fs::write(dir.at("in"), "x\n".repeat(200_000)).unwrap();
    let mut rig = Rig::new(None, &[udp(ANY4)]);
    let to = rig.sources.local(SourceId(0)).unwrap();
    rig.sources.add_input(&rig.poller, fs::File::open(dir.at("in")).unwrap().into());
    UdpSocket::bind(ANY4).unwrap().send_to(b"me too", to).unwrap();
    let (mut loud, mut at) = (0u32, None);
    while at.is_none() {
        rig.turn_with(&mut |id, _, _, _| match id.0 {
            0 => at = Some(loud),
            _ => loud += 1,
        });
    }
    assert!(at.unwrap() <= READ as u32);
}

#[test]
fn apply_keeps_what_stays_and_closes_what_goes() {
    let dir = Dir::new();
    let unix = Spec::Unix { path: dir.at("log") };
    let mut rig = Rig::new(None, &[tcp(ANY4, 4), unix.clone()]);
    let to = rig.sources.local(SourceId(0)).unwrap();
    let mut client = TcpStream::connect(to).unwrap();
    client.write_all(b"before\n").unwrap();
    rig.until("before", |rig| rig.got.len() == 1);
    let now = rig.now();
    rig.sources.apply(&rig.poller, &[udp(ANY4), tcp(ANY4, 4)], now, |e| panic!("{e}"));
    assert!(!dir.at("log").exists());
    client.write_all(b"after\n").unwrap();
    rig.until("after", |rig| rig.got.len() == 2);
    assert_eq!(rig.texts(), ["before", "after"]);
    assert_eq!(rig.sources.local(SourceId(0)), Some(to));
    assert!(rig.sources.local(SourceId(1)).is_some());
}
