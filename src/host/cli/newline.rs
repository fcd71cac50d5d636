//! Where a line ends, for one that reads many millions of them.
//!
//! In: text. Out: where its first newline is. [`memchr`] is as fast for a single line, but leaves its loop by a branch that
//! depends on the line's length, which a processor cannot predict. On x86-64, lines of up to `wide::NEAR` bytes are
//! searched without such a branch. That saves 3 to 5 % of a whole replay (`cargo bench --bench replay -- throughput`).

#[cfg(target_arch = "x86_64")]
pub(super) use wide::first;

/// The first newline.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn first(text: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', text)
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    use core::hint::select_unpredictable;
    use memchr::memchr;

    /// Most lines of a system's log are shorter; those of a web server's are mostly not.
    pub(super) const NEAR: usize = 3 * 64;

    /// The first newline.
    #[inline(always)]
    pub(in super::super) fn first(text: &[u8]) -> Option<usize> {
        let Some(near) = text.first_chunk() else { return memchr(b'\n', text) };
        // SAFETY: every x86-64 processor has SSE2.
        let found = unsafe { first_of(near) };
        found.or_else(|| memchr(b'\n', text.get(NEAR..)?).map(|at| at + NEAR))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn first_of(text: &[u8; NEAR]) -> Option<usize> {
        let [one, two, three] = text.as_chunks().0 else { return None };
        let [one, two, three] = [marks(one), marks(two), marks(three)];
        let (word, at) = select_unpredictable(two != 0, (two, 64), (three, 128));
        let (word, at) = select_unpredictable(one != 0, (one, 0), (word, at));
        (word != 0).then(|| at + word.trailing_zeros() as usize)
    }

    /// Bit i: whether the i-th byte is a newline.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn marks(text: &[u8; 64]) -> u64 {
        let (quarters, _) = text.as_chunks::<16>();
        let marks = |at: usize| quarters.get(at).map_or(0, |quarter| u64::from(quarter_marks(quarter)));
        marks(0) | marks(1) << 16 | marks(2) << 32 | marks(3) << 48
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn quarter_marks(text: &[u8; 16]) -> u16 {
        let (low, high) = (text.first_chunk(), text.last_chunk());
        let [low, high] = [low, high].map(|half| half.map_or(0, |bytes| i64::from_le_bytes(*bytes)));
        let same = _mm_cmpeq_epi8(_mm_set_epi64x(high, low), _mm_set1_epi8(b'\n' as i8));
        _mm_movemask_epi8(same) as u16
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    #[test]
    fn it_is_the_first_one_wherever_it_is() {
        for len in 0..=300 {
            let mut text = vec![b'.'; len];
            assert_eq!(super::first(&text), None, "{len}");
            for at in (0..len).rev() {
                text[at] = b'\n';
                assert_eq!(super::first(&text), Some(at), "{len}");
            }
        }
        // A byte that differs from it in one bit, or is next to it.
        for other in [0x0b, 0x08, 0x0e, 0x02, 0x1a, 0x2a, 0x4a, 0x8a, 0x09, 0xff] {
            assert_eq!(super::first(&[other; 400]), None, "{other}");
        }
    }
}
