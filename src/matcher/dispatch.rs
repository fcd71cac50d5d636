//! From a message to the few programs worth running: program name, then first bytes, then a needed literal.

use super::machine::{End, Machine, Scratch};
use super::{Hit, Source, Tally};
use crate::addr::scan;
use crate::filter::ops::Slot;
use crate::filter::{Filter, Kind, Rule};
use crate::syslog::{Form, Message};
use memchr::memchr_iter;

/// A filter in use.
#[derive(Clone, Copy, Debug)]
pub struct Active<'a> {
    /// Its tables.
    pub filter: Filter<'a>,
    /// The bit of its mode; see [`Filter::mode`].
    pub mode: u8,
}

/// One program name and the filters that want its messages. Lent, at least twice as many as there are names,
/// a power of two.
#[derive(Clone, Copy, Debug)]
pub struct AppSlot<'a> {
    name: &'a [u8],
    hash: u32,
    /// Bit i: the i-th active filter.
    wanted: u32,
}

impl AppSlot<'_> {
    /// What lent tables start with.
    pub const EMPTY: Self = Self { name: b"", hash: 0, wanted: 0 };
}

/// The filters in use and the index over their program names.
#[derive(Debug)]
pub struct Matcher<'a> {
    active: &'a [Active<'a>],
    slots: &'a [AppSlot<'a>],
    /// Filters with `app *`.
    any: u32,
    /// Filters that also read lines without a syslog header.
    raw: u32,
}

/// The first and the last eight bytes of a name, which overlap in a short one: all of it up to sixteen.
#[inline(always)]
fn ends(name: &[u8]) -> [u64; 2] {
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        return [u64::from_le_bytes(*first), u64::from_le_bytes(*last)];
    }
    let word = match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => name.iter().fold(0, |n, &b| n << 8 | u64::from(b)),
    };
    [word; 2]
}

