//! A syslog server over TCP (RFC 6587): many connections, each with its own framing state.
//!
//! When all places are taken, or all descriptors but those kept for files and the control socket, an old connection is closed
//! for each new one: of the address with the most connections, the one that was silent longest. So a host that opens
//! connections without end closes its own, and not those of others.

use super::lines::Lines;
use super::{Cx, Error, LineMeta, StreamKey};
use crate::addr::{Addr, Prefix};
use crate::frame::Framing;
use crate::host::poll::{Interest, Poller, Token};
use crate::host::sys::{Errno, file, limit, net};
use crate::time::{Duration, Instant};
use core::cmp::Reverse;
use core::net::SocketAddr;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::vec::Vec;

/// The most connections that one turn accepts.
const BUDGET: usize = 16;
/// How long to leave the listener alone when the system has no descriptor left.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Conn {
    stream: TcpStream,
    from: Addr,
    /// The place of its [`Host`].
    host: usize,
    key: StreamKey,
    lines: Lines,
    active: Instant,
}

/// An address that connections come from, and how many it has; the place is free where it has none.
#[derive(Debug)]
struct Host {
    from: Addr,
    held: u16,
}

/// The listener and its connections.
#[derive(Debug)]
pub(super) struct Tcp {
    listener: TcpListener,
    token: Token,
    conns: Vec<Option<Conn>>,
    /// As many at the most.
    hosts: Vec<Host>,
    serial: u32,
    framing: Framing,
    paused: Option<Instant>,
}

impl Tcp {
    pub(super) fn open(
        poller: &Poller,
        token: Token,
        listen: SocketAddr,
        most: u16,
        framing: Framing,
    ) -> Result<Self, Error> {
        let open = || -> Result<TcpListener, Errno> {
            let listener = match (TcpListener::bind(listen), listen) {
                (Err(e), SocketAddr::V6(six))
                    if e.raw_os_error() == Some(libc::EADDRINUSE) && six.ip().is_unspecified() =>
                {
                    let socket = net::v6_only(&six, libc::SOCK_STREAM)?;
                    log::info!(
                        "{}: IPv6 only, since IPv4 has another socket on this port",
                        net::shown(&listen)
                    );
                    socket.into()
                }
                (bound, _) => bound?,
            };
            listener.set_nonblocking(true)?;
            poller.add(&listener, token, Interest::Read)?;
            Ok(listener)
        };
        let listener = open().map_err(|e| Error::Listen("tcp", listen, e))?;
        let mut conns = Vec::new();
        conns.resize_with(usize::from(most.max(1)), || None);
        Ok(Self { listener, token, conns, hosts: Vec::new(), serial: 0, framing, paused: None })
    }

    #[cfg(test)]
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// How many connections are open.
    pub(super) fn open_connections(&self) -> usize {
        self.conns.iter().flatten().count()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.paused.unwrap_or(Instant::NEVER)
    }

    pub(super) fn turn(&mut self, cx: &mut Cx<'_>) {
        if self.paused.is_some_and(|until| until <= cx.now) {
            self.paused = None;
            if cx.poller.modify(&self.listener, self.token, Interest::Read).is_err() {
                cx.tally.errors.bump();
            }
        }
    }

    /// `part` 0 is the listener, `n` the connection in place `n − 1`.
    pub(super) fn ready(&mut self, part: u32, cx: &mut Cx<'_>) {
        match (part as usize).checked_sub(1) {
            None => self.accept(cx),
            Some(place) => self.read(place, cx),
        }
    }

