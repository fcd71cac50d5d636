use super::oracle::Pike;
use super::*;
use crate::filter::ops::{SLOTS, Slot};
use crate::filter::{Filter, Rule, Set, Space, compile};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

/// A machine's memory of the size the host lends for lines up to `line` bytes.
struct Room {
    stack: Vec<Frame>,
    memo: Vec<u32>,
}

impl Room {
    fn new(line: usize) -> Self {
        Self { stack: vec![Frame::EMPTY; 4096], memo: vec![0; 64 * (line + 129) / 32] }
    }
    fn lend(&mut self) -> Scratch<'_> {
        Scratch { stack: &mut self.stack, memo: &mut self.memo, steps: 0 }
    }
}

fn with_filter<T>(text: &str, f: impl FnOnce(Filter<'_>) -> T) -> Option<T> {
    let (mut code, mut sets, mut rules) = (vec![0; 8192], vec![Set::NONE; 64], vec![Rule::EMPTY; 64]);
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    compile(text, space, &mut |_| {}).map(f)
}

/// What `rule` captures of `text`: source, user, port; `None` where it does not match.
fn captured(rule: &str, text: &str) -> Option<(Option<String>, Option<String>, Option<String>)> {
    let source = format!("filter t\napp t\nfail {rule}");
    let found = with_filter(&source, |filter| {
        let outcome = run(
            filter.code,
            filter.sets,
            filter.rules[0].entry,
            text.as_bytes(),
            &mut Room::new(text.len()).lend(),
        );
        let Outcome::Match(captures, _) = outcome else { return None };
        let get =
            |slot| captures.get(slot, text.as_bytes()).map(|b| String::from_utf8_lossy(b).into_owned());
        Some((get(Slot::Source), get(Slot::User), get(Slot::Port)))
    });
    found.unwrap_or_else(|| panic!("{rule} does not compile"))
}

#[test]
fn rules_match_as_the_language_says() {
    let ok = |rule: &str, text: &str, want: [&str; 3]| {
        let (a, b, c) = captured(rule, text).unwrap_or_else(|| panic!("{rule} misses {text}"));
        assert_eq!([a, b, c].map(Option::unwrap_or_default), want, "{rule} on {text}");
    };
    let ssh = "Failed <word> for {invalid user }?<user> from <host> port <port:int>{ ssh<int>}?";
    ok(ssh, "Failed password for root from 192.0.2.7 port 22 ssh2", ["192.0.2.7", "root", "22"]);
    ok(ssh, "Failed none for invalid user  from 2001:db8::1 port 2", ["2001:db8::1", "", "2"]);
    ok(
        ssh,
        "Failed password for x from 9.9.9.9 port 1 ssh2 from 192.0.2.7 port 22 ssh2",
        ["192.0.2.7", "x from 9.9.9.9 port 1 ssh2", "22"],
    );
    ok("<ip>:<port:int>", "2001:db8::9:54321", ["2001:db8::9", "", "54321"]);
    ok("<ip>:<port:int>", "2001:db8::9:22", ["2001:db8::9", "", "22"]);
    ok("<ip>:<port:int>", "[2001:db8::9]:22", ["[2001:db8::9]", "", "22"]);
    ok("from <host> x", "from mail.example.com x", ["mail.example.com", "", ""]);
    ok("from <host> x", "from 192.0.2.7 x", ["192.0.2.7", "", ""]);
    ok("from <host> x", "from 192.0.2.7.example.com x", ["192.0.2.7.example.com", "", ""]);
    ok("{a|ab}{c|bcd} <ip>", "abcd 1.2.3.4", ["1.2.3.4", "", ""]);
    ok("{{error|fatal}: {PAM: }?}?x <ip><...>", "error: PAM: x 1.2.3.4 more", ["1.2.3.4", "", ""]);
    ok("{<[a-z]+>=<word> }*rhost=<ip>", "a=b cc=dd rhost=1.2.3.4", ["1.2.3.4", "", ""]);
    ok("<qstr> <ip>", r#""a \" b" 1.2.3.4"#, ["1.2.3.4", "", ""]);
    ok("<user:[a-z]*~><[0-9a-z]*>", "abc1", ["", "", ""]);
    ok("<user:[a-z ]*!: >: x", "a b: x", ["", "a b", ""]);
    ok("<!root|admin><user:word> <ip>", "bob 1.2.3.4", ["1.2.3.4", "bob", ""]);
    ok("<=root|bob><user:word> <ip>", "bob 1.2.3.4", ["1.2.3.4", "bob", ""]);
    ok("<[a]{2,3}>a", "aaa", ["", "", ""]);
    ok("\\{a\\<\\;\\t\\x41", "{a<;\tA", ["", "", ""]);
    for (rule, text) in [
        (ssh, "Failed password for root from 192.0.2.7"),
        (ssh, "xFailed password for root from 192.0.2.7 port 22"),
        (ssh, "Failed password for root from 192.0.2.7 port 22 ssh2 "),
        ("<!root|admin><user:word> <ip>", "root 1.2.3.4"),
        ("<[a]{2,3}>", "a"),
        ("<[a]{2,3}>", "aaaa"),
        ("<qstr>", "\"abc"),
        ("from <ip>", "from 1.2.3.4.5"),
        ("<user:[a-z ]*!: > x", "a: x"),
    ] {
        assert_eq!(captured(rule, text), None, "{rule} on {text}");
    }
}

#[test]
fn an_address_is_no_part_of_a_name() {
    let found = |rule: &str, text: &str| captured(rule, text).and_then(|(source, ..)| source);
    for text in [
        "9.9.9.9.evil.example",
        "9.9.9.9-static.example",
        "9.9.9.9x",
        "9.9.9.9_",
        "2001:db8::9x",
        "9.9.9.9.8",
        "9.9.9.9._x.example",
        "9.9.9.9.-x",
        "9.9.9.9é",
    ] {
        assert_eq!(found("<ip><...>", text), None, "{text}");
        assert_eq!(found("from <ip>{<text>}?", &format!("from {text}")), None, "{text}");
    }
    for (rule, text, want) in [
        ("<ip><...>", "9.9.9.9", "9.9.9.9"),
        ("<ip><...>", "9.9.9.9. Bye", "9.9.9.9"),
        ("<ip><...>", "9.9.9.9: x", "9.9.9.9"),
        ("<ip>-<int><...>", "9.9.9.9-22;", "9.9.9.9"),
        ("<ip>{x|-<int>}?<...>", "9.9.9.9-22;", "9.9.9.9"),
        ("<ip>.<port:int>", "9.9.9.9.53", "9.9.9.9"),
        ("<ip>:<port:int>", "2001:db8::9:54321", "2001:db8::9"),
        ("[<ip>]<...>", "[2001:db8::9]x", "2001:db8::9"),
        ("<ip><...>", "[2001:db8::9]x", "[2001:db8::9]"),
        ("x <ip>:<port:int>-y", "x 2001:db8::1:22-y", "2001:db8::1"),
        ("x {from <ip>|by <ip>}-<int>", "x from 192.0.2.1-5", "192.0.2.1"),
        ("x <ip><!-0>-<int>", "x 192.0.2.1-5", "192.0.2.1"),
    ] {
        assert_eq!(found(rule, text).as_deref(), Some(want), "{rule} on {text}");
    }
}

/// A piece of a rule, and texts that can meet it.
fn rule_text() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "b",
        "ab",
        " ",
        "<[ab]*>",
        "<[ab]+~>",
        "<[a-c ]*>",
        "<text>",
        "<text~>",
        "<[ab]{1,2}>",
        "<[a-c]{0,3}~>",
        "<word>",
        "<int>",
        "<!ab|c>",
        "<=a|b>",
        "<[abc ]*!ab>",
        "<qstr>",
        "<user>",
        "<[^a]>",
        "<port:int>",
        "1",
        ":",
        "<id:[ab]*>",
    ])
    .prop_map(String::from);
    let tree = leaf.prop_recursive(3, 12, 3, |inner| {
        (prop::collection::vec(inner, 1..4), 0..4u8).prop_map(|(parts, shape)| match shape {
            0 => parts.concat(),
            1 => format!("{{{}}}?", parts.concat()),
            2 => format!("{{{}}}", parts.join("|")),
            _ => format!("{{{}}}*", parts.concat()),
        })
    });
    let address = prop::sample::select(vec!["", "<ip>", "<ip>", "<host>"]);
    (prop::collection::vec(tree.clone(), 0..4), address, prop::collection::vec(tree, 0..4), any::<bool>())
        .prop_map(|(a, ip, b, rest)| {
            format!("{}{ip}{}{}", a.concat(), b.concat(), if rest { "<...>" } else { "" })
        })
}

