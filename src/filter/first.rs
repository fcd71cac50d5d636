//! What a program can start with. That decides which runs never have to give bytes back, and which texts a rule need not be
//! tried on.

use super::Set;
use super::lint::has_letters;
use super::ops::{self, Mode, Op, Run};

/// How many instructions one question may visit; past that the answer is "anything", which is always safe.
const FUEL: u16 = 2000;

/// Bytes that a match from `pc` on can start with; `rest` are those that can follow the end of the program. The end of the
/// text counts as no byte, since a run that ends there has nothing to give back.
fn first(code: &[u8], sets: &[Set], pc: u16, rest: &Set, fuel: &mut u16) -> Set {
    let mut found = Set::NONE;
    let mut pc = pc;
    loop {
        if *fuel == 0 {
            return Set::ALL;
        }
        *fuel -= 1;
        let Some((op, next)) = ops::decode(code, pc) else { return Set::ALL };
        pc = next;
        match op {
            Op::Lit(bytes) => {
                bytes.first().iter().for_each(|&&b| found.add(b));
                return found;
            }
            Op::Set(index) => {
                found.join(ops::set(sets, index));
                return found;
            }
            Op::Run(run) => {
                found.join(ops::set(sets, run.set));
                if run.min > 0 {
                    return found;
                }
            }
            Op::Ip(_) => {
                found.join(&Set::of(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'[')));
                return found;
            }
            Op::Host(_) => {
                found.join(&Set::of(|b| b.is_ascii_alphanumeric() || b":[._-".contains(&b)));
                return found;
            }
            Op::Quoted => {
                found.add(b'"');
                return found;
            }
            Op::Split(_, target) => found.join(&first(code, sets, target, rest, fuel)),
            Op::Jmp(target) => pc = target,
            Op::Save(_) | Op::Look(..) => {}
            Op::End => return found,
            Op::Match => {
                found.join(rest);
                return found;
            }
        }
    }
}

/// Bytes with which a text can start of which the program at `pc` takes at least one.
pub(super) fn takes(code: &[u8], sets: &[Set], pc: u16) -> Set {
    first(code, sets, pc, &Set::NONE, &mut { FUEL })
}

/// Bytes that a text matched by the program at `pc` can start with; all where it matches the empty text too.
pub(super) fn starts(code: &[u8], sets: &[Set], pc: u16) -> Set {
    let mut fuel = FUEL;
    let found = first(code, sets, pc, &Set::ALL, &mut fuel);
    // `End` adds no byte to what was found, so a program that can match the empty text says nothing of a first byte.
    if nullable(code, pc, &mut fuel) { Set::ALL } else { found }
}

/// Whether the program from `pc` can match the empty text; `true` also where that takes too long to find out.
fn nullable(code: &[u8], pc: u16, fuel: &mut u16) -> bool {
    let mut pc = pc;
    loop {
        if *fuel == 0 {
            return true;
        }
        *fuel -= 1;
        let Some((op, next)) = ops::decode(code, pc) else { return true };
        pc = next;
        match op {
            Op::Lit(_) | Op::Set(_) | Op::Ip(_) | Op::Host(_) | Op::Quoted => return false,
            Op::Run(run) if run.min > 0 => return false,
            Op::Run(_) | Op::Save(_) | Op::Look(..) => {}
            Op::Split(_, target) => {
                if nullable(code, target, fuel) {
                    return true;
                }
            }
            Op::Jmp(target) => pc = target,
            Op::End | Op::Match => return true,
        }
    }
}

/// Makes possessive every run of the program at `start` that would never give a byte back, joins captured ones with their
/// captures into one step ([`ops::KEEP`]), and numbers the remaining choice points. Returns how many there are.
pub(super) fn tighten(code: &mut [u8], sets: &[Set], start: u16, end: u16) -> u8 {
    let mut choices = 0u8;
    let mut pc = start;
    // The instruction before, if it is a `SAVE`.
    let mut save_at = None;
    while pc < end {
        let Some((op, next)) = ops::decode(code, pc) else { break };
        let saved = save_at.take();
        if let Op::Save(_) = op {
            save_at = Some(usize::from(pc));
        }
        let choice_at = match op {
            Op::Run(Run { set, min, max, .. }) => {
                let mut fuel = FUEL;
                let fixed = min == max;
                let tight =
                    fixed || ops::set(sets, set).disjoint(&first(code, sets, next, &Set::ALL, &mut fuel));
                if tight && let Some(slot) = code.get_mut(usize::from(pc)) {
                    *slot = ops::RUN;
                }
                if tight { None } else { Some(4) }
            }
            Op::Ip(_) | Op::Host(_) | Op::Split(..) => Some(1),
            _ => None,
        };
        if let Some(offset) = choice_at
            && let Some(slot) = code.get_mut(usize::from(pc) + offset)
        {
            *slot = choices;
            choices = choices.saturating_add(1);
        }
        if let Some([save @ ops::SAVE, slot, ops::RUN, _, _, _, _, 0, ops::SAVE, end]) = saved
            .and_then(|saved| code.get_mut(saved..))
            .and_then(|code| code.first_chunk_mut::<{ ops::KEEP_LEN as usize }>())
            && end.checked_sub(1) == Some(*slot)
        {
            *save = ops::KEEP;
        }
        pc = next;
    }
    choices
}

