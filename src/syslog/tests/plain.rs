//! The one-pass reading of plain headers against the one that knows every spelling.
use super::super::{plain, tag};
use proptest::prelude::*;

fn parts<'a>(head: &tag::Head<'a>) -> [&'a [u8]; 4] {
    [head.host, head.app, head.pid, head.text]
}

proptest! {
    /// What is plain reads the same either way.
    #[test]
    fn plain_heads_are_what_the_full_reading_finds(
        text in "([a-zA-Z0-9.:@_\\[(-]{0,12} )?[a-zA-Z/(é+-]{0,20}(\\[[0-9]{0,10}\\])?:? ? ?[ -~é\\t]{0,12}",
    ) {
        if let Some(plain) = plain::head(text.as_bytes()) {
            let full = tag::any_tagged(text.as_bytes());
            prop_assert_eq!(full.as_ref().map(parts), Some(parts(&plain)), "{:?}", text);
        }
    }

    /// The usual shape is plain, whatever the length of its words: nothing falls through to the slow reading unnoticed.
    #[test]
    fn the_usual_shape_is_plain(
        host in "([a-z0-9][a-zA-Z0-9.-]{0,40})?",
        app in "[a-zA-Z][a-zA-Z/_.+-]{0,40}",
        pid in "[0-9]{0,20}",
        text in "[!-~][ -~]{0,20}",
    ) {
        let mut line = host.clone();
        if !host.is_empty() {
            line.push(' ');
        }
        line += &app;
        if !pid.is_empty() {
            line += &std::format!("[{pid}]");
        }
        line += ": ";
        line += &text;
        let head = plain::head(line.as_bytes());
        // Without a host, the tag is where a host could be: it must be of a host's bytes.
        if !host.is_empty() || !app.contains('+') {
            let want = [host.as_bytes(), app.as_bytes(), pid.as_bytes(), text.as_bytes()];
            prop_assert_eq!(head.as_ref().map(parts), Some(want), "{:?}", line);
        }
    }
}
