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
    let mut texts = Vec::new();
    let mut sound = true;
    for path in &paths {
        sound &= table(path, &mut out, &mut all, &mut texts);
    }
    if !sound {
        std::process::exit(1);
    }
    let count = paths.len();
    let pairs = pack(&mut texts);
    let texts: Vec<String> = texts.iter().map(|text| format!("&{text:?}")).collect();
    let texts = texts.join(", ");
    write!(
        out,
        "/// Every built-in filter, by name.\npub static ALL: [&Filter<'static>; {count}] = [{all}];\n"
    )
    .expect("a string");
    write!(
        out,
        "/// The text of each filter in [`ALL`], in the same order, packed: see `unpack`.\n#[cfg(feature = \"std\")]\n\
         static TEXTS: [&[u8]; {count}] = [{texts}];\n\
         /// What each byte from 0x80 stands for.\n#[cfg(feature = \"std\")]\n\
         static PAIRS: [(u8, u8); {}] = {pairs:?};\n",
        pairs.len()
    )
    .expect("a string");
    let dir = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&dir).join("rules.rs"), out).expect("OUT_DIR");
}

/// Appends the table of the filter at `path`; says what is wrong with it otherwise.
fn table(path: &Path, out: &mut String, all: &mut String, texts: &mut Vec<Vec<u8>>) -> bool {
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
        let filter::Need { at, len, rare } = need;
        write!(
            out,
            "Rule {{ ordinal: {ordinal}, line: {line}, entry: {entry}, need: Need {{ at: {at}, len: {len}, rare: {rare} }}, key: {key}, mask: {mask}, \
             modes: {modes}, verdict: Verdict::{verdict:?}, forget: {forget}, part: Part::{part:?} }},"
        )
        .expect("a string");
    }
    writeln!(out, "] }};").expect("a string");
    // Comments are for those who write rules; their lines stay, since a rule is known by its line.
    let bare: Vec<&str> =
        text.lines().map(|l| if l.trim_start().starts_with('#') { "" } else { l }).collect();
    texts.push(bare.join("\n").into_bytes());
    write!(all, "&{ident}, ").expect("a string");
    true
}

/// Writes one byte from 0x80 for the most frequent pair of bytes in `texts`, then for the next; halves them. Returns
/// what the bytes stand for. The texts are only for `edgeban filters`, and a twentieth of a router's binary unpacked.
fn pack(texts: &mut [Vec<u8>]) -> Vec<(u8, u8)> {
    assert!(texts.iter().all(|text| text.is_ascii()), "a filter's text is ASCII");
    let mut pairs = Vec::new();
    for code in 0x80..=0xff {
        let mut counts = vec![0; 1 << 16];
        for pair in texts.iter().flat_map(|text| text.windows(2)) {
            counts[usize::from(pair[0]) << 8 | usize::from(pair[1])] += 1;
        }
        // Of equally frequent ones always the last: a build is the same each time.
        let best = (0..counts.len()).max_by_key(|at| counts[*at]).unwrap_or(0);
        let pair = ((best >> 8) as u8, best as u8);
        pairs.push(pair);
        for text in texts.iter_mut() {
            let mut rest = text.as_slice();
            let mut short = Vec::new();
            while let [first, tail @ ..] = rest {
                let hit = tail.first().is_some_and(|second| (*first, *second) == pair);
                short.push(if hit { code } else { *first });
                rest = if hit { &tail[1..] } else { tail };
            }
            *text = short;
        }
    }
    pairs
}
