//! Which set a target belongs to, what that set is called, and which sets the table has.

use super::Full;
use crate::addr::{Addr, Prefix};
use crate::blocklist::Scope;

/// Bans of the scopes from 0 to `MAX_SCOPES` − 1 can be put into the kernel.
pub const MAX_SCOPES: usize = 64;

/// A set of addresses: one family, one prefix length, one scope. Orders by scope, then family, then length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set {
    scope: Scope,
    v6: bool,
    len: u8,
}

/// A name of at most 20 bytes, ASCII.
#[derive(Clone, Copy, Debug, Default)]
pub struct Name {
    bytes: [u8; 20],
    len: u8,
}

impl Set {
    /// The set that holds `target` in `scope`.
    pub const fn of(target: Prefix, scope: Scope) -> Self {
        Self { scope, v6: !target.is_v4(), len: target.family_len() }
    }

    /// The scope whose ports its rule looks at.
    pub const fn scope(self) -> Scope {
        self.scope
    }

    /// Whether its keys are IPv6 addresses.
    pub const fn is_v6(self) -> bool {
        self.v6
    }

    /// Length of a key in bytes, 4 or 16.
    pub const fn key_len(self) -> usize {
        if self.v6 { 16 } else { 4 }
    }

    /// Whether it holds single addresses, so that nothing has to be masked.
    pub const fn is_hosts(self) -> bool {
        self.len as usize == self.key_len() * 8
    }

    /// The mask in network order; an IPv4 mask is the first four bytes.
    pub const fn mask(self) -> [u8; 16] {
        let ones = if self.len == 0 { 0 } else { u128::MAX << (128 - self.len as u32) };
        ones.to_be_bytes()
    }

    /// `ban4`, `ban6`, `net4_24`, `net6_64`; with `_p1` behind it in scope 1.
    pub fn name(self) -> Name {
        let mut name = Name::default();
        name.push(if self.is_hosts() { b"ban" } else { b"net" });
        name.push(if self.v6 { b"6" } else { b"4" });
        if !self.is_hosts() {
            name.push(b"_");
            name.decimal(self.len);
        }
        if self.scope != 0 {
            name.push(b"_p");
            name.decimal(self.scope);
        }
        name
    }

    /// The set of this name; `None` where [`Set::name`] gives no set that name.
    pub fn named(name: &[u8]) -> Option<Self> {
        let (kind, rest) = name.split_at_checked(3)?;
        let (family, rest) = rest.split_first()?;
        let v6 = match family {
            b'4' => false,
            b'6' => true,
            _ => return None,
        };
        let most = if v6 { 128 } else { 32 };
        let (len, rest) = match kind {
            b"ban" => (most, rest),
            b"net" => number(rest.strip_prefix(b"_")?).filter(|(len, _)| *len < most)?,
            _ => return None,
        };
        let (scope, rest) = match rest.strip_prefix(b"_p") {
            Some(digits) => number(digits)?,
            None => (0, rest),
        };
        let set = Self { scope, v6, len };
        (rest.is_empty() && set.name().as_bytes() == name).then_some(set)
    }

    /// The target that has this key in the set; `None` where the key has the wrong length.
    pub fn target(self, key: &[u8]) -> Option<Prefix> {
        if self.v6 {
            return Some(Prefix::new(Addr::v6(key.try_into().ok()?), self.len));
        }
        Some(Prefix::new(Addr::v4(key.try_into().ok()?), self.len.checked_add(96)?))
    }

    /// A bit of [`Layout`]: IPv4 lengths 0 to 32, then IPv6 lengths 0 to 128.
    const fn bit(self) -> usize {
        if self.v6 { 33 + self.len as usize } else { self.len as usize }
    }
}

/// The number that `text` begins with, and what follows.
fn number(text: &[u8]) -> Option<(u8, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    let add = |n: u8, b: &u8| n.checked_mul(10)?.checked_add(b.checked_sub(b'0')?);
    Some((digits.iter().try_fold(0, add)?, rest))
}

impl Name {
    /// `ports_p1`: the ports of a scope.
    pub fn ports(scope: Scope) -> Self {
        let mut name = Self::default();
        name.push(b"ports_p");
        name.decimal(scope);
        name
    }

    /// The bytes, without an end mark.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    fn push(&mut self, text: &[u8]) {
        for &b in text {
            if let Some(slot) = self.bytes.get_mut(usize::from(self.len)) {
                *slot = b;
                self.len += 1;
            }
        }
    }

    fn decimal(&mut self, n: u8) {
        if n >= 100 {
            self.push(&[b'0' + n / 100]);
        }
        if n >= 10 {
            self.push(&[b'0' + n / 10 % 10]);
        }
        self.push(&[b'0' + n % 10]);
    }
}

/// What the table is known to hold: the scopes whose port sets it has, and its sets of addresses. 1.6 KB.
#[derive(Clone, Debug)]
pub struct Layout {
    scopes: [Option<[u32; 6]>; MAX_SCOPES],
    /// Sets in the table, port sets included.
    sets: u32,
    /// Rules in the chain, one for each set of addresses.
    rules: u32,
}

impl Default for Layout {
    fn default() -> Self {
        Self::new()
    }
}

impl Layout {
    /// An empty table, scope 0 installed.
    pub const fn new() -> Self {
        let mut scopes = [None; MAX_SCOPES];
        scopes[0] = Some([0; 6]);
        Self { scopes, sets: 0, rules: 0 }
    }

    /// Notes that the table has the port set of `scope`. Scope 0 has none and needs none.
    ///
    /// # Errors
    ///
    /// [`Full`] for [`MAX_SCOPES`] and above.
    pub fn add_scope(&mut self, scope: Scope) -> Result<(), Full> {
        let slot = self.scopes.get_mut(usize::from(scope)).ok_or(Full)?;
        if slot.is_none() {
            *slot = Some([0; 6]);
            self.sets = self.sets.saturating_add(1);
        }
        Ok(())
    }

    /// Whether bans of `scope` can be put into the kernel.
    pub fn has_scope(&self, scope: Scope) -> bool {
        self.scopes.get(usize::from(scope)).is_some_and(Option::is_some)
    }

    /// Whether the table has `set`.
    pub fn has(&self, set: Set) -> bool {
        let bits = self.scopes.get(usize::from(set.scope)).and_then(Option::as_ref);
        bits.and_then(|b| b.get(set.bit() / 32)).is_some_and(|w| w >> (set.bit() % 32) & 1 == 1)
    }

    /// Notes that the table has `set` and its rule; ignored where the port set of its scope is missing.
    pub fn add(&mut self, set: Set) {
        if self.has(set) {
            return;
        }
        let bits = self.scopes.get_mut(usize::from(set.scope)).and_then(Option::as_mut);
        if let Some(word) = bits.and_then(|b| b.get_mut(set.bit() / 32)) {
            *word |= 1 << (set.bit() % 32);
            self.sets = self.sets.saturating_add(1);
            self.rules = self.rules.saturating_add(1);
        }
    }

    /// What the kernel counts as uses of the table: its sets and the chain.
    pub const fn table_uses(&self) -> u32 {
        self.sets.saturating_add(1)
    }

    /// What the kernel counts as uses of the chain: its rules.
    pub const fn chain_uses(&self) -> u32 {
        self.rules
    }
}
