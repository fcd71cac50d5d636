//! Any bytes, in any chunks, framed in any way: the same lines as in one chunk, each within its limit, and every
//! message a part of its line.
#![no_main]

use arbitrary::Arbitrary;
use edgeban::frame::{Framer, Framing, Lines, Tally};
use edgeban::syslog::{Parsed, parse};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    framing: u8,
    limit: u8,
    chunk: u8,
    finish: bool,
    bytes: &'a [u8],
}

fn lines(
    framing: Framing,
    limit: usize,
    chunk: usize,
    finish: bool,
    bytes: &[u8],
) -> (Vec<Vec<u8>>, Tally) {
    let mut held = vec![0; limit];
    let (mut tally, mut found) = (Tally::default(), Vec::new());
    let mut framer = Framer::new(&mut held, framing);
    let mut each = |line: &[u8]| {
        assert!(!line.is_empty() && line.len() <= limit);
        found.push(line.to_vec());
    };
    for part in bytes.chunks(chunk) {
        framer.push(part, &mut tally, &mut each);
        assert!(framer.pending() <= limit);
    }
    if finish {
        framer.finish(&mut tally, &mut each);
    } else {
        framer.close(&mut tally);
    }
    assert_eq!(framer.pending(), 0);
    (found, tally)
}

fn inside(part: &[u8], line: &[u8]) -> bool {
    part.is_empty()
        || line.as_ptr_range().start <= part.as_ptr() && part.as_ptr_range().end <= line.as_ptr_range().end
}

fn check(line: &[u8]) {
    let Parsed::Message(message) = parse(line) else { return };
    for part in [message.host, message.app, message.pid, message.text, message.program(), message.line] {
        assert!(inside(part, line));
    }
    assert!((1..=65_535).contains(&message.times));
    if let Some(stamp) = message.stamp {
        let _ = stamp.read();
    }
    if let Some(tagged) = message.tagged() {
        assert!(inside(tagged.text, line) && inside(tagged.app, line));
    }
}

fuzz_target!(|input: Input| {
    let framing = match input.framing % 6 {
        0 => Framing::Lf,
        1 => Framing::Newline,
        2 => Framing::Nul,
        3 => Framing::OctetCounted,
        4 => Framing::Auto,
        _ => Framing::Datagram,
    };
    // Less room than an octet count has digits is no room: whether the stream is counted cannot be told then.
    let (limit, chunk) = (16 + usize::from(input.limit), usize::from(input.chunk).max(1));
    let (found, tally) = lines(framing, limit, chunk, input.finish, input.bytes);
    assert_eq!(tally.lines.get(), found.len() as u64);
    if framing != Framing::Datagram {
        let whole = input.bytes.len().max(1);
        assert_eq!((found.clone(), tally), lines(framing, limit, whole, input.finish, input.bytes));
    }
    if framing == Framing::Lf {
        let mut cut = Lines::new(input.bytes, limit);
        let complete: Vec<_> = cut.by_ref().map(<[u8]>::to_vec).collect();
        assert_eq!(complete, found[..complete.len()]);
    }
    found.iter().for_each(|line| check(line));
    check(input.bytes);
});
