use super::*;
use proptest::prelude::*;
use std::boxed::Box;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

const KNOWN: [Known<'static>; 20] = {
    let mut known = [Known { name: "", modes: &[] }; 20];
    let mut i = 0;
    while i < JAILS.len() {
        let modes: &[&str] = if i == 0 { &["normal", "ddos", "extra", "aggressive"] } else { &[] };
        known[i] = Known { name: JAILS[i].1, modes };
        i += 1;
    }
    known
};

fn read(text: &[u8]) -> Result<Box<Settings>, Vec<String>> {
    let mut settings = Box::new(Settings::new());
    let mut problems = Vec::new();
    let fine = settings.read(text, &KNOWN, &mut |p| problems.push((p.line, p.to_string())));
    assert_eq!(fine, problems.is_empty());
    if !fine {
        assert!(*settings == Settings::new(), "half a configuration is left");
    }
    problems.sort();
    if fine {
        Ok(settings)
    } else {
        Err(problems.into_iter().map(|(line, text)| format!("{line}: {text}")).collect())
    }
}

#[test]
fn settings_are_small() {
    assert!(size_of::<Settings>() < 32 * 1024, "{}", size_of::<Settings>());
}

#[test]
fn what_strangers_can_forge_is_off_until_asked_for() {
    let mut builtin = Box::new(Settings::new());
    builtin.builtin();
    for name in ["named_refused", "pure_ftpd", "kernel_drop", "mosquitto"] {
        assert!(!builtin.jail(name).expect("a built-in jail").1.enabled, "{name}");
    }
    for service in ["nginx", "samba", "asterisk/messages", "mosquitto"] {
        assert!(CANDIDATES.iter().all(|file| !file.path.contains(service)), "{service}");
    }
}

#[test]
fn the_sample_is_the_builtin_configuration() {
    let mut sample = read(DEFAULT_TEXT.as_bytes()).unwrap_or_else(|p| panic!("{p:#?}"));
    let mut builtin = Box::new(Settings::new());
    builtin.builtin();
    assert!(builtin.builtin_sources && !sample.builtin_sources);
    sample.builtin_sources = true;
    for jail in sample.jails.iter_mut() {
        (jail.line, jail.filter_line, jail.mode_line, jail.own) = (0, 0, 0, 0);
    }
    for source in sample.sources.iter_mut() {
        source.line = 0;
    }
    assert_eq!(sample, builtin);
    let empty = read(b"").unwrap();
    assert_eq!(empty, builtin);
    // Every option is in the sample, with a comment sign or without.
    let names = keys::GLOBAL.iter().map(|k| (k.name, k.list));
    let names = names.chain(keys::POLICY.iter().map(|k| (k.name, k.list)));
    let names = names.chain(keys::JAIL.iter().map(|k| (k.name, k.list)));
    let names = names.chain(keys::SOURCE.iter().map(|k| (k.name, k.list)));
    for (name, list) in names {
        let line = format!("{} {name} '", if list { "list" } else { "option" });
        assert!(DEFAULT_TEXT.contains(&line), "{line}");
        let manual = include_str!("../../docs/edgeban.conf.5");
        assert!(manual.contains(&format!(".It Cm {name}\n")), "{name} is not in the manual");
    }
    // And in every example is right: the sample with its commented options uncommented reads too.
    let all: String = DEFAULT_TEXT
        .lines()
        .map(|l| match l.trim_start().strip_prefix('#') {
            Some(l)
                if ["config ", "\toption ", "option ", "\tlist ", "list "]
                    .iter()
                    .any(|s| l.starts_with(s)) =>
            {
                l
            }
            _ => l,
        })
        .filter(|l| !l.trim_start().starts_with("option enabled '0'") && !l.contains("filter_file"))
        .filter(|l| !l.contains("maxretry '3'") || l.starts_with('\t'))
        .map(|l| format!("{l}\n"))
        .collect();
    read(all.as_bytes()).unwrap_or_else(|p| panic!("{p:#?}\n{all}"));
}

