//! The nftables sink against the running kernel, in network namespaces that end with the threads that made them.
//!
//! `nft` is used for looking and for doing damage, never by the sink. Needs root, `nft` and `ip`.

#[allow(unreachable_pub)] // Shared: each test binary uses a part of it.
mod common;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/net.rs"]
mod net;

use core::time::Duration as Wait;
use edgeban::action::nftables::Op;
use edgeban::addr::{Addr, Prefix};
use edgeban::blocklist::{Ban, Change, Reason};
use edgeban::host::nft::{NftError, NftSink};
use edgeban::time::{Duration, Instant};
use net::{Peer, run};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;

const NOW: Instant = Instant::from_millis(5_000);

/// Runs `body` in a network namespace of its own.
fn in_namespace(body: impl FnOnce() + Send + 'static) {
    net::in_namespace(libc::CLONE_NEWNET, &["nft", "ip"], body);
}

/// The elements of a set as nft prints them, expiry left out, sorted.
fn elements(set: &str) -> Vec<String> {
    let text = run(&format!("nft list set inet edgeban {set}"));
    let Some((_, list)) = text.split_once("elements = {") else { return Vec::new() };
    let list = list.split('}').next().expect("a list");
    let mut all: Vec<String> =
        list.split(',').map(|e| e.split("expires").next().expect("text").trim().to_string()).collect();
    all.sort();
    all
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text.as_bytes()).expect(text)
}

fn ban(target: &str, scope: u8, secs: u64) -> Ban {
    Ban {
        target: prefix(target),
        jail: 0,
        scope,
        manual: false,
        before: 0,
        since: NOW,
        until: NOW + Duration::from_secs(secs),
    }
}

fn forever(target: &str) -> Ban {
    Ban { until: Instant::NEVER, ..ban(target, 0, 0) }
}

/// A sink over memory that lives as long as the test process.
fn open(buffer: usize, ops: usize) -> NftSink<'static> {
    NftSink::open(vec![0; buffer].leak(), vec![Op::EMPTY; ops].leak()).expect("a sink")
}

const SCOPES: &[(u8, &[(u16, u16)])] =
    &[(1, &[(22, 22), (2200, 2222)]), (2, &[(80, 80), (10_000, 65_535)])];

#[test]
fn what_is_installed_is_what_nft_lists() {
    in_namespace(|| {
        let mut sink = open(65536, 64);
        let bans = [
            ban("192.0.2.7", 0, 3600),
            forever("192.0.2.8"),
            ban("2001:db8::7", 0, 60),
            ban("2001:db8:1:2::/64", 0, 600),
            ban("203.0.113.0/24", 0, 600),
            ban("198.51.100.9", 1, 600),
            ban("2001:db8:9::/48", 2, 600),
            ban("192.0.2.200", 0, 0), // over
        ];
        sink.install(SCOPES, bans.into_iter(), NOW).expect("installed");
        // Some versions of nft print the lookup of a masked address as a comparison.
        let table = run("nft list table inet edgeban").replace("== @", "@");
        for line in [
            "type filter hook prerouting priority raw; policy accept;",
            "ip saddr @ban4 counter packets 0 bytes 0 drop",
            "ip6 saddr @ban6 counter packets 0 bytes 0 drop",
            "ip6 saddr & ffff:ffff:ffff:ffff:: @net6_64 counter packets 0 bytes 0 drop",
            "ip saddr & 255.255.255.0 @net4_24 counter packets 0 bytes 0 drop",
            "ip saddr @ban4_p1 meta l4proto 6-17 th dport @ports_p1 counter packets 0 bytes 0 drop",
            "ip6 saddr & ffff:ffff:ffff:: @net6_48_p2 meta l4proto 6-17 th dport @ports_p2 counter packets 0 bytes 0 drop",
        ] {
            assert!(table.contains(line), "{line}\n{table}");
        }
        assert_eq!(elements("ban4"), ["192.0.2.7 timeout 1h", "192.0.2.8"]);
        assert_eq!(elements("ban6"), ["2001:db8::7 timeout 1m"]);
        assert_eq!(elements("net6_64"), ["2001:db8:1:2:: timeout 10m"]);
        assert_eq!(elements("net4_24"), ["203.0.113.0 timeout 10m"]);
        assert_eq!(elements("ban4_p1"), ["198.51.100.9 timeout 10m"]);
        assert_eq!(elements("ports_p1"), ["22", "2200-2222"]);
        assert_eq!(elements("ports_p2"), ["10000-65535", "80"]);
        assert!(sink.check().expect("an answer"));

        // A second run finds the table of the first and replaces it.
        let mut second = open(4096, 2);
        second.install(&[], [ban("192.0.2.9", 0, 60)].into_iter(), NOW).expect("installed");
        assert_eq!(elements("ban4"), ["192.0.2.9 timeout 1m"]);
        assert!(!run("nft list table inet edgeban").contains("net6_64"));
        assert!(second.check().expect("an answer"));
        assert!(!sink.read_events().expect("events"), "the first run's table is gone");
        second.remove().expect("removed");
        assert_eq!(run("nft list tables"), "");
    });
}

