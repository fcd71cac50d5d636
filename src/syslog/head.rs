//! From a line's first byte to its text: which of the known headers it has.
//!
//! What may follow a date depends on who writes such dates, so this is a decision and not a grammar: each part is
//! told by its shape, and where the next one does not fit, another reading is tried from the same place. Only RFC
//! 5424 has one grammar for its whole header; [`rfc5424`] reads it with nom.

use super::class::is_host;
use super::date::{Dated, Kind, bsd, ctime, dated, iso, skip_uptime, uptime};
use super::tag::{Head, after_level, metalog, tagged, tight, unpadded, word};
use super::{Form, Message, Parsed, RawStamp, level, plain, repeat, rfc5424};

/// Parses one line, without its terminator. Every byte string is some message, so this cannot fail.
pub fn parse(line: &[u8]) -> Parsed<'_> {
    parse_here(line)
}

/// [`parse`], for the one caller that every line passes.
#[inline(always)]
pub(crate) fn parse_here(line: &[u8]) -> Parsed<'_> {
    let (pri, after_pri) = match line.first() {
        Some(b'<') => level::pri(line),
        _ => (None, line),
    };
    if let Some((date, rest)) = bsd(after_pri).or_else(|| iso(after_pri))
        && let Some(head) = plain::head(rest)
    {
        return message(line, pri, Some(date), in_kernel(pri, head));
    }
    slow(line, pri, after_pri)
}

/// Every shape, the plain one too. `after_pri` is the line after `<PRI>`, if there is one.
#[inline(never)]
pub(super) fn slow<'a>(line: &'a [u8], pri: Option<u8>, after_pri: &'a [u8]) -> Parsed<'a> {
    if let Some(pri) = pri
        && after_pri.starts_with(b"1 ")
        && let Some(message) = rfc5424::parse(line, pri, after_pri)
    {
        return Parsed::Message(unwrapped(message));
    }
    // What nearly every line of `logread` is.
    if let Some((date, rest)) = ctime(after_pri)
        && let Some((level, rest)) = level::named(rest)
        && let Some(head) = plain::shared(rest).filter(|head| head.host.is_empty())
    {
        return message(line, Some(level), Some(date), head);
    }
    let Some(dated) = dated(after_pri) else {
        return undated(line, pri, after_pri);
    };
    if dated.kind != Kind::Other
        && let Some(parsed) = headed(line, pri, &dated)
    {
        return parsed;
    }
    let text = own_text(dated.rest);
    let raw = Message { pri, stamp: Some(RawStamp(dated.date)), text, ..Message::raw(line) };
    Parsed::Message(raw)
}

/// A line whose date may be a syslogd's; `None` where what follows says it is a daemon's own.
fn headed<'a>(line: &'a [u8], pri: Option<u8>, dated: &Dated<'a>) -> Option<Parsed<'a>> {
    let Dated { kind, date, rest } = *dated;
    let after = skip_uptime(rest);
    if kind == Kind::Ctime
        && let Some((level, rest)) = level::named(after)
    {
        return Some(message(line, Some(level), Some(date), after_level(rest, b"")));
    }
    let (level, after) = match level::in_angles(after) {
        Some((level, rest)) => (pri.or(level), rest),
        None => (pri, after),
    };
    if kind != Kind::Ctime || pri.is_some() {
        let sure = |head: &Head<'_>| match kind {
            Kind::Iso | Kind::Journal => head.host.is_empty() || by_journal(head),
            _ => true,
        };
        if let Some(head) = tagged(after).filter(sure) {
            return Some(message(line, level, Some(date), in_kernel(level, head)));
        }
        if kind == Kind::Bsd
            && let Some((host, rest)) = word(after)
            && is_host(host)
            && let Some((level, rest)) = level::named(rest)
        {
            let head = after_level(rest, host);
            return Some(message(line, Some(pri.unwrap_or(level)), Some(date), head));
        }
        // A template of one's own may put the level before the host.
        if kind == Kind::Bsd
            && let Some((level, rest)) = level::named(after)
            && let Some(head) = tagged(rest)
        {
            return Some(message(line, Some(pri.unwrap_or(level)), Some(date), head));
        }
        if let Some(head) = tight(after) {
            return Some(message(line, level, Some(date), head));
        }
    }
    let by_syslogd = kind == Kind::Bsd || pri.is_some();
    if by_syslogd && let Some(times) = repeat::last_message(after) {
        return Some(Parsed::Repeated(times));
    }
    let by_name = kind != Kind::Journal && date.first().is_some_and(u8::is_ascii_alphabetic);
    if let Some(head) = metalog(after).filter(|_| by_name) {
        return Some(message(line, level, Some(date), head));
    }
    pri?;
    Some(message(line, level, Some(date), Head { text: after, ..Head::default() }))
}

