//! A client who knows the rules, the daemon's format and where its log cuts long lines cannot have anyone but itself banned.
//!
//! Each template is a daemon's line: `%` is text that a client chooses, `~` the client's address. The client copies the rest
//! of the line into its text, with a victim's address, pads it, and lets the log cut the line right behind the copy.

#[path = "common/filters.rs"]
mod filters;

use edgeban::addr::Addr;
use edgeban::filter::{Rule, Set, Space, compile};
use edgeban::matcher::{Active, AppSlot, Frame, Matcher, Scratch, Source, Tally};
use edgeban::rules;
use edgeban::syslog::{Parsed, parse};
use filters::Memory;
use std::collections::BTreeSet;

const CLIENT: &str = "203.0.113.5";
const VICTIM: &str = "9.9.9.9";
/// Longest lines: mosquitto, musl's `syslog`, nginx, rsyslog.
const CUTS: [usize; 4] = [999, 1023, 2047, 8192];

/// Filter and line.
const LINES: &[(&str, &str)] = &[
    ("sshd", "Nov 20 10:00:00 sshd[1234]: Failed password for invalid user % from ~ port 40022 ssh2"),
    (
        "sshd",
        "Nov 20 10:00:00 sshd[1234]: Failed keyboard-interactive/pam for invalid user % from ~ port 40022 ssh2",
    ),
    (
        "sshd",
        "Nov 20 10:00:00 sshd[1234]: Failed publickey for invalid user % from ~ port 40022 ssh2: RSA SHA256:abc",
    ),
    ("sshd", "Nov 20 10:00:00 sshd[1234]: Invalid user % from ~ port 40022"),
    ("sshd", "Nov 20 10:00:00 sshd[1234]: error: PAM: Authentication failure for illegal user % from ~"),
    (
        "sshd",
        "Nov 20 10:00:00 sshd[1234]: error: maximum authentication attempts exceeded for invalid user % from ~ port 1 ssh2 [preauth]",
    ),
    ("sshd", "Nov 20 10:00:00 sshd[1234]: User % from ~ not allowed because not listed in AllowUsers"),
    (
        "sshd",
        "Nov 20 10:00:00 sshd[1234]: Disconnecting invalid user % ~ port 1: Too many authentication failures [preauth]",
    ),
    (
        "sshd",
        "Nov 20 10:00:00 sshd[1234]: Disconnecting invalid user % ~ port 1: Change of username or service not allowed: (%,%) -> (%,%) [preauth]",
    ),
    ("sshd", "Nov 20 10:00:00 sshd[1234]: Connection closed by invalid user % ~ port 1 [preauth]"),
    ("sshd", "Nov 20 10:00:00 sshd[1234]: Disconnected from authenticating user % ~ port 1 [preauth]"),
    ("sshd", "Nov 20 10:00:00 sshd[1234]: Bad protocol version identification '%' from ~ port 1"),
    (
        "sshd",
        "Nov 20 10:00:00 sshd[1234]: ssh_dispatch_run_fatal: Connection from authenticating user % ~ port 40052: message authentication code incorrect [preauth]",
    ),
    (
        "sshd",
        "Nov 20 10:00:00 sshd[1234]: ssh_packet_write_poll: Connection from invalid user % ~ port 40052: Broken pipe [preauth]",
    ),
    (
        "sshd",
        "Nov 20 10:00:00 sshd[1234]: Connection from authenticating user % ~ port 40052 timed out [preauth]",
    ),
    ("luci", "Jul  1 21:39:09 ap uhttpd[1]: luci: failed login on /% for % from ~"),
    ("luci", "Jul  1 21:39:09 ap uhttpd[1]: [info] luci: failed login on /% for % from ~"),
    (
        "lighttpd-auth",
        "Jul  1 21:39:09 web lighttpd[8]: (mod_auth.c.525) password doesn't match for /% username: %, IP: ~",
    ),
    (
        "lighttpd-auth",
        "2026-07-01 21:39:09: (mod_auth.c.791) digest: auth failed for %: wrong password, IP: ~",
    ),
    (
        "lighttpd-auth",
        "2026-07-01 21:39:09: (mod_auth.c.791) digest: auth failed: uri mismatch (/% != /%), IP: ~",
    ),
    (
        "nginx-http-auth",
        "2026/07/01 21:39:05 [error] 8#8: *3 user \"%\": password mismatch, client: ~, server: www.example.org, request: \"GET /% HTTP/1.1\", subrequest: \"%\", host: \"%\", referrer: \"%\"",
    ),
    (
        "nginx-http-auth",
        "2026/07/01 21:39:05 [error] 8#8: *3 user \"%\" was not found in \"/etc/nginx/users\", client: ~, server: , request: \"GET /% HTTP/1.0\"",
    ),
    (
        "dovecot",
        "Jul  1 21:39:03 mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<%>, method=PLAIN, rip=~, lip=198.51.100.1, TLS, session=<abc>",
    ),
    (
        "dovecot",
        "Jul  1 21:39:03 mx dovecot: auth-worker(304): pam(%,~,<abc>): pam_authenticate() failed: Authentication failure (password mismatch?)",
    ),
    ("dovecot", "Jul  1 21:39:03 mx dovecot: auth: passwd-file(%,~): unknown user"),
    (
        "dovecot",
        "Jul  1 21:39:03 mx dovecot: auth: sql(%,~,<abc>): Password mismatch (SHA1 of given password: 0123)",
    ),
    (
        "dovecot",
        "Jul  1 21:39:03 mx dovecot: auth-worker(%,~)<304><abc>: request [1]: sql: Password mismatch (given password: %)",
    ),
    ("dovecot", "Jul  1 21:39:03 mx dovecot: auth(%,~,sasl:plain): sql: unknown user"),
    (
        "dovecot",
        "Jul  1 21:39:03 mx dovecot: imap-login: Login aborted: Connection closed (proxy dest authentication failure to 198.51.100.7, 1 attempts in 2 secs, last failure: %) (proxy_dest_auth_failed): user=<%>, rip=~, lip=198.51.100.1, session=<abc>",
    ),
    (
        "dovecot",
        "Jul  1 21:39:03 mx dovecot: auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=% rhost=~",
    ),
    ("mosquitto", "2026-07-01T21:39:09: Client % [~:50001] disconnected: not authorised."),
    (
        "asterisk",
        "[2026-07-01 21:39:01] NOTICE[1234]: chan_sip.c:28468 handle_request_register: Registration from '%' failed for '~:5060' - Wrong password",
    ),
    (
        "asterisk",
        "[2026-07-01 21:39:01] NOTICE[1235]: res_pjsip/pjsip_distributor.c:688 log_failed_request: Request 'REGISTER' from '%' failed for '~:5060' (callid: %) - Failed to authenticate",
    ),
    (
        "asterisk",
        "[2026-07-01 21:39:01] NOTICE[1236] res_pjsip_session.c:  anonymous: Call (UDP:~:5061) to extension '%' rejected because extension not found in context 'public'.",
    ),
    (
        "asterisk",
        "[2026-07-01 21:39:02] SECURITY[1503] res_security_log.c: SecurityEvent=\"InvalidPassword\",EventTV=\"x\",Severity=\"Error\",Service=\"PJSIP\",EventVersion=\"1\",AccountID=\"%\",SessionID=\"%\",LocalAddress=\"IPV4/UDP/198.51.100.1/5060\",RemoteAddress=\"IPV4/UDP/~/5060\",Challenge=\"1\",ReceivedChallenge=\"%\",ReceivedHash=\"%\"",
    ),
    (
        "samba",
        "Auth: [SMB2,(null)] user [%]\\[%] at [Wed, 01 Jul 2026 21:37:58.123456 CEST] with [NTLMv2] status [NT_STATUS_WRONG_PASSWORD] workstation [%] remote host [ipv4:~:40022] mapped to [%]\\[%]. local host [ipv4:198.51.100.1:445] ",
    ),
    (
        "pam-generic",
        "Jul  1 21:39:09 h x[1]: pam_unix(x:auth): authentication failure; logname= uid=0 euid=0 tty= ruser=% rhost=~  user=%",
    ),
    ("vsftpd", "Wed Jul  1 21:39:01 2026 [pid 27209] [%] FAIL LOGIN: Client \"~\""),
    ("pure-ftpd", "Jul  1 21:39:01 ftp pure-ftpd: (?@~) [WARNING] Authentication failed for user [%]"),
    (
        "proftpd",
        "Jul  1 21:39:01 ftp proftpd[617]: ftp.example.org (pc.example[~]) - USER %: no such user found from x",
    ),
    (
        "exim",
        "2026-07-01 21:39:01 login authenticator failed for pc.example (helo) [~]:50401: 535 Incorrect authentication data (set_id=%)",
    ),
    (
        "exim",
        "Jul  1 21:39:01 mx exim[9]: 2026-07-01 21:39:01 login authenticator failed for pc.example (helo) [~]:50401: 535 Incorrect authentication data (set_id=%)",
    ),
    ("exim", "2026-07-01 21:39:02 H=(helo) [~]:50403 F=<%> rejected RCPT <%>: relay not permitted"),
    (
        "postfix",
        "Jul  1 21:39:02 mx postfix/smtpd[832]: warning: unknown[~]: SASL LOGIN authentication failed: (reason unavailable), sasl_username=%",
    ),
    (
        "nginx-http-auth",
        "2026/07/01 21:39:05 [error] 8#8: *3 PAM: user '%' - not authenticated: Authentication failure, client: ~, server: www.example.org, request: \"GET /% HTTP/1.1\", host: \"%\", referrer: \"%\"",
    ),
    (
        "apache-auth",
        "[Wed Jul 01 21:39:01.123456 2026] [auth_basic:error] [pid 812] [client ~:50001] AH01618: user % not found: /%",
    ),
    (
        "named-refused",
        "Jul  1 21:39:01 ns named[4]: client @0x7f ~#50001 (x): query (cache) 'x/A/IN' denied",
    ),
];