#[test]
fn changes_have_the_last_word() {
    in_namespace(|| {
        let mut sink = open(65536, 64);
        sink.install(SCOPES, core::iter::empty(), NOW).expect("installed");
        let tell = |sink: &mut NftSink<'_>, changes: &[Change]| {
            for change in changes {
                sink.push(change, NOW).expect("pushed");
            }
            sink.flush(NOW).expect("flushed");
            assert!(sink.read_events().expect("events") && sink.check().expect("an answer"));
        };
        let (short, long) = (ban("192.0.2.7", 0, 60), ban("192.0.2.7", 0, 7200));
        tell(&mut sink, &[Change::Added(short), Change::Added(ban("2001:db8::1", 0, 60))]);
        assert_eq!(elements("ban4"), ["192.0.2.7 timeout 1m"]);

        // Renewed: longer, shorter, for ever, and back; each is what the kernel then says.
        for (ban, want) in [
            (long, "192.0.2.7 timeout 2h"),
            (short, "192.0.2.7 timeout 1m"),
            (forever("192.0.2.7"), "192.0.2.7"),
            (long, "192.0.2.7 timeout 2h"),
        ] {
            tell(&mut sink, &[Change::Renewed { ban, old_scope: 0 }]);
            assert_eq!(elements("ban4"), [want]);
        }
        // To another scope.
        let moved = Ban { scope: 1, ..long };
        tell(&mut sink, &[Change::Renewed { ban: moved, old_scope: 0 }]);
        assert_eq!((elements("ban4"), elements("ban4_p1")), (vec![], vec!["192.0.2.7 timeout 2h".into()]));
        // Unbanned; and once more, when it is not there.
        for _ in 0..2 {
            tell(&mut sink, &[Change::Removed(moved, Reason::Unbanned)]);
            assert_eq!(elements("ban4_p1"), [""; 0]);
        }
        // Within one turn only the end counts, also where an element has to go to make room.
        tell(
            &mut sink,
            &[
                Change::Added(short),
                Change::Removed(short, Reason::Evicted),
                Change::Added(ban("192.0.2.8", 0, 60)),
                Change::Added(long),
                Change::Removed(ban("192.0.2.8", 0, 60), Reason::Unbanned),
                Change::Added(ban("192.0.2.9", 0, 60)),
            ],
        );
        assert_eq!(elements("ban4"), ["192.0.2.7 timeout 2h", "192.0.2.9 timeout 1m"]);
        // A set that does not stand yet has nothing to delete.
        tell(&mut sink, &[Change::Removed(ban("10.0.0.0/8", 0, 60), Reason::Unbanned)]);
        // A scope nobody installed.
        tell(&mut sink, &[Change::Added(ban("192.0.2.77", 9, 60))]);
        assert_eq!(sink.refused(), 1);
    });
}

