//! The text of a filter, line by line, to its tables: reads the directives and has each rule written as a program.

use super::emit::{Emitter, Space};
use super::error::{Error, Problem};
use super::tail::Tail;
use super::text::{Stop, Writer};
use super::{Filter, Kind, Need, Part, Rule, Set, Verdict, first, ops};

/// Compiles the text of one filter into `space`.
///
/// # Errors
///
/// `report` is called with an [`Error`] for every bad line, in order, and the result is then `None`. Lines after a bad one
/// are still checked, so that one run shows all errors. Too little space is [`Problem::NoSpace`] at the line that did not
/// fit.
pub fn compile<'s>(text: &'s str, space: Space<'s>, report: &mut dyn FnMut(Error)) -> Option<Filter<'s>> {
    let Space { code, sets, rules } = space;
    let mut draft = Draft {
        emit: Emitter::new(code, sets),
        rules,
        count: 0,
        name: "",
        apps: "",
        kind: None,
        strip: None,
        mode_names: heapless::Vec::new(),
    };
    let mut sound = true;
    for (index, line) in text.lines().enumerate() {
        let number = u16::try_from(index + 1).unwrap_or(u16::MAX);
        if let Err((problem, column)) = draft.line(line, number) {
            sound = false;
            report(Error { line: number, column: u16::try_from(column).unwrap_or(u16::MAX), problem });
        }
    }
    let whole = |problem| Error { line: 1, column: 1, problem };
    if draft.name.is_empty() {
        report(whole(Problem::NoName));
        return None;
    }
    if draft.count == 0 && sound {
        report(whole(Problem::NoRules));
        return None;
    }
    // The other kinds also read lines that name no program.
    if draft.apps.is_empty() && sound && matches!(draft.kind, None | Some(Kind::Syslog | Kind::Kernel)) {
        report(whole(Problem::NoApp));
        return None;
    }
    if sound { draft.finish() } else { None }
}

struct Draft<'s> {
    emit: Emitter<'s>,
    rules: &'s mut [Rule],
    count: usize,
    name: &'s str,
    apps: &'s str,
    kind: Option<Kind>,
    strip: Option<u16>,
    mode_names: heapless::Vec<&'s str, 7>,
}

type Refusal = (Problem, usize);

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Whether `word` can name a program. RFC 5424 permits every printable character, but quotes, brackets and commas are most
/// likely mistakes (`"sshd"`, `sshd[7]`, `sshd,dropbear`), and such a filter would silently match nothing.
fn is_app(word: &str) -> bool {
    let part = word.strip_suffix('*').filter(|part| part.len() > 1 && part.ends_with(['/', '-']));
    let name = part.unwrap_or(word);
    let fits = |b: u8| (b.is_ascii_graphic() || b >= 0x80) && !b"*,\"'[]".contains(&b);
    word == "*" || !name.ends_with(':') && name.bytes().all(fits)
}

/// The value of a directive that takes no rule, without the comment behind it.
fn bare(rest: &str) -> &str {
    let mut blank = true;
    let comment = rest.bytes().position(|b| {
        let start = blank && b == b'#';
        blank = matches!(b, b' ' | b'\t');
        start
    });
    comment.and_then(|at| rest.get(..at)).unwrap_or(rest).trim_end()
}

/// `value`, unless its directive was there before.
fn once<T>(fresh: bool, value: T) -> Result<T, Problem> {
    if fresh { Ok(value) } else { Err(Problem::Repeated) }
}

