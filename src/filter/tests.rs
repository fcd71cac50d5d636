use super::*;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

fn check(text: &str) -> Result<(usize, usize), Vec<String>> {
    let (mut code, mut sets, mut rules) = (vec![0; 8192], vec![Set::NONE; 64], vec![Rule::EMPTY; 64]);
    let mut errors = Vec::new();
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    match compile(text, space, &mut |e| errors.push(e.to_string())) {
        Some(filter) => Ok((filter.rules.len(), filter.code.len())),
        None => Err(errors),
    }
}

fn refused(rule: &str) -> String {
    let errors = check(&format!("filter t\napp t\nfail {rule}\n")).expect_err(rule);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].clone()
}

#[test]
fn every_bad_line_is_told_with_its_place() {
    let text = "filter t\nkind tree\nfail <ip> {a\nfoo bar\nhelp ok <int>\nfail@a;b x\nfail\n";
    let errors = check(text).unwrap_err();
    let places: Vec<&str> = errors.iter().map(|e| e.rsplit_once(": ").unwrap().0).collect();
    assert_eq!(places[..2], ["2:6", "3:11"], "{errors:?}");
    assert_eq!(errors.len(), 5, "{errors:?}");
    assert_eq!(check("").unwrap_err().len(), 1);
    assert_eq!(check("filter t\n").unwrap_err().len(), 1);
    assert_eq!(check("fail x\n").unwrap_err().len(), 1);
    assert_eq!(check("filter a\nfilter b\nfail x").unwrap_err().len(), 1);
}

#[test]
fn a_filter_that_no_line_can_reach_is_refused() {
    for kind in ["", "kind syslog\n", "kind kernel\n"] {
        assert!(check(&format!("filter t\n{kind}fail x")).unwrap_err()[0].starts_with("1:1: no `app"));
    }
    for kind in ["raw", "clf", "nginx-error"] {
        assert!(check(&format!("filter t\nkind {kind}\nfail x")).is_ok(), "{kind}");
    }
    for (app, column) in [
        ("*sshd", 8),
        ("sshd,dropbear", 8),
        ("x 'sshd'", 10),
        ("sshd ssh*", 13),
        ("sshd */x", 13),
        ("/*", 8),
        ("sshd:", 8),
        ("\"sshd\"", 8),
        ("sshd[7]", 8),
        ("", 1),
        ("# sshd", 8),
    ] {
        let errors = check(&format!("filter t\napp    {app}\nfail x")).unwrap_err();
        assert!(errors[0].starts_with(&format!("2:{column}: a program is")), "{app}: {errors:?}");
    }
    for app in [
        "*",
        "-",
        "sshd sshd-session",
        "postfix/* postfix-*",
        "vsftpd(pam_unix)",
        "php-fpm7.4",
        "a::b",
        "a=b",
    ] {
        assert!(check(&format!("filter t\napp {app}\nfail x")).is_ok(), "{app}");
    }
}

#[test]
fn comments_stand_behind_what_is_no_rule() {
    let text = "filter t # a\napp a b#c\t# d e\nkind raw#\nfail x # y\n";
    assert_eq!(check(text).unwrap_err().len(), 1);
    let text = text.replace("raw#", "raw  # x");
    let (mut code, mut sets, mut rules) = (vec![0; 900], vec![Set::NONE; 8], vec![Rule::EMPTY; 8]);
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    let filter = compile(&text, space, &mut |e| panic!("{e}")).unwrap();
    assert_eq!((filter.name, filter.apps, filter.kind), ("t", "a b#c", Kind::Raw));
    assert!(filter.code.windows(5).any(|code| code == b"x # y"), "a rule keeps it");
}

#[test]
fn bad_rules_are_refused() {
    for (rule, why) in [
        ("a}", "unbalanced"),
        ("{a", "unbalanced"),
        ("a;b", "semicolon"),
        ("a\\", "bad escape"),
        ("a\\xg0", "bad escape"),
        ("<nosuch>", "unknown field"),
        ("<ip", "without"),
        ("<[]>", "bad set"),
        ("<[z-a]>", "bad set"),
        ("<[a", "without"),
        ("<[a>", "bad set"),
        ("<[a]{3,2}>", "bad bounds"),
        ("<[a]{0,0}>", "bad bounds"),
        ("<[a]{255}>", "bad bounds"),
        ("<text{3,2}>", "bad bounds"),
        ("<int{2}>", "unknown field"),
        ("<text{2}", "without"),
        ("<...>a", "only at the end"),
        ("{a<...>}", "only at the end"),
        ("{<text>}*a", "must not match nothing"),
        ("{{a}?}*", "must not match nothing"),
        ("{a <ip>}*", "repeated group"),
        ("<ip> <ip>", "two addresses"),
        ("{{{{{{{{{a}}}}}}}}}", "too deep"),
        ("<user:ip>", "unknown field"),
    ] {
        let error = refused(rule);
        assert!(error.contains(why), "{rule}: {error}");
    }
}

