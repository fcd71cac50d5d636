//! A server with a real sshd and a real dropbear in namespaces of its own, and clients that reach it.
//!
//! The server has a `/dev` of its own, so that the daemons' syslog(3) reaches the test's edgeban and nobody else,
//! and an `/etc/passwd` of its own with one account, `guest`, password `right`.

use crate::net::{self, Peer, run};
use crate::running::{Folder, Running, until};
use core::time::Duration as Wait;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

/// Where sshd listens.
pub const SSHD: u16 = 22;
/// Where dropbear listens.
pub const DROPBEAR: u16 = 2222;
/// Where the test sends back what comes.
pub const ECHO: u16 = 7;
/// The server's addresses.
pub const SERVER: [&str; 2] = ["10.9.0.1", "fd09::1"];

const PROGRAMS: [&str; 9] =
    ["nft", "ip", "mount", "ssh", "ssh-keygen", "sshpass", "/usr/sbin/sshd", "dropbear", "dbclient"];
const GUEST: &str = "guest:$6$edgeban$OXQvv3RS3DIjieDw1w/M.BAd29.HziAiEPTPehgP82b1Ge4zWhz80o1jhAGQUIihZfN2BNKUNhZzR.cxv2.YH1:19000:0:99999:7:::";

/// The server, made for one test. The test's thread is in its namespaces.
pub struct Site {
    pub folder: Folder,
    /// Those that try to get in. The n-th is at 10.8.n.2 and fd0a:n::2, n from 1.
    pub clients: Vec<Peer>,
    daemons: Vec<Running>,
}

/// Runs `test` on a server with two clients.
pub fn with_site(test: impl FnOnce(&mut Site) + Send + 'static) {
    net::in_namespace(libc::CLONE_NEWNET | libc::CLONE_NEWNS, &PROGRAMS, || test(&mut Site::new()));
}

/// `ADDRESS:PORT`.
pub fn at(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

impl Site {
    fn new() -> Self {
        let folder = Folder::new();
        private_system(&folder);
        let mut clients = Vec::new();
        for n in 1..=2 {
            let link = format!("link{n}");
            let (four, six) = (format!("10.8.{n}.2/24"), format!("fd0a:{n}::2/64"));
            // The server's own addresses lie in none of the clients' prefixes, as on the Internet.
            clients.push(Peer::new(&link, &["10.9.0.1/32", "fd09::1/128"], &[&four, &six]));
            run(&format!("ip route add 10.8.{n}.0/24 dev {link} src 10.9.0.1"));
            run(&format!("ip -6 route add fd0a:{n}::/64 dev {link} src fd09::1"));
        }
        for client in &clients {
            client.run(|| {
                run("ip route add 10.9.0.1 dev outer");
                run("ip -6 route add fd09::1 dev outer");
            });
        }
        Self { folder, clients, daemons: Vec::new() }
    }

    /// Starts sshd and dropbear, which need `/dev/log`.
    pub fn daemons(&mut self) {
        let folder = self.folder.path().display().to_string();
        for (kind, file) in [("ed25519", "sshd_key"), ("ed25519", "client_key")] {
            run(&format!("ssh-keygen -q -t {kind} -N '' -f {folder}/{file}"));
        }
        run(&format!("cp {folder}/client_key.pub {folder}/authorized"));
        run(&format!("dropbearkey -t ed25519 -f {folder}/dropbear_key >/dev/null 2>&1"));
        let conf = self.folder.join("sshd_config");
        let text = format!(
            "Port {SSHD}\nHostKey {folder}/sshd_key\nPidFile none\nPasswordAuthentication yes\n\
             KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nUseDNS no\nLogLevel VERBOSE\n\
             AuthorizedKeysFile {folder}/authorized\nMaxStartups 100\nMaxAuthTries 6\nLoginGraceTime 60\n"
        );
        // From 9.8 on sshd itself turns clients away that fail, unless it is told not to.
        std::fs::write(&conf, format!("{text}PerSourcePenalties no\n")).expect("sshd_config");
        let checked = Command::new("/usr/sbin/sshd").arg("-t").arg("-f").arg(&conf).output();
        if !checked.expect("sshd").status.success() {
            std::fs::write(&conf, text).expect("sshd_config");
        }
        self.daemons.push(Running::start(Command::new("/usr/sbin/sshd").arg("-D").arg("-f").arg(&conf)));
        let (port, key) = (DROPBEAR.to_string(), self.folder.join("dropbear_key"));
        self.daemons.push(Running::start(
            Command::new("dropbear").args(["-F", "-p", port.as_str(), "-r"]).arg(&key),
        ));
    }

    /// Starts to send back what comes on [`ECHO`].
    pub fn echo(&self) {
        let listener = TcpListener::bind(("::", ECHO)).expect("a port");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let (mut stream, mut buf) = (stream, [0; 64]);
                    while let Ok(n @ 1..) = stream.read(&mut buf) {
                        if stream.write_all(&buf[..n]).is_err() {
                            break;
                        }
                    }
                });
            }
        });
    }

    /// OpenSSH's client tries to get in as `user` with `password`.
    pub fn ssh(&self, client: usize, to: &str, port: u16, user: &str, password: &str) -> Output {
        let mut command = ssh(to, port, user, password);
        self.clients[client].run(move || command.output().expect("ssh"))
    }

    /// As [`Site::ssh`], without waiting for its end: it may be shut out in the middle.
    pub fn ssh_started(&self, client: usize, to: &str, port: u16, user: &str) -> Running {
        let mut command = ssh(to, port, user, "wrong");
        self.clients[client].run(move || Running::start(&mut command))
    }

    /// As [`Site::ssh_started`], with dropbear's client, which passes on any name. Its exit code says nothing.
    pub fn dbclient_started(&self, client: usize, to: &str, port: u16, user: &str) -> Running {
        let mut command = Command::new("timeout");
        command.args(["20", "dbclient", "-y", "-y", "-p", &port.to_string(), "-l", user, to, "true"]);
        command.env("DROPBEAR_PASSWORD", "wrong").env("HOME", self.folder.path());
        self.clients[client].run(move || Running::start(&mut command))
    }
}

