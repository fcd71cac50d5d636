//! Files under rotation, truncation and restarts.

use crate::host::poll::Poller;
use crate::host::source::tests::{Dir, Rig};
use crate::host::source::{Cx, Error, READ, SourceId, SourceTally, Spec, State};
use crate::host::sys::Errno;
use crate::time::{Duration, Instant};
use std::format;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::string::String;
use std::time;
use std::vec;
use std::vec::Vec;

fn spec(path: &Path) -> Vec<Spec> {
    vec![Spec::File { path: path.into() }]
}

/// Follows `log` in a new directory, past its first look.
pub(super) fn follow(dir: &Dir, first: Option<&str>) -> (Rig, PathBuf) {
    let log = dir.at("log");
    if let Some(text) = first {
        fs::write(&log, text).unwrap();
    }
    let mut rig = Rig::new(None, &spec(&log));
    rig.rest();
    (rig, log)
}

pub(super) fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// `log` → `log.1` → `log.2` …
fn rotate(log: &Path, kept: u32) {
    let name = |n: u32| PathBuf::from(format!("{}.{n}", log.display()));
    for n in (1..kept).rev() {
        let _ = fs::rename(name(n), name(n + 1));
    }
    fs::rename(log, name(1)).unwrap();
}

pub(super) fn after(rig: &mut Rig, count: usize) {
    rig.until("the lines", |rig| rig.got.len() >= count);
    rig.rest();
}

#[test]
fn a_file_is_begun_at_its_end_and_lines_wait_for_their_newline() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some("old\nbegun "));
    assert!(rig.got.is_empty());
    append(&log, "and ended\nnext\nha");
    after(&mut rig, 2);
    append(&log, "lf\n");
    after(&mut rig, 3);
    assert_eq!(rig.texts(), ["begun and ended", "next", "half"]);
    assert!(rig.got.iter().all(|g| !g.meta.catch_up));
}

#[test]
fn the_tail_of_a_line_too_long_is_no_line() {
    let dir = Dir::new();
    for len in [8191, 8192, 8193, 20_000] {
        let (mut rig, log) = follow(&dir, Some(&format!("first\n{}", "x".repeat(len))));
        append(&log, "tail\nnext\n");
        after(&mut rig, 1);
        assert_eq!(rig.texts(), ["next"], "{len}");
    }
}

#[test]
fn rotation_by_rename_loses_nothing_even_from_a_writer_that_keeps_the_old_file() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some(""));
    let mut old = OpenOptions::new().append(true).open(&log).unwrap();
    old.write_all(b"one\n").unwrap();
    rotate(&log, 3);
    append(&log, "three\n");
    old.write_all(b"two\n").unwrap();
    after(&mut rig, 3);
    assert_eq!(rig.texts(), ["one", "two", "three"]);
    old.write_all(b"late\n").unwrap();
    after(&mut rig, 4);
    append(&log, "four\n");
    after(&mut rig, 5);
    assert_eq!(rig.texts()[3..], ["late", "four"]);
    assert_eq!((rig.tally(0).rotated.get(), rig.state(0)), (1, State::Up(2)));
    rig.ahead = Duration::from_secs(61);
    rig.until("the close", |rig| rig.state(0) == State::Up(1));
    // Long closed, it is renamed on and must not be taken for a new one.
    rotate(&log, 3);
    append(&log, "five\n");
    after(&mut rig, 6);
    assert_eq!(rig.texts()[5..], ["five"]);
}

#[test]
fn files_that_bore_the_name_between_two_looks_are_found() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some(""));
    for n in 0..6 {
        append(&log, &format!("line {n}\n"));
        rotate(&log, 9);
    }
    append(&log, "line 6\n");
    after(&mut rig, 7);
    let want: Vec<String> = (0..7).map(|n| format!("line {n}")).collect();
    assert_eq!(rig.texts(), want);
    assert_eq!(rig.tally(0).untraced.get(), 0);
}

#[test]
fn a_rotated_file_gone_before_it_was_seen_is_counted() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some(""));
    rotate(&log, 9);
    rig.rest();
    append(&log, "lost\n");
    rotate(&log, 9);
    fs::remove_file(dir.at("log.1")).unwrap();
    append(&log, "kept\n");
    after(&mut rig, 1);
    assert_eq!(rig.texts(), ["kept"]);
    assert_eq!(rig.tally(0).untraced.get(), 1);
}

