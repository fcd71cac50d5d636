//! The tables that build.rs made are those that the run-time compiler makes of the same texts: one language, one
//! compiler. A difference would be a filter that behaves otherwise once somebody copies it to a file and edits it.
#![cfg(feature = "std")]

use edgeban::filter::{Rule, Set, Space, compile};
use edgeban::rules;

#[test]
fn built_in_tables_are_what_their_texts_compile_to() {
    for built in rules::ALL {
        let text = rules::text(built.name).expect("a text for each");
        let (mut code, mut sets, mut rules) =
            (vec![0; 64 * 1024], vec![Set::NONE; 254], vec![Rule::EMPTY; 1000]);
        let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
        let mut errors = Vec::new();
        let made = compile(&text, space, &mut |error| errors.push(error.to_string()));
        assert!(errors.is_empty(), "{}: {errors:?}", built.name);
        let made = made.expect("no error, so a filter");
        assert!(made == *built, "{}: other tables", built.name);
        assert!(!built.rules.is_empty() && !built.code.is_empty(), "{} is empty", built.name);
        let path = format!("{}/src/rules/{}.filter", env!("CARGO_MANIFEST_DIR"), built.name);
        let whole = std::fs::read_to_string(path).expect("its source");
        let bare = whole.lines().map(|l| if l.trim_start().starts_with('#') { "" } else { l });
        assert!(bare.eq(text.split('\n')), "{}: another text", built.name);
    }
}

/// A table that is too small for a filter is an error, not half a filter.
#[test]
fn a_filter_that_does_not_fit_is_refused() {
    for built in rules::ALL {
        let text = rules::text(built.name).expect("a text for each");
        let sizes = [
            (built.code.len() - 1, 254, 1000),
            (64 * 1024, 254, built.rules.len() - 1),
            (64 * 1024, built.sets.len().saturating_sub(1), 1000),
        ];
        for (code, sets, rules) in sizes {
            let (mut code, mut sets, mut rules) =
                (vec![0; code], vec![Set::NONE; sets], vec![Rule::EMPTY; rules]);
            if sets.len() == built.sets.len()
                && code.len() >= built.code.len()
                && rules.len() >= built.rules.len()
            {
                continue;
            }
            let mut errors = 0;
            let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
            assert!(compile(&text, space, &mut |_| errors += 1).is_none(), "{}", built.name);
            assert!(errors > 0, "{}: refused without a word", built.name);
        }
    }
}
