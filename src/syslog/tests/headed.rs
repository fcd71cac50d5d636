//! Lines with a header: a syslogd's files, sockets, routers, RFC 5424.
use super::*;

#[test]
fn files_of_syslogds() {
    check(
        Form::Bsd,
        None,
        r#"
        Jul  1 21:37:58 gw sshd[9]: Failed password
            gw|sshd|9|Failed password
        Jul 11 21:37:58 gw sshd-session[91]: x
            gw|sshd-session|91|x
        Jul  1 21:37:58 dropbear[9]: Bad password
            |dropbear|9|Bad password
        Jul  1 21:37:58 gw postfix/smtps/smtpd[27]: warning: x
            gw|postfix/smtps/smtpd|27|warning: x
        Jul  1 21:37:58 gw vsftpd(pam_unix)[15522]: x
            gw|vsftpd(pam_unix)|15522|x
        Jul  1 21:37:58 gw openvpn(srv)[3]: 203.0.113.9:5 TLS
            gw|openvpn(srv)|3|203.0.113.9:5 TLS
        Jul  1 21:37:58 gw (sshd)[12]: x
            gw|(sshd)|12|x
        Jul  1 21:37:58 gw CRON[12]: x
            gw|CRON|12|x
        Jul  1 21:37:58 gw dovecot: imap-login: x
            gw|dovecot||imap-login: x
        Jul  1 21:37:58 gw kernel: [311423.870453] drop
            gw|kernel||[311423.870453] drop
        Jul  1 21:37:58 gw kernel:[  970.699396] drop
            gw|kernel||[  970.699396] drop
        Jul  1 21:37:58 gw sshd[9]:x: y
            gw|sshd|9|x: y
        Jul  1 21:37:58 gw proftpd[12345] gw.example (h[192.0.2.7]): USER x
            gw|proftpd|12345|gw.example (h[192.0.2.7]): USER x
        Jul  1 21:37:58 192.0.2.1 sshd[9]: x
            192.0.2.1|sshd|9|x
        Jul  1 21:37:58 2001:db8::1 sshd[9]: x
            2001:db8::1|sshd|9|x
        Jul  1 21:37:58 2001:db8:: sshd[9]: x
            2001:db8::|sshd|9|x
        Jul  1 21:37:58   lighttpd[53690]: (mod) x
            |lighttpd|53690|(mod) x
        Jul 1 21:37:58 gw sshd[9]: x
            gw|sshd|9|x
        Jul  1 21:37:58.123 gw sshd[9]: x
            gw|sshd|9|x
        Jul 01 2026 21:37:58 gw sshd[9]: x
            gw|sshd|9|x
        Jul  1 21:37:58 2026 gw sshd[9]: x
            gw|sshd|9|x
        Jul  1 21:37:58 2026 sshd[9]: x
            |sshd|9|x
        2026 Jul  1 21:37:58 gw sshd[9]: x
            gw|sshd|9|x
        2026 Jul  1 21:37:58.123 gw dovecot: x
            gw|dovecot||x
        2026-07-01T21:37:58.123456+02:00 gw sshd[9]: x
            gw|sshd|9|x
        2026-07-01T19:37:58Z gw sshd[9]: x
            gw|sshd|9|x
        2026-07-01 21:37:58 gw sshd[9]: x
            gw|sshd|9|x
        2026-07-01 21:37:58 gw kernel: [311423.870453] drop
            gw|kernel||[311423.870453] drop
        2026-07-01 21:37:58.123456+02:00 gw kernel: drop
            gw|kernel||drop
        1782934678.123 gw kernel: drop
            gw|kernel||drop
        1782934678.123456 gw sshd[9]: x
            gw|sshd|9|x
        2026-07-01 19:37:58 UTC gw test-demo(pam_unix)[13709] F2B
            gw|test-demo(pam_unix)|13709|F2B
        2026-07-01 21:37:58,388 fail2ban.actions: NOTICE [x] Ban
            |fail2ban.actions||NOTICE [x] Ban
        2026-07-01 21:37:58,388 fail2ban.actions        [12]: NOTICE  [x] Ban
            |fail2ban.actions|12|NOTICE  [x] Ban
        Jul  1 21:37:58 [sshd]: x y
            |sshd||x y
        Jul  1 21:37:58 [sshd] x y
            |sshd||x y
        Jul  1 21:37:58 gw sshd[9]:
            gw|sshd|9|
        Jul  1 21:37:58 gw sshd:
            gw|sshd||
        "#,
    );
    for line in [
        "Jul  1 21:37:58 gw sshd[9]: x",
        "Jul  1 21:37:58 2026 gw sshd[9]: x",
        "Jul 01 2026 21:37:58 gw sshd[9]: x",
        "2026 Jul  1 21:37:58 gw sshd[9]: x",
        "2026-07-01T21:37:58+02:00 gw sshd[9]: x",
        "2026-07-01T19:37:58.000000Z gw sshd[9]: x",
    ] {
        assert_eq!(when(line).as_deref(), Some("2026-07-01T19:37:58Z"), "{line}");
    }
    check(
        Form::Bsd,
        Some(86),
        r#"
        Jul  1 21:37:58 <authpriv.info> gw sshd[9]: x
            gw|sshd|9|x
        Jul  1 21:37:58 <10.6> gw sshd[9]: x
            gw|sshd|9|x
        Jul  1 21:37:58 gw authpriv.info sshd[9]: x
            gw|sshd|9|x
        Jul  1 21:37:58 authpriv.info gw sshd[9]: x
            gw|sshd|9|x
        2026-07-01T21:37:58+02:00 authpriv.info gw sshd[9]: x
            gw|sshd|9|x
        "#,
    );
}

