//! Bar 2: random histories with crashes at random changes: between operations, inside them, and inside recoveries.

use crate::common::{Tally, crash_mode, draw, finish, fresh};
use moraine_engine::testing::{Campaign, Check, Op, Rng, World, ensure};

/// Changes, about, that a history makes.
const HISTORY_CHANGES: u64 = 60;
/// Changes, about, that a recovery makes.
const RECOVERY_CHANGES: u64 = 20;
/// Crashes in one history.
const CRASHES_MAX: u32 = 5;

/// Crashes that struck.
static CRASHES: Tally = Tally::new();
/// Of these, those that left open what had happened.
static IN_FLIGHT: Tally = Tally::new();
/// Of these, those that struck a recovery.
static IN_RECOVERY: Tally = Tally::new();

struct Crashing {
    world: World,
    rng: Rng,
    crashes: u32,
}

impl Crashing {
    /// Sets the next crash, unless there were enough.
    fn arm(&mut self, within: u64) {
        if self.crashes < CRASHES_MAX {
            let nth = 1 + self.rng.below(within);
            self.world.disk().crash_at(nth);
        }
    }

    /// Loses power for as long as crashes strike, and opens what survived.
    fn recover(&mut self) -> Check {
        while self.world.is_frozen() {
            self.crashes += 1;
            CRASHES.count(true);
            IN_FLIGHT.count(!self.world.model.open.is_empty());
            IN_RECOVERY.count(!self.world.sim.is_open());
            self.world.sim.kill();
            let mode = crash_mode(&mut self.rng, self.world.disk().unsynced());
            self.world.disk().crash(mode);
            let within = *self.rng.pick(&[RECOVERY_CHANGES, HISTORY_CHANGES]);
            self.arm(within);
            self.world.reopen()?;
        }
        Ok(())
    }
}

pub fn run(seed: u64, history: &[Op]) -> Check<World> {
    let rng = Rng::new(seed ^ 0x63_7261_7368);
    let mut run = Crashing {
        world: fresh(seed),
        rng,
        crashes: 0,
    };
    // One in four crashes while it is made.
    if run.rng.one_in(4) {
        run.arm(2 * RECOVERY_CHANGES);
    }
    let started = run.world.start()?;
    ensure!(
        started || run.world.is_frozen(),
        "an empty disk does not open"
    );
    run.recover()?;
    run.world.disk().clear_faults();
    run.arm(HISTORY_CHANGES);
    for (number, op) in history.iter().enumerate() {
        run.world
            .step(op)
            .and_then(|()| run.recover())
            .map_err(|failure| {
                moraine_engine::testing::Failure(format!("operation {number}: {}", failure.0))
            })?;
    }
    run.world.disk().clear_faults();
    // The last crash comes without a warning: what was acknowledged is durable, whatever is not.
    run.world.sim.kill();
    let mode = crash_mode(&mut run.rng, run.world.disk().unsynced());
    run.world.crash(mode)?;
    finish(&mut run.world, seed.is_multiple_of(2))?;
    Ok(run.world)
}

#[test]
fn bar_02_random_crashes() {
    crate::common::arm_canary();
    let campaign = Campaign {
        name: "bar_02_random_crashes",
        count: 10_000,
    };
    campaign.histories(
        |seed| draw(seed, false),
        |seed, history| run(seed, history).map(drop),
    );
    println!("{CRASHES} crashes, {IN_FLIGHT} with requests in flight, {IN_RECOVERY} in a recovery");
    CRASHES.at_least(2 * campaign.count);
    IN_FLIGHT.at_least(campaign.count);
    IN_RECOVERY.at_least(campaign.count / 4);
}
