//! Any bytes are settings or problems, each problem on a line that exists; half a configuration leaves nothing.
#![no_main]

use edgeban::config::{Known, Settings};
use libfuzzer_sys::fuzz_target;

const KNOWN: [Known<'static>; 2] =
    [Known { name: "sshd", modes: &["normal", "aggressive"] }, Known { name: "nginx-http-auth", modes: &[] }];

fuzz_target!(|text: &[u8]| {
    let lines = text.iter().filter(|&&b| b == b'\n').count() + 1;
    let mut settings = Box::new(Settings::new());
    let mut problems = 0;
    let fine = settings.read(text, &KNOWN, &mut |problem| {
        assert!((1..=lines).contains(&(problem.line as usize)));
        assert!(!problem.to_string().chars().any(|c| c.is_control() && c != '\t'));
        problems += 1;
    });
    assert_eq!(fine, problems == 0);
    if fine {
        assert!(!settings.jails.is_empty() && !settings.sources.is_empty());
    } else {
        assert!(*settings == Settings::new());
    }
});
