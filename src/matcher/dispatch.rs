//! From a message to the few programs worth running: program name, then first bytes, then a needed literal.

use super::machine::{End, Machine, Scratch, Start};
use super::names::{AppSlot, Names, Register};
use super::probe::begins;
use super::{Hit, Source, Tally};
use crate::addr::scan;
use crate::filter::ops::Slot;
use crate::filter::{Filter, Kind, Rule};
use crate::syslog::{Form, Message};
use crate::word::digits;
use memchr::memchr_iter;

/// A filter in use.
#[derive(Clone, Copy, Debug)]
pub struct Active<'a> {
    /// Its tables.
    pub filter: Filter<'a>,
    /// The bit of its mode; see [`Filter::mode`].
    pub mode: u8,
}

impl<'a> Active<'a> {
    /// The rules of its mode.
    fn rules(&self) -> impl Iterator<Item = &'a Rule> {
        let (rules, mode) = (self.filter.rules, self.mode);
        rules.iter().filter(move |rule| rule.modes & mode != 0)
    }

    /// Whether all of them need the same literal.
    fn agree(&self) -> bool {
        let literal = |rule| need(&self.filter, rule).filter(|literal| !literal.is_empty());
        let mut needs = self.rules().map(literal);
        let Some(Some(first)) = needs.next() else { return false };
        needs.all(|other| other == Some(first))
    }
}

/// The filters that want a message; see [`Matcher::wanted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Bit i: the i-th active filter.
    filters: u32,
    /// Whether the line is read as one of a daemon's own file, where what looks like a program's name is text.
    own: bool,
}

impl Wanted {
    const NONE: Self = Self { filters: 0, own: false };

    /// Whether no filter wants it.
    pub fn is_none(self) -> bool {
        self.filters == 0
    }
}

/// The filters in use and the index over their program names.
#[derive(Debug)]
pub struct Matcher<'a> {
    active: &'a [Active<'a>],
    names: Names<'a>,
    /// Filters with `app *`.
    any: u32,
    /// Filters with `app -` or `app *`: for messages that name no program.
    unnamed: u32,
    /// Filters that also read lines without a syslog header.
    raw: u32,
    /// Filters that get every line of the kernel, or of all programs, and whose rules all need one literal: see
    /// [`Matcher::possible`].
    agreed: u32,
    /// Indexed by a text's first byte modulo 16, and by its second. Filters that may have a rule for the text are in both
    /// entries.
    starts: [[u32; 16]; 2],
}

