//! Values: text to numbers, durations, prefixes, end points and ports. An error says what was expected.

use super::Kind;
use crate::addr::{Addr, Prefix};
use crate::time::{Duration, parse_duration};

/// An address and a port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address; unspecified is every address.
    pub addr: Addr,
    /// The port, 1 to 65535.
    pub port: u16,
}

/// Ports from the first to the last, both within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last, not below the first.
    pub last: u16,
}

/// Service names, as IANA's registry and Debian's `/etc/services` have them.
const SERVICES: [(&str, u16); 30] = [
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("http", 80),
    ("pop3", 110),
    ("ntp", 123),
    ("netbios-ssn", 139),
    ("imap2", 143),
    ("imap", 143),
    ("snmp", 161),
    ("https", 443),
    ("microsoft-ds", 445),
    ("submissions", 465),
    ("smtps", 465),
    ("submission", 587),
    ("ftps-data", 989),
    ("ftps", 990),
    ("imaps", 993),
    ("pop3s", 995),
    ("openvpn", 1194),
    ("mqtt", 1883),
    ("mysql", 3306),
    ("sieve", 4190),
    ("sip", 5060),
    ("sip-tls", 5061),
    ("postgresql", 5432),
    ("secure-mqtt", 8883),
];

/// What is before and after the byte at `at`. (`split_once` searches with code that can panic as far as the linker sees.)
fn halves(text: &str, at: usize) -> Option<(&str, &str)> {
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// A decimal number, nothing around it.
fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.bytes().try_fold(0u64, |n, b| match b {
        b'0'..=b'9' => n.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

/// A whole number within `min` to `max`.
pub(super) fn number(text: &str, min: u64, max: u64) -> Result<u64, Kind> {
    let n = decimal(text).ok_or(Kind::Value("a whole number"))?;
    if (min..=max).contains(&n) { Ok(n) } else { Err(Kind::Range(min, max)) }
}

/// The words that UCI takes for yes and no.
pub(super) fn flag(text: &str) -> Result<bool, Kind> {
    match text {
        "1" | "yes" | "on" | "true" | "enabled" => Ok(true),
        "0" | "no" | "off" | "false" | "disabled" => Ok(false),
        _ => Err(Kind::Value("1 or 0")),
    }
}

/// A duration within `min` to `max` seconds; without end only where `forever` says so.
pub(super) fn span(text: &str, min: u64, max: u64, forever: bool) -> Result<Duration, Kind> {
    let d =
        parse_duration(text.as_bytes()).ok_or(Kind::Value("a duration such as 90, 10m, 1h30m or 1w"))?;
    if d.is_forever() {
        return if forever { Ok(d) } else { Err(Kind::Value("a duration with an end")) };
    }
    let within = (min..=max).contains(&d.secs());
    if within { Ok(d) } else { Err(Kind::Span(Duration::from_secs(min), Duration::from_secs(max))) }
}

/// An address or a prefix.
pub(super) fn prefix(text: &str) -> Result<Prefix, Kind> {
    Prefix::parse(text.as_bytes()).ok_or(Kind::Value("an address or a prefix such as 192.0.2.0/24"))
}

/// `ADDR:PORT` or `[ADDR]:PORT`. An IPv6 address needs its brackets, since its last group would pass for a port.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, Kind> {
    let wrong = Kind::Value("an address and a port such as 127.0.0.1:514 or [::1]:514");
    let (addr, port) =
        text.bytes().rposition(|b| b == b':').and_then(|at| halves(text, at)).ok_or(wrong)?;
    let bare = addr.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    if bare.is_some() != addr.bytes().any(|b| b == b':') {
        return Err(wrong);
    }
    let addr = Addr::parse(bare.unwrap_or(addr).as_bytes()).ok_or(wrong)?;
    let port = decimal(port).and_then(|n| u16::try_from(n).ok()).filter(|&n| n > 0).ok_or(wrong)?;
    Ok(Endpoint { addr, port })
}

/// A port, a range `FIRST-LAST` or the name of a service.
pub(super) fn ports(text: &str) -> Result<Ports, Kind> {
    let wrong = Kind::Value("a port, a range such as 5060-5061 or a known service");
    if let Some((_, port)) = SERVICES.iter().find(|(name, _)| *name == text) {
        return Ok(Ports { first: *port, last: *port });
    }
    let (first, last) =
        text.bytes().position(|b| b == b'-').and_then(|at| halves(text, at)).unwrap_or((text, text));
    let port = |t: &str| decimal(t).and_then(|n| u16::try_from(n).ok()).filter(|&n| n > 0).ok_or(wrong);
    let (first, last) = (port(first)?, port(last)?);
    if first <= last { Ok(Ports { first, last }) } else { Err(wrong) }
}

/// The path of a file: absolute.
pub(super) fn path<const N: usize>(text: &str) -> Result<heapless::String<N, u8>, Kind> {
    if !text.starts_with('/') {
        return Err(Kind::Value("an absolute path"));
    }
    heapless::String::try_from(text).map_err(|_| Kind::TooLong(N))
}

/// A name: 1 to 31 of `a-z A-Z 0-9 _ -`.
pub(super) fn name(text: &str) -> Result<super::Name, Kind> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(Kind::BadName);
    }
    super::Name::try_from(text).map_err(|_| Kind::BadName)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_strictly() {
        assert_eq!(number("5", 1, 9), Ok(5));
        assert_eq!(number("0", 1, 9), Err(Kind::Range(1, 9)));
        for bad in ["", "-1", "+1", "1.0", "0x10", " 1", "99999999999999999999"] {
            assert!(matches!(number(bad, 0, u64::MAX), Err(Kind::Value(_))), "{bad}");
        }
        assert_eq!(span("1h", 1, 86_400, false), Ok(Duration::from_secs(3600)));
        let day = Duration::from_secs(86_400);
        assert_eq!(span("2d", 1, 86_400, false), Err(Kind::Span(Duration::from_secs(1), day)));
        assert_eq!(span("permanent", 1, 9, true), Ok(Duration::FOREVER));
        assert!(span("permanent", 1, 9, false).is_err());
        for (text, addr, port) in
            [("127.0.0.1:514", "127.0.0.1", 514), ("[::1]:5514", "::1", 5514), ("[::]:1", "::", 1)]
        {
            let addr = Addr::parse(addr.as_bytes()).unwrap();
            assert_eq!(endpoint(text), Ok(Endpoint { addr, port }), "{text}");
        }
        for bad in [
            "127.0.0.1",
            "::1:514",
            "[127.0.0.1]:514",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "[::1]514",
            ":514",
            "",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
        for (text, first, last) in
            [("22", 22, 22), ("ssh", 22, 22), ("5060-5061", 5060, 5061), ("sip", 5060, 5060)]
        {
            assert_eq!(ports(text), Ok(Ports { first, last }), "{text}");
        }
        for bad in ["0", "65536", "2-1", "1-", "-1", "1-2-3", "sssh", ""] {
            assert!(ports(bad).is_err(), "{bad}");
        }
        assert!(path::<8>("/var/log/x").is_err() && path::<8>("x").is_err() && path::<8>("/var").is_ok());
        assert!(
            name("").is_err()
                && name("a b").is_err()
                && name("../x").is_err()
                && name("nginx-http_1").is_ok()
        );
    }
}