#[test]
fn filter_defaults_are_values_of_policy_options() {
    for (filter, defaults) in FILTER_DEFAULTS {
        assert!(KNOWN.iter().any(|k| k.name == filter));
        for (name, text) in defaults {
            let key = keys::POLICY.iter().find(|k| k.name == *name).unwrap();
            assert_eq!((key.set)(&mut Policy::new(), text), Ok(()));
        }
    }
}

#[test]
fn inherit_and_clear_know_every_row() {
    // A row that moved would take over another option than its own.
    let values = ["7", "7m", "7h", "7", "7w", "7s", "9d", "0", "24", "56", "log"];
    for (index, (key, value)) in keys::POLICY.iter().zip(values).enumerate() {
        let (mut from, mut to, mut expect) = (Policy::new(), Policy::new(), Policy::new());
        keys::clear(index, &mut from);
        keys::clear(index, &mut expect);
        (key.set)(&mut from, value).unwrap();
        (key.set)(&mut expect, value).unwrap();
        assert_ne!(expect, Policy::new(), "{}", key.name);
        keys::inherit(index, &mut to, &from);
        assert_eq!(to, expect, "{}", key.name);
    }
}

#[test]
fn the_designs_example_reads() {
    let s = read(
        b"config edgeban 'global'\n\toption max_bans '100'\n\tlist allow '192.168.1.0/24'\n\toption bantime 2h\n\
        config source\n\toption kind 'udp'  # udp | tcp\n\toption listen '0.0.0.0:514'\n\
        config source 'web'\n option kind file\n option path /x.log\n list filter nginx-http-auth\n list filter mine\n\
        config jail 'sshd'\n\toption filter 'sshd'\n\toption mode ddos\n\toption maxretry '3'\n\tlist multiplier 1\n\
        \tlist multiplier 6\n\toption maxtime 1w\n\tlist port 22\n\tlist port sip\n\tlist port 5060-5061\n\tlist action log\n\
        config jail nginx_http_auth\n option port 'http https'\nconfig jail recidive\nconfig jail mine\n\
        option filter_file /etc/mine.filter\noption bantime permanent\n",
    )
    .unwrap();
    assert_eq!(s.global.max_bans, 100);
    assert_eq!(s.global.allow.len(), 1);
    assert_eq!(s.sources.len(), 2);
    let web = s.sources.last().unwrap();
    assert_eq!((web.kind, web.path.as_str(), web.filters.len()), (SourceKind::File, "/x.log", 2));
    let (id, sshd) = s.jail("sshd").unwrap();
    assert_eq!((id, sshd.mode.as_str(), sshd.policy.maxretry), (0, "ddos", 3));
    assert_eq!(sshd.policy.multipliers, [1, 6]);
    assert_eq!(sshd.policy.bantime, Duration::from_secs(7200), "from the global section");
    assert_eq!(sshd.policy.maxtime, Duration::from_secs(604_800));
    assert_eq!(sshd.policy.actions, Actions::LOG, "the jail's list takes the default's place");
    assert_eq!(
        sshd.ports.iter().map(|p| (p.first, p.last)).collect::<Vec<_>>(),
        [(22, 22), (5060, 5060), (5060, 5061)]
    );
    let (_, nginx) = s.jail("nginx_http_auth").unwrap();
    assert_eq!((nginx.filter.as_str(), nginx.ports.len()), ("nginx-http-auth", 2));
    let (_, recidive) = s.jail("recidive").unwrap();
    assert_eq!(
        recidive.policy.bantime,
        Duration::from_secs(604_800),
        "the filter's, not the global section's"
    );
    let (id, mine) = s.jail("mine").unwrap();
    assert_eq!((id, mine.filter_file.as_str()), (3, "/etc/mine.filter"));
    assert!(mine.policy.bantime.is_forever());
    assert!(s.jail("none").is_none());
}

