//! How fast `edgeban replay` is, in CPU time, beside its peers on the same files in the same run.
//!
//! ```text
//! cargo bench --bench replay -- [--lines N] [--runs K] [--iso] [throughput] [foreign] [hostile]
//! ```
//! Each program runs K times in turn on each file and its fastest run counts: other work on the machine only ever
//! adds time. `--iso` writes the logs with the dates of ISO 8601 that rsyslog uses today. Peers are measured where they are
//! installed (sshguard's parser, `fail2ban-regex`); compare ratios.

mod gen_log;
mod hostile;

use edgeban::config::JAILS;
use gen_log::Mix;
use std::env;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// fail2ban is about a hundred times slower: a part of the file is enough.
const FAIL2BAN_LINES: u64 = 20_000;

struct Options {
    lines: u64,
    runs: u32,
    iso: bool,
    parts: Vec<String>,
}

fn main() {
    let options = options();
    let wants = |part: &str| options.parts.is_empty() || options.parts.iter().any(|p| p == part);
    if wants("throughput") {
        throughput(&options);
    }
    if wants("foreign") {
        foreign(&options);
    }
    if wants("hostile") {
        hostile_lines(&options);
    }
}

fn options() -> Options {
    let mut options = Options { lines: 1_000_000, runs: 3, iso: false, parts: Vec::new() };
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).expect("a number follows the option");
        match arg.as_str() {
            "--lines" => options.lines = number(),
            "--runs" => options.runs = number().max(1) as u32,
            "--iso" => options.iso = true,
            "--bench" => {} // cargo says so
            part => options.parts.push(part.to_owned()),
        }
    }
    options
}

/// A generated file of that mix; made once and kept beside the build.
fn log(mix: Mix) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    fs::create_dir_all(&folder).expect("the build folder is writable");
    let iso = if mix.iso { "-iso" } else { "" };
    let path = folder.join(format!("{}-{}-{}{iso}.log", mix.lines, mix.attack, u8::from(mix.known)));
    let mut out = BufWriter::new(File::create(&path).expect("the build folder is writable"));
    gen_log::write(&mut out, mix, 42).and_then(|()| out.flush()).expect("the disk has room");
    path
}

/// CPU time of one run in seconds, user and system; `None` where it cannot start or fails.
fn cpu(mut command: Command, input: Option<&Path>) -> Option<f64> {
    let stdin = input.map_or(Stdio::null(), |path| File::open(path).expect("the log is there").into());
    let before = children();
    let status = command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    let used = children() - before;
    status.success().then_some(used)
}

