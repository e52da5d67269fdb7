//! Bar 9: a crash at every step of a recovery, and the recovery from that.

use crate::common::{config, crash_mode, crash_modes, draw, probe};
use moraine_engine::io::sim::SimDisk;
use moraine_engine::testing::{Campaign, Check, Failure, Rng, World, ensure, options};

/// Changes that a recovery may make before the test is taken for endless.
const CHANGES_MAX: u64 = 500;

/// A world whose process ended in the middle of a history, with power lost.
fn crashed(seed: u64) -> Check<World> {
    let mut rng = Rng::new(seed ^ 0x72_6563_6f76_6572);
    let mut world = World::new(seed, config(seed), options(seed));
    world.start()?;
    world.disk().crash_at(30 + rng.below(200));
    world.run(&draw(seed, true))?;
    world.sim.kill();
    let mode = crash_mode(&mut rng, world.disk().unsynced());
    world.disk().crash(mode);
    Ok(world)
}

fn every_step(seed: u64) -> Check {
    let world = crashed(seed)?;
    let (snapshot, past) = (world.disk().snapshot(), world.past());
    for nth in 1..CHANGES_MAX {
        let disk = SimDisk::from_snapshot(&snapshot, seed);
        let mut first = past.on(disk, seed, options(seed));
        first.disk().crash_at(nth);
        first
            .reopen()
            .map_err(|failure| Failure(format!("recovery: {}", failure.0)))?;
        if !first.is_frozen() {
            return Ok(());
        }
        first.sim.kill();
        let (stopped, between) = (first.disk().snapshot(), first.past());
        for mode in crash_modes(first.disk().unsynced()) {
            let disk = SimDisk::from_snapshot(&stopped, seed);
            let mut second = between.on(disk, seed + 1, options(seed));
            second
                .crash(mode)
                .and_then(|()| probe(&mut second))
                .map_err(|failure| {
                    Failure(format!(
                        "change {nth} of the recovery, then {mode:?}: {}",
                        failure.0
                    ))
                })?;
        }
    }
    ensure!(false, "the recovery does not end");
    Ok(())
}

#[test]
fn bar_09_crashes_during_recovery() {
    crate::common::arm_canary();
    Campaign {
        name: "bar_09_crashes_during_recovery",
        count: 150,
    }
    .seeds(every_step);
}
