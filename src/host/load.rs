//! Settings to [`Rules`]: finds or compiles filters, gives jails their places and port sets their numbers.
//!
//! In: checked [`Settings`] and what was loaded before. Out: a [`Loaded`] that owns everything its rules refer to, or all
//! errors, each with its file and line. Nothing of the running engine changes before the caller swaps the two.
//!
//! The engine's counts and bans refer to a jail by its number. So a jail keeps its place over reloads, found by its name, and
//! one that is gone stays in its place, disabled, until another needs the room. Port sets keep their numbers likewise.

use super::arena::Arena;
use super::conf::{self, LONGEST};
use crate::action::nftables::PortRange;
use crate::addr::Prefix;
use crate::blocklist::{LISTED_ONLY, Scope};
use crate::config::{self, MAX_JAILS, Settings};
use crate::engine::{Jail, Rules};
use crate::filter::{Filter, Kind, Rule, Set, Space, compile};
use crate::jail::{self, Allow, Policy, Why};
use crate::matcher::{Active, AppSlot, Matcher};
use crate::rules;
use std::boxed::Box;
use std::format;
use std::path::Path;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// Slots of the index over program names, a power of two: more than twice what all built-in filters name, with room for the
/// names in filters of a user's own.
const APP_SLOTS: usize = 256;

/// A configuration in use.
pub struct Loaded {
    // Before `arena`, which owns what it borrows.
    rules: Rules<'static>,
    /// The settings it came from.
    pub settings: Box<Settings>,
    /// The port sets: scope n is the n-th, from 1. One that is empty is free.
    pub scopes: Vec<Vec<PortRange>>,
    /// Memory of the allow list, which is replaced when this host's addresses change.
    allowed: Arena,
    _arena: Arena,
}

impl Loaded {
    /// The rules, for as long as this is kept.
    pub fn rules(&self) -> &Rules<'_> {
        &self.rules
    }

    /// Builds the rules of `settings`. `own` are this host's addresses and gateways. `before` is what is in use now.
    ///
    /// # Errors
    /// Every problem as `line: message`, or `path:line:column: message` where it is in a filter's file.
    pub fn new(
        settings: Box<Settings>,
        own: &[(Prefix, Why)],
        before: Option<&Self>,
    ) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let owner = Arena::default();
        // SAFETY: used up to the end of this function only, before `owner` is moved. What it hands out is in `rules`,
        // which is dropped before it and lent no longer than `Self` is.
        let arena = unsafe { owner.lend() };
        let mut scopes = before.map_or_else(Vec::new, |b| b.scopes.clone());
        let places = places(&settings, before.map(|b| b.rules.jails));
        let count =
            places.iter().map(|p| p + 1).max().unwrap_or(0).max(before.map_or(0, |b| b.rules.jails.len()));
        let mut active = Vec::new();
        let mut jails: Vec<Jail<'static>> = Vec::new();
        for place in 0..count.min(MAX_JAILS) {
            let setting = places.iter().position(|p| *p == place).and_then(|at| settings.jails.get(at));
            let old = before.and_then(|b| b.rules.jails.get(place));
            let name: &'static str =
                arena.keep_str(setting.map_or(old.map_or("", |j| j.name), |jail| jail.name.as_str()));
            let filter = match setting.filter(|jail| jail.enabled) {
                Some(jail) => filter(jail, arena).unwrap_or_else(|mut found| {
                    errors.append(&mut found);
                    NO_FILTER
                }),
                None => NO_FILTER,
            };
            // Where the filter itself is missing, say nothing of its mode.
            let told = setting.filter(|jail| jail.enabled && !filter.name.is_empty());
            let mode = told.map_or("normal", |jail| jail.mode.as_str());
            let bit = filter.mode(mode).unwrap_or_else(|| {
                let line = told.map_or(0, |jail| jail.mode_line);
                errors.push(format!("{line}: jail {name}: filter {} has no mode {mode}", filter.name));
                1
            });
            active.push(Active { filter, mode: bit });
            jails.push(match setting {
                Some(jail) => Jail {
                    name,
                    enabled: jail.enabled,
                    policy: policy(&jail.policy),
                    scope: scope(jail, &mut scopes).unwrap_or_else(|| {
                        errors
                            .push(format!("{}: jail {name}: too many different sets of ports", jail.line));
                        0
                    }),
                    recidive: jail.filter == "recidive" && jail.filter_file.is_empty(),
                    allow: allow(&jail.allow, &[], arena),
                },
                None => Jail {
                    name,
                    enabled: false,
                    policy: old.map_or(Policy::DEFAULT, |j| j.policy.clone()),
                    scope: old.map_or(0, |j| j.scope),
                    recidive: false,
                    allow: allow(&[], &[], arena),
                },
            });
        }
        let active = arena.keep_slice(active);
        let slots = arena.keep_slice(vec![AppSlot::EMPTY; APP_SLOTS]);
        let matcher = Matcher::new(active, slots);
        if matcher.is_none() {
            errors.push("0: the filters name too many programs".to_string());
        }
        match matcher {
            Some(matcher) if errors.is_empty() => {
                let allowed = Arena::default();
                // SAFETY: as above.
                let allow = allow(&settings.global.allow, own, unsafe { allowed.lend() });
                let rules = Rules { matcher, jails: arena.keep_slice(jails), allow };
                Ok(Self { rules, settings, scopes, allowed, _arena: owner })
            }
            _ => Err(errors),
        }
    }

    /// Frees the numbers of port sets that neither an enabled jail nor a ban uses (`in_use` are the scopes of bans), since
    /// they would run out over many reloads. The set of a free number is empty.
    pub fn free_scopes(&mut self, in_use: impl Iterator<Item = Scope>) {
        let jails = self.rules.jails.iter().filter(|jail| jail.enabled).map(|jail| jail.scope);
        let used =
            in_use.chain(jails).fold(0, |used, scope| used | 1u64.checked_shl(scope.into()).unwrap_or(0));
        for (at, ports) in self.scopes.iter_mut().enumerate() {
            if used >> (at + 1).min(63) & 1 == 0 {
                *ports = Vec::new();
            }
        }
    }

    /// Replaces this host's addresses and gateways on the allow list.
    pub fn renew_own(&mut self, own: &[(Prefix, Why)]) {
        let allowed = Arena::default();
        // SAFETY: as in `new`.
        self.rules.allow = allow(&self.settings.global.allow, own, unsafe { allowed.lend() });
        // The old list is gone from the rules; now its memory goes.
        self.allowed = allowed;
    }
}