#[test]
fn prefixes_may_overlap() {
    in_namespace(|| {
        let mut sink = open(65536, 64);
        let all =
            ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "0.0.0.0/0", "::/0", "2001:db8::/32"];
        sink.install(&[], core::iter::empty(), NOW).expect("installed");
        for target in all {
            sink.push(&Change::Added(ban(target, 0, 60)), NOW).expect("pushed");
            sink.flush(NOW).expect("flushed");
        }
        sink.push(&Change::Removed(ban("10.0.0.0/8", 0, 60), Reason::Unbanned), NOW).expect("pushed");
        sink.flush(NOW).expect("flushed");
        assert_eq!(elements("net4_8"), [""; 0]);
        assert_eq!(elements("net4_16"), ["10.1.0.0 timeout 1m"]);
        assert_eq!(elements("net4_24"), ["10.1.2.0 timeout 1m"]);
        assert_eq!(elements("net4_0"), ["0.0.0.0 timeout 1m"]);
        assert_eq!(elements("net6_0"), [":: timeout 1m"]);
        assert!(sink.read_events().expect("events"));
    });
}

#[test]
fn ten_thousand_bans_in_one_go() {
    in_namespace(|| {
        let v4 =
            |n: u32| Ban { target: Prefix::host(Addr::v4(n.to_be_bytes())), ..ban("10.0.0.0", 0, 3600) };
        let v6 = |n: u32| Ban {
            target: Prefix::new(Addr::from_u128((0x2001_0db8_0000_0000 | u128::from(n)) << 64), 64),
            ..ban("::", 0, 3600)
        };
        type Make<'a> = &'a dyn Fn(u32) -> Ban;
        for (name, set, make) in
            [("IPv4", "ban4", &v4 as Make<'_>), ("IPv6 /64", "net6_64", &v6 as Make<'_>)]
        {
            let mut sink = open(65536, 512);
            let bans = (0x0b00_0000..0x0b00_0000 + 10_000).map(make);
            let start = std::time::Instant::now();
            sink.install(&[], bans.clone(), NOW).expect("installed");
            let (took, sent) = (start.elapsed(), sink.sent());
            assert_eq!(elements(set).len(), 10_000);
            println!("10,000 {name} installed: {took:?}, {} B a ban, {sent:?}", sent.bytes / 10_000);

            sink.install(&[], core::iter::empty(), NOW).expect("installed");
            for round in ["new", "renewed"] {
                let (before, start) = (sink.sent(), std::time::Instant::now());
                for ban in bans.clone() {
                    sink.push(&Change::Added(ban), NOW).expect("pushed");
                }
                sink.flush(NOW).expect("flushed");
                let (took, after) = (start.elapsed(), sink.sent());
                println!(
                    "10,000 {name} {round}: {took:?}, {} B a ban, {} batches, {} messages",
                    (after.bytes - before.bytes) / 10_000,
                    after.batches - before.batches,
                    after.messages - before.messages
                );
            }
            assert_eq!(elements(set).len(), 10_000);
            let (before, start) = (sink.sent(), std::time::Instant::now());
            for ban in bans.clone().take(100) {
                sink.push(&Change::Renewed { ban, old_scope: 0 }, NOW).expect("pushed");
                sink.flush(NOW).expect("flushed");
            }
            let (took, after) = (start.elapsed() / 100, sink.sent());
            println!("one {name} renewed among 10,000: {took:?}, {} B", (after.bytes - before.bytes) / 100);
            assert!(sink.read_events().expect("events"), "own changes are no damage");
        }
    });
}

/// Waits until the sink's descriptor is readable.
fn readable(sink: &NftSink<'_>) {
    let mut poll = libc::pollfd { fd: sink.fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one live pollfd.
    assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 10_000) }, 1, "no event within 10 s");
}