/// Filter, a line of the daemon with a client's text that counts against nobody, and the line that the text imitates.
const CARRIERS: &[(&str, &str, &str)] = &[
    (
        "vsftpd",
        "Wed Jul  1 21:39:01 2026 [pid 27209] [%] OK MKDIR: Client \"~\", \"%\"",
        "Wed Jul  1 21:39:01 2026 [pid 27209] [%] FAIL LOGIN: Client \"~\"",
    ),
    (
        "vsftpd",
        "Wed Jul  1 21:39:01 2026 [pid 27209] [%] FTP command: Client \"~\", \"%\"",
        "Wed Jul  1 21:39:01 2026 [pid 27209] [%] FAIL LOGIN: Client \"~\"",
    ),
];

/// `text` with `~` and each `%` filled in.
fn fill(text: &str, address: &str, mut words: impl FnMut(usize) -> String) -> String {
    let mut at = 0;
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '%' => {
                out.push_str(&words(at));
                at += 1;
            }
            '~' => out.push_str(address),
            c => out.push(c),
        }
    }
    out
}

/// `len` bytes of nothing, in the shapes that rules tell apart: letters, blanks, words, digits.
fn pads(len: usize) -> Vec<String> {
    let shapes = ["p", " ", "p ", "1"].into_iter().take(if len > 4000 { 1 } else { 4 });
    shapes.map(|piece| piece.repeat(len.div_ceil(piece.len()))[..len].to_owned()).collect()
}

