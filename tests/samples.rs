//! Runs `tests/samples/*.log` through the syslog parser and the matcher; the format is in its README.

#[path = "common/filters.rs"]
mod filters;

use core::fmt::Write as _;
use edgeban::addr::Addr;
use edgeban::filter::Verdict;
use edgeban::matcher::Source;
use edgeban::rules;
use filters::Memory;
use std::collections::BTreeSet;

const VICTIM: &[u8] = b"9.9.9.9";

/// What a filter said of a line, in the words of a `#=` line.
struct Said {
    verdict: &'static str,
    forget: bool,
    rule: u16,
    fields: Vec<(&'static str, String)>,
}

fn ask(memory: &mut Memory, line: &[u8]) -> Result<Option<Said>, String> {
    let mut said = None;
    let tally = memory.run(line, &mut |_, hit| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut fields = vec![("rule", hit.rule.to_string())];
        match hit.source {
            Source::Ip(ip) => fields.push(("ip", ip.to_string())),
            Source::Host(host) => fields.push(("host", text(host))),
            Source::None => {}
        }
        fields.extend(hit.port.map(|port| ("port", port.to_string())));
        for (name, value) in [("user", hit.user), ("sess", hit.sess), ("id", hit.id)] {
            fields.extend(value.map(|value| (name, text(value))));
        }
        let verdict = match hit.verdict {
            Verdict::Fail => "fail",
            Verdict::Help => "help",
            Verdict::Gain => "gain",
            Verdict::Ignore => "ignore",
        };
        said = Some(Said { verdict, forget: hit.forget, rule: hit.rule, fields });
    });
    if tally != Default::default() { Err("the machine gave up".to_owned()) } else { Ok(said) }
}

/// What is wrong with `said`, given the words behind `#=`; nothing where it is as expected.
fn wrong(said: Option<&Said>, expected: &str) -> Option<String> {
    let mut words = expected.split(' ');
    let verdict = words.next().unwrap_or("");
    let Some(said) = said else { return (verdict != "none").then(|| "no rule matches".to_owned()) };
    let mut problems = String::new();
    if said.verdict != verdict {
        write!(problems, "is {}; ", said.verdict).expect("a string");
    }
    let mut forget = false;
    let mut blames = false;
    for word in words {
        let Some((name, want)) = word.split_once('=') else {
            forget |= word == "forget";
            continue;
        };
        blames |= name == "ip" || name == "host";
        let want = match Addr::parse(want.as_bytes()) {
            Some(addr) if name == "ip" => addr.to_string(),
            _ => want.to_owned(),
        };
        let got = said.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str());
        if got != Some(&want) {
            write!(problems, "{name} is {got:?}; ").expect("a string");
        }
    }
    if forget != said.forget {
        write!(problems, "forget is {}; ", said.forget).expect("a string");
    }
    if !blames && said.fields.iter().any(|(field, _)| matches!(*field, "ip" | "host")) {
        write!(problems, "blames {:?}; ", said.fields).expect("a string");
    }
    (!problems.is_empty()).then(|| format!("rule {}: {problems}", said.rule))
}

/// The problems of one filter's samples, a line each.
fn check(name: &str, samples: &[u8]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut memory = Memory::new(name, "normal");
    let (mut expected, mut hostile, mut hostile_lines) = (None, false, 0);
    let mut seen = BTreeSet::new();
    for (number, line) in (1..).zip(samples.split(|&b| b == b'\n')) {
        let directive = core::str::from_utf8(line).unwrap_or("");
        if let Some(mode) = directive.strip_prefix("# mode: ") {
            memory = Memory::new(name, mode);
        } else if directive == "# hostile" {
            hostile = true;
        } else if let Some(words) = directive.strip_prefix("#= ") {
            expected = Some(words.to_owned());
        } else if !line.is_empty() && !line.starts_with(b"#") {
            let mut tell = |what: &str| {
                problems
                    .push(format!("{name}.log:{number}: {what}\n    {}", String::from_utf8_lossy(line)));
            };
            let said = match ask(&mut memory, line) {
                Ok(said) => said,
                Err(what) => {
                    tell(&what);
                    continue;
                }
            };
            match expected.take() {
                None => tell("no expectation"),
                Some(words) => wrong(said.as_ref(), &words).iter().for_each(|what| tell(what)),
            }
            if hostile {
                hostile_lines += 1;
                let fields = said.as_ref().map_or(&[][..], |said| &said.fields);
                if fields.iter().any(|(field, ip)| *field == "ip" && ip.as_bytes() == VICTIM) {
                    tell("the victim is blamed");
                }
            } else {
                seen.extend(said.map(|said| said.rule));
            }
        }
    }
    let filter = rules::find(name).expect("checked by Memory");
    for rule in filter.rules.iter().filter(|rule| !seen.contains(&rule.ordinal)) {
        problems.push(format!("{name}.filter:{}: rule {} has no sample", rule.line, rule.ordinal));
    }
    if hostile_lines == 0 {
        problems.push(format!("{name}.log: no hostile line"));
    }
    problems
}

#[test]
fn every_filter_says_what_its_samples_expect() {
    let mut problems = Vec::new();
    for filter in rules::ALL {
        let path = format!("tests/samples/{}.log", filter.name);
        match std::fs::read(&path) {
            Ok(samples) => problems.extend(check(filter.name, &samples)),
            Err(error) => problems.push(format!("{path}: {error}")),
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn a_wrong_expectation_is_told() {
    let line = "Jul  1 21:37:58 gw edgeban[9]: ban 192.0.2.7 jail sshd for 60s (5 failures)";
    for (words, fine) in [
        ("fail ip=192.0.2.7 rule=2", true),
        ("fail ip=192.0.2.8", false),
        ("fail", false),
        ("fail forget ip=192.0.2.7", false),
        ("help ip=192.0.2.7", false),
        ("none", false),
    ] {
        let said = ask(&mut Memory::new("recidive", "normal"), line.as_bytes()).unwrap();
        assert_eq!(wrong(said.as_ref(), words).is_none(), fine, "{words}");
    }
    assert!(wrong(None, "none").is_none() && wrong(None, "fail").is_some());
}
