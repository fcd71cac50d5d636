//! Any bytes, in any chunks, framed in any way, at any limit: the same lines as in one chunk and as a naive splitter
//! makes of all bytes at once, each within its limit; and every message a part of its line.
#![no_main]

use arbitrary::Arbitrary;
use edgeban::frame::{Framer, Framing, Tally};
use edgeban::syslog::{Form, Message, Parsed, parse};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    framing: u8,
    limit: u8,
    chunks: [u8; 4],
    finish: bool,
    bytes: &'a [u8],
}

/// Lines, counters, and whether the stream broke.
type Found = (Vec<Vec<u8>>, Tally, bool);

fn lines(framing: Framing, limit: usize, sizes: &[usize], finish: bool, bytes: &[u8]) -> Found {
    let mut held = vec![0; limit];
    let (mut tally, mut found) = (Tally::default(), Vec::new());
    let mut framer = Framer::new(&mut held, framing);
    let mut each = |line: &[u8]| {
        assert!(!line.is_empty() && line.len() <= limit);
        found.push(line.to_vec());
    };
    let (mut rest, mut next) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (part, more) = rest.split_at((*next.next().expect("a size")).clamp(1, rest.len()));
        framer.push(part, &mut tally, &mut each);
        assert!(framer.pending() <= limit);
        assert!(framer.pending() == 0 || !framer.is_dropping());
        rest = more;
    }
    let broken = framer.is_broken();
    if finish {
        framer.finish(&mut tally, &mut each);
    } else {
        framer.close(&mut tally);
    }
    // The framer is at the start of a stream again.
    assert!(framer.pending() == 0 && !framer.is_dropping() && !framer.is_broken());
    assert_eq!(tally.lines.get(), found.len() as u64);
    (found, tally, broken)
}

/// Takes the CR of a CR LF off, and behind NUL every newline.
fn trim(line: &mut Vec<u8>, framing: Framing) {
    if framing == Framing::Nul {
        while line.pop_if(|b| *b == b'\n' || *b == b'\r').is_some() {}
    } else {
        let _ = line.pop_if(|b| *b == b'\r');
    }
}

/// What terminated lines are, said in the plainest way: the lines, how many were too long, and the unfinished one.
fn naive(framing: Framing, limit: usize, bytes: &[u8]) -> Option<(Vec<Vec<u8>>, u64, Vec<u8>)> {
    let ends: &[u8] = match framing {
        Framing::Lf => b"\n",
        Framing::Newline => b"\n\0",
        Framing::Nul => b"\0",
        Framing::OctetCounted | Framing::Auto | Framing::Datagram => return None,
    };
    let whole = |part: &[u8]| match framing {
        Framing::Lf => part.iter().copied().skip_while(|b| *b == 0).collect(),
        _ => part.to_vec(),
    };
    let mut parts: Vec<Vec<u8>> = bytes.split(|b| ends.contains(b)).map(whole).collect();
    let last = parts.pop().unwrap_or_default();
    let all = parts.len();
    parts.retain(|line| line.len() <= limit);
    let overlong = (all - parts.len()) as u64;
    parts.iter_mut().for_each(|line| trim(line, framing));
    parts.retain(|line| !line.is_empty());
    Some((parts, overlong, last))
}

fn against_the_naive(input: &Input<'_>, framing: Framing, limit: usize, (found, tally, _): &Found) {
    let Some((mut want, mut overlong, mut last)) = naive(framing, limit, input.bytes) else { return };
    let mut partial = 0;
    if last.len() > limit {
        overlong += 1;
    } else if !input.finish {
        partial = u64::from(!last.is_empty());
    } else {
        trim(&mut last, framing);
        want.extend((!last.is_empty()).then_some(last));
    }
    assert_eq!(found, &want);
    assert_eq!((tally.overlong.get(), tally.partial.get(), tally.broken.get()), (overlong, partial, 0));
}

fn inside(part: &[u8], line: &[u8]) -> bool {
    part.is_empty()
        || line.as_ptr_range().start <= part.as_ptr() && part.as_ptr_range().end <= line.as_ptr_range().end
}

fn whole(message: &Message<'_>, line: &[u8]) {
    for part in [message.host, message.pid, message.text, message.line] {
        assert!(inside(part, line));
    }
    // The kernel's own records name no program.
    assert!(inside(message.app, line) || message.app == b"kernel");
    assert!((1..=65_535).contains(&message.times));
    assert!(message.pri.is_none_or(|pri| pri <= 191), "{:?}", message.pri);
    assert!(message.form != Form::Raw || message.app.is_empty());
    if let Some(stamp) = message.stamp {
        assert!(inside(stamp.0, line));
        let _ = stamp.read();
    }
}

fn check(line: &[u8]) {
    match parse(line) {
        Parsed::Repeated(times) => assert!((1..=65_535).contains(&times)),
        Parsed::Message(message) => {
            whole(&message, line);
            assert!(core::ptr::eq(message.line, line));
            let untagged = message.untagged();
            assert!(untagged.form == Form::Raw);
            whole(&untagged, line);
        }
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
    // Half of the limits are so small that counts and terminators do not fit either.
    let limit = match input.framing / 6 % 8 {
        0..=3 => usize::from(input.limit % 20),
        times => usize::from(input.limit) * usize::from(times),
    };
    let found = lines(framing, limit, &input.chunks.map(usize::from), input.finish, input.bytes);
    if framing != Framing::Datagram {
        assert_eq!(found, lines(framing, limit, &[usize::MAX], input.finish, input.bytes));
        against_the_naive(&input, framing, limit, &found);
    }
    found.0.iter().for_each(|line| check(line));
    check(input.bytes);
});
