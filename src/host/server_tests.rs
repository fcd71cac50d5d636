use super::*;
use crate::addr::{Addr, Prefix};
use crate::control::Request;
use crate::control::reply::BanView;
use crate::host::client;
use core::sync::atomic::{AtomicBool, Ordering};
use std::format;
use std::io::{BufRead, BufReader};
use std::string::String;
use std::thread;

/// A daemon with so many bans.
struct Bans(u64);

impl Answer for Bans {
    fn answer(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Cursor> {
        let mut put = |piece: &[u8]| out.extend_from_slice(piece);
        match Request::parse(line) {
            Ok(Request::Bans) => return Some(Cursor { next: 0, sent: 0 }),
            Ok(Request::Version) => reply::version("0.0.0", &mut put),
            Ok(_) => reply::ok(Some(self.0), &mut put),
            Err(refusal) => reply::error(refusal.text().as_bytes(), &mut put),
        }
        None
    }

    fn more(&mut self, from: Cursor, out: &mut Vec<u8>) -> Option<Cursor> {
        let mut at = from.next;
        while at < self.0 {
            if out.len() >= CHUNK {
                return Some(Cursor { next: at, sent: at });
            }
            let target = Prefix::host(Addr::v4((at as u32 + 0x0a00_0000).to_be_bytes()));
            let ban = BanView { target, jail: "sshd", since: 1, until: Some(2), before: 0, manual: false };
            ban.write(&mut |piece| out.extend_from_slice(piece));
            at += 1;
        }
        reply::ok(Some(at), &mut |piece| out.extend_from_slice(piece));
        None
    }
}

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("edgeban-{name}-{}.sock", std::process::id()))
}

/// A server and the loop around it.
struct Daemon {
    server: Server,
    poller: Poller,
}

impl Daemon {
    fn new(path: &Path) -> Self {
        Self { server: Server::bind(path).unwrap(), poller: Poller::new().unwrap() }
    }

    /// Serves what is ready, or becomes so within `wait` ms.
    fn turn(&mut self, now: Instant, answer: &mut dyn Answer, wait: u32) {
        self.server.watch(&self.poller, 1).unwrap();
        for event in self.poller.wait(Some(wait)).unwrap() {
            self.server.ready(event.token.part, now, answer);
        }
    }
}

/// Serves until `client` is done.
fn serve<T: Send>(server: &mut Daemon, answer: &mut dyn Answer, client: impl FnOnce() -> T + Send) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let result = client();
            done.store(true, Ordering::Release);
            result
        });
        while !done.load(Ordering::Acquire) {
            server.turn(Instant::ZERO, answer, 10);
        }
        client.join().unwrap()
    })
}

#[test]
fn many_bans_are_streamed() {
    let path = socket("many");
    let mut server = Daemon::new(&path);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (code, lines) = serve(&mut server, &mut Bans(20_000), || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = client::run(&path, &Request::Bans, true, 0, &mut out, &mut err);
        (code, String::from_utf8(out).unwrap().lines().map(String::from).collect::<Vec<_>>())
    });
    assert_eq!((code, lines.len()), (0, 20_001));
    assert!(lines[19_999].starts_with("{\"ip\":\"10.0.78.31\""), "{}", lines[19_999]);
    assert_eq!(lines[20_000], "{\"ok\":true,\"count\":20000}");
    server.turn(Instant::ZERO, &mut Bans(0), 0);
    assert_eq!(server.server.clients(), 0, "the client has left");
    drop(server);
    assert!(!path.exists(), "the socket is removed at the end");
}