/// The names in the table are the configuration's, so nobody can make them collide.
#[inline(always)]
fn mixed([first, last]: [u64; 2], len: usize) -> u32 {
    let word = first ^ last.rotate_left(29) ^ (len as u64) << 24;
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

fn hash(name: &[u8]) -> u32 {
    mixed(ends(name), name.len())
}

/// Whether one of the eight bytes is from `(` to `/`, which few names have; now and then a false alarm.
#[inline(always)]
fn may_part(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let apart = (word & (ONES * 0xf8)) ^ (ONES * 0x28);
    apart.wrapping_sub(ONES) & !apart & (ONES << 7) != 0
}

impl<'a> Matcher<'a> {
    /// Indexes `active`, of which the first 32 are used. `None` where `slots` are too few, or their number is no
    /// power of two.
    pub fn new(active: &'a [Active<'a>], slots: &'a mut [AppSlot<'a>]) -> Option<Self> {
        if !slots.len().is_power_of_two() {
            return None;
        }
        let (mut any, mut raw, mut used) = (0u32, 0u32, 0usize);
        for (index, one) in active.iter().enumerate().take(32) {
            let bit = 1u32 << index;
            if matches!(one.filter.kind, Kind::Raw | Kind::Clf | Kind::NginxError) {
                raw |= bit;
            }
            for name in one.filter.apps.split_ascii_whitespace() {
                if name == "*" {
                    any |= bit;
                    continue;
                }
                // "postfix/*" is kept as "postfix/".
                let name = name.strip_suffix('*').unwrap_or(name).as_bytes();
                let mask = slots.len() - 1;
                let hash = hash(name);
                let mut at = hash as usize & mask;
                loop {
                    let slot = slots.get_mut(at)?;
                    if slot.name.is_empty() {
                        used += 1;
                        if used * 2 > mask + 1 {
                            return None;
                        }
                        (slot.name, slot.hash) = (name, hash);
                    }
                    if slot.name == name {
                        slot.wanted |= bit;
                        break;
                    }
                    at = (at + 1) & mask;
                }
            }
        }
        Some(Self { active, slots, any, raw })
    }

    /// The filters in use.
    pub fn active(&self) -> &'a [Active<'a>] {
        self.active
    }

    #[inline]
    fn wanted(&self, name: &[u8], hash: u32) -> u32 {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        // Half of the slots are empty, so this ends.
        while let Some(slot) = self.slots.get(at) {
            if slot.name.is_empty() {
                return 0;
            }
            if slot.hash == hash && slot.name == name {
                return slot.wanted;
            }
            at = (at + 1) & mask;
        }
        0
    }

    /// The filters to try on `message`, a bit each.
    #[inline]
    fn candidates(&self, message: &Message<'_>) -> u32 {
        if message.form == Form::Raw {
            return self.raw;
        }
        let app = message.app;
        // LuCI on some releases logs with an empty tag; only filters for any program can want that.
        if app.is_empty() {
            return self.any;
        }
        let [first, last] = ends(app);
        let found = self.any | self.wanted(app, mixed([first, last], app.len()));
        if app.len() <= 16 && !may_part(first) && !may_part(last) { found } else { found | self.parts(app) }
    }

    /// The filters that want what stands before a `(` of `app`, or up to a `/` of it.
    #[inline(never)]
    fn parts(&self, app: &[u8]) -> u32 {
        let wanted = |end: usize| app.get(..end).map_or(0, |name| self.wanted(name, hash(name)));
        app.iter().enumerate().fold(0, |found, (at, b)| match b {
            b'(' => found | wanted(at),
            b'/' => found | wanted(at + 1),
            _ => found,
        })
    }

    /// Tries every filter that wants `message` and is in `among` (bit i: the i-th active filter), and tells each
    /// one's hit to `found`.
    pub fn each<'t>(
        &self,
        message: &Message<'t>,
        among: u32,
        scratch: &mut Scratch<'_>,
        tally: &mut Tally,
        found: &mut impl FnMut(Hit<'t>),
    ) {
        // A line without a header names no program, so the filters that its source is for may be meant, whatever
        // else they read.
        let bound = message.form == Form::Raw && among != u32::MAX;
        let mut left = if bound { among } else { self.candidates(message) & among };
        while left != 0 {
            let index = left.trailing_zeros() as usize;
            left &= left - 1;
            let Some(active) = self.active.get(index) else { continue };
            let filter = &active.filter;
            let whole = message.form == Form::Raw && filter.kind == Kind::Clf;
            let text = head(filter.kind, if whole { message.line } else { message.text });
            // Filters for any program see every line: most are turned away here.
            let Some(&first) = text.first() else { continue };
            let marked = filter.starts.get(usize::from(first % 32)).copied().unwrap_or(0);
            if marked == 0 && !filter.strip_starts.has(first) {
                continue;
            }
            if let Some(mut hit) = one(active, text, scratch, tally) {
                hit.filter = index as u8;
                found(hit);
            }
        }
    }
}

