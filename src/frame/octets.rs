//! Octet counting, RFC 6587 section 3.4.1: `MSG-LEN SP SYSLOG-MSG`, where MSG-LEN starts with a digit from 1 to 9.
//!
//! In: what is left of a chunk. Out: one [`Step`] at a time, which says what the next bytes are and how many.
//! Linefeeds between messages are skipped: some senders end a counted message with one that they do not count.
//! A count of more than ten digits, or anything else where a count should be, breaks the stream for good: where the next
//! message starts could only be guessed, and who can put text into a message could make that guess find a forged one.

const DIGITS: u8 = 10;

/// Where in the stream the next byte is; `left` counts the bytes of a message still to come.
#[derive(Clone, Copy)]
pub(super) enum Octets {
    Count { value: u64, digits: u8 },
    Body { left: usize },
    Skip { left: u64 },
    Broken,
}

/// What the next bytes of a chunk are.
pub(super) enum Step {
    /// Digits of a count (or linefeeds before it).
    Counting(usize),
    /// The end of a count; `fits` where the message is within the limit.
    Counted { used: usize, fits: bool },
    /// No count. The stream is broken.
    Garbage,
    /// Bytes of a message; `whole` where they end it.
    Body { used: usize, whole: bool },
    /// Bytes of a message that does not fit.
    Skipped(usize),
    /// The stream was broken before.
    Broken,
}

impl Octets {
    pub(super) fn new() -> Self {
        Self::Count { value: 0, digits: 0 }
    }

    /// What `bytes`, which are not empty, start with. Uses at least one byte unless the stream is broken.
    pub(super) fn step(&mut self, bytes: &[u8], limit: usize) -> Step {
        match *self {
            Self::Count { value, digits } => self.count(bytes, value, digits, limit),
            Self::Body { left } => {
                let used = left.min(bytes.len());
                *self = if used == left { Self::new() } else { Self::Body { left: left - used } };
                Step::Body { used, whole: used == left }
            }
            Self::Skip { left } => {
                let used = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left - used as u64;
                *self = if left == 0 { Self::new() } else { Self::Skip { left } };
                Step::Skipped(used)
            }
            Self::Broken => Step::Broken,
        }
    }

    fn count(&mut self, bytes: &[u8], mut value: u64, mut digits: u8, limit: usize) -> Step {
        for (i, &b) in bytes.iter().enumerate() {
            match b {
                b'0'..=b'9' if digits < DIGITS && (digits > 0 || b != b'0') => {
                    value = value * 10 + u64::from(b - b'0');
                    digits += 1;
                }
                b'\n' if digits == 0 => {}
                b' ' if digits > 0 => {
                    let fits = usize::try_from(value).ok().filter(|left| *left <= limit);
                    *self = match fits {
                        Some(left) => Self::Body { left },
                        None => Self::Skip { left: value },
                    };
                    return Step::Counted { used: i + 1, fits: fits.is_some() };
                }
                _ => {
                    *self = Self::Broken;
                    return Step::Garbage;
                }
            }
        }
        *self = Self::Count { value, digits };
        Step::Counting(bytes.len())
    }

    pub(super) fn is_skipping(self) -> bool {
        matches!(self, Self::Skip { .. })
    }

    pub(super) fn is_broken(self) -> bool {
        matches!(self, Self::Broken)
    }

    /// Whether a message or its count has begun. One that is being skipped is counted already.
    pub(super) fn is_inside(self) -> bool {
        matches!(self, Self::Body { .. }) || matches!(self, Self::Count { digits, .. } if digits > 0)
    }
}