#[test]
fn damage_is_heard_and_mended() {
    in_namespace(|| {
        let mut sink = open(65536, 64);
        let bans = [ban("192.0.2.7", 0, 3600), ban("203.0.113.0/24", 1, 3600)];
        sink.install(SCOPES, bans.into_iter(), NOW).expect("installed");
        assert!(sink.read_events().expect("events"));
        for damage in [
            "nft flush ruleset",
            "nft delete table inet edgeban",
            "nft flush chain inet edgeban prerouting",
            "nft flush table inet edgeban",
            "nft 'flush ruleset; add table inet edgeban'",
            "nft flush set inet edgeban ban4",
            "nft 'delete element inet edgeban ban4 { 192.0.2.7 }'",
            "nft 'add table inet other; delete element inet edgeban ban4 { 192.0.2.7 }'",
            "nft 'delete element inet edgeban ports_p1 { 22 }'",
            "nft insert rule inet edgeban prerouting accept",
            "nft replace rule inet edgeban prerouting handle $(nft -a list table inet edgeban | \
                sed -n 's/.*@ban4 .*handle //p') accept",
        ] {
            run(damage);
            readable(&sink);
            assert!(!sink.read_events().expect("events"), "{damage}");
            assert!(sink.is_stale());
            // Taken and forgotten: the blocklist has it.
            sink.push(&Change::Added(ban("192.0.2.99", 0, 60)), NOW).expect("pushed");
            sink.flush(NOW).expect("flushed");
            sink.install(SCOPES, bans.into_iter(), NOW).expect("installed");
            assert_eq!(elements("ban4"), ["192.0.2.7 timeout 1h"], "{damage}");
            assert!(sink.read_events().expect("events"));
        }
        // What others do to their own tables is nothing to us.
        run("nft 'add table inet fw4; add chain inet fw4 c; delete table inet fw4'");
        readable(&sink);
        assert!(sink.read_events().expect("events"));

        // A ban that comes before the news of the damage finds out by itself.
        run("nft flush ruleset");
        sink.push(&Change::Added(ban("192.0.2.99", 0, 60)), NOW).expect("pushed");
        assert_eq!(sink.flush(NOW), Err(NftError::Lost));
        assert!(sink.is_stale());
        sink.install(SCOPES, bans.into_iter(), NOW).expect("installed");
        assert!(sink.read_events().expect("events"));

        // More news than the socket holds: any of it may have been about us.
        let many = (0..2000).map(|i| format!("add table inet t{i}\\n")).collect::<String>();
        run(&format!("printf '{many}' | nft -i"));
        assert!(run("nft list tables").contains("t1999"));
        assert!(!sink.read_events().expect("events"));
        sink.install(SCOPES, bans.into_iter(), NOW).expect("installed");
        assert!(sink.read_events().expect("events"));
    });
}

/// Many bans take several transactions, and others may come between them.
#[test]
fn a_table_taken_away_while_it_is_made_is_told_from_a_refusal() {
    in_namespace(|| {
        let mut sink = open(4096, 64);
        let bans = |damage: bool| {
            (0..2000u32).map(move |n| {
                if damage && n == 1000 {
                    run("nft flush ruleset");
                }
                ban(&format!("10.1.{}.{}", n >> 8, n & 255), 0, 600)
            })
        };
        assert_eq!(sink.install(SCOPES, bans(true), NOW), Err(NftError::Torn));
        assert!(sink.is_stale());
        sink.install(SCOPES, bans(false), NOW).expect("installed");
        assert_eq!(elements("ban4").len(), 2000);
        assert!(sink.read_events().expect("events"), "the damage was before");
    });
}

#[test]
fn without_permission_it_says_so() {
    in_namespace(|| {
        // SAFETY: the raw calls change this thread's user only (the libc wrappers would change the process's).
        let dropped = unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) };
        assert_eq!(dropped, 0);
        let (mut buffer, mut ops) = ([0; 4096], [Op::EMPTY; 2]);
        assert_eq!(NftSink::open(&mut buffer, &mut ops).err(), Some(NftError::NoPermission));
    });
}

