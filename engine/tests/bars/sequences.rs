//! Bar 1: random histories without faults.

use crate::common::{Tally, draw, finish, fresh};
use moraine_engine::testing::{Campaign, Check, Op};

fn run(seed: u64, history: &[Op]) -> Check {
    let mut world = fresh(seed);
    world.start()?;
    world.run(history)?;
    finish(&mut world, seed.is_multiple_of(2))?;
    for (tally, kind) in MET.iter().zip(KINDS) {
        tally.add(world.met.get(kind).copied().unwrap_or(0));
    }
    Ok(())
}

/// What histories must have done, and not only asked for.
const KINDS: [&str; 11] = [
    "put",
    "delete",
    "copy",
    "copy of parts",
    "set ACL",
    "get",
    "list",
    "put part",
    "complete",
    "abort",
    "delete bucket",
];
static MET: [Tally; KINDS.len()] = [const { Tally::new() }; KINDS.len()];

#[test]
fn bar_01_random_histories() {
    crate::common::arm_canary();
    let campaign = Campaign {
        name: "bar_01_random_histories",
        count: 20_000,
    };
    campaign.histories(|seed| draw(seed, false), run);
    for (tally, kind) in MET.iter().zip(KINDS) {
        println!("{kind}: {tally} times");
        tally.at_least(campaign.count / 40);
    }
}
