//! Standard input, once to its end.

use super::lines::Lines;
use super::{Cx, Error, LineMeta, StreamKey};
use crate::frame::Framing;
use crate::host::poll::{Interest, Poller, Token};
use crate::host::sys::stdio::Stdio;
use crate::host::sys::{Errno, file};
use std::os::fd::OwnedFd;

/// Any readable descriptor. A pipe is read when it has input, one read each time, so that it can stay blocking:
/// its flags are shared with other processes.
#[derive(Debug)]
pub(super) struct Stdin {
    fd: OwnedFd,
    lines: Lines,
    /// A regular file is always ready, so that epoll refuses it.
    always: bool,
    ended: bool,
}

impl Stdin {
    pub(super) fn open(poller: &Poller, token: Token, framing: Framing) -> Result<Self, Error> {
        let fd = Stdio::IN.duplicate().map_err(Error::Stdin)?;
        Self::over(poller, token, fd, framing)
    }

    pub(super) fn over(
        poller: &Poller,
        token: Token,
        fd: OwnedFd,
        framing: Framing,
    ) -> Result<Self, Error> {
        let always = match poller.add(&fd, token, Interest::Read) {
            Ok(()) => false,
            Err(Errno::PERM) => true,
            Err(e) => return Err(Error::Stdin(e)),
        };
        Ok(Self { fd, lines: Lines::stream(framing), always, ended: false })
    }

    pub(super) const fn pending(&self) -> bool {
        self.always && !self.ended
    }

    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    pub(super) fn turn(&mut self, cx: &mut Cx<'_>) {
        if self.pending() {
            self.ready(cx);
        }
    }

    pub(super) fn ready(&mut self, cx: &mut Cx<'_>) {
        if self.ended {
            return;
        }
        let (id, emit) = (cx.id, &mut *cx.emit);
        let mut line = |line: &[u8]| emit(id, StreamKey(0), line, LineMeta::default());
        match file::read(&self.fd, cx.buf) {
            Ok(n) if n > 0 => {
                cx.tally.bytes.add(n as u64);
                return self.lines.push(cx.buf.get(..n).unwrap_or(&[]), cx.tally, &mut line);
            }
            Ok(_) => {}
            Err(Errno::AGAIN) => return,
            Err(_) => cx.tally.errors.bump(),
        }
        // At the end of input, a last line without a newline is whole too.
        self.lines.finish(cx.tally, &mut line);
        self.ended = true;
        let _ = cx.poller.remove(&self.fd);
    }
}
