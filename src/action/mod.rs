//! Floor 6: changes of the blocklist become what a backend is told.

pub mod nftables;
