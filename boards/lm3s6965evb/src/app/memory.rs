//! Every table of the application in one struct, sized for 64 KiB of RAM, and the parts made over it.

use core::mem::MaybeUninit;
use edgeban::blocklist::{self, Blocklist};
use edgeban::engine::{Engine, Jail, Parts, Repeat, Rules};
use edgeban::frame::{Framer, Framing};
use edgeban::jail::{self, Allow, Policy, Tracker};
use edgeban::lru::Link;
use edgeban::matcher::{Active, AppSlot, Frame, Matcher, Scratch};
use edgeban::rules::{DROPBEAR, LUCI, SSHD};
use edgeban::session::{self, Sessions};
use heapless::Vec;

/// The longest line.
const LINE: usize = 1024;
/// Jails, one for each filter that a router's log needs.
const JAILS: usize = 3;
/// Sessions at a time; each of a router's daemons takes a few logins at once.
const SESSIONS: usize = 24;
/// Sources with failures or a history of bans.
const TRACKED: usize = 48;
/// Failures remembered of each: what `maxretry` may be at most.
const FAILURES: usize = 5;
/// Bans in force.
const BANS: usize = 64;

/// The bit of the mode that every filter has.
const NORMAL: u8 = 1;

/// Hash keys. There is no driver for a source of randomness yet. Who knows the keys can only make lookups slower, by a few
/// steps in tables as small as these.
const KEY: [u8; 16] = *b"lm3s6965evb:keys";
const KEY_WORDS: [u64; 2] = [0x6564_6765_6261_6e31, 0x6c6d_3373_3639_3635];

static ACTIVE: [Active<'static>; JAILS] = [
    Active { filter: SSHD, mode: NORMAL },
    Active { filter: DROPBEAR, mode: NORMAL },
    Active { filter: LUCI, mode: NORMAL },
];

static NAMES: [&str; JAILS] = ["sshd", "dropbear", "luci"];

/// Every table. A board lends it as one static.
pub struct Memory {
    line: [u8; LINE],
    frames: [Frame; 96],
    memo: [u32; 1120],
    apps: [AppSlot<'static>; 8],
    sessions: [session::Entry; SESSIONS],
    session_links: [Link; SESSIONS],
    session_buckets: [u16; 32],
    tracked: [jail::Slot; TRACKED],
    times: [u32; TRACKED * FAILURES],
    tracked_links: [Link; TRACKED],
    tracked_buckets: [u16; 64],
    totals: [jail::Totals; JAILS],
    bans: [blocklist::Slot; BANS],
    cells: [u32; 2 * BANS],
    words: [u32; BANS / 2],
    repeats: [Repeat; 1],
    jails: Vec<Jail<'static>, JAILS>,
}

/// Fills an array in place.
///
/// # Safety
/// `at` is valid for writes.
unsafe fn fill<T, const N: usize>(at: *mut [T; N], each: impl Fn() -> T) {
    for i in 0..N {
        // SAFETY: `i` lies within the array, which the caller promised to be writable.
        unsafe { at.cast::<T>().add(i).write(each()) }
    }
}

impl Memory {
    /// Makes the tables in place. So they are not built on the stack first, and their initial values take no flash, as those
    /// of a static would.
    pub fn make(place: &'static mut MaybeUninit<Self>) -> &'static mut Self {
        let at = place.as_mut_ptr();
        // SAFETY: each field of the place is written, and none is read before all are.
        unsafe {
            fill(&raw mut (*at).line, || 0);
            fill(&raw mut (*at).frames, || Frame::EMPTY);
            fill(&raw mut (*at).memo, || 0);
            fill(&raw mut (*at).apps, || AppSlot::EMPTY);
            fill(&raw mut (*at).sessions, || session::Entry::EMPTY);
            fill(&raw mut (*at).session_links, || Link::EMPTY);
            fill(&raw mut (*at).session_buckets, || 0);
            fill(&raw mut (*at).tracked, || jail::Slot::EMPTY);
            fill(&raw mut (*at).times, || 0);
            fill(&raw mut (*at).tracked_links, || Link::EMPTY);
            fill(&raw mut (*at).tracked_buckets, || 0);
            fill(&raw mut (*at).totals, || jail::Totals::EMPTY);
            fill(&raw mut (*at).bans, || blocklist::Slot::EMPTY);
            fill(&raw mut (*at).cells, || 0);
            fill(&raw mut (*at).words, || 0);
            fill(&raw mut (*at).repeats, || Repeat::EMPTY);
            (&raw mut (*at).jails).write(Vec::new());
            &mut *at
        }
    }

    /// The parts of the application over this memory; `None` where the sizes of the tables do not fit each other.
    pub fn parts(&'static mut self) -> Option<(Framer<'static>, Engine<'static>, Rules<'static>)> {
        self.jails.clear();
        for name in NAMES {
            let jail = Jail {
                name,
                enabled: true,
                policy: Policy::DEFAULT,
                scope: 0,
                recidive: false,
                allow: Allow::new(&mut []),
            };
            self.jails.push(jail).ok()?;
        }
        let sessions = session::Storage {
            entries: &mut self.sessions,
            links: &mut self.session_links,
            buckets: &mut self.session_buckets,
        };
        let tracked = jail::Storage {
            slots: &mut self.tracked,
            times: &mut self.times,
            links: &mut self.tracked_links,
            buckets: &mut self.tracked_buckets,
            jails: &mut self.totals,
        };
        let bans =
            blocklist::Storage { slots: &mut self.bans, cells: &mut self.cells, words: &mut self.words };
        let engine = Engine::new(Parts {
            sessions: Sessions::new(sessions, KEY, session::IDLE_TIMEOUT),
            tracker: Tracker::new(tracked, KEY),
            blocklist: Blocklist::new(bans, KEY_WORDS),
            scratch: Scratch { stack: &mut self.frames, memo: &mut self.memo, steps: 0 },
            repeats: &mut self.repeats,
            seed: 1,
        });
        let matcher = Matcher::new(&ACTIVE, &mut self.apps)?;
        let rules = Rules { matcher, jails: &self.jails, allow: Allow::new(&mut []) };
        Some((Framer::new(&mut self.line, Framing::Lf), engine, rules))
    }
}