/// CPU time of every child that was waited for, in seconds.
fn children() -> f64 {
    // SAFETY: getrusage fills the struct, for which all zero is a value.
    let usage = unsafe {
        let mut usage: libc::rusage = core::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn edgeban(log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgeban"));
    command.args(["replay", "--json"]).arg(log);
    command
}

/// sshguard's parser, which reads stdin; distributions differ in where it lies.
fn sshguard() -> Option<PathBuf> {
    let lib = ["/usr/libexec", "/usr/libexec/sshguard", "/usr/lib/sshguard", "/usr/lib/x86_64-linux-gnu"];
    lib.iter().map(|folder| Path::new(folder).join("sshg-parser")).find(|path| path.exists())
}

/// A configuration with a jail for each filter, those too that the built-in one has off.
fn every_filter() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-all.conf");
    let jails =
        JAILS.map(|(name, filter, _)| format!("config jail '{name}'\n\toption filter '{filter}'\n"));
    fs::write(&path, jails.concat()).expect("the build folder is writable");
    path
}

fn throughput(options: &Options) {
    println!(
        "million lines a second of CPU time ({} lines, fastest of {} runs); edgeban with its built-in configuration, and\n\
         with all {} filters on; how many times as fast as a peer, likewise",
        options.lines,
        options.runs,
        JAILS.len()
    );
    println!(
        "{:>8} {:>10} {:>10} {:>12} {:>14} {:>14} {:>16}",
        "attack", "edgeban", "all on", "sshguard", "times", "fail2ban", "times"
    );
    let all = every_filter();
    for attack in [2, 20, 80] {
        let file = log(Mix { lines: options.lines, attack, known: true, iso: options.iso });
        let small = log(Mix { lines: FAIL2BAN_LINES, attack, known: true, iso: options.iso });
        let mut best: [Option<f64>; 4] = [None; 4];
        for _ in 0..options.runs {
            let mut keep = |which: usize, lines: u64, seconds: Option<f64>| {
                let rate = seconds.filter(|s| *s > 0.0).map(|s| lines as f64 / s / 1e6);
                best[which] = best[which].max_by_rate(rate);
            };
            keep(0, options.lines, cpu(edgeban(&file), None));
            let mut every = edgeban(&file);
            every.arg("-c").arg(&all);
            keep(1, options.lines, cpu(every, None));
            if let Some(parser) = sshguard() {
                keep(2, options.lines, cpu(Command::new(parser), Some(&file)));
            }
            let mut fail2ban = Command::new("fail2ban-regex");
            fail2ban.arg(&small).arg("sshd");
            keep(3, FAIL2BAN_LINES, cpu(fail2ban, None));
        }
        let show = |rate: Option<f64>| rate.map_or("-".into(), |r| format!("{r:.3}"));
        let [own, all, guard, ban] = best;
        let times = |other: Option<f64>| match (own, all, other) {
            (Some(own), Some(all), Some(other)) => format!("{:.1} / {:.1}", own / other, all / other),
            _ => "-".into(),
        };
        println!(
            "{:>6} % {:>10} {:>10} {:>12} {:>14} {:>14} {:>16}",
            attack,
            show(own),
            show(all),
            show(guard),
            times(guard),
            show(ban),
            times(ban)
        );
    }
}

/// The larger of two rates, where there is one.
trait Faster {
    fn max_by_rate(self, other: Option<f64>) -> Option<f64>;
}

impl Faster for Option<f64> {
    fn max_by_rate(self, other: Option<f64>) -> Option<f64> {
        match (self, other) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        }
    }
}

/// What a line costs that no filter is for: the difference of two lengths, so that starting costs nothing.
fn foreign(options: &Options) {
    let half = options.lines / 2;
    let long = log(Mix { lines: options.lines, attack: 0, known: false, iso: options.iso });
    let short = log(Mix { lines: half, attack: 0, known: false, iso: options.iso });
    let fastest = |file: &Path| {
        (0..options.runs).filter_map(|_| cpu(edgeban(file), None)).fold(f64::INFINITY, f64::min)
    };
    let nanoseconds = (fastest(&long) - fastest(&short)) / (options.lines - half) as f64 * 1e9;
    println!("a line of another program: {nanoseconds:.1} ns");
}

/// The worst of the hostile shapes, a line, for lengths up to the greatest that can be set.
fn hostile_lines(options: &Options) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (path, config) = (folder.join("bench-hostile.log"), folder.join("bench-hostile.conf"));
    fs::write(&config, "config edgeban 'global'\n\toption max_line '65536'\n")
        .expect("the build folder is writable");
    for length in [1 << 10, 8 << 10, 64 << 10] {
        let mut costs: Vec<(f64, String)> = Vec::new();
        for shape in &hostile::SHAPES {
            let mut line = shape.line(length);
            line.push(b'\n');
            let cost = |count: usize| {
                fs::write(&path, line.repeat(count)).expect("the build folder is writable");
                let replay = || {
                    let mut command = edgeban(&path);
                    command.arg("-c").arg(&config);
                    cpu(command, None)
                };
                (0..options.runs).filter_map(|_| replay()).fold(f64::INFINITY, f64::min)
            };
            let (few, many) = (16, 16 + (8 << 20) / length);
            costs.push(((cost(many) - cost(few)) / (many - few) as f64, shape.name()));
        }
        costs.sort_by(|a, b| b.0.total_cmp(&a.0));
        println!("hostile lines of {length} bytes, the worst of {}:", costs.len());
        for (seconds, name) in costs.iter().take(3) {
            println!("{:10.4} ms  {name}", seconds * 1e3);
        }
    }
    let _ = (fs::remove_file(&path), fs::remove_file(&config));
}
