//! Lines made to be slow to match: long runs of what rules look for, never the whole of it.

/// The names of the shapes, for reports; [`line`] takes the index.
pub(crate) const SHAPES: [&str; 25] = [
    "all spaces",
    "all x",
    "all digits",
    "all dots",
    "all colons",
    "hex and colons",
    "NULs",
    "0xff",
    "from from from",
    "addresses",
    "v6 addresses",
    "ports",
    "Invalid user x from",
    "Failed password for",
    "quotes",
    "brackets",
    "angle brackets",
    "rhost=",
    "user=",
    "commas",
    "a rule without its end",
    "a rule's end alone",
    "nested Failed password",
    "dates",
    "percent escapes",
];

/// Line `shape` of [`SHAPES`], about `length` bytes, headed as one of sshd, without a newline.
pub(crate) fn line(shape: usize, length: usize) -> Vec<u8> {
    let unit: &[u8] = match shape {
        0 => b" ",
        1 => b"x",
        2 => b"1",
        3 => b".",
        4 => b":",
        5 => b"a:",
        6 => b"\0",
        7 => b"\xff",
        8 => b"from ",
        9 => b"192.0.2.1 ",
        10 => b"2001:db8::1 ",
        11 => b"port 22 ",
        12 => b"Invalid user x from ",
        13 => b"Failed password for ",
        14 => b"\"'",
        15 => b"[]",
        16 => b"<>",
        17 => b"rhost=192.0.2.1 ",
        18 => b"user=x ",
        19 => b", ",
        20 => b"Failed password for root from 192.0.2.1 port 1 ssh",
        21 => b" from 192.0.2.1 port 1 ssh2",
        22 => b"Failed password for invalid user Failed password for root from 192.0.2.1 port 1 ssh2 ",
        23 => b"Mar  1 08:00:00 ",
        _ => b"%s%n%25",
    };
    let mut line = b"Mar  1 08:00:00 gw sshd[4242]: ".to_vec();
    if (8..=13).contains(&shape) {
        line.extend_from_slice(b"Failed password for invalid user ");
    }
    while line.len() < length {
        line.extend_from_slice(unit);
    }
    line.truncate(length);
    line
}
