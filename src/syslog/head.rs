//! From a line's first byte to its text: `<PRI>`, date, host, `facility.severity`, tag, repetition wrapper.
//!
//! Most lines are `Mmm dd hh:mm:ss host tag[pid]: text`. That shape is recognised by bytes at fixed places, the words
//! by the blanks after them; no date is read.

use super::{Form, Message, Parsed, RawStamp, rfc5424};
use crate::time::stamp;
use memchr::memchr;

/// Parses one line, without its terminator. Every byte string is some message, so this cannot fail.
#[inline]
pub fn parse(line: &[u8]) -> Parsed<'_> {
    let (pri, after) = match line.first() {
        Some(b'<') => pri(line),
        _ => (None, line),
    };
    if is_bsd_date(after)
        && !has_year(after)
        && let Some((date, rest)) = after.split_at_checked(15)
    {
        let rest = rest.get(1..).unwrap_or(b"");
        if let Some(head) = plain_head(rest).or_else(|| tagged_head(rest)) {
            return message(line, pri, Some(date), in_kernel(pri, head));
        }
    }
    slow(line, pri, after)
}

/// Every other shape. `after_pri` is the line after `<PRI>`, if there is one.
#[inline(never)]
fn slow<'a>(line: &'a [u8], pri: Option<u8>, after_pri: &'a [u8]) -> Parsed<'a> {
    if let Some(pri) = pri
        && after_pri.starts_with(b"1 ")
        && let Some(message) = rfc5424::parse(line, pri, after_pri)
    {
        return Parsed::Message(unwrapped(message));
    }
    let Some(dated) = dated(after_pri) else {
        return undated(line, pri, after_pri);
    };
    let after = skip_uptime_stamp(dated.rest);
    if dated.kind != Kind::Other {
        if dated.kind == Kind::Ctime
            && let Some((level, rest)) = level_word(after)
        {
            return message(line, Some(level), Some(dated.date), after_level(rest, b""));
        }
        let (level, after) = match angle_level(after) {
            Some((level, rest)) => (pri.or(level), rest),
            None => (pri, after),
        };
        if dated.kind != Kind::Ctime || pri.is_some() {
            let sure =
                |head: &Head<'_>| dated.kind != Kind::Iso || head.host.is_empty() || !head.pid.is_empty();
            if let Some(head) = tagged_head(after).filter(sure) {
                return message(line, level, Some(dated.date), in_kernel(level, head));
            }
            if dated.kind == Kind::Bsd
                && let Some((host, rest)) = word(after)
                && is_host(host)
                && let Some((level, rest)) = level_word(rest)
            {
                let head = after_level(rest, host);
                return message(line, Some(pri.unwrap_or(level)), Some(dated.date), head);
            }
            if let Some(head) = tight_head(after) {
                return message(line, level, Some(dated.date), head);
            }
        }
        let by_syslogd = dated.kind == Kind::Bsd || pri.is_some();
        if by_syslogd && let Some(times) = last_message(after) {
            return Parsed::Repeated(times);
        }
        if let Some(app) =
            metalog(after).filter(|_| dated.date.first().is_some_and(u8::is_ascii_alphabetic))
        {
            return message(line, level, Some(dated.date), app);
        }
        if pri.is_some() {
            return message(line, level, Some(dated.date), Head { text: after, ..Head::default() });
        }
    }
    let text = dated.rest.strip_prefix(b":").unwrap_or(dated.rest).trim_ascii_start();
    let raw = Message { pri, stamp: Some(RawStamp(dated.date)), text, ..Message::raw(line) };
    Parsed::Message(raw)
}

/// A line that starts with no date: with `<PRI>` a message that came by socket, else a daemon's own line.
fn undated<'a>(line: &'a [u8], pri: Option<u8>, rest: &'a [u8]) -> Parsed<'a> {
    if pri.is_none() {
        return Parsed::Message(Message { stamp: Some(RawStamp(line)), ..Message::raw(line) });
    }
    let rest = rest.trim_ascii_start();
    if let Some(times) = last_message(rest) {
        return Parsed::Repeated(times);
    }
    let head = match tagged_head(rest).or_else(|| tight_head(rest)) {
        Some(head) => in_kernel(pri, head),
        // printk records, as /dev/kmsg and /proc/kmsg give them.
        None if is_kernel(pri) && is_uptime(rest) => Head { app: b"kernel", text: rest, ..Head::default() },
        None => Head { text: rest, ..Head::default() },
    };
    message(line, pri, None, head)
}

