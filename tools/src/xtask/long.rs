//! `cargo xtask long`: the random tests again and again on seeds that nobody has run yet, until the time is up: the bars of
//! the engine, schedules of its threads, the model of the door, kills and sessions of real clients, and the fuzz targets. Miri and
//! AddressSanitizer, which draw nothing, run once. So do the bars that CI samples, with every call and every byte, if they are asked
//! for (`--exhaustive`): last, since they take hours whatever the scale.
//!
//! `--hours 0 --scale 0.02` goes through all of it once in a short time: whether the parts work, not whether the store does.

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
    /// How long; the last pass is finished, and there is one at least
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// How many times its figures each pass runs, a decimal number
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// At the end, the bars that CI samples with every call and every byte (hours more, whatever the scale)
    #[arg(long)]
    exhaustive: bool,
}

/// Seeds between two passes: more than a pass uses at any scale that fits into a day.
const SEEDS_PER_PASS: u64 = 1 << 32;
/// For each fuzz target, in each pass of scale 1. What it finds new it keeps for the next pass, in `target/`.
const FUZZ_SECONDS: u64 = 30;
/// Kills of the server in each pass of scale 1.
const KILLS: u64 = 50;
/// Kills that `kill.py` needs to compare the first starts with the last.
const KILLS_MIN: u64 = 8;
/// Sessions of real clients in each pass of scale 1.
const SESSIONS: u64 = 1000;

/// Stops at the first failure, which is printed with the line that repeats it.
pub fn run(args: &Args) -> Done {
    let length = Duration::try_from_secs_f64(args.hours * 3600.0)
        .map_err(|_| format!("{} is no number of hours", args.hours))?;
    // Not so large that the seeds of two passes meet.
    if !(args.scale > 0.0 && args.scale <= 10_000.0) {
        return Err(format!("{} is no scale", args.scale));
    }
    install::everything()?;
    run::finish(run::cargo(RELEASE))?;
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut seed = since_epoch.as_secs() * SEEDS_PER_PASS;
    let started = Instant::now();
    let mut passes = 0_u64;
    loop {
        run::finish(models(seed, args.scale))?;
        if passes == 0 {
            unfailing(sanitize::address()?)?;
            unfailing(miri::full()?)?;
        }
        schedules::explore_from(seed, args.scale)?;
        run::finish(kills(seed, scaled(KILLS, args.scale).max(KILLS_MIN)))?;
        run::finish(sessions(seed, scaled(SESSIONS, args.scale)))?;
        fuzz::everything(scaled(FUZZ_SECONDS, args.scale))?;
        seed = seed.wrapping_add(SEEDS_PER_PASS);
        passes += 1;
        println!(
            "== {passes} passes in {:.2} hours",
            started.elapsed().as_secs_f64() / 3600.0
        );
        if started.elapsed() >= length {
            break;
        }
    }
    if args.exhaustive {
        run::finish(exhaustive())?;
    }
    Ok(())
}

/// A figure, so many times, and one at least.
fn scaled(figure: u64, scale: f64) -> u64 {
    // Not through a float: all that is needed of it are its thousandths.
    let thousandths = (scale * 1000.0).round().to_string().parse::<u64>();
    let times = figure.saturating_mul(thousandths.unwrap_or(1000));
    times.div_ceil(1000).max(1)
}

fn unfailing(count: Count) -> Done {
    if count.failed == 0 {
        Ok(())
    } else {
        Err(format!("{} failed", count.failed))
    }
}

/// The bars of the engine and the model of the door: both read the variables.
fn models(seed: u64, scale: f64) -> Command {
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

fn kills(seed: u64, rounds: u64) -> Command {
    let (seed, rounds) = (seed.to_string(), rounds.to_string());
    run::client(
        "kill.py",
        &["--rounds", &rounds, "--fsck-every", "5", "--seed", &seed],
    )
}

fn sessions(seed: u64, sessions: u64) -> Command {
    let (seed, sessions) = (seed.to_string(), sessions.to_string());
    run::client("sessions.py", &["--sessions", &sessions, "--seed", &seed])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_scaled_and_never_nothing() {
        assert_eq!(scaled(1000, 1.0), 1000);
        assert_eq!(scaled(1000, 2.5), 2500);
        assert_eq!(scaled(50, 0.02), 1);
        assert_eq!(scaled(30, 0.001), 1);
        assert_eq!(scaled(30, 10_000.0), 300_000);
    }
}
