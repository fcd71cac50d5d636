//! What hosts and tags are made of: the bytes that may stand in them, and their lengths.

/// What a host is made of.
const HOST: u8 = 1;
/// What a tag is made of.
const TAG: u8 = 2;
/// A host's, but for the colon.
pub(super) const HOST_START: u8 = 4;
/// A tag's, but for the colon.
pub(super) const NAME: u8 = 8;

/// The classes of each byte. No quotes, angles, equals signs, commas: those are words of a text.
const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        let c = b as u8;
        if c.is_ascii_alphanumeric()
            || c >= 0x80
            || matches!(c, b'.' | b'-' | b'_' | b':' | b'%' | b'/' | b'@')
        {
            table[b] |= HOST | TAG;
        }
        if matches!(c, b'(' | b')' | b'+' | b'#' | b'~' | b'*' | b'!' | b'$' | b'&') {
            table[b] |= TAG;
        }
        if table[b] & HOST != 0 && c != b':' {
            table[b] |= HOST_START;
        }
        if table[b] & TAG != 0 && c != b':' {
            table[b] |= NAME;
        }
        b += 1;
    }
    table
};

/// The classes of `b`, a bit each.
#[inline]
pub(super) fn class(b: u8) -> u8 {
    CLASSES.get(usize::from(b)).copied().unwrap_or(0)
}

/// Whether `word` may be a host: a name or an address of at most 255 bytes (RFC 5424 section 6).
pub(super) fn is_host(word: &[u8]) -> bool {
    (1..=255).contains(&word.len()) && word.iter().all(|b| class(*b) & HOST != 0)
}

/// Whether `word` may be a tag. May be empty.
pub(super) fn is_tag(word: &[u8]) -> bool {
    word.len() <= 128 && word.iter().all(|b| class(*b) & TAG != 0)
}
