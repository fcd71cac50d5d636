//! Lines as syslogds, routers and daemons write them, and lines as attackers do.
use super::*;
use crate::time::civil::{Calendar, rfc3339};
use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;

fn message(line: &[u8]) -> Message<'_> {
    match parse(line) {
        Parsed::Message(message) => message,
        Parsed::Repeated(n) => panic!("repeated {n}"),
    }
}

fn utf8(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or("?")
}

/// Line; host, app, pid, text.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

fn check(form: Form, pri: Option<u8>, cases: &[Case<'_>]) {
    for &(line, host, app, pid, text) in cases {
        let got = message(line.as_bytes());
        assert_eq!(
            (utf8(got.host), utf8(got.app), utf8(got.pid), utf8(got.text)),
            (host, app, pid, text),
            "{line}"
        );
        assert_eq!((got.form, got.pri, got.times, utf8(got.line)), (form, pri, 1, line), "{line}");
    }
}

/// The stamp as UTC, read on 2 July 2026 in a place two hours east.
fn when(line: &str) -> Option<String> {
    let stamp = message(line.as_bytes()).stamp?.read()?;
    let ms = stamp.epoch_ms(&Calendar::fixed(1_782_950_400_000, 7200))?;
    Some(rfc3339(ms, 0).as_str().into())
}

#[test]
fn files_of_syslogds() {
    check(
        Form::Bsd,
        None,
        &[
            ("Jul  1 21:37:58 gw sshd[9]: Failed password", "gw", "sshd", "9", "Failed password"),
            ("Jul 11 21:37:58 gw sshd-session[91]: x", "gw", "sshd-session", "91", "x"),
            ("Jul  1 21:37:58 dropbear[9]: Bad password", "", "dropbear", "9", "Bad password"),
            (
                "Jul  1 21:37:58 gw postfix/smtps/smtpd[27]: warning: x",
                "gw",
                "postfix/smtps/smtpd",
                "27",
                "warning: x",
            ),
            ("Jul  1 21:37:58 gw vsftpd(pam_unix)[15522]: x", "gw", "vsftpd(pam_unix)", "15522", "x"),
            (
                "Jul  1 21:37:58 gw openvpn(srv)[3]: 203.0.113.9:5 TLS",
                "gw",
                "openvpn(srv)",
                "3",
                "203.0.113.9:5 TLS",
            ),
            ("Jul  1 21:37:58 gw (sshd)[12]: x", "gw", "(sshd)", "12", "x"),
            ("Jul  1 21:37:58 gw CRON[12]: x", "gw", "CRON", "12", "x"),
            ("Jul  1 21:37:58 gw dovecot: imap-login: x", "gw", "dovecot", "", "imap-login: x"),
            ("Jul  1 21:37:58 gw kernel: [311423.870453] drop", "gw", "kernel", "", "[311423.870453] drop"),
            ("Jul  1 21:37:58 gw kernel:[  970.699396] drop", "gw", "kernel", "", "[  970.699396] drop"),
            ("Jul  1 21:37:58 gw sshd[9]:x: y", "gw", "sshd", "9", "x: y"),
            (
                "Jul  1 21:37:58 gw proftpd[12345] gw.example (h[192.0.2.7]): USER x",
                "gw",
                "proftpd",
                "12345",
                "gw.example (h[192.0.2.7]): USER x",
            ),
            ("Jul  1 21:37:58 192.0.2.1 sshd[9]: x", "192.0.2.1", "sshd", "9", "x"),
            ("Jul  1 21:37:58 2001:db8::1 sshd[9]: x", "2001:db8::1", "sshd", "9", "x"),
            ("Jul  1 21:37:58 2001:db8:: sshd[9]: x", "2001:db8::", "sshd", "9", "x"),
            ("Jul  1 21:37:58   lighttpd[53690]: (mod) x", "", "lighttpd", "53690", "(mod) x"),
            ("Jul 1 21:37:58 gw sshd[9]: x", "gw", "sshd", "9", "x"),
            ("Jul  1 21:37:58.123 gw sshd[9]: x", "gw", "sshd", "9", "x"),
            ("Jul 01 2026 21:37:58 gw sshd[9]: x", "gw", "sshd", "9", "x"),
            ("Jul  1 21:37:58 2026 gw sshd[9]: x", "gw", "sshd", "9", "x"),
            ("Jul  1 21:37:58 2026 sshd[9]: x", "", "sshd", "9", "x"),
            ("2026-07-01T21:37:58.123456+02:00 gw sshd[9]: x", "gw", "sshd", "9", "x"),
            ("2026-07-01T19:37:58Z gw sshd[9]: x", "gw", "sshd", "9", "x"),
            ("2026-07-01 21:37:58 gw sshd[9]: x", "gw", "sshd", "9", "x"),
            (
                "2026-07-01 19:37:58 UTC gw test-demo(pam_unix)[13709] F2B",
                "gw",
                "test-demo(pam_unix)",
                "13709",
                "F2B",
            ),
            (
                "2026-07-01 21:37:58,388 fail2ban.actions: NOTICE [x] Ban",
                "",
                "fail2ban.actions",
                "",
                "NOTICE [x] Ban",
            ),
            (
                "2026-07-01 21:37:58,388 fail2ban.actions        [12]: NOTICE  [x] Ban",
                "",
                "fail2ban.actions",
                "12",
                "NOTICE  [x] Ban",
            ),
            ("Jul  1 21:37:58 [sshd]: x y", "", "sshd", "", "x y"),
            ("Jul  1 21:37:58 [sshd] x y", "", "sshd", "", "x y"),
            ("Jul  1 21:37:58 gw sshd[9]:", "gw", "sshd", "9", ""),
            ("Jul  1 21:37:58 gw sshd:", "gw", "sshd", "", ""),
        ],
    );
    for line in [
        "Jul  1 21:37:58 gw sshd[9]: x",
        "Jul  1 21:37:58 2026 gw sshd[9]: x",
        "Jul 01 2026 21:37:58 gw sshd[9]: x",
        "2026-07-01T21:37:58+02:00 gw sshd[9]: x",
        "2026-07-01T19:37:58.000000Z gw sshd[9]: x",
    ] {
        assert_eq!(when(line).as_deref(), Some("2026-07-01T19:37:58Z"), "{line}");
    }
    check(
        Form::Bsd,
        Some(86),
        &[
            ("Jul  1 21:37:58 <authpriv.info> gw sshd[9]: x", "gw", "sshd", "9", "x"),
            ("Jul  1 21:37:58 <10.6> gw sshd[9]: x", "gw", "sshd", "9", "x"),
        ],
    );
}

#[test]
fn messages_from_sockets() {
    check(
        Form::Bsd,
        Some(38),
        &[
            ("<38>Jul  1 21:37:58 gw sshd[9]: x", "gw", "sshd", "9", "x"),
            ("<38>Jul  1 21:37:58 sshd[9]: x", "", "sshd", "9", "x"),
            ("<38>Jul  1 21:37:58 gw : luci: failed login", "gw", "", "", "luci: failed login"),
            ("<38>Jul  1 21:37:58 : luci: failed login", "", "", "", "luci: failed login"),
            ("<38>Jul  1 21:37:58 gw no tag here", "", "", "", "gw no tag here"),
            ("<38>2026-07-01T21:37:58.123456+02:00 gw sshd[9]: x", "gw", "sshd", "9", "x"),
            ("<38>sshd[9]: x", "", "sshd", "9", "x"),
            ("<38>gw sshd[9]: x", "gw", "sshd", "9", "x"),
            ("<38>sshd[9]:x y", "", "sshd", "9", "x y"),
            ("<38>anything goes", "", "", "", "anything goes"),
            ("<38>", "", "", "", ""),
            ("<38>Jul  1 21:37:58 gw router1: kernel: [1.5] x", "gw", "router1", "", "kernel: [1.5] x"),
        ],
    );
    check(
        Form::Bsd,
        Some(4),
        &[
            (
                "<4>Jul  1 21:37:58 gw kernel: [311423.870453] drop wan in: x",
                "gw",
                "kernel",
                "",
                "[311423.870453] drop wan in: x",
            ),
            ("<4>Jul  1 21:37:58 gw router1: kernel: [1.5] x", "gw", "kernel", "", "[1.5] x"),
            ("<4>Jul  1 21:37:58 [1782934678.123] gw kernel: [1.5] x", "gw", "kernel", "", "[1.5] x"),
            ("<4>[  12.345678] drop wan in: x", "", "kernel", "", "[  12.345678] drop wan in: x"),
            ("<4>kernel: [1.5] x", "", "kernel", "", "[1.5] x"),
        ],
    );
}

#[test]
fn routers() {
    check(
        Form::Bsd,
        Some(84),
        &[
            (
                "Wed Jul  1 21:37:58 2026 authpriv.warn dropbear[9]: Bad password attempt for 'root' from 203.0.113.9:54321",
                "",
                "dropbear",
                "9",
                "Bad password attempt for 'root' from 203.0.113.9:54321",
            ),
            (
                "Wed Jul  1 21:37:58 2026 [1782934678.123] authpriv.warn dropbear[9]: x",
                "",
                "dropbear",
                "9",
                "x",
            ),
            (
                "Wed Jul  1 21:37:58 2026 authpriv.warn dispatcher.uc: luci: failed login on / for root from 192.0.2.2",
                "",
                "dispatcher.uc",
                "",
                "luci: failed login on / for root from 192.0.2.2",
            ),
            ("Jul  1 21:37:58 OpenWrt authpriv.warn dropbear[9]: x", "OpenWrt", "dropbear", "9", "x"),
        ],
    );
    check(
        Form::Bsd,
        Some(14),
        &[
            (
                "Wed Jul  1 21:37:58 2026 user.info : luci: failed login on / for root from 192.0.2.2",
                "",
                "",
                "",
                "luci: failed login on / for root from 192.0.2.2",
            ),
            ("Wed Jul  1 21:37:58 2026 user.info no tag here", "", "", "", "no tag here"),
        ],
    );
    check(
        Form::Bsd,
        Some(4),
        &[(
            "Wed Jul  1 21:37:58 2026 kern.warn kernel: [311423.870453] reject wan in: IN=eth1",
            "",
            "kernel",
            "",
            "[311423.870453] reject wan in: IN=eth1",
        )],
    );
    check(
        Form::Bsd,
        Some(27),
        &[
            (
                "Wed Jul  1 21:37:58 2026 daemon.err uhttpd[7]: [info] luci: failed login on /admin/x for root from 192.0.2.2",
                "",
                "uhttpd",
                "7",
                "[info] luci: failed login on /admin/x for root from 192.0.2.2",
            ),
            (
                "Wed Jul  1 21:37:58 2026 daemon.err openvpn(srv)[3]: 203.0.113.9:51234 TLS Auth Error",
                "",
                "openvpn(srv)",
                "3",
                "203.0.113.9:51234 TLS Auth Error",
            ),
        ],
    );
    let line = "Wed Jul  1 21:37:58 2026 authpriv.warn dropbear[9]: x";
    assert_eq!(when(line).as_deref(), Some("2026-07-01T19:37:58Z"));
}

#[test]
fn rfc5424_messages() {
    check(
        Form::Rfc5424,
        Some(38),
        &[
            (
                "<38>1 2026-07-01T17:40:16.954167-04:00 gw.example sshd 57915 - - Failed x",
                "gw.example",
                "sshd",
                "57915",
                "Failed x",
            ),
            (
                "<38>1 2026-07-01T17:40:16Z gw sshd - ID47 [a@1 b=\"c\\\"] d\" e=\"\\\\\"][f] \u{feff}text [x]",
                "gw",
                "sshd",
                "",
                "text [x]",
            ),
            ("<38>1 - - - - - -", "", "", "", ""),
            ("<38>1 - gw app 1 - [x y=\"]\"]", "gw", "app", "1", ""),
            ("<38>1 - gw app 1 - - ", "gw", "app", "1", ""),
        ],
    );
    assert_eq!(
        when("<38>1 2026-07-01T17:40:16.954167-04:00 h sshd 5 - - x").as_deref(),
        Some("2026-07-01T21:40:16.954Z")
    );
    assert_eq!(when("<38>1 - h sshd 5 - - x"), None);
    // Cut or malformed: a text without an app.
    for line in [
        "<38>1 2026-07-01T17:40:16Z gw sshd 5 - [a b=\"c\" Failed",
        "<38>1 2026-07-01T17:40:16Z gw sshd 5 - [a b=\"c\\\"] Failed",
        "<38>1 2026-07-01T17:40:16Z gw sshd 5 - x Failed",
        "<38>1 2026-07-01T17:40:16Z gw sshd 5 - -x Failed",
        "<38>1 2026-07-01T17:40:16Z gw sshd 5 - ",
        "<38>1 2026-07-01T17:40:16Z gw sshd",
        "<38>1 x gw sshd 5 - - Failed",
        "<38>1  gw sshd 5 - - Failed",
    ] {
        let got = message(line.as_bytes());
        assert_eq!((got.form, utf8(got.app)), (Form::Bsd, ""), "{line}");
    }
}

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

#[test]
fn daemons_own_files() {
    for (line, text, time) in [
        ("2026-07-01 21:37:58 1VxPit-000MMd-U4 SA: Action: x", "1VxPit-000MMd-U4 SA: Action: x", true),
        ("2026-07-01T21:37:58.110+0200 [conn5] Failed", "[conn5] Failed", true),
        ("2026/07/01 21:37:58 [error] 2865#0: *66647 user", "[error] 2865#0: *66647 user", true),
        ("[Wed Jul 01 21:37:58.000001 2026] [core:error] [pid 9] x", "[core:error] [pid 9] x", true),
        ("[2026-07-01 21:37:58]LOGIN FAILED", "LOGIN FAILED", true),
        ("[2026-07-01 21:37:58] NOTICE[1638] chan_sip.c: x", "NOTICE[1638] chan_sip.c: x", true),
        ("[01-Jul-2026 21:37:58 +0200]: FAILED login", "FAILED login", true),
        ("[1782934678] nsd[7745]: info: x", "nsd[7745]: info: x", true),
        ("[CEST Jul  1 21:37:58] error    : Warning", "error    : Warning", true),
        ("[01/Jul/2026:21:37:58 ] x", "x", true),
        ("2026-07-01 21:37:58: (mod_auth.c.828) x", "(mod_auth.c.828) x", true),
        ("2026-07-01T19:37:58Z: Failed Login", "Failed Login", true),
        ("2026-07-01 21:37:58 H=(x sshd[1]: y) [192.0.2.7] x", "H=(x sshd[1]: y) [192.0.2.7] x", true),
        ("2026-07-01 21:37:58 \"x sshd[1]: y", "\"x sshd[1]: y", true),
        ("2026-07-01 21:37:58.000 Connection \"CID-72\": User", "Connection \"CID-72\": User", true),
        ("2026-07-01 21:37:58 login authenticator failed for x", "login authenticator failed for x", true),
        ("2026-07-01 21:37:58|-1|0|0|[WEB] x", "|-1|0|0|[WEB] x", true),
        (
            "Wed Jul  1 21:37:58 2026 [pid 27202] [anonymous] FAIL LOGIN",
            "[pid 27202] [anonymous] FAIL LOGIN",
            true,
        ),
        ("Wed Jul  1 21:37:58 2026 203.0.113.9:5 sshd[1]: x", "203.0.113.9:5 sshd[1]: x", true),
        ("Jul 01 21:37:58 HORDE [error] [imp] FAILED", "HORDE [error] [imp] FAILED", true),
        ("Jul-01-26 21:37:58 [SSL-out] x", "[SSL-out] x", true),
        ("1782934678.000      4 91.188.124.227 TCP", "4 91.188.124.227 TCP", true),
        ("@400000006a456ca000000000 dovecot-auth: pam", "dovecot-auth: pam", true),
        ("2026-07-01 21:37:58", "", true),
        ("[311423.870453] drop wan in: x", "[311423.870453] drop wan in: x", false),
        ("srv sshd[13709]: error: PAM", "srv sshd[13709]: error: PAM", false),
        ("[2026-07-01 21:37:58 x", "[2026-07-01 21:37:58 x", true),
        (
            "192.0.2.7 - - [01/Jul/2026:21:37:58 +0200] \"GET",
            "192.0.2.7 - - [01/Jul/2026:21:37:58 +0200] \"GET",
            true,
        ),
    ] {
        check(Form::Raw, None, &[(line, "", "", "", text)]);
        let want = time.then_some("2026-07-01T19:37:58");
        assert_eq!(when(line).as_deref().map(|t| &t[..19]), want, "{line}");
    }
}

#[test]
fn a_raw_line_can_be_read_with_its_tag() {
    let of = |line: &'static str| {
        message(line.as_bytes()).tagged().map(|m| (utf8(m.host), utf8(m.app), utf8(m.text)))
    };
    assert_eq!(of("srv sshd[13709]: error: PAM"), Some(("srv", "sshd", "error: PAM")));
    assert_eq!(of("[1782934678] nsd[7745]: info: x"), Some(("", "nsd", "info: x")));
    assert_eq!(of("192.0.2.7 - - [01/Jul/2026:21:37:58 +0200] \"GET"), None);
    assert_eq!(of(": x"), None);
    assert_eq!(of("Jul  1 21:37:58 gw sshd[9]: x"), None);
}