fn ssh(to: &str, port: u16, user: &str, password: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["20", "sshpass", "-p", password, "ssh", "-F", "/dev/null", "-p", &port.to_string()]);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "PreferredAuthentications=password",
        "PubkeyAuthentication=no",
        "NumberOfPasswordPrompts=1",
        "ConnectTimeout=10",
    ] {
        command.args(["-o", option]);
    }
    command.args(["-l", user, to, "true"]);
    command
}

/// Reads what a daemon says first, which is how it shows that it lets a client in.
pub fn banner(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Wait::from_secs(20))).expect("set");
    let mut text = Vec::new();
    until("a banner", 30, || {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a banner");
        text.push(byte[0]);
        byte[0] == b'\n'
    });
    String::from_utf8_lossy(&text).into_owned()
}

/// `/dev`, `/run` and the accounts of this mount namespace's own.
fn private_system(folder: &Folder) {
    let folder = folder.path().display();
    let (passwd, shadow) = (format!("{folder}/passwd"), format!("{folder}/shadow"));
    let with = |file: &str, line: &str| {
        let text = std::fs::read_to_string(file).expect(file);
        let rest = text.lines().filter(|l| !l.starts_with("guest:")).map(|l| format!("{l}\n"));
        rest.collect::<String>() + line + "\n"
    };
    std::fs::write(&passwd, with("/etc/passwd", "guest:x:4242:65534:guest:/:/bin/sh")).expect("passwd");
    std::fs::write(&shadow, with("/etc/shadow", GUEST)).expect("shadow");
    run(&format!(
        "set -e
        mount --make-rprivate /
        mount --bind {passwd} /etc/passwd
        mount --bind {shadow} /etc/shadow
        mkdir {folder}/dev
        mount -t tmpfs -o mode=755 dev {folder}/dev
        cd {folder}/dev
        for f in null zero full random urandom tty; do touch $f; mount --bind /dev/$f $f; done
        mkdir pts
        mount -t devpts -o newinstance,ptmxmode=666 pts pts
        ln -s pts/ptmx ptmx
        cd /
        mount --rbind {folder}/dev /dev
        umount -l {folder}/dev
        mount -t tmpfs -o mode=755 run /run
        mkdir /run/sshd"
    ));
}
