//! Files that are the same after a long absence, and files that are others and look the same.

use super::GRACE;
use super::tests::{Unprivileged, after, append, follow};
use crate::host::source::State;
use crate::host::source::tests::Dir;
use crate::time::Duration;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// Longer than a file is kept open that lost its name.
fn long() -> Duration {
    GRACE + Duration::from_secs(1)
}

#[test]
fn a_file_that_was_away_for_long_goes_on_where_it_was() {
    for away in ["log.1", "elsewhere/log"] {
        let dir = Dir::new();
        fs::create_dir(dir.at("elsewhere")).unwrap();
        let (mut rig, log) = follow(&dir, Some(""));
        append(&log, "one\ntwo\n");
        after(&mut rig, 2);
        fs::rename(&log, dir.at(away)).unwrap();
        rig.until("the absence", |rig| rig.state(0) != State::Up(1));
        rig.ahead = long();
        rig.until("its end", |rig| matches!(rig.state(0), State::Waiting(_)));
        rig.rest();
        append(&dir.at(away), "three\n");
        fs::rename(dir.at(away), &log).unwrap();
        rig.until("the return", |rig| rig.state(0) == State::Up(1));
        rig.rest();
        assert_eq!(rig.texts(), ["one", "two", "three"], "{away}");
        // It came without anybody looking.
        assert!(rig.got[2].meta.catch_up);
        append(&log, "four\n");
        after(&mut rig, 4);
    }
}

#[test]
fn a_file_that_could_not_be_read_for_long_goes_on_where_it_was() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some(""));
    append(&log, "one\ntwo\n");
    after(&mut rig, 2);
    fs::set_permissions(&log, Permissions::from_mode(0o000)).unwrap();
    let denied = Unprivileged::new();
    for ahead in [Duration::from_secs(11), long() + Duration::from_secs(11)] {
        rig.ahead = ahead;
        rig.rest();
        assert!(matches!(rig.state(0), State::Waiting(_)));
    }
    drop(denied);
    fs::set_permissions(&log, Permissions::from_mode(0o644)).unwrap();
    rig.until("the return", |rig| rig.state(0) == State::Up(1));
    append(&log, "three\n");
    after(&mut rig, 3);
    assert_eq!(rig.texts(), ["one", "two", "three"]);
}

#[test]
fn a_file_written_anew_is_another_where_only_its_stamps_are() {
    let dir = Dir::new();
    let (mut rig, log) = follow(&dir, Some(""));
    for n in 1..4 {
        let line = |n| {
            std::format!(
                "Nov 22 20:00:0{n} host sshd[7]: Connection closed by 192.0.2.7 port 22 [preauth]\n"
            )
        };
        // As long as before, and it ends with the same words.
        fs::write(&log, line(n)).unwrap();
        after(&mut rig, n);
        assert!(rig.got[n - 1].line.starts_with(line(n).trim_end()));
    }
    assert_eq!(rig.tally(0).truncated.get(), 2);
}
