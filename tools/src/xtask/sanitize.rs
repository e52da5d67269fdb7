//! The step `sanitize`: the code with `unsafe` in it, and the threads beside it, under AddressSanitizer and ThreadSanitizer: the
//! ring driver with scripted and with real completions, the blocking driver, the cold reader, the mapped hash index.
//!
//! ThreadSanitizer needs a std that is built with it, or it takes std's locks for races: so std is built, once.

use crate::count::Count;
use crate::nightly;
use crate::place;
use crate::run::{self, Done};

/// The tests that run under each sanitizer.
const TESTS: &[&str] = &["io::", "index::hash"];

/// AddressSanitizer: a buffer that is freed or reused while the kernel has it.
pub fn address() -> Done<Count> {
    nightly::step("rust-src", || run("address", &[]))
}

/// Both. ThreadSanitizer, with its std, belongs to `cargo xtask long`.
pub fn everything() -> Done<Count> {
    nightly::step("rust-src", || {
        let mut count = run("address", &[])?;
        count += run("thread", &["-Zbuild-std"])?;
        Ok(count)
    })
}

fn run(sanitizer: &str, options: &[&str]) -> Done<Count> {
    let host = nightly::host()?;
    let mut arguments = vec!["test"];
    arguments.extend(options);
    arguments.extend([
        "--package",
        "moraine-engine",
        "--features",
        "sim",
        "--lib",
        // With a target, build scripts and macros are built without the sanitizer.
        "--target",
        &host,
        "--",
    ]);
    arguments.extend(TESTS);
    let flags = format!("-Zsanitizer={sanitizer}");
    let mut command = nightly::cargo(&arguments);
    command.env("RUSTFLAGS", &flags).env(
        "CARGO_TARGET_DIR",
        place::target().join("sanitize").join(sanitizer),
    );
    println!("$ RUSTFLAGS={flags} {}", run::shown(&command));
    run::count(command)
}
