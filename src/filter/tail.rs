//! Whether the tail of a rule, which follows its address, could read the daemon's own mark and a name: then an address that
//! a client wrote could be taken for the daemon's.
//!
//! Open text before the address is greedy, so a client's own ` from 192.0.2.1` loses to the daemon's ` from 203.0.113.5`, which
//! comes later. It does not lose to ` from name.example`, since a name is no address: the client's is then the last one in
//! the line. The rule matches there if its tail can read all the rest: some text of the client, the mark, the name, and the
//! daemon's own tail.
//!
//! In: a compiled rule, the place where its open text ends and the place of its address. Out: whether such a text exists. The
//! tail and that text are run against each other as two automata over the same bytecode, and each pair of places is visited
//! once. A name has letters, digits, dots, hyphens and underscores, and at least one letter. Bounds of runs and `<!…>` are
//! ignored, which can only refuse more. Takes about 70 KiB of stack. A rule longer than [`LONGEST`] bytes is not examined
//! and counts as one that could.

use super::Set;
use super::ops::{self, Op, Run};

/// The longest program that is looked into.
const LONGEST: usize = 1024;
/// The most pairs of places.
const PAIRS: usize = 1 << 18;

// Places in the text to be read; from PROGRAM on they are those of the program.
/// In what the client wrote behind its address.
const CLIENT: u16 = 0;
/// In the name that the daemon wrote, no letter of it read yet.
const NAME: u16 = 1;
/// In the name, a letter of it read.
const LETTER: u16 = 2;
/// The first place of the program.
const PROGRAM: u16 = 3;

/// Letters, and then all bytes of a host name that the C library's resolver accepts (res_hnok).
const LETTERS: Set = range(range(Set::NONE, b'a', b'z'), b'A', b'Z');
const NAMES: Set = range(range(range(LETTERS, b'0', b'9'), b'-', b'.'), b'_', b'_');

fn one(b: u8) -> Set {
    let mut set = Set::NONE;
    set.add(b);
    set
}

/// `set`, and the bytes from `from` to `to`.
const fn range(mut set: Set, from: u8, to: u8) -> Set {
    let mut b = from;
    while b <= to {
        set.add(b);
        b += 1;
    }
    set
}

/// What is left of the literal `bytes` of the instruction at `pc`, where `place` is that of one of its bytes.
fn literal(bytes: &[u8], pc: u16, place: u16) -> Option<&[u8]> {
    bytes.get(usize::from(place.wrapping_sub(pc).checked_sub(2)?)..)
}

/// A rule's program.
pub(super) struct Tail<'c> {
    code: &'c [u8],
    sets: &'c [Set],
    /// Where it starts, and how long it is.
    base: u16,
    len: u16,
    /// Where its open text ends.
    mark: u16,
    address: u16,
    /// For each of its bytes, where the byte's instruction starts.
    starts: [u16; LONGEST],
}

/// The moves from a place: by a byte of a set to another place, and without a byte to up to two.
struct Moves {
    byte: Option<(Set, u16)>,
    free: [Option<u16>; 2],
}

impl<'c> Tail<'c> {
    /// For the program from `base` to `end`, whose open text ends at `mark` and whose address is the instruction at
    /// `address`. `None` where the program is too long.
    pub(super) fn new(
        code: &'c [u8],
        sets: &'c [Set],
        [base, end]: [u16; 2],
        [mark, address]: [u16; 2],
    ) -> Option<Self> {
        let len = end.checked_sub(base)?;
        let mut starts = [0; LONGEST];
        let (mut pc, mut next) = (base, base);
        for (at, start) in (base..end).zip(starts.get_mut(..usize::from(len))?) {
            if at == next {
                pc = at;
                (_, next) = ops::decode(code, pc)?;
            }
            *start = pc;
        }
        Some(Self { code, sets, base, len, mark, address, starts })
    }

    /// Whether some text that ends in the mark, a name and the tail can be read as the tail alone.
    pub(super) fn reads_mark_and_name(&self) -> bool {
        let first = self.address.wrapping_add(2);
        let width = usize::from(self.len) + usize::from(PROGRAM);
        let mut pairs = Pairs { seen: [0; PAIRS / 32], new: [0; PAIRS / 32], next: 0, fit: true };
        let number =
            |tail: u16, text: u16| usize::from(tail.wrapping_sub(first)) * width + usize::from(text);
        pairs.add(number(first, CLIENT));
        while let Some(pair) = pairs.take() {
            let (tail, text) = (first.wrapping_add((pair / width) as u16), (pair % width) as u16);
            if self.is_over(tail) && self.is_over(self.place(text)) {
                return true;
            }
            self.follow(tail, text, &mut |tail, text| pairs.add(number(tail, text)));
        }
        !pairs.fit
    }

    /// The place in the program of a place in the text; the program's end where there is none.
    fn place(&self, text: u16) -> u16 {
        self.base.wrapping_add(text.checked_sub(PROGRAM).unwrap_or(self.len))
    }