const NO_FILTER: Filter<'static> = Filter {
    name: "",
    apps: "",
    modes: [""; 7],
    kind: Kind::Syslog,
    strip: None,
    strip_starts: Set::NONE,
    starts: [[0; 16]; 2],
    code: &[],
    sets: &[],
    rules: &[],
};

/// Where each jail of `settings` goes among `old`.
fn places(settings: &Settings, old: Option<&[Jail<'_>]>) -> Vec<usize> {
    let old = old.unwrap_or(&[]);
    let mut places: Vec<Option<usize>> =
        settings.jails.iter().map(|jail| old.iter().position(|j| j.name == jail.name.as_str())).collect();
    let mut next = old.len();
    for at in 0..places.len() {
        if places.get(at) == Some(&None) {
            // New jails go behind the old ones; once all places are taken, into those of jails that are gone.
            let gone = (0..MAX_JAILS).find(|p| !places.contains(&Some(*p)));
            let place = if next < MAX_JAILS { next } else { gone.unwrap_or(0) };
            next += 1;
            if let Some(slot) = places.get_mut(at) {
                *slot = Some(place);
            }
        }
    }
    places.into_iter().map(|p| p.unwrap_or(0)).collect()
}

fn filter<'a>(jail: &config::Jail, arena: &'a Arena) -> Result<Filter<'a>, Vec<String>> {
    let unknown = || vec![format!("{}: jail {}: no filter {}", jail.filter_line, jail.name, jail.filter)];
    if jail.filter_file.is_empty() {
        return rules::find(&jail.filter).copied().ok_or_else(unknown);
    }
    let text = filter_text(Path::new(jail.filter_file.as_str())).map_err(|e| match e {
        Unread::Io(e) => {
            vec![format!("{}: jail {}: {}: {e}", jail.filter_line, jail.name, jail.filter_file)]
        }
        Unread::Place(place) => vec![format!("{}:{place}", jail.filter_file)],
    })?;
    compile_text(&text, arena)
        .map_err(|errors| errors.into_iter().map(|error| format!("{}:{error}", jail.filter_file)).collect())
}

