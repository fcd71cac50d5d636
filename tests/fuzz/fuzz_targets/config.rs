//! Any text as a configuration: settings, or problems that name a line of the text; never half of either.
#![no_main]

use edgeban::config::{Known, Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let known: Vec<_> = edgeban::rules::ALL
        .iter()
        .map(|filter| Known { name: filter.name, modes: &filter.modes })
        .collect();
    let lines = data.split(|b| *b == b'\n').count() as u32;
    let mut settings = Box::new(Settings::new());
    let mut problems = 0;
    let fine = settings.read(data, &known, &mut |problem| {
        problems += 1;
        assert!((1..=lines.max(1)).contains(&problem.line), "{problem:?} in {lines} lines");
        assert!(!problem.text.contains(|c: char| c.is_control()), "{problem:?}");
        assert!(!problem.to_string().is_empty());
    });
    assert_eq!(fine, problems == 0);
    if fine {
        assert!(!settings.jails.is_empty() && !settings.sources.is_empty());
    } else {
        assert_eq!(*settings, Settings::new());
    }
});
