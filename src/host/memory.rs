//! The engine's tables: asked for once, at start, in the sizes that the settings say.

use crate::blocklist::{self, Blocklist};
use crate::config::Settings;
use crate::engine::{Engine, Parts, Repeat};
use crate::jail::{self, Tracker};
use crate::lru::Link;
use crate::matcher::{Frame, Scratch};
use crate::session::{self, Sessions};
use crate::time::Duration;
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

/// Pending choices of the matcher. Group loops take one a repetition; samples needed 73 at the most.
const STACK: usize = 256;
/// Choice points that the memo has room for at the longest line; the worst native rule has fewer.
const CHOICES: usize = 32;
/// How long a session is remembered after its last line.
const SESSION_TIME: Duration = Duration::from_secs(600);

/// The matcher's memory.
pub(super) struct Matching {
    stack: Vec<Frame>,
    memo: Vec<u32>,
}

impl Matching {
    /// For lines of up to `max_line` bytes.
    pub(super) fn new(max_line: usize) -> Self {
        Self { stack: vec![Frame::EMPTY; STACK], memo: vec![0; CHOICES * (max_line.div_ceil(32) + 4)] }
    }

    /// As the matcher takes it.
    pub(super) fn lend(&mut self) -> Scratch<'_> {
        Scratch { stack: &mut self.stack, memo: &mut self.memo, steps: 0 }
    }
}

/// Memory for sessions.
pub(super) struct SessionMemory {
    entries: Vec<session::Entry>,
    links: Vec<Link>,
    buckets: Vec<u16>,
}

impl SessionMemory {
    /// For `n` sessions.
    pub(super) fn new(n: usize) -> Self {
        Self { entries: vec![session::Entry::EMPTY; n], links: vec![Link::EMPTY; n], buckets: vec![0; n] }
    }

    /// As the session stage takes it.
    pub(super) fn lend(&mut self, key: [u8; 16], timeout: Duration) -> Sessions<'_> {
        let Self { entries, links, buckets } = self;
        Sessions::new(session::Storage { entries, links, buckets }, key, timeout)
    }
}

/// An engine whose tables live as long as the process. `maxretry` is the greatest that any jail may ever have,
/// `streams` how many sources there can be.
pub fn engine(settings: &Settings, maxretry: u16, streams: usize, key: [u64; 3]) -> Engine<'static> {
    let global = &settings.global;
    let [a, b, c] = key;
    let mut wide = [0; 16];
    wide.iter_mut().zip(a.to_ne_bytes().into_iter().chain(c.to_ne_bytes())).for_each(|(w, k)| *w = k);

    let sessions = Box::leak(Box::new(SessionMemory::new(global.max_sessions as usize)));
    let (tracked, ring) = (global.max_tracked as usize, usize::from(maxretry));
    let tracker = Tracker::new(
        jail::Storage {
            slots: vec![jail::Slot::EMPTY; tracked].leak(),
            times: vec![0; tracked * ring].leak(),
            links: vec![Link::EMPTY; tracked].leak(),
            buckets: vec![0; tracked].leak(),
            jails: vec![jail::Totals::EMPTY; crate::config::MAX_JAILS].leak(),
        },
        wide,
    );
    let bans = global.max_bans as usize;
    let storage = blocklist::Storage {
        slots: vec![blocklist::Slot::EMPTY; bans].leak(),
        cells: vec![0; 2 * bans].leak(),
        words: vec![0; bans / 2].leak(),
    };
    Engine::new(Parts {
        sessions: sessions.lend(wide, SESSION_TIME),
        tracker,
        blocklist: Blocklist::new(storage, [b, c]),
        scratch: Box::leak(Box::new(Matching::new(global.max_line as usize))).lend(),
        repeats: vec![Repeat::EMPTY; streams].leak(),
        seed: a as u32,
    })
}