/// What a header says after its date.
#[derive(Clone, Copy, Default)]
struct Head<'a> {
    host: &'a [u8],
    app: &'a [u8],
    pid: &'a [u8],
    text: &'a [u8],
}

#[inline(always)]
fn message<'a>(line: &'a [u8], pri: Option<u8>, date: Option<&'a [u8]>, head: Head<'a>) -> Parsed<'a> {
    let Head { host, app, pid, text } = head;
    let (times, text) = match text.first() {
        Some(b'm') => repeated(text).unwrap_or((1, text)),
        _ => (1, text),
    };
    let stamp = date.map(RawStamp);
    Parsed::Message(Message { line, form: Form::Bsd, pri, stamp, host, app, pid, text, times })
}

/// Takes rsyslog's wrapper off: `message repeated N times: [ text]`, which it writes after the tag in place of the
/// text. A peer's words cannot make one where the program's own words come first, as in every sshd and dropbear
/// message; and whoever writes a program's whole text can write what the wrapper would say as well.
fn unwrapped(message: Message<'_>) -> Message<'_> {
    match repeated(message.text) {
        Some((times, text)) => Message { times, text, ..message },
        None => message,
    }
}

fn repeated(text: &[u8]) -> Option<(u32, &[u8])> {
    let (times, rest) = count(text.strip_prefix(b"message repeated ")?)?;
    let inside = rest.strip_prefix(b" times: [")?.strip_suffix(b"]")?;
    Some((times, inside.trim_ascii_start()))
}

/// `[host ]last message repeated N times` and nothing more.
fn last_message(text: &[u8]) -> Option<u32> {
    const WORDS: &[u8] = b"last message repeated ";
    let rest = match text.strip_prefix(WORDS) {
        Some(rest) => rest,
        None => word(text).filter(|(host, _)| is_host(host))?.1.strip_prefix(WORDS)?,
    };
    let (times, rest) = count(rest)?;
    matches!(rest, b" times" | b" time").then_some(times)
}

/// A count of at least 1; what is more than 65535 counts as that.
fn count(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    let n = digits.iter().fold(0u32, |n, b| n.saturating_mul(10).saturating_add(u32::from(b - b'0')));
    (n > 0).then_some((n.min(u32::from(u16::MAX)), rest))
}

/// `<PRI>`, RFC 3164 section 4.1.1: 0 to 191, and what follows; `None` and the line where there is none.
#[inline]
fn pri(line: &[u8]) -> (Option<u8>, &[u8]) {
    let (n, rest) = match line {
        [b'<', a @ b'0'..=b'9', b'>', rest @ ..] => (u16::from(a - b'0'), rest),
        [b'<', a @ b'1'..=b'9', b @ b'0'..=b'9', b'>', rest @ ..] => {
            (u16::from(a - b'0') * 10 + u16::from(b - b'0'), rest)
        }
        [b'<', b'1', b @ b'0'..=b'9', c @ b'0'..=b'9', b'>', rest @ ..] => {
            (100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'), rest)
        }
        _ => return (None, line),
    };
    match u8::try_from(n) {
        Ok(n) if n <= 191 => (Some(n), rest),
        _ => (None, line),
    }
}

/// What kind of date a line starts with: what may follow depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `Jul  1 21:37:58`, also with a year, and ISO 8601 with a `T`: a syslogd wrote it.
    Bsd,
    /// `2026-07-01 21:37:58`: a syslogd or a daemon. It is read as a syslogd's if a tag follows, after a host a tag
    /// with a pid. Who feeds a daemon's file whose second word may be a client's binds it to that daemon's filters.
    Iso,
    /// `Wed Jul  1 21:37:58 2026`: logread or a daemon.
    Ctime,
    /// Any other form, or in brackets: a daemon's own file.
    Other,
}

struct Dated<'a> {
    kind: Kind,
    date: &'a [u8],
    /// Without blanks in front.
    rest: &'a [u8],
}

