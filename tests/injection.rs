//! Hostile names, banners and reasons, printed as sshd and dropbear print them for a client at one address, never
//! make another address count: not by one line, and not by a session of them.

#[path = "common/filters.rs"]
mod filters;

use edgeban::addr::Addr;
use edgeban::lru::Link;
use edgeban::matcher::Source;
use edgeban::session::{Entry, Event, IDLE_TIMEOUT, Sessions, Storage};
use edgeban::time::Instant;
use filters::Memory;
use proptest::prelude::*;

/// Where the client is, as the daemons print it.
const CLIENTS: [&str; 2] = ["203.0.113.5", "2001:db8:5::5"];

/// Pieces of the daemons' own lines, addresses, and bytes that parsers trip over.
const PIECES: &[&str] = &[
    " from ",
    " port ",
    " port 22",
    " port 22 ssh2",
    "9.9.9.9",
    "9.9.9.9:22",
    "2001:db8:9::9",
    "[2001:db8:9::9]:22",
    "<9.9.9.9:22>",
    "Failed password for ",
    "Failed publickey for invalid user ",
    "Accepted password for root",
    "Invalid user ",
    "invalid user ",
    "authenticating user ",
    "user ",
    "Connection from ",
    "Connection closed by ",
    "Disconnected from ",
    "Received disconnect from ",
    ": 3: x: Auth fail",
    ": Too many authentication failures",
    ": Change of username or service not allowed: ",
    " not allowed because listed in DenyUsers",
    " ssh2",
    " ssh2: RSA SHA256:abc",
    " ssh2: ",
    " [preauth]",
    " via ",
    " rhost=",
    "; ",
    ": ",
    ":",
    "'",
    "\"",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    " ",
    "  ",
    "\\",
    "\t",
    "\n",
    "\x1b[0m",
    "\0",
    "\u{e9}",
    "a",
    "root",
    "1",
    "sshd[1]: ",
    "Bad password attempt for '",
    "Login attempt for nonexistent user from ",
    "Exit before auth from <",
    ">: ",
    "(user '",
    "', 3 fails): ",
    "Max auth tries reached - user '",
    "Child connection from ",
    " with key md5 aa from ",
];

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES), 0..9).prop_map(|pieces| pieces.concat())
}

