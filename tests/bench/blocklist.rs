//! Blocklist lookups at full size: `cargo bench --bench blocklist`.
//!
//! Prints nanoseconds and hash table cells read for lookups of random addresses, half IPv4 and half IPv6, in a
//! list of 65,536 hosts and 4,096 prefixes; the same over a list as a router has it; and the costs of changes.
//! Times include reading the address from a list of 65,536.

use core::hint::black_box;
use edgeban::addr::{Addr, Prefix};
use edgeban::blocklist::{Ban, Blocklist, Slot, Storage};
use edgeban::time::{Duration, Instant};
use std::time::Instant as Clock;

struct Random(u64);

impl Random {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn v4(&mut self) -> Addr {
        Addr::v4((self.next() as u32).to_be_bytes())
    }

    fn v6(&mut self) -> Addr {
        let n = u128::from(self.next()) << 64 | u128::from(self.next());
        Addr::from_u128(n >> 3 | 1 << 125)
    }

    fn either(&mut self) -> Addr {
        if self.next() & 1 == 0 { self.v4() } else { self.v6() }
    }
}

fn ban(target: Prefix, until: u64) -> Ban {
    let until = Instant::from_secs(until);
    Ban { target, jail: 0, scope: 0, manual: false, before: 0, since: Instant::ZERO, until }
}

/// Best of twenty passes, in ns a call.
fn time<T>(what: &str, over: &[T], f: impl Fn(&T) -> bool) {
    let best = (0..20).map(|_| {
        let start = Clock::now();
        let mut count = 0;
        for _ in 0..2 {
            count += over.iter().filter(|each| f(each)).count();
        }
        black_box(count);
        start.elapsed().as_nanos() as f64 / (2 * over.len()) as f64
    });
    println!("  {what:<34} {:6.1} ns", best.fold(f64::MAX, f64::min));
}

fn lookups(what: &str, list: &Blocklist, addrs: &[Addr]) {
    let (mut hits, mut sum, mut most) = (0, 0, 0);
    for &addr in addrs {
        let (hit, steps) = list.lookup_steps(addr);
        (hits, sum, most) = (hits + u32::from(hit.is_some()), sum + u64::from(steps), most.max(steps));
    }
    time(what, addrs, |&addr| list.lookup(addr).is_some());
    let mean = sum as f64 / addrs.len() as f64;
    println!(
        "    {:5.1} % hits; cells read: {mean:.2} mean, {most} most",
        100.0 * f64::from(hits) / addrs.len() as f64
    );
}

fn shuffled(random: &mut Random, mut addrs: Vec<Addr>) -> Vec<Addr> {
    for i in (1..addrs.len()).rev() {
        addrs.swap(i, random.next() as usize % (i + 1));
    }
    addrs
}

fn run(title: &str, hosts: usize, prefixes: usize, lengths: &[u8]) {
    let mut random = Random(1);
    let n = hosts + prefixes;
    let (mut slots, mut cells, mut words) = (vec![Slot::EMPTY; n], vec![0; 2 * n], vec![0; n / 2]);
    let storage = Storage { slots: &mut slots, cells: &mut cells, words: &mut words };
    let mut list = Blocklist::new(storage, [random.next(), random.next()]);

    let mut targets: Vec<Prefix> = (0..hosts).map(|_| Prefix::host(random.either())).collect();
    while targets.len() < n {
        let bits = lengths[random.next() as usize % lengths.len()];
        targets.push(Prefix::new(if bits > 96 { random.v4() } else { random.v6() }, bits));
    }
    println!("{title}: {hosts} hosts, {prefixes} prefixes of lengths {lengths:?}");
    let start = Clock::now();
    for &target in &targets {
        black_box(list.insert(ban(target, 1 + random.next() % 1_000_000), Instant::ZERO));
    }
    println!("  {:<34} {:6.1} ns", "insert", start.elapsed().as_nanos() as f64 / n as f64);

    let in_hosts = targets[..hosts].iter().map(|p| p.addr()).collect();
    let in_hosts = shuffled(&mut random, in_hosts);
    lookups("hit, a host", &list, &in_hosts);
    let in_prefixes: Vec<Addr> = (0..1 << 16)
        .map(|_| {
            let p = targets[hosts + random.next() as usize % prefixes];
            Addr::from_u128(
                p.addr().to_u128() | random.v6().to_u128() & (p.addr().to_u128() ^ p.last().to_u128()),
            )
        })
        .collect();
    lookups("hit, within a prefix", &list, &in_prefixes);
    let others: Vec<Addr> = core::iter::repeat_with(|| random.either())
        .filter(|&a| list.lookup(a).is_none())
        .take(1 << 16)
        .collect();
    lookups("miss", &list, &others);
    let (v4, v6): (Vec<Addr>, Vec<Addr>) = others.iter().partition(|a| a.is_v4());
    lookups("miss, IPv4 only", &list, &v4);
    lookups("miss, IPv6 only", &list, &v6);

    let few = &others[..64];
    time("linear scan, miss", few, |&addr| targets.iter().any(|p| p.contains(addr)));

    let start = Clock::now();
    for _ in 0..n {
        let new = Prefix::host(random.either());
        black_box(list.insert(ban(new, 1 + random.next() % 1_000_000), Instant::ZERO));
    }
    println!(
        "  {:<34} {:6.1} ns",
        "insert into the full list (evicts)",
        start.elapsed().as_nanos() as f64 / n as f64
    );
    let start = Clock::now();
    let gone =
        list.expire(Instant::ZERO + Duration::from_secs(2_000_000), usize::MAX, |ban| _ = black_box(ban));
    println!("  {:<34} {:6.1} ns", "expire", start.elapsed().as_nanos() as f64 / gone as f64);
}

fn main() {
    let bytes = size_of::<Slot>() + 2 * 4 + 2;
    println!("{bytes} bytes an entry: slot {}, cells 8, filter 2", size_of::<Slot>());
    run("As sources are banned by default", 65_536, 4_096, &[120, 64]);
    run("A mixed list", 65_536, 4_096, &[112, 116, 118, 119, 120, 121, 122, 123, 124, 32, 44, 48, 56, 64]);
    run("A router", 3_840, 256, &[120, 64]);
}
