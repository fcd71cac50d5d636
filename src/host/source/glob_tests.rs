//! Patterns over real directories.

use super::glob::MOST;
use super::tests::{Dir, Rig};
use super::{Error, Spec, State};
use crate::time::Duration;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::vec::Vec;
use std::{format, vec};

fn spec(dir: &Dir, pattern: &str) -> Vec<Spec> {
    vec![Spec::File { path: dir.at(pattern) }]
}

fn append(path: &Path, text: &str) {
    File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn until(rig: &mut Rig, what: &str, texts: &[&str]) {
    rig.until(what, |rig| rig.got.len() >= texts.len());
    rig.rest();
    assert_eq!(rig.texts(), texts, "{what}");
}

#[test]
fn every_file_is_followed_new_ones_from_their_start_and_rotations() {
    let dir = Dir::new();
    for vhost in ["a", "b"] {
        fs::create_dir(dir.at(vhost)).unwrap();
        append(&dir.at(vhost).join("error.log"), "past\n");
        append(&dir.at(vhost).join("access.log"), "another's\n");
    }
    let mut rig = Rig::new(None, &spec(&dir, "*/error.log"));
    rig.turn();
    assert_eq!(rig.state(0), State::Up(2));
    append(&dir.at("b/error.log"), "one\n");
    until(&mut rig, "an old file", &["one"]);
    append(&dir.at("a/error.log"), "two\n");
    until(&mut rig, "another", &["one", "two"]);
    assert_ne!(rig.got[0].stream, rig.got[1].stream, "each is a stream of its own");

    // A directory with a file in it, and one that gets its file later.
    fs::create_dir(dir.at("new")).unwrap();
    append(&dir.at("new/error.log"), "three\n");
    fs::rename(dir.at("new"), dir.at("c")).unwrap();
    until(&mut rig, "a new one", &["one", "two", "three"]);
    assert!(rig.got[2].meta.catch_up, "its stamp says when");

    // Rotated: what follows into the old inode, and the new file.
    fs::rename(dir.at("a/error.log"), dir.at("a/error.log.1")).unwrap();
    append(&dir.at("a/error.log.1"), "four\n");
    append(&dir.at("a/error.log"), "five\n");
    until(&mut rig, "a rotation", &["one", "two", "three", "four", "five"]);

    // Gone for good, its place is free again.
    fs::remove_dir_all(dir.at("b")).unwrap();
    rig.ahead = Duration::from_secs(11);
    rig.turn();
    rig.rest();
    rig.ahead = Duration::from_secs(90);
    rig.until("one file less", |rig| rig.state(0) == State::Up(2));
}

#[test]
fn a_line_counts_once_whatever_names_its_file_has() {
    let dir = Dir::new();
    append(&dir.at("x.log"), "");
    std::os::unix::fs::symlink("x.log", dir.at("current.log")).unwrap();
    fs::hard_link(dir.at("x.log"), dir.at("y.log")).unwrap();
    let mut rig = Rig::new(None, &spec(&dir, "*"));
    rig.turn();
    append(&dir.at("x.log"), "one\n");
    until(&mut rig, "one line", &["one"]);
    // Renamed by hand to a name that the pattern names too, and the old one is begun anew.
    fs::rename(dir.at("x.log"), dir.at("x-before.log")).unwrap();
    append(&dir.at("x.log"), "two\n");
    until(&mut rig, "what came then", &["one", "two"]);
    rig.ahead = Duration::from_secs(15);
    rig.turn();
    rig.rest();
    assert_eq!(rig.texts(), ["one", "two"]);
}

#[test]
fn a_file_that_appears_and_is_not_written_to_is_the_past() {
    let dir = Dir::new();
    append(&dir.at("a.log"), "");
    let mut rig = Rig::new(None, &spec(&dir, "*.log"));
    rig.turn();
    let old = dir.at("restored");
    append(&old, "old\n");
    let file = File::options().write(true).open(&old).unwrap();
    file.set_modified(std::time::SystemTime::now() - core::time::Duration::from_secs(3600)).unwrap();
    fs::rename(&old, dir.at("b.log")).unwrap();
    rig.until("both files", |rig| rig.state(0) == State::Up(2));
    rig.rest();
    append(&dir.at("b.log"), "new\n");
    until(&mut rig, "the new line alone", &["new"]);
}

#[test]
fn a_pattern_without_files_waits_and_says_so() {
    let dir = Dir::new();
    let specs = spec(&dir, "later/*.log");
    let mut rig = Rig::new(None, &specs);
    rig.turn();
    assert_eq!(rig.state(0), State::Waiting(Error::NoMatch(dir.at("later/*.log"))));
    fs::create_dir(dir.at("later")).unwrap();
    append(&dir.at("later/a.log"), "one\n");
    // Nothing tells of a directory above the pattern; the regular look does.
    rig.ahead = Duration::from_secs(11);
    until(&mut rig, "its first line", &["one"]);
}

#[test]
fn a_restart_goes_on_in_each_file() {
    let dir = Dir::new();
    let state = dir.at("state");
    let specs = spec(&dir, "*.log");
    for name in ["a.log", "b.log"] {
        append(&dir.at(name), "past\n");
    }
    let mut rig = Rig::new(Some(&state), &specs);
    rig.turn();
    rig.sources.stop();
    append(&dir.at("a.log"), "one\n");
    append(&dir.at("b.log"), "two\n");
    fs::rename(dir.at("b.log"), dir.at("b.log.1")).unwrap();
    let mut rig = Rig::new(Some(&state), &specs);
    rig.until("what was missed", |rig| rig.got.len() == 2);
    rig.rest();
    let mut texts = rig.texts();
    texts.sort_unstable();
    assert_eq!(texts, ["one", "two"]);
    assert!(rig.got.iter().all(|got| got.meta.catch_up));
}

#[test]
fn a_pattern_may_lead_up() {
    let dir = Dir::new();
    fs::create_dir(dir.at("a")).unwrap();
    let mut rig = Rig::new(None, &spec(&dir, "a/../*.log"));
    rig.turn();
    append(&dir.at("one.log"), "a line\n");
    until(&mut rig, "the file", &["a line"]);
}

#[test]
fn too_many_files_are_counted() {
    let dir = Dir::new();
    for n in 0..MOST + 3 {
        append(&dir.at(&format!("{n:03}.log")), "");
    }
    let mut rig = Rig::new(None, &spec(&dir, "*.log"));
    rig.turn();
    assert_eq!((rig.state(0), rig.tally(0).unfollowed.get()), (State::Up(MOST), 3));
    rig.ahead = Duration::from_secs(11);
    rig.turn();
    assert_eq!(rig.tally(0).unfollowed.get(), 3, "once");
}

#[test]
fn of_too_many_files_those_that_were_read_before_go_on() {
    let dir = Dir::new();
    let state = dir.at("state");
    let specs = spec(&dir, "*.log");
    for n in 0..MOST {
        append(&dir.at(&format!("{n:03}.log")), "past\n");
    }
    let mut rig = Rig::new(Some(&state), &specs);
    rig.turn();
    rig.sources.stop();
    for n in 0..MOST {
        append(&dir.at(&format!("{n:03}.log")), "new\n");
        // Of any order of names, some come before those.
        for m in 0..3 {
            append(&dir.at(&format!("{m}-{n}.log")), "another's\n");
        }
    }
    let mut rig = Rig::new(Some(&state), &specs);
    rig.rest();
    assert_eq!(rig.texts(), ["new"; MOST]);
    assert_eq!(rig.tally(0).unfollowed.get(), 3 * MOST as u64);
}
