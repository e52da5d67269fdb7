//! The step `miri`: the engine's pure code under Miri, which sees undefined behaviour that no test does: reads of what was
//! never written, pointers that outlived what they point to, broken rules of aliasing.
//!
//! Miri is some hundred times slower than the machine and knows no io_uring, no mapped files and no foreign code. So the formats
//! and the twin of the hash index on the heap run under it; the rest has the sanitizers (`sanitize.rs`).

use crate::count::Count;
use crate::nightly;
use crate::place;
use crate::run::{self, Done};

/// The tests that run under Miri in every run.
const QUICK: &[&str] = &["format::", "io::buf"];
/// Those of `cargo xtask long`: minutes more.
const LONG: &[&str] = &[
    "format::",
    "io::buf",
    "index::hash::tests",
    "position",
    "id::",
];
/// Tests that Miri cannot end in minutes: they hash or encode megabytes.
const SKIPPED: &[&str] = &[];

/// A part that ends within two minutes.
pub fn quick() -> Done<Count> {
    nightly::step("miri", || run(QUICK))
}

/// All that Miri can run.
pub fn everything() -> Done<Count> {
    nightly::step("miri", || run(LONG))
}

fn run(tests: &[&str]) -> Done<Count> {
    let mut arguments = vec![
        "miri",
        "test",
        "--package",
        "moraine-engine",
        "--features",
        "sim",
        "--lib",
        "--",
    ];
    arguments.extend(tests);
    for skipped in SKIPPED {
        arguments.extend(["--skip", skipped]);
    }
    let mut command = nightly::cargo(&arguments);
    command
        // Tests look at the environment and print.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .env("CARGO_TARGET_DIR", place::target().join("miri"));
    println!("$ {}", run::shown(&command));
    run::count(command)
}
