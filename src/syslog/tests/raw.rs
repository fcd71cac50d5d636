//! Daemons' own files: a text and perhaps a date; and lines with a header read as such.
use super::*;

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
        ("1782934678.123    5 192.0.2.7 TCP_DENIED/407 x", "5 192.0.2.7 TCP_DENIED/407 x", true),
        ("1782934678.123 x sshd: y", "x sshd: y", true),
        ("1782934678.123456 x sshd: y", "x sshd: y", true),
        ("2026-07-01 21:37:58 x sshd: y", "x sshd: y", true),
        ("2026-07-01 21:37:58 x kernels: y", "x kernels: y", true),
        ("2026-07-01 21:37:58 x y kernel: z", "x y kernel: z", true),
        ("Wed 2026-07-01 21:37:58 CEST x sshd: y", "x sshd: y", true),
        ("Wed 2026-07-01 21:37:58 CEST [sshd] y", "[sshd] y", true),
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
        ("jul  1 21:37:58 gw sshd[9]: x", "gw sshd[9]: x", true),
        ("2026-07-01 21:37:58", "", true),
        ("2026-07-01 21:37:58 ::1 refused", "::1 refused", true),
        ("2026-07-01 21:37:58 :irc refused", ":irc refused", true),
        ("[2026-07-01 21:37:58] ::ffff:192.0.2.7 refused", "::ffff:192.0.2.7 refused", true),
        ("2026-07-01 21:37:58: ::1 refused", "::1 refused", true),
        ("2026-07-01 21:37:58:::1 refused", "::1 refused", true),
        ("2026/07/01 21:37:58 : refused", "refused", true),
        ("2026-07-01 21:37:58\trefused", "refused", true),
        ("2026-07-01 21:37:58 \trefused", "\trefused", true),
        ("[311423.870453] drop wan in: x", "[311423.870453] drop wan in: x", false),
        ("[  311.423870] drop wan in: x", "[  311.423870] drop wan in: x", false),
        ("Jul  1 21:37:58 auth.info x y z", "auth.info x y z", true),
        ("2026-07-01 21:37:58 auth.info gw sshd[9]: x", "auth.info gw sshd[9]: x", true),
        ("[  311.423870] gw drop: IN=eth1", "[  311.423870] gw drop: IN=eth1", false),
        ("[  311.423870] gw sshd: x", "[  311.423870] gw sshd: x", false),
        ("[  311.423870] sshd[1]: x", "[  311.423870] sshd[1]: x", false),
        ("[  311.423870] kernel: x", "[  311.423870] kernel: x", false),
        ("[  311.423870]  gw sshd[1]: x", "[  311.423870]  gw sshd[1]: x", false),
        ("[  311.423870] usb 1-1: gw sshd[1]: x", "[  311.423870] usb 1-1: gw sshd[1]: x", false),
        ("[  311] gw sshd[1]: x", "[  311] gw sshd[1]: x", false),
        ("[.] gw sshd[1]: x", "[.] gw sshd[1]: x", false),
        (" [  311.423870] gw sshd[1]: x", " [  311.423870] gw sshd[1]: x", false),
        ("srv sshd[13709]: error: PAM", "srv sshd[13709]: error: PAM", false),
        ("[2026-07-01 21:37:58 x", "[2026-07-01 21:37:58 x", true),
        (
            "192.0.2.7 - - [01/Jul/2026:21:37:58 +0200] \"GET",
            "192.0.2.7 - - [01/Jul/2026:21:37:58 +0200] \"GET",
            true,
        ),
    ] {
        let got = message(line.as_bytes());
        assert_eq!((got.form, got.app, utf8(got.text)), (Form::Raw, &b""[..], text), "{line}");
        let want = time.then_some("2026-07-01T19:37:58");
        assert_eq!(when(line).as_deref().map(|t| &t[..19]), want, "{line}");
    }
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
        ("2026-07-01 21:37:58 ::1: x", "::1: x"),
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