impl<'s> Draft<'s> {
    /// Reads a line, the `number`th of the text: a directive, a comment or nothing.
    fn line(&mut self, line: &'s str, number: u16) -> Result<(), Refusal> {
        let body = line.trim();
        if body.is_empty() || body.starts_with('#') {
            return Ok(());
        }
        let column = |piece: &str| 1 + (piece.as_ptr() as usize).saturating_sub(line.as_ptr() as usize);
        let (word, rest) = body.split_once([' ', '\t']).unwrap_or((body, ""));
        let rest = rest.trim_start();
        let at = |problem| (problem, column(if rest.is_empty() { body } else { rest }));
        let (directive, modes) = match word.split_once('@') {
            Some((directive, modes)) => (directive, Some(modes)),
            None => (word, None),
        };
        let verdict = match directive {
            "fail" => Verdict::Fail,
            "help" => Verdict::Help,
            "gain" => Verdict::Gain,
            "ignore" => Verdict::Ignore,
            _ if modes.is_some() => return Err((Problem::UnknownDirective, column(word))),
            "filter" => {
                self.name = once(self.name.is_empty(), bare(rest)).map_err(at)?;
                return if is_name(self.name) { Ok(()) } else { Err(at(Problem::BadName)) };
            }
            "app" => {
                self.apps = once(self.apps.is_empty(), bare(rest)).map_err(at)?;
                let bad = self.apps.split_ascii_whitespace().find(|word| !is_app(word));
                return match bad {
                    Some(word) => Err((Problem::BadApp, column(word))),
                    None if self.apps.is_empty() => Err(at(Problem::BadApp)),
                    None => Ok(()),
                };
            }
            "kind" => {
                let kind = match bare(rest) {
                    "syslog" => Kind::Syslog,
                    "raw" => Kind::Raw,
                    "clf" => Kind::Clf,
                    "nginx-error" => Kind::NginxError,
                    "kernel" => Kind::Kernel,
                    _ => return Err(at(Problem::UnknownKind)),
                };
                self.kind = Some(once(self.kind.is_none(), kind).map_err(at)?);
                return Ok(());
            }
            "strip" => {
                once(self.strip.is_none(), ()).map_err(at)?;
                let (entry, _) =
                    self.program(rest, false).map_err(|stop| place(rest, column(rest), stop))?;
                let sets = self.emit.sets.get(..self.emit.set_count).unwrap_or(&[]);
                if first::has_loose_text(self.emit.code, sets, entry + 1, self.emit.here()) {
                    return Err(at(Problem::OpenStrip));
                }
                self.strip = Some(entry);
                return Ok(());
            }
            _ => return Err((Problem::UnknownDirective, column(word))),
        };
        let modes = match modes {
            Some(list) => self.modes(list).map_err(|problem| (problem, column(list)))?,
            None => u8::MAX,
        };
        if rest.is_empty() {
            return Err(at(Problem::EmptyRule));
        }
        self.rule(verdict, modes, rest, number).map_err(|stop| place(rest, column(rest), stop))
    }

    /// Reads a rule, on line number `line`: `forget` and the part of an attempt where `text` starts with them, then the rule's
    /// own text.
    fn rule(&mut self, verdict: Verdict, modes: u8, text: &str, line: u16) -> Result<(), Stop> {
        let (mut forget, mut part, mut rule) = (false, Part::Whole, text);
        while let Some((word, after)) = rule.split_once([' ', '\t']) {
            match word {
                "forget" => forget = true,
                "early" if verdict == Verdict::Fail => part = Part::Early,
                "middle" if verdict == Verdict::Fail => part = Part::Middle,
                "late" if verdict == Verdict::Fail => part = Part::Late,
                "sum" if verdict == Verdict::Fail => part = Part::Sum,
                _ => break,
            }
            rule = after.trim_start();
        }
        let (entry, need) = self.program(rule, true)?;
        let need = self.need(need);
        let (key, mask) = first::key(self.emit.code, self.emit.sets, entry + 1);
        let ordinal = u16::try_from(self.count + 1).unwrap_or(u16::MAX);
        let full = Stop { problem: Problem::NoSpace, left: text.len() };
        let slot = self.rules.get_mut(self.count).ok_or(full)?;
        *slot = Rule { ordinal, line, entry, need, key, mask, modes, verdict, forget, part };
        self.count += 1;
        Ok(())
    }

    /// The bits of a list of modes; new names get the next bits.
    fn modes(&mut self, list: &'s str) -> Result<u8, Problem> {
        let mut bits = 0u8;
        for name in list.split(',') {
            if !is_name(name) {
                return Err(Problem::BadName);
            }
            if name == "normal" {
                bits |= 1;
                continue;
            }
            let at = match self.mode_names.iter().position(|known| *known == name) {
                Some(at) => at,
                None => {
                    self.mode_names.push(name).map_err(|_| Problem::TooManyModes)?;
                    self.mode_names.len() - 1
                }
            };
            bits |= 2 << at;
        }
        Ok(bits)
    }