fn dated(text: &[u8]) -> Option<Dated<'_>> {
    let first = *text.first()?;
    let (date, rest, kind) = if first == b'[' {
        let inside = text.get(1..)?;
        let (_, len) = stamp::read(inside)?;
        let (date, rest) = inside.split_at_checked(len)?;
        (date, rest.trim_ascii_start().strip_prefix(b"]")?, Kind::Other)
    } else {
        let len = if is_bsd_date(text) && !has_year(text) {
            15
        } else if is_ctime(text) {
            24
        } else if let Some(len) = stamp::iso_len(text) {
            len
        } else {
            stamp::read(text)?.1
        };
        let (date, rest) = text.split_at_checked(len)?;
        // A syslogd puts a blank after its date.
        (date, rest, if rest.starts_with(b" ") { kind_of(date) } else { Kind::Other })
    };
    Some(Dated { kind, date, rest: rest.trim_ascii_start() })
}

/// The kind of a date by its shape.
fn kind_of(date: &[u8]) -> Kind {
    match *date {
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T', ..] => Kind::Bsd,
        [_, _, _, _, b'-', _, _, b'-', _, _, b' ', ..] => Kind::Iso,
        [b'A'..=b'Z', _, _, b' ', b'A'..=b'Z', ..] => Kind::Ctime,
        [b'A'..=b'Z', _, _, b' ', ..] if !date.contains(&b',') => Kind::Bsd,
        _ => Kind::Other,
    }
}

/// Whether `line` starts as `Jul  1 21:37:58 ` does. By shape: letters, a day, digits and colons where they belong.
/// One comparison of 16 bytes: what must be equal, and of letters and digits the bits that all of them share (which
/// lets `:;<=>?` pass for digits; whoever reads the date sees that).
#[inline]
fn is_bsd_date(line: &[u8]) -> bool {
    const SHAPE: u128 = u128::from_le_bytes(*b"@@@ \x20\x30 00:00:00 ");
    const MASK: u128 = u128::from_le_bytes([
        0xc0, 0xc0, 0xc0, 0xff, 0xe0, 0xf0, 0xff, 0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xff,
    ]);
    line.first_chunk::<16>().is_some_and(|head| u128::from_le_bytes(*head) & MASK == SHAPE)
}

/// Whether `line` starts as `Wed Jul  1 21:37:58 2026 ` does, by shape.
fn is_ctime(line: &[u8]) -> bool {
    match line {
        [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', date @ ..] => is_bsd_date(date) && has_year(date),
        _ => false,
    }
}

/// Whether a BSD date goes on with ` 2026 `.
fn has_year(line: &[u8]) -> bool {
    matches!(line.get(15..21), Some([b' ', b'1' | b'2', b'0' | b'1' | b'9', a, b, b' '])
        if a.is_ascii_digit() && b.is_ascii_digit())
}

/// `logread -t` and `log_ip` with stamps: `[1782934678.123] ` after the date.
fn skip_uptime_stamp(text: &[u8]) -> &[u8] {
    if !is_uptime(text) || !text.get(1..8).is_some_and(|t| t.iter().all(u8::is_ascii_digit)) {
        return text;
    }
    let close = memchr(b']', text.get(..24).unwrap_or(text)).and_then(|end| text.get(end + 1..));
    close.map_or(text, <[u8]>::trim_ascii_start)
}

/// `[` and blanks, digits, a dot, digits, `]`.
fn is_uptime(text: &[u8]) -> bool {
    let Some(inside) = text.strip_prefix(b"[") else { return false };
    let inside = inside.get(..24).unwrap_or(inside).trim_ascii_start();
    let whole = inside.iter().take_while(|b| b.is_ascii_digit()).count();
    let Some(b'.') = inside.get(whole) else { return false };
    let after = inside.get(whole + 1..).unwrap_or(b"");
    let part = after.iter().take_while(|b| b.is_ascii_digit()).count();
    whole > 0 && part > 0 && after.get(part) == Some(&b']')
}

/// The text up to the next blank, and what follows without blanks in front.
#[inline]
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (word, rest) = text.split_at_checked(memchr(b' ', text)?)?;
    Some((word, rest.trim_ascii_start()))
}

