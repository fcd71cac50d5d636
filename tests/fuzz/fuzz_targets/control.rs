//! Any line is a request or a refusal; a request survives being written; any bytes come out as valid JSON.
#![no_main]

use edgeban::control::{Request, reply};
use edgeban::host::value::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    if let Ok(request) = Request::parse(line) {
        let mut text = Vec::new();
        request.write(&mut |piece| text.extend_from_slice(piece));
        // Durations are written in whole seconds, and so they are read.
        assert_eq!(Request::parse(&text), Ok(request));
    }
    let mut text = Vec::new();
    reply::error(line, &mut |piece| text.extend_from_slice(piece));
    let text = String::from_utf8(text).expect("UTF-8");
    assert_eq!(text.matches('\n').count(), 1);
    let value = Value::parse(&text).expect("JSON");
    assert_eq!(value.get("error").map(Value::text), Some(&*String::from_utf8_lossy(line)));
    if let Ok(text) = std::str::from_utf8(line) {
        let _ = Value::parse(text);
    }
});
