//! Framing against a splitter that has the whole stream at once, and what hostile senders write.
use super::ends::trim_end;
use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// Pushes `chunks` and gives the lines, the counters and what is held at the end.
fn run(framing: Framing, limit: usize, chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Tally, usize) {
    let mut buf = vec![0; limit];
    let (mut tally, mut lines) = (Tally::default(), Vec::new());
    let mut framer = Framer::new(&mut buf, framing);
    for chunk in chunks {
        framer.push(chunk, &mut tally, &mut |line| lines.push(line.to_vec()));
    }
    let pending = framer.pending();
    (lines, tally, pending)
}

fn lines(framing: Framing, chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    run(framing, 64, chunks).0
}

/// The oracle for terminated lines: splits everything at once. Lines, and how many were overlong.
fn naive(stream: &[u8], ends: &[u8], limit: usize, hole: bool, cr: bool) -> (Vec<Vec<u8>>, u64) {
    let (mut out, mut overlong) = (Vec::new(), 0);
    let mut parts: Vec<&[u8]> = stream.split(|b| ends.contains(b)).collect();
    let tail = parts.pop().unwrap_or_default();
    let trim = |part: &[u8]| {
        let from = if hole { part.iter().position(|b| *b != 0).unwrap_or(part.len()) } else { 0 };
        part[from..].to_vec()
    };
    for part in parts {
        let mut line = trim(part);
        if line.len() > limit {
            overlong += 1;
            continue;
        }
        // Behind NUL every newline goes, elsewhere the CR of a CR LF.
        let mut cut = if cr { 1 } else { usize::MAX };
        while cut > 0 && (line.last() == Some(&b'\r') || !cr && line.last() == Some(&b'\n')) {
            line.pop();
            cut -= 1;
        }
        if !line.is_empty() {
            out.push(line);
        }
    }
    (out, overlong + u64::from(trim(tail).len() > limit))
}

#[test]
fn terminators_of_each_framing() {
    assert_eq!(lines(Framing::Lf, &[b"a\r\nb\n\n\r\nc\0d\ne"]), [&b"a"[..], b"b", b"c\0d"]);
    assert_eq!(lines(Framing::Newline, &[b"a\r\nb\0c\0\n\nd\re\nf"]), [&b"a"[..], b"b", b"c", b"d\re"]);
    assert_eq!(lines(Framing::Nul, &[b"a\nb\0\0\n\0c\r\n\0d"]), [&b"a\nb"[..], b"c"]);
    assert_eq!(lines(Framing::Lf, &[b"\0\0\0", b"\0\0a\n", b"\0b\n"]), [b"a", b"b"]);
    assert_eq!(lines(Framing::Lf, &[b"\xff\xfe\x80\n"]), [b"\xff\xfe\x80"]);
}

#[test]
fn a_datagram_is_one_message() {
    assert_eq!(
        lines(
            Framing::Datagram,
            &[b"<13>a\nJul  1 00:00:00 h sshd[1]: forged\n", b"b\0", b"\n", b"", b"c\r\n\0"]
        ),
        [&b"<13>a\nJul  1 00:00:00 h sshd[1]: forged"[..], b"b", b"c"]
    );
    let (got, tally, _) = run(Framing::Datagram, 4, &[b"12345", b"1234"]);
    assert_eq!((got, tally.overlong.get()), (vec![b"1234".to_vec()], 1));
}

#[test]
fn counted_messages() {
    let stream: &[u8] = b"5 hello7 a\nb\0c\r\n3 x\ny\n1 z12 incomplete";
    assert_eq!(lines(Framing::OctetCounted, &[stream]), [&b"hello"[..], b"a\nb\0c", b"x\ny", b"z"]);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(lines(Framing::OctetCounted, &bytes), lines(Framing::OctetCounted, &[stream]));
    let mut buf = [0; 16];
    let mut framer = Framer::new(&mut buf, Framing::OctetCounted);
    let mut tally = Tally::default();
    framer.push(stream, &mut tally, &mut |_| {});
    framer.finish(&mut tally, &mut |_| panic!("a cut message is no message"));
    assert_eq!((tally.partial.get(), tally.lines.get()), (1, 4));
}

