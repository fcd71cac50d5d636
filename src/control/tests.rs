use super::json::Writer;
use super::reply::{BanView, JailView, PeerView, StatusView, TableView};
use super::*;
use crate::addr::{Addr, Prefix};
use crate::time::Duration;
use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;

fn written(write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> String {
    let mut bytes = Vec::new();
    write(&mut |piece| bytes.extend_from_slice(piece));
    String::from_utf8(bytes).expect("UTF-8")
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text.as_bytes()).unwrap()
}

/// A checker of RFC 8259 that shares nothing with the writer: what is left after one value.
fn value(s: &[u8]) -> Option<&[u8]> {
    match s.first()? {
        b'{' => members(s.get(1..)?, b'}', |s| value(string(s)?.strip_prefix(b":")?)),
        b'[' => members(s.get(1..)?, b']', value),
        b'"' => string(s),
        b't' => s.strip_prefix(b"true"),
        b'f' => s.strip_prefix(b"false"),
        b'n' => s.strip_prefix(b"null"),
        _ => {
            let s = s.strip_prefix(b"-").unwrap_or(s);
            let digits = s.iter().take_while(|b| b.is_ascii_digit()).count();
            (digits > 0 && (digits == 1 || s[0] != b'0')).then(|| &s[digits..])
        }
    }
}

fn members<'a>(mut s: &'a [u8], end: u8, one: impl Fn(&'a [u8]) -> Option<&'a [u8]>) -> Option<&'a [u8]> {
    if s.first() == Some(&end) {
        return s.get(1..);
    }
    loop {
        s = one(s)?;
        match s.first()? {
            b',' => s = s.get(1..)?,
            b if *b == end => return s.get(1..),
            _ => return None,
        }
    }
}

fn string(s: &[u8]) -> Option<&[u8]> {
    let mut s = s.strip_prefix(b"\"")?;
    loop {
        match s.first()? {
            b'"' => return s.get(1..),
            b'\\' => match s.get(1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => s = s.get(2..)?,
                b'u' if s.get(2..6)?.iter().all(u8::is_ascii_hexdigit) => s = s.get(6..)?,
                _ => return None,
            },
            0..=0x1f => return None,
            _ => s = s.get(1..)?,
        }
    }
}

fn lines(text: &str) -> bool {
    text.ends_with('\n') && text.lines().all(|l| value(l.as_bytes()).is_some_and(<[u8]>::is_empty))
}

#[test]
fn json_is_written_as_rfc_8259_has_it() {
    let text = written(|out| {
        let mut w = Writer::new(out);
        w.object().key("a").array().u64(0).i64(-7).i64(i64::MIN).u64(u64::MAX).end_array();
        w.key("b").object().end_object().key("c").bool(true).key("d").null();
        w.key("e").str(b"\"\\\n\x00\x1b\x7f\xc2\x9b\xff\xe2\x82 \xc3\xa4").end_object().newline();
        w.array().end_array().newline();
    });
    let expect = "{\"a\":[0,-7,-9223372036854775808,18446744073709551615],\"b\":{},\"c\":true,\"d\":null,\
        \"e\":\"\\\"\\\\\\n\\u0000\\u001b\\u007f\\u009b\u{fffd}\u{fffd} ä\"}\n[]\n";
    assert_eq!(text, expect);
    assert!(lines(&text));
}