#[test]
fn every_problem_is_told_with_its_line() {
    let problems = read(
        b"option x 1\n\
        config edgeban 'global'\n option max_ban '5'\n option max_bans '5'\n list max_line 2048\n option enabled maybe\n\
        list allow 1.2.3.4/40\n option enabled 1\n\
        config sauce\n option kind what\n\
        config source\n option listen 1.2.3.4:5\n\
        config source\n option kind udp\n option path /x\n\
        config source\n option kind file\n option path x\n option framing nul\n list filter sshdd\n\
        config jail\n\
        config jail sshd\n option mode agressive\n option findtme 1m\n option findtime forever\n list action none\n list action log\n\
        config jail sshd\n option colour red\n\
        config jail other\n\
        config jail more\n option filter drobbear\n option filter_file '/x\n\
        config edgeban\n\
        config jail 'bro\n option maxretry 0\n\
        config jail both\n option filter sshd\n option filter_file /x\n option port 'ssh 0'\n option maxretry\n\xff\n",
    )
    .unwrap_err();
    let expect = "\
1: option 'x' before the first section
3: unknown option 'max_ban'; did you mean 'max_bans'?
4: option max_bans: '5' is not within 16 to 1048575
5: 'max_line' takes one value: write option, not list
6: option enabled: 'maybe' is not 1 or 0
7: option allow: '1.2.3.4/40' is not an address or a prefix such as 192.0.2.0/24
8: option 'enabled' is given twice
9: unknown section type 'sauce'; did you mean 'source'?
11: 'source' needs option kind
13: 'udp' needs option listen
15: option 'path' means nothing with udp
18: option path: 'x' is not an absolute path
19: option 'framing' means nothing with file
20: option filter: no built-in filter is called 'sshdd'; did you mean 'sshd'?
21: the section needs a name, such as config jail 'sshd'
23: the filter has no mode 'agressive'; did you mean 'aggressive'?
24: unknown option 'findtme'; did you mean 'findtime'?
25: option findtime: 'forever' is not a duration with an end
27: option 'action' means nothing with another action beside none
28: a second section 'sshd'
30: 'other' needs option filter
32: no built-in filter is called 'drobbear'; did you mean 'dropbear'?
33: a quote that does not end on this line
34: a second section 'global'
35: a quote that does not end on this line
38: option 'filter' means nothing with filter_file
40: option port: '0' is not a port, a range such as 5060-5061 or a known service
41: the line ends too early
42: not UTF-8 text";
    assert_eq!(problems, expect.lines().collect::<Vec<_>>());
}

#[test]
fn what_does_not_fit_is_a_problem() {
    let jails: String =
        (0..=MAX_JAILS).map(|i| format!("config jail j{i}\noption filter sshd\n")).collect();
    assert_eq!(read(jails.as_bytes()).unwrap_err(), ["65: more than 32 of 'jail'"]);
    let ports: String = (1..=MAX_PORTS + 1).map(|i| format!("list port {i}\n")).collect();
    assert_eq!(
        read(format!("config jail sshd\n{ports}").as_bytes()).unwrap_err(),
        ["18: more than 16 of 'port'"]
    );
    // Once a list, however many there are; what is wrong with one of them is told beside it.
    let allow: String =
        (0..5000).map(|i| format!("list allow 10.{}.{}.0/24\n", i / 256, i % 256)).collect();
    let ports: String = (1..=100).map(|i| format!("list port {i}\n")).collect();
    let text = format!(
        "config edgeban\n{allow}list allow x\nconfig jail sshd\n{ports}config jail dropbear\n{ports}"
    );
    let problems = read(text.as_bytes()).unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert_eq!(problems[0], "66: more than 64 of 'allow'");
    assert!(problems[1].starts_with("5002: option allow: 'x' is not "), "{problems:?}");
    assert_eq!(problems[2..], ["5020: more than 16 of 'port'", "5121: more than 16 of 'port'"]);
    let jails: String = (0..90).map(|i| format!("config jail j{i}\noption filter sshd\n")).collect();
    let sources: String = (0..90)
        .map(|i| format!("config source\noption kind udp\noption listen 127.0.0.1:{}\n", i + 1))
        .collect();
    let problems = read(format!("{jails}{sources}").as_bytes()).unwrap_err();
    assert_eq!(problems, ["65: more than 32 of 'jail'", "277: more than 32 of 'source'"]);
    let long = "x".repeat(300);
    let text = format!("config edgeban\noption control /{long}\noption state_dir /{}\n", &long[..200]);
    let problems = read(text.as_bytes()).unwrap_err();
    assert_eq!(problems[0], "2: 'control' is longer than 255 bytes");
    assert!(problems[1].ends_with("is longer than 107 bytes"));
    // What is given but too long is not said to be missing.
    let text = format!(
        "config source\noption kind file\noption path /{long}\nconfig source\noption kind {long}\noption path /x\n\
        config jail x\noption filter {long}\n"
    );
    let problems = read(text.as_bytes()).unwrap_err();
    let too_long = |line: u32, what: &str| format!("{line}: '{what}' is longer than 255 bytes");
    assert_eq!(problems, [too_long(3, "path"), too_long(5, "kind"), too_long(8, "filter")]);
}

