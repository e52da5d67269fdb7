//! Bar 4, beyond its fixed workload: random histories in which calls and syncs fail again and again, with restarts of
//! the process and losses of power in between.

use crate::common::{Tally, crash_mode, draw, finish, fresh};
use moraine_engine::io::sim::{FaultKind, Repeat};
use moraine_engine::testing::{Campaign, Check, Failure, IndexFault, Op, Rng, World};

/// Calls, about, between two faults.
const CALLS: u64 = 150;
/// Syncs, about, between two faults.
const SYNCS: u64 = 20;

/// How often the store turned read-only.
static POISONED: Tally = Tally::new();

/// Sets the next fault.
fn arm(world: &World, rng: &mut Rng) {
    let kind = *rng.pick(&[
        FaultKind::Eio,
        FaultKind::Enospc,
        FaultKind::Emfile,
        FaultKind::Erofs,
    ]);
    if rng.one_in(2) {
        world
            .disk()
            .fail_nth(1 + rng.below(CALLS), kind, Repeat::Once);
    } else {
        world.disk().fail_sync_nth(1 + rng.below(SYNCS));
    }
}

/// What an operator does with a store that is read-only: restarts it, perhaps the machine, perhaps later.
fn restart(world: &mut World, rng: &mut Rng) -> Check {
    match rng.below(3) {
        0 => Ok(()),
        1 => world.step(&Op::Reopen {
            clean: rng.one_in(2),
            fault: IndexFault::None,
        }),
        _ => {
            world.sim.kill();
            let mode = crash_mode(rng, world.disk().unsynced());
            world.crash(mode)
        }
    }
}

fn run(seed: u64, history: &[Op]) -> Check {
    let mut rng = Rng::new(seed ^ 0x66_6175_6c74);
    let mut world = fresh(seed);
    // A store whose making met a failed sync is made anew by its operator; here it begins whole.
    world.start()?;
    world.faults = true;
    for (number, op) in history.iter().enumerate() {
        if !world.disk().has_pending_faults() {
            arm(&world, &mut rng);
        }
        let writable = world.is_writable();
        world
            .step(op)
            .and_then(|()| {
                POISONED.count(writable && !world.is_writable());
                if world.is_writable() {
                    Ok(())
                } else {
                    restart(&mut world, &mut rng)
                }
            })
            .map_err(|failure| Failure(format!("operation {number}: {}", failure.0)))?;
    }
    world.sim.kill();
    world.disk().clear_faults();
    let mode = crash_mode(&mut rng, world.disk().unsynced());
    world.faults = false;
    world.crash(mode)?;
    finish(&mut world, seed.is_multiple_of(2))
}

#[test]
fn bar_04_random_faults() {
    crate::common::arm_canary();
    let campaign = Campaign {
        name: "bar_04_random_faults",
        count: 5_000,
    };
    campaign.histories(|seed| draw(seed, false), run);
    println!("the store turned read-only {POISONED} times");
    POISONED.at_least(campaign.count / 4);
}
