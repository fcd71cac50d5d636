//! `edgeban filters`: the built-in filters, their modes and rules.

use super::args::Options;
use super::output::Out;
use super::{Done, Failure};
use crate::config::Likeness;
use crate::control::json::Writer;
use crate::filter::Filter;
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
                return Err(Failure::Error(unknown(&name)));
            };
            if options.json {
                json(filter, &mut out);
                return out.done();
            }
            let mut ordinal = 0;
            for (at, line) in
                rules::text(&name).unwrap_or("").lines().enumerate().filter(|(_, l)| !l.is_empty())
            {
                let rule = filter.rules.iter().any(|rule| usize::from(rule.line) == at + 1);
                ordinal += usize::from(rule);
                let number = if rule { ordinal.to_string() } else { "".to_string() };
                out.line(format_args!("{number:>4}  {line}"));
            }
        }
    }
    out.done()
}

/// That there is no filter of this name, and which may be meant.
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
    w.end_array().key("rules").u64(filter.rules.len() as u64).end_object().newline();
}
