//! From a message to the few programs worth running: program name, then first bytes, then a needed literal.

use super::machine::{Outcome, Scratch, run};
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

/// FNV-1a. The names in the table are the configuration's, so nobody can make them collide.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(FNV_START, |h, &b| fnv(h, b))
}

const FNV_START: u32 = 0x811c_9dc5;

#[inline(always)]
fn fnv(h: u32, b: u8) -> u32 {
    (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
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
        let (mut found, mut h) = (self.any, FNV_START);
        for (at, &b) in app.iter().enumerate() {
            let before = h;
            h = fnv(h, b);
            // One comparison for the bytes from `(` to `/`, which few names have.
            if b.wrapping_sub(b'(') > b'/' - b'(' {
                continue;
            }
            if b == b'(' {
                found |= self.wanted(app.get(..at).unwrap_or(app), before);
            } else if b == b'/' {
                found |= self.wanted(app.get(..at + 1).unwrap_or(app), h);
            }
        }
        // LuCI on some releases logs with an empty tag; only filters for any program can want that.
        if app.is_empty() { found } else { found | self.wanted(app, h) }
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
            let whole = message.form == Form::Raw && active.filter.kind == Kind::Clf;
            let text = if whole { message.line } else { message.text };
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
    let text = head(filter.kind, text);
    let mut text = text;
    if let Some(entry) = filter.strip
        && text.first().is_some_and(|&b| filter.strip_starts.has(b))
        && let Outcome::Match(_, end) = run(filter.code, filter.sets, entry, text, scratch)
    {
        text = text.get(end..).unwrap_or(&[]);
    }
    let marked = filter.starts.get(usize::from(*text.first()? % 32)).copied()?;
    let start = match text.first_chunk::<4>() {
        Some(chunk) => u32::from_le_bytes(*chunk),
        None => text.iter().rev().fold(0, |n, &b| n << 8 | u32::from(b)),
    };
    // The last bit stands for itself and all rules behind it.
    let behind = if marked >> 63 == 1 { 64..filter.rules.len() } else { 0..0 };
    for at in bits(marked).chain(behind) {
        let Some(rule) = filter.rules.get(at) else { break };
        if start & rule.mask != rule.key || rule.modes & active.mode == 0 {
            continue;
        }
        if rule.mask == 0 && !needed(filter, rule, text) {
            continue;
        }
        match run(filter.code, filter.sets, rule.entry, text, scratch) {
            Outcome::Match(captures, _) => {
                let get = |slot| captures.get(slot, text);
                return Some(Hit {
                    filter: 0,
                    rule: rule.ordinal,
                    verdict: rule.verdict,
                    forget: rule.forget,
                    source: get(Slot::Source).map_or(Source::None, source),
                    user: get(Slot::User),
                    port: get(Slot::Port).and_then(port),
                    sess: get(Slot::Sess),
                    id: get(Slot::Id),
                });
            }
            Outcome::No => {}
            // A rule that gave up might have been the one: no later rule may speak for the line.
            Outcome::Fuel => {
                tally.match_fuel.bump();
                return None;
            }
            Outcome::Stack => {
                tally.match_stack.bump();
                return None;
            }
        }
    }
    None
}

/// The places of the bits that are set, the lowest first.
fn bits(mut left: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let at = left.trailing_zeros() as usize;
        left &= left.checked_sub(1)?;
        Some(at)
    })
}

/// Takes off what `kind` says stands in front of every text.
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
