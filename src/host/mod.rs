//! Floor 8: the host.
