//! Syslog over UDP: one message in each datagram (RFC 5426).

use super::lines::Lines;
use super::{Cx, Error, LineMeta, SourceTally, StreamKey};
use crate::host::poll::{Interest, Poller, Token};
use crate::host::sys::{Errno, net};
use core::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;

/// The most datagrams that one turn reads. After each turn bans are sent to the kernel; eight times as many datagrams in a
/// turn were no faster overall.
const BUDGET: usize = 64;
/// What the kernel is asked to hold while the daemon is busy: some thousand messages.
const RECEIVE_BUFFER: i32 = 1 << 20;

/// A UDP socket.
#[derive(Debug)]
pub(super) struct Udp {
    socket: UdpSocket,
    lines: Lines,
    dropped: u32,
}

impl Udp {
    pub(super) fn open(poller: &Poller, token: Token, listen: SocketAddr) -> Result<Self, Error> {
        let open = || -> Result<UdpSocket, Errno> {
            let socket = match (UdpSocket::bind(listen), listen) {
                (Err(e), SocketAddr::V6(six))
                    if e.raw_os_error() == Some(libc::EADDRINUSE) && six.ip().is_unspecified() =>
                {
                    let socket = net::v6_only(&six, libc::SOCK_DGRAM)?;
                    log::info!(
                        "{}: IPv6 only, since IPv4 has another socket on this port",
                        net::shown(&listen)
                    );
                    socket.into()
                }
                (bound, _) => bound?,
            };
            net::receive_buffer(&socket, RECEIVE_BUFFER);
            net::count_drops(&socket);
            poller.add(&socket, token, Interest::Read)?;
            Ok(socket)
        };
        let socket = open().map_err(|e| Error::Listen("udp", listen, e))?;
        Ok(Self { socket, lines: Lines::datagram(), dropped: 0 })
    }

    #[cfg(test)]
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    pub(super) fn ready(&mut self, cx: &mut Cx<'_>) {
        receive(&self.socket, &mut self.lines, &mut self.dropped, cx);
    }
}

/// Reads up to a turn's datagrams of any datagram socket.
pub(super) fn receive(socket: &impl AsFd, lines: &mut Lines, dropped: &mut u32, cx: &mut Cx<'_>) {
    let mut lost = |total: Option<u32>, tally: &mut SourceTally| {
        if let Some(total) = total {
            tally.dropped.add(u64::from(total.wrapping_sub(*dropped)));
            *dropped = total;
        }
    };
    for _ in 0..BUDGET {
        let got = match net::receive(socket, cx.buf) {
            Ok(got) => got,
            // What was lost behind the last datagram that had room is not told by any datagram.
            Err(Errno::AGAIN) => return lost(net::drops(socket), cx.tally),
            // An ICMP error that some datagram of ours met is no reason to stop, nor to spin.
            Err(_) => return cx.tally.errors.bump(),
        };
        lost(got.dropped, cx.tally);
        cx.tally.bytes.add(got.len as u64);
        if got.truncated {
            cx.tally.overlong.bump();
            continue;
        }
        let meta = LineMeta { from: got.from, ..LineMeta::default() };
        let (id, emit) = (cx.id, &mut *cx.emit);
        let data = cx.buf.get(..got.len).unwrap_or(&[]);
        lines.push(data, cx.tally, &mut |line| emit(id, StreamKey(0), line, meta));
    }
}