#[test]
fn sources_and_names_that_would_work_against_each_other_are_problems() {
    let problems = read(
        b"config source\n option kind udp\n option listen 0.0.0.0:514\n\
        config source\n option kind tcp\n option listen 0.0.0.0:514\n\
        config source\n option kind udp\n option listen 0.0.0.0:514\n option enabled 0\n\
        config source\n option kind file\n option path /var/log/x\n\
        config source\n option kind udp\n option listen 0.0.0.0:514\n\
        config source\n option kind file\n option path /var/log/x\n list filter sshd\n\
        config jail manual\n option filter sshd\n\
        config jail restored\n option filter sshd\n\
        config jail sshd\n option bantime 11000d\n option findtime 0\n option rndtime 2d\n",
    )
    .unwrap_err();
    let expect = "\
14: this 'udp' source is that of line 1 again
17: this 'file' source is that of line 11 again
21: 'manual' is no name for a jail: bans that no jail decided have it
23: 'restored' is no name for a jail: bans that no jail decided have it
26: option bantime: '11000d' is not within 1s to 521w3d
27: option findtime: '0' is not within 1s to 7w
28: option rndtime: '2d' is not within 0s to 1d";
    assert_eq!(problems, expect.lines().collect::<Vec<_>>());
}

#[test]
fn a_source_for_nobody_is_a_problem() {
    let jails = "config jail sshd\nconfig jail dropbear\n option enabled 0\n\
        config jail mine\n option filter_file /mine\nconfig jail named_refused\n";
    for (jails, name, message) in [
        (jails, "sshd", ""),
        (jails, "mine", ""),
        (jails, "named-refused", ""),
        (jails, "dropbear", ""),
        (jails, "luci", "no jail has the filter 'luci', so nothing would read this source"),
        // The jail has a filter that has a name, so that is what is to be named.
        (
            jails,
            "named_refused",
            "no built-in filter is called 'named_refused'; did you mean 'named-refused'?",
        ),
        ("", "luci", ""),
        ("", "kernel-drop", "no jail has the filter 'kernel-drop', so nothing would read this source"),
    ] {
        let source = format!("config source\n option kind file\n option path /x\n\n list filter {name}\n");
        let text = format!("{source}{jails}");
        let read = |text: &str| read(text.as_bytes()).err().unwrap_or_default();
        let wanted: Vec<String> =
            if message.is_empty() { Vec::new() } else { [format!("5: option filter: {message}")].into() };
        assert_eq!(read(&text), wanted, "{name}");
        if message.starts_with("no jail") {
            // What is not read is for nobody anyway; and a jail that was not understood may be the one.
            assert!(read(&text.replace("/x\n", "/x\n option enabled 0\n")).is_empty());
            let more = read(&format!("{text}config jail\n"));
            assert_eq!(more.len(), 1, "{more:?}");
        }
    }
}