/// The first rule of `active` that matches `text`.
fn one<'t>(
    active: &Active<'_>,
    text: &'t [u8],
    scratch: &mut Scratch<'_>,
    tally: &mut Tally,
) -> Option<Hit<'t>> {
    let filter = &active.filter;
    let mut text = text;
    if let Some(entry) = filter.strip
        && text.first().is_some_and(|&b| filter.strip_starts.has(b))
        && let End::Match(end) = Machine::new(filter.code, filter.sets, text, scratch).run(entry)
    {
        text = text.get(end..).unwrap_or(&[]);
    }
    let mut marked = filter.starts.get(usize::from(*text.first()? % 32)).copied()?;
    let start = match text.first_chunk::<4>() {
        Some(chunk) => u32::from_le_bytes(*chunk),
        None => text.iter().rev().fold(0, |n, &b| n << 8 | u32::from(b)),
    };
    let mut machine = Machine::new(filter.code, filter.sets, text, scratch);
    let mut at = 0;
    loop {
        // The last bit stands for itself and all rules behind it.
        if at < 63 || marked >> 63 == 0 {
            if marked == 0 {
                return None;
            }
            at = marked.trailing_zeros() as usize;
            marked &= marked.wrapping_sub(1) | 1 << 63;
        }
        let rule = filter.rules.get(at)?;
        at += 1;
        if start & rule.mask != rule.key || rule.modes & active.mode == 0 {
            continue;
        }
        if rule.mask == 0 && !needed(filter, rule, text) {
            continue;
        }
        match machine.run(rule.entry) {
            End::Match(_) => {
                let captures = machine.captures();
                let get = |slot| captures.get(slot, text);
                let named = || get(Slot::Source).map_or(Source::None, source);
                return Some(Hit {
                    filter: 0,
                    rule: rule.ordinal,
                    verdict: rule.verdict,
                    forget: rule.forget,
                    source: machine.address(Slot::Source).map_or_else(named, Source::Ip),
                    user: get(Slot::User),
                    port: get(Slot::Port).and_then(port),
                    sess: get(Slot::Sess),
                    id: get(Slot::Id),
                });
            }
            End::No => {}
            // A rule that gave up might have been the one: no later rule may speak for the line.
            End::Fuel => {
                tally.match_fuel.bump();
                return None;
            }
            End::Stack => {
                tally.match_stack.bump();
                return None;
            }
        }
    }
}

/// Takes off what `kind` says stands in front of every text.
#[inline]
fn head(kind: Kind, text: &[u8]) -> &[u8] {
    match kind {
        Kind::Kernel => uptime(text).unwrap_or(text),
        Kind::NginxError => nginx(text).unwrap_or(text),
        Kind::Syslog | Kind::Raw | Kind::Clf => text,
    }
}

/// `[  311.423870] `.
fn uptime(text: &[u8]) -> Option<&[u8]> {
    let inner = text.strip_prefix(b"[")?;
    let len = inner.iter().take_while(|&&b| b.is_ascii_digit() || b == b'.' || b == b' ').count();
    inner.get(len..)?.strip_prefix(b"] ")
}

/// `2026/07/01 21:37:58 [error] 12#34: *56 `, the date where syslog carried it and the connection optional.
fn nginx(text: &[u8]) -> Option<&[u8]> {
    let date = text.iter().take_while(|&&b| b.is_ascii_digit() || b"/: ".contains(&b)).count();
    let rest = text.get(if date >= 20 { date } else { 0 }..)?.strip_prefix(b"[")?;
    let level = rest.iter().take_while(|b| b.is_ascii_lowercase()).count();
    let rest = rest.get(level..)?.strip_prefix(b"] ")?;
    let ids = rest.iter().take_while(|&&b| b.is_ascii_digit() || b == b'#').count();
    let rest = rest.get(ids..)?.strip_prefix(b": ")?;
    let Some(after) = rest.strip_prefix(b"*") else { return Some(rest) };
    let connection = after.iter().take_while(|b| b.is_ascii_digit()).count();
    after.get(connection..)?.strip_prefix(b" ")
}

/// Whether `text` has the literal that every match of `rule` contains.
fn needed(filter: &Filter<'_>, rule: &Rule, text: &[u8]) -> bool {
    let (at, len) = (usize::from(rule.need.0), usize::from(rule.need.1));
    let Some(literal) = filter.code.get(at..at + len) else { return false };
    // The last byte of such literals is rarer than the first, which mostly is a blank.
    let Some((&last, _)) = literal.split_last() else { return true };
    memchr_iter(last, text).any(|end| text.get(..end + 1).is_some_and(|head| head.ends_with(literal)))
}

fn source(text: &[u8]) -> Source<'_> {
    let bare = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]")).unwrap_or(text);
    match scan(bare) {
        Some(found) if found.len == bare.len() => Source::Ip(found.addr),
        _ => Source::Host(text),
    }
}

fn port(text: &[u8]) -> Option<u16> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u16, |n, &b| {
        let digit = b.is_ascii_digit().then_some(b.wrapping_sub(b'0'))?;
        n.checked_mul(10)?.checked_add(u16::from(digit))
    })
}
