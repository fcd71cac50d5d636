//! The framer: chunks of one stream in, lines out; only what spans chunks is copied.

use super::ends::{Ends, trim_cr, trim_end, trim_hole};
use super::octets::{Octets, Step};
use super::{Framing, Tally};

#[derive(Clone, Copy)]
enum State {
    /// Lines that end with a terminator; `dropping` inside one that is too long.
    Lines {
        ends: Ends,
        dropping: bool,
    },
    /// Octet counts, unless `guess` proves wrong.
    Octets {
        octets: Octets,
        guess: Guess,
    },
    Datagram,
}

/// Whether it is known that a stream has octet counts ([`Framing::Auto`] has to find out).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guess {
    /// It has them.
    Settled,
    /// Not known yet. The digits so far are held, since they may be the start of a line.
    Open,
    /// Not known yet, and there are more digits than a line may have bytes: if this is a line, it is too long.
    Overlong,
}

/// Cuts one stream into lines.
pub struct Framer<'a> {
    /// The start of a line whose end has not come yet.
    held: &'a mut [u8],
    len: usize,
    framing: Framing,
    state: State,
}

impl<'a> Framer<'a> {
    /// A framer at the start of a stream. `buf` limits a line to its length.
    pub fn new(buf: &'a mut [u8], framing: Framing) -> Self {
        Self { held: buf, len: 0, framing, state: Self::start(framing) }
    }

