//! The `moraine` command: one file per subcommand under `cmd/`.
//!
//! Exit codes: 0 done, 1 `fsck` found damage, 2 could not run (one sentence on standard error says what and what to do).
#![forbid(unsafe_code)]

mod admin;
mod cmd;
mod date;
mod report;
mod setup;
mod sheet;
mod signals;
mod welcome;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use moraine_tools::{bytes, failure, logging, settings};
use std::process::ExitCode;

/// A request makes some thirty small allocations, and its bodies are up to 1 MiB long, which glibc maps and unmaps anew
/// each time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A shared media store: an S3 server that keeps identical files once.
#[derive(Parser)]
#[command(
    name = "moraine",
    version,
    after_help = "Without a subcommand, `moraine` serves."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve S3 from a data directory.
    Serve(cmd::serve::Args),
    /// Show what lies in the files of a stopped store.
    Inspect(cmd::inspect::Args),
    /// Verify every record and every name of a stopped store.
    Fsck(cmd::fsck::Args),
    /// Make, list and delete tenants: one for each server that uses the store.
    Tenant(cmd::tenant::Args),
    /// Make, list, rotate and delete access keys.
    Key(cmd::key::Args),
    /// Make, list, change and delete buckets.
    Bucket(cmd::bucket::Args),
    /// Show how a running store is and how much is in it.
    Status(cmd::status::Args),
}

/// The subcommand that was asked for, or `serve` with what the environment says.
fn chosen() -> Command {
    Cli::parse().command.unwrap_or_else(|| {
        let serve = Cli::parse_from(["moraine", "serve"]);
        serve.command.expect("`serve` was given")
    })
}

fn main() -> ExitCode {
    let outcome = match chosen() {
        Command::Serve(args) => cmd::serve::run(&args),
        Command::Inspect(args) => cmd::inspect::run(&args),
        Command::Fsck(args) => cmd::fsck::run(&args),
        Command::Tenant(args) => cmd::tenant::run(&args),
        Command::Key(args) => cmd::key::run(&args),
        Command::Bucket(args) => cmd::bucket::run(&args),
        Command::Status(args) => cmd::status::run(&args),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("moraine: {failure}");
        ExitCode::from(failure::COULD_NOT_RUN)
    })
}