impl<'a> Matcher<'a> {
    /// Indexes the first 32 of `active`. `None` where `slots` are too few for their names, or no power of two in number.
    pub fn new(active: &'a [Active<'a>], slots: &'a mut [AppSlot<'a>]) -> Option<Self> {
        let mut names = Register::new(slots)?;
        let (mut any, mut unnamed, mut raw, mut agreed, mut starts) =
            (0u32, 0u32, 0u32, 0u32, [[0u32; 16]; 2]);
        for (index, one) in active.iter().enumerate().take(32) {
            let bit = 1u32 << index;
            if matches!(one.filter.kind, Kind::Raw | Kind::Clf | Kind::NginxError) {
                raw |= bit;
            }
            // Other filters get few lines that are not for them; for these it would be a second search.
            let hears_all = match one.filter.kind {
                Kind::Syslog => one.filter.apps.split_ascii_whitespace().any(|name| name == "*"),
                kind => kind == Kind::Kernel,
            };
            if hears_all && one.agree() {
                agreed |= bit;
            }
            for (place, starts) in starts.iter_mut().enumerate() {
                for (byte, filters) in (0u8..).zip(starts) {
                    if may_start(&one.filter, place, byte) {
                        *filters |= bit;
                    }
                }
            }
            for name in one.filter.apps.split_ascii_whitespace() {
                if name == "*" || name == "-" {
                    unnamed |= bit;
                    any |= if name == "*" { bit } else { 0 };
                    continue;
                }
                names.add(name, bit)?;
            }
        }
        Some(Self { active, names: names.done(), any, unnamed, raw, agreed, starts })
    }

    /// The filters in use.
    pub fn active(&self) -> &'a [Active<'a>] {
        self.active
    }

    /// The filters in `among` (bit i: the i-th active filter) that want `message`, for [`Matcher::each`]. Most messages
    /// are wanted by none.
    #[inline(always)]
    pub fn wanted(&self, message: &Message<'_>, among: u32) -> Wanted {
        if message.form == Form::Raw {
            // No program is named, so the filters that the source is for may be meant, whatever else they read.
            return Wanted { filters: if among == u32::MAX { self.raw } else { among }, own: false };
        }
        let Some(first) = message.text.first() else { return Wanted::NONE };
        let [firsts, seconds] = &self.starts;
        let starts = by_byte(firsts, *first) & by_byte(seconds, message.text.get(1).map_or(0, |b| *b));
        let filters = self.named(message.app) & starts & among;
        if filters != 0 || among == u32::MAX {
            Wanted { filters, own: false }
        } else {
            self.own(message, among)
        }
    }

    /// Takes those filters out of `filters` whose rules all need a literal that `text` does not contain. Most lines of the
    /// kernel and of PAM are done with that.
    #[inline(never)]
    fn possible(&self, filters: u32, text: &[u8]) -> u32 {
        let mut asked = filters & self.agreed;
        let mut found = filters;
        while asked != 0 {
            let index = asked.trailing_zeros() as usize;
            asked &= asked - 1;
            let Some(active) = self.active.get(index) else { continue };
            if !active.rules().next().is_some_and(|rule| needed(&active.filter, rule, text)) {
                found &= !(1 << index);
            }
        }
        found
    }

    /// A line of a daemon's own file may look as if it named a program: `date security: …`. Where no filter in `among`
    /// knows that program, these are the ones that read such files.
    #[inline(never)]
    fn own(&self, message: &Message<'_>, among: u32) -> Wanted {
        let headed = message.pri.is_some() || self.named(message.app) & among != 0;
        if headed { Wanted::NONE } else { Wanted { filters: among & self.raw, own: true } }
    }

    /// The filters for messages of `app`.
    #[inline(always)]
    fn named(&self, app: &[u8]) -> u32 {
        if app.is_empty() { self.unnamed } else { self.any | self.names.find(app) }
    }

    /// Tries each filter of `wanted` on `message`, and calls `found` with its hit.
    pub fn each<'t>(
        &self,
        message: &Message<'t>,
        wanted: Wanted,
        scratch: &mut Scratch<'_>,
        tally: &mut Tally,
        found: &mut impl FnMut(&Hit<'t>),
    ) {
        let untagged;
        let message = if wanted.own {
            untagged = message.untagged();
            &untagged
        } else {
            message
        };
        let mut left = wanted.filters;
        if left & self.agreed != 0 {
            left = self.possible(left, message.text);
        }
        while left != 0 {
            let index = left.trailing_zeros() as usize;
            left &= left - 1;
            let Some(active) = self.active.get(index) else { continue };
            // By reference: moving it out costs as much as reading a date.
            if let Some(hit) = &mut one(active, message, scratch, tally) {
                hit.filter = index as u8;
                found(hit);
            }
        }
    }
}