    /// One program: a byte that counts its choice points, then its instructions. Returns its entry and its
    /// longest required literal.
    fn program(&mut self, text: &str, anchored: bool) -> Result<(u16, (u16, u8)), Stop> {
        let entry = self.emit.here();
        let no_space = |problem| Stop { problem, left: 0 };
        self.emit.bytes(&[0]).map_err(no_space)?;
        let mut writer = Writer::new(&mut self.emit);
        writer.rule(text.as_bytes(), anchored)?;
        let Writer { need, exposed, open_loop, .. } = writer;
        if open_loop && !anchored {
            return Err(Stop { problem: Problem::OpenStrip, left: text.len() });
        }
        let end = self.emit.here();
        let sets = self.emit.sets.get(..self.emit.set_count).unwrap_or(&[]);
        for (mark, address, left) in exposed {
            let tail = Tail::new(self.emit.code, sets, [entry + 1, end], [mark, address]);
            if tail.is_none_or(|tail| tail.reads_mark_and_name()) {
                return Err(Stop { problem: Problem::ForgeableAddress, left });
            }
        }
        let choices = first::tighten(self.emit.code, sets, entry + 1, end);
        if let Some(slot) = self.emit.code.get_mut(usize::from(entry)) {
            *slot = choices;
        }
        Ok((entry, need))
    }

    /// The literal of `len` bytes at offset `at`, with its rarest byte; of several equally rare ones, the last.
    fn need(&self, (at, len): (u16, u8)) -> Need {
        let literal =
            self.emit.code.get(usize::from(at)..usize::from(at) + usize::from(len)).unwrap_or(&[]);
        let rare = (0..len).zip(literal).min_by_key(|(place, b)| (frequency(**b), u8::MAX - place));
        Need { at, len, rare: rare.map_or(0, |(place, _)| place) }
    }

    fn finish(mut self) -> Option<Filter<'s>> {
        let mut modes = [""; 7];
        modes.iter_mut().zip(&self.mode_names).for_each(|(slot, name)| *slot = name);
        let rules = self.rules.get_mut(..self.count)?;
        rules.sort_unstable_by_key(|rule| (rule.verdict != Verdict::Ignore, rule.ordinal));
        let known = self.emit.sets.get(..self.emit.set_count).unwrap_or(&[]);
        let mut starts = [[0u64; 16]; 2];
        for (at, rule) in rules.iter().enumerate() {
            let set = first::starts(self.emit.code, known, rule.entry + 1);
            let [_, key, ..] = rule.key.to_le_bytes();
            let [_, mask, ..] = rule.mask.to_le_bytes();
            let [firsts, seconds] = &mut starts;
            let mark = |of: &mut [u64; 16], b: u8| of[usize::from(b % 16)] |= 1 << at.min(63);
            (0..=255).filter(|&b| set.has(b)).for_each(|b| mark(firsts, b));
            (0..=255).filter(|b| b & mask == key).for_each(|b| mark(seconds, b));
        }
        let strip_starts = self.strip.map_or(Set::NONE, |at| first::takes(self.emit.code, known, at + 1));
        // Moves the slices out, so that the filter borrows the lent space and not this draft.
        let code: &'s mut [u8] = core::mem::take(&mut self.emit.code);
        let sets: &'s mut [Set] = core::mem::take(&mut self.emit.sets);
        let rules: &'s mut [Rule] = core::mem::take(&mut self.rules);
        Some(Filter {
            name: self.name,
            apps: self.apps,
            modes,
            kind: self.kind.unwrap_or(Kind::Syslog),
            strip: self.strip,
            strip_starts,
            starts,
            code: code.get(..self.emit.len + ops::PAD)?,
            sets: sets.get(..self.emit.set_count)?,
            rules: rules.get(..self.count)?,
        })
    }
}

/// How frequent a byte is in logs, roughly. Only speed depends on it: how soon a literal is found missing.
fn frequency(b: u8) -> u8 {
    match b {
        b' ' => 7,
        b'e' | b't' | b'i' | b'o' | b'n' | b'a' | b's' | b'r' => 6,
        b'0'..=b'9' | b'.' => 5,
        b'd' | b'l' | b'c' | b'u' | b'm' | b'p' | b'h' | b'f' | b'g' | b':' => 4,
        b'a'..=b'z' | b'=' | b'-' | b'/' | b'[' | b']' | b'(' | b')' | b',' => 3,
        b'A'..=b'Z' => 2,
        _ => 1,
    }
}

/// A problem with its column in the line, where `rule` begins at column `start`.
fn place(rule: &str, start: usize, stop: Stop) -> Refusal {
    (stop.problem, start + rule.len().saturating_sub(stop.left))
}