fn line_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "c", "ab", " ", "1", ":", "\"", "\\", "1.2.3.4", "1::2", "1::2:3", "[::1]", "x.b", "é",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// The machine, with and without its memo from the start, says what the Pike VM says.
    #[test]
    fn the_machine_agrees_with_the_oracle(rule in rule_text(), text in line_text(), eager: bool) {
        let source = format!("filter t\napp t\nfail x{rule}");
        let text = format!("x{text}");
        with_filter(&source, |filter| {
            let entry = filter.rules[0].entry;
            let mut room = Room::new(text.len());
            let scratch = &mut room.lend();
            let outcome = machine::run_with(filter.code, filter.sets, entry, text.as_bytes(), scratch, eager);
            let ours = match outcome {
                Outcome::Match(captures, end) => Some((captures.slots(), end)),
                Outcome::No => None,
                gave_up => panic!("{gave_up:?}"),
            };
            let pike = Pike { code: filter.code, sets: filter.sets, text: text.as_bytes() }.run(entry);
            assert_eq!(ours, pike, "{rule} on {text}");
        });
    }
}

/// The property above says nothing of rules that do not compile: many of those it draws do.
#[test]
fn many_rules_that_are_drawn_compile() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let compiles = |runner: &mut proptest::test_runner::TestRunner| {
        let rule = rule_text().new_tree(runner).unwrap().current();
        with_filter(&format!("filter t\napp t\nfail x{rule}"), |_| ()).is_some()
    };
    let sound = (0..500).filter(|_| compiles(&mut runner)).count();
    assert!(sound > 200, "{sound} of 500");
}

