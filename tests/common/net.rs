//! Network namespaces that end with the threads that made them. Needs root and `ip`.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration as Wait;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// Gives this thread namespaces of its own: `libc::CLONE_NEWNET` and the like.
pub fn unshare(what: i32) -> bool {
    // SAFETY: no memory is passed; only this thread changes its namespaces.
    unsafe { libc::unshare(what) == 0 }
}

/// Runs `body` in a thread with namespaces of its own, if `programs` are installed and it is permitted.
pub fn in_namespace(what: i32, programs: &[&str], body: impl FnOnce() + Send + 'static) {
    for program in programs {
        if let Err(why) = crate::common::have(program) {
            return crate::common::cannot(&why);
        }
    }
    let made = Arc::new(AtomicBool::new(false));
    let flag = made.clone();
    let thread = std::thread::spawn(move || {
        if !unshare(what) {
            return;
        }
        flag.store(true, Ordering::Relaxed);
        if what & libc::CLONE_NEWNET != 0 {
            run("ip link set lo up");
        }
        body();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
    if !made.load(Ordering::Relaxed) {
        crate::common::cannot("a namespace needs root");
    }
}

/// Runs a command line and returns its output; it must succeed.
pub fn run(line: &str) -> String {
    let out = Command::new("sh").args(["-c", line]).output().expect("sh");
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

/// Gives addresses to a link and takes it up; IPv6 ones are usable at once.
pub fn link_up(link: &str, addresses: &[&str]) {
    for net in addresses {
        run(&format!("ip addr add {net} dev {link} {}", if net.contains(':') { "nodad" } else { "" }));
    }
    run(&format!("ip link set {link} up"));
}

/// A thread in another network namespace that runs what it is given.
pub struct Peer(mpsc::Sender<Box<dyn FnOnce() + Send>>);

impl Peer {
    /// Joined to this thread's namespace by a link that is called `inner` here, with these addresses, and `outer`
    /// there, with those.
    pub fn new(inner: &str, here: &[&str], there: &[&str]) -> Self {
        let (tell, told) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (ready, up) = mpsc::channel();
        std::thread::spawn(move || {
            assert!(unshare(libc::CLONE_NEWNET));
            // SAFETY: no memory is passed.
            ready.send(unsafe { libc::syscall(libc::SYS_gettid) }).expect("a test that waits");
            while let Ok(job) = told.recv() {
                job();
            }
        });
        let tid = up.recv().expect("a peer");
        run(&format!("ip link add name {inner} type veth peer name outer netns {tid}"));
        link_up(inner, here);
        let peer = Self(tell);
        let there: Vec<String> = there.iter().map(ToString::to_string).collect();
        peer.run(move || link_up("outer", &there.iter().map(String::as_str).collect::<Vec<_>>()));
        peer
    }

    /// Runs `job` there and waits for it.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        self.start(job).recv().expect("the peer's answer")
    }

    /// Runs `job` there; its result comes later.
    pub fn start<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
        let (tell, told) = mpsc::channel();
        self.0.send(Box::new(move || drop(tell.send(job())))).expect("a peer");
        told
    }

    /// A connection to `to`, tried for `wait` milliseconds.
    pub fn connect(&self, to: &str, wait: u64) -> Result<TcpStream, ErrorKind> {
        let to: SocketAddr = to.parse().expect("an address");
        self.run(move || TcpStream::connect_timeout(&to, Wait::from_millis(wait))).map_err(|e| e.kind())
    }

    /// A connection to `to`, which comes about within 30 s: links, daemons and the end of bans may take a moment.
    pub fn reaches(&self, to: &str) -> TcpStream {
        let end = Instant::now() + Wait::from_secs(30);
        loop {
            match self.connect(to, 2000) {
                Ok(stream) => return stream,
                Err(error) => assert!(Instant::now() < end, "{to}: {error}"),
            }
            std::thread::yield_now();
        }
    }

    /// Nothing answers at `to`.
    pub fn fails(&self, to: &str) {
        assert_eq!(self.connect(to, 300).err(), Some(ErrorKind::TimedOut), "{to}");
    }
}

/// A test that needs nftables and links of its own.
pub fn in_own_network(test: impl FnOnce() + Send + 'static) {
    in_namespace(libc::CLONE_NEWNET, &["nft", "ip"], test);
}
