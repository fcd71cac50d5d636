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
    let (packed, starts) = pack(texts);
    write!(
        out,
        "/// Every built-in filter, by name.\npub static ALL: [&Filter<'static>; {count}] = [{all}];\n"
    )
    .expect("a string");
    write!(
        out,
        "/// Codes of {BITS} bits: a pair for each code from {ASCII}, then the texts of the filters in [`ALL`].\n\
         #[cfg(feature = \"std\")]\nstatic PACKED: &[u8] = &{packed:?};\n\
         /// At which code each text starts; a last entry says where the last text ends.\n\
         #[cfg(feature = \"std\")]\nstatic STARTS: &[u16] = &{starts:?};\n"
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
    // Comments are left out to save room. Their lines stay as empty ones, since rules are named by line number.
    let bare: Vec<&str> =
        text.lines().map(|l| if l.trim_start().starts_with('#') { "" } else { l }).collect();
    texts.push(bare.join("\n").into_bytes());
    write!(all, "&{ident}, ").expect("a string");
    true
}

/// The first code that is a pair; lower ones are ASCII characters. `src/rules/mod.rs` unpacks with the same number.
const ASCII: u16 = 128;
/// Bits of a code, in `src/rules/mod.rs` too.
const BITS: usize = 10;

/// Compresses `texts` to a third by pair encoding (Gage, "A new algorithm for data compression", 1994): the most frequent
/// pair of codes becomes a new code, again and again until all codes are used. Returns the bytes of all pairs and texts, and
/// at which code each text starts. Only `edgeban filters` shows the texts; unpacked they would be a twentieth of a router's
/// binary.
fn pack(texts: Vec<Vec<u8>>) -> (Vec<u8>, Vec<usize>) {
    assert!(texts.iter().all(|text| text.is_ascii()), "a filter's text is ASCII");
    let mut texts: Vec<Vec<u16>> =
        texts.iter().map(|text| text.iter().map(|b| u16::from(*b)).collect()).collect();
    let mut pairs = Vec::new();
    let index = |pair: &[u16]| usize::from(pair[0]) << BITS | usize::from(pair[1]);
    for code in ASCII..1 << BITS {
        let mut counts = vec![0u32; 1 << (2 * BITS)];
        let all = || texts.iter().flat_map(|text| text.windows(2));
        all().for_each(|pair| counts[index(pair)] += 1);
        // The index decides between equally frequent pairs, so that every build is the same.
        let best = all().max_by_key(|pair| (counts[index(pair)], index(pair)));
        let best = best.map_or([0, 0], |pair| [pair[0], pair[1]]);
        pairs.extend(best);
        for text in texts.iter_mut() {
            let mut rest = text.as_slice();
            let mut short = Vec::new();
            while let [first, tail @ ..] = rest {
                let hit = tail.first().is_some_and(|second| [*first, *second] == best);
                short.push(if hit { code } else { *first });
                rest = if hit { &tail[1..] } else { tail };
            }
            *text = short;
        }
    }
    let mut starts = vec![pairs.len()];
    for text in &texts {
        starts.push(starts[starts.len() - 1] + text.len());
    }
    let codes = pairs.iter().chain(texts.iter().flatten());
    let mut packed = vec![0; (codes.clone().count() * BITS).div_ceil(8) + 1];
    for (at, code) in codes.enumerate() {
        for bit in (0..BITS).filter(|bit| code >> (BITS - 1 - bit) & 1 == 1) {
            let at = at * BITS + bit;
            packed[at / 8] |= 0x80 >> (at % 8);
        }
    }
    (packed, starts)
}
