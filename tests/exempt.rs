//! Addresses that are never banned, as they come and go: this host's own, its gateways, the allow list.

#[allow(unreachable_pub)] // Shared: each test binary uses a part of it.
mod common;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/net.rs"]
mod net;
#[allow(unreachable_pub, dead_code)] // Shared: each test binary uses a part of it.
#[path = "common/running.rs"]
mod running;

use net::{in_own_network as in_namespace, run};
use running::{CONF, Edgeban, Folder, file_conf, until};
use std::fs;
use std::io::Write;
use std::net::TcpStream;

#[test]
fn own_addresses_are_not_banned_by_order_or_line() {
    in_namespace(|| {
        run("ip link add dummy type veth peer name other && ip addr add 10.7.0.1/24 dev dummy");
        run("ip link set dummy up && ip link set other up && ip route add default via 10.7.0.254");
        let folder = Folder::new();
        let edgeban = Edgeban::start(folder.path(), CONF, &[], &[]);
        for own in ["10.7.0.1", "127.0.0.1", "10.7.0.254", "10.0.0.0/8"] {
            let (good, said) = edgeban.ask(&["ban", own]);
            assert!(!good && said.contains("never banned"), "{own}: {said}");
        }
        let mut log = TcpStream::connect("127.0.0.1:5514").expect("a source");
        for ip in ["10.7.0.1", "10.7.0.254", "10.7.0.9"] {
            for _ in 0..5 {
                writeln!(
                    log,
                    "<38>Nov 22 20:00:00 sshd[1]: Failed password for root from {ip} port 22 ssh2"
                )
                .expect("written");
            }
        }
        until("all lines", 20, || edgeban.counter("engine", "lines") == 15);
        assert_eq!(edgeban.bans(), ["10.7.0.9"]);
        assert_eq!(edgeban.counter("engine", "allowed"), 10);
    });
}

#[test]
fn who_becomes_our_own_or_allowed_is_set_free() {
    in_namespace(|| {
        let folder = Folder::new();
        let edgeban = Edgeban::start(folder.path(), CONF, &[], &[]);
        for target in ["10.7.0.1", "10.7.0.0/24", "10.7.0.2", "10.9.0.1", "198.51.100.7", "2001:db8::/64"] {
            assert!(edgeban.ask(&["ban", target]).0);
        }
        // At once, not when the next look at the addresses is due.
        run("ip addr add 10.7.0.1/32 dev lo");
        until("own addresses free", 20, || {
            edgeban.bans() == ["10.7.0.2", "10.9.0.1", "198.51.100.7", "2001:db8::/64"]
        });
        assert!(!edgeban.ask(&["ban", "10.7.0.1"]).0);
        run("ip link add dummy type veth peer name other && ip addr add 10.9.0.2/24 dev dummy");
        run("ip link set dummy up && ip link set other up && ip route add default via 10.9.0.1");
        until("the gateway free", 20, || edgeban.bans() == ["10.7.0.2", "198.51.100.7", "2001:db8::/64"]);
        // One of two, and one of a table of its own.
        for ip in ["10.9.0.7", "10.9.0.8", "10.9.0.9"] {
            assert!(edgeban.ask(&["ban", ip]).0);
        }
        run("ip route add 10.11.0.0/16 nexthop via 10.9.0.7 nexthop via 10.9.0.8");
        run("ip route add default via 10.9.0.9 table 77");
        until("all gateways free", 20, || edgeban.bans() == ["10.7.0.2", "198.51.100.7", "2001:db8::/64"]);
        let table = run("nft list table inet edgeban");
        assert!(!table.contains("10.7.0.1") && !table.contains("10.9.0.1"), "{table}");

        let allow = "config edgeban 'global'\n\tlist allow '198.51.100.0/24'\n\tlist allow '2001:db8::9'";
        Edgeban::configure(folder.path(), &CONF.replace("config edgeban 'global'", allow));
        assert!(edgeban.ask(&["reload"]).0);
        assert_eq!(edgeban.bans(), ["10.7.0.2"]);
        edgeban.running.says("2 bans lifted");
    });
}

#[test]
fn more_routes_than_are_read_hide_no_gateway_of_the_other_family() {
    in_namespace(|| {
        let folder = Folder::new();
        run("ip link add dummy type veth peer name other && ip addr add fd07::1/64 dev dummy nodad");
        run("ip link set dummy up && ip link set other up && ip -6 route add fd08::/64 via fd07::fe");
        let routes: String = (0..80_000u32)
            .map(|n| format!("route add 10.{}.{}.{}/32 dev lo\n", n >> 16, n >> 8 & 255, n & 255))
            // More than are read of /proc.
            .chain((0..5_000).map(|n| format!("route add 2001:db8::{n:x}/128 dev lo\n")))
            .collect();
        fs::write(folder.join("routes"), routes).expect("written");
        run(&format!("ip -batch {}", folder.join("routes").display()));
        let edgeban = Edgeban::start(folder.path(), CONF, &[], &["--dry-run"]);
        let (good, said) = edgeban.ask(&["ban", "fd07::fe"]);
        assert!(!good && said.contains("gateway"), "{said}");
    });
}

#[test]
fn own_addresses_are_known_while_the_loopback_interface_is_down() {
    in_namespace(|| {
        run("ip addr add 10.44.0.1/24 dev lo && ip link set lo down");
        let folder = Folder::new();
        let edgeban = Edgeban::start(folder.path(), &file_conf(&folder.join("log")), &[], &[]);
        let (good, said) = edgeban.ask(&["ban", "10.44.0.1"]);
        assert!(!good && said.contains("own address"), "{said}");
    });
}

#[test]
fn who_is_set_free_is_so_in_the_kernel_without_further_ado() {
    in_namespace(|| {
        // IPv6 addresses come up some time later, which would have the daemon go on.
        run("cd /proc/sys/net/ipv6/conf/default 2>/dev/null && echo 1 >disable_ipv6; true");
        run("ip link add dummy type veth peer name other && ip addr add 10.9.0.2/24 dev dummy");
        run("ip link set dummy up && ip link set other up");
        let folder = Folder::new();
        let edgeban = Edgeban::start(folder.path(), CONF, &[], &[]);
        assert!(edgeban.ask(&["ban", "10.9.0.7"]).0);
        run("ip route add 10.11.0.0/16 via 10.9.0.7");
        edgeban.running.says("1 bans lifted");
        // Nor does anybody ask anything meanwhile.
        until("free in the kernel", 20, || !run("nft list set inet edgeban ban4").contains("10.9.0.7"));
    });
}
