//! The step `sanitize`: the code with `unsafe` in it under AddressSanitizer: the ring driver with scripted and with real
//! completions, the blocking driver, the cold reader, the hash index, mapped and not. It sees a buffer that is freed or reused
//! while somebody, the kernel's part in the script included, still has it.

use crate::count::Count;
use crate::nightly;
use crate::place;
use crate::run::{self, Done};

/// The unit tests that run under it.
const TESTS: &[&str] = &["io::", "index::hash"];

/// Runs them.
pub fn address() -> Done<Count> {
    nightly::step(&["rustc"], run_all)
}

fn run_all() -> Done<Count> {
    let host = nightly::host()?;
    let mut arguments = vec![
        "test",
        "--package",
        "moraine-engine",
        "--features",
        "sim",
        "--lib",
        // With a target, build scripts and macros are built without the sanitizer.
        "--target",
        &host,
        "--",
    ];
    arguments.extend(TESTS);
    let flags = "-Zsanitizer=address";
    let mut command = nightly::cargo(&arguments);
    command
        .env("RUSTFLAGS", flags)
        // A driver whose ring broke lets its buffers leak, because the kernel may still have them; a test shows that it does.
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .env("CARGO_TARGET_DIR", place::target().join("sanitize/address"));
    println!("$ RUSTFLAGS={flags} {}", run::shown(&command));
    run::count(command)
}