#[test]
fn requests_are_read() {
    let ok: [(&str, Request<'_>); 10] = [
        (r#"{"cmd":"version"}"#, Request::Version),
        (r#" { "cmd" : "status" , "jail" : null } "#, Request::Status { jail: None }),
        (r#"{"jail":"sshd","cmd":"status"}"#, Request::Status { jail: Some("sshd") }),
        (r#"{"cmd":"bans"}"#, Request::Bans),
        (r#"{"cmd":"reload"}"#, Request::Reload),
        (r#"{"cmd":"unban","all":true}"#, Request::UnbanAll),
        (
            r#"{"cmd":"unban","ip":"2001:db8::/64","all":false}"#,
            Request::Unban { target: prefix("2001:db8::/64") },
        ),
        (
            r#"{"cmd":"attempt","ip":"192.0.2.7","jail":"sshd"}"#,
            Request::Attempt { ip: Addr::v4([192, 0, 2, 7]), jail: "sshd" },
        ),
        (
            r#"{"cmd":"ban","ip":"192.0.2.0/24","jail":"manual","for":"1h"}"#,
            Request::Ban {
                target: prefix("192.0.2.0/24"),
                jail: Some("manual"),
                span: Some(Duration::from_secs(3600)),
            },
        ),
        (
            r#"{"cmd":"ban","ip":"::1","for":"permanent"}"#,
            Request::Ban { target: prefix("::1"), jail: None, span: Some(Duration::FOREVER) },
        ),
    ];
    for (text, request) in ok {
        assert_eq!(Request::parse(text.as_bytes()), Ok(request), "{text}");
    }
    for (text, refusal) in [
        ("", Refusal::Json),
        ("null", Refusal::Json),
        ("[]", Refusal::Json),
        ("{}", Refusal::Json),
        (r#"{"cmd":"bans""#, Refusal::Json),
        (r#"{"cmd":"bans"} x"#, Refusal::Json),
        (r#"{"cmd":"bans","cmd":"bans"}"#, Refusal::Json),
        (r#"{"cmd":"bans","x":1}"#, Refusal::Json),
        (r#"{"cmd":1}"#, Refusal::Json),
        (r#"{"cmd":"b\u0061ns"}"#, Refusal::Escape),
        (r#"{"cmd":"stop"}"#, Refusal::Command),
        (r#"{"cmd":"ban"}"#, Refusal::NeedsIp),
        (r#"{"cmd":"unban","all":false}"#, Refusal::NeedsIp),
        (r#"{"cmd":"ban","ip":"1.2.3"}"#, Refusal::Ip),
        (r#"{"cmd":"attempt","ip":"1.2.3.0/24","jail":"x"}"#, Refusal::Host),
        (r#"{"cmd":"attempt","ip":"1.2.3.4"}"#, Refusal::NeedsJail),
        (r#"{"cmd":"ban","ip":"1.2.3.4","for":"soon"}"#, Refusal::For),
        (r#"{"cmd":"ban","ip":"1.2.3.4","for":"0"}"#, Refusal::For),
        (r#"{"cmd":"ban","ip":"1.2.3.4","for":"315360001"}"#, Refusal::For),
        (r#"{"cmd":"ban","ip":"01.2.3.4"}"#, Refusal::Ip),
        (r#"{"cmd":"status","jail":"a b"}"#, Refusal::Jail),
        (r#"{"cmd":"status","jail":""}"#, Refusal::Jail),
        (r#"{"cmd":"bans","ip":"1.2.3.4"}"#, Refusal::Surplus),
        (r#"{"cmd":"unban","all":true,"ip":"1.2.3.4"}"#, Refusal::Surplus),
    ] {
        assert_eq!(Request::parse(text.as_bytes()), Err(refusal), "{text}");
    }
    let long = [&br#"{"cmd":""#[..], &[b'x'; MAX_REQUEST], br#""}"#].concat();
    assert_eq!(Request::parse(&long), Err(Refusal::TooLong));
}

struct View<'a>(&'a [u8]);

impl StatusView for View<'_> {
    fn version(&self) -> &str {
        "1.2.3"
    }
    fn uptime(&self) -> u64 {
        99
    }
    fn tables(&self, f: &mut dyn FnMut(TableView<'_>)) {
        f(TableView { name: "bans", used: 1, size: 4096 });
        f(TableView { name: "tracked", used: 2, size: 1024 });
    }
    fn counters(&self, f: &mut dyn FnMut(&str, &str, u64)) {
        f("frame", "lines", 5);
        f("frame", "overlong", 0);
        f("jail", "failures", 7);
    }
    fn jails(&self, f: &mut dyn FnMut(JailView<'_>)) {
        for (name, enabled) in [("sshd", true), ("luci", false)] {
            f(JailView { name, filter: name, enabled, failing: 2, failures: 3, banned: 1, total: 2 });
        }
    }
    fn sources(&self, f: &mut dyn FnMut(PeerView<'_>)) {
        f(PeerView { kind: "udp", name: "127.0.0.1:5514", up: true, count: 5, error: None });
    }
    fn sinks(&self, f: &mut dyn FnMut(PeerView<'_>)) {
        f(PeerView { kind: "nftables", name: "", up: false, count: 0, error: Some(self.0) });
    }
}

#[test]
fn status_is_one_line() {
    let all = written(|out| reply::status(&View(b"not permitted"), None, out));
    let expect = "{\"ok\":true,\"version\":\"1.2.3\",\"uptime\":99,\
        \"tables\":{\"bans\":{\"used\":1,\"size\":4096},\"tracked\":{\"used\":2,\"size\":1024}},\
        \"counters\":{\"frame\":{\"lines\":5,\"overlong\":0},\"jail\":{\"failures\":7}},\
        \"jails\":[{\"name\":\"sshd\",\"filter\":\"sshd\",\"enabled\":true,\"failing\":2,\"failures\":3,\"banned\":1,\"total\":2},\
        {\"name\":\"luci\",\"filter\":\"luci\",\"enabled\":false,\"failing\":2,\"failures\":3,\"banned\":1,\"total\":2}],\
        \"sources\":[{\"kind\":\"udp\",\"name\":\"127.0.0.1:5514\",\"up\":true,\"count\":5,\"error\":null}],\
        \"sinks\":[{\"kind\":\"nftables\",\"name\":\"\",\"up\":false,\"count\":0,\"error\":\"not permitted\"}]}\n";
    assert_eq!(all, expect);
    let one = written(|out| reply::status(&View(b""), Some("sshd"), out));
    assert_eq!(
        one,
        "{\"ok\":true,\"jails\":[{\"name\":\"sshd\",\"filter\":\"sshd\",\"enabled\":true,\"failing\":2,\"failures\":3,\"banned\":1,\"total\":2}]}\n"
    );
    let none = written(|out| reply::status(&View(b""), Some("x"), out));
    assert_eq!(none, "{\"ok\":false,\"error\":\"no such jail: x\"}\n");
}

#[test]
fn bans_are_lines() {
    let target = prefix("192.0.2.7");
    let ban = BanView { target, jail: "sshd", since: 1_124_013_600, until: None, before: 3, manual: false };
    assert_eq!(
        written(|out| ban.write(out)),
        "{\"ip\":\"192.0.2.7\",\"jail\":\"sshd\",\"since\":1124013600,\"until\":null,\"before\":3,\"manual\":false}\n"
    );
    assert_eq!(written(|out| reply::ok(Some(1), out)), "{\"ok\":true,\"count\":1}\n");
    assert_eq!(written(|out| reply::ok(None, out)), "{\"ok\":true}\n");
    assert!(lines(&written(|out| reply::version("0.1.0", out))));
}

proptest! {
    #[test]
    fn any_bytes_become_valid_json(bytes: Vec<u8>) {
        prop_assert!(lines(&written(|out| reply::error(&bytes, out))));
        prop_assert!(lines(&written(|out| reply::status(&View(&bytes), None, out))));
    }

    #[test]
    fn what_is_read_back_is_what_was_written(text in "\\PC*") {
        // For text without control characters only quotes and backslashes are escaped.
        let json = written(|out| _ = Writer::new(out).str(text.as_bytes()));
        let plain = json[1..json.len() - 1].replace("\\\"", "\"").replace("\\\\", "\\");
        prop_assert_eq!(plain, text);
    }

    #[test]
    fn any_line_is_a_request_or_a_refusal(bytes: Vec<u8>) {
        let _ = Request::parse(&bytes);
    }

    #[test]
    fn a_damaged_request_is_a_request_or_a_refusal(at in 0usize..60, byte: u8, cut: bool) {
        let mut text = br#"{"cmd":"ban","ip":"192.0.2.0/24","jail":"manual","for":"1h"}"#.to_vec();
        if cut { text.truncate(at) } else { text[at] = byte }
        let _ = Request::parse(&text);
    }

    #[test]
    fn requests_survive_the_wire(n: u128, bits in 0u8..=128, jail in prop::option::of("[a-z0-9_-]{1,31}"),
        secs in prop::option::of(1..=LONGEST_BAN.secs()), which in 0u8..8)
    {
        let (ip, target, jail) = (Addr::from_u128(n), Prefix::new(Addr::from_u128(n), bits), jail.as_deref());
        let request = match which {
            0 => Request::Version,
            1 => Request::Status { jail },
            2 => Request::Bans,
            3 => Request::Ban { target, jail, span: secs.map(Duration::from_secs) },
            4 => Request::Unban { target },
            5 => Request::UnbanAll,
            6 => Request::Attempt { ip, jail: jail.unwrap_or("x") },
            _ => Request::Reload,
        };
        let text = written(|out| request.write(out));
        prop_assert!(lines(&text));
        prop_assert_eq!(Request::parse(text.as_bytes()), Ok(request));
    }
}
