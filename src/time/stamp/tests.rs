//! Every form of the table, what only looks like one, and where a date is found in a line.
use super::*;
use crate::time::civil::{Calendar, rfc3339};
use proptest::prelude::*;
use std::string::{String, ToString};
use std::vec::Vec;

const NOW: i64 = 1_782_950_400_000; // 2026-07-02T00:00:00Z

fn shown(stamp: Stamp) -> String {
    let calendar = Calendar::fixed(NOW, 7200);
    stamp.epoch_ms(&calendar).map_or("no such date".to_string(), |ms| rfc3339(ms, 0).as_str().to_string())
}

#[test]
fn every_form_is_read() {
    let noon = "2026-07-01T19:37:58Z";
    let millis = "2026-07-01T19:37:58.123Z";
    for (text, want) in [
        ("2026-07-01T21:37:58.123456+02:00", millis),
        ("2026-07-01T21:37:58,123+0200", millis),
        ("2026-07-01T19:37:58Z", noon),
        ("2026-07-01T14:37:58-05", noon),
        ("2026-07-01 19:37:58 UTC", noon),
        ("2026-07-01 19:37:58 GMT", noon),
        ("2026-07-01 21:37:58.123 +02:00", millis),
        ("2026-07-01 21:37:58", noon),
        ("2026-07-01  9:37:58", "2026-07-01T07:37:58Z"),
        ("Wed 2026-07-01 21:37:58 CEST", noon),
        ("Wed 2026-07-01 19:37:58 UTC", noon),
        ("Wed 2026-07-01 22:37:58 +03", noon),
        ("Thu 2026-07-02 01:07:58 +0530", noon),
        ("Wed 2026-07-01 21:37:58.123456 CEST", millis),
        ("2026/07/01 21:37:58", noon),
        ("2026.07.01 21:37:58", noon),
        ("2026:07:01-21:37:58", noon),
        ("Wed Jul  1 21:37:58 2026", noon),
        ("Wed Jul 01 21:37:58.123456 2026", millis),
        ("Wed Jul  1 21:37:58 CEST 2026", noon),
        ("Wed Jul  1 19:37:58 UTC 2026", noon),
        ("Jul  1 21:37:58", noon),
        ("Jul 1 21:37:58", noon),
        ("jul 1 21:37:58.123", millis),
        ("Jul 01 2026 21:37:58", noon),
        ("Wed Jul 01 2026 21:37:58.123", millis),
        ("2026 Jul  1 21:37:58", noon),
        ("2026 Jul 01 21:37:58.123", millis),
        ("01/07/2026 21:37:58", noon),
        ("01-07-2026 21:37:58", noon),
        ("01/07/26 21:37:58", noon),
        ("01/Jul/2026:21:37:58 +0200", noon),
        ("01/Jul/2026:14:37:58 -0500", noon),
        ("1/Jul/2026:21:37:58", noon),
        ("02/sept./2015:00:11:31 +0200", "2015-09-01T22:11:31Z"),
        ("01-Jul-2026 21:37:58.123", millis),
        ("01-Jul-2026 21:37:58 +0200", noon),
        ("07/01/2026:21:37:58", noon),
        ("07-31-2025 21:37:58.123", "2025-07-31T19:37:58.123Z"),
        ("1782934678", noon),
        ("1782934678.123", millis),
        ("21:37:58", noon),
        ("21:37:58.123", millis),
        ("<07/01/26@21:37:58>", noon),
        ("260701 21:37:58", noon),
        ("260701  9:37:58", "2026-07-01T07:37:58Z"),
        ("Jul 01, 2026 9:37:58 PM", noon),
        ("jul 01, 2026 12:07:58 AM", "2026-06-30T22:07:58Z"),
        ("Jul 01, 2026 12:07:58 PM", "2026-07-01T10:07:58Z"),
        ("Jul-01-26 21:37:58", noon),
        ("20260701T213758", noon),
        ("20260701 213758", noon),
        ("20260701  93758", "2026-07-01T07:37:58Z"),
        ("20260701T193758.123Z", millis),
        ("PDT Jul  1 21:37:58", noon),
        ("GMT Jul  1 19:37:58", noon),
        ("CEST Wed Jul  1 21:37:58", noon),
        ("+00:00 Jul  1 19:37:58.123 2026", millis),
        ("07-01 21:37:58.123", millis),
        ("@400000004c91b044077a9e94", "2010-09-16T05:50:50.125Z"),
        ("Feb 29 10:00:00", "2024-02-29T08:00:00Z"),
        ("Dec 31 23:59:59", "2025-12-31T21:59:59Z"),
        ("2026-02-30 10:00:00", "no such date"),
    ] {
        let (stamp, len) = read(text.as_bytes()).unwrap_or_else(|| panic!("{text} is no date"));
        assert_eq!(len, text.len(), "{text}");
        assert_eq!(shown(stamp), want, "{text}");
        for after in [" x", "] x", ": x", "|x", "\t", " - "] {
            let (again, len) =
                read((text.to_string() + after).as_bytes()).unwrap_or_else(|| panic!("{text}{after}"));
            assert_eq!((again, len), (stamp, text.len()), "{text}{after}");
        }
        if !text.contains(['.', ',', '>']) {
            assert!(read((text.to_string() + "0").as_bytes()).is_none_or(|(s, _)| s != stamp), "{text}0");
        }
    }
}

