//! `edgeban filters`: the built-in filters, their modes and rules.

use super::args::Options;
use super::output::Out;
use super::test::word;
use super::{Done, Failure};
use crate::config::Likeness;
use crate::control::json::Writer;
use crate::filter::{Filter, Rule};
use crate::rules;
use std::format;
use std::string::{String, ToString};

pub(super) fn run(options: &Options) -> Done {
    let mut out = Out::new();
    match options.words.is_empty() {
        true if options.json => rules::ALL.iter().for_each(|filter| json(filter, &mut out)),
        true => {
            out.line(format_args!("{:<18} {:>5}  {:<28} {}", "FILTER", "RULES", "MODES", "PROGRAMS"));
            for filter in rules::ALL {
                let modes: std::vec::Vec<&str> =
                    filter.modes.into_iter().filter(|m| !m.is_empty()).collect();
                let modes = format!("normal {}", modes.join(" "));
                out.line(format_args!(
                    "{:<18} {:>5}  {modes:<28} {}",
                    filter.name,
                    filter.rules.len(),
                    filter.apps
                ));
            }
        }
        false => {
            let name = options.one("a filter's name")?;
            let Some(filter) = rules::find(&name) else {
                return Err(Failure::Usage(unknown(&name)));
            };
            if options.json {
                json(filter, &mut out);
                return out.done();
            }
            let text = rules::text(&name).unwrap_or_default();
            for (at, line) in text.lines().enumerate().filter(|(_, l)| !l.is_empty()) {
                let number = on(filter, at).map_or("".to_string(), |rule| rule.ordinal.to_string());
                out.line(format_args!("{number:>4}  {line}"));
            }
        }
    }
    out.done()
}

/// The rule on the line of this index.
fn on<'f>(filter: &'f Filter<'_>, index: usize) -> Option<&'f Rule> {
    filter.rules.iter().find(|rule| usize::from(rule.line) == index + 1)
}

/// The message that there is no filter of this name, with one that may be meant.
pub(super) fn unknown(name: &str) -> String {
    let mut likeness = Likeness::of(name);
    rules::ALL.iter().for_each(|filter| likeness.look(filter.name));
    match likeness.found() {
        Some(near) => format!("no filter {name}; did you mean {near}?"),
        None => format!("no filter {name}; 'edgeban filters' lists them"),
    }
}

fn json(filter: &Filter<'_>, out: &mut Out) {
    let mut bytes = |b: &[u8]| out.bytes(b);
    let mut w = Writer::new(&mut bytes);
    w.object().key("name").str(filter.name.as_bytes()).key("apps").array();
    for app in filter.apps.split_ascii_whitespace() {
        w.str(app.as_bytes());
    }
    w.end_array().key("modes").array().str(b"normal");
    for mode in filter.modes.iter().filter(|m| !m.is_empty()) {
        w.str(mode.as_bytes());
    }
    w.end_array().key("rules").array();
    let text = rules::text(filter.name).unwrap_or_default();
    for (rule, line) in text.lines().enumerate().filter_map(|(at, line)| Some((on(filter, at)?, line))) {
        w.object().key("rule").u64(rule.ordinal.into()).key("line").u64(rule.line.into());
        w.key("verdict").str(word(rule.verdict).as_bytes()).key("modes").array();
        for mode in core::iter::once("normal").chain(filter.modes) {
            if filter.mode(mode).is_some_and(|bit| rule.modes & bit != 0) {
                w.str(mode.as_bytes());
            }
        }
        w.end_array().key("text").str(line.as_bytes()).end_object();
    }
    w.end_array().end_object().newline();
}
