//! What holds where a file says nothing: the built-in jails and sources, and the defaults of single filters.

use super::{CONNECTIONS, Endpoint, Framing, Jail, Name, Path, Settings, Source, SourceKind};
use crate::addr::Addr;

/// A sample configuration that shows every option with its default. Read as a configuration it is the same as
/// [`Settings::builtin`].
pub const DEFAULT_TEXT: &str = include_str!("default.conf");

/// The built-in jails: name, filter, enabled.
///
/// Five are off. `pam-generic` counts what PAM reports of any service, so an attempt on sshd would count in two jails. With the
/// others a stranger could have somebody else banned: `kernel-drop` and `named-refused` read of single packets, whose source
/// anyone can forge; `pure-ftpd` logs names from reverse DNS, which may look like an address; and with some of its log types
/// on, `mosquitto` logs whole lines that clients choose.
pub const JAILS: [(&str, &str, bool); 20] = [
    ("sshd", "sshd", true),
    ("dropbear", "dropbear", true),
    ("luci", "luci", true),
    ("openvpn", "openvpn", true),
    ("named_refused", "named-refused", false),
    ("nginx_http_auth", "nginx-http-auth", true),
    ("lighttpd_auth", "lighttpd-auth", true),
    ("apache_auth", "apache-auth", true),
    ("vsftpd", "vsftpd", true),
    ("proftpd", "proftpd", true),
    ("pure_ftpd", "pure-ftpd", false),
    ("dovecot", "dovecot", true),
    ("postfix", "postfix", true),
    ("exim", "exim", true),
    ("asterisk", "asterisk", true),
    ("mosquitto", "mosquitto", false),
    ("samba", "samba", true),
    ("recidive", "recidive", true),
    ("pam_generic", "pam-generic", false),
    ("kernel_drop", "kernel-drop", false),
];

/// One filter's own defaults: option and value.
type Defaults = &'static [(&'static str, &'static str)];

/// Filters whose jails have defaults other than those of the global section.
pub const FILTER_DEFAULTS: [(&str, Defaults); 2] =
    [("recidive", &[("findtime", "1d"), ("bantime", "1w")]), ("kernel-drop", &[("maxretry", "20")])];

pub(super) fn filter_defaults(filter: &str) -> Defaults {
    FILTER_DEFAULTS.iter().find(|(name, _)| *name == filter).map_or(&[], |(_, d)| d)
}

/// A log file that is read if it exists and the configuration has no `source` section.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Where.
    pub path: &'static str,
    /// The filters that its lines are for; empty: all.
    pub filters: &'static [&'static str],
}

const fn file(path: &'static str, filters: &'static [&'static str]) -> Candidate {
    Candidate { path, filters }
}

/// The files to look for. The usual rsyslog rules write each message into one of the first five; Debian's `mail.log` is left
/// out, since its lines are in `syslog` as well. nginx's error log, Samba's log.smbd, Asterisk's messages and Mosquitto's log
/// are left out because a client can write whole lines there (see their filters). In Apache's error log a client can do so
/// only through a CGI script that repeats what clients send, so it is included.
pub const CANDIDATES: [Candidate; 14] = [
    file("/var/log/auth.log", &[]),
    file("/var/log/secure", &[]),
    file("/var/log/messages", &[]),
    file("/var/log/syslog", &[]),
    file("/var/log/maillog", &[]),
    file("/var/log/lighttpd/error.log", &["lighttpd-auth"]),
    file("/var/log/apache2/error.log", &["apache-auth"]),
    file("/var/log/httpd/error_log", &["apache-auth"]),
    file("/var/log/exim4/mainlog", &["exim"]),
    file("/var/log/exim/main.log", &["exim"]),
    file("/var/log/asterisk/security", &["asterisk"]),
    file("/var/log/vsftpd.log", &["vsftpd"]),
    file("/var/log/proftpd/proftpd.log", &["proftpd"]),
    file("/var/log/openvpn/openvpn.log", &["openvpn"]),
];

/// Syslog on loopback, UDP and TCP: needs no root, and nobody else can reach it.
pub(super) fn sources(settings: &mut Settings) {
    for kind in [SourceKind::Udp, SourceKind::Tcp] {
        let _ = settings.sources.push(Source {
            line: 0,
            enabled: true,
            kind,
            listen: Endpoint { addr: Addr::v4([127, 0, 0, 1]), port: 5514 },
            path: Path::new(),
            framing: Framing::Auto,
            connections: CONNECTIONS,
            filters: heapless::Vec::new(),
        });
    }
    settings.builtin_sources = true;
}

pub(super) fn jails(settings: &mut Settings) {
    for (name, filter, enabled) in JAILS {
        let mut jail = Jail::empty(Name::try_from(name).unwrap_or_default(), 0);
        jail.filter = Name::try_from(filter).unwrap_or_default();
        jail.enabled = enabled;
        let _ = settings.jails.push(jail);
    }
}

impl Settings {
    /// One more built-in source: a log file, or with `None` the output of `logread`. Returns whether there was room.
    pub fn add_source(&mut self, file: Option<&Candidate>) -> bool {
        let mut source = Source {
            line: 0,
            enabled: true,
            kind: if file.is_some() { SourceKind::File } else { SourceKind::Logread },
            listen: super::NOWHERE,
            path: Path::new(),
            framing: Framing::Auto,
            connections: CONNECTIONS,
            filters: heapless::Vec::new(),
        };
        if let Some(file) = file {
            let Ok(path) = Path::try_from(file.path) else { return false };
            source.path = path;
            source.filters = file
                .filters
                .iter()
                .filter_map(|f| Name::try_from(*f).ok())
                .take(super::MAX_BOUND)
                .collect();
        }
        self.sources.push(source).is_ok()
    }
}
