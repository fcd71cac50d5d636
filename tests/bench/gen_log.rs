//! A system log as a busy gateway writes it: a mix of daemons, a share of it from attack sessions.
//!
//! The same `seed` and [`Mix`] always give the same bytes. Lines are in the file form of RFC 3164 (no
//! `<PRI>`), 104 bytes on average, or with dates of ISO 8601, 17 bytes more; sessions of several attackers are interleaved, IPv4 and IPv6.

use std::collections::VecDeque;
use std::io::Write;

/// xorshift64*: small, fast, the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// 0 to `n` - 1.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((self.next() >> 32) * n) >> 32
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// What a log is made of.
#[derive(Clone, Copy)]
pub(crate) struct Mix {
    /// How many lines.
    pub(crate) lines: u64,
    /// Percent of the lines that belong to attack sessions.
    pub(crate) attack: u64,
    /// Whether the rest has lines of programs that filters are for: mail, web and honest sessions of sshd and dropbear.
    pub(crate) known: bool,
    /// Whether dates are those of rsyslog's default since Debian 12, to the microsecond.
    pub(crate) iso: bool,
}

const USERS: [&str; 24] = [
    "root",
    "admin",
    "test",
    "ubuntu",
    "oracle",
    "postgres",
    "git",
    "user",
    "pi",
    "ftpuser",
    "hadoop",
    "mysql",
    "nagios",
    "deploy",
    "www",
    "guest",
    "support",
    "jenkins",
    "minecraft",
    "steam",
    "es",
    "dev",
    "backup",
    "tomcat",
];
/// Sources that attack. Few are busy and many are rare, as in real logs.
const ATTACKERS: u64 = 4_000;
/// Sessions that are open at once.
const OPEN: usize = 12;

/// Writes the log to `out`.
pub(crate) fn write(out: &mut impl Write, mix: Mix, seed: u64) -> std::io::Result<()> {
    let mut random = Random::new(seed);
    let mut sessions: Vec<VecDeque<String>> = Vec::new();
    // Twenty lines a second from 1 March 08:00:00, so that a million lines stay within one day.
    for line in 0..mix.lines {
        let second = 8 * 3600 + line / 20;
        let (day, time) = (1 + second / 86_400, second % 86_400);
        let (hour, minute, seconds) = (time / 3600, time / 60 % 60, time % 60);
        if mix.iso {
            let micros = line % 20 * 50_000 + line / 20 % 50_000;
            write!(out, "2026-03-{day:02}T{hour:02}:{minute:02}:{seconds:02}.{micros:06}+00:00 ")?;
        } else {
            write!(out, "Mar {day:>2} {hour:02}:{minute:02}:{seconds:02} ")?;
        }
        if random.below(100) < mix.attack {
            while sessions.len() < OPEN {
                sessions.push(attack(&mut random));
            }
            let which = random.below(OPEN as u64) as usize;
            let text = sessions[which].pop_front().unwrap_or_default();
            if sessions[which].is_empty() {
                sessions.swap_remove(which);
            }
            writeln!(out, "{text}")?;
        } else {
            writeln!(out, "{}", background(&mut random, mix.known))?;
        }
    }
    Ok(())
}

/// An attacker's address: a quarter IPv6.
fn attacker(random: &mut Random) -> String {
    // The square makes small numbers frequent.
    let n = random.below(ATTACKERS) * random.below(ATTACKERS) / ATTACKERS;
    if n.is_multiple_of(4) {
        format!("2001:db8:{:x}:{:x}::{:x}", n >> 8, n & 0xff, 1 + random.below(4))
    } else {
        format!("{}.{}.{}.{}", 60 + n % 120, n * 7 % 251, n * 13 % 241, 1 + n % 250)
    }
}

fn user(random: &mut Random) -> String {
    let name = random.pick(&USERS);
    if random.below(4) == 0 { format!("{name}{}", random.below(100)) } else { name.to_owned() }
}

