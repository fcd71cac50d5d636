//! What the lint refuses and what it accepts, by somebody who chooses user names, banners, URLs, referrers and the
//! names in reverse DNS. `tests/injection.rs` attacks the accepted ones.

use super::*;
use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

fn problem(rule: &str) -> Option<Problem> {
    let (mut code, mut sets, mut rules) = (vec![0; 4096], vec![Set::NONE; 32], vec![Rule::EMPTY; 2]);
    let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
    let mut found = None;
    let text = format!("filter t\napp t\nfail {rule}");
    let filter = compile(&text, space, &mut |error| found = Some(error.problem));
    assert_eq!(filter.is_none(), found.is_some(), "{rule}");
    found
}

#[test]
fn forgeable_rules_are_refused() {
    let rules = [
        // A name may say ` from 9.9.9.9 `, and what stands behind it as well.
        "for <user> from <ip><...>",
        "for <user> from <ip> as <text>",
        "for <user:word> from <host> <[a-z ]*>",
        "<text> from <ip>{ <qstr>}?",
        "{for <user>}? from <ip>{<text>|x}",
        "{<text>|x} <ip> {y|<user>}",
        "banner <[ -~]+> from <ip> name <user>",
        "ptr <user:[^ ]+> [<ip>] helo <text>",
        "<qstr> from <ip> <qstr>",
        // Words in a loop are free text, wherever they stand.
        "of {<word> }*from <ip><...>",
        "of {{<[a-z]>|<sp>}}* <ip> <text>",
        "{<word> }*[<ip>]{ <word>}*",
        "user=\\<<user>>, rip=<ip>{, <[^ ]+>}*",
        "user=\\<<user>>, rip=<ip>{,{ <[^ ]+>}*}?",
        "for <user> from <ip> {<[a-z]> |<[0-9]>}*",
        "user \"<user:[^\"]*>\", client: <ip>, request: \"{<[^\"]>}*\"",
        // A quote that the client writes ends the text too.
        "user \"<user:[^\"]*>\", client: <ip>, request: \"<[^\"]*>\"",
        "user \"<user:[^\"]*>\", client: <ip>, request: <qstr>",
        // The client's ` from 9.9.9.9`, the daemon's ` from name.example` read as two words.
        "helo=<text> from <ip>{ <word>}?{ <word>}?",
        "helo=<text> from <ip>{ <word> <word>}?",
        "helo=<text> from <ip>{ {a|<word>} <[a-z.]+>}?",
        "helo=<text> from <ip>{ <word><sp><word>}?",
        "closed by <user> <ip>{ <word>}?",
        "closed by <user> <ip>{ {<word>|x}}?",
        // A mark that is one word with its name is read as one.
        "client <text> [<ip>]{ <word>}?",
        "login failed: user=<user> rhost=<ip>{ <word>}?",
        "login failed: user=<user> rhost=<ip>,{ <[^ ]+>}?",
        "login failed: <user>@<ip><[^ ]*>",
        "login failed: <user>@<ip>/<[^ ]+>",
        "login failed: <user>{@|=}<ip>{ <word>}?{ <word>}?",
        "login failed: user=<user> rhost=<ip>{ <[a-z]+>=<word>}?",
        "login of <user>, <ip>{, <[^ ,]+>}?",
        "login of <user>: <ip>{: <word>}?",
        "login of <user> [<ip>]{ [<[a-z.]+>]}?",
        "login of <user>,from,<ip>{,<[a-z.]+>}?{,<[a-z.]+>}?",
        "login of <user> from <ip>{ {via|from} <word>}?",
        // Each address is looked at, whatever stands in the other branch.
        "of {<text> from <ip>{ <word>}?{ <word>}?|by <ip>}",
        "of <text> {from <ip>{ <word>}?{ <word>}?|by <ip> x}",
        "of <user> {<text> at <ip>|from <ip>{ <word>}?{ <word>}?}",
        "of {by <ip>|<text> from <ip>{ <word>}?{ <word>}?}",
        // What stands before open text is no part of the mark.
        "Q: {<word> }*from <ip>{ <[a-z0-9.]+>}?{ <[a-z0-9.]+>}?",
        "Q: <qstr> from <ip>{ <[a-z0-9.]+>}?{ <[a-z0-9.]+>}?",
        // The mark must bound what is before and what is behind, and be the literal at the address.
        "GET <text> from <ip> referer <text! from >",
        // A mark that bounds the runs does not bound the words.
        "GET <text! from > from <ip>{ <word>}?{ <word>}?",
        // The mark may begin in what stands before the run.
        "GET <text! from > from <ip> referer <text! from >",
        "GET <text! from > from <ip><word><text!from >",
        "GET <text!from > from <ip> a{fro|x}<text!from >",
        "GET <text! from > from <ip> referer <text>",
        "GET <text! from > from <ip> referer <text! by >",
        "GET <text! by > from <ip> referer <text! from >",
        "GET <text! from > from {a}?<ip> x <text! from >",
        "GET <text! from >{ from }<ip> <text! from >",
        "GET <text! from > from {<ip>|x} <text! from >",
        "GET <text! from > from <ip><...>",
        "<qstr> from <ip> <text! from >",
        "{<word> }*{<text! from >}? from <ip> <text! from >",
    ];
    let accepted: Vec<_> = rules.iter().filter(|r| problem(r) != Some(Problem::ForgeableAddress)).collect();
    assert!(accepted.is_empty(), "{accepted:#?}");
    for rule in ["for <text~> from <ip>", "for <[a-z ]*~!x> from <host>", "<user:[ -~]+~! from > from <ip>"]
    {
        assert_eq!(problem(rule), Some(Problem::LazyBeforeAddress), "{rule}");
    }
    for rule in ["{from <ip> }*", "{{<ip>|x} }*"] {
        assert_eq!(problem(rule), Some(Problem::AddressInLoop), "{rule}");
    }
    assert_eq!(problem("<ip> by <ip>"), Some(Problem::TwoAddresses));
}