#[test]
fn requests_may_come_in_pieces_and_together() {
    let path = socket("pieces");
    let mut server = Daemon::new(&path);
    let replies = serve(&mut server, &mut Bans(3), || {
        let mut stream = UnixStream::connect(&path).unwrap();
        for piece in [
            "{\"cmd\":\"ver",
            "sion\"}\r\n\n{\"cmd\":\"bans\"}\n{\"cmd\":\"x\"}\n",
            "{\"cmd\":\"unban\",\"all\":true}\n",
        ] {
            stream.write_all(piece.as_bytes()).unwrap();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        BufReader::new(stream).lines().map(Result::unwrap).collect::<Vec<_>>()
    });
    let starts: Vec<_> = replies.iter().map(|r| &r[..12]).collect();
    let ban = "{\"ip\":\"10.0.";
    assert_eq!(
        starts,
        ["{\"ok\":true,\"", ban, ban, ban, "{\"ok\":true,\"", "{\"ok\":false,", "{\"ok\":true,\""]
    );
}

#[test]
fn overlong_requests_end_the_connection() {
    let path = socket("long");
    let mut server = Daemon::new(&path);
    let replies = serve(&mut server, &mut Bans(0), || {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(&[b'x'; MAX_REQUEST + 1]).unwrap();
        BufReader::new(stream).lines().map(Result::unwrap).collect::<Vec<_>>()
    });
    assert_eq!(replies, ["{\"ok\":false,\"error\":\"request longer than 1024 bytes\"}"]);
}

#[test]
fn silent_clients_make_room() {
    let path = socket("silent");
    let mut server = Daemon::new(&path);
    let streams: Vec<_> = (0..CLIENTS as u64 + 1)
        .map(|i| {
            let stream = UnixStream::connect(&path).unwrap();
            server.turn(Instant::from_secs(i), &mut Bans(0), 0);
            stream
        })
        .collect();
    assert_eq!((server.server.clients(), server.server.dropped), (CLIENTS, 1));
    assert_eq!((&streams[0]).read(&mut [0]).unwrap(), 0, "the first was silent for longest");
    assert_eq!(server.server.deadline(), Some(Instant::from_secs(11)));
    server.server.sweep(Instant::from_secs(12));
    assert_eq!((server.server.clients(), server.server.dropped), (CLIENTS - 2, 3));
}

#[test]
fn a_client_that_does_not_read_holds_little_memory_and_is_dropped() {
    let path = socket("deaf");
    let mut server = Daemon::new(&path);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"{\"cmd\":\"bans\"}\n").unwrap();
    for _ in 0..1000 {
        server.turn(Instant::ZERO, &mut Bans(1_000_000), 0);
    }
    assert_eq!(server.server.clients(), 1);
    assert!(server.server.clients[0].output.capacity() <= 4 * CHUNK);
    assert_eq!(server.server.clients[0].interest(), Interest::Write);
    server.server.sweep(Instant::ZERO + PATIENCE);
    assert_eq!((server.server.clients(), server.server.dropped), (0, 1));
}

#[test]
fn only_a_dead_socket_is_replaced() {
    let path = socket("stale");
    let server = Server::bind(&path).unwrap();
    assert_eq!(Server::bind(&path).err().unwrap().kind(), io::ErrorKind::AddrInUse);
    drop(server);
    // A listener that died without removing its socket.
    drop(UnixListener::bind(&path).unwrap());
    let server = Server::bind(&path).unwrap();
    // A socket that another daemon put in its place is left alone.
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(server);
    assert!(path.exists());
    drop(other);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "data").unwrap();
    assert_eq!(Server::bind(&path).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
    fs::remove_file(&path).unwrap();
}

