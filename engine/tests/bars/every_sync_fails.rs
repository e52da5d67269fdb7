//! Bar 5: a failed sync. What is acknowledged after it would be lost, so nothing may be; reopening loses only what
//! was not acknowledged.

use crate::common::{config, finish};
use crate::workload::workload;
use moraine_engine::io::sim::CrashMode;
use moraine_engine::testing::{Campaign, Check, Failure, Op, World, ensure, options};

/// More syncs than the workload makes.
const SYNCS_MAX: u64 = 400;
/// The seed of the configuration.
const SEED: u64 = 5;

/// Fails the `nth` sync; false if there were fewer.
fn run(nth: u64, mode: CrashMode) -> Check<bool> {
    let mut world = World::new(SEED, config(SEED), options(SEED));
    world.faults = true;
    world.disk().fail_sync_nth(nth);
    if world.start()? {
        for op in workload() {
            if !world.sim.is_open() {
                break;
            }
            let before = world.disk().has_pending_faults();
            world
                .step(&op)
                .map_err(|failure| Failure(format!("{op:?}: {}", failure.0)))?;
            let struck = before && !world.disk().has_pending_faults();
            // What prepares a segment is not the log: it is given up, and nothing is poisoned.
            let writes = !matches!(op, Op::Checkpoint | Op::Prepare | Op::Reopen { .. });
            ensure!(
                !struck || !writes || !world.is_writable(),
                "a sync failed unnoticed in {op:?}"
            );
        }
    }
    let struck = !world.disk().has_pending_faults();
    world.sim.kill();
    world.faults = false;
    world.crash(mode)?;
    finish(&mut world, nth.is_multiple_of(2))?;
    Ok(struck)
}

#[test]
fn bar_05_every_sync_fails() {
    crate::common::arm_canary();
    let count = (1..SYNCS_MAX)
        .find(|nth| !run(*nth, CrashMode::LoseAll).unwrap_or(true))
        .expect("the workload makes fewer syncs");
    println!("{} syncs, each failed once", count - 1);
    assert!(count > 20, "the workload syncs");
    for mode in [CrashMode::LoseAll, CrashMode::KeepAll, CrashMode::Subset] {
        let campaign = Campaign {
            name: "bar_05_every_sync_fails",
            count: count - 1,
        };
        campaign.all(|number| {
            let struck = run(number + 1, mode)?;
            ensure!(struck, "sync {} was not made", number + 1);
            Ok(())
        });
    }
}
