//! Words, hosts and tags: what stands between a header's date and its text, in every spelling that is known.
//!
//! In: a line from where its host or tag should stand. Out: a [`Head`]; `None` where no tag stands there. A tag says
//! whose rules the text meets, so in doubt there is none.

use super::class::{is_host, is_tag};
use super::date::uptime;
use super::plain;
use memchr::memchr;

/// What a header says after its date. Empty is absent.
#[derive(Clone, Copy, Default)]
pub(super) struct Head<'a> {
    pub(super) host: &'a [u8],
    pub(super) app: &'a [u8],
    pub(super) pid: &'a [u8],
    pub(super) text: &'a [u8],
}

/// App, pid, and the text after them.
type Tag<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// `[host ]tag: text`, with what a tag may be. `None` where there is no tag.
pub(super) fn tagged(text: &[u8]) -> Option<Head<'_>> {
    plain::shared(text).or_else(|| any_tagged(text))
}

/// [`tagged`], every spelling.
///
/// The C library's `syslog()` over `/dev/log` writes no host, a syslogd does: the first word is the tag if it ends as
/// a tag does, else the host, and then the second must.
pub(super) fn any_tagged(text: &[u8]) -> Option<Head<'_>> {
    let (first, after) = first_word(text);
    if let Some((app, pid, text)) = tag(first, after)
        && (!app.is_empty() || pid.is_empty())
    {
        return Some(Head { host: b"", app, pid, text });
    }
    if !is_host(first) {
        return None;
    }
    let (second, rest) = first_word(unpadded(after));
    match tag(second, rest)? {
        // A tag padded with blanks before its pid, as fail2ban's own log has it.
        (b"", pid, text) if !pid.is_empty() => Some(Head { host: b"", app: first, pid, text }),
        (app, pid, text) => Some(Head { host: first, app, pid, text }),
    }
}

/// As [`tagged`], where no blank follows the tag.
pub(super) fn tight(text: &[u8]) -> Option<Head<'_>> {
    let (host, (app, pid, text)) = match tight_tag(text) {
        Some(tag) => (&b""[..], tag),
        None => {
            let (host, rest) = word(text).filter(|(host, _)| is_host(host))?;
            (host, tight_tag(rest)?)
        }
    };
    Some(Head { host, app, pid, text })
}

/// What follows a level: `kernel: text`, `tag[pid]: text`, `: text`, or a text without a tag. No host stands here.
pub(super) fn after_level<'a>(text: &'a [u8], host: &'a [u8]) -> Head<'a> {
    if let Some(head) = plain::shared(text).filter(|head| head.host.is_empty()) {
        return Head { host, ..head };
    }
    let (first, after) = first_word(text);
    match tag(first, after).or_else(|| tight_tag(text)) {
        Some((app, pid, text)) => Head { host, app, pid, text },
        None => Head { host, text, ..Head::default() },
    }
}

/// `[sshd] text`, `[sshd]: text`: metalog's tag.
pub(super) fn metalog(text: &[u8]) -> Option<Head<'_>> {
    let (first, after) = first_word(text);
    let first = first.strip_suffix(b":").unwrap_or(first);
    let app = first.strip_prefix(b"[")?.strip_suffix(b"]")?;
    (app.first()?.is_ascii_alphabetic() && is_tag(app)).then_some(Head {
        app,
        text: unpadded(after),
        ..Head::default()
    })
}

/// `word` as a tag: app, pid, and the text after it. Forms: `app:`, `app[pid]:`, `:`, `[pid]:`, `app[123]`.
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
            is_tag(app).then_some((app, pid, unpadded(after)))
        }
        [inside @ .., b']'] => {
            let open = inside.iter().rposition(|b| *b == b'[').filter(|open| *open > 0)?;
            let (app, pid) = (inside.get(..open)?, inside.get(open + 1..)?);
            let numeric = !pid.is_empty() && pid.iter().all(u8::is_ascii_digit);
            (numeric && is_tag(app)).then_some((app, pid, unpadded(after)))
        }
        _ => None,
    }
}

/// As [`tag`], where no blank follows the colon: `app[pid]:text` or `kernel:[…`. `text` is from the tag on.
fn tight_tag(text: &[u8]) -> Option<Tag<'_>> {
    if let Some(rest) = text.strip_prefix(b"kernel:").filter(|rest| uptime(rest).is_some()) {
        return Some((b"kernel", b"", rest));
    }
    let (word, _) = first_word(text);
    let open = memchr(b'[', word).filter(|open| *open > 0)?;
    let (app, inside) = (word.get(..open)?, word.get(open + 1..)?);
    let digits = inside.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let closed = digits > 0 && inside.get(digits..)?.starts_with(b"]:");
    (closed && is_tag(app)).then_some((app, inside.get(..digits)?, text.get(open + digits + 3..)?))
}

/// `text` without the blanks in front. Other white space is the text's own: a program may indent by a tab what its peer
/// says, and that must not pass for the start of a message.
pub(super) fn unpadded(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    text
}

/// The text up to the next blank, and what follows without blanks in front.
pub(super) fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (word, rest) = text.split_at_checked(memchr(b' ', text)?)?;
    Some((word, unpadded(rest)))
}

/// The text up to the next blank, or all, and what follows from the blank on.
fn first_word(text: &[u8]) -> (&[u8], &[u8]) {
    memchr(b' ', text).and_then(|end| text.split_at_checked(end)).unwrap_or((text, b""))
}