#[test]
fn one_mistake_is_one_problem_of_its_option() {
    for (text, message) in [
        (
            "config jail a\n option filter ''\n",
            "2: option filter: '' is not a name: 1 to 31 of a-z A-Z 0-9 _ -",
        ),
        (
            "config jail ''\n option filter sshd\n",
            "1: the section needs a name, such as config jail 'sshd'",
        ),
        ("config edgeban\n option enabled ''\n", "2: option enabled: '' is not 1 or 0"),
        (
            "config edgeban\n option max_tracked 65536\n",
            "2: option max_tracked: '65536' is not within 16 to 65535",
        ),
        (
            "config edgeban\n option max_sessions 65536\n",
            "2: option max_sessions: '65536' is not within 16 to 65535",
        ),
        (
            "config source\n option kind stdin\nconfig source\n option kind stdin\n",
            "3: this 'stdin' source is that of line 1 again",
        ),
        (
            "config source\n option kind stdin\nconfig source\n option kind stdni\n option listen 1.2.3.4:5\n",
            "4: option kind: 'stdni' is not udp, tcp, unix, file, logread or stdin",
        ),
    ] {
        assert_eq!(read(text.as_bytes()).unwrap_err(), [message]);
    }
    let two = read(b"config source\n option enabled 1\nconfig source\n").unwrap_err();
    assert_eq!(two, ["1: 'source' needs option kind", "3: 'source' needs option kind"]);
}

#[test]
fn a_name_is_given_once_whatever_it_names() {
    let problems = read(
        b"config source web\n option kind file\n option path /a\n\
        config source web\n option kind file\n option path /b\n\
        config jail web\n option filter sshd\n\
        config jail sshd\n\
        config source sshd\n option kind file\n option path /c\n\
        config jail global\n option filter sshd\n\
        config source\n option kind file\n option path /d\n\
        config source\n option kind file\n option path /e\n",
    )
    .unwrap_err();
    let expect = [
        "10: a second section 'sshd'",
        "13: a second section 'global'",
        "4: a second section 'web'",
        "7: a second section 'web'",
    ];
    let mut problems = problems;
    problems.sort();
    assert_eq!(problems, expect);
}

#[test]
fn what_uci_reads_on_one_line_or_on_two_is_the_same() {
    let plain =
        read(b"config jail 'sshd'\n\toption maxretry '3'\n\tlist port '22'\n\tlist port '2222'\n").unwrap();
    for text in [
        &b"config jail sshd; option maxretry 3; list port 22; list port 2222"[..],
        b"c jail sshd\r\no maxretry 3#x\r\nl port '22'#;\r\nlist port \"22\\\r\n22\"\r\n",
        b"package edgeban\nconfig\tjail \\\n 'sshd'\noption maxretry \\\n\t'3'\noption port '22 2222'",
    ] {
        let mut other = read(text).unwrap();
        let (other_jail, jail) = (&mut other.jails[0], &plain.jails[0]);
        other_jail.line = jail.line;
        (other_jail.filter_line, other_jail.mode_line) = (jail.filter_line, jail.mode_line);
        assert_eq!(other, plain, "{}", text.escape_ascii());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_settings_or_problems(text: Vec<u8>) {
        let _ = read(&text);
    }

    #[test]
    fn any_lines_are_settings_or_problems(lines in prop::collection::vec(
        "(config|option|list|package|c|o|l|#|;|\\\\\n)? ?(edgeban|source|jail|kind|listen|filter|port|action|allow)? ?['\"]?[a-z0-9:./\\\\ ;#]{0,12}['\"]?", 0..20))
    {
        let _ = read(lines.join("\n").as_bytes());
    }

    #[test]
    fn a_damaged_sample_is_settings_or_problems(at in 0..DEFAULT_TEXT.len(), byte: u8, cut: bool) {
        let mut text = DEFAULT_TEXT.as_bytes().to_vec();
        if cut { text.truncate(at) } else { text[at] = byte }
        let lines = text.iter().filter(|&&b| b == b'\n').count() + 1;
        if let Err(problems) = read(&text) {
            for p in problems {
                let line: usize = p.split(':').next().unwrap().parse().unwrap();
                prop_assert!((1..=lines).contains(&line), "{}", p);
            }
        }
    }
}
