//! The header of RFC 5424 section 6, after `<PRI>`:
//! `VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP STRUCTURED-DATA [SP MSG]`.
//!
//! Lengths of fields are not checked: the line's limit bounds them. A header that is cut or malformed is no header.

use super::tag::unpadded;
use super::{Form, Message, RawStamp};
use nom::bytes::complete::{tag, take_till1};
use nom::character::complete::char;
use nom::combinator::{opt, rest};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

type Part<'a> = IResult<&'a [u8], &'a [u8], ()>;

/// One field and the blank after it; NILVALUE is empty.
fn field(input: &[u8]) -> Part<'_> {
    let (left, field) = terminated(take_till1(|b| b == b' '), char(' ')).parse(input)?;
    Ok((left, if field == b"-" { b"" } else { field }))
}

/// STRUCTURED-DATA: `-`, or `[id name="value"…]` again and again, where `\` escapes within a value
/// (section 6.3.3). One pass.
fn structured_data(input: &[u8]) -> Part<'_> {
    if let Some(left) = input.strip_prefix(b"-") {
        return Ok((left, b""));
    }
    let (mut inside, mut quoted, mut escaped, mut end) = (false, false, false, 0);
    for (i, &b) in input.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if inside => quoted = !quoted,
            b']' if inside && !quoted => {
                inside = false;
                end = i + 1;
            }
            b'[' if !inside => inside = true,
            _ if !inside => break,
            _ => {}
        }
    }
    match input.split_at_checked(end) {
        Some((data, left)) if end > 0 && !inside => Ok((left, data)),
        _ => Err(nom::Err::Error(())),
    }
}

/// `input` is what follows `<PRI>`. `None` where that is no header of version 1.
pub(super) fn parse<'a>(line: &'a [u8], pri: u8, input: &'a [u8]) -> Option<Message<'a>> {
    let mut header = (
        preceded(tag::<_, _, ()>(&b"1 "[..]), field),
        field,
        field,
        field,
        field,
        structured_data,
        opt(preceded(char(' '), rest)),
    );
    let (left, (date, host, app, pid, _msgid, _data, text)) = header.parse(input).ok()?;
    let starts_right = date.is_empty() || date.first().is_some_and(u8::is_ascii_digit);
    if !left.is_empty() || !starts_right {
        return None;
    }
    let text = text.unwrap_or(b"");
    let text = unpadded(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
    let stamp = (!date.is_empty()).then_some(RawStamp(date));
    Some(Message { line, form: Form::Rfc5424, pri: Some(pri), stamp, host, app, pid, text, times: 1 })
}
