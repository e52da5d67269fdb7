//! The steps `schedules` of `cargo xtask test` and `cargo xtask long`: bar 10, in the build whose locks and threads are the
//! explorer's.
//!
//! It is a flavour of its own, in a folder of its own: only the engine and what it uses, which builds in a minute.

use crate::count::Count;
use crate::place;
use crate::run::{self, Done};
use std::process::Command;

/// What makes `engine/src/sync` the explorer's.
const FLAGS: &str = "--cfg shuttle";

/// All races, at the figure of CI.
pub fn explore() -> Done<Count> {
    let program = program();
    println!("$ RUSTFLAGS=\"{FLAGS}\" {}", run::shown(&program));
    run::count(program)
}

/// All races, from another batch on, so many times.
pub fn explore_from(batch: u64, scale: f64) -> Done {
    let mut program = program();
    program.env("MORAINE_SEED_BASE", batch.to_string());
    program.env("MORAINE_TEST_SCALE", scale.to_string());
    println!(
        "\n== MORAINE_SEED_BASE={batch} MORAINE_TEST_SCALE={scale} RUSTFLAGS=\"{FLAGS}\" {}",
        run::shown(&program)
    );
    run::finish(program)
}

fn program() -> Command {
    let mut command = run::cargo(&[
        "test",
        "--package",
        "moraine-engine",
        "--features",
        "sim,canary",
        "--test",
        "schedules",
    ]);
    command
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", place::target().join("schedules"));
    command
}
