//! Saturating counters, one per kind of event.
//!
//! Nothing is lost silently: whatever a stage drops, refuses or evicts it counts here, and `status`
//! shows every counter by name. Counters are 64 bit and plain (one thread owns an engine), so they
//! also work where the hardware has no 64-bit atomics.

/// A saturating event counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(u64);

impl Count {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// One more.
    // Saturating addition of 64 bits takes ten instructions where registers have 32, at about a hundred places: there a
    // call is smaller. Boards are inlined all the same, since calls cost stack.
    #[cfg_attr(any(not(feature = "std"), target_pointer_width = "64"), inline)]
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    pub fn bump(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// `n` more; stays at `u64::MAX` once there.
    #[cfg_attr(any(not(feature = "std"), target_pointer_width = "64"), inline)]
    #[cfg_attr(all(feature = "std", not(target_pointer_width = "64")), inline(never))]
    pub fn add(&mut self, n: u64) {
        self.0 = self.0.saturating_add(n);
    }

    /// How many so far.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Declares a struct of [`Count`]s whose fields can be walked by name, so that `status` shows each.
macro_rules! tally {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$fmeta:meta])* $field:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        $vis struct $name { $($(#[$fmeta])* pub $field: $crate::tally::Count),* }

        impl $name {
            /// Calls `f` with each counter's name and value, in the order of declaration.
            pub fn each(&self, mut f: impl FnMut(&'static str, u64)) {
                // A loop over two tables is less code than a call for each counter.
                let counts = [$(self.$field),*];
                [$(stringify!($field)),*].iter().zip(counts).for_each(|(name, n)| f(name, n.get()));
            }
        }
    };
}
pub(crate) use tally;

#[cfg(test)]
#[allow(unreachable_pub)] // The macro's method is public, as stages need it.
mod tests {
    super::tally! {
        /// Two counters.
        pub struct Two { /// A.
            a, /// B.
            b }
    }

    #[test]
    fn counters_saturate_and_are_walked_in_order() {
        let mut two = Two::default();
        two.b.add(u64::MAX);
        two.b.bump();
        two.a.bump();
        let mut seen = std::vec::Vec::new();
        two.each(|name, n| seen.push((name, n)));
        assert_eq!(seen, [("a", 1), ("b", u64::MAX)]);
    }
}