/// Every line that a client makes of `template` by putting a piece of `model`, most often the line itself, into one of its
/// texts.
fn forged(template: &str, model: &str, cuts: &[usize]) -> BTreeSet<Vec<u8>> {
    let mut lines = BTreeSet::new();
    let texts = |line: &str| -> Vec<usize> { line.match_indices('%').map(|(at, _)| at).collect() };
    let slots = texts(template);
    let address = model.find('~').expect("an address");
    let ends: Vec<usize> = (address + 1..=model.len())
        .filter(|&end| end == model.len() || model[end..].starts_with(['%', '"', ' ', ',', ']', ')', '\'']))
        .collect();
    for (slot, _) in slots.iter().enumerate() {
        // What is copied starts at any text before the address, where a rule could be made to begin anew.
        let starts = texts(model).into_iter().filter(|at| *at < address).map(|at| at + 1).chain([address]);
        for start in starts {
            for &end in &ends {
                let copy = &model[start..end];
                let within = copy.matches('%').count();
                for padded in 0..=within + 1 {
                    for cut in cuts.iter().copied().map(Some).chain([None]) {
                        let line =
                            |pad: &str| {
                                let inner = fill(copy, VICTIM, |n| match padded {
                                    p if p == n + 1 => pad.to_owned(),
                                    _ => "x".to_owned(),
                                });
                                let front = if padded == 0 { pad } else { "x" };
                                let back = if padded == within + 1 && within == 0 { pad } else { "" };
                                let own = format!("{front}{inner}{back}");
                                let end = fill(template, CLIENT, |n| {
                                    if n == slot { own.clone() } else { "v".into() }
                                });
                                let place = fill(&template[..slots[slot]], CLIENT, |_| "v".into()).len()
                                    + own.len();
                                (end, place)
                            };
                        let bare = line("").1;
                        let room = cut.map_or(3, |cut| cut.saturating_sub(bare));
                        for pad in pads(room) {
                            let (whole, place) = line(&pad);
                            let end = cut.map_or(whole.len(), |_| place);
                            // A log cuts where it cuts and nowhere else.
                            if cut.is_none_or(|cut| end == cut) {
                                lines.insert(whole.as_bytes()[..end].to_vec());
                            }
                        }
                    }
                }
            }
        }
    }
    lines
}

