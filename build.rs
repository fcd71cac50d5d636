//! Compiles `src/rules/*.filter` into const tables, with the compiler that the daemon uses at run time.
//! A bad rule stops the build with its path, line and column.

#[path = "src/filter/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, missing_docs)] // build.rs calls the compiler and nothing else of it.
mod filter;

use core::fmt::Write as _;
use filter::{Filter, Rule, Set, Space, compile};
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=src/rules");
    println!("cargo::rerun-if-changed=src/filter");
    let mut paths: Vec<PathBuf> = std::fs::read_dir("src/rules")
        .expect("src/rules")
        .map(|entry| entry.expect("src/rules").path())
        .filter(|path| path.extension().is_some_and(|e| e == "filter"))
        .collect();
    paths.sort();
    let mut out = String::new();
    let mut all = String::new();
    let mut texts = String::new();
    let mut sound = true;
    for path in &paths {
        sound &= table(path, &mut out, &mut all, &mut texts);
    }
    if !sound {
        std::process::exit(1);
    }
    let count = paths.len();
    write!(
        out,
        "/// Every built-in filter, by name.\npub static ALL: [&Filter<'static>; {count}] = [{all}];\n"
    )
    .expect("a string");
    write!(
        out,
        "/// The text of each filter in [`ALL`] without its comments, in the same order.\n#[cfg(feature = \"std\")]\n\
         pub static TEXTS: [&str; {count}] = [{texts}];\n"
    )
    .expect("a string");
    let dir = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&dir).join("rules.rs"), out).expect("OUT_DIR");
}

/// Appends the table of the filter at `path`; says what is wrong with it otherwise.
fn table(path: &Path, out: &mut String, all: &mut String, texts: &mut String) -> bool {
    let text = std::fs::read_to_string(path).expect("a filter's text");
    let (mut code, mut sets, mut rules) =
        (vec![0; 32 * 1024], vec![Set::NONE; 250], vec![Rule::EMPTY; 250]);
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    let mut report = |error| println!("cargo::error={}:{error}", path.display());
    let Some(filter) = compile(&text, space, &mut report) else { return false };
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    if filter.name != stem {
        println!(
            "cargo::error={}:1:1: the file is named {stem}, its filter {}",
            path.display(),
            filter.name
        );
        return false;
    }
    let ident = stem.replace('-', "_").to_uppercase();
    let Filter { name, apps, modes, kind, strip, strip_starts, starts, code, sets, rules } = filter;
    write!(
        out,
        "/// The filter `{name}`.\npub static {ident}: Filter<'static> = Filter {{ name: {name:?}, apps: {apps:?}, \
         modes: {modes:?}, kind: Kind::{kind:?}, strip: {strip:?}, strip_starts: {strip_starts:?}, starts: {starts:?}, code: &{code:?}, sets: &{sets:?}, rules: &["
    )
    .expect("a string");
    for Rule { ordinal, line, entry, need, key, mask, modes, verdict, forget, part } in rules {
        write!(
            out,
            "Rule {{ ordinal: {ordinal}, line: {line}, entry: {entry}, need: {need:?}, key: {key}, mask: {mask}, \
             modes: {modes}, verdict: Verdict::{verdict:?}, forget: {forget}, part: Part::{part:?} }},"
        )
        .expect("a string");
    }
    writeln!(out, "] }};").expect("a string");
    // Comments are for those who write rules; their lines stay, since a rule is known by its line.
    let bare: Vec<&str> =
        text.lines().map(|l| if l.trim_start().starts_with('#') { "" } else { l }).collect();
    write!(texts, "{:?}, ", bare.join("\n")).expect("a string");
    write!(all, "&{ident}, ").expect("a string");
    true
}
