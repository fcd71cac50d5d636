//! Replies: lines of JSON. The last line of each has `ok`; before it, `bans` has one line per ban.

use super::json::Writer;
use crate::addr::Prefix;

/// The last line of a reply to a request that was carried out; `count` says how many bans were listed, made or lifted.
pub fn ok(count: Option<u64>, out: &mut dyn FnMut(&[u8])) {
    let mut w = Writer::new(out);
    w.object().key("ok").bool(true);
    if let Some(count) = count {
        w.key("count").u64(count);
    }
    w.end_object().newline();
}

/// The last line of a reply to a request that was carried out, but for what `text` says.
pub fn warned(text: &[u8], out: &mut dyn FnMut(&[u8])) {
    Writer::new(out).object().key("ok").bool(true).key("warning").str(text).end_object().newline();
}

/// The only line of a reply to a request that was refused or failed. `text` may be any bytes.
pub fn error(text: &[u8], out: &mut dyn FnMut(&[u8])) {
    Writer::new(out).object().key("ok").bool(false).key("error").str(text).end_object().newline();
}

/// The reply to `version`.
pub fn version(version: &str, out: &mut dyn FnMut(&[u8])) {
    Writer::new(out)
        .object()
        .key("ok")
        .bool(true)
        .key("version")
        .str(version.as_bytes())
        .end_object()
        .newline();
}

/// A ban as it is shown: times in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanView<'a> {
    /// Whom.
    pub target: Prefix,
    /// By which jail.
    pub jail: &'a str,
    /// From when.
    pub since: i64,
    /// Until when; `None` is permanent.
    pub until: Option<i64>,
    /// How often the target was banned before.
    pub before: u16,
    /// Whether a person banned it.
    pub manual: bool,
}

impl BanView<'_> {
    /// One line.
    pub fn write(&self, out: &mut dyn FnMut(&[u8])) {
        let mut w = Writer::new(out);
        w.object().key("ip").str(self.target.write().as_bytes());
        w.key("jail").str(self.jail.as_bytes()).key("since").i64(self.since);
        w.key("until").option(self.until, |w, t| _ = w.i64(t));
        w.key("before").u64(self.before.into()).key("manual").bool(self.manual);
        w.end_object().newline();
    }
}

/// A table and its fill.
#[derive(Clone, Copy, Debug)]
pub struct TableView<'a> {
    /// Its name, such as `bans`.
    pub name: &'a str,
    /// Entries in use.
    pub used: u64,
    /// Entries there are.
    pub size: u64,
}

/// A jail and what it did.
#[derive(Clone, Copy, Debug)]
pub struct JailView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its filter, or the path of its filter's file.
    pub filter: &'a str,
    /// Whether its failures count.
    pub enabled: bool,
    /// Sources with failures that may still count.
    pub failing: u64,
    /// Failures counted.
    pub failures: u64,
    /// Its bans in force.
    pub banned: u64,
    /// Bans it has decided since the start.
    pub total: u64,
}

/// A source or a sink and how it fares.
#[derive(Clone, Copy, Debug)]
pub struct PeerView<'a> {
    /// What it is, such as `udp` or `nftables`.
    pub kind: &'a str,
    /// Where: an end point, a path or a table; may be empty.
    pub name: &'a str,
    /// Whether it works.
    pub up: bool,
    /// Lines read, or messages sent to the kernel: those that make the table and its sets count too.
    pub count: u64,
    /// What is wrong with it, if anything; any bytes.
    pub error: Option<&'a [u8]>,
}

/// What `status` shows; the daemon implements it. Each method that takes `f` calls it with its rows, in order.
pub trait StatusView {
    /// The version.
    fn version(&self) -> &str;
    /// Seconds since the start.
    fn uptime(&self) -> u64;
    /// The tables.
    fn tables(&self, f: &mut dyn FnMut(TableView<'_>));
    /// The counters: stage, counter, value. Counters of one stage follow each other.
    fn counters(&self, f: &mut dyn FnMut(&str, &str, u64));
    /// The jails.
    fn jails(&self, f: &mut dyn FnMut(JailView<'_>));
    /// The sources.
    fn sources(&self, f: &mut dyn FnMut(PeerView<'_>));
    /// The sinks.
    fn sinks(&self, f: &mut dyn FnMut(PeerView<'_>));
}

/// The reply to `status`, one line: everything, or one jail. An unknown jail is an error line.
pub fn status(view: &dyn StatusView, only: Option<&str>, out: &mut dyn FnMut(&[u8])) {
    if let Some(name) = only {
        let mut found = false;
        view.jails(&mut |jail| found |= jail.name == name);
        if !found {
            // Long enough: a request's jail name has at most 31 bytes.
            let mut text = heapless::Vec::<u8, 64>::new();
            let _ = text.extend_from_slice(b"no such jail: ");
            let _ = text.extend_from_slice(name.as_bytes());
            return error(&text, out);
        }
    }
    let mut w = Writer::new(out);
    w.object().key("ok").bool(true);
    if only.is_none() {
        w.key("version").str(view.version().as_bytes()).key("uptime").u64(view.uptime());
        w.key("tables").object();
        view.tables(&mut |t| {
            w.key(t.name).object().key("used").u64(t.used).key("size").u64(t.size).end_object();
        });
        w.end_object().key("counters").object();
        // Rows are only lent, so the name of the stage is copied to be compared with the next.
        let mut stage = heapless::String::<31, u8>::new();
        view.counters(&mut |of, name, n| {
            if stage != of {
                if !stage.is_empty() {
                    w.end_object();
                }
                w.key(of).object();
                stage.clear();
                let _ = stage.push_str(of);
            }
            w.key(name).u64(n);
        });
        if !stage.is_empty() {
            w.end_object();
        }
        w.end_object();
    }
    w.key("jails").array();
    view.jails(&mut |j| {
        if only.is_none_or(|name| name == j.name) {
            w.object().key("name").str(j.name.as_bytes()).key("filter").str(j.filter.as_bytes());
            w.key("enabled").bool(j.enabled).key("failing").u64(j.failing);
            w.key("failures").u64(j.failures);
            w.key("banned").u64(j.banned).key("total").u64(j.total).end_object();
        }
    });
    w.end_array();
    if only.is_none() {
        w.key("sources").array();
        view.sources(&mut |p| peer(&mut w, p));
        w.end_array().key("sinks").array();
        view.sinks(&mut |p| peer(&mut w, p));
        w.end_array();
    }
    w.end_object().newline();
}

fn peer(w: &mut Writer<'_>, p: PeerView<'_>) {
    w.object().key("kind").str(p.kind.as_bytes()).key("name").str(p.name.as_bytes());
    w.key("up").bool(p.up).key("count").u64(p.count);
    w.key("error").option(p.error, |w, e| _ = w.str(e));
    w.end_object();
}