#[test]
fn what_only_looks_like_a_date() {
    for text in [
        "",
        "2",
        "20",
        "2026",
        "2026-",
        "2026-07-01",
        "2026-07-01T",
        "2026 Jul  1 21:37",
        "2026 Jul  1 21:37:58 2025",
        "2026-07-01T21:37",
        "2026-07-01T121:37:58Z",
        "2026-07/01 21:37:58",
        "0000-12-30 00:00:00",
        "Jul",
        "Jul 1",
        "Jul 1 2026",
        "Wed",
        "Wed Jul",
        "Foo 1 21:37:58",
        "Wed 2026-07-01 21:37:58",
        "Wed 2026-07-01 21:37:58 gw",
        "Wed 2026-07-01 21:37 UTC",
        "Wen 2026-07-01 21:37:58 UTC",
        "Jul  1 24:00:00",
        "Jul  1 21:60:00",
        "Jul 1 2026 21:37",
        "Jul 01, 2026 13:00:00 PM",
        "Jul 01, 2026 1:00:00",
        "@4000",
        "@400000004c91b044077a9e9",
        "@zz0000004c91b044077a9e94",
        "@000000004c91b044077a9e94",
        "@ffffffffffffffffffffffff",
        "178293467",
        "178293467812",
        "1782934678a",
        "<07/01/26@21:37:58",
        "<13>x",
        "99999999999999999999",
        "1.2.3.4 - -",
        "21:37",
        "+99:99 Jul 1 21:37:58",
        "20261",
        "260701",
        "260701x",
    ] {
        assert_eq!(read(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn dates_inside_a_line() {
    let noon = Some("2026-07-01T19:37:58Z".to_string());
    for (line, want) in [
        (r#"192.0.2.7 - - [01/Jul/2026:21:37:58 +0200] "GET / HTTP/1.1" 401 12"#, &noon),
        (
            r#"192.0.2.7 - u [01/Jan/2020:00:00:00 +0200] [01/Jul/2026:21:37:58 +0200] "GET / HTTP/1.1""#,
            &noon,
        ),
        (r#"192.0.2.7 - 2020-01-01 00:00:00 [01/Jul/2026:21:37:58 +0200] "GET /""#, &noon),
        (r#"192.0.2.7 - - [01/Jul/2026:21:37:58 +0200] "GET /[01/Jan/2020:00:00:00 +0200] " 400"#, &noon),
        ("192.0.2.7 - - - [01/Jul/2026:21:37:58 ] example.com", &noon),
        ("type=USER_LOGIN msg=audit(1782934678.000:4063): user pid=1", &noon),
        ("t=2026-07-01T21:37:58+0200 lvl=eror msg=x", &noon),
        ("<W>2026-07-01 21:37:58 1 => <4:x(-1)> Rejected", &noon),
        ("78017 00cff -- none -- - 2026-07-01T19:37:58+00:00 WARN (4)", &noon),
        ("[28325:00010-3735542592] 01-07-2026 21:37:58   smtp: x", &noon),
        (r#"<co ts="2026-07-01T21:37:58.00" pi="1">"#, &noon),
        ("Jul  1 21:37:58 2001:db8::1 sshd[1]: x", &noon),
        ("call 1782934678 or audit(1782934678)", &None),
        ("no date at 21:37:58", &None),
    ] {
        assert_eq!(&find(line.as_bytes()).map(shown), want, "{line}");
    }
}

#[test]
fn iso_by_shape_agrees_with_iso_by_reading() {
    for text in [
        "2026-07-01T21:37:58.123456+02:00 h",
        "2026-07-01 21:37:58,123 h",
        "2026-07-01 21:37:58 UTC h",
        "2026-07-01T21:37:58Z h",
        "2026-07-01T21:37:58",
        "2026-07-01T21:37:58: x",
        "2026-07-01T21:37:58. x",
        "2026-07-01 21:37:58 +02:00 x",
        "2026-07-01 21:37:58 +x",
    ] {
        assert_eq!(iso_len(text.as_bytes()), read(text.as_bytes()).map(|(_, len)| len), "{text}");
    }
    assert_eq!(iso_len(b"2026-07-01T21:37:58x"), None);
    assert_eq!(iso_len(b"2026/07-01T21:37:58"), None);
}

proptest! {
    /// The length by shape is that of the date as it is read, whatever fraction, zone and text follow; and the zone says
    /// what its digits say.
    #[test]
    fn iso_dates_have_the_length_of_their_shape(
        hour in 0u8..24, separator in "[T ]", fraction in "([.,][0-9]{0,14})?",
        zone in "( ?(Z|z|UTC|GMT|[+-][0-2][0-9](:?[0-9]{0,3})?))?", rest in "([ :\\]|x+-][ -~]{0,6})?",
    ) {
        let text = std::format!("2026-07-01{separator}{hour:02}:37:58{fraction}{zone}{rest}");
        prop_assert_eq!(iso_len(text.as_bytes()), read(text.as_bytes()).map(|(_, len)| len), "{}", text);
        let digits: Vec<i32> = zone.bytes().filter(u8::is_ascii_digit).map(|b| i32::from(b - b'0')).collect();
        if let ([a, b, c, d], true) = (&digits[..], rest.starts_with(' '))
            && let Some((Stamp::Civil(_, Some(east)), _)) = read(text.as_bytes())
        {
            let (hours, minutes) = (a * 10 + b, c * 10 + d);
            let sign = if zone.contains('-') { -1 } else { 1 };
            let minutes = if minutes < 60 { minutes } else { 0 };
            prop_assert_eq!(east, sign * (hours * 3600 + minutes * 60), "{}", text);
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Some((_, len)) = read(&bytes) {
            prop_assert!(len <= bytes.len() && len > 0);
        }
        let _ = find(&bytes);
        let _ = iso_len(&bytes);
    }

    #[test]
    fn date_like_text_is_read_without_harm(text in "[0-9:/ .@<>TZ+-]{0,30}|(Jul|Wed|PDT)?[ -][0-9 :,.-]{0,24}(AM| 2026)?") {
        if let Some((stamp, len)) = read(text.as_bytes()) {
            prop_assert!(len <= text.len());
            let _ = shown(stamp);
        }
    }

    #[test]
    fn what_rfc3339_writes_is_read_back(ms in 0i64..7_000_000_000_000, minutes in -800i32..800) {
        let text = rfc3339(ms, minutes * 60);
        let (stamp, len) = read(text.as_str().as_bytes()).expect("a date");
        prop_assert_eq!(len, text.as_str().len());
        prop_assert_eq!(stamp.epoch_ms(&Calendar::fixed(0, 0)), Some(ms));
    }
}