#[test]
fn a_rotated_file_that_was_open_is_not_counted_as_lost() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some(""));
    for n in 1..=5 {
        append(&log, "line\n");
        after(&mut rig, n);
        // All of it between two looks.
        rotate(&log, 9);
        append(&log, "");
        fs::remove_file(dir.at("log.1")).unwrap();
        rig.rest();
    }
    assert_eq!((rig.got.len(), rig.tally(0).untraced.get()), (5, 0));
}

#[test]
fn a_directory_that_is_gone_is_noticed_while_a_file_in_it_is_still_open() {
    let dir = Dir::new();
    fs::create_dir(dir.at("a")).unwrap();
    let log = dir.at("a/log");
    let mut rig = Rig::new(None, &spec(&log));
    rig.rest();
    // By inotify: the regular look comes after ten seconds, and nothing here waits.
    for n in 1..=4 {
        append(&log, "line\n");
        rig.rest();
        assert_eq!(rig.got.len(), n);
        fs::remove_file(&log).unwrap();
        rig.rest();
        fs::remove_dir(dir.at("a")).unwrap();
        rig.rest();
        fs::create_dir(dir.at("a")).unwrap();
        rig.rest();
    }
    // A symlink to a directory is changed for another.
    fs::remove_dir(dir.at("a")).unwrap();
    for (n, real) in [(5, "b"), (6, "c")] {
        fs::create_dir(dir.at(real)).unwrap();
        std::os::unix::fs::symlink(real, dir.at("new")).unwrap();
        fs::rename(dir.at("new"), dir.at("a")).unwrap();
        rig.rest();
        append(&log, "line\n");
        rig.rest();
        assert_eq!(rig.got.len(), n, "{real}");
    }
}

#[test]
fn a_file_whose_directory_does_not_exist_yet_is_read_from_its_start() {
    let dir = Dir::new();
    let log = dir.at("a/b/log");
    let mut rig = Rig::new(None, &spec(&log));
    rig.rest();
    assert!(matches!(rig.state(0), State::Waiting(_)));
    fs::create_dir_all(dir.at("a/b")).unwrap();
    append(&log, "first\n");
    after(&mut rig, 1);
    fs::remove_dir_all(dir.at("a")).unwrap();
    rig.until("the loss", |rig| matches!(rig.state(0), State::Waiting(_)));
    fs::create_dir_all(dir.at("a/b")).unwrap();
    rig.rest();
    append(&log, "second\n");
    after(&mut rig, 2);
    assert_eq!(rig.texts(), ["first", "second"]);
    // By inotify, not by the regular look: the clock was not put forward ten seconds.
    assert!(rig.got.iter().all(|g| !g.meta.catch_up));
}

#[test]
fn symlinks_are_followed_and_their_change_seen() {
    let dir = Dir::new();
    fs::create_dir(dir.at("real")).unwrap();
    fs::write(dir.at("real/a"), "").unwrap();
    std::os::unix::fs::symlink("real/a", dir.at("log")).unwrap();
    let (mut rig, log) = follow(&dir, None);
    append(&log, "one\n");
    after(&mut rig, 1);
    rotate(&dir.at("real/a"), 2);
    append(&log, "two\n");
    after(&mut rig, 2);
    fs::write(dir.at("real/b"), "three\n").unwrap();
    std::os::unix::fs::symlink("real/b", dir.at("new")).unwrap();
    fs::rename(dir.at("new"), &log).unwrap();
    after(&mut rig, 3);
    append(&dir.at("real/b"), "four\n");
    after(&mut rig, 4);
    assert_eq!(rig.texts(), ["one", "two", "three", "four"]);
}

#[test]
fn truncation_starts_again_even_when_the_file_has_grown_past_the_old_end() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some(""));
    append(&log, "one, a line of some length\nhalf");
    after(&mut rig, 1);
    File::create(&log).unwrap();
    rig.until("the truncation", |rig| rig.tally(0).truncated.get() == 1);
    append(&log, "two\n");
    after(&mut rig, 2);
    let long = format!("three, {}\n", "longer than before ".repeat(9));
    fs::write(&log, &long).unwrap();
    after(&mut rig, 3);
    assert_eq!(rig.texts(), ["one, a line of some length", "two", long.trim_end_matches('\n')]);
    assert_eq!((rig.tally(0).truncated.get(), rig.tally(0).partial.get()), (2, 1));
}

