//! Any line as a control request: refused with words, or a request that survives being written and read again. And
//! whatever bytes get into a reply, the reply is lines of JSON that two readers take for the same.
#![no_main]

use edgeban::addr::Prefix;
use edgeban::control::json::Writer;
use edgeban::control::reply::{self, BanView};
use edgeban::control::{MAX_REQUEST, Request};
use edgeban::host::value::Value;
use libfuzzer_sys::fuzz_target;

fn request(data: &[u8]) {
    match Request::parse(data) {
        Ok(request) => {
            assert!(data.trim_ascii().len() <= MAX_REQUEST);
            // What is taken is JSON to others too.
            assert!(serde_json::from_slice::<serde_json::Value>(data.trim_ascii()).is_ok(), "not JSON");
            let text = written(|out| request.write(out));
            assert_eq!(Request::parse(&text).map(|again| again == request || rounded(&request)), Ok(true));
            let mut rows = json(&text);
            let row = rows.pop().expect("one line");
            assert!(rows.is_empty() && row["cmd"].is_string());
        }
        Err(refusal) => {
            assert!(!refusal.text().is_empty());
            let mut rows = json(&written(|out| reply::error(refusal.text().as_bytes(), out)));
            assert_eq!(rows.pop().expect("one line")["ok"], false);
        }
    }
}

/// A ban's length is written in whole seconds.
fn rounded(request: &Request<'_>) -> bool {
    matches!(request, Request::Ban { span: Some(span), .. } if span.millis() % 1000 != 0)
}

fn written(write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Vec<u8> {
    let mut text = Vec::new();
    write(&mut |piece| text.extend_from_slice(piece));
    text
}

/// Each line as serde_json reads it, which is what the client's own reader says too.
fn json(text: &[u8]) -> Vec<serde_json::Value> {
    let text = core::str::from_utf8(text).expect("UTF-8");
    let lines = text.strip_suffix('\n').expect("whole lines").split('\n').map(|line| {
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
        let theirs: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_same(&Value::parse(line).expect("JSON for the client"), &theirs);
        theirs
    });
    lines.collect()
}

fn assert_same(ours: &Value, theirs: &serde_json::Value) {
    match ours {
        Value::Null => assert!(theirs.is_null()),
        Value::Bool(b) => assert_eq!(theirs, b),
        Value::Number(n) => assert_eq!(theirs.as_i64(), Some(*n)),
        Value::String(s) => assert_eq!(theirs, s),
        Value::Array(items) => {
            let other = theirs.as_array().expect("an array");
            assert_eq!(items.len(), other.len());
            items.iter().zip(other).for_each(|(a, b)| assert_same(a, b));
        }
        Value::Object(members) => {
            assert!(theirs.is_object());
            members.iter().for_each(|(key, value)| assert_same(value, &theirs[key]));
        }
    }
}

/// Any bytes as text, numbers and names in replies.
fn replies(data: &[u8]) {
    let number = data.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes));
    // The client reads no number above the greatest i64.
    let count = number as u64 >> 1;
    let name = String::from_utf8_lossy(data);
    let rows = json(&written(|out| {
        let mut w = Writer::new(out);
        w.object().key("text").str(data).key("n").i64(number).key("u").u64(count);
        w.key("list").array().object().end_object().str(data).null().bool(number < 0).end_array();
        w.end_object().newline();
        reply::error(data, out);
        reply::version(&name, out);
        let until = (number % 2 == 0).then_some(number);
        BanView {
            target: Prefix::new(edgeban::addr::Addr::from_u128(number as u128), 128),
            jail: &name,
            since: number,
            until,
            before: number as u16,
            manual: number > 0,
        }
        .write(out);
    }));
    let [row, error, version, ban] = rows.as_slice() else { panic!("{} lines", rows.len()) };
    // RFC 3629's replacement, a maximal subpart at a time, is what both writers do.
    for text in [&row["text"], &row["list"][1], &error["error"], &version["version"], &ban["jail"]] {
        assert_eq!(text.as_str(), Some(&*name));
    }
    assert_eq!((row["n"].as_i64(), row["u"].as_u64()), (Some(number), Some(count)));
    assert_eq!(ban["since"].as_i64(), Some(number));
}

/// The client reads replies of what may be another program: any text is a value or none.
fn client(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let (Some(ours), Ok(theirs)) = (Value::parse(text), serde_json::from_str(text)) {
        // A key that comes twice is last to serde_json and both to the client; numbers may be too great for one.
        if text.matches("\":").count() <= 1 && !text.contains(|c: char| c.is_ascii_digit()) {
            assert_same(&ours, &theirs);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    request(data);
    replies(data);
    client(data);
});
