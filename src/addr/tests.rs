use super::*;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};

fn addr(text: &str) -> Addr {
    Addr::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is no address"))
}

fn of_std(ip: IpAddr) -> Addr {
    match ip {
        IpAddr::V4(v4) => Addr::v4(v4.octets()),
        IpAddr::V6(v6) => Addr::v6(v6.octets()),
    }
}

#[test]
fn mapped_is_ipv4() {
    assert_eq!(addr("::ffff:192.0.2.1"), addr("192.0.2.1"));
    assert_eq!(addr("::ffff:c000:201"), addr("192.0.2.1"));
    assert_eq!(scan(b"192.000.002.001").map(|s| s.addr), Some(addr("192.0.2.1")), "daemons write so");
}

#[test]
fn what_programs_read_differently_is_no_address_of_people() {
    for text in [
        "01.2.3.4",
        "1.2.3.04",
        "1.00.3.4",
        "010.0.0.1",
        "::ffff:01.2.3.4",
        "64:ff9b::1.2.3.04",
        "0x7f.0.0.1",
        "1.2.3",
    ] {
        assert_eq!(Addr::parse(text.as_bytes()), None, "{text}");
        assert_eq!(Prefix::parse(format!("{text}/32").as_bytes()), None, "{text}");
    }
    for text in ["192.0.2.0/024", "192.0.2.0/08", "::/00", "2001:db8::/064"] {
        assert_eq!(Prefix::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(addr("0.0.0.0"), Addr::v4([0; 4]));
    assert_eq!(
        addr("0010::0db8").write().as_str(),
        "10::db8",
        "groups of IPv6 may have zeros (RFC 4291, 2.2)"
    );
    assert!(Prefix::parse(b"0.0.0.0/0").is_some());
}

#[test]
fn scan_stops_where_an_address_ends() {
    for (text, ip, len) in [
        ("192.0.2.7:54321", "192.0.2.7", 9),
        ("2001:db8::9:54321", "2001:db8::9", 11),
        ("2001:db8::9:22", "2001:db8::9:22", 14),
        ("fe80::1%eth0 port", "fe80::1", 12),
        ("::1", "::1", 3),
        ("::", "::", 2),
        ("1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8", 15),
        ("1::2::3", "1::2", 4),
        ("::ffff:10.1.2.3]", "10.1.2.3", 15),
        ("64:ff9b::10.1.2.3]", "64:ff9b::a01:203", 17),
    ] {
        let found = scan(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((found.addr, found.len), (addr(ip), len), "{text}");
    }
    for text in
        ["", ":", "1", "1.2.3", "1.2.3.256", "1.2.3.4444", "g::", "12345::", "1:2:3:4:5:6:7", "example"]
    {
        assert_eq!(scan(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn prefixes() {
    let p = |t: &str| Prefix::parse(t.as_bytes());
    assert_eq!(p("192.0.2.77/24").unwrap().to_string(), "192.0.2.0/24");
    assert_eq!(p("192.0.2.77/24").unwrap().last(), addr("192.0.2.255"));
    assert_eq!(p("::/0").unwrap().last().to_u128(), u128::MAX);
    assert_eq!(p("2001:db8::1/64").unwrap().to_string(), "2001:db8::/64");
    assert_eq!(p("::ffff:0:0/96").unwrap().to_string(), "0.0.0.0/0");
    assert!(p("::/0").unwrap().contains(addr("192.0.2.1")));
    assert!(p("10.0.0.0/8").unwrap().overlaps(p("10.1.0.0/16").unwrap()));
    assert!(!p("10.0.0.0/8").unwrap().overlaps(p("11.0.0.0/8").unwrap()));
    for bad in [
        "1.2.3.4/33",
        "::/129",
        "1.2.3.4/",
        "1.2.3.4/-1",
        "/8",
        "1.2.3.4/8 ",
        "fe80::1%eth0/64",
        "1.2.3.4/0008",
    ] {
        assert_eq!(p(bad), None, "{bad}");
    }
}

#[test]
fn special_addresses_are_never_remote() {
    for text in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1"] {
        assert!(addr(text).is_special(), "{text}");
    }
    for text in ["192.0.2.1", "fe80::1", "2001:db8::1", "10.0.0.1"] {
        assert!(!addr(text).is_special(), "{text}");
    }
}

proptest! {
    #[test]
    fn print_and_parse_agree_with_std(n: u128, zero in 0u128..0x1_0000, v4: u32) {
        // Whole groups are zeroed, so that every form of "::" comes up.
        let mut m = n;
        for i in 0..8 {
            if zero >> i & 1 == 1 { m &= !(0xffffu128 << (16 * i)); }
        }
        for ip in [IpAddr::V6(Ipv6Addr::from(m)), IpAddr::V4(Ipv4Addr::from(v4))] {
            let ours = of_std(ip);
            if !(ip.is_ipv6() && ours.is_v4()) {
                prop_assert_eq!(ours.to_string(), ip.to_string());
            }
            prop_assert_eq!(Addr::parse(ip.to_string().as_bytes()), Some(ours));
        }
    }

    #[test]
    fn what_std_refuses_is_refused(text in "[0-9a-f:.%/]{0,24}") {
        let std: Option<Addr> = text.parse::<IpAddr>().ok().map(of_std);
        // Leading zeros are the one leniency.
        let stripped: String = text.split('.').map(|p| {
            let t = p.trim_start_matches('0');
            if p.is_empty() || p.len() > 3 || p.contains(':') { p.to_string() }
            else if t.is_empty() { "0".to_string() } else { t.to_string() }
        }).collect::<std::vec::Vec<_>>().join(".");
        let lenient: Option<Addr> = stripped.parse::<IpAddr>().ok().map(of_std);
        let ours = Addr::parse(text.as_bytes());
        prop_assert!(ours == std || ours == lenient, "{} {:?} {:?}", text, ours, std);
    }

    #[test]
    fn a_prefix_contains_exactly_its_range(n: u128, m: u128, bits in 0u8..=128) {
        let p = Prefix::new(Addr::from_u128(n), bits);
        let inside = |x: u128| x >= p.addr().to_u128() && x <= p.last().to_u128();
        for x in [m, n, p.last().to_u128(), p.last().to_u128().wrapping_add(1)] {
            prop_assert_eq!(p.contains(Addr::from_u128(x)), inside(x));
        }
        let again = Prefix::parse(format!("{p}").as_bytes());
        prop_assert_eq!(again, Some(p));
    }
}

#[test]
fn an_ipv4_address_behind_nat64_is_a_source_as_it_is_elsewhere() {
    let source = |text: &str, v4, v6| {
        let addr = Addr::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        std::format!("{}", Prefix::source(addr, v4, v6))
    };
    assert_eq!(source("64:ff9b::192.0.2.7", 32, 64), "64:ff9b::c000:207");
    assert_eq!(source("64:ff9b::192.0.2.7", 24, 64), "64:ff9b::c000:200/120");
    assert_eq!(source("64:ff9b:0:0:1::7", 32, 64), "64:ff9b::/64");
    // Where the bits of IPv4 are is not known under the prefix for local use.
    assert_eq!(source("64:ff9b:1:fffe::192.0.2.7", 24, 64), "64:ff9b:1:fffe::c000:207");
    assert_eq!(source("64:ff9b:1:c000:2:700::", 32, 64), "64:ff9b:1:c000:2:700::");
    assert_eq!(source("64:ff9b:2::7", 32, 64), "64:ff9b:2::/64");
    assert_eq!(source("64:ff9b:0:1::7", 32, 64), "64:ff9b:0:1::/64");
}