/// Steps of all rules of `filter` on `text`.
fn steps(filter: &Filter<'_>, text: &[u8]) -> u64 {
    let mut room = Room::new(text.len());
    filter
        .rules
        .iter()
        .map(|rule| {
            let mut scratch = room.lend();
            run(filter.code, filter.sets, rule.entry, text, &mut scratch);
            scratch.steps
        })
        .sum()
}

#[test]
fn steps_grow_with_the_text_and_no_faster() {
    let rules = [
        "x<text> from <ip>",
        "x<text> a <text> b <user> from <ip> port <int>",
        "x<text>a<text>b<text>c<text>d",
        "x{<[ab]+>{c|d}}*<text>e",
        "x<text~>a<text~>b<text~>c",
        "x{<[a-z]+>{ |=}<[a-z ]*>\\;}*y",
        "x<[a-z ]*!zz><text>a<[a-z ]*!yy>b",
        "x{<text>a|<text>b}<text>{c|d}",
        "x{<[a]*~>b}*<text~>c",
        "x<text><host> q",
        "x<text><qstr> q",
        "x<text><[a]{3,200}>q",
    ];
    let shapes =
        ["a", "ab", " from ", "a b ", "abc", "\"", "\\\"", "1::2:", "from 1.2.3.4 ", "aaaaaaa b", "a."];
    let mut worst = (0.0, String::new());
    for rule in rules {
        let measured = with_filter(
            &format!(
                "filter t
app t
fail {rule}"
            ),
            |filter| {
                for shape in shapes {
                    let text = |n: usize| format!("x{}", shape.repeat(n / shape.len()));
                    let small = steps(&filter, text(2_000).as_bytes());
                    let large = steps(&filter, text(32_000).as_bytes());
                    let growth = large as f64 / small.max(1) as f64;
                    if growth > worst.0 {
                        worst = (growth, format!("{rule} on {shape}: {small} to {large}"));
                    }
                }
            },
        );
        assert!(measured.is_some(), "{rule} does not compile");
    }
    assert!(worst.0 < 16.0 * 1.3, "{worst:?}");
}

/// Otherwise a text of `\"` again and again is read to its end from every second byte, and nobody counts.
#[test]
fn a_string_without_an_end_counts_as_read() {
    let text = format!("x\"{}", "a".repeat(5_000));
    let read = with_filter("filter t\napp t\nfail x<qstr>", |filter| steps(&filter, text.as_bytes()));
    assert!(read.is_some_and(|steps| steps >= 5_000), "{read:?}");
    let text = format!("x{}", "\\\"".repeat(20_000));
    with_filter("filter t\napp t\nfail x<text><qstr> q", |filter| {
        let mut room = Room::new(text.len());
        let mut scratch = room.lend();
        let outcome = run(filter.code, filter.sets, filter.rules[0].entry, text.as_bytes(), &mut scratch);
        assert_eq!(outcome, Outcome::Fuel);
    })
    .unwrap();
}