#[test]
fn no_native_filter_is_talked_into_blaming_another() {
    let victim = Addr::parse(VICTIM.as_bytes()).expect("an address");
    let client = Addr::parse(CLIENT.as_bytes()).expect("an address");
    let mut tried = 0;
    let lines = LINES.iter().map(|(name, line)| (name, line, line));
    let carriers = CARRIERS.iter().map(|(name, line, model)| (name, line, model));
    for (name, template, model) in lines.chain(carriers) {
        let filter = rules::find(name).expect("a built-in filter");
        // Where there are modes, this one has every rule.
        let mode = if filter.mode("aggressive").is_some() { "aggressive" } else { "normal" };
        let mut memory = Memory::new(name, mode);
        let mut blamed = |line: &[u8]| {
            let mut blamed = None;
            memory.run(line, &mut |_, hit| {
                if let Source::Ip(ip) = hit.source {
                    blamed = Some(ip);
                }
            });
            blamed
        };
        let plain = fill(template, CLIENT, |_| "bob".into());
        let blame = (template == model).then_some(client);
        assert_eq!(blamed(plain.as_bytes()), blame, "{name}: {plain}");
        // BusyBox cuts at 256, its `<PRI>` included. Only sshd's and dropbear's own lines are short enough to be whole there.
        let short = [235, 251, 256];
        for line in forged(template, model, if *name == "sshd" { &short } else { &CUTS }) {
            tried += 1;
            assert_ne!(blamed(&line), Some(victim), "{name}: {}", line.escape_ascii());
        }
    }
    assert!(tried > 10_000, "{tried}");
}

/// A name may hold what looks like the rest of its line: no cut may end it where the rule does.
#[test]
fn no_line_of_nginx_that_fits_its_rule_is_as_long_as_a_cut_one() {
    let template = "2026/07/01 21:39:05 [error] 4294967295#4294967295: *18446744073709551615 user \"%\" was not found in \"%\", client: ~, server: %, request: \"%\", subrequest: \"%\", host: \"%\", referrer: \"%\"";
    let client = "1111:2222:3333:4444:5555:6666:7777:8888";
    let mut memory = Memory::new("nginx-http-auth", "normal");
    let mut fits = |line: &str| {
        let mut hits = 0;
        memory.run(line.as_bytes(), &mut |_, _| hits += 1);
        hits > 0
    };
    let mut most = vec![1; template.matches('%').count()];
    for slot in 0..most.len() {
        let longest = (1..=2048).rev().find(|&len| {
            fits(&fill(template, client, |at| "x".repeat(if at == slot { len } else { most[at] })))
        });
        most[slot] = longest.expect("a line that fits");
    }
    let longest = fill(template, client, |at| "x".repeat(most[at]));
    assert!(fits(&longest) && longest.len() < 2047, "{} bytes: {most:?}", longest.len());
}

