//! Lines as syslogds, routers and daemons write them, and lines as attackers do.
mod headed;
mod hostile;
mod plain;
mod raw;
mod repeat;

use super::*;
use crate::time::civil::{Calendar, rfc3339};
use std::string::String;
use std::vec::Vec;

fn message(line: &[u8]) -> Message<'_> {
    match parse(line) {
        Parsed::Message(message) => message,
        Parsed::Repeated(n) => panic!("repeated {n}"),
    }
}

fn utf8(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or("?")
}

/// Cases in two lines each: the log's, and `host|app|pid|text` of it.
fn check(form: Form, pri: Option<u8>, cases: &str) {
    let rows: Vec<&str> = cases.lines().map(str::trim_start).filter(|row| !row.is_empty()).collect();
    for case in rows.chunks(2) {
        let [line, want] = *case else { panic!("{case:?} has no second line") };
        let got = message(line.as_bytes());
        let parts = [got.host, got.app, got.pid, got.text].map(utf8).join("|");
        assert_eq!(parts, want, "{line}");
        assert_eq!((got.form, got.pri, got.times, utf8(got.line)), (form, pri, 1, line), "{line}");
    }
}

/// The stamp as UTC, read on 2 July 2026 in a place two hours east.
fn when(line: &str) -> Option<String> {
    let stamp = message(line.as_bytes()).stamp?.read()?;
    let ms = stamp.epoch_ms(&Calendar::fixed(1_782_950_400_000, 7200))?;
    Some(rfc3339(ms, 0).as_str().into())
}
