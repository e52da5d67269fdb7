//! The workspace's own chores: `cargo xtask test` (everything a change must pass), `cargo xtask show` (what is too
//! large for that), `cargo xtask bench` (how fast it is beside others).
//!
//! Needs nothing but cargo to start; what else a chore needs it installs first, and says so.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a chore talks to whoever started it")]

mod bench;
mod count;
mod finding;
mod fuzz;
mod install;
mod long;
mod miri;
mod nightly;
mod place;
mod run;
mod sanitize;
mod schedules;
mod show;
mod steps;
mod test;
mod tidy;
mod turn;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Chores of the Moraine workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what the tests need, then run everything that a change must pass
    Test(test::Args),
    /// Run one of the larger scenarios; `cargo xtask show list` names them
    Show(show::Args),
    /// Compare the store with nginx and with bare hyper servers
    Bench(bench::Args),
    /// Repeat the random tests with new seeds until the time is up
    Long(long::Args),
    /// Run the fuzz targets under libFuzzer
    Fuzz(fuzz::Args),
    /// Install what the tests need (the other chores do so themselves)
    Install,
    /// Check the rules of style that no other tool checks
    Tidy,
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Test(args) => test::run(&args),
        Chore::Show(args) => show::run(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Long(args) => long::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Install => install::everything(),
        Chore::Tidy => tidy::check(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