/// Rules that the lint accepts, with the daemon's line; the address may also be a name, or nothing.
const ACCEPTED: &[(&str, &str)] = &[
    ("for <user> from <ip>", "for % from ~"),
    ("for <user> from <ip> port <port:int>{ ssh<int>}?", "for % from ~ port 22 ssh2"),
    ("for <user> from <host>{ via <[^ ]+>}?{ [preauth]}?", "for % from ~ via x [preauth]"),
    ("user=\\<<user! rip=>>, rip=<ip>{, <[\\x00-\\xff]*!rip=>}?", "user=<%>, rip=~, lip=x, TLS %"),
    (
        "user \"<user:[^\"]*!client: >\", client: <ip>, request: \"<[^\"]*!client: >\"",
        "user \"%\", client: ~, request: \"%\"",
    ),
    ("GET <text! from > from <ip> referer <text!from >", "GET % from ~ referer %"),
    (
        "GET <text!from > from <ip> referer {<text!from>{<text!from >}?}?<user!from>",
        "GET % from ~ referer %",
    ),
    ("'<user!' failed for '>' failed for '<ip>:<port:int>' (<[^ ]*>)", "'%' failed for '~:1' (%)"),
    ("closed by <user> <ip> port <port:int>{ [preauth]}?", "closed by % ~ port 1"),
    ("closed by <user> <ip> <word>", "closed by % ~ a"),
    ("for <user> from <ip> <word> <word>", "for % from ~ a b"),
    ("for <user> from <ip>{: <[A-Z]+> <[A-Za-z0-9]+>}?", "for % from ~: RSA a"),
    ("for <user> from <ip>{ <word>}?", "for % from ~"),
    ("for <user> from <ip>{ <int>}*", "for % from ~ 1 2"),
    ("[client <ip>] user <user>: <text>", "[client ~] user %: %"),
    ("Client <id:text> [<ip>:<port:int>] disconnected", "Client % [~:1] disconnected"),
    ("ruser=<user! rhost=> rhost=<host>{ user=<[^ ]*>}?", "ruser=% rhost=~ user=%"),
    ("\"<[^\"]*>\" <ip>", "\"%\" ~"),
];

#[test]
fn no_rule_that_the_lint_accepts_is_forged_by_its_own_line() {
    let victim = Addr::parse(VICTIM.as_bytes()).expect("an address");
    for (rule, template) in ACCEPTED {
        let (mut code, mut sets, mut rules) = (vec![0; 4096], vec![Set::NONE; 32], vec![Rule::EMPTY; 2]);
        let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
        let text = format!("filter t\napp t\nfail {rule}");
        let filter = compile(&text, space, &mut |error| panic!("{rule}: {error}")).expect("told otherwise");
        let active = [Active { filter, mode: 1 }];
        let (mut stack, mut memo) = (vec![Frame::EMPTY; 64], vec![0; 1120]);
        let mut slots = [AppSlot::EMPTY; 4];
        let matcher = Matcher::new(&active, &mut slots).expect("enough slots");
        let mut blamed = |text: &[u8]| {
            let line = [b"Jul  1 21:39:01 h t[1]: ", text].concat();
            let Parsed::Message(message) = parse(&line) else { return None };
            let mut scratch = Scratch { stack: &mut stack, memo: &mut memo, steps: 0 };
            let mut blamed = None;
            matcher.each(
                &message,
                matcher.wanted(&message, 1),
                &mut scratch,
                &mut Tally::default(),
                &mut |hit| {
                    if let Source::Ip(ip) = hit.source {
                        blamed = Some(ip);
                    }
                },
            );
            blamed
        };
        let plain = fill(template, CLIENT, |_| "bob".into());
        assert_eq!(blamed(plain.as_bytes()), Addr::parse(CLIENT.as_bytes()), "{rule}: {plain}");
        for line in forged(template, template, &CUTS) {
            // Whether lines are cut is for the rule's author to know, so cuts are left out here.
            let whole = !CUTS.contains(&line.len());
            for address in [CLIENT, "name.example", "a b", ""] {
                let line = String::from_utf8_lossy(&line).replace(CLIENT, address);
                assert!(!whole || blamed(line.as_bytes()) != Some(victim), "{rule}: {line}");
            }
        }
    }
}
