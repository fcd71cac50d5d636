//! Who is never banned: loopback and multicast, the configuration's `allow` list, this device's own addresses, its gateways.
//!
//! In: prefixes ([`Allow::add`]). Out: whether an address or prefix may be banned, at the cost of three binary searches. The
//! list is rebuilt as a whole ([`Allow::clear`], then [`Allow::add`]) when the configuration or the device's addresses
//! change. When full, `add` returns [`Full`]: the caller must then refuse the configuration, since a list with a part
//! missing would ban whom it should protect. Nothing panics.

use crate::addr::{Addr, Prefix};
use core::cmp::Ordering;

/// Why an address is exempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Unspecified, loopback or multicast ([`Addr::is_special`]).
    Special,
    /// In the configuration's `allow` list.
    Listed,
    /// A gateway of this device.
    Gateway,
    /// An address of this device.
    Own,
}

/// One exempt prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    prefix: Prefix,
    why: Why,
}

impl Rule {
    /// Unused; what a board's static starts as.
    pub const EMPTY: Self = Self { prefix: Prefix::host(Addr::UNSPECIFIED), why: Why::Special };

    /// Whom it exempts.
    pub fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// Why.
    pub fn why(&self) -> Why {
        self.why
    }

    fn is_own(&self) -> bool {
        self.why == Why::Own
    }

    /// Own addresses come last, since a jail without `ignoreself` looks only at the others; then by address, wider prefixes first.
    fn order(&self, other: &Self) -> Ordering {
        (self.is_own(), self.prefix).cmp(&(other.is_own(), other.prefix))
    }
}

/// The lent slice has no room for another prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Whom to ban for what a source did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// This prefix, no part of which is exempt. The failure is counted for it, too.
    Ban(Prefix),
    /// Nobody: the source is exempt. Its failures are not counted for a ban.
    Ignored(Why),
}

/// The special addresses of [`Addr::is_special`] as prefixes.
const SPECIAL: [Prefix; 5] = [
    Prefix::new(Addr::v4([0, 0, 0, 0]), 96 + 8),
    Prefix::new(Addr::v4([127, 0, 0, 0]), 96 + 8),
    Prefix::new(Addr::v4([224, 0, 0, 0]), 96 + 3),
    Prefix::new(Addr::UNSPECIFIED, 127),
    Prefix::new(Addr::from_u128(0xff << 120), 8),
];

/// The exempt prefixes, in two runs (own addresses are the second), each sorted and without overlap.
pub struct Allow<'a> {
    rules: &'a mut [Rule],
    len: usize,
}

impl<'a> Allow<'a> {
    /// A list in which only the special addresses are exempt. It has room for as many prefixes as `rules` is long.
    pub fn new(rules: &'a mut [Rule]) -> Self {
        Self { rules, len: 0 }
    }

    /// Forgets all but the special addresses.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The exempt prefixes, own addresses last. One that lies within another of the same part is left out.
    pub fn rules(&self) -> &[Rule] {
        self.rules.get(..self.len).unwrap_or_default()
    }

    /// Exempts `prefix`. O(number of prefixes).
    ///
    /// # Errors
    ///
    /// [`Full`] where there is no room for it.
    pub fn add(&mut self, prefix: Prefix, why: Why) -> Result<(), Full> {
        let rule = Rule { prefix, why };
        if why == Why::Special
            || self.rules().iter().any(|r| r.is_own() == rule.is_own() && covers(r.prefix, prefix))
        {
            return Ok(());
        }
        let mut kept = 0;
        for i in 0..self.len {
            let Some(&old) = self.rules.get(i) else { break };
            if old.is_own() == rule.is_own() && covers(prefix, old.prefix) {
                continue;
            }
            if let Some(to) = self.rules.get_mut(kept) {
                *to = old;
                kept += 1;
            }
        }
        self.len = kept;
        if kept >= self.rules.len() {
            return Err(Full);
        }
        let place = self.rules().partition_point(|r| r.order(&rule).is_lt());
        let mut carried = rule;
        for slot in self.rules.iter_mut().take(kept + 1).skip(place) {
            core::mem::swap(slot, &mut carried);
        }
        self.len = kept + 1;
        Ok(())
    }