/// Whether the program at `start` has open text (see `lint`) that does not begin right behind a literal, or may end at more
/// than one place.
pub(super) fn has_loose_text(code: &[u8], sets: &[Set], start: u16, end: u16) -> bool {
    let ops = || {
        let mut pc = start;
        core::iter::from_fn(move || {
            let at = pc;
            let (op, next) = ops::decode(code, pc).filter(|_| at < end)?;
            pc = next;
            Some((at, op))
        })
    };
    let leads_to = |pc| ops().any(|(_, op)| matches!(op, Op::Split(_, to) | Op::Jmp(to) if to == pc));
    let mut behind = false;
    ops().any(|(pc, op)| {
        let loose = match op {
            Op::Run(run) if is_open(ops::set(sets, run.set)) => {
                !behind || leads_to(pc) || run.mode != Mode::Possessive || run.min == run.max
            }
            Op::Quoted => true,
            _ => false,
        };
        behind = matches!(op, Op::Lit(_));
        loose
    })
}

/// Whether a run of the set can hold several words: both blanks and letters.
pub(super) fn is_open(set: &Set) -> bool {
    set.has(b' ') && has_letters(set)
}

/// The fixed bits of the first four bytes of any text that the program at `pc` matches: key and mask.
pub(super) fn key(code: &[u8], sets: &[Set], pc: u16) -> (u32, u32) {
    let Start { key, mask, .. } = Start::NOTHING.read(code, sets, pc, &mut { FUEL });
    (u32::from_le_bytes(key), u32::from_le_bytes(mask))
}

/// The fixed bits of a text's first four bytes, as far as the program has been read.
#[derive(Clone, Copy)]
struct Start {
    key: [u8; 4],
    mask: [u8; 4],
    len: usize,
}

impl Start {
    const NOTHING: Self = Self { key: [0; 4], mask: [0; 4], len: 0 };

    /// Notes the next byte, of which the bits `fixed` are known. Returns whether there is room for more.
    fn put(&mut self, byte: u8, fixed: u8) -> bool {
        if let (Some(key), Some(mask)) = (self.key.get_mut(self.len), self.mask.get_mut(self.len)) {
            (*key, *mask) = (byte & fixed, fixed);
        }
        self.len += 1;
        self.len < 4
    }

    /// Reads on from `pc`. At a choice, only what all branches share is fixed.
    fn read(mut self, code: &[u8], sets: &[Set], mut pc: u16, fuel: &mut u16) -> Self {
        while *fuel > 0
            && let Some((op, next)) = ops::decode(code, pc)
        {
            *fuel -= 1;
            pc = next;
            let more = match op {
                Op::Lit(bytes) => bytes.iter().all(|&b| self.put(b, 0xff)),
                Op::Set(index) => {
                    let (byte, fixed) = common(ops::set(sets, index));
                    self.put(byte, fixed)
                }
                Op::Run(Run { set, min, max, mode, .. }) if min > 0 => {
                    let (byte, fixed) = common(ops::set(sets, set));
                    (0..min).all(|_| self.put(byte, fixed)) && min == max && mode == Mode::Possessive
                }
                Op::Split(_, target) => {
                    let one = self.read(code, sets, next, fuel);
                    return one.or(self.read(code, sets, target, fuel));
                }
                Op::Jmp(target) => {
                    pc = target;
                    true
                }
                Op::Save(_) | Op::Look(..) => true,
                _ => false,
            };
            if !more {
                break;
            }
        }
        self
    }

    fn or(mut self, other: Self) -> Self {
        let bits = self.key.iter_mut().zip(&mut self.mask).zip(other.key.iter().zip(other.mask));
        for ((key, mask), (other, fixed)) in bits {
            *mask &= fixed & !(*key ^ other);
            *key &= *mask;
        }
        self
    }
}

/// A member and the bits that all members share.
fn common(set: &Set) -> (u8, u8) {
    let mut members = (0..=255u8).filter(|&b| set.has(b));
    let Some(one) = members.next() else { return (0, 0) };
    (one, members.fold(0xff, |fixed, b| fixed & !(b ^ one)))
}
