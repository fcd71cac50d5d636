//! Floor 8: the host.

mod netlink;
pub mod nft;
