pub fn cannot(reason: &str) {
    if std::env::var("EDGEBAN_REQUIRE").as_deref() == Ok("all") {
        panic!("cannot run: {reason}")
    }
    eprintln!("skipped: {reason}");
}