/// Puts a file of this text in the place of `log`, as `sed -i` does.
fn replace(log: &Path, text: &str) {
    let new = log.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, log).unwrap();
}

#[test]
fn a_file_written_anew_goes_on_where_it_was() {
    let lines = |from: usize, to: usize| -> String {
        (from..to).map(|n| format!("line {n} {}\n", "x".repeat(n % 50))).collect()
    };
    for (what, anew) in [
        ("as it was", lines(0, 3000)),
        ("without a line", lines(0, 1000) + &lines(1001, 3000)),
        ("the last lines", lines(2900, 3000)),
        ("with more", lines(0, 3000) + "more\n"),
        ("without a line, with more", lines(0, 7) + &lines(8, 3000) + "more\n"),
    ] {
        let dir = Dir::new();
        let (mut rig, log) = follow(&dir, Some(&lines(0, 2000)));
        append(&log, &lines(2000, 2990));
        after(&mut rig, 990);
        // Some lines are not read yet, and one is not whole.
        append(&log, &lines(2990, 3000));
        append(&log, "be");
        replace(&log, &if what == "as it was" { anew + "be" } else { anew });
        after(&mut rig, 1000);
        append(&log, if what == "as it was" { "gun\n" } else { "begun\n" });
        append(&log, "next\n");
        let want: &[&str] =
            if what.ends_with("more") { &["more", "begun", "next"] } else { &["begun", "next"] };
        after(&mut rig, 1000 + want.len());
        let texts = rig.texts();
        assert_eq!(texts[..1000].join("\n") + "\n", lines(2000, 3000), "{what}");
        assert_eq!(&texts[1000..], want, "{what}");
    }
}

#[test]
fn lines_that_came_while_a_file_was_written_anew_are_read_once() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some(""));
    let text = "a line of some length\n".repeat(99) + "the last\n";
    append(&log, &text);
    after(&mut rig, 100);
    append(&log, "late\n");
    replace(&log, &text);
    after(&mut rig, 101);
    append(&log, "next\n");
    after(&mut rig, 102);
    assert_eq!(rig.texts()[100..], ["late", "next"]);
}

#[test]
fn another_file_in_the_place_of_the_first_is_read_whole() {
    for (first, then) in [
        ("", "one\n"),
        ("two\n", "one\ntwo\n"),
        ("two\n", "twenty-two\n"),
        ("half", "half\n"),
        (&"a line\n".repeat(99), &"another\n".repeat(99)),
        (&("a line\n".repeat(50) + "end\n"), &"a line\n".repeat(20)),
    ] {
        let dir = Dir::new();
        let (mut rig, log) = follow(&dir, Some(first));
        replace(&log, then);
        after(&mut rig, then.lines().count());
        assert_eq!(rig.texts(), then.lines().collect::<Vec<_>>(), "{first}");
    }
}

#[test]
fn lines_of_a_young_file_are_fresh_also_where_they_are_read_late() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some("past\n"));
    let fresh = |rig: &mut Rig| -> Vec<bool> { rig.got.drain(..).map(|g| g.meta.fresh).collect() };
    append(&log, "one\n");
    after(&mut rig, 1);
    assert_eq!(fresh(&mut rig), [false], "the file at the start is not");
    // A rotation, then a truncation, each with lines that come a moment later.
    rotate(&log, 2);
    for round in 0..2 {
        append(&log, "");
        rig.until("the file", |rig| {
            rig.tally(0).rotated.get() == 1 && rig.tally(0).truncated.get() == round
        });
        rig.rest();
        append(&log, "two\n");
        after(&mut rig, 1);
        assert_eq!(fresh(&mut rig), [true]);
        // More than is read at once: the rest is read when the file is no longer young.
        append(&log, &"x\n".repeat(READ));
        rig.until("a part of it", |rig| !rig.got.is_empty());
        rig.ahead = rig.ahead + Duration::from_secs(11);
        after(&mut rig, READ);
        assert_eq!(fresh(&mut rig), [true; READ]);
        append(&log, "three\n");
        after(&mut rig, 1);
        assert_eq!(fresh(&mut rig), [false]);
        File::create(&log).unwrap();
    }
}