#[test]
fn absurd_counts() {
    // Too long for the limit: skipped whole, whatever is inside.
    let (got, tally, _) =
        run(Framing::OctetCounted, 8, &[b"19 5 forge\n5 forge 5 x", b"2 ok9 123456789", b"2 ok"]);
    assert_eq!((got, tally.overlong.get()), (vec![b"ok".to_vec(), b"ok".to_vec()], 2));
    for garbage in [
        &b"x5 hello"[..],
        b"0 5 hello",
        b"05 hello",
        b" 5 hello",
        b"12345678901 hello",
        b"5\thello",
        b"-1 x",
    ] {
        let mut buf = [0; 32];
        let mut framer = Framer::new(&mut buf, Framing::OctetCounted);
        let mut tally = Tally::default();
        framer.push(garbage, &mut tally, &mut |_| panic!("{garbage:?} gave a line"));
        assert!(framer.is_broken());
        framer.push(b"5 hello", &mut tally, &mut |_| panic!("a line after {garbage:?}"));
        assert_eq!((tally.broken.get(), tally.lines.get()), (1, 0));
        framer.close(&mut tally);
        framer.push(b"5 hello", &mut tally, &mut |line| assert_eq!(line, b"hello"));
        assert_eq!((tally.broken.get(), tally.lines.get(), tally.partial.get()), (1, 1, 0));
    }
    // Ten digits are a count, though an absurd one; nothing is held for it.
    let (got, tally, held) = run(Framing::OctetCounted, 8, &[b"9999999999 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]);
    assert_eq!((got.len(), tally.overlong.get(), held), (0, 1, 0));
}

#[test]
fn a_stream_shows_its_framing() {
    assert_eq!(lines(Framing::Auto, &[b"5 hello2 ab"]), [&b"hello"[..], b"ab"]);
    assert_eq!(lines(Framing::Auto, &[b"<13>a\n5 hello\n"]), [&b"<13>a"[..], b"5 hello"]);
    assert_eq!(
        lines(Framing::Auto, &[b"\n\n20", b"26-07", b"-01 x\n1 y\n"]),
        [&b"2026-07-01 x"[..], b"1 y"]
    );
    assert_eq!(lines(Framing::Auto, &[b"1", b"2345678901", b"2 x\n"]), [b"123456789012 x"]);
    assert_eq!(lines(Framing::Auto, &[b"42\n<13>b\n"]), [&b"42"[..], b"<13>b"]);
    assert_eq!(lines(Framing::Auto, &[b"0 x\n"]), [b"0 x"]);
    let mut buf = [0; 16];
    let mut framer = Framer::new(&mut buf, Framing::Auto);
    let mut tally = Tally::default();
    framer.push(b"77", &mut tally, &mut |_| panic!());
    framer.finish(&mut tally, &mut |line| assert_eq!(line, b"77"));
    framer.push(b"2 ab", &mut tally, &mut |line| assert_eq!(line, b"ab"));
    assert_eq!((tally.lines.get(), tally.partial.get()), (2, 0));
}

/// The digits of a count are bytes of a line, too, until it is clear which they are.
#[test]
fn digits_beyond_the_limit_are_an_overlong_line_or_a_count() {
    let run = |chunks: &[&[u8]]| run(Framing::Auto, 4, chunks);
    for chunks in
        [&[&b"12345x\n<1>a\n"[..]][..], &[b"1234", b"5", b"x", b"\n<1>a\n"], &[b"12345", b"x\n<1>a\n"]]
    {
        let (got, tally, _) = run(chunks);
        assert_eq!((got, tally.overlong.get()), (vec![b"<1>a".to_vec()], 1), "{chunks:?}");
        assert_eq!((tally.broken.get(), tally.partial.get()), (0, 0), "{chunks:?}");
    }
    let (got, tally, _) = run(&[b"12345", b" ", &[b'x'; 12_345], b"2 ab"]);
    assert_eq!((got, tally.overlong.get()), (vec![b"ab".to_vec()], 1));
}

#[test]
fn a_long_line_is_dropped_with_its_tail() {
    let tail = b"Jul  1 00:00:00 h sshd[1]: Failed password for root from 192.0.2.7 port 1 ssh2\n";
    let long: Vec<u8> = [&[b'x'; 200][..], tail, b"ok\n"].concat();
    for size in [1, 7, 63, 64, 65, 199, 200, 201, 283] {
        let chunks: Vec<&[u8]> = long.chunks(size).collect();
        let (got, tally, _) = run(Framing::Lf, 64, &chunks);
        assert_eq!((got, tally.overlong.get()), (vec![b"ok".to_vec()], 1), "chunks of {size}");
    }
    let (got, tally, pending) = run(Framing::Lf, 0, &[b"a\nb\n", b"c"]);
    assert_eq!((got.len(), tally.overlong.get(), pending), (0, 3, 0));
}

#[test]
fn an_unfinished_line_is_kept_dropped_or_handed_out() {
    let mut buf = [0; 16];
    let mut framer = Framer::new(&mut buf, Framing::Lf);
    let mut tally = Tally::default();
    framer.push(b"one\ntw", &mut tally, &mut |line| assert_eq!(line, b"one"));
    assert_eq!(framer.pending(), 2);
    framer.push(b"o\nthr", &mut tally, &mut |line| assert_eq!(line, b"two"));
    framer.finish(&mut tally, &mut |line| assert_eq!(line, b"thr"));
    framer.push(b"cut", &mut tally, &mut |_| panic!());
    framer.close(&mut tally);
    assert_eq!((tally.lines.get(), tally.partial.get(), framer.pending()), (3, 1, 0));
    framer.push(&[b'x'; 17], &mut tally, &mut |_| panic!());
    assert!(framer.is_dropping());
    framer.finish(&mut tally, &mut |_| panic!("the head of a dropped line"));
    assert_eq!((tally.overlong.get(), tally.partial.get()), (1, 1));
    framer.push(b"new\n", &mut tally, &mut |line| assert_eq!(line, b"new"));
}

#[test]
fn lines_inside_a_chunk_are_lent_from_it() {
    let chunk = b"first\nsecond\nthird\npart";
    let mut buf = [0; 16];
    let mut framer = Framer::new(&mut buf, Framing::Lf);
    let range = chunk.as_ptr_range();
    framer.push(chunk, &mut Tally::default(), &mut |line| assert!(range.contains(&line.as_ptr())));
}

/// Streams dense in what matters to framing.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![Just(b'\n'), Just(b'\r'), Just(0u8), Just(b'a'), any::<u8>()],
        0..120,
    )
}