/// What `journalctl` writes with each `-o` that has a header; where the kernel logs there is no pid.
#[test]
fn the_journal() {
    for (date, time) in [
        ("Jul 01 21:37:58", Some("2026-07-01T19:37:58Z")),
        ("Jul 01 21:37:58.123456", Some("2026-07-01T19:37:58.123Z")),
        ("2026-07-01T21:37:58+0200", Some("2026-07-01T19:37:58Z")),
        ("2026-07-01T21:37:58+02:00", Some("2026-07-01T19:37:58Z")),
        ("2026-07-01T21:37:58.123456+0200", Some("2026-07-01T19:37:58.123Z")),
        ("Wed 2026-07-01 21:37:58 CEST", Some("2026-07-01T19:37:58Z")),
        ("Wed 2026-07-01 19:37:58 UTC", Some("2026-07-01T19:37:58Z")),
        ("Thu 2026-07-02 01:07:58 +0530", Some("2026-07-01T19:37:58Z")),
        ("1782934678.123456", Some("2026-07-01T19:37:58.123Z")),
        ("[    5.123456]", None),
        ("[ 1234.567890]", None),
        ("[1234567.890123]", None),
    ] {
        for (head, want) in [
            ("gw sshd[123]: Failed password", "gw|sshd|123|Failed password"),
            ("gw sshd[123]:   x", "gw|sshd|123|x"),
            ("gw (sshd)[123]: x", "gw|(sshd)|123|x"),
            ("gw kernel: drop wan in: x", "gw|kernel||drop wan in: x"),
        ] {
            let line = std::format!("{date} {head}");
            let got = message(line.as_bytes());
            assert_eq!([got.host, got.app, got.pid, got.text].map(utf8).join("|"), want, "{line}");
            assert_eq!((got.form, got.pri, got.times), (Form::Bsd, None, 1), "{line}");
            assert_eq!(when(&line).as_deref(), time, "{line}");
        }
        // Without `--no-hostname` a line has a host; since boot one without it may be the kernel's.
        let line = std::format!("{date} sshd[123]: x");
        let want = if time.is_some() { "sshd" } else { "" };
        assert_eq!(utf8(message(line.as_bytes()).app), want, "{line}");
    }
}

#[test]
fn messages_from_sockets() {
    check(
        Form::Bsd,
        Some(38),
        r#"
        <38>Jul  1 21:37:58 gw sshd[9]: x
            gw|sshd|9|x
        <38>Jul  1 21:37:58 sshd[9]: x
            |sshd|9|x
        <38>Jul  1 21:37:58 gw : luci: failed login
            gw|||luci: failed login
        <38>Jul  1 21:37:58 : luci: failed login
            |||luci: failed login
        <38>Jul  1 21:37:58 gw no tag here
            |||gw no tag here
        <38>2026-07-01T21:37:58.123456+02:00 gw sshd[9]: x
            gw|sshd|9|x
        <38>sshd[9]: x
            |sshd|9|x
        <38>gw sshd[9]: x
            gw|sshd|9|x
        <38>sshd[9]:x y
            |sshd|9|x y
        <38>anything goes
            |||anything goes
        <38>
            |||
        <38>Jul  1 21:37:58 gw router1: kernel: [1.5] x
            gw|router1||kernel: [1.5] x
        "#,
    );
    check(
        Form::Bsd,
        Some(4),
        r#"
        <4>Jul  1 21:37:58 gw kernel: [311423.870453] drop wan in: x
            gw|kernel||[311423.870453] drop wan in: x
        <4>Jul  1 21:37:58 gw router1: kernel: [1.5] x
            gw|kernel||[1.5] x
        <4>Jul  1 21:37:58 [1782934678.123] gw kernel: [1.5] x
            gw|kernel||[1.5] x
        <4>[  12.345678] drop wan in: x
            |kernel||[  12.345678] drop wan in: x
        <4>kernel: [1.5] x
            |kernel||[1.5] x
        "#,
    );
}

