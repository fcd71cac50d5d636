//! Imports only go down: the floor table in the docs of src/lib.rs is the rule, this test reads both.

#[path = "common/tree.rs"]
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tree::root;

fn sources(folder: &Path) -> Vec<PathBuf> {
    tree::files(folder).into_iter().filter(|path| tree::is_rust(path)).collect()
}

/// Modules and their floors, from the table: `| 4 | [`session`] | …`.
fn floors() -> BTreeMap<String, u8> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let mut floors = BTreeMap::new();
    for row in lib.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut cells = row.split('|');
        let Some(Ok(floor)) = cells.next().map(|cell| cell.trim().parse::<u8>()) else { continue };
        let names = cells.next().expect("a second cell").split('`').skip(1).step_by(2);
        floors.extend(names.map(|name| (name.to_owned(), floor)));
    }
    floors
}

/// Source without comments and string literals: only code can import.
fn code(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if let Some(body) = rest.strip_prefix("r#\"") {
            rest = body.find("\"#").map_or("", |end| &body[end + 2..]);
        } else if rest.starts_with("'\"'") {
            rest = &rest[3..];
        } else if let Some(body) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = body.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            rest = end.map_or("", |end| &body[end + 1..]);
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// The top-level modules that `code` names behind `crate::`, groups (`use crate::{a, b::C}`) taken apart.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` in a macro names the same crate; `other_crate::` does not.
        if code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(name(rest));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    found.push(name(&group[start..i]));
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.push(name(&group[start..i]));
                    start = i + 1;
                }
                _ => {}
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn name(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// `src/jail/window.rs` → `jail`.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("a file in src");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn every_module_has_a_floor() {
    let floors = floors();
    for path in sources(&root().join("src")) {
        let module = module(&path);
        assert!(
            floors.contains_key(&module) || module == "lib" || module == "bin",
            "{}: `{module}` is not in the floor table of src/lib.rs",
            path.display()
        );
    }
}

#[test]
fn imports_only_go_down() {
    let floors = floors();
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let own = module(&path);
        // The crate's root lists every module, and the binary uses the library from outside.
        let Some(floor) = floors.get(&own) else { continue };
        let text = fs::read_to_string(&path).expect("a source file");
        for target in imports(&code(&text)) {
            match floors.get(&target) {
                Some(_) if target == own => {}
                Some(below) if below < floor => {}
                Some(other) => {
                    wrong.push(format!("{}: {own} (floor {floor}) uses {target} ({other})", path.display()))
                }
                None => {
                    wrong.push(format!("{}: `crate::{target}` is no module of the table", path.display()))
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that do not go down:\n{}", wrong.join("\n"));
}

/// build.rs includes the filter's sources, where `crate` is another crate.
#[test]
fn the_filter_compiler_is_closed() {
    const ALLOWED: [&str; 4] = ["core", "heapless", "nom", "super"];
    for path in sources(&root().join("src/filter")) {
        let file = path.file_name().expect("a name").to_string_lossy();
        if file.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        let code = code(&text);
        // Tests at the end of a file are not part of what build.rs compiles.
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
        for line in code.lines().map(str::trim_start) {
            let line = line.strip_prefix("pub ").or(line.strip_prefix("pub(crate) ")).unwrap_or(line);
            let line = line.strip_prefix("pub(super) ").unwrap_or(line);
            let Some(path_text) = line.strip_prefix("use ") else { continue };
            let first = name(path_text.trim_start_matches("::"));
            let own = code.contains(&format!("mod {first};")) || code.contains(&format!("enum {first} "));
            assert!(
                ALLOWED.contains(&first.as_str()) || first == "self" || own,
                "{}: {line}",
                path.display()
            );
        }
        assert!(imports(code).is_empty(), "{}: `crate::` inside the filter compiler", path.display());
    }
}

#[test]
fn the_reader_of_imports_sees_what_it_must() {
    let text = "use crate::addr::Addr; // crate::host\nuse crate::{jail::{Jail, X}, time};\nlet s = \"crate::engine\";\n\
                $crate::tally::Count; other_crate::nothing; crate::frame::f()";
    assert_eq!(imports(&code(text)), ["addr", "jail", "time", "tally", "frame"]);
}