#[test]
fn open_text_that_is_stripped_ends_in_one_place() {
    let strip = |text: &str| {
        let (mut code, mut sets, mut rules) = (vec![0; 4096], vec![Set::NONE; 32], vec![Rule::EMPTY; 2]);
        let space = Space { code: &mut code, sets: &mut sets, rules: &mut rules };
        let mut found = None;
        let _ = compile(
            &format!("filter t\napp t\nstrip {text}\nfail <word> from <ip>"),
            space,
            &mut |error| {
                found = Some(error.problem);
            },
        );
        found
    };
    for text in [
        "{<text>user }?",
        "{<[a-z ]+> said }?",
        "{<text~>: }*",
        "<[^x]*>{a|x}",
        "{<word> }*",
        "<text{20}>",
        "[<text{20}>",
        "{<[^:]+>: }?",
        "{x}?<[^:]+>: ",
        "<qstr>",
    ] {
        assert_eq!(strip(text), Some(Problem::OpenStrip), "{text}");
    }
    for text in ["{[<[^\\]]+>] }?", "{<word> }?", "<[ ]*>{us=<int> }?"] {
        assert_eq!(strip(text), None, "{text}");
    }
}

#[test]
fn sound_rules_are_accepted() {
    for rule in [
        "from <ip> for <user> with <text><...>",
        "for <user> from <ip>",
        "for <user> from <ip> port <port:int>{ ssh<int>}?",
        "for <word> from <ip><...>",
        "{<ip>|<host>} <user>",
        "<user> said <qstr>",
        "{<[a-z]+>=<int>,}*from <ip> <text>",
        "{<int> }*from <ip> <text>",
        "from <ip>{ <word>}* <text>",
        "for <user> from <host>{ via <[^ ]+>}?{ [preauth]}?",
        "user=\\<<user! rip=>>, rip=<ip>{, <[\\x00-\\xff]*!rip=>}?",
        "user \"<user:[^\"]*!client: >\", client: <ip>, request: \"<[^\"]*!client: >\"",
        "GET <text! from > from <ip> referer <text!from >",
        "GET <text!from > from <ip> referer {<text!from>{<text!from >}?}?<user!from>",
        "Request from '<user!' failed for '>' failed for '<ip>:<port:int>' (callid: <[^ ]*>) - Failed",
        "closed by <user> <ip> port <port:int>{ [preauth]}?",
        "closed by <user> <ip> <word>",
        "login failed: <user>@<ip>/<[A-Za-z0-9]+>",
        "login failed: user=<user> rhost=<ip> tty=<[^ ]+>{ uid=<[^ ]+>}?",
        "client <text> [<ip>] <word>",
        "helo=<text> from <ip>{ <word>}? <word>",
        "client <text> [<ip>]: code{ <word>}?",
        "Failed login for <user> [<ip>] port <int>{ <word>}?",
        "login failed: user=<user> rhost=<ip> port=<int>{ <word>}?",
        "login of <user>{@|=}<ip> <[0-9:]+>",
        "of <user> {from <ip>|by <ip>}{ port <int>}?",
        "for <user> from <ip> <word> <word>",
        "for <user> from <ip>{: <[A-Z]+> <[A-Za-z0-9]+>}?",
        "for <user> from <ip>{ <word>}?",
        "for <user> from <ip>{ <int>}*",
        "for <user> from <ip><[ ]*>",
        "[client <ip>] user <user>: <text>",
        "<[^ \\[]*>[<ip>]: <text>",
        "{<[^ ]+> }?(<[^ ]*>) [<ip>] <text>",
        "Client <id:text> [<ip>:<port:int>] disconnected",
        "ruser=<user! rhost=> rhost=<host>{ user=<[^ ]*>}?",
        "\"<[^\"]*>\" <ip>",
        "<int> <ip> <qstr><...>",
        "for <user{0,100}> in <text{254}><id:text{1,9}> from <ip>",
        "from <ip> {<text>|<user>}<...>",
    ] {
        assert_eq!(problem(rule).map(|p| p.to_string()), None, "{rule}");
    }
}
