//! The step `miri`: the engine's pure code under Miri, which sees undefined behaviour that no test does: reads of what was
//! never written, pointers that outlived what they point to, broken rules of aliasing.
//!
//! Miri is some hundred times slower than the machine and knows no io_uring, no mapped files and no foreign code. So the
//! formats run under it; the code below them has AddressSanitizer (`sanitize.rs`).

use crate::count::Count;
use crate::nightly;
use crate::place;
use crate::run::{self, Done};

/// The tests that run under Miri.
const TESTS: &[&str] = &["format::"];
/// Of those, the ones that hash megabytes: minutes each.
const SKIPPED: &str = "merging_gives";

/// Runs them.
pub fn formats() -> Done<Count> {
    nightly::step("miri", run_all)
}

fn run_all() -> Done<Count> {
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
    arguments.extend(TESTS);
    arguments.extend(["--skip", SKIPPED]);
    let mut command = nightly::cargo(&arguments);
    command
        // Tests look at the environment and print.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .env("CARGO_TARGET_DIR", place::target().join("miri"));
    println!("$ {}", run::shown(&command));
    run::count(command)
}
