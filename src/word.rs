//! Classifies text a machine word at a time: eight bytes at once where registers have 64 bits, four where they have 32.
//!
//! In: text. Out: how many bytes at its start are letters, digits or either. Byte by byte this takes several instructions
//! for each byte, and ends in a branch that a processor cannot predict; by words it takes a few instructions and no
//! branch. The method is that of "Determine if a word has a byte between m and n" in Anderson's "Bit Twiddling Hacks".

#[cfg(test)]
mod tests;

/// Bytes of a machine word.
pub(crate) const WORD: usize = size_of::<usize>();
/// One in each byte of a word.
const ONES: usize = usize::MAX / 255;
/// The highest bit of each byte.
const HIGH: usize = ONES * 0x80;
/// The other seven bits of each byte.
const LOW: usize = ONES * 0x7f;

/// How many bytes of the word come before the first whose highest bit is set; [`WORD`] where none is.
#[inline(always)]
fn leading(marks: usize) -> usize {
    ((marks & HIGH).trailing_zeros() / 8) as usize
}

/// The first word of `text`, its first byte the lowest.
#[inline(always)]
fn first(text: &[u8]) -> Option<usize> {
    text.first_chunk().map(|word| usize::from_le_bytes(*word))
}

/// How many ASCII letters `text` starts with, looking at its first word only: at most [`WORD`], and 0 where `text` is
/// shorter than a word. Exact otherwise.
#[inline(always)]
pub(crate) fn letters(text: &[u8]) -> usize {
    let Some(word) = first(text) else { return 0 };
    let low = (word | (ONES * 0x20)) & LOW;
    let from_a = low + ONES * (0x80 - b'a' as usize);
    let past_z = low + ONES * (0x7f - b'z' as usize);
    leading(!from_a | past_z | word)
}

/// How many ASCII digits `text` starts with, however many. Fewer than a word's length are counted without a branch.
#[inline(always)]
pub(crate) fn digits(text: &[u8]) -> usize {
    let start = first(text).map(|word| {
        let word = word ^ (ONES * b'0' as usize);
        leading(((word & LOW) + ONES * (0x7f - 9)) | word)
    });
    match start {
        Some(start) if start < WORD => start,
        _ => text.iter().take_while(|b| b.is_ascii_digit()).count(),
    }
}

/// How many bytes at the start of `text` are in whole words of ASCII letters and digits alone: a multiple of [`WORD`], and
/// so perhaps fewer than there are.
#[inline(always)]
pub(crate) fn alphanumeric_words(text: &[u8]) -> usize {
    let mut at = 0;
    while text.get(at..).and_then(first).is_some_and(all_alphanumeric) {
        at += WORD;
    }
    at
}

/// Whether all bytes of a word are ASCII letters or digits.
#[inline(always)]
fn all_alphanumeric(word: usize) -> bool {
    // The highest bit of each byte: whether its lower seven are at least `least`.
    let from = |seven: usize, least: u8| seven + ONES * usize::from(0x80 - least);
    let seven = word & LOW;
    let folded = seven | (ONES * 0x20);
    let letter = from(folded, b'a') & !from(folded, b'z' + 1);
    let digit = from(seven, b'0') & !from(seven, b'9' + 1);
    (letter | digit) & !word & HIGH == HIGH
}