/// `[host ]tag: text`, with what a tag may be. `None` where there is no tag.
///
/// The C library's `syslog()` over `/dev/log` writes no host, a syslogd does: the first word is the tag if it ends as
/// a tag does, else the host, and then the second must.
#[inline(never)]
fn tagged_head(text: &[u8]) -> Option<Head<'_>> {
    let (first, after) = first_word(text);
    if let Some((app, pid, text)) = tag(first, after)
        && (!app.is_empty() || pid.is_empty())
    {
        return Some(Head { host: b"", app, pid, text });
    }
    if !is_host(first) {
        return None;
    }
    let after = after_blank(after);
    let (second, rest) = first_word(after);
    if let Some((app, pid, text)) = tag(second, rest) {
        // A tag padded with blanks before its pid, as fail2ban's own log has it.
        return match app {
            b"" if !pid.is_empty() => Some(Head { host: b"", app: first, pid, text }),
            _ => Some(Head { host: first, app, pid, text }),
        };
    }
    None
}

/// [`tagged_head`] in one pass, for `host tag[123]: text` and `host tag: text` with single blanks. `None` for all else.
#[inline(always)]
fn plain_head(line: &[u8]) -> Option<Head<'_>> {
    let class = |b: u8| CLASSES.get(usize::from(b)).copied().unwrap_or(0);
    let end = line.iter().position(|&b| class(b) & HOST == 0)?;
    let (host, rest) = line.split_at_checked(end)?;
    let rest = rest.strip_prefix(b" ")?;
    // A first word that ends in a colon may be the tag, or an address.
    if !(1..=255).contains(&end) || host.last() == Some(&b':') {
        return None;
    }
    let end = rest.iter().position(|&b| class(b) & NAME == 0)?;
    let (app, rest) = rest.split_at_checked(end)?;
    if !(1..=128).contains(&end) {
        return None;
    }
    let (pid, rest) = match rest {
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|b| !b.is_ascii_digit())?;
            let (pid, rest) = rest.split_at_checked(end)?;
            (pid, rest.strip_prefix(b"]")?)
        }
        _ => (&b""[..], rest),
    };
    match rest {
        [b':', b' ', text @ ..] if text.first().is_some_and(|b| *b > b' ') => {
            Some(Head { host, app, pid, text })
        }
        _ => None,
    }
}

/// As [`tagged_head`], where no blank follows the tag.
fn tight_head(text: &[u8]) -> Option<Head<'_>> {
    let (host, (app, pid, text)) = match tight_tag(text) {
        Some(tag) => (&b""[..], tag),
        None => {
            let (host, rest) = word(text).filter(|(host, _)| is_host(host))?;
            (host, tight_tag(rest)?)
        }
    };
    Some(Head { host, app, pid, text })
}

/// The text up to the next blank, or all, and what follows from the blank on.
#[inline]
fn first_word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at_checked(first_blank(text)).unwrap_or((text, b""))
}

/// `text` without the blanks in front, of which there mostly is one.
#[inline]
fn after_blank(text: &[u8]) -> &[u8] {
    match text {
        [b' ', rest @ ..] if rest.first().is_some_and(|b| *b > b' ') => rest,
        _ => text.trim_ascii_start(),
    }
}

/// Where the first blank is, or the length. Header words are short: eight bytes at a time beat a call that sets up
/// vectors ("Bit Twiddling Hacks", determine if a word has a zero byte; the lowest mark is exact).
#[inline]
fn first_blank(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let (mut rest, mut at) = (text, 0);
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*head) ^ (ONES * b' ' as u64);
        let blank = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if blank != 0 {
            return at + (blank.trailing_zeros() / 8) as usize;
        }
        (rest, at) = (tail, at + 8);
        if at == 32 {
            break;
        }
    }
    memchr(b' ', rest).map_or(text.len(), |i| at + i)
}