#[test]
fn keys_hold_the_fixed_bits_of_the_start() {
    let key = |rule: &str| {
        let text = format!("filter t\napp t\nfail {rule}");
        let (mut code, mut sets, mut rules) = (vec![0; 900], vec![Set::NONE; 8], vec![Rule::EMPTY; 2]);
        let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
        let filter = compile(&text, space, &mut |e| panic!("{rule}: {e}")).unwrap();
        (filter.rules[0].key.to_le_bytes(), filter.rules[0].mask.to_le_bytes())
    };
    assert_eq!(key("Failed x"), (*b"Fail", [255; 4]));
    assert_eq!(key("<[Bb]>ad p"), ([b'B', b'a', b'd', b' '], [0xdf, 255, 255, 255]));
    // What the branches of a choice share.
    assert_eq!(key("ab{c}?d"), ([b'a', b'b', 0x60, 0], [255, 255, 0xf8, 0]));
    assert_eq!(key("ab{c}?"), ([b'a', b'b', 0, 0], [255, 255, 0, 0]));
    assert_eq!(key("{Abc|Bbd|Cb}<int>").0, [b'@', b'b', 0x20, 0]);
    assert_eq!(key("<[0-9]{2}>:").0, *b"00:\0");
    assert_eq!(key("{a|b}c"), ([0x60, b'c', 0, 0], [0xfc, 255, 0, 0]));
    assert_eq!(key("<text>c").1, [0; 4]);
}

#[test]
fn modes_take_bits_in_the_order_they_appear() {
    let text = "filter t\napp t\nfail a\nfail@ddos b\nfail@extra,ddos c\nfail@normal d\n";
    let (mut code, mut sets, mut rules) = (vec![0; 900], vec![Set::NONE; 8], vec![Rule::EMPTY; 8]);
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    let filter = compile(text, space, &mut |e| panic!("{e}")).unwrap();
    assert_eq!(filter.rules.iter().map(|r| r.modes).collect::<Vec<_>>(), [255, 2, 6, 1]);
    assert_eq!((filter.mode("normal"), filter.mode("extra"), filter.mode("")), (Some(1), Some(4), None));
}

#[test]
fn a_captured_run_is_one_step_and_literals_stay_what_they_are() {
    let code = |rule: &str| {
        let (mut code, mut sets, mut rules) = (vec![0; 900], vec![Set::NONE; 8], vec![Rule::EMPTY; 8]);
        let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
        let text = format!("filter t\napp t\nfail {rule}");
        compile(&text, space, &mut |e| panic!("{e}")).unwrap().code.to_vec()
    };
    assert_eq!(code("x<port:int> y")[4], ops::KEEP);
    // What stands before the run only looks like a SAVE.
    for byte in ["\\x01", "\\xff"] {
        let code = code(&format!("x\\x08{byte}<[a-z]+><user:int>"));
        assert_eq!(code[..5], [code[0], ops::LIT, 3, b'x', ops::SAVE], "{byte}");
    }
}

#[test]
fn full_space_is_an_error() {
    let text = "filter t\napp t\nfail <[ab]+>x<[cd]+>y\nfail z";
    for (code, sets, rules) in [(10, 8, 8), (900, 1, 8), (900, 8, 1), (0, 0, 0)] {
        let (mut code, mut sets, mut rules) =
            (vec![0; code], vec![Set::NONE; sets], vec![Rule::EMPTY; rules]);
        let mut told = 0;
        let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
        assert!(compile(text, space, &mut |e| told += (e.problem == Problem::NoSpace) as u32).is_none());
        assert!(told > 0);
    }
}

proptest::proptest! {
    #[test]
    fn any_text_compiles_or_is_refused(text in "[a-c {}<>|?*\\[\\]^~!=\\\\;.,0-9@\n-]{0,80}") {
        let _ = check(&format!("filter t\napp t\nfail {text}"));
        let _ = check(&text);
    }

    #[test]
    fn pieces_in_any_order_compile_or_are_refused(pieces in proptest::collection::vec(
        proptest::sample::select(vec!["{", "}", "}?", "}*", "|", "<ip>", "<host>", "<user>", "<text>", "<[a-z]+>",
            "<[^ ]{1,3}~>", "<!a|bc>", "<=x>", "<qstr>", "<...>", "a", " from ", "<int>", "<text~!: >"]), 0..14)) {
        let _ = check(&format!("filter t\napp t\nfail x{}", pieces.concat()));
    }
}