#[test]
fn the_hole_of_a_writer_that_keeps_its_offset_is_skipped() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some(""));
    let mut writer = OpenOptions::new().write(true).open(&log).unwrap();
    let line = format!("{}\n", "x".repeat(999));
    for _ in 0..300 {
        writer.write_all(line.as_bytes()).unwrap();
    }
    after(&mut rig, 300);
    File::create(&log).unwrap();
    rig.until("the truncation", |rig| rig.tally(0).truncated.get() == 1);
    writer.write_all(b"after the hole\n").unwrap();
    after(&mut rig, 301);
    assert_eq!(rig.got[300].line, "after the hole");
}

#[test]
fn a_restart_goes_on_where_it_stopped() {
    let dir = Dir::new();
    let (log, state) = (dir.at("log"), dir.at("state"));
    fs::write(&log, "before\n").unwrap();
    let start = || {
        let mut rig = Rig::new(Some(&state), &spec(&log));
        rig.rest();
        rig
    };
    let mut rig = start();
    append(&log, "one\nunfini");
    after(&mut rig, 1);
    rig.sources.stop();
    assert!(fs::read_to_string(&state).unwrap().ends_with(&format!(" {}\n", log.display())));

    append(&log, "shed\ntwo\n");
    let mut rig = start();
    assert_eq!(rig.texts(), ["unfinished", "two"]);
    assert!(rig.got.iter().all(|g| g.meta.catch_up));
    append(&log, "three\n");
    after(&mut rig, 3);
    assert!(!rig.got[2].meta.catch_up);
    rig.sources.stop();

    // Rotated while down: the rest of the old file, then the new one.
    append(&log, "four\n");
    rotate(&log, 2);
    append(&log, "five\n");
    let mut rig = start();
    assert_eq!(rig.texts(), ["four", "five"]);
    assert!(rig.got.iter().all(|g| g.meta.catch_up));
    rig.sources.stop();

    // Rotated, and nothing new yet.
    append(&log, "six\n");
    rotate(&log, 2);
    let mut rig = start();
    assert_eq!(rig.texts(), ["six"]);
    append(&log, "seven\n");
    after(&mut rig, 2);
    rig.sources.stop();

    // The same inode with other content, as long as the old.
    fs::write(&log, "SEVEN\n").unwrap();
    assert_eq!(start().texts(), ["SEVEN"]);
}

#[test]
fn a_damaged_state_file_is_no_state() {
    let dir = Dir::new();
    let (log, state) = (dir.at("log"), dir.at("state"));
    fs::write(&log, "before\n").unwrap();
    for text in ["", "\n\n", "1 2 3", "x y z a /log\n", "99999999999999999999 1 1 1 /x\n", "\0\u{ff}"] {
        fs::write(&state, text).unwrap();
        let mut rig = Rig::new(Some(&state), &spec(&log));
        rig.rest();
        assert!(rig.got.is_empty(), "{text}");
    }
    let forged = format!("1 2 {} 0 {}\n", u64::MAX, log.display());
    fs::write(&state, forged).unwrap();
    let mut rig = Rig::new(Some(&state), &spec(&log));
    rig.rest();
    assert!(rig.got.iter().all(|g| g.meta.catch_up));
}

#[test]
fn the_state_is_written_soon_then_once_a_minute_and_only_when_it_changes() {
    let dir = Dir::new();
    let (log, state) = (dir.at("log"), dir.at("state"));
    fs::write(&log, "").unwrap();
    let mut rig = Rig::new(Some(&state), &spec(&log));
    rig.rest();
    rig.ahead = Duration::from_secs(2);
    rig.rest();
    assert!(state.exists());
    fs::remove_file(&state).unwrap();
    append(&log, "one\n");
    after(&mut rig, 1);
    assert!(!state.exists());
    rig.ahead = Duration::from_secs(63);
    rig.rest();
    assert!(state.exists());
    fs::remove_file(&state).unwrap();
    rig.ahead = Duration::from_secs(124);
    rig.rest();
    assert!(!state.exists());
}

