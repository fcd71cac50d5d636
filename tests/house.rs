//! House rules that a machine can check: the length of files, words that do not belong here, lists that must be complete.

#[path = "common/tree.rs"]
mod tree;

use edgeban::{config, rules};
use std::fs;
use std::path::PathBuf;
use tree::{files, is_rust, root};

/// The most lines of a file: a file is one idea.
const LONGEST: usize = 700;

fn text_files() -> Vec<(PathBuf, String)> {
    files(&root())
        .into_iter()
        .filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?)))
        .collect()
}

#[test]
fn no_source_file_is_too_long() {
    for (path, text) in text_files() {
        if is_rust(&path) {
            let lines = text.lines().count();
            assert!(lines <= LONGEST, "{}: {lines} lines, at most {LONGEST}", path.display());
        }
    }
}

/// Only the floor that talks to the kernel needs it; src/lib.rs forbids it in builds without that floor.
#[test]
fn unsafe_code_stays_in_the_host_floor() {
    let src = root().join("src");
    for path in files(&src) {
        if path.starts_with(src.join("host")) || !is_rust(&path) {
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

/// No paths of the machine that a file was written on, and no notes for later.
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

/// A filter that no jail uses would do nothing until someone notices.
#[test]
fn every_filter_has_a_jail_and_is_named_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let row = readme.lines().find(|line| line.starts_with("| Filters |")).expect("the row of filters");
    let named: Vec<&str> = row.trim_start_matches("| Filters |").split([',', ';']).map(str::trim).collect();
    for filter in rules::ALL {
        let name = filter.name;
        assert!(
            config::JAILS.iter().any(|(_, of, _)| *of == name),
            "{name}: no jail in src/config/builtin.rs"
        );
        assert!(named.contains(&name), "{name}: not in README.md's row of filters");
    }
}
