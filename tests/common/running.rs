//! Processes that a test starts. They are stopped when the test is over, however it ends, and their output is kept.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration as Wait;
use edgeban::host::value::Value;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// One TCP source, one jail. `STATE` stands for a folder of the test's.
pub const CONF: &str = "
config edgeban 'global'
	option state_dir 'STATE'
config source
	option kind 'tcp'
	option listen '127.0.0.1:5514'
config jail 'sshd'
	option filter 'sshd'
	option maxretry '2'
	option bantime '1h'
";

/// A configuration with one file to read.
pub fn file_conf(log: &Path) -> String {
    let source = format!("option kind 'file'\n\toption path '{}'", log.display());
    CONF.replace("option kind 'tcp'\n\toption listen '127.0.0.1:5514'", &source)
}

/// Waits for `done`, at most `secs` seconds, and returns how long it took.
pub fn until(what: &str, secs: u64, mut done: impl FnMut() -> bool) -> Wait {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Wait::from_secs(secs), "not within {secs} s: {what}");
        std::thread::sleep(Wait::from_millis(2));
    }
    start.elapsed()
}

/// A folder that is removed when this is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("edgeban-test-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that is ended when this is dropped, or with the thread that started it.
pub struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        // A group of its own, so that its children go with it.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // SAFETY: prctl(2) is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut stderr = child.stderr.take().expect("a pipe");
        let said = Arc::new(Mutex::new(String::new()));
        let keep = said.clone();
        std::thread::spawn(move || {
            let mut buf = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut buf) {
                keep.lock().expect("a log").push_str(&String::from_utf8_lossy(&buf[..n]));
            }
        });
        Self { child, said }
    }

    /// What it wrote to stderr so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("a log").clone()
    }

    pub fn says(&self, what: &str) {
        let start = Instant::now();
        while !self.said().contains(what) {
            assert!(start.elapsed() < Wait::from_secs(20), "`{what}` is not said:\n{}", self.said());
            std::thread::sleep(Wait::from_millis(2));
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has the file open that `path` names now. A file that lost its name is `PATH (deleted)` there.
    pub fn has_open(&self, path: &Path) -> bool {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("its descriptors");
        open.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|file| file == path))
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: no memory is passed; the child is ours and not waited for yet.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Waits for its end after a signal; its exit code.
    pub fn ends(&mut self) -> Option<i32> {
        let mut status = None;
        until("the end of a process", 20, || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.and_then(|s| s.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: no memory is passed; the group is that of our own child, which is not waited for yet.
        unsafe { libc::kill(-(self.child.id() as i32), libc::SIGKILL) };
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- stderr of process {}:\n{}---", self.child.id(), self.said());
        }
    }
}

/// `edgeban run`, and its control socket.
pub struct Edgeban {
    pub running: Running,
    socket: PathBuf,
}

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_edgeban");

impl Edgeban {
    /// Runs with the configuration `conf`, kept in `folder` as are its socket and state, until it is ready. The
    /// words of `before` come before the program's own.
    pub fn start(folder: &Path, conf: &str, before: &[&str], options: &[&str]) -> Self {
        Self::start_as(Path::new(PROGRAM), folder, conf, before, options)
    }

    /// As [`Edgeban::start`], with the binary at another path.
    pub fn start_as(program: &Path, folder: &Path, conf: &str, before: &[&str], options: &[&str]) -> Self {
        let socket = folder.join("edgeban.sock");
        Self::configure(folder, conf);
        let program = program.to_str().expect("a path");
        let words: Vec<&str> = before.iter().copied().chain([program, "run", "-c"]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(folder.join("edgeban.conf")).arg("-s").arg(&socket).args(options);
        let running = Running::start(&mut command);
        running.says("ready\n");
        Self { running, socket }
    }

    /// Writes the configuration that the next reload reads.
    pub fn configure(folder: &Path, conf: &str) {
        let state = folder.join("state");
        let text = conf.replace("STATE", &state.display().to_string());
        std::fs::write(folder.join("edgeban.conf"), text).expect("a configuration");
    }

    /// A subcommand: whether it went well, and what it printed.
    pub fn ask(&self, words: &[&str]) -> (bool, String) {
        let out = Command::new(PROGRAM).args(words).arg("-s").arg(&self.socket).output().expect("edgeban");
        let text = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Who is banned, sorted.
    pub fn bans(&self) -> Vec<String> {
        let mut bans: Vec<String> =
            self.listed().iter().map(|b| b.get("ip").expect("ip").text().into()).collect();
        bans.sort();
        bans
    }

    /// The lines of `bans --json`.
    pub fn listed(&self) -> Vec<Value> {
        let (good, text) = self.ask(&["bans", "--json"]);
        assert!(good, "{text}");
        let values = text.lines().map(|line| Value::parse(line).unwrap_or_else(|| panic!("{line}")));
        values.filter(|v| v.get("ip").is_some()).collect()
    }

    /// A counter of `status --json`.
    pub fn counter(&self, stage: &str, name: &str) -> i64 {
        let (good, text) = self.ask(&["status", "--json"]);
        assert!(good, "{text}");
        let value = Value::parse(text.trim()).unwrap_or_else(|| panic!("{text}"));
        let found = value.get("counters").and_then(|c| c.get(stage)).and_then(|s| s.get(name));
        found.and_then(Value::number).unwrap_or_else(|| panic!("no counter {stage}.{name}: {text}"))
    }
}
