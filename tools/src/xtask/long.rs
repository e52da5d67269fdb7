//! `cargo xtask long`: the random tests again and again on seeds that nobody has run yet, until the time is up: the bars of
//! the engine, schedules of its threads, the model of the door, kills and sessions of real clients, and the fuzz targets. Miri and
//! AddressSanitizer, which draw nothing, run once.

use crate::count::Count;
use crate::fuzz;
use crate::install;
use crate::run::{self, Done};
use crate::steps::RELEASE;
use crate::{miri, sanitize, schedules};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The arguments of the chore.
#[derive(clap::Args)]
pub struct Args {
    /// How long; the last pass is finished
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// How many times the figures of CI each pass runs
    #[arg(long, default_value_t = 1)]
    scale: u32,
}

/// Seeds between two passes: more than a pass uses at any scale that fits into a day.
const SEEDS_PER_PASS: u64 = 1 << 32;
/// For each fuzz target, in each pass. What it finds new it keeps for the next pass, in `target/`.
const FUZZ_SECONDS: u64 = 30;

/// Stops at the first failure, which is printed with the line that repeats it.
pub fn run(args: &Args) -> Done {
    let length = Duration::try_from_secs_f64(args.hours * 3600.0)
        .map_err(|_| format!("{} is no number of hours", args.hours))?;
    install::everything()?;
    run::finish(run::cargo(RELEASE))?;
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut seed = since_epoch.as_secs() * SEEDS_PER_PASS;
    let started = Instant::now();
    let mut passes = 0_u64;
    while started.elapsed() < length {
        run::finish(models(seed, args.scale))?;
        if passes == 0 {
            run::finish(exhaustive())?;
            unfailing(sanitize::address()?)?;
            unfailing(miri::formats()?)?;
        }
        schedules::explore_from(seed, args.scale)?;
        run::finish(kills(seed))?;
        run::finish(sessions(seed))?;
        fuzz::everything(FUZZ_SECONDS)?;
        seed = seed.wrapping_add(SEEDS_PER_PASS);
        passes += 1;
        println!(
            "== {passes} passes in {:.2} hours",
            started.elapsed().as_secs_f64() / 3600.0
        );
    }
    Ok(())
}

fn unfailing(count: Count) -> Done {
    if count.failed == 0 {
        Ok(())
    } else {
        Err(format!("{} failed", count.failed))
    }
}

/// The bars of the engine and the model of the door: both read the variables.
fn models(seed: u64, scale: u32) -> Command {
    let arguments = [
        "nextest",
        "run",
        "--workspace",
        "--all-features",
        "-E",
        "binary(bars) or (binary(model) and test(/random/))",
    ];
    let mut command = run::cargo(&arguments);
    command.env("MORAINE_SEED_BASE", seed.to_string());
    command.env("MORAINE_TEST_SCALE", scale.to_string());
    println!(
        "\n== MORAINE_SEED_BASE={seed} MORAINE_TEST_SCALE={scale} {}",
        run::shown(&command)
    );
    command
}

/// The bars that CI samples, once with every call and every byte.
fn exhaustive() -> Command {
    let filter = "binary(bars) and (test(/bar_04_(nth|all|disk)/) or test(/bar_06_flips/))";
    let mut command = run::cargo(&[
        "nextest",
        "run",
        "--workspace",
        "--all-features",
        "-E",
        filter,
    ]);
    command.env("MORAINE_EXHAUSTIVE", "1");
    command
}

fn kills(seed: u64) -> Command {
    run::client(
        "kill.py",
        &[
            "--rounds",
            "50",
            "--fsck-every",
            "5",
            "--seed",
            &seed.to_string(),
        ],
    )
}

fn sessions(seed: u64) -> Command {
    let seed = seed.to_string();
    run::client("sessions.py", &["--sessions", "1000", "--seed", &seed])
}
