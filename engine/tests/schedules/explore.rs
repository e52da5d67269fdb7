//! Runs one scenario under many schedules, in batches of a hundred; the number of a batch says which schedules it holds.
//!
//! | variable | means |
//! | --- | --- |
//! | `MORAINE_SEED` | only the batch with this number |
//! | `MORAINE_SEED_BASE` | the number of the first batch (default 0) |
//! | `MORAINE_TEST_SCALE` | how many times the figure of CI (a decimal number, default 1) |

use moraine_engine::testing::{Check, Failure, quietly, scaled};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

/// Schedules of each scenario in CI.
const SCHEDULES: u64 = 10_000;

/// Schedules of one batch. PCT spreads its changes over the longest run of the batch so far, so it needs some.
const BATCH: usize = 100;

/// Changes of priority that PCT makes in a run: races of up to so many orderings.
const DEPTH: usize = 4;

/// Steps after which a run is a livelock: ordinary ones take some thousands.
const STEPS_MAX: usize = 300_000;

/// Bytes of stack for each thread: the engine's deepest calls in an unoptimised build, and room.
const STACK_BYTES: usize = 1 << 18;

/// Explores `scenario`, called `name`, half at random, half by PCT ("A Randomized Scheduler with Probabilistic Guarantees
/// of Finding Bugs", Burckhardt et al., 2010).
///
/// # Panics
/// If a schedule fails.
pub fn explore(name: &'static str, scenario: fn()) {
    #[cfg(feature = "canary")]
    crate::canaries::arm();
    let (first, count) = match number("MORAINE_SEED") {
        Some(batch) => (batch, 1),
        None => {
            let batches = scaled(SCHEDULES).div_ceil(BATCH as u64);
            (number("MORAINE_SEED_BASE").unwrap_or(0), batches)
        }
    };
    for batch in first..first + count {
        if let Err(failure) = run(batch, scenario) {
            panic!(
                "{name} fails with seed {batch}: {}\n  repeat: MORAINE_SEED={batch} RUSTFLAGS=\"--cfg shuttle\" cargo test \
                 -p moraine-engine --features sim,canary --target-dir target/schedules --test schedules {name}",
                failure.0
            );
        }
    }
}

/// One batch.
fn run(batch: u64, scenario: fn()) -> Check {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    // The number of the batch repeats it; a schedule as text has thousands of characters.
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    config
        .ungraceful_shutdown_config
        .immediately_return_on_panic = true;
    quietly(|| {
        if batch % 2 == 0 {
            Runner::new(RandomScheduler::new_from_seed(batch, BATCH), config).run(scenario);
        } else {
            Runner::new(PctScheduler::new_from_seed(batch, DEPTH, BATCH), config).run(scenario);
        }
        Ok::<(), Failure>(())
    })
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
