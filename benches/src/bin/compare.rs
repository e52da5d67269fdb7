//! The store beside nginx and bare hyper servers, in one run: `compare`, or `cargo xtask bench`, which builds and installs
//! what it needs first.
//!
//! Ends with 1 if an answer was wrong, never because of speed.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use clap::Parser;
use moraine_benches::compare::groups::{GROUPS, Group};
use moraine_benches::compare::judge::{Aim, Row, rows, single};
use moraine_benches::compare::machine::Machine;
use moraine_benches::compare::rounds::{self, Pace, Run};
use moraine_benches::compare::stage::{Programs, Stage};
use moraine_benches::compare::{chart, page};
use moraine_benches::load::Done;
use moraine_benches::load::report::mib;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Anonymous memory of an idle store, in MiB.
const IDLE_MIB: f64 = 64.0;
const WARM_UP: Duration = Duration::from_millis(500);
/// Objects of each size in a smoke run.
const SMOKE_OBJECTS: usize = 8;

/// Compares the store with nginx and with bare hyper servers.
#[derive(Parser)]
struct Args {
    /// Rounds: in each, every server does the same for the same time
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds for each server in each round
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// GiB of new content that are written in all
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    write_gib: u64,
    /// Only groups whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// The shortest run that shows whether everything works; writes no page
    #[arg(long)]
    smoke: bool,
    /// The folder for data and results
    #[arg(long, default_value = "target")]
    target: PathBuf,
    /// Where the released programs are
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
    /// Write the table and the picture to benches/README.md and benches/comparison.svg
    #[arg(long)]
    write_page: bool,
}

#[derive(Serialize)]
struct Results<'a> {
    machine: &'a Machine,
    pace: Pace,
    rows: &'a [Row],
    runs: &'a [Run],
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("compare: {why}");
            ExitCode::FAILURE
        }
    }
}

fn pace(args: &Args) -> Done<Pace> {
    let duration = Duration::try_from_secs_f64(args.seconds).map_err(|error| error.to_string())?;
    Ok(Pace {
        rounds: if args.smoke { 1 } else { args.rounds },
        duration,
        warm_up: WARM_UP.min(duration),
        write_bytes: args.write_gib << 30,
        smoke: args.smoke,
    })
}

fn run(args: &Args) -> Done {
    let pace = pace(args)?;
    let folder = fresh(&args.target.join("bench"))?;
    let machine = Machine::here(&folder);
    println!("{}", machine.line());
    let programs = Programs {
        moraine: args.programs.join("moraine"),
        peer: args.programs.join("peer"),
    };
    let objects_max = if args.smoke {
        SMOKE_OBJECTS
    } else {
        usize::MAX
    };
    let stage = Stage::set(&programs, &folder, objects_max)?;
    let idle = mib(stage.idle_bytes);
    let groups: Vec<_> = GROUPS
        .iter()
        .filter(|group| group.name.contains(&args.only))
        .copied()
        .collect();
    let runs = rounds::run(&stage, &groups, pace, |line| println!("{line}"))?;
    stage.stop()?;
    if args.smoke {
        println!("{} passed, 0 failed", runs.len());
    } else {
        report(args, &machine, pace, &groups, &runs, idle)?;
    }
    // At the very end, since creating files is slow for minutes after this on some file systems.
    fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn report(
    args: &Args,
    machine: &Machine,
    pace: Pace,
    groups: &[Group],
    runs: &[Run],
    idle: f64,
) -> Done {
    let mut table: Vec<Row> = groups.iter().flat_map(|group| rows(group, runs)).collect();
    table.push(single(
        "idle, before the first request",
        "RssAnon, MiB",
        idle,
        Aim::Below(IDLE_MIB),
    ));
    let text = page::table(&table);
    println!("\n{text}");
    let results = Results {
        machine,
        pace,
        rows: &table,
        runs,
    };
    let json = serde_json::to_string_pretty(&results).map_err(|error| error.to_string())?;
    write(&args.target.join("bench.json"), &json)?;
    if args.write_page {
        write_page(machine, pace, &table, &text)?;
    }
    Ok(())
}

fn fresh(folder: &Path) -> Done<PathBuf> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::create_dir_all(folder).map_err(failed)?;
    folder.canonicalize().map_err(failed)
}

fn write_page(machine: &Machine, pace: Pace, table: &[Row], text: &str) -> Done {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = folder.join("README.md");
    let old =
        fs::read_to_string(&readme).map_err(|error| format!("{}: {error}", readme.display()))?;
    let pace = format!(
        "{} rounds of {} s",
        pace.rounds,
        pace.duration.as_secs_f64()
    );
    let text = format!(
        "{}; {pace}.\n\n![the ratios as bars](comparison.svg)\n\n{text}",
        machine.line()
    );
    write(&readme, &page::replaced(&old, &text)?)?;
    let subtitle = format!(
        "{} cores ({}), {}, {pace}",
        machine.cores, machine.processor, machine.nginx
    );
    write(
        &folder.join("comparison.svg"),
        &chart::svg(table, &subtitle),
    )
}

fn write(path: &Path, text: &str) -> Done {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
