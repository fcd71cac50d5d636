//! The engine's tables, made once at start in the sizes that the settings give.
//!
//! The large ones are mapped (mmap(2)), not allocated: the kernel gives zeroes, and a page only once it is written to. So
//! memory grows with what is in a table, up to its size.

use crate::blocklist::{self, Blocklist};
use crate::config::Settings;
use crate::engine::{Engine, Parts, Repeat};
use crate::jail::{self, Tracker};
use crate::lru::Link;
use crate::matcher::{Frame, Scratch};
use crate::session::{self, Sessions};
use crate::time::Duration;
use std::boxed::Box;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

/// Pending choices of the matcher. A repeated group takes one for each repetition; the samples need at most 73.
const STACK: usize = 256;
/// Choice points that the memo has room for at the longest line; every built-in rule has fewer.
const CHOICES: usize = 32;

/// An entry of a table whose empty value is all zero bytes.
///
/// # Safety
/// Zero bytes are a value of the type. A test holds that it is the one that the table's stage starts from.
unsafe trait Zeroed: Copy {}

// SAFETY: plain integers.
unsafe impl Zeroed for u32 {}
// SAFETY: integers, alone and in arrays.
unsafe impl Zeroed for blocklist::Slot {}
// SAFETY: integers, alone and in arrays.
unsafe impl Zeroed for jail::Slot {}

/// `n` entries for as long as the process lives, or why there are none. `table` is the option that sizes it.
fn mapped<T: Zeroed>(table: &str, n: usize) -> Result<&'static mut [T], String> {
    let bytes = n.saturating_mul(size_of::<T>());
    if bytes == 0 {
        return Ok(&mut []);
    }
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, which nothing else knows of.
    let at = unsafe { libc::mmap(core::ptr::null_mut(), bytes, access, kind, -1, 0) };
    if at == libc::MAP_FAILED {
        return Err(format!("no memory for {bytes} bytes of the table that {table} sizes"));
    }
    // SAFETY: the mapping is of this length, aligned to a page, never unmapped and lent only here; its zeroes are
    // values by the promise of `Zeroed`.
    Ok(unsafe { core::slice::from_raw_parts_mut(at.cast(), n) })
}

/// Tells the allocator to map large pieces of memory one by one. What is freed then goes back to the kernel at once, and
/// buffers cost only the pages that are written to. To be called first; musl's allocators do so anyway.
pub(super) fn frugal() {
    // SAFETY: mallopt takes any numbers.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 8 * 1024);
    }
}

/// Gives memory back to the kernel: what was freed, and the pages of this program's code, which are loaded again one by one as
/// they are used. Most of the program is commands and reading the configuration, which a running daemon rarely needs.
pub(super) fn trim() {
    unsafe extern "C" {
        // Where the linker began and ended the constants and the code; neither is ever read as a value.
        static __executable_start: u8;
        static etext: u8;
    }
    // SAFETY: malloc_trim takes any number.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
    let (from, to) = (&raw const __executable_start, &raw const etext);
    // SAFETY: sysconf takes any number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let Some(len) = to.addr().checked_sub(from.addr()).map(|len| len / page * page) else { return };
    // SAFETY: between the two are only unwritten pages of a file, and the first begins at a page: the next access reads the
    // same bytes from the file again.
    unsafe { libc::madvise(from.cast_mut().cast(), len, libc::MADV_DONTNEED) };
}

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
///
/// # Errors
/// No memory for a table: which and how much.
pub fn engine(
    settings: &Settings,
    maxretry: u16,
    streams: usize,
    key: [u64; 3],
) -> Result<Engine<'static>, String> {
    let global = &settings.global;
    let [a, b, c] = key;
    let mut wide = [0; 16];
    wide.iter_mut().zip(a.to_ne_bytes().into_iter().chain(c.to_ne_bytes())).for_each(|(w, k)| *w = k);

    let sessions = Box::leak(Box::new(SessionMemory::new(global.max_sessions as usize)));
    let (tracked, ring) = (global.max_tracked as usize, usize::from(maxretry));
    let tracker = Tracker::new(
        jail::Storage {
            slots: mapped("max_tracked", tracked)?,
            times: mapped("max_tracked", tracked.saturating_mul(ring))?,
            links: vec![Link::EMPTY; tracked].leak(),
            buckets: vec![0; tracked].leak(),
            jails: vec![jail::Totals::EMPTY; crate::config::MAX_JAILS].leak(),
        },
        wide,
    );
    let bans = global.max_bans as usize;
    let storage = blocklist::Storage {
        slots: mapped("max_bans", bans)?,
        cells: mapped("max_bans", bans.saturating_mul(2))?,
        words: mapped("max_bans", bans / 2)?,
    };
    Ok(Engine::new(Parts {
        sessions: sessions.lend(wide, session::IDLE_TIMEOUT),
        tracker,
        blocklist: Blocklist::new(storage, [b, c]),
        scratch: Box::leak(Box::new(Matching::new(global.max_line as usize))).lend(),
        repeats: vec![Repeat::EMPTY; streams].leak(),
        seed: a as u32,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_bytes_are_empty_entries() {
        let bans: &[blocklist::Slot] = mapped("", 3).expect("memory");
        assert_eq!(format!("{bans:?}"), format!("{:?}", [blocklist::Slot::EMPTY; 3]));
        let tracked: &[jail::Slot] = mapped("", 3).expect("memory");
        assert_eq!(format!("{tracked:?}"), format!("{:?}", [jail::Slot::EMPTY; 3]));
        assert!(mapped::<u32>("", 0).is_ok_and(|none| none.is_empty()));
    }
}
