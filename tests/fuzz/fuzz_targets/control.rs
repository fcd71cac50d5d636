//! Any line as a control request: refused with words, or a request that survives being written and read again.
#![no_main]

use edgeban::control::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match Request::parse(data) {
        Ok(request) => {
            let mut text = Vec::new();
            request.write(&mut |piece| text.extend_from_slice(piece));
            assert_eq!(text.iter().filter(|b| **b == b'\n').count(), 1, "one request is one line");
            assert_eq!(Request::parse(&text).map(|again| again == request || rounded(&request)), Ok(true));
        }
        Err(refusal) => assert!(!refusal.text().is_empty()),
    }
});

/// A ban's length is written in whole seconds.
fn rounded(request: &Request<'_>) -> bool {
    matches!(request, Request::Ban { span: Some(span), .. } if span.millis() % 1000 != 0)
}