#[test]
fn packets_are_dropped() {
    in_namespace(|| {
        // The source address that the peer uses is the one in the same subnet.
        let peer = Peer::new(
            "inner",
            &["10.9.0.1/24", "10.9.1.1/24", "fd09::1/64", "fd09:1::1/64"],
            &["10.9.0.2/24", "10.9.1.2/24", "fd09::2/64", "fd09:1::2/64"],
        );
        let (ssh, web) =
            (TcpListener::bind("[::]:22").expect("22"), TcpListener::bind("[::]:80").expect("80"));
        for listener in [&ssh, &web] {
            let listener = listener.try_clone().expect("a listener");
            // Keeps each connection open and sends back what comes.
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    std::thread::spawn(move || {
                        let mut stream = stream;
                        let mut buf = [0; 64];
                        while let Ok(n @ 1..) = stream.read(&mut buf) {
                            if stream.write_all(&buf[..n]).is_err() {
                                break;
                            }
                        }
                    });
                }
            });
        }
        let mut sink = open(65536, 64);
        sink.install(SCOPES, core::iter::empty(), NOW).expect("installed");
        let tell = |sink: &mut NftSink<'_>, change: Change| {
            sink.push(&change, NOW).expect("pushed");
            sink.flush(NOW).expect("flushed");
        };
        for (to, other, target) in [
            ("10.9.0.1", "10.9.1.1", "10.9.0.2"),
            ("[fd09::1]", "[fd09:1::1]", "fd09::2"),
            ("10.9.0.1", "10.9.1.1", "10.9.0.0/24"),
            ("[fd09::1]", "[fd09:1::1]", "fd09::/64"),
        ] {
            let (to22, to80, other22) = (format!("{to}:22"), format!("{to}:80"), format!("{other}:22"));
            for at in [&to22, &to80, &other22] {
                peer.reaches(at);
            }
            let mut stream = peer.connect(&to22, 5000).expect("a connection");
            stream.write_all(b"before").expect("sent");
            let mut buf = [0; 6];
            stream.read_exact(&mut buf).expect("an echo");

            // On every port, new and established.
            let everywhere = ban(target, 0, 3600);
            tell(&mut sink, Change::Added(everywhere));
            peer.fails(&to22);
            peer.fails(&to80);
            peer.reaches(&other22);
            stream.write_all(b"during").expect("sent");
            stream.set_read_timeout(Some(Wait::from_millis(300))).expect("set");
            assert_eq!(stream.read(&mut buf).map_err(|e| e.kind()), Err(ErrorKind::WouldBlock), "{target}");

            // On the ports of scope 1 only.
            tell(&mut sink, Change::Renewed { ban: Ban { scope: 1, ..everywhere }, old_scope: 0 });
            peer.fails(&to22);
            peer.reaches(&to80);
            peer.reaches(&other22);

            // The stalled connection goes on once it is over.
            tell(&mut sink, Change::Removed(Ban { scope: 1, ..everywhere }, Reason::Unbanned));
            stream.set_read_timeout(Some(Wait::from_secs(30))).expect("set");
            stream.read_exact(&mut buf).expect("an echo");
            assert_eq!(&buf, b"during");
            peer.reaches(&to22);

            // The kernel ends a ban by itself; nobody tells it.
            tell(&mut sink, Change::Added(Ban { until: NOW + Duration::from_millis(700), ..everywhere }));
            peer.fails(&to22);
            peer.reaches(&to22);
            // Expired in the kernel but maybe not collected yet: a new ban takes its place.
            tell(&mut sink, Change::Added(everywhere));
            peer.fails(&to22);
            tell(&mut sink, Change::Removed(everywhere, Reason::Unbanned));
        }
    });
}