#[test]
fn a_headed_line_can_be_read_without_its_tag() {
    for (line, text) in [
        ("2026-07-01 21:37:58   smtp: postmaster [192.0.2.7] x", "smtp: postmaster [192.0.2.7] x"),
        (
            "<38>Jul  1 21:37:58 gw sshd[9]: message repeated 3 times: [ x]",
            "gw sshd[9]: message repeated 3 times: [ x]",
        ),
        ("[2026-07-01 21:37:58]: x", "x"),
        ("no date", "no date"),
    ] {
        let got = message(line.as_bytes()).untagged();
        assert_eq!(
            (got.form, utf8(got.app), utf8(got.text), got.times),
            (Form::Raw, "", text, 1),
            "{line}"
        );
        assert_eq!(got.stamp, message(line.as_bytes()).stamp);
    }
}

#[test]
fn programs_and_their_parts() {
    for (app, program) in [
        ("postfix/smtpd", "postfix"),
        ("openvpn(srv)", "openvpn"),
        ("(sshd)", "(sshd)"),
        ("sshd", "sshd"),
        ("", ""),
    ] {
        let got = Message { app: app.as_bytes(), ..Message::raw(b"") };
        assert_eq!(utf8(got.program()), program);
    }
}

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
            let _ = (got.tagged(), got.program(), got.stamp.map(|stamp| stamp.read()));
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
            let _ = (m.tagged(), m.stamp.map(|stamp| stamp.read()));
        }
    }

    /// The text of a headed message is the program's, whatever it holds: it changes neither app, pid nor host.
    #[test]
    fn a_text_cannot_change_its_header(text in proptest::collection::vec(any::<u8>(), 0..80), words in "[ -~]{0,60}") {
        for body in [&text[..], words.as_bytes()] {
            for head in [
                "Jul  1 21:37:58 gw sshd[9]: Invalid user ", "<38>Jul  1 21:37:58 sshd[9]: Invalid user ",
                "2026-07-01T21:37:58+02:00 gw sshd[9]: Invalid user ",
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