    /// Why some address of `prefix` is exempt, if one is. Without `ignoreself` own addresses do not count.
    pub fn overlaps(&self, prefix: Prefix, ignoreself: bool) -> Option<Why> {
        let special = match prefix.is_host() {
            true => prefix.addr().is_special(),
            false => SPECIAL.iter().any(|s| s.overlaps(prefix)),
        };
        if special {
            return Some(Why::Special);
        }
        let rules = self.rules();
        if rules.is_empty() {
            return None;
        }
        let (others, own) = rules.split_at_checked(rules.partition_point(|r| !r.is_own()))?;
        search(others, prefix).or_else(|| if ignoreself { search(own, prefix) } else { None })
    }

    /// Why `addr` is exempt, if it is.
    pub fn allowed(&self, addr: Addr, ignoreself: bool) -> Option<Why> {
        self.overlaps(Prefix::host(addr), ignoreself)
    }

    /// Whom to count and ban for a failure of `source`, where `target` is the prefix that counts as one source with it:
    /// `target`, or `source` alone where `target` holds an exempt address, or nobody where `source` is exempt.
    pub fn judge(&self, target: Prefix, source: Addr, ignoreself: bool) -> Judged {
        if let Some(why) = self.allowed(source, ignoreself) {
            return Judged::Ignored(why);
        }
        if target == Prefix::host(source) {
            return Judged::Ban(target);
        }
        if !target.contains(source) || self.overlaps(target, ignoreself).is_some() {
            return Judged::Ban(Prefix::host(source));
        }
        Judged::Ban(target)
    }

    /// Whether a person may ban `target`.
    ///
    /// # Errors
    ///
    /// The reason, where it contains an exempt address; own addresses always count.
    pub fn permits(&self, target: Prefix) -> Result<(), Why> {
        self.overlaps(target, true).map_or(Ok(()), Err)
    }
}

fn covers(outer: Prefix, inner: Prefix) -> bool {
    outer.bits() <= inner.bits() && outer.overlaps(inner)
}