/// Cuts `stream` at the given places.
fn cut<'a>(stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let (mut chunks, mut rest) = (Vec::new(), stream);
    for size in sizes {
        let (head, tail) = rest.split_at((*size).min(rest.len()));
        chunks.push(head);
        rest = tail;
    }
    chunks.push(rest);
    chunks
}

proptest! {
    #[test]
    fn any_chunking_gives_the_naive_lines(
        stream in stream(), sizes in proptest::collection::vec(0usize..20, 0..20), limit in 0usize..24,
    ) {
        let chunks = cut(&stream, &sizes);
        for (framing, ends, hole, cr) in [
            (Framing::Lf, &b"\n"[..], true, true),
            (Framing::Newline, &b"\n\0"[..], false, true),
            (Framing::Nul, &b"\0"[..], false, false),
        ] {
            let (got, tally, pending) = run(framing, limit, &chunks);
            let (want, overlong) = naive(&stream, ends, limit, hole, cr);
            prop_assert_eq!(&got, &want, "{:?}", framing);
            prop_assert_eq!(tally.overlong.get(), overlong, "{:?}", framing);
            prop_assert_eq!(tally.lines.get(), want.len() as u64);
            prop_assert!(pending <= limit);
        }
    }

    #[test]
    fn counted_messages_survive_any_chunking(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..30), 1..12),
        sizes in proptest::collection::vec(0usize..20, 0..20), limit in 0usize..24, auto: bool,
    ) {
        let mut stream = Vec::new();
        let (mut want, mut overlong) = (Vec::new(), 0);
        for message in &messages {
            stream.extend(std::format!("{} ", message.len()).into_bytes());
            stream.extend(message);
            if message.len() > limit {
                overlong += 1;
            } else if !trim_end(message).is_empty() {
                want.push(trim_end(message).to_vec());
            }
        }
        let framing = if auto { Framing::Auto } else { Framing::OctetCounted };
        let (got, tally, pending) = run(framing, limit, &cut(&stream, &sizes));
        prop_assert_eq!(got, want);
        prop_assert_eq!((tally.overlong.get(), tally.broken.get(), pending), (overlong, 0, 0));
    }

    #[test]
    fn garbage_gives_the_same_in_any_chunking(
        stream in "[0-9 \n\0a]{0,40}", sizes in proptest::collection::vec(0usize..8, 0..20), limit in 0usize..24,
    ) {
        for framing in [Framing::Auto, Framing::OctetCounted] {
            let whole = run(framing, limit, &[stream.as_bytes()]);
            prop_assert_eq!(run(framing, limit, &cut(stream.as_bytes(), &sizes)), whole, "{:?}", framing);
        }
    }
}
