//! `cargo xtask bench`: the store beside nginx and bare hyper servers, in one command: builds and installs what it needs,
//! runs the comparison, writes its table and picture.

use crate::count::Count;
use crate::install;
use crate::place;
use crate::run::{self, Done};
use crate::steps::RELEASE;
use std::process::Command;

/// The arguments of the chore.
#[derive(clap::Args)]
pub struct Args {
    /// Only see whether everything works, in some seconds; writes no page
    #[arg(long)]
    smoke: bool,
    /// Rounds of each comparison [default: 5]
    #[arg(long)]
    rounds: Option<u32>,
    /// Seconds for each server in each round [default: 3]
    #[arg(long)]
    seconds: Option<f64>,
    /// GiB of new content that are written in all [default: 12]
    #[arg(long)]
    write_gib: Option<u64>,
    /// Only comparisons whose name contains this, such as `GET 4 KiB`; writes no page
    #[arg(long)]
    only: Option<String>,
    /// Leave benches/README.md and its picture as they are
    #[arg(long)]
    no_page: bool,
}

/// Builds, installs, compares.
pub fn run(args: &Args) -> Done {
    install::nginx()?;
    run::finish(run::cargo(RELEASE))?;
    let mut command = program();
    let options = [
        ("--rounds", args.rounds.map(|rounds| rounds.to_string())),
        ("--seconds", args.seconds.map(|seconds| seconds.to_string())),
        ("--write-gib", args.write_gib.map(|gib| gib.to_string())),
        ("--only", args.only.clone()),
    ];
    for (name, value) in options {
        command.args(value.map(|value| format!("{name}={value}")));
    }
    if args.smoke {
        command.arg("--smoke");
    } else if args.only.is_none() && !args.no_page {
        command.arg("--write-page");
    }
    run::finish(command)
}

/// The step of `cargo xtask test`: everything once, against the release that an earlier step has built. Fails for errors and
/// wrong bytes, never for speed.
pub fn smoke() -> Done<Count> {
    let mut command = program();
    command.arg("--smoke");
    run::count(command)
}

fn program() -> Command {
    let target = place::target();
    let mut command = run::program(target.join("release/compare"));
    command
        .arg("--programs")
        .arg(target.join("release"))
        .arg("--target")
        .arg(target);
    command
}