/// In a sorted run without overlap, only the last prefix that starts within or before `prefix` can share an address with it.
fn search(run: &[Rule], prefix: Prefix) -> Option<Why> {
    let last = prefix.last();
    let after = run.partition_point(|r| r.prefix.addr() <= last);
    run.get(after.checked_sub(1)?).filter(|r| r.prefix.overlaps(prefix)).map(|r| r.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn p(text: &str) -> Prefix {
        Prefix::parse(text.as_bytes()).unwrap()
    }

    fn a(text: &str) -> Addr {
        Addr::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn special_prefixes_are_the_special_addresses() {
        for octet in 0..=255 {
            let v4 = Addr::v4([octet, 1, 2, 3]);
            assert_eq!(SPECIAL.iter().any(|s| s.contains(v4)), v4.is_special(), "{v4}");
            let v6 = Addr::from_u128(u128::from(octet) << 120 | 1);
            assert_eq!(SPECIAL.iter().any(|s| s.contains(v6)), v6.is_special(), "{v6}");
        }
        for text in ["::", "::1", "::2", "::fffe:ffff:1", "::1:0:0:1"] {
            assert_eq!(SPECIAL.iter().any(|s| s.contains(a(text))), a(text).is_special(), "{text}");
        }
    }

    #[test]
    fn a_source_is_narrowed_rather_than_its_neighbour_banned() {
        let mut rules = [Rule::EMPTY; 4];
        let mut allow = Allow::new(&mut rules);
        allow.add(p("2001:db8::1"), Why::Own).unwrap();
        allow.add(p("192.168.1.0/24"), Why::Listed).unwrap();
        let judge = |ip: &str, v4, v6| allow.judge(Prefix::source(a(ip), v4, v6), a(ip), true);
        assert_eq!(judge("2001:db8::5", 32, 64), Judged::Ban(p("2001:db8::5")));
        assert_eq!(judge("2001:db8:1::5", 32, 64), Judged::Ban(p("2001:db8:1::/64")));
        assert_eq!(judge("2001:db8::1", 32, 64), Judged::Ignored(Why::Own));
        assert_eq!(judge("192.168.1.9", 32, 64), Judged::Ignored(Why::Listed));
        assert_eq!(judge("192.168.2.9", 16, 64), Judged::Ban(p("192.168.2.9")));
        assert_eq!(judge("127.0.0.1", 32, 64), Judged::Ignored(Why::Special));
        // ::/64 and ::fffe:0:0/95 hold every IPv4 address.
        assert_eq!(judge("::9", 32, 64), Judged::Ban(p("::9")));
        assert_eq!(judge("::fffe:0:9", 32, 95), Judged::Ban(p("::fffe:0:9")));
        assert_eq!(judge("8.8.8.8", 0, 64), Judged::Ban(p("8.8.8.8")));
        let own = a("2001:db8::1");
        assert_eq!(allow.judge(p("2001:db8::/64"), own, false), Judged::Ban(p("2001:db8::/64")));
        // A target that is not the source's is no target.
        assert_eq!(allow.judge(p("8.8.8.0/24"), a("9.9.9.9"), true), Judged::Ban(p("9.9.9.9")));
    }

    #[test]
    fn nobody_bans_what_is_exempt() {
        let mut rules = [Rule::EMPTY; 4];
        let mut allow = Allow::new(&mut rules);
        allow.add(p("10.1.2.3"), Why::Gateway).unwrap();
        assert_eq!(allow.permits(p("10.0.0.0/8")), Err(Why::Gateway));
        assert_eq!(allow.permits(p("11.0.0.0/8")), Ok(()));
        assert_eq!(allow.permits(p("::/0")), Err(Why::Special));
        assert_eq!(allow.permits(p("0.0.0.0/0")), Err(Why::Special));
        allow.clear();
        assert_eq!(allow.permits(p("10.0.0.0/8")), Ok(()));
    }

    #[test]
    fn full_is_said() {
        let mut rules = [Rule::EMPTY; 1];
        let mut allow = Allow::new(&mut rules);
        allow.add(p("10.1.2.0/24"), Why::Listed).unwrap();
        assert_eq!(allow.add(p("10.1.3.0/24"), Why::Listed), Err(Full));
        assert_eq!(allow.add(p("10.1.2.9"), Why::Gateway), Ok(()));
        assert_eq!(allow.add(p("10.1.0.0/16"), Why::Listed), Ok(()));
        assert_eq!(allow.rules().len(), 1);
        assert_eq!(allow.permits(p("10.1.3.0/24")), Err(Why::Listed));
    }

    fn prefix() -> impl Strategy<Value = Prefix> {
        // Few distinct bits, so that prefixes meet.
        (0u128..64, 0u8..=7, any::<bool>()).prop_map(|(n, bits, v4)| {
            let base = if v4 { 0x0a00_0000 | 0xffff_0000_0000 } else { 0x2001_0db8 << 96 };
            Prefix::new(Addr::from_u128(base | n), 128 - bits)
        })
    }

    proptest! {
        #[test]
        fn the_searches_agree_with_a_scan(
            list in proptest::collection::vec((prefix(), 0u8..3), 0..24), asked in prefix(), room in 0usize..24,
        ) {
            let mut rules = [Rule::EMPTY; 24];
            let mut allow = Allow::new(rules.get_mut(..room).unwrap());
            let mut naive: Vec<(Prefix, bool)> = Vec::new();
            for (prefix, why) in list {
                let why = [Why::Listed, Why::Gateway, Why::Own][usize::from(why)];
                if allow.add(prefix, why).is_ok() { naive.push((prefix, why == Why::Own)); }
            }
            for ignoreself in [false, true] {
                let truth = naive.iter().any(|(p, own)| p.overlaps(asked) && (ignoreself || !own));
                prop_assert_eq!(allow.overlaps(asked, ignoreself).is_some(), truth);
                let source = asked.last();
                match allow.judge(asked, source, ignoreself) {
                    Judged::Ban(t) => {
                        prop_assert!(t.contains(source));
                        prop_assert!(!naive.iter().any(|(p, own)| p.overlaps(t) && (ignoreself || !own)));
                    }
                    Judged::Ignored(_) => prop_assert!(allow.allowed(source, ignoreself).is_some()),
                }
            }
        }
    }
}