/// Whether the tag says that a syslogd or the journal wrote it: the pid is known of all but the kernel.
fn by_journal(head: &Head<'_>) -> bool {
    !head.pid.is_empty() || head.app == b"kernel"
}

/// `[ 1234.567890] gw sshd[123]: text` of `journalctl -o short-monotonic`, time since boot. The kernel's own
/// records start so too, but name no host and no pid.
fn monotonic(line: &[u8]) -> Option<Head<'_>> {
    let rest = uptime(line)?.strip_prefix(b" ")?;
    tagged(rest).filter(|head| !head.host.is_empty() && by_journal(head))
}

/// A line that starts with no date: with `<PRI>` a message that came by socket, else the journal's or a daemon's own
/// line.
fn undated<'a>(line: &'a [u8], pri: Option<u8>, rest: &'a [u8]) -> Parsed<'a> {
    if pri.is_none() {
        if let Some(head) = monotonic(line) {
            return message(line, None, None, head);
        }
        return Parsed::Message(Message { stamp: Some(RawStamp(line)), ..Message::raw(line) });
    }
    let rest = unpadded(rest);
    if let Some(times) = repeat::last_message(rest) {
        return Parsed::Repeated(times);
    }
    let head = match tagged(rest).or_else(|| tight(rest)) {
        Some(head) => in_kernel(pri, head),
        // printk records, as /dev/kmsg and /proc/kmsg give them.
        None if level::is_kernel(pri) && uptime(rest).is_some() => {
            Head { app: b"kernel", text: rest, ..Head::default() }
        }
        None => Head { text: rest, ..Head::default() },
    };
    message(line, pri, None, head)
}

#[inline(always)]
fn message<'a>(line: &'a [u8], pri: Option<u8>, date: Option<&'a [u8]>, head: Head<'a>) -> Parsed<'a> {
    let Head { host, app, pid, text } = head;
    let (times, text) = match text.first() {
        Some(b'm') => repeat::wrapped(text).unwrap_or((1, text)),
        _ => (1, text),
    };
    let stamp = date.map(RawStamp);
    Parsed::Message(Message { line, form: Form::Bsd, pri, stamp, host, app, pid, text, times })
}

/// Takes rsyslog's wrapper off.
fn unwrapped(message: Message<'_>) -> Message<'_> {
    match repeat::wrapped(message.text) {
        Some((times, text)) => Message { times, text, ..message },
        None => message,
    }
}

/// OpenWrt's `log_prefix` stands before `kernel:` as a tag does. Only where the facility says kernel: that is not
/// part of any text, and programs cannot log with it.
#[inline(always)]
fn in_kernel(pri: Option<u8>, mut head: Head<'_>) -> Head<'_> {
    if level::is_kernel(pri)
        && head.pid.is_empty()
        && let Some(rest) = head.text.strip_prefix(b"kernel:")
    {
        (head.app, head.text) = (b"kernel", unpadded(rest));
    }
    head
}

/// The text of a daemon's own line from what follows its date. A colon that no blank follows is the text's own: `::1`.
fn own_text(rest: &[u8]) -> &[u8] {
    rest.strip_prefix(b": ").map_or(rest, unpadded)
}

/// See [`Message::untagged`].
pub(super) fn untag<'a>(message: &Message<'a>) -> Message<'a> {
    let (_, after_pri) = level::pri(message.line);
    let text = dated(after_pri).map_or(after_pri, |dated| dated.rest);
    let text = own_text(text);
    Message { form: Form::Raw, host: b"", app: b"", pid: b"", text, times: 1, ..*message }
}
