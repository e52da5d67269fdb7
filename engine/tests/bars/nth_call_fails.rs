//! Bar 4: the n-th call to the disk fails, once or for good: for n up to 500 in CI, and with `MORAINE_EXHAUSTIVE=1` for every n
//! until the workload completes.

use crate::common::{config, exhaustively, finish};
use crate::workload::workload;
use moraine_engine::io::sim::{CrashMode, FaultKind, Repeat};
use moraine_engine::testing::{Campaign, Check, World, options, scaled};

/// The largest n in CI.
const CALLS_MAX: u64 = 500;
/// The seed of the configuration.
const SEED: u64 = 4;

fn run(nth: u64, kind: FaultKind, repeat: Repeat, mode: CrashMode) -> Check {
    let mut world = World::new(SEED, config(SEED), options(SEED));
    world.faults = true;
    world.disk().fail_nth(nth, kind, repeat);
    if world.start()? {
        world.run(&workload())?;
    }
    world.sim.kill();
    world.disk().clear_faults();
    world.faults = false;
    world.crash(mode)?;
    finish(&mut world, nth.is_multiple_of(2))
}

/// How many calls there are until the workload completes, and is looked at once more.
fn calls() -> u64 {
    let mut world = World::new(SEED, config(SEED), options(SEED));
    let done = world.start().and_then(|_| world.run(&workload()));
    done.expect("nothing fails");
    world.disk().call_count()
}

fn every_call(name: &'static str, kind: FaultKind, repeat: Repeat) {
    let count = if exhaustively() {
        calls()
    } else {
        scaled(CALLS_MAX)
    };
    println!("n = 1 to {count}");
    let campaign = Campaign { name, count };
    campaign.all(|number| {
        // Power may go after the process gave up, or stay.
        let mode = if number % 2 == 0 {
            CrashMode::LoseAll
        } else {
            CrashMode::KeepAll
        };
        run(number + 1, kind, repeat, mode)
    });
}

#[test]
fn bar_04_nth_call_fails_once() {
    crate::common::arm_canary();
    every_call("bar_04_nth_call_fails_once", FaultKind::Eio, Repeat::Once);
}

#[test]
fn bar_04_all_calls_fail_from_the_nth() {
    crate::common::arm_canary();
    every_call(
        "bar_04_all_calls_fail_from_the_nth",
        FaultKind::Eio,
        Repeat::Forever,
    );
}

#[test]
fn bar_04_disk_is_full_once() {
    crate::common::arm_canary();
    every_call("bar_04_disk_is_full_once", FaultKind::Enospc, Repeat::Once);
}

#[test]
fn bar_04_disk_is_full_from_the_nth_call() {
    crate::common::arm_canary();
    every_call(
        "bar_04_disk_is_full_from_the_nth_call",
        FaultKind::Enospc,
        Repeat::Forever,
    );
}
