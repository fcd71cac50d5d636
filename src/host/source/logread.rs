//! `logread -f` as a child process. When it ends it is started again, after a pause that grows up to 60 s while it keeps
//! ending.
//!
//! Lines that are logged while no child runs are lost: `logread` is called exactly as OpenWrt and syslog-ng's
//! wrapper understand it, and neither can resume.

use super::lines::Lines;
use super::{Cx, Error, LineMeta, StreamKey};
use crate::host::poll::{Interest, Token};
use crate::host::sys::spawn::{Child, spawn};
use crate::host::sys::{Errno, file};
use crate::time::{Duration, Instant};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::vec::Vec;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The child, or the wait for the next.
#[derive(Debug)]
pub(super) struct Logread {
    argv: Vec<CString>,
    token: Token,
    lines: Lines,
    running: Option<Running>,
    /// Ended or told to end, and not waited for yet.
    ending: Vec<Child>,
    backoff: Duration,
    start_at: Instant,
    started: bool,
    error: Option<Error>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    pipe: OwnedFd,
    since: Instant,
}

impl Logread {
    /// Starts its child with the first [`Logread::turn`].
    pub(super) fn new(token: Token, argv: &[CString]) -> Self {
        Self {
            argv: argv.to_vec(),
            token,
            lines: Lines::text(),
            running: None,
            ending: Vec::new(),
            backoff: FIRST,
            start_at: Instant::ZERO,
            started: false,
            error: None,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        if self.running.is_some() { Instant::NEVER } else { self.start_at }
    }

    /// Why no child runs, if one should.
    pub(super) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    pub(super) fn turn(&mut self, cx: &mut Cx<'_>) {
        if self.running.is_some() || cx.now < self.start_at {
            return;
        }
        self.reap();
        if core::mem::replace(&mut self.started, true) {
            cx.tally.restarts.bump();
        }
        let result = spawn(&self.argv).and_then(|(child, pipe)| {
            match cx.poller.add(&pipe, self.token, Interest::Read) {
                Ok(()) => Ok(Running { child, pipe, since: cx.now }),
                Err(e) => {
                    child.terminate();
                    self.ending.push(child);
                    Err(e)
                }
            }
        });
        match result {
            Ok(running) => {
                self.running = Some(running);
                self.error = None;
            }
            Err(e) => {
                cx.tally.errors.bump();
                let program =
                    self.argv.first().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
                let error = Error::Spawn(program, e);
                if self.error.as_ref() != Some(&error) {
                    log::warn!("{error}");
                    self.error = Some(error);
                }
                self.wait(cx.now);
            }
        }
    }

    pub(super) fn ready(&mut self, cx: &mut Cx<'_>) {
        let Some(running) = &mut self.running else { return };
        match file::read(&running.pipe, cx.buf) {
            Ok(n) if n > 0 => {
                cx.tally.bytes.add(n as u64);
                let (id, emit) = (cx.id, &mut *cx.emit);
                let data = cx.buf.get(..n).unwrap_or(&[]);
                return self
                    .lines
                    .push(data, cx.tally, &mut |line| emit(id, StreamKey(0), line, LineMeta::default()));
            }
            Err(Errno::AGAIN) => return,
            Ok(_) => {}
            Err(_) => cx.tally.errors.bump(),
        }
        self.lines.abandon(cx.tally);
        if let Some(Running { child, since, .. }) = self.running.take() {
            if cx.now.since(since) >= LONGEST {
                self.backoff = FIRST;
            }
            // It has ended, or closed its output and is of no more use.
            child.terminate();
            self.ending.push(child);
            self.reap();
            log::warn!("the log reader ended; again in {} s", self.backoff.secs());
            self.wait(cx.now);
        }
    }

    fn wait(&mut self, now: Instant) {
        self.start_at = now + self.backoff;
        self.backoff = self.backoff.times(2).min(LONGEST);
    }

    /// Takes the exit status of children that have ended.
    pub(super) fn reap(&mut self) {
        reap(&mut self.ending);
    }

    /// Ends the child and hands over what has to be reaped.
    pub(super) fn stop(&mut self) -> Vec<Child> {
        if let Some(Running { child, .. }) = self.running.take() {
            child.terminate();
            self.ending.push(child);
        }
        core::mem::take(&mut self.ending)
    }

    #[cfg(test)]
    pub(super) fn unreaped(&self) -> usize {
        self.ending.len()
    }
}

/// Drops those of `children` that have ended.
pub(super) fn reap(children: &mut Vec<Child>) {
    let all = core::mem::take(children);
    children.extend(all.into_iter().filter_map(|child| child.reap().err()));
}