#[test]
fn a_file_that_two_sources_name_is_read_for_the_first() {
    let dir = Dir::new();
    let log = dir.at("a.log");
    fs::write(&log, "past\n").unwrap();
    std::os::unix::fs::symlink(&log, dir.at("link")).unwrap();
    let specs = ["a.log", "*.log", "link"].map(|name| Spec::File { path: dir.at(name) });
    let mut rig = Rig::new(None, &specs);
    rig.rest();
    append(&log, "one\n");
    after(&mut rig, 1);
    for (id, path) in [(1, &log), (2, &dir.at("link"))] {
        assert_eq!(rig.state(id), State::Waiting(Error::Twice(path.clone())));
    }
    // A new file of the name stays the first one's, whoever sees it first.
    rotate(&log, 2);
    rig.rest();
    append(&log, "two\n");
    after(&mut rig, 2);
    append(&log, "three\n");
    after(&mut rig, 3);
    assert_eq!([0, 1, 2].map(|id| rig.tally(id).lines.get()), [3, 0, 0]);
    rig.ahead = Duration::from_secs(2);
    rig.rest();
    // The others go on where the first one ended, whatever is written until they look.
    let specs = [spec(&dir.at("other")).remove(0), specs[1].clone(), specs[2].clone()];
    append(&log, "begun ");
    rig.rest();
    let Rig { poller, sources, .. } = &mut rig;
    sources.apply(poller, &specs, crate::host::clock::now(), |_| {});
    append(&log, "before\nfour\n");
    rig.ahead = Duration::from_secs(13);
    after(&mut rig, 5);
    append(&log, "five\n");
    after(&mut rig, 6);
    assert_eq!(rig.texts(), ["one", "two", "three", "begun before", "four", "five"]);
}

#[test]
fn a_new_file_is_read_from_its_start_where_the_source_of_the_old_one_has_left() {
    let dir = Dir::new();
    let (log, link) = (dir.at("log"), dir.at("link"));
    fs::write(&log, "past\n").unwrap();
    std::os::unix::fs::symlink(&log, &link).unwrap();
    let mut rig = Rig::new(None, &[spec(&log), spec(&link)].concat());
    rig.rest();
    // The second name leads to a file of its own.
    append(&dir.at("new"), "one\n");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(dir.at("new"), &link).unwrap();
    rig.rest();
    assert!(rig.got.is_empty(), "it might be the first one's");
    rig.ahead = Duration::from_secs(2);
    after(&mut rig, 1);
    assert_eq!((rig.texts(), rig.state(1)), (vec!["one"], State::Up(1)));
}

#[test]
fn the_folder_of_the_state_is_made_where_it_is_gone() {
    let dir = Dir::new();
    let (log, state) = (dir.at("log"), dir.at("a/state"));
    fs::write(&log, "").unwrap();
    let mut rig = Rig::new(Some(&state), &spec(&log));
    rig.rest();
    append(&log, "one\n");
    after(&mut rig, 1);
    // There from the start; a file is in its place at the first save, and at the second one nothing.
    fs::remove_dir(dir.at("a")).unwrap();
    fs::write(dir.at("a"), "").unwrap();
    rig.ahead = Duration::from_secs(61);
    rig.rest();
    fs::remove_file(dir.at("a")).unwrap();
    rig.ahead = Duration::from_secs(122);
    rig.rest();
    assert!(state.exists());
}

#[test]
fn without_inotify_the_file_is_looked_at_every_half_second() {
    let dir = Dir::new();
    let log = dir.at("log");
    let poller = Poller::new().unwrap();
    let mut source = super::FileSource::new(None, &log, Vec::new());
    let (mut now, mut tally, mut lines) = (Instant::ZERO, SourceTally::default(), Vec::new());
    let mut buf = vec![0; READ];
    for step in 0..8 {
        match step {
            1 => append(&log, "one\n"),
            3 => append(&log, "two\n"),
            5 => {
                append(&log, "three\n");
                rotate(&log, 2);
                append(&log, "four\n");
            }
            _ => {}
        }
        loop {
            source.turn(&mut Cx {
                poller: &poller,
                id: SourceId(0),
                now,
                buf: &mut buf,
                tally: &mut tally,
                emit: &mut |_, _, line, _| lines.push(String::from_utf8_lossy(line).into_owned()),
            });
            if !source.pending() {
                break;
            }
        }
        assert!(source.deadline().since(now) <= Duration::from_millis(500));
        now = now + Duration::from_millis(500);
    }
    assert_eq!(lines, ["one", "two", "three", "four"]);
}

