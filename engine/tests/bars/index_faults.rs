//! Bar 8: indexes deleted, corrupted, stale, swapped or cut while the store is closed: the same content, always.

use crate::common::{draw, finish, fresh};
use crate::crashes;
use moraine_engine::testing::{Campaign, Check, Op};

fn run(seed: u64, history: &[Op]) -> Check {
    let mut world = fresh(seed);
    world.start()?;
    world.run(history)?;
    finish(&mut world, seed.is_multiple_of(2))
}

#[test]
fn bar_08_index_faults() {
    crate::common::arm_canary();
    let campaign = Campaign {
        name: "bar_08_index_faults",
        count: 3_000,
    };
    campaign.histories(|seed| draw(seed, true), run);
}

#[test]
fn bar_08_index_faults_and_crashes() {
    crate::common::arm_canary();
    let campaign = Campaign {
        name: "bar_08_index_faults_and_crashes",
        count: 3_000,
    };
    campaign.histories(
        |seed| draw(seed, true),
        |seed, history| crashes::run(seed, history).map(drop),
    );
}
