//! Replies as text for people: aligned columns, durations as `1h23m`.
//!
//! Names and messages may carry hostile bytes: control characters and characters that change the direction of writing
//! are shown as `?`, so that no terminal obeys them.

use super::value::Value;
use crate::addr::Prefix;
use crate::time::Duration;
use core::cmp::Reverse;
use std::collections::BinaryHeap;
use std::format;
use std::io::{self, Write};
use std::string::{String, ToString};
use std::vec::Vec;

/// Text that is safe on a terminal.
pub fn plain(text: &str) -> String {
    let unsafe_char = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if unsafe_char(c) { '?' } else { c }).collect()
}

/// Rows in aligned columns under a head; columns whose name starts with `>` are aligned to the right.
pub fn table(out: &mut dyn Write, indent: &str, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let names: Vec<String> = head.iter().map(|h| h.trim_start_matches('>').to_string()).collect();
    let rows: Vec<Vec<String>> =
        core::iter::once(names).chain(rows.iter().map(|r| r.iter().map(|c| plain(c)).collect())).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|i| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0))
        .collect();
    for row in &rows {
        let mut line = String::from(indent);
        for ((cell, width), head) in row.iter().zip(&widths).zip(head) {
            let pad = " ".repeat(width - cell.chars().count().min(*width));
            let (before, after) =
                if head.starts_with('>') { (pad.as_str(), "") } else { ("", pad.as_str()) };
            line.extend([before, cell, after, "  "]);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn span(secs: i64) -> String {
    let secs = u64::try_from(secs.max(0)).unwrap_or(u64::MAX);
    Duration::from_secs(secs).write().as_str().to_string()
}

fn number(value: Option<&Value>) -> i64 {
    value.and_then(Value::number).unwrap_or(0)
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).map(Value::text).unwrap_or("").to_string()
}

/// The bans of a reply; `now` is in seconds since 1970.
pub fn bans(out: &mut dyn Write, bans: &[Value], now: i64) -> io::Result<()> {
    if bans.is_empty() {
        return writeln!(out, "Nobody is banned.");
    }
    // By address: the daemon lists them in no order.
    // (A heap, since another sort is ten kilobytes of code.)
    let key = |(at, ban): (usize, &Value)| {
        let target = Prefix::parse(text(ban, "ip").as_bytes());
        Reverse((target.map(|t| (!t.is_v4(), t)), at))
    };
    let mut order: BinaryHeap<_> = bans.iter().enumerate().map(key).collect();
    let rows: Vec<Vec<String>> = core::iter::from_fn(|| order.pop())
        .filter_map(|Reverse((_, at))| bans.get(at))
        .map(|ban| {
            let until = ban.get("until").and_then(Value::number);
            let by = text(ban, "jail")
                + if ban.get("manual").is_some_and(Value::is_true) { " (by hand)" } else { "" };
            [
                text(ban, "ip"),
                by,
                format!("{} ago", span(now.saturating_sub(number(ban.get("since"))))),
                until.map_or_else(
                    || "permanent".to_string(),
                    |t| format!("{} left", span(t.saturating_sub(now))),
                ),
                number(ban.get("before")).to_string(),
            ]
            .into()
        })
        .collect();
    table(out, "", &["ADDRESS", "JAIL", ">SINCE", ">UNTIL", ">BEFORE"], &rows)
}

/// A reply to `status`.
pub fn status(out: &mut dyn Write, status: &Value) -> io::Result<()> {
    if let Some(version) = status.get("version") {
        writeln!(out, "edgeban {}, up {}", plain(version.text()), span(number(status.get("uptime"))))?;
    }
    if let Some(tables) = status.get("tables") {
        let row = |(name, t): &(String, Value)| {
            let (used, size) = (number(t.get("used")), number(t.get("size")));
            let percent = used.saturating_mul(100).checked_div(size).unwrap_or(0);
            [name.clone(), used.to_string(), size.to_string(), format!("{percent} %")].into()
        };
        let rows: Vec<_> = tables.members().iter().map(row).collect();
        table(out, "", &["TABLE", ">USED", ">SIZE", ">FILL"], &rows)?;
        writeln!(out)?;
    }
    let jail = |j: &Value| {
        let state = if j.get("enabled").is_some_and(Value::is_true) { "on" } else { "off" };
        let count = |name| number(j.get(name)).to_string();
        [
            text(j, "name"),
            text(j, "filter"),
            state.to_string(),
            count("failing"),
            count("failures"),
            count("banned"),
            count("total"),
        ]
        .into()
    };
    let rows: Vec<_> = status.get("jails").map(Value::items).unwrap_or(&[]).iter().map(jail).collect();
    table(out, "", &["JAIL", "FILTER", "STATE", ">FAILING", ">FAILURES", ">BANNED", ">TOTAL"], &rows)?;
    for (name, head, count) in [("sources", "SOURCE", ">LINES"), ("sinks", "SINK", ">MESSAGES")] {
        if let Some(list) = status.get(name) {
            let peer = |p: &Value| {
                let state = if p.get("up").is_some_and(Value::is_true) { "up" } else { "down" };
                let count = number(p.get("count")).to_string();
                [text(p, "kind"), text(p, "name"), state.to_string(), count, text(p, "error")].into()
            };
            let rows: Vec<_> = list.items().iter().map(peer).collect();
            writeln!(out)?;
            table(out, "", &[head, "WHERE", "STATE", count, "ERROR"], &rows)?;
        }
    }
    if let Some(counters) = status.get("counters") {
        let rows: Vec<Vec<String>> = counters
            .members()
            .iter()
            .flat_map(|(stage, of)| {
                of.members().iter().map(move |(name, n)| (stage, name, number(Some(n))))
            })
            .filter(|(_, _, n)| *n != 0)
            .map(|(stage, name, n)| [format!("{stage}.{name}"), n.to_string()].into())
            .collect();
        if !rows.is_empty() {
            writeln!(out)?;
            table(out, "", &["COUNTER", ">EVENTS"], &rows)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bans_are_aligned() {
        let list: Vec<Value> = [
            r#"{"ip":"192.0.2.7","jail":"sshd","since":1000,"until":4600,"before":0,"manual":false}"#,
            r#"{"ip":"2001:db8::/64","jail":"manual","since":99,"until":null,"before":12,"manual":true}"#,
        ]
        .into_iter()
        .map(|t| Value::parse(t).unwrap())
        .collect();
        let expect = "\
ADDRESS        JAIL                    SINCE      UNTIL  BEFORE
192.0.2.7      sshd                   1s ago  59m59s left       0
2001:db8::/64  manual (by hand)  15m2s ago   permanent      12
";
        let text = shown(|out| bans(out, &list, 1001));
        let words = |t: &str| t.split_whitespace().map(String::from).collect::<Vec<_>>();
        assert_eq!(words(&text), words(expect));
        let ends: Vec<_> = text.lines().map(str::len).collect();
        assert!(ends.iter().all(|n| *n == ends[0]), "{text}");
        assert_eq!(shown(|out| bans(out, &[], 0)), "Nobody is banned.\n");
    }

    #[test]
    fn status_shows_what_is_not_zero_and_no_control_characters() {
        let value = Value::parse(
            r#"{"ok":true,"version":"0.1.0","uptime":4980,"tables":{"bans":{"used":1,"size":0}},
            "counters":{"frame":{"lines":5,"overlong":0}},"jails":[{"name":"sshd","filter":"sshd","enabled":true,
            "failures":3,"banned":1,"total":2}],"sources":[],"sinks":[{"kind":"nftables","name":"x","up":false,
            "count":0,"error":"\u001b[2J\u202e no"}]}"#,
        )
        .unwrap();
        let text = shown(|out| status(out, &value));
        assert!(text.starts_with("edgeban 0.1.0, up 1h23m\n"), "{text}");
        assert!(
            text.contains("?[2J? no") && text.contains("frame.lines") && !text.contains("overlong"),
            "{text}"
        );
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    }
}