    /// The place in the text of a place in the program.
    fn there(&self, place: u16) -> u16 {
        place.wrapping_sub(self.base).wrapping_add(PROGRAM)
    }

    fn op(&self, place: u16) -> Option<(Op<'c>, u16, u16)> {
        let at = place.checked_sub(self.base).filter(|at| *at < self.len)?;
        let pc = *self.starts.get(usize::from(at))?;
        ops::decode(self.code, pc).map(|(op, next)| (op, pc, next))
    }

    fn is_over(&self, place: u16) -> bool {
        matches!(self.op(place), Some((Op::Match, ..)))
    }

    /// The moves from a place of the program. A literal has a place for each byte. A run has two: from the second one it may
    /// end.
    fn moves(&self, place: u16) -> Moves {
        let (mut byte, mut free) = (None, [None; 2]);
        if let Some((op, pc, next)) = self.op(place) {
            match op {
                Op::Lit(bytes) => match literal(bytes, pc, place) {
                    Some(&[b, ..]) => byte = Some((one(b), place.wrapping_add(1))),
                    _ => free[0] = Some(pc.wrapping_add(2)),
                },
                Op::Set(index) => byte = Some((*ops::set(self.sets, index), next)),
                Op::Run(run) => {
                    byte = Some((*ops::set(self.sets, run.set), pc.wrapping_add(1)));
                    if place > pc || run.min == 0 {
                        free[0] = Some(next);
                    }
                }
                Op::Quoted => (byte, free[0]) = (Some((Set::ALL, place)), Some(next)),
                Op::Split(_, target) => free = [Some(next), Some(target)],
                Op::Jmp(target) => free[0] = Some(target),
                Op::Ip(_) | Op::Host(_) | Op::Save(_) | Op::Look(..) | Op::End => free[0] = Some(next),
                Op::Match => {}
            }
        }
        Moves { byte, free }
    }

    /// Calls `then` with each pair of places that follows this one.
    fn follow(&self, tail: u16, text: u16, then: &mut impl FnMut(u16, u16)) {
        let ours = self.moves(tail);
        ours.free.into_iter().flatten().for_each(|tail| then(tail, text));
        let (mark, behind) = (self.there(self.mark), self.there(self.address.wrapping_add(2)));
        let theirs = match text {
            CLIENT => Moves { byte: Some((Set::ALL, CLIENT)), free: [Some(mark), None] },
            NAME => {
                // A letter moves on to LETTER; any byte of a name, letters too, stays here.
                if let Some((_, next)) = ours.byte.filter(|(can, _)| !can.disjoint(&LETTERS)) {
                    then(next, LETTER);
                }
                Moves { byte: Some((NAMES, NAME)), free: [None; 2] }
            }
            LETTER => Moves { byte: Some((NAMES, LETTER)), free: [Some(behind), None] },
            _ if self.place(text) == self.address => Moves { byte: None, free: [Some(NAME), None] },
            _ => {
                let Moves { byte, free } = self.moves(self.place(text));
                let there = |place| self.there(place);
                Moves {
                    byte: byte.map(|(set, place)| (set, there(place))),
                    free: free.map(|f| f.map(there)),
                }
            }
        };
        theirs.free.into_iter().flatten().for_each(|text| then(tail, text));
        if let (Some((can, tail_next)), Some((has, text_next))) = (ours.byte, theirs.byte)
            && !can.disjoint(&has)
            && !self.stops(tail, text)
        {
            then(tail_next, text_next);
        }
    }

    /// Whether the tail is in a run that must end here, since its `until` literal comes next in the text.
    fn stops(&self, tail: u16, text: u16) -> bool {
        let Some((Op::Run(Run { until: until @ [_, ..], .. }), ..)) = self.op(tail) else { return false };
        let place = self.place(text);
        match self.op(place) {
            Some((Op::Lit(bytes), pc, _)) if text >= PROGRAM => {
                literal(bytes, pc, place).is_some_and(|rest| rest.starts_with(until))
            }
            _ => false,
        }
    }
}

/// Pairs of places by number: those that were seen, and those of them that are still to be visited.
struct Pairs {
    seen: [u32; PAIRS / 32],
    new: [u32; PAIRS / 32],
    /// Words of `new` before this one are zero.
    next: usize,
    /// Whether every pair had a number below [`PAIRS`].
    fit: bool,
}

impl Pairs {
    fn add(&mut self, pair: usize) {
        let (at, bit) = (pair / 32, 1 << (pair % 32));
        let (Some(seen), Some(new)) = (self.seen.get_mut(at), self.new.get_mut(at)) else {
            self.fit = false;
            return;
        };
        *new |= bit & !*seen;
        *seen |= bit;
        self.next = self.next.min(at);
    }

    fn take(&mut self) -> Option<usize> {
        let more = self.new.get(self.next..)?;
        let at = self.next + more.iter().position(|word| *word != 0)?;
        let word = self.new.get_mut(at)?;
        let bit = word.trailing_zeros() as usize;
        *word &= word.wrapping_sub(1);
        self.next = at;
        Some(at * 32 + bit)
    }
}