/// The hit of the first rule of `active` that matches `message`. What the filter's kind and its `strip` take off the text
/// goes first. Of the rules, those are tried whose start and needed literal the text has.
#[inline(never)]
fn one<'t>(
    active: &Active<'_>,
    message: &Message<'t>,
    scratch: &mut Scratch<'_>,
    tally: &mut Tally,
) -> Option<Hit<'t>> {
    let filter = &active.filter;
    let whole = message.form == Form::Raw && filter.kind == Kind::Clf;
    let mut text = head(filter.kind, if whole { message.line } else { message.text });
    if let Some(entry) = filter.strip
        && text.first().is_some_and(|&b| filter.strip_starts.has(b))
        && let Some(start) = Start::of(filter.code, filter.sets, entry, text, scratch)
        && let End::Match(end) = Machine::new(filter.code, filter.sets, text, scratch).run(start)
    {
        text = text.get(end..).unwrap_or(&[]);
    }
    let start = match text.first_chunk::<4>() {
        Some(chunk) => u32::from_le_bytes(*chunk),
        None if text.is_empty() => return None,
        None => text.iter().rev().fold(0, |n, &b| n << 8 | u32::from(b)),
    };
    let [first, second, ..] = start.to_le_bytes();
    let [firsts, seconds] = &filter.starts;
    let mut marked = by_byte(firsts, first) & by_byte(seconds, second);
    // The last bit stands for itself and all rules behind it.
    let mut behind = if marked >> 63 == 0 { filter.rules.len() } else { 64 };
    loop {
        let at = if marked == 0 {
            behind += 1;
            behind - 1
        } else {
            let at = marked.trailing_zeros();
            marked &= marked - 1;
            at as usize
        };
        let rule = filter.rules.get(at)?;
        if start & rule.mask != rule.key || rule.modes & active.mode == 0 {
            continue;
        }
        let Some(start) = Start::of(filter.code, filter.sets, rule.entry, text, scratch) else { continue };
        // A first byte or two says little, a set of letters next to nothing; and a long literal is soon told to be
        // missing.
        let (sure, long) = (rule.mask >> 16 != 0, rule.need.len >= LONG);
        if (!sure || long) && !needed(filter, rule, text) {
            continue;
        }
        let mut machine = Machine::new(filter.code, filter.sets, text, scratch);
        match machine.run(start) {
            End::Match(_) => {
                let captures = machine.captures();
                let get = |slot| captures.get(slot, text);
                let named = || get(Slot::Source).map_or(Source::None, source);
                return Some(Hit {
                    filter: 0,
                    rule: rule.ordinal,
                    verdict: rule.verdict,
                    forget: rule.forget,
                    part: rule.part,
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

/// The entry of `table` for a byte.
#[inline(always)]
fn by_byte<T: Copy + Default>(table: &[T; 16], byte: u8) -> T {
    table.get(usize::from(byte % 16)).copied().unwrap_or_default()
}

/// Whether `filter` may have a rule for a text whose byte at `place`, 0 or 1, has this remainder modulo 16.
fn may_start(filter: &Filter<'_>, place: usize, byte: u8) -> bool {
    // The others take something off the text first, or look at more than the text.
    !matches!(filter.kind, Kind::Syslog | Kind::Raw)
        || filter.starts.get(place).is_some_and(|rules| by_byte(rules, byte) != 0)
        || if place == 0 {
            (0..16).any(|high| filter.strip_starts.has(high << 4 | byte))
        } else {
            filter.strip.is_some()
        }
}

/// Takes off what stands in front of every text of this kind.
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
    let blanks = inner.iter().take_while(|&&b| b == b' ').count();
    let seconds = inner.get(blanks..)?;
    let parts = seconds.get(digits(seconds)..)?.strip_prefix(b".")?;
    parts.get(digits(parts)..)?.strip_prefix(b"] ")
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

/// A needed literal of this length or more is always looked for before its rule is tried (measured: 6 and 12 bytes were
/// worse).
const LONG: u8 = 8;

/// The literal that every match of `rule` contains; empty where there is none.
#[inline(always)]
fn need<'a>(filter: &Filter<'a>, rule: &Rule) -> Option<&'a [u8]> {
    let at = usize::from(rule.need.at);
    filter.code.get(at..at + usize::from(rule.need.len))
}

/// Whether `text` contains it.
fn needed(filter: &Filter<'_>, rule: &Rule, text: &[u8]) -> bool {
    let Some(literal) = need(filter, rule) else { return false };
    let rare = usize::from(rule.need.rare);
    let Some(&byte) = literal.get(rare) else { return true };
    memchr_iter(byte, text).any(|found| {
        found.checked_sub(rare).and_then(|start| text.get(start..)).is_some_and(|at| begins(at, literal))
    })
}

fn source(text: &[u8]) -> Source<'_> {
    let bare = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]")).unwrap_or(text);
    match scan(bare) {
        Some(found) if found.len == bare.len() => Source::Ip(found.addr),
        _ => Source::Host(text),
    }
}

fn port(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 5 {
        return None;
    }
    let number = text.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')));
    u16::try_from(number?).ok()
}
