//! Runs the real binary, and makes a folder that is removed when the test is over.

use edgeban::host::value::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The result of a run of the binary.
pub(crate) struct Run {
    /// Exit code; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Run {
    /// Each line of the output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| Value::parse(line).unwrap_or_else(|| panic!("not JSON: {line}")))
            .collect()
    }

    /// Fails the test unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "out: {}\nerr: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// Fails the test unless standard error has `text`.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no '{text}' in: {}", self.err);
        self
    }
}

/// The binary with these words, in a known environment.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgeban"));
    command.args(words).env("TZ", "UTC0").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn edgeban(words: &[&str]) -> Run {
    run(command(words), b"")
}

/// Runs it to its end, with `input` on its standard input.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    let output = std::thread::scope(|scope| {
        // The binary may end before it has read everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("it ends")
    });
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8 whatever the input");
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A new folder below the system's temporary one.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// One that only the test `name` of this process uses.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("edgeban-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    /// The path of `name` in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes the file `name`, last changed on 2026-11-20 at noon, and returns its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a file");
        let changed = std::time::UNIX_EPOCH + core::time::Duration::from_secs(1_795_176_000);
        let file = std::fs::File::options().write(true).open(Path::new(&path)).expect("the file");
        file.set_modified(changed).expect("its time");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The names of an object's members, in order.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    value.members().iter().map(|(name, _)| name.as_str()).collect()
}
