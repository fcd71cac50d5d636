//! Lines made to be slow to match: the start of a rule, then without end what it looks for next, never the whole of it.

/// A program, what its line starts with, and what then repeats to the line's end.
pub(crate) struct Shape(&'static str, &'static [u8], &'static [u8]);

/// Every shape.
pub(crate) const SHAPES: [Shape; 73] = [
    Shape("sshd", b"", b" "),
    Shape("sshd", b"", b"x"),
    Shape("sshd", b"", b"1"),
    Shape("sshd", b"", b"."),
    Shape("sshd", b"", b":"),
    Shape("sshd", b"", b"a:"),
    Shape("sshd", b"", b"\0"),
    Shape("sshd", b"", b"\xff"),
    Shape("sshd", b"", b"\"'"),
    Shape("sshd", b"", b"[]"),
    Shape("sshd", b"", b"<>"),
    Shape("sshd", b"", b"rhost=192.0.2.1 "),
    Shape("sshd", b"", b"user=x "),
    Shape("sshd", b"", b", "),
    Shape("sshd", b"", b"Failed password for root from 192.0.2.1 port 1 ssh"),
    Shape("sshd", b"", b" from 192.0.2.1 port 1 ssh2"),
    Shape("sshd", b"", b"Failed password for invalid user Failed password for root from 192.0.2.1 port 1 ssh2 "),
    Shape("sshd", b"", b"Mar  1 08:00:00 "),
    Shape("sshd", b"", b"%s%n%25"),
    Shape("sshd", b"Failed password for invalid user ", b"from "),
    Shape("sshd", b"Failed password for invalid user ", b"from 1."),
    Shape("sshd", b"Failed password for invalid user ", b"f"),
    Shape("sshd", b"Failed password for invalid user ", b"192.0.2.1 "),
    Shape("sshd", b"Failed password for invalid user ", b"2001:db8::1 "),
    Shape("sshd", b"Failed password for invalid user ", b"port 22 "),
    Shape("sshd", b"Failed password for invalid user ", b"from 192.0.2.1 port 22 ssh2: "),
    Shape("sshd", b"Invalid user x", b" from 192.0.2.1 port 22"),
    Shape("sshd", b"Received disconnect from 192.0.2.1 port 22:3: ", b": Auth fai"),
    Shape("sshd", b"Received disconnect from 192.0.2.1 port 22:3: ", b": Auth fail "),
    Shape("sshd", b"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=", b"2001:db8:"),
    Shape("sshd", b"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=", b" user= "),
    Shape("dropbear", b"Bad password attempt for '", b"' from 192.0.2.1:1"),
    Shape("dropbear", b"Bad password attempt for '", b"' from "),
    Shape("dropbear", b"Exit before auth from <192.0.2.1:1>: (user ", b"(user x): "),
    Shape("dropbear", b"Exit before auth from <192.0.2.1:1>: (user ", b"', 1 fails): "),
    Shape("dropbear", b"Pubkey auth succeeded for 'x' with ", b"key "),
    Shape("dropbear", b"Pubkey auth succeeded for 'x' with ", b"a from "),
    Shape("dovecot", b"imap-login: Disconnected: ", b" (auth failed, 1 attempts in 1 secs): user=<"),
    Shape("dovecot", b"imap-login: Disconnected: ", b"(auth failed, 1 attempts): "),
    Shape("dovecot", b"imap-login: Disconnected (auth failed, 1 attempts in 1 secs): user=<", b">, rip=192.0.2.1, "),
    Shape("dovecot", b"imap-login: Disconnected (auth failed, 1 attempts in 1 secs): user=<", b">, method=PLAIN, rip=192.0.2.1, x "),
    Shape("dovecot", b"imap-login: Disconnected (auth failed, 1 attempts): rip=192.0.2.1,", b" x"),
    Shape("dovecot", b"imap-login: Disconnected (auth failed, 1 attempts): rip=192.0.2.1,", b" <"),
    Shape("postfix/smtpd", b"warning: x[192.0.2.1]: SASL LOGIN authentication failed:", b" Connection lost"),
    Shape("postfix/smtpd", b"NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 <", b">: "),
    Shape("postfix/smtpd", b"NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 <", b">: Relay access "),
    Shape("postfix/smtpd", b"disconnect from x[192.0.2.1]", b" auth=0/1"),
    Shape("postfix/smtpd", b"disconnect from x[192.0.2.1]", b" ehlo=1"),
    Shape("nginx", b"2026/07/01 21:37:58 [error] 12#34: *56 user \"x\" was not found in \"x\", client: 192.0.2.1, server: x, request: \"", b"\"\""),
    Shape("nginx", b"2026/07/01 21:37:58 [error] 12#34: *56 user \"x\" was not found in \"x\", client: 192.0.2.1, server: x, request: \"", b"x\", host: \"x\""),
    Shape("nginx", b"2026/07/01 21:37:58 [error] 12#34: *56 user \"x\" was not found in \"x\", client: 192.0.2.1, server: x, request: \"", b"\", client: 192.0.2.1, "),
    Shape("exim", b"H=", b"x "),
    Shape("exim", b"H=", b"(x) "),
    Shape("exim", b"H=", b"[192.0.2.1] rejected RCPT "),
    Shape("exim", b"H=(x) [192.0.2.1] ", b"rejected RCPT x: "),
    Shape("exim", b"H=(x) [192.0.2.1] ", b"sender verify fail for <x>: "),
    Shape("asterisk", b"Registration from '", b"' failed for '192.0.2.1:1' - "),
    Shape("asterisk", b"Registration from '", b"' failed for "),
    Shape("asterisk", b"Request 'INVITE' from '", b"' failed for '192.0.2.1:1' (callid: x) - "),
    Shape("apache2", b"[auth_basic:error] [pid 1] [client 192.0.2.1:1] AH01618: user ", b":"),
    Shape("apache2", b"[auth_basic:error] [pid 1] [client 192.0.2.1:1] AH01618: user ", b"x: "),
    Shape("apache2", b"[auth_basic:error] [pid 1] [client 192.0.2.1:1] AH01618: user ", b": authentication failure for"),
    Shape("apache2", b"[auth_basic:error] [pid 1] [client 192.0.2.1:1] AH01618: user ", b" not found"),
    Shape("proftpd", b"x (x[192.0.2.1]) - USER ", b"x: no such user foun"),
    Shape("proftpd", b"x (x[192.0.2.1]) - USER ", b" (Login failed)"),
    Shape("vsftpd", b"[", b"] FAIL LOGIN: Client "),
    Shape("vsftpd", b"[", b"x] OK LOGIN: "),
    Shape("smbd", b"Auth: [", b"] status [NT_STATUS_"),
    Shape("smbd", b"Auth: [", b"x"),
    Shape("named", b"client @0x1 192.0.2.1#1 (", b"): query ("),
    Shape("named", b"client @0x1 192.0.2.1#1 (", b"x) "),
    Shape("openvpn", b"192.0.2.1:1 ", b"TLS Error: "),
    Shape("openvpn", b"192.0.2.1:1 ", b"x/"),
];

impl Shape {
    /// For reports.
    pub(crate) fn name(&self) -> String {
        let Self(program, start, unit) = self;
        let [start, unit] = [start, unit].map(|bytes| bytes.escape_ascii());
        format!("{program}: {start}({unit})*")
    }

    /// The line with its header, of exactly `length` bytes, without a newline.
    pub(crate) fn line(&self, length: usize) -> Vec<u8> {
        let Self(program, start, unit) = self;
        let mut line = format!("Mar  1 08:00:00 gw {program}[4242]: ").into_bytes();
        line.extend_from_slice(start);
        while line.len() < length {
            line.extend_from_slice(unit);
        }
        line.truncate(length);
        line
    }
}
