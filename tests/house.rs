//! House rules that a machine can hold: the length of files, and words that do not belong here.

use std::fs;
use std::path::{Path, PathBuf};

/// A file is one idea; no idea of this project needs more lines.
const LONGEST: usize = 700;

/// Folders that hold no source of ours.
const SKIPPED: [&str; 4] = ["target", ".git", "corpus", "artifacts"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
                folders.push(path);
            } else if path.is_file() && name != ".git" {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn text_files() -> Vec<(PathBuf, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    files(&root)
        .into_iter()
        .filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?)))
        .collect()
}

#[test]
fn no_source_file_is_too_long() {
    for (path, text) in text_files() {
        if path.extension().is_some_and(|ext| ext == "rs") {
            let lines = text.lines().count();
            assert!(lines <= LONGEST, "{}: {lines} lines, at most {LONGEST}", path.display());
        }
    }
}

/// The core is `no_std` and says `core::`; the host floor and tests may say `std::`.
#[test]
fn unsafe_code_stays_in_the_host_floor() {
    let src = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in files(&src) {
        if path.starts_with(src.join("host")) || path.extension().is_none_or(|ext| ext != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        for (i, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            let found = ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| code.contains(word));
            assert!(!found, "{}:{}: unsafe outside src/host", path.display(), i + 1);
        }
    }
}

/// No path of the machine that something was written on, no note that was meant for later.
#[test]
fn no_forbidden_words() {
    // Put together here, so that this file does not contain them.
    let words = [
        ["/ro", "ot/."].concat(),
        ["/wo", "rk/"].concat(),
        ["/tm", "p/wt"].concat(),
        ["/tm", "p/tgt"].concat(),
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
    ];
    for (path, text) in text_files() {
        let ours = path.extension().is_some_and(|ext| {
            ["rs", "toml", "md", "py", "sh", "filter", "x"].iter().any(|ours| ext == *ours)
        }) || path.extension().is_none();
        if !ours {
            continue;
        }
        for (i, line) in text.lines().enumerate() {
            for word in &words {
                assert!(!line.contains(word.as_str()), "{}:{}: `{word}`", path.display(), i + 1);
            }
        }
    }
}