type Tag<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// `word` as a tag: app, pid, and the text after it. Forms: `app:`, `app[pid]:`, `:`, `[pid]:`, `app[123]`, and
/// without the blank after it `app[pid]:text`, `kernel:[…`.
#[inline]
fn tag<'a>(word: &'a [u8], after: &'a [u8]) -> Option<Tag<'a>> {
    match word {
        // A word that ends in two colons is an IPv6 host.
        [head @ .., b':'] if !head.ends_with(b":") => {
            let (app, pid) = match head {
                [inside @ .., b']'] => {
                    let open = inside.iter().rposition(|b| *b == b'[')?;
                    (inside.get(..open)?, inside.get(open + 1..)?)
                }
                _ => (head, &b""[..]),
            };
            is_tag(app).then_some((app, pid, after_blank(after)))
        }
        [inside @ .., b']'] => {
            let open = inside.iter().rposition(|b| *b == b'[').filter(|open| *open > 0)?;
            let (app, pid) = (inside.get(..open)?, inside.get(open + 1..)?);
            let numeric = !pid.is_empty() && pid.iter().all(u8::is_ascii_digit);
            (numeric && is_tag(app)).then_some((app, pid, after.trim_ascii_start()))
        }
        _ => None,
    }
}

/// As [`tag`], where no blank follows the colon: `app[pid]:text` or `kernel:[…`. `text` is from the tag on.
fn tight_tag(text: &[u8]) -> Option<Tag<'_>> {
    if let Some(rest) = text.strip_prefix(b"kernel:").filter(|rest| is_uptime(rest)) {
        return Some((b"kernel", b"", rest));
    }
    let (word, _) = first_word(text);
    let open = memchr(b'[', word).filter(|open| *open > 0)?;
    let (app, inside) = (word.get(..open)?, word.get(open + 1..)?);
    let digits = inside.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let closed = digits > 0 && inside.get(digits..)?.starts_with(b"]:");
    (closed && is_tag(app)).then_some((app, inside.get(..digits)?, text.get(open + digits + 3..)?))
}

const HOST: u8 = 1;
const TAG: u8 = 2;
/// A tag's, but for the colon.
const NAME: u8 = 4;

/// What hosts and tags are made of. No quotes, angles, equals signs, commas: those are words of a text.
const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        let c = b as u8;
        if c.is_ascii_alphanumeric()
            || c >= 0x80
            || matches!(c, b'.' | b'-' | b'_' | b':' | b'%' | b'/' | b'@')
        {
            table[b] |= HOST | TAG;
        }
        if matches!(c, b'(' | b')' | b'+' | b'#' | b'~' | b'*' | b'!' | b'$' | b'&') {
            table[b] |= TAG;
        }
        if table[b] & TAG != 0 && c != b':' {
            table[b] |= NAME;
        }
        b += 1;
    }
    table
};

#[inline]
fn all_of(bytes: &[u8], class: u8) -> bool {
    bytes.iter().fold(class, |seen, b| seen & CLASSES.get(usize::from(*b)).copied().unwrap_or(0)) != 0
}

#[inline]
fn is_host(word: &[u8]) -> bool {
    !word.is_empty() && word.len() <= 255 && all_of(word, HOST)
}

/// May be empty.
#[inline]
fn is_tag(word: &[u8]) -> bool {
    word.len() <= 128 && all_of(word, TAG)
}

/// `[sshd] text`, `[sshd]: text`: metalog's tag.
fn metalog(text: &[u8]) -> Option<Head<'_>> {
    let (first, after) = first_word(text);
    let first = first.strip_suffix(b":").unwrap_or(first);
    let app = first.strip_prefix(b"[")?.strip_suffix(b"]")?;
    (app.first()?.is_ascii_alphabetic() && is_tag(app)).then_some(Head {
        app,
        text: after.trim_ascii_start(),
        ..Head::default()
    })
}

