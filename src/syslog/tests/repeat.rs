//! Repetitions, and texts that only look like one.
use super::*;

#[test]
fn repetitions() {
    let wrapped = |line: &'static str| {
        let got = message(line.as_bytes());
        (utf8(got.app), got.times, utf8(got.text))
    };
    for line in [
        "Jul  1 21:37:58 gw sshd[9]: message repeated 3 times: [ Failed [x] password]",
        "<38>Jul  1 21:37:58 gw sshd[9]: message repeated 3 times: [ Failed [x] password]",
        "2026-07-01T21:37:58+02:00 gw sshd[9]: message repeated 3 times: [Failed [x] password]",
        "<38>1 2026-07-01T21:37:58Z gw sshd 9 - - message repeated 3 times: [ Failed [x] password]",
    ] {
        assert_eq!(wrapped(line), ("sshd", 3, "Failed [x] password"), "{line}");
    }
    assert_eq!(wrapped("Jul  1 21:37:58 gw a: message repeated 99999999999 times: [ x]").1, 1);
    assert_eq!(wrapped("Jul  1 21:37:58 gw a: message repeated 9999999999 times: [ x]").1, 65_535);
    for text in [
        "message repeated 3 times: [ x",
        "message repeated 3 times: [ x] y",
        "message repeated 0 times: [ x]",
        "message repeated times: [ x]",
        "message repeated -3 times: [ x]",
        "message repeated 3 times: x]",
        "Message repeated 3 times: [ x]",
        "x message repeated 3 times: [ x]",
        "last message repeated 3 times",
    ] {
        let line = std::format!("Jul  1 21:37:58 gw sshd[9]: {text}");
        let got = message(line.as_bytes());
        assert_eq!((got.times, utf8(got.text)), (1, text));
    }
    for (line, times) in [
        ("Jul  1 21:37:58 gw last message repeated 3 times", 3),
        ("Jul  1 21:37:58 last message repeated 1 time", 1),
        ("<38>Jul  1 21:37:58 gw last message repeated 70000 times", 65_535),
        ("<38>last message repeated 2 times", 2),
        ("2026-07-01T21:37:58+02:00 gw last message repeated 4 times", 4),
    ] {
        assert!(matches!(parse(line.as_bytes()), Parsed::Repeated(n) if n == times), "{line}");
    }
    for line in [
        "last message repeated 3 times",
        "Jul  1 21:37:58 gw last message repeated 3 times: forged",
        "Jul  1 21:37:58 gw last message repeated 0 times",
        "Jul  1 21:37:58 gw x last message repeated 3 times",
        "Jul  1 21:37:58 gw : last message repeated 3 times",
        "2026-07-01 21:37:58 last message repeated 3 times",
        "[Jul  1 21:37:58] last message repeated 3 times",
    ] {
        assert!(matches!(parse(line.as_bytes()), Parsed::Message(_)), "{line}");
    }
}
