//! The step `miri`: the engine's pure code under Miri, which sees undefined behaviour that no test does: reads of what was
//! never written, pointers that outlived what they point to, broken rules of aliasing.
//!
//! Miri is some hundred times slower than the machine and knows no io_uring, no mapped files and no foreign code. So what
//! runs under it is what makes and reads bytes: the formats, ids, the lines of the hash index, and small tables
//! that need no disk. The code below has AddressSanitizer (`sanitize.rs`). What is left out has a name and a reason here.
//!
//! That Miri really looked is shown twice: so many tests must have run, and a program that leaks is refused.

use crate::count::Count;
use crate::nightly;
use crate::place;
use crate::run::{self, Done};
use std::fs;
use std::process::Stdio;
use std::thread;

/// What it takes: the interpreter, and the source of the standard library, which is built for it.
const COMPONENTS: &[&str] = &["miri", "rust-src"];

/// The tests that run under Miri, which has one thread: in two processes beside each other, of about the same length.
const LANES: [&[&str]; 2] = [
    &["format::"],
    &[
        "budget::",
        "id::",
        "index::bucket_names::",
        "index::catalog::",
        "index::hash::candidates",
        "index::hash::header",
        "index::hash::location",
        "index::hash::mark",
        "index::hash::segments",
    ],
];

/// Those of them that take so long that `cargo xtask test` leaves them out, and `cargo xtask long` does not.
const SLOW: &[(&str, &str)] = &[
    ("manifest::tests::round_trips", "12 s: hashes five extents"),
    (
        "segment_header::tests::round_trips_at_every_length",
        "12 s: headers of 1,000 runs",
    ),
    (
        "segment_header::tests::second_copy_serves",
        "12 s: a header of 600 runs, decoded nine times",
    ),
    (
        "bucket_names::tests::the_earliest_holds",
        "10 s: 36 orders of six changes",
    ),
    (
        "hash::header::tests::every_flipped_bit_is_refused",
        "40 s: hundreds of flips",
    ),
    (
        "catalog::tests::what_is_gone_takes_no_memory",
        "7 s: fills it again and again",
    ),
];

/// Those of them that take hours, or that Miri cannot run.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "manifest::tests::merging_gives_the_hash_at_every_length",
        "hashes megabytes: hours",
    ),
    (
        "manifest::tests::merging_gives_the_hash_at_full_size",
        "hashes megabytes: hours",
    ),
    (
        "name::tests::ten_thousand_parts_fit",
        "encodes and decodes a megabyte of numbers: many minutes",
    ),
    (
        "segments::tests::the_limit_ends_before",
        "a table of as many numbers as there can be: many minutes",
    ),
];

/// Fewer than run, so that a test may go; many more than run if the names above do not fit any longer.
const RAN_MIN: u64 = 55;

/// A program that Miri has to refuse: it leaks. It is safe code, and any machine runs it without a word.
const CANARY: &str = "fn main() {
    std::mem::forget(Box::new(7_u8));
}
";

/// Runs what is quick.
pub fn quick() -> Done<Count> {
    nightly::step(COMPONENTS, || run_all(&[SLOW, LEFT_OUT].concat()))
}

/// Runs what takes its time, too.
pub fn full() -> Done<Count> {
    nightly::step(COMPONENTS, || run_all(LEFT_OUT))
}

fn run_all(skipped: &[(&str, &str)]) -> Done<Count> {
    canary_is_refused()?;
    for (test, why) in skipped {
        println!("skipped: {test}: {why}");
    }
    let mut count = Count::default();
    // The second waits while the first builds.
    for counted in thread::scope(|scope| {
        let lanes = LANES.map(|tests| scope.spawn(|| lane(tests, skipped)));
        lanes.map(|lane| {
            lane.join()
                .unwrap_or_else(|_| Err("a lane panicked".to_owned()))
        })
    }) {
        count += counted?;
    }
    if count.failed == 0 && count.passed < RAN_MIN {
        println!(
            "only {} tests ran under Miri, and not {RAN_MIN}",
            count.passed
        );
        count.failed += 1;
    }
    // The canary.
    count.passed += 1;
    count.skipped += u64::try_from(skipped.len()).unwrap_or(u64::MAX);
    Ok(count)
}

fn lane(tests: &[&str], skipped: &[(&str, &str)]) -> Done<Count> {
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
    for (test, _) in skipped {
        arguments.extend(["--skip", test]);
    }
    let mut command = nightly::cargo(&arguments);
    command
        // Tests look at the environment and print.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .env("CARGO_TARGET_DIR", place::target().join("miri"));
    println!("$ {}", run::shown(&command));
    run::count(command)
}

/// Builds the standard library for Miri, if it is not there, and shows Miri a program that leaks.
fn canary_is_refused() -> Done {
    let mut setup = nightly::cargo(&["miri", "setup", "--print-sysroot"]);
    let shown = run::shown(&setup);
    let output = setup.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{shown}: {error}"))?;
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        return Err(format!("{shown} failed ({})", output.status));
    }
    let folder = place::target().join("miri");
    let source = folder.join("canary.rs");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&source, CANARY))
        .map_err(|error| format!("{}: {error}", source.display()))?;
    let mut miri = nightly::tool("miri");
    miri.args(["--edition", "2024", "--sysroot", &sysroot])
        .arg(&source);
    let output = miri
        .output()
        .map_err(|error| format!("{}: {error}", run::shown(&miri)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && said.contains("memory leaked") {
        println!("a program that leaks: refused by Miri");
        return Ok(());
    }
    Err(format!("Miri lets a leak pass: {said}"))
}