/// Why there is no text of a filter.
pub(super) enum Unread {
    /// The file cannot be read.
    Io(std::io::Error),
    /// It is no text: `line:column: message`.
    Place(String),
}

/// The text of a filter's file, at most [`LONGEST`] bytes, without a byte order mark.
pub(super) fn filter_text(path: &Path) -> Result<String, Unread> {
    let Some(mut bytes) = conf::contents(path).map_err(Unread::Io)? else {
        return Err(Unread::Place(format!("1:1: longer than {LONGEST} bytes")));
    };
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|e| {
        let fine = e.as_bytes().get(..e.utf8_error().valid_up_to()).unwrap_or_default();
        let (mut line, mut column) = (1u32, 1u32);
        for b in fine {
            (line, column) = if *b == b'\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        Unread::Place(format!("{line}:{column}: not UTF-8 text"))
    })
}

/// Compiles a filter's text into memory of `arena`; otherwise every error as `line:column: message`.
pub(super) fn compile_text<'a>(text: &str, arena: &'a Arena) -> Result<Filter<'a>, Vec<String>> {
    let mut errors = Vec::new();
    let (mut code, mut sets, mut rules) = (vec![0; 0xffff], vec![Set::NONE; 254], vec![Rule::EMPTY; 1000]);
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    let Some(filter) = compile(text, space, &mut |error| errors.push(error.to_string())) else {
        return Err(errors);
    };
    Ok(Filter {
        name: arena.keep_str(filter.name),
        apps: arena.keep_str(filter.apps),
        modes: filter.modes.map(|mode| arena.keep_str(mode)),
        kind: filter.kind,
        strip: filter.strip,
        strip_starts: filter.strip_starts,
        starts: filter.starts,
        code: arena.keep_slice(filter.code.to_vec()),
        sets: arena.keep_slice(filter.sets.to_vec()),
        rules: arena.keep_slice(filter.rules.to_vec()),
    })
}

fn policy(from: &config::Policy) -> Policy {
    Policy {
        maxretry: from.maxretry,
        findtime: from.findtime,
        bantime: from.bantime,
        multipliers: from.multipliers.iter().copied().collect(),
        maxtime: from.maxtime,
        rndtime: from.rndtime,
        decay: from.decay,
        v4: from.ipv4_prefix,
        v6: from.ipv6_prefix,
        ignoreself: from.ignoreself,
    }
}

/// The number of a jail's set of ports, new if it must be; 0 for every port. `None` where 62 are in use.
fn scope(jail: &config::Jail, scopes: &mut Vec<Vec<PortRange>>) -> Option<Scope> {
    let ports = &jail.ports;
    if !jail.policy.actions.has(config::Actions::NFTABLES) {
        return Some(LISTED_ONLY);
    }
    if ports.is_empty() {
        return Some(0);
    }
    // Few, so that inserting is as good as a sort, whose code is 3 KB of a router.
    let mut sorted: Vec<PortRange> = Vec::new();
    for range in ports.iter().map(|p| (p.first, p.last)) {
        sorted.insert(sorted.partition_point(|known| *known < range), range);
    }
    let mut all: Vec<PortRange> = Vec::new();
    for (first, last) in sorted {
        match all.last_mut() {
            // They overlap or touch.
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => all.push((first, last)),
        }
    }
    let free = || scopes.iter().position(Vec::is_empty);
    let at = match scopes.iter().position(|known| *known == all).or_else(free) {
        Some(at) => at,
        None => {
            scopes.push(Vec::new());
            scopes.len() - 1
        }
    };
    if let Some(slot) = scopes.get_mut(at) {
        *slot = all;
    }
    Scope::try_from(at + 1).ok().filter(|scope| *scope < LISTED_ONLY)
}

/// An allow list of the configured prefixes and the host's own.
fn allow<'a>(listed: &[Prefix], own: &[(Prefix, Why)], arena: &'a Arena) -> Allow<'a> {
    let mut allow = Allow::new(arena.keep_slice(vec![jail::Rule::EMPTY; listed.len() + own.len()]));
    for (prefix, why) in listed.iter().map(|p| (*p, Why::Listed)).chain(own.iter().copied()) {
        // There is room for each.
        let _ = allow.add(prefix, why);
    }
    allow
}
