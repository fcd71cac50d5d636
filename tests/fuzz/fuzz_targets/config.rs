//! Any text as a configuration: settings whose every value is in its documented range, or problems that name a line
//! of the text; never half of either, and the same again in memory that was used before.
#![no_main]

use edgeban::addr::Prefix;
use edgeban::config::{Known, Name, Policy, Settings};
use edgeban::time::Duration;
use libfuzzer_sys::fuzz_target;

fn in_range(settings: &Settings) {
    let Settings { global, sources, jails, .. } = settings;
    assert!((16..1 << 20).contains(&global.max_bans) && (16..1 << 16).contains(&global.max_tracked));
    assert!((16..1 << 16).contains(&global.max_sessions) && (1024..=65_536).contains(&global.max_line));
    assert!(global.control.starts_with('/') && global.state_dir.starts_with('/'));
    policy(&global.policy);
    assert!(!jails.is_empty() && !sources.is_empty());
    for (at, jail) in jails.iter().enumerate() {
        assert!(is_name(&jail.name) && jails.iter().skip(at + 1).all(|other| other.name != jail.name));
        assert!(settings.jail(&jail.name).is_some_and(|(id, _)| usize::from(id) == at));
        let built_in = edgeban::rules::find(&jail.filter);
        assert!(built_in.is_some() != jail.filter_file.starts_with('/'), "{jail:?}");
        assert!(built_in.is_none_or(|filter| filter.mode(&jail.mode).is_some()));
        assert!(jail.ports.iter().all(|ports| 0 < ports.first && ports.first <= ports.last));
        prefixes(&jail.allow);
        policy(&jail.policy);
    }
    prefixes(&global.allow);
    for source in sources {
        assert!(source.path.is_empty() || source.path.starts_with('/'));
        assert!(source.filters.iter().all(|name| jails.iter().any(|jail| jail.bound_by() == name)
            || !source.enabled && edgeban::rules::find(name).is_some()));
    }
}

fn is_name(name: &Name) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn prefixes(list: &[Prefix]) {
    assert!(list.iter().all(|prefix| prefix.bits() <= 128 && prefix.contains(prefix.addr())));
}

fn policy(policy: &Policy) {
    let (second, week, year) = (Duration::from_secs(1), 604_800, 365 * 86_400);
    assert!((1..=100).contains(&policy.maxretry), "{policy:?}");
    assert!(policy.findtime >= second && policy.findtime <= Duration::from_secs(7 * week), "{policy:?}");
    assert!(policy.bantime >= second, "{policy:?}");
    assert!(policy.bantime.is_forever() || policy.bantime <= Duration::from_secs(10 * year), "{policy:?}");
    assert!(policy.rndtime <= Duration::from_secs(86_400), "{policy:?}");
    assert!(policy.multipliers.iter().all(|n| (1..=10_000).contains(n)), "{policy:?}");
    assert!((8..=32).contains(&policy.ipv4_prefix) && (16..=128).contains(&policy.ipv6_prefix));
}

fuzz_target!(|data: &[u8]| {
    let known: Vec<_> = edgeban::rules::ALL
        .iter()
        .map(|filter| Known { name: filter.name, modes: &filter.modes })
        .collect();
    let lines = data.split(|b| *b == b'\n').count() as u32;
    let mut settings = Box::new(Settings::new());
    let mut told = Vec::new();
    let fine = settings.read(data, &known, &mut |problem| {
        assert!((1..=lines.max(1)).contains(&problem.line), "{problem:?} in {lines} lines");
        assert!(!problem.text.contains(|c: char| c.is_control() && c != '\t'), "{problem:?}");
        assert!(!problem.to_string().is_empty());
        told.push((problem.line, problem.kind));
    });
    assert_eq!(fine, told.is_empty());
    if fine {
        in_range(&settings);
    } else {
        assert_eq!(*settings, Settings::new());
    }
    // A reload reads into memory that held another configuration.
    let mut again = Box::new(Settings::new());
    again.builtin();
    let mut told_again = Vec::new();
    assert_eq!(
        again.read(data, &known, &mut |problem| told_again.push((problem.line, problem.kind))),
        fine
    );
    assert_eq!((told_again, again), (told, settings));
});