#[test]
fn the_client_says_why_there_is_no_answer() {
    let path = socket("absent");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(client::run(&path, &Request::Reload, false, 0, &mut out, &mut err), 1);
    assert!(
        String::from_utf8(err).unwrap().starts_with("edgeban: edgeban is not running (nothing listens on ")
    );

    let mut server = Daemon::new(&path);
    let ask = |request: Request<'static>, json: bool| {
        let path = path.clone();
        move || {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let code = client::run(&path, &request, json, 0, &mut out, &mut err);
            (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
        }
    };
    let mut daemon = Bans(2);
    let lifted = serve(&mut server, &mut daemon, ask(Request::UnbanAll, false));
    assert_eq!(lifted, (0, "Lifted 2.\n".into(), String::new()));
    let bans = serve(&mut server, &mut daemon, ask(Request::Bans, false));
    assert_eq!((bans.0, bans.1.lines().count()), (0, 3));
    struct Refuses;
    impl Answer for Refuses {
        fn answer(&mut self, _: &[u8], out: &mut Vec<u8>) -> Option<Cursor> {
            reply::error(b"x:1: bad\x1b\nnot read", &mut |piece| out.extend_from_slice(piece));
            None
        }
        fn more(&mut self, _: Cursor, _: &mut Vec<u8>) -> Option<Cursor> {
            None
        }
    }
    let refused = serve(&mut server, &mut Refuses, ask(Request::Reload, false));
    assert_eq!(refused, (1, String::new(), "x:1: bad?\nedgeban: not read\n".into()));
}

#[test]
fn requests_behind_a_long_reply_are_answered() {
    let path = socket("behind");
    let mut server = Daemon::new(&path);
    let replies = serve(&mut server, &mut Bans(1000), || {
        let mut stream = UnixStream::connect(&path).unwrap();
        for _ in 0..20 {
            stream.write_all(b"{\"cmd\":\"bans\"}\n{\"cmd\":\"version\"}\n").unwrap();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        BufReader::new(stream).lines().map(Result::unwrap).collect::<Vec<_>>()
    });
    assert_eq!(replies.len(), 20 * 1002);
}

#[test]
fn a_listener_that_cannot_accept_is_left_alone() {
    let path = socket("accept");
    let mut daemon = Daemon::new(&path);
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"{\"cmd\":\"version\"}\n").unwrap();
    // As accept(2) fails where the process has no descriptor left.
    let now = Instant::ZERO;
    daemon.server.accepted(Err(io::Error::from_raw_os_error(libc::EMFILE)), now);
    daemon.server.watch(&daemon.poller, 1).unwrap();
    assert_eq!(daemon.poller.wait(Some(0)).unwrap().count(), 0, "it waits, and the loop does not spin");
    assert_eq!(daemon.server.deadline(), Some(now + PAUSE));
    daemon.server.sweep(now + Duration::from_millis(999));
    assert_eq!(daemon.server.deadline(), Some(now + PAUSE));
    daemon.server.sweep(now + PAUSE);
    assert_eq!(daemon.server.deadline(), None);
    // The client that waited is served, also after one that went away before it was accepted.
    daemon.server.accepted(Err(io::Error::from_raw_os_error(libc::ECONNABORTED)), now);
    let answered = serve(&mut daemon, &mut Bans(0), || {
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line).unwrap();
        line
    });
    assert!(answered.contains("\"version\""), "{answered}");
}

#[test]
fn a_socket_that_was_removed_is_made_anew_and_its_clients_stay() {
    let path = socket("renewed");
    let mut daemon = Daemon::new(&path);
    let mut before = UnixStream::connect(&path).unwrap();
    daemon.turn(Instant::ZERO, &mut Bans(0), 1000);
    assert!(daemon.server.stands());
    fs::remove_file(&path).unwrap();
    assert!(!daemon.server.stands());
    daemon.server.renew().unwrap();
    assert!(daemon.server.stands() && daemon.server.clients() == 1);
    let mut after = UnixStream::connect(&path).unwrap();
    for client in [&mut before, &mut after] {
        client.set_nonblocking(true).unwrap();
        client.write_all(b"{\"cmd\":\"version\"}\n").unwrap();
        let (mut text, mut turns) = ([0; 64], 0);
        while client.read(&mut text).is_err() {
            turns += 1;
            assert!(turns < 100, "no reply");
            daemon.turn(Instant::ZERO, &mut Bans(0), 100);
        }
        assert!(text.starts_with(b"{\"ok\":true"));
    }
    drop(daemon);
    assert!(!path.exists());
}
