//! Reads fields: what is between `<` and `>` in a rule.

use super::Set;
use super::error::Problem;
use super::ops::{Slot, UNBOUNDED};
use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while_m_n};
use nom::character::complete::{char, satisfy};
use nom::combinator::{map, opt, value, verify};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

/// The longest literal in a field.
pub(super) const LITERAL: usize = 64;
pub(super) type Literal = heapless::Vec<u8, LITERAL>;

/// A repeated set as written.
#[derive(Clone)]
pub(super) struct Repeat {
    pub set: Set,
    pub min: u8,
    pub max: u8,
    pub lazy: bool,
    pub until: Literal,
}

#[derive(Clone)]
pub(super) enum What {
    Ip,
    Host,
    Repeat(Repeat),
    Quoted,
    /// Whether it is `<!…>`, then its literals, each behind its length.
    Look(bool, heapless::Vec<u8, 255>),
    Rest,
}

#[derive(Clone)]
pub(super) struct Field {
    pub capture: Option<Slot>,
    pub what: What,
}

type Parse<'a, T> = IResult<&'a [u8], T, Fault>;

/// A nom error that carries the problem, so that the innermost one is reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault(pub(super) Problem);

impl<'a> nom::error::ParseError<&'a [u8]> for Fault {
    fn from_error_kind(_: &'a [u8], _: nom::error::ErrorKind) -> Self {
        Self(Problem::BadField)
    }
    fn append(_: &'a [u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

fn fail<T>(problem: Problem) -> Parse<'static, T> {
    Err(nom::Err::Failure(Fault(problem)))
}

/// `\` and what follows it, or any byte that `plain` accepts.
pub(super) fn character<'a>(plain: impl Fn(u8) -> bool, text: &'a [u8]) -> Parse<'a, u8> {
    let (rest, byte) = map(take(1usize), |b: &[u8]| b.first().copied().unwrap_or(0)).parse(text)?;
    if byte != b'\\' {
        return if plain(byte) { Ok((rest, byte)) } else { Err(nom::Err::Error(Fault(Problem::BadField))) };
    }
    let hex = preceded(char('x'), take_while_m_n(2, 2, |b: u8| b.is_ascii_hexdigit()));
    let escaped = alt((
        map(hex, |digits: &[u8]| {
            digits.iter().fold(0u8, |n, &d| n << 4 | (d as char).to_digit(16).unwrap_or(0) as u8)
        }),
        value(b'\t', char('t')),
        map(verify(take(1usize), |b: &[u8]| b != b"x" && b != b"t"), |b: &[u8]| {
            b.first().copied().unwrap_or(0)
        }),
    ))
    .parse(rest);
    match escaped {
        Ok(done) => Ok(done),
        Err(nom::Err::Error(_) | nom::Err::Incomplete(_)) => fail(Problem::BadEscape),
        Err(other) => Err(other),
    }
}

fn set(text: &[u8]) -> Parse<'_, Set> {
    let (mut rest, invert) = preceded(char('['), map(opt(char('^')), |c| c.is_some())).parse(text)?;
    let mut set = Set::NONE;
    let mut empty = true;
    loop {
        if let Some(after) = rest.strip_prefix(b"]") {
            if empty {
                return fail(Problem::BadSet);
            }
            return Ok((after, if invert { set.inverted() } else { set }));
        }
        let Ok((after, low)) = character(|b| b != b']', rest) else { return fail(Problem::BadSet) };
        rest = after;
        empty = false;
        match rest {
            [b'-', end, ..] if *end != b']' => {
                let tail = rest.get(1..).unwrap_or(&[]);
                let Ok((after, high)) = character(|b| b != b']', tail) else {
                    return fail(Problem::BadSet);
                };
                if high < low {
                    return fail(Problem::BadSet);
                }
                (low..=high).for_each(|b| set.add(b));
                rest = after;
            }
            _ => set.add(low),
        }
    }
}

fn number(text: &[u8]) -> Parse<'_, u8> {
    let (rest, digits) = take_while_m_n(1, 3, |b: u8| b.is_ascii_digit()).parse(text)?;
    let n = digits.iter().fold(0u16, |n, d| n * 10 + u16::from(d - b'0'));
    if n > 254 { fail(Problem::BadBounds) } else { Ok((rest, n as u8)) }
}

/// `{m,}`, `{m,n}` or `{m}`.
fn bounds(text: &[u8]) -> Parse<'_, (u8, u8)> {
    let (rest, min) = preceded(char('{'), number).parse(text)?;
    let open = map(terminated(preceded(char(','), opt(number)), char('}')), |n| n.unwrap_or(UNBOUNDED));
    let (rest, max) = alt((open, value(min, char('}')))).parse(rest)?;
    if max == 0 || max < min { fail(Problem::BadBounds) } else { Ok((rest, (min, max))) }
}