#[test]
fn routers() {
    check(
        Form::Bsd,
        Some(84),
        r#"
        Wed Jul  1 21:37:58 2026 authpriv.warn dropbear[9]: Bad password attempt for 'root' from 203.0.113.9:54321
            |dropbear|9|Bad password attempt for 'root' from 203.0.113.9:54321
        Wed Jul  1 21:37:58 2026 [1782934678.123] authpriv.warn dropbear[9]: x
            |dropbear|9|x
        Wed Jul  1 21:37:58 2026 authpriv.warn dispatcher.uc: luci: failed login on / for root from 192.0.2.2
            |dispatcher.uc||luci: failed login on / for root from 192.0.2.2
        Jul  1 21:37:58 OpenWrt authpriv.warn dropbear[9]: x
            OpenWrt|dropbear|9|x
        "#,
    );
    check(
        Form::Bsd,
        Some(14),
        r#"
        Wed Jul  1 21:37:58 2026 user.info : luci: failed login on / for root from 192.0.2.2
            |||luci: failed login on / for root from 192.0.2.2
        Wed Jul  1 21:37:58 2026 user.info no tag here
            |||no tag here
        "#,
    );
    check(
        Form::Bsd,
        Some(4),
        r#"
        Wed Jul  1 21:37:58 2026 kern.warn kernel: [311423.870453] reject wan in: IN=eth1
            |kernel||[311423.870453] reject wan in: IN=eth1
        "#,
    );
    check(
        Form::Bsd,
        Some(27),
        r#"
        Wed Jul  1 21:37:58 2026 daemon.err uhttpd[7]: [info] luci: failed login on /admin/x for root from 192.0.2.2
            |uhttpd|7|[info] luci: failed login on /admin/x for root from 192.0.2.2
        Wed Jul  1 21:37:58 2026 daemon.err openvpn(srv)[3]: 203.0.113.9:51234 TLS Auth Error
            |openvpn(srv)|3|203.0.113.9:51234 TLS Auth Error
        "#,
    );
    let line = "Wed Jul  1 21:37:58 2026 authpriv.warn dropbear[9]: x";
    assert_eq!(when(line).as_deref(), Some("2026-07-01T19:37:58Z"));
}

#[test]
fn levels_have_names() {
    for (name, pri) in [
        ("kern.emerg", 0),
        ("kern.panic", 0),
        ("security.error", 35),
        ("auth.err", 35),
        ("authpriv.warning", 84),
        ("ftp.debug", 95),
        ("local0.alert", 129),
        ("local7.debug", 191),
    ] {
        let line = std::format!("Wed Jul  1 21:37:58 2026 {name} x: y");
        assert_eq!(message(line.as_bytes()).pri, Some(pri), "{name}");
    }
    for name in [
        ".info",
        "auth.",
        "auth",
        "auth.info.x",
        "local8.info",
        "authpriv0.info",
        "Auth.info",
        "\0auth.info",
    ] {
        let line = std::format!("Wed Jul  1 21:37:58 2026 {name} x: y");
        assert_eq!(
            (message(line.as_bytes()).form, message(line.as_bytes()).pri),
            (Form::Raw, None),
            "{name}"
        );
    }
}

#[test]
fn rfc5424_messages() {
    check(
        Form::Rfc5424,
        Some(38),
        r#"
        <38>1 2026-07-01T17:40:16.954167-04:00 gw.example sshd 57915 - - Failed x
            gw.example|sshd|57915|Failed x
        <38>1 - - - - - -
            |||
        <38>1 - gw app 1 - [x y="]"]
            gw|app|1|
        "#,
    );
    check(
        Form::Rfc5424,
        Some(38),
        "<38>1 2026-07-01T17:40:16Z gw sshd - ID47 [a@1 b=\"c\\\"] d\" e=\"\\\\\"][f] \u{feff}text [x]\ngw|sshd||text [x]",
    );
    check(Form::Rfc5424, Some(38), "<38>1 - gw app 1 - - \ngw|app|1|");
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
