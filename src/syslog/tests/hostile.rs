//! Lines as attackers write them, and any bytes at all.
use super::*;
use proptest::prelude::*;

#[test]
fn hostile_lines() {
    let long = |b: u8| std::vec![b; 65_536];
    let mut lines: Vec<Vec<u8>> = [
        "",
        "<",
        "<>",
        "<1",
        "<999>",
        "<192>x",
        "<01>x",
        "<1234>x",
        "<-1>x",
        "<38>1",
        "<38>1 ",
        "1",
        "123",
        "[",
        "[]",
        ":",
        "::",
        "a:",
        "[a]:",
        " ",
        "\0",
        "Jul  1 21:37:58",
        "Jul  1 21:37:58 ",
        "Jul  1 21:37:58  ",
        "Wed Jul",
        "Jul  1 21:37:58 [",
        "Jul  1 21:37:58 ]:",
        "Jul  1 21:37:58 a]:",
        "Jul  1 21:37:58 a[]:",
        "<4>[",
        "<4>[1.",
    ]
    .iter()
    .map(|line| line.as_bytes().to_vec())
    .collect();
    for b in [b'[', b']', b':', b' ', b'9', b'<', b'"', b'\\', b'a', 0, 0xff] {
        lines.push(long(b));
        for start in
            ["Jul  1 21:37:58 ", "Jul  1 21:37:58 gw ", "<38>", "<38>1 ", "<38>1 - h a p - [x y=\"", "["]
        {
            lines.push([start.as_bytes(), &long(b)].concat());
        }
    }
    for line in &lines {
        if let Parsed::Message(got) = parse(line) {
            assert_eq!(got.line, &line[..]);
            let _ = got.stamp.map(|stamp| stamp.read());
        }
    }
    for line in ["<999>Jul  1 21:37:58 gw sshd[9]: x", "<192>gw sshd[9]: x", "<038>gw sshd[9]: x"] {
        assert_eq!(
            (message(line.as_bytes()).form, message(line.as_bytes()).app),
            (Form::Raw, &b""[..]),
            "{line}"
        );
    }
    let garbage = b"Jul  1 21:37:58 gw sshd[9]: \xff\xfe\0 from \x80";
    assert_eq!(message(garbage).text, b"\xff\xfe\0 from \x80");
}

/// A program may indent what its peer says by a tab: such a line must not read as a message of its own.
#[test]
fn only_blanks_are_taken_off_a_text() {
    for head in [
        "Jul  1 21:37:58 gw sshd[9]:",
        "Jul  1 21:37:58 sshd[9]:",
        "<38>Jul  1 21:37:58 gw sshd[9]:",
        "2026-07-01T21:37:58+02:00 gw sshd[9]:",
        "Wed Jul  1 21:37:58 2026 authpriv.info sshd[9]:",
        "<38>1 2026-07-01T17:40:16Z gw sshd 9 - -",
        "<38>1 2026-07-01T17:40:16Z gw sshd 9 - - message repeated 2 times: [",
    ] {
        let end = if head.ends_with('[') { "]" } else { "" };
        for (text, want) in [("  x", "x"), (" \tx", "\tx"), (" \r\n x", "\r\n x"), (" \x0cx", "\x0cx")] {
            let line = std::format!("{head}{text}{end}");
            let got = message(line.as_bytes());
            assert_eq!((utf8(got.app), utf8(got.text)), ("sshd", want), "{line:?}");
        }
    }
}

/// Whether `part` lies inside `whole`, or is empty.
fn inside(part: &[u8], whole: &[u8]) -> bool {
    let (part_at, whole_at) = (part.as_ptr_range(), whole.as_ptr_range());
    part.is_empty() || part == b"kernel" || (whole_at.start <= part_at.start && part_at.end <= whole_at.end)
}

proptest! {
    #[test]
    fn any_bytes_give_slices_of_the_line(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        if let Parsed::Message(m) = parse(&bytes) {
            for part in [m.host, m.app, m.pid, m.text] {
                prop_assert!(inside(part, &bytes));
            }
            prop_assert!(m.times == 1 || m.times <= 65_535);
        }
    }

    #[test]
    fn header_like_text_gives_slices_of_the_line(
        line in "(<[0-9]{1,3}>)?(1 )?(Jul  1 21:37:58|2026-07-01T21:37:58Z|Wed Jul  1 21:37:58 2026|-)?[ :a-c\\[\\]\"\\\\.<>0-9-]{0,40}",
    ) {
        if let Parsed::Message(m) = parse(line.as_bytes()) {
            for part in [m.host, m.app, m.pid, m.text] {
                prop_assert!(inside(part, line.as_bytes()));
            }
            let _ = m.stamp.map(|stamp| stamp.read());
        }
    }

    /// The text of a headed message is the program's, whatever it holds: it changes neither app, pid nor host.
    #[test]
    fn a_text_cannot_change_its_header(text in proptest::collection::vec(any::<u8>(), 0..80), words in "[ -~]{0,60}") {
        for body in [&text[..], words.as_bytes()] {
            for head in [
                "Jul  1 21:37:58 gw sshd[9]: Invalid user ", "<38>Jul  1 21:37:58 sshd[9]: Invalid user ",
                "2026-07-01T21:37:58+02:00 gw sshd[9]: Invalid user ",
                "Wed 2026-07-01 21:37:58 CEST gw sshd[9]: Invalid user ",
                "1782934678.123456 gw sshd[9]: Invalid user ", "[ 1234.567890] gw sshd[9]: Invalid user ",
                "Wed Jul  1 21:37:58 2026 authpriv.info sshd[9]: Invalid user ",
                "<38>1 2026-07-01T17:40:16Z gw sshd 9 - - Invalid user ",
            ] {
                let line = [head.as_bytes(), body].concat();
                let m = message(&line);
                prop_assert_eq!((m.app, m.pid, m.times), (&b"sshd"[..], &b"9"[..], 1));
                let want = [b"Invalid user ", body].concat();
                prop_assert_eq!(m.text, &want[..]);
            }
        }
    }
}