/// `authpriv.warn` as facility × 8 + severity.
fn level(word: &[u8]) -> Option<u8> {
    let dot = word.iter().take(9).position(|b| *b == b'.')?;
    let (facility, severity) = word.split_at_checked(dot)?;
    let severity = match severity.get(1..)? {
        b"emerg" | b"panic" => 0,
        b"alert" => 1,
        b"crit" => 2,
        b"err" | b"error" => 3,
        b"warn" | b"warning" => 4,
        b"notice" => 5,
        b"info" => 6,
        b"debug" => 7,
        _ => return None,
    };
    let facility = match facility {
        b"kern" => 0,
        b"user" => 1,
        b"mail" => 2,
        b"daemon" => 3,
        b"auth" | b"security" => 4,
        b"syslog" => 5,
        b"lpr" => 6,
        b"news" => 7,
        b"uucp" => 8,
        b"cron" => 9,
        b"authpriv" => 10,
        b"ftp" => 11,
        [b'l', b'o', b'c', b'a', b'l', n @ b'0'..=b'7'] => 16 + (n - b'0'),
        _ => return None,
    };
    Some(facility * 8 + severity)
}

/// A word that is a level, and what follows it.
fn level_word(text: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = word(text)?;
    Some((level(first)?, rest))
}

/// `<auth.info> ` or `<4.6> `, as FreeBSD's syslogd -v writes it. The level is `None` where it is in numbers out of
/// range.
fn angle_level(text: &[u8]) -> Option<(Option<u8>, &[u8])> {
    let (first, rest) = word(text)?;
    let inside = first.strip_prefix(b"<")?.strip_suffix(b">")?;
    if let Some(level) = level(inside) {
        return Some((Some(level), rest));
    }
    let (facility, severity) = inside.split_at_checked(memchr(b'.', inside)?)?;
    let ((facility, tail), severity) = (small(facility)?, small(severity.get(1..)?)?);
    if !tail.is_empty() || !severity.1.is_empty() {
        return None;
    }
    let level = facility * 8 + severity.0;
    Some((Some(level).filter(|_| facility < 24 && severity.0 < 8).and_then(|n| u8::try_from(n).ok()), rest))
}

/// A number of one or two digits.
fn small(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take(2).take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits).filter(|(d, _)| !d.is_empty())?;
    Some((digits.iter().fold(0, |n, b| n * 10 + u32::from(b - b'0')), rest))
}

/// What follows a level: `kernel: text`, `tag[pid]: text`, `: text`, or a text without a tag. No host stands here.
fn after_level<'a>(text: &'a [u8], host: &'a [u8]) -> Head<'a> {
    let (first, after) = first_word(text);
    match tag(first, after).or_else(|| tight_tag(text)) {
        Some((app, pid, text)) => Head { host, app, pid, text },
        None => Head { host, text, ..Head::default() },
    }
}

fn is_kernel(pri: Option<u8>) -> bool {
    pri.is_some_and(|pri| pri < 8)
}

/// OpenWrt's `log_prefix` stands before `kernel:` as a tag does. Only where the facility says kernel: that is not
/// part of any text, and programs cannot log with it (`syslog(3)`).
#[inline]
fn in_kernel(pri: Option<u8>, mut head: Head<'_>) -> Head<'_> {
    if is_kernel(pri)
        && head.pid.is_empty()
        && let Some(rest) = head.text.strip_prefix(b"kernel:")
    {
        (head.app, head.text) = (b"kernel", rest.trim_ascii_start());
    }
    head
}

/// See [`Message::untagged`].
pub(super) fn untag<'a>(message: &Message<'a>) -> Message<'a> {
    let (_, after_pri) = pri(message.line);
    let text = dated(after_pri).map_or(after_pri, |dated| dated.rest);
    let text = text.strip_prefix(b":").unwrap_or(text).trim_ascii_start();
    Message { form: Form::Raw, host: b"", app: b"", pid: b"", text, times: 1, ..*message }
}

/// See [`Message::tagged`].
pub(super) fn retag<'a>(message: &Message<'a>) -> Option<Message<'a>> {
    if message.form != Form::Raw {
        return None;
    }
    let Head { host, app, pid, text } = tagged_head(message.text).filter(|head| !head.app.is_empty())?;
    Some(unwrapped(Message { form: Form::Bsd, host, app, pid, text, ..*message }))
}