/// The lines of one attack session.
fn attack(random: &mut Random) -> VecDeque<String> {
    let (ip, port, pid) = (attacker(random), 1024 + random.below(64_000), 1_000 + random.below(60_000));
    let user = user(random);
    let mut lines = VecDeque::new();
    if random.below(5) == 0 {
        let mut say = |text: String| lines.push_back(format!("gw dropbear[{pid}]: {text}"));
        say(format!("Child connection from {ip}:{port}"));
        let fails = 1 + random.below(5);
        if random.below(2) == 0 {
            (0..fails).for_each(|_| say(format!("Bad password attempt for 'root' from {ip}:{port}")));
            say(format!(
                "Exit before auth from <{ip}:{port}>: (user 'root', {fails} fails): Exited normally"
            ));
        } else {
            (0..fails).for_each(|_| say(format!("Login attempt for nonexistent user from {ip}:{port}")));
            say(format!("Exit before auth from <{ip}:{port}>: Max auth tries reached - user 'is invalid'"));
        }
        return lines;
    }
    let mut say = |text: String| lines.push_back(format!("gw sshd[{pid}]: {text}"));
    let pam = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser=";
    match random.below(10) {
        0..4 => {
            say(format!("Invalid user {user} from {ip} port {port}"));
            say("pam_unix(sshd:auth): check pass; user unknown".into());
            say(format!("{pam} rhost={ip} "));
            say(format!("Failed password for invalid user {user} from {ip} port {port} ssh2"));
            say(format!("Received disconnect from {ip} port {port}:11: Bye Bye [preauth]"));
            say(format!("Disconnected from invalid user {user} {ip} port {port} [preauth]"));
        }
        4..7 => {
            say(format!("{pam} rhost={ip}  user=root"));
            for _ in 0..1 + random.below(5) {
                say(format!("Failed password for root from {ip} port {port} ssh2"));
            }
            say(format!("Connection closed by authenticating user root {ip} port {port} [preauth]"));
        }
        7 => {
            say(format!(
                "error: maximum authentication attempts exceeded for {user} from {ip} port {port} ssh2 [preauth]"
            ));
            say(format!(
                "Disconnecting authenticating user {user} {ip} port {port}: Too many authentication failures [preauth]"
            ));
        }
        8 => {
            say(format!(
                "Unable to negotiate with {ip} port {port}: no matching key exchange method found. Their offer: diffie-hellman-group14-sha1,diffie-hellman-group1-sha1 [preauth]"
            ));
        }
        _ => {
            say("error: kex_exchange_identification: Connection closed by remote host".into());
            say(format!("Connection closed by {ip} port {port}"));
        }
    }
    lines
}

/// A line that blames nobody.
fn background(random: &mut Random, known: bool) -> String {
    let host = format!("192.168.1.{}", 2 + random.below(250));
    let (n, pid) = (random.below(1_000_000), 300 + random.below(30_000));
    let mac = format!("a4:5e:60:{:02x}:{:02x}:{:02x}", n & 0xff, n >> 8 & 0xff, n >> 16);
    let name = random.pick(&["example.org", "cdn.example.net", "updates.example.com", "ntp.example.org"]);
    let text = match random.below(if known { 24 } else { 16 }) {
        0 => format!("kernel: [{n}.{:06}] br-lan: port 2(lan2) entered forwarding state", n % 999_983),
        1 => format!(
            "kernel: [{n}.000117] usb 1-1.2: new high-speed USB device number {} using xhci_hcd",
            n % 127
        ),
        2 => format!("CRON[{pid}]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)"),
        3 => format!("CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"),
        4 => format!("systemd[1]: Started Session {n} of User operator on the management interface."),
        5 => "systemd[1]: logrotate.service: Deactivated successfully, consumed 183ms CPU time.".to_owned(),
        6..9 => format!(
            "dnsmasq[1822]: query[A] host{n}.{name} from {host}, forwarded to 192.0.2.53 and 192.0.2.54"
        ),
        9 => format!("dnsmasq[1822]: reply host{n}.{name} is 203.0.113.{}", n % 255),
        10 => format!("dnsmasq-dhcp[1822]: DHCPACK(br-lan) {host} {mac} client-{n}"),
        11 => format!("hostapd: phy0-ap0: STA {mac} WPA: group key handshake completed (RSN)"),
        12 => format!("hostapd: phy1-ap0: AP-STA-CONNECTED {mac} auth_alg=open"),
        13 => format!("ntpd[644]: Soliciting pool server 203.0.113.{}", n % 255),
        14 => format!(
            "rsyslogd: action 'action-8-builtin:omfwd' resumed (module 'builtin:omfwd') [v8.2302.0 try {n}]"
        ),
        15 => format!(
            "NetworkManager[501]: <info>  [17{n:08}.{:04}] dhcp4 (eth0): state changed new lease, address={host}",
            n % 9_999
        ),
        16 => format!("postfix/smtpd[{pid}]: connect from mail{n}.{name}[203.0.113.{}]", n % 255),
        17 => format!(
            "postfix/qmgr[812]: 4X{n:X}z5Q: from=<list-{n}@{name}>, size={}, nrcpt=1 (queue active)",
            n % 90_000
        ),
        18 => format!(
            "dovecot: imap-login: Login: user=<user{n}>, method=PLAIN, rip={host}, lip=192.168.1.1, mpid={pid}, TLS, session=<{n}>"
        ),
        19 => format!(
            "nginx: {host} - - \"GET /status/{n} HTTP/1.1\" 200 {} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
            n % 9_000
        ),
        20 => format!(
            "sshd[{pid}]: Accepted publickey for operator from {host} port {} ssh2: ED25519 SHA256:l2mKqkX0cTqk1xkP3u9n0qX1n0P{n}",
            1024 + n % 60_000
        ),
        21 => format!(
            "sshd[{pid}]: pam_unix(sshd:session): session opened for user operator(uid=1000) by (uid=0)"
        ),
        22 => format!(
            "sshd[{pid}]: Received disconnect from {host} port {}:11: disconnected by user",
            1024 + n % 60_000
        ),
        _ => format!(
            "dropbear[{pid}]: Pubkey auth succeeded for 'root' with ssh-ed25519 key SHA256:{n} from {host}:{}",
            1024 + n % 60_000
        ),
    };
    format!("gw {text}")
}