    /// The memory that was lent.
    pub fn into_buffer(self) -> &'a mut [u8] {
        self.held
    }

    fn start(framing: Framing) -> State {
        let lines = |ends| State::Lines { ends, dropping: false };
        match framing {
            Framing::Lf => lines(Ends::Lf),
            Framing::Newline => lines(Ends::LfNul),
            Framing::Nul => lines(Ends::Nul),
            Framing::OctetCounted => State::Octets { octets: Octets::new(), guess: Guess::Settled },
            Framing::Auto => State::Octets { octets: Octets::new(), guess: Guess::Open },
            Framing::Datagram => State::Datagram,
        }
    }

    /// Takes the stream's next chunk and hands each line that ends in it to `f`.
    pub fn push(&mut self, chunk: &[u8], tally: &mut Tally, f: &mut impl FnMut(&[u8])) {
        match self.state {
            State::Datagram if chunk.len() > self.held.len() => tally.overlong.bump(),
            State::Datagram => emit(trim_end(chunk), tally, f),
            State::Lines { ends, dropping } => self.push_lines(ends, dropping, chunk, tally, f),
            State::Octets { octets, guess } => self.push_octets(octets, guess, chunk, tally, f),
        }
    }

    fn push_lines(
        &mut self,
        ends: Ends,
        mut dropping: bool,
        mut rest: &[u8],
        tally: &mut Tally,
        f: &mut impl FnMut(&[u8]),
    ) {
        if self.len > 0 || dropping {
            match ends.find(rest) {
                Some(end) => {
                    let (head, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    if !dropping {
                        if self.hold(head) {
                            emit(trim_cr(self.unfinished(), ends), tally, f);
                        } else {
                            tally.overlong.bump();
                        }
                    }
                    (self.len, dropping) = (0, false);
                    rest = tail.get(1..).unwrap_or(&[]);
                }
                None => {
                    if !dropping && !self.hold(rest) {
                        tally.overlong.bump();
                        dropping = true;
                    }
                    rest = &[];
                }
            }
        }
        let limit = self.held.len();
        // Added to the tally once per chunk: every byte of every log goes through this loop.
        let mut lines = 0;
        while let Some(end) = ends.find(rest) {
            let (head, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            let head = trim_hole(head, ends);
            if head.len() <= limit {
                let line = trim_cr(head, ends);
                if !line.is_empty() {
                    lines += 1;
                    f(line);
                }
            } else {
                tally.overlong.bump();
            }
            rest = tail.get(1..).unwrap_or(&[]);
        }
        tally.lines.add(lines);
        if !rest.is_empty() && !self.hold(trim_hole(rest, ends)) {
            tally.overlong.bump();
            dropping = true;
        }
        self.state = State::Lines { ends, dropping };
    }

    fn push_octets(
        &mut self,
        mut octets: Octets,
        mut guess: Guess,
        mut rest: &[u8],
        tally: &mut Tally,
        f: &mut impl FnMut(&[u8]),
    ) {
        while !rest.is_empty() {
            match octets.step(rest, self.held.len()) {
                Step::Counting(used) => {
                    // Until the guess is settled the digits may be the start of a line.
                    let digits = rest.get(..used).unwrap_or(&[]).trim_ascii_start();
                    if guess == Guess::Open && !self.hold(digits) {
                        guess = Guess::Overlong;
                    }
                    rest = rest.get(used..).unwrap_or(&[]);
                }
                Step::Counted { used, fits } => {
                    (guess, self.len) = (Guess::Settled, 0);
                    if !fits {
                        tally.overlong.bump();
                    }
                    rest = rest.get(used..).unwrap_or(&[]);
                }
                Step::Garbage => match guess {
                    Guess::Settled => {
                        tally.broken.bump();
                        self.len = 0;
                        rest = &[];
                    }
                    Guess::Open => return self.push_lines(Ends::LfNul, false, rest, tally, f),
                    Guess::Overlong => {
                        tally.overlong.bump();
                        return self.push_lines(Ends::LfNul, true, rest, tally, f);
                    }
                },
                Step::Body { used, whole } => {
                    let (body, tail) = rest.split_at_checked(used).unwrap_or((rest, &[]));
                    if whole && self.len == 0 {
                        emit(trim_end(body), tally, f);
                    } else {
                        // It fits: the count was checked against the limit.
                        self.hold(body);
                        if whole {
                            emit(trim_end(self.unfinished()), tally, f);
                            self.len = 0;
                        }
                    }
                    rest = tail;
                }
                Step::Skipped(used) => rest = rest.get(used..).unwrap_or(&[]),
                Step::Broken => rest = &[],
            }
        }
        self.state = State::Octets { octets, guess };
    }

    fn unfinished(&self) -> &[u8] {
        self.held.get(..self.len).unwrap_or(&[])
    }

    /// Appends to what is held. `false` where that is longer than a line may be; then nothing is held.
    fn hold(&mut self, bytes: &[u8]) -> bool {
        let end = self.len.saturating_add(bytes.len());
        match self.held.get_mut(self.len..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len = end;
                true
            }
            None => {
                self.len = 0;
                false
            }
        }
    }

    /// How many bytes of an unfinished line are held. A reader that starts again must go back by so many bytes. 0 while the
    /// rest of an overlong line is being dropped; see [`Framer::is_dropping`].
    pub fn pending(&self) -> usize {
        self.len
    }

    /// Whether the stream is inside a line that is longer than the limit.
    pub fn is_dropping(&self) -> bool {
        match self.state {
            State::Lines { dropping, .. } => dropping,
            State::Octets { octets, .. } => octets.is_skipping(),
            State::Datagram => false,
        }
    }

    /// Whether an octet count was invalid. The rest of the stream is ignored; close its source.
    pub fn is_broken(&self) -> bool {
        matches!(self.state, State::Octets { octets, .. } if octets.is_broken())
    }

    /// The stream ended: drops and counts an unfinished line. The framer is then at the start of a new stream.
    pub fn close(&mut self, tally: &mut Tally) {
        let unfinished = match self.state {
            State::Octets { octets, guess: Guess::Settled | Guess::Overlong } => octets.is_inside(),
            _ => self.len > 0,
        };
        if unfinished {
            tally.partial.bump();
        }
        self.len = 0;
        self.state = Self::start(self.framing);
    }

    /// As [`Framer::close`], for input whose last line may lack its newline and still be complete (a file named on the
    /// command line, standard input): that line is handed to `f`. An unfinished octet-counted message is still dropped, since
    /// its count shows that a part is missing.
    pub fn finish(&mut self, tally: &mut Tally, f: &mut impl FnMut(&[u8])) {
        let ends = match self.state {
            State::Lines { ends, .. } => Some(ends),
            State::Octets { guess: Guess::Open, .. } => Some(Ends::LfNul),
            _ => None,
        };
        if let Some(ends) = ends {
            emit(trim_cr(self.unfinished(), ends), tally, f);
            self.len = 0;
        }
        self.close(tally);
    }
}

#[inline]
fn emit(line: &[u8], tally: &mut Tally, f: &mut impl FnMut(&[u8])) {
    if !line.is_empty() {
        tally.lines.bump();
        f(line);
    }
}