    fn accept(&mut self, cx: &mut Cx<'_>) {
        for _ in 0..BUDGET {
            let (stream, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) => {
                    cx.tally.errors.bump();
                    if matches!(
                        e.raw_os_error(),
                        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
                    ) {
                        // It stays ready until descriptors are free: without a pause the loop would spin.
                        let _ = cx.poller.modify(&self.listener, self.token, Interest::None);
                        self.paused = Some(cx.now + PAUSE);
                        return;
                    }
                    continue;
                }
            };
            cx.tally.connections.bump();
            let free = self.conns.iter().position(Option::is_none);
            let short = limit::is_reserved(&stream);
            let place = match free.filter(|_| !short) {
                Some(free) => free,
                None => self.make_room(cx),
            };
            // Into the descriptor that has become free, so that the reserve stays one.
            let stream = if short { stream.try_clone() } else { Ok(stream) };
            let Some(stream) = stream.ok().filter(|stream| !limit::is_reserved(stream)) else {
                cx.tally.errors.bump();
                continue;
            };
            let token = Token { part: place as u32 + 1, ..self.token };
            if stream.set_nonblocking(true).is_err()
                || cx.poller.add(&stream, token, Interest::Read).is_err()
            {
                cx.tally.errors.bump();
                continue;
            }
            self.serial = self.serial.wrapping_add(1);
            let (from, key) = (net::addr_of(&peer), StreamKey(self.serial));
            let (lines, host) = (Lines::stream(self.framing), self.host(from));
            if let Some(slot) = self.conns.get_mut(place) {
                *slot = Some(Conn { stream, from, host, key, lines, active: cx.now });
            }
        }
    }

    /// Counts one more connection from `from`; the place of its count.
    fn host(&mut self, from: Addr) -> usize {
        let from = party(from);
        let mut free = self.hosts.len();
        for (at, host) in self.hosts.iter_mut().enumerate() {
            if host.held == 0 {
                free = at;
            } else if host.from == from {
                host.held += 1;
                return at;
            }
        }
        let host = Host { from, held: 1 };
        match self.hosts.get_mut(free) {
            Some(slot) => *slot = host,
            None => self.hosts.push(host),
        }
        free
    }

    /// Closes the connection that matters least and returns its place. Linear in the places, since anyone may ask for
    /// it as often as they can connect.
    fn make_room(&mut self, cx: &mut Cx<'_>) -> usize {
        let held = |conn: &Conn| self.hosts.get(conn.host).map(|host| host.held);
        let victim = self
            .conns
            .iter()
            .enumerate()
            .filter_map(|(place, c)| c.as_ref().map(|c| (place, held(c), c.active)))
            .max_by_key(|&(_, held, active)| (held, Reverse(active)))
            .map_or(0, |(place, ..)| place);
        cx.tally.evicted.bump();
        self.read(victim, cx);
        self.close(victim, cx);
        victim
    }

    fn read(&mut self, place: usize, cx: &mut Cx<'_>) {
        let Some(conn) = self.conns.get_mut(place).and_then(Option::as_mut) else { return };
        match file::read(&conn.stream, cx.buf) {
            Ok(n) if n > 0 => {
                conn.active = cx.now;
                cx.tally.bytes.add(n as u64);
                let meta = LineMeta { from: Some(conn.from), ..LineMeta::default() };
                let (id, key, emit) = (cx.id, conn.key, &mut *cx.emit);
                let data = cx.buf.get(..n).unwrap_or(&[]);
                conn.lines.push(data, cx.tally, &mut |line| emit(id, key, line, meta));
                if conn.lines.is_broken() {
                    self.close(place, cx);
                }
            }
            Err(Errno::AGAIN) => {}
            Ok(_) => self.close(place, cx),
            Err(_) => {
                cx.tally.errors.bump();
                self.close(place, cx);
            }
        }
    }

    /// What has no end by now is dropped: a cut connection may have cut its last line.
    fn close(&mut self, place: usize, cx: &mut Cx<'_>) {
        if let Some(mut conn) = self.conns.get_mut(place).and_then(Option::take) {
            conn.lines.abandon(cx.tally);
            if let Some(host) = self.hosts.get_mut(conn.host) {
                host.held = host.held.saturating_sub(1);
            }
        }
    }
}

/// Whose connections count together: those of an address, or of the /64 that one IPv6 customer has.
fn party(from: Addr) -> Addr {
    if from.is_v4() { from } else { Prefix::new(from, 64).addr() }
}

#[test]
fn a_customer_is_one_party() {
    let of = |text: &str| party(Addr::parse(text.as_bytes()).unwrap());
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:2"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
}