#[test]
fn what_is_no_file_is_refused_with_its_name() {
    let dir = Dir::new();
    fs::create_dir(dir.at("log")).unwrap();
    let (mut rig, log) = follow(&dir, None);
    assert_eq!(rig.state(0), State::Waiting(Error::Kind(log.clone())));
    fs::remove_dir(&log).unwrap();
    append(&log, "a file now\n");
    after(&mut rig, 1);
}

/// Makes this thread alone an unprivileged one for files (setfsuid(2)), for as long as it lives.
pub(super) struct Unprivileged;

impl Unprivileged {
    pub(super) fn new() -> Self {
        // SAFETY: takes no pointer. Fails for who is no root, and then is not needed.
        unsafe { libc::syscall(libc::SYS_setfsuid, 65_534) };
        Self
    }
}

impl Drop for Unprivileged {
    fn drop(&mut self) {
        // SAFETY: takes no pointer.
        unsafe { libc::syscall(libc::SYS_setfsuid, libc::geteuid()) };
    }
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_read_once_it_may() {
    let dir = Dir::new();
    let log = dir.at("log");
    fs::write(&log, "past\n").unwrap();
    fs::set_permissions(&log, Permissions::from_mode(0o000)).unwrap();
    let mut rig = Rig::new(None, &spec(&log));
    let denied = Unprivileged::new();
    rig.rest();
    drop(denied);
    let State::Waiting(error) = rig.state(0) else { panic!("{:?}", rig.state(0)) };
    assert_eq!(error, Error::Path(log.clone(), Errno::ACCES));
    assert_eq!(format!("{error}"), format!("{}: Permission denied (os error 13)", log.display()));
    let mut writer = OpenOptions::new();
    let written = writer.append(true).open(&log).and_then(|mut f| f.write_all(b"meanwhile\n")).is_ok();
    fs::set_permissions(&log, Permissions::from_mode(0o644)).unwrap();
    let _denied = Unprivileged::new();
    rig.until("the opening", |rig| rig.state(0) == State::Up(1));
    rig.rest();
    assert_eq!(rig.texts(), if written { vec!["meanwhile"] } else { vec![] });
    assert!(rig.got.iter().all(|g| g.meta.catch_up));
}

/// Writes `LINES` numbered lines to `log`, which is rotated ten times meanwhile, and reads them all.
fn a_million(first: Option<&str>) {
    // Where the tests run emulated, a million take minutes.
    const LINES: usize = if cfg!(target_endian = "big") { 44_000 } else { 1_000_000 };
    const CHUNK: usize = 1_000;
    const PART: usize = LINES / CHUNK / 11;
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, first);
    let writer = std::thread::spawn(move || {
        let mut text = Vec::new();
        for chunk in 0..LINES / CHUNK {
            if chunk % PART == 0 && (1..=10).contains(&(chunk / PART)) {
                rotate(&log, 12);
            }
            text.clear();
            for n in chunk * CHUNK..(chunk + 1) * CHUNK {
                writeln!(text, "Nov 22 20:00:00 host app[1]: {n}").unwrap();
            }
            append(&log, core::str::from_utf8(&text).unwrap());
        }
    });
    let mut seen = vec![false; LINES];
    let (mut count, mut in_order, mut last) = (0, 0, 0);
    let end = time::Instant::now() + time::Duration::from_secs(100);
    while count < LINES {
        assert!(time::Instant::now() < end, "{count} lines, {:?}", rig.tally(0));
        rig.turn_with(&mut |_, _, line, _| {
            let n = line.rsplit(|&b| b == b' ').next().unwrap();
            let n: usize = n.iter().fold(0, |n, b| n * 10 + usize::from(b - b'0'));
            assert!(!core::mem::replace(&mut seen[n], true), "{n} came twice");
            in_order += usize::from(n >= last);
            last = n;
            count += 1;
        });
    }
    writer.join().unwrap();
    let tally = rig.tally(0);
    assert_eq!((tally.lines.get(), tally.rotated.get()), (LINES as u64, 10));
    assert_eq!((tally.partial.get(), tally.overlong.get(), tally.untraced.get()), (0, 0, 0));
    assert!(in_order >= LINES - 10);
}

#[test]
fn a_million_lines_through_ten_rotations_are_all_counted() {
    a_million(Some("from before\n"));
}

#[test]
fn a_million_lines_of_a_file_created_late_are_all_counted() {
    a_million(None);
}