/// At most `len` bytes of `text`, as `%.100s` cuts.
fn cut(text: &str, len: usize) -> &str {
    let end = (0..=len.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    // A C string ends at its first NUL.
    text.get(..end).unwrap_or("").split('\0').next().unwrap_or("")
}

/// As OpenSSH logs: `strnvis` with octal escapes into 1,024 bytes with the NUL.
fn vis(message: &str) -> String {
    let mut out = String::new();
    for byte in message.bytes() {
        let one = match byte {
            b'\\' => "\\\\".to_owned(),
            0x20..=0x7e | b'\t' | b'\n' | 0x07 | 0x08 | b'\r' => (byte as char).to_string(),
            _ => format!("\\{byte:03o}"),
        };
        if out.len() + one.len() > 1023 {
            break;
        }
        out.push_str(&one);
    }
    // What reaches a log is one line: syslogd writes #012, logd a blank.
    out.replace(['\n', '\r'], " ")
}

/// What sshd may say of a client that sends `a`, `b` and `c`, in no order that a real daemon keeps.
fn sshd(ip: &str, port: u16, a: &str, b: &str, c: &str) -> Vec<String> {
    let name = cut(a, 100);
    let preamble = format!("invalid user {a}");
    let preamble = cut(&preamble, 200);
    let fp = "SHA256:5gVkd1wX0oKJp0Hk1xYpQ7nEr1sUe3uVw0aYb2cDd4E";
    let mut lines = Vec::new();
    for method in ["password", "none", "keyboard-interactive/pam", "publickey", "hostbased"] {
        for invalid in ["invalid user ", ""] {
            lines.push(format!("Failed {method} for {invalid}{name} from {ip} port {port} ssh2"));
        }
    }
    for invalid in ["invalid user ", ""] {
        let head = format!("Failed publickey for {invalid}{name} from {ip} port {port} ssh2");
        lines.push(format!("{head}: ED25519 {fp}"));
        lines.push(format!("{head}: ED25519-CERT {fp} ID {b} (serial 0) CA ED25519 {fp}"));
        lines.push(format!("{head}: RSA-CERT {fp} ID {} (serial 0) CA RSA {fp}", "x".repeat(700) + c));
        lines.push(format!(
            "Failed hostbased for {invalid}{name} from {ip} port {port} ssh2: RSA {fp}, client user \"{}\", client host \"{}\"",
            cut(b, 100),
            cut(c, 100)
        ));
        lines.push(format!(
            "error: maximum authentication attempts exceeded for {invalid}{name} from {ip} port {port} ssh2 [preauth]"
        ));
    }
    for why in ["Authentication failure", "User not known to the underlying authentication module"] {
        lines.push(format!("error: PAM: {why} for illegal user {name} from {ip}"));
        lines.push(format!("error: PAM: {why} for illegal user {name} from {ip} via 198.51.100.1"));
    }
    lines.extend([
        format!("Invalid user {name} from {ip} port {port}"),
        format!("Invalid user {name} from {ip}"),
        format!("input_userauth_request: invalid user {a} [preauth]"),
        format!("Connection closed by {preamble} {ip} port {port} [preauth]"),
        format!("Connection reset by {preamble} {ip} port {port} [preauth]"),
        format!("Disconnected from {preamble} {ip} port {port} [preauth]"),
        format!("Disconnecting {preamble} {ip} port {port}: Too many authentication failures [preauth]"),
        format!("Disconnecting: Too many authentication failures for {name} [preauth]"),
        format!(
            "Disconnecting {preamble} {ip} port {port}: {} [preauth]",
            cut(&format!("Change of username or service not allowed: ({a},{b}) -> ({c},ssh-connection)"), 100)
        ),
        format!("Disconnecting {preamble} {ip} port {port}: {}", cut(&format!("Change of username or service not allowed: ({a},{b}) -> ({c})"), 100)),
        format!("Received disconnect from {ip} port {port}:11: {} [preauth]", cut(a, 400)),
        format!("error: Received disconnect from {ip} port {port}:3: {} [preauth]", cut(a, 400)),
        format!("error: Received disconnect from {ip}: 3: {}", cut(a, 400)),
        format!("Received disconnect from {ip} port {port}:14: {} [preauth]", cut(a, 400)),
        format!("Bad protocol version identification '{}' from {ip} port {port}", cut(a, 200)),
        format!("error: kex_exchange_identification: client sent invalid protocol identifier \"{}\"", cut(a, 256)),
        format!("error: kex_exchange_identification: banner line contains invalid characters {a}"),
        format!("banner exchange: Connection from {ip} port {port}: invalid format"),
        format!("Unable to negotiate with {ip} port {port}: no matching cipher found. Their offer: {a} [preauth]"),
        format!("fatal: Unable to negotiate with {preamble} {ip} port {port}: no matching cipher found. Their offer: {b} [preauth]"),
        format!("fatal: no matching cipher found: client {a} server aes256-ctr [preauth]"),
        format!("ssh_dispatch_run_fatal: Connection from {preamble} {ip} port {port}: message authentication code incorrect [preauth]"),
        format!("Protocol major versions differ for {ip} port {port}: SSH-2.0-OpenSSH_9.9 vs. {}", cut(a, 200)),
        format!("probed from {ip} port {port} with {a}.  Don't panic."),
        format!("SSH: Server;Ltype: Version;Remote: {ip}-{port};Protocol: 2.0;Client: {a}"),
        format!("SSH: Server;Ltype: Authname;Remote: {ip}-{port};Name: {a}"),
        format!("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip} "),
        format!("pam_unix(sshd:auth): check pass; user ({name}) unknown"),
    ]);
    lines.iter().map(|line| vis(line)).collect()
}

/// What dropbear may say, of every release; a name is printed as it came.
fn dropbear(ip: &str, port: u16, a: &str, b: &str, _: &str) -> Vec<String> {
    let name = cut(a, 100);
    let v6 = ip.contains(':');
    let mut peers = vec![format!("{ip}:{port}")];
    if v6 {
        peers.extend([format!("[{ip}]:{port}"), format!("[{ip}]:"), format!("[{ip}]:{}", port / 100)]);
    }
    let mut lines = Vec::new();
    for at in &peers {
        lines.extend([
            format!("Bad password attempt for '{name}' from {at}"),
            format!("bad PAM password attempt for '{name}' from {at}"),
            format!("Too-long password attempt for '{name}' from {at}"),
            format!("Login attempt for nonexistent user from {at}"),
            format!("login attempt for nonexistent user '{name}' from {at}"),
            format!("Login attempt with wrong user {name} from {at}"),
            format!("Pubkey auth bad signature for '{name}' with key SHA256:abc from {at}"),
            format!("Pubkey auth attempt with unknown algo for '{name}' from {at}"),
            format!("Exit before auth from <{at}>: (user '{name}', 3 fails): Max auth tries reached - user '{name}'"),
            format!("Exit before auth from <{at}>: (user '{name}', 0 fails): Client trying multiple usernames"),
            format!("Exit before auth from <{at}>: Incompatible remote version '{b}'"),
            format!("Exit before auth from <{at}>: Max auth tries reached - user 'is invalid'"),
            format!("Exit before auth (user '{name}', 3 fails): Max auth tries reached - user '{name}' from {at}"),
            format!("Early exit from <{at}>: {b}"),
            format!("Child connection from {at}"),
        ]);
    }
    lines.extend([
        "Login attempt for nonexistent user".to_owned(),
        format!("Login attempt with wrong user {name}"),
        format!("User '{name}' has invalid shell, rejected"),
        format!("User account '{name}' is locked"),
        format!("Exit before auth: (user '{name}', 0 fails): Incompatible remote version '{b}'"),
        format!("Exit before auth (user '{name}', 0 fails): {b}"),
        format!("Exit before auth: {b}"),
        "root login rejected".to_owned(),
    ]);
    // A C string ends at NUL; logd and rsyslog write one line.
    lines.iter().map(|line| line.replace(['\0', '\n'], " ")).collect()
}

fn client(ip: &str) -> Addr {
    Addr::parse(ip.as_bytes()).expect("an address")
}

/// Runs `lines` as those of one process through the filter and a session table; asserts that only `ip` counts as failing.
fn only_the_client(
    memory: &mut Memory,
    app: &str,
    ip: &str,
    lines: &[String],
) -> Result<(), TestCaseError> {
    let (mut entries, mut links, mut buckets) = ([Entry::EMPTY; 4], [Link::EMPTY; 4], [0u16; 4]);
    let storage = Storage { entries: &mut entries, links: &mut links, buckets: &mut buckets };
    let mut sessions = Sessions::new(storage, [7; 16], IDLE_TIMEOUT);
    let client = client(ip);
    for text in lines {
        let line = format!("Jul  1 21:37:58 gw {app}[31]: {text}");
        let mut blamed = Vec::new();
        memory.run(line.as_bytes(), &mut |message, hit| {
            if let Source::Ip(ip) = hit.source {
                blamed.push(ip);
            }
            sessions.feed(&hit, message.pid, message.host, 1, Instant::ZERO, &mut |event| match event {
                Event::Failure(failure) => blamed.push(failure.ip),
                Event::Gained { ip, .. } => blamed.push(ip),
            });
        });
        for ip in blamed {
            prop_assert_eq!(ip, client, "{}", line);
        }
    }
    Ok(())
}

fn every_mode(
    app: &str,
    modes: &[&str],
    daemon: fn(&str, u16, &str, &str, &str) -> Vec<String>,
    said: (&str, &str, &str),
    port: u16,
) -> Result<(), TestCaseError> {
    for ip in CLIENTS {
        let lines = daemon(ip, port, said.0, said.1, said.2);
        for mode in modes {
            only_the_client(&mut Memory::new(app, mode), app, ip, &lines)?;
        }
    }
    Ok(())
}

proptest! {
    // 48 lines a case for sshd, two addresses, four modes: about 100,000 lines.
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_client_of_sshd_blames_another(a in text(), b in text(), c in text(), port in 1u16..) {
        every_mode("sshd", &["normal", "ddos", "extra", "aggressive"], sshd, (&a, &b, &c), port)?;
    }

    #[test]
    fn no_client_of_dropbear_blames_another(a in text(), b in text(), port in 1u16..) {
        every_mode("dropbear", &["normal", "ddos", "aggressive"], dropbear, (&a, &b, ""), port)?;
    }

    #[test]
    fn a_certificate_id_that_fills_the_line_blames_nobody_else(
        a in text(), id in text(), pad in 0usize..1100, cut_at in 60usize..1024,
    ) {
        // syslogd may cut the line anywhere, so that it ends where the client likes.
        for ip in CLIENTS {
            let name = cut(&a, 100);
            let line = vis(&format!(
                "Failed publickey for invalid user {name} from {ip} port 50001 ssh2: RSA-CERT SHA256:abc ID {}{id}",
                "x".repeat(pad),
            ));
            // Cut behind the daemon's own words: before them there is no client text but the name.
            let whole = format!("invalid user {} from {ip} port 50001 ssh2", vis(name));
            let least = line.find(&whole).map_or(line.len(), |at| at + whole.len());
            let end = cut_at.max(least).min(line.len());
            let lines = [line.get(..end).unwrap_or("").to_owned()];
            for mode in ["normal", "aggressive"] {
                only_the_client(&mut Memory::new("sshd", mode), "sshd", ip, &lines)?;
            }
        }
    }
}