fn literal<'a>(stop: &'static [u8], text: &'a [u8]) -> Parse<'a, Literal> {
    let mut out = Literal::new();
    let mut rest = text;
    while let Some(&b) = rest.first() {
        if stop.contains(&b) {
            break;
        }
        let (after, byte) = character(|_| true, rest)?;
        if out.push(byte).is_err() {
            return fail(Problem::BadField);
        }
        rest = after;
    }
    if out.is_empty() { fail(Problem::BadField) } else { Ok((rest, out)) }
}

fn repeat(text: &[u8]) -> Parse<'_, Repeat> {
    let blank = |b: u8| b == b' ' || b == b'\t';
    let named = |set: Set, min: u8| (set, min, UNBOUNDED);
    let word = |name: &'static str| {
        // A name ends where the field or its suffix does, so that "hexx" is no "hex".
        terminated(tag(name), nom::combinator::peek(satisfy(|c| matches!(c, '>' | '~' | '!' | '{'))))
    };
    let bracket = |text| {
        let any = value((Set::ALL, (0, UNBOUNDED)), alt((word("text"), word("user"))));
        let (rest, (set, once)) = alt((any, map(set, |set| (set, (1, 1))))).parse(text)?;
        let (rest, (min, max)) =
            alt((value((0, UNBOUNDED), char('*')), value((1, UNBOUNDED), char('+')), bounds, |t| {
                Ok((t, once))
            }))
            .parse(rest)?;
        Ok((rest, (set, min, max)))
    };
    let (rest, (set, min, max)) = alt((
        map(word("int"), |_| named(Set::of(|b| b.is_ascii_digit()), 1)),
        map(word("hex"), |_| named(Set::of(|b| b.is_ascii_hexdigit()), 1)),
        map(word("word"), move |_| named(Set::of(|b| !blank(b)), 1)),
        map(word("sp"), move |_| named(Set::of(blank), 1)),
        bracket,
    ))
    .parse(text)?;
    let (rest, lazy) = map(opt(char('~')), |c| c.is_some()).parse(rest)?;
    let (rest, until) = match rest.strip_prefix(b"!") {
        Some(after) => literal(b">", after)?,
        None => (rest, Literal::new()),
    };
    Ok((rest, Repeat { set, min, max, lazy, until }))
}

fn look(text: &[u8]) -> Parse<'_, What> {
    let (mut rest, not) = alt((value(true, char('!')), value(false, char('=')))).parse(text)?;
    let mut list = heapless::Vec::new();
    loop {
        let (after, one) = literal(b">|", rest)?;
        let fits = list.push(one.len() as u8).is_ok() && list.extend_from_slice(&one).is_ok();
        if !fits {
            return fail(Problem::BadField);
        }
        match after.strip_prefix(b"|") {
            Some(more) => rest = more,
            None => return Ok((after, What::Look(not, list))),
        }
    }
}

fn field(text: &[u8]) -> Parse<'_, Field> {
    let end = |name: &'static str| terminated(tag(name), nom::combinator::peek(char('>')));
    let slot = opt(alt((
        value(Slot::User, tag("user:")),
        value(Slot::Port, tag("port:")),
        value(Slot::Sess, tag("sess:")),
        value(Slot::Id, tag("id:")),
    )));
    let (rest, named) = { slot }.parse(text)?;
    let bare_user = named.is_none() && rest.starts_with(b"user");
    let (rest, mut what) = alt((
        value(What::Ip, end("ip")),
        value(What::Host, end("host")),
        value(What::Quoted, end("qstr")),
        value(What::Rest, end("...")),
        map(repeat, What::Repeat),
        look,
    ))
    .parse(rest)?;
    if let (What::Repeat(repeat), Some(Slot::Port)) = (&mut what, named) {
        // More digits are no port, and could be how a client pads a line up to where a log cuts it.
        repeat.max = repeat.max.min(5);
    }
    let capture = match (&what, named) {
        (What::Ip | What::Host, None) => Some(Slot::Source),
        (What::Ip | What::Host | What::Look(..) | What::Rest, Some(_)) => return fail(Problem::BadField),
        (What::Repeat(_), None) if bare_user => Some(Slot::User),
        (_, named) => named,
    };
    Ok((rest, Field { capture, what }))
}

/// The field at the start of `text`, which begins after `<`; and what follows its `>`.
pub(super) fn parse(text: &[u8]) -> Result<(&[u8], Field), Problem> {
    match field(text) {
        Ok((rest, field)) => match rest.strip_prefix(b">") {
            Some(after) => Ok((after, field)),
            None if rest.is_empty() => Err(Problem::OpenField),
            None => Err(Problem::BadField),
        },
        Err(_) if !text.contains(&b'>') => Err(Problem::OpenField),
        Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => Err(fault.0),
        Err(nom::Err::Incomplete(_)) => Err(Problem::OpenField),
    }
}
