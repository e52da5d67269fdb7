//! The load generator by itself: one phase against one server, `load --help`.
//!
//! Prints a line for people and, with `--json`, the figures for programs. Ends with 1 if anything was wrong: a status, a
//! length, a byte, a connection, or what was written does not come back.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use clap::Parser;
use moraine_benches::load::Done;
use moraine_benches::load::body::Template;
use moraine_benches::load::phase::{Setting, measure};
use moraine_benches::load::readback;
use moraine_benches::load::report::Report;
use moraine_benches::load::requests::{Operation, Plan, Sizes, Target};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Sends requests to an S3 server as fast as it answers, and checks every byte that comes back.
#[derive(Parser)]
struct Args {
    /// Where the server listens
    #[arg(long, default_value = "127.0.0.1:8900")]
    endpoint: SocketAddr,
    /// The access key
    #[arg(long, env = "MORAINE_ACCESS_KEY", default_value = "")]
    access_key: String,
    /// Its secret
    #[arg(
        long,
        env = "MORAINE_SECRET_KEY",
        default_value = "",
        hide_env_values = true
    )]
    secret_key: String,
    /// The bucket
    #[arg(long, default_value = "media")]
    bucket: String,
    /// What is done
    #[arg(long, value_enum, default_value = "get")]
    operation: Operation,
    /// How long bodies are: 4KiB, 1MiB, a number of bytes, or `fediverse` for a mix
    #[arg(long, default_value = "64KiB", value_parser = Sizes::parse)]
    size: Sizes,
    /// The same as --size
    #[arg(long, value_parser = Sizes::parse)]
    mix: Option<Sizes>,
    /// Store the objects that are read, or sent again, before all else
    #[arg(long)]
    prepare: bool,
    /// Share of the bodies sent that are objects which are stored already, from 0 to 1
    #[arg(long, default_value_t = 0.0)]
    duplicates: f64,
    /// Of `mixed`: share of the requests that write, from 0 to 1
    #[arg(long, default_value_t = 0.3)]
    puts: f64,
    /// Connections, of all threads together
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Each request on a connection of its own
    #[arg(long)]
    fresh: bool,
    /// Seconds before answers count
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Seconds in which they count
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Send this many requests instead, without warming up
    #[arg(long)]
    requests: Option<u64>,
    /// The server's process, to see what it and its children use
    #[arg(long)]
    server_pid: Option<u32>,
    /// Do not read back what was written
    #[arg(long)]
    no_read_back: bool,
    /// Bodies of different seeds have nothing in common
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Print the figures as JSON, too
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(report) if report.errors == 0 && report.requests > 0 => ExitCode::SUCCESS,
        Ok(report) => {
            eprintln!(
                "{} errors in {} answers: {:?}",
                report.errors, report.requests, report.error_words
            );
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("load: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Done<Report> {
    let seconds = |seconds| Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    let setting = Setting {
        target: Target {
            address: args.endpoint,
            bucket: args.bucket.clone(),
            access_key: args.access_key.clone(),
            secret: args.secret_key.clone(),
        },
        server: args.server_pid,
        connections: usize::from(args.connections),
        threads: usize::from(args.threads.min(args.connections)),
        fresh: args.fresh,
        warm_up: if args.requests.is_some() {
            Duration::ZERO
        } else {
            seconds(args.warm_up)?
        },
        duration: seconds(args.seconds)?,
        requests: args.requests,
        template: Arc::new(Template::new(args.seed)),
    };
    let sizes = args.mix.unwrap_or(args.size);
    let plan = Plan {
        operation: args.operation,
        sizes,
        duplicates: args.duplicates,
        puts: args.puts,
        objects: Arc::new(sizes.objects()),
    };
    if args.prepare {
        readback::store(&setting, &plan.objects)?;
    }
    let what = format!("{:?} {sizes:?} x{}", args.operation, args.connections);
    let (report, tally, run) = measure(&setting, &plan, &what)?;
    println!("{}", report.line());
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        println!("{json}");
    }
    if !args.no_read_back && report.errors == 0 {
        readback::check(&setting, &tally.written, run)?;
    }
    Ok(report)
}