/// A client that may write as many words as it likes must not be able to fill the stack.
#[test]
fn a_group_that_repeats_up_to_a_literal_takes_no_stack() {
    let rule = "filter t\napp t\nfail x <ip> \"{<[^\"]>}*\"{, \"{<[^\"]>}*\"}?";
    let text = format!("x 192.0.2.7 \"{0}\", \"{0}\"", "aa b ".repeat(400));
    with_filter(rule, |filter| {
        let mut room = Room::new(text.len());
        let scratch = &mut Scratch { stack: &mut room.stack[..4], memo: &mut room.memo, steps: 0 };
        let outcome = run(filter.code, filter.sets, filter.rules[0].entry, text.as_bytes(), scratch);
        assert!(matches!(outcome, Outcome::Match(_, end) if end == text.len()), "{outcome:?}");
    })
    .unwrap();
}

#[test]
fn a_line_too_long_for_the_memo_is_given_up_not_guessed() {
    with_filter("filter t\napp t\nfail x<text>a<text>b<text>c<text>d", |filter| {
        let text = format!("x{}", "a b c ".repeat(500));
        let (mut stack, mut memo) = (vec![Frame::EMPTY; 64], vec![0; 8]);
        let mut scratch = Scratch { stack: &mut stack, memo: &mut memo, steps: 0 };
        let outcome = run(filter.code, filter.sets, filter.rules[0].entry, text.as_bytes(), &mut scratch);
        assert_eq!(outcome, Outcome::Fuel);
        assert!(scratch.steps <= 257 * (text.len() as u64 + 1), "{}", scratch.steps);
        let mut scratch = Scratch { stack: &mut stack[..1], memo: &mut memo, steps: 0 };
        let outcome = run(filter.code, filter.sets, filter.rules[0].entry, text.as_bytes(), &mut scratch);
        assert_eq!(outcome, Outcome::Stack);
    })
    .unwrap();
}

#[test]
fn captures_have_room_for_every_slot() {
    assert_eq!(Slot::Id as usize + 2, SLOTS);
}

/// The rule of `source` that matches `line`, and what that took; all filters of the source are for every program.
fn hit(source: &str, mode: &str, line: &str) -> (Option<u16>, u64) {
    let hit = with_filter(source, |filter| {
        let active = [Active { filter, mode: filter.mode(mode).unwrap() }];
        let mut slots = [AppSlot::EMPTY; 4];
        let matcher = Matcher::new(&active, &mut slots).unwrap();
        let crate::syslog::Parsed::Message(message) = crate::syslog::parse(line.as_bytes()) else {
            panic!()
        };
        let mut room = Room::new(line.len());
        let (mut scratch, mut tally, mut rule) = (room.lend(), Tally::default(), None);
        let wanted = matcher.wanted(&message, u32::MAX);
        matcher.each(&message, wanted, &mut scratch, &mut tally, &mut |hit| rule = Some(hit.rule));
        (rule, scratch.steps)
    });
    hit.unwrap_or_else(|| panic!("{source} does not compile"))
}

#[test]
fn a_literal_that_all_rules_of_the_mode_need_is_asked_for_first() {
    let rules = "fail door {one|two} at <ip>\nfail gate {one|two} at <ip>\n";
    let more = "fail@more door {one|two} of <ip>\n";
    for head in ["app *\nkind syslog", "app kernel\nkind kernel"] {
        let source = format!("filter t\n{head}\n{rules}{more}");
        let line = |text: &str| format!("Mar  1 08:00:00 gw kernel: {text}");
        let (of, at) = (line("door one of 192.0.2.7"), line("gate two at 192.0.2.7"));
        assert_eq!(hit(&source, "normal", &of), (None, 0), "{head}: no rule is tried");
        assert_eq!(hit(&source, "normal", &at).0, Some(2), "{head}");
        // Not all of this mode's rules need it.
        assert_eq!(hit(&source, "more", &of).0, Some(3), "{head}");
        assert_eq!(hit(&source, "more", &at).0, Some(2), "{head}");
    }
}
