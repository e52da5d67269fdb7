//! Bar 18, the part that a log needs: the disk is full at any moment, then there is room again. What is refused has no
//! effect, nothing is poisoned by it, and service goes on.

use crate::common::{Tally, crash_mode, draw, finish, fresh};
use moraine_engine::io::sim::{FaultKind, Repeat};
use moraine_engine::testing::{Campaign, Check, Failure, Op, Rng, World, ensure, options};

/// More than any history needs.
const ROOM: u64 = 64 << 20;

/// How often a segment found no room.
static REFUSED: Tally = Tally::new();

/// Bytes of all files.
fn used(world: &World) -> u64 {
    let files = world.disk().files();
    let bytes = |path: &String| world.disk().read_file(path).map_or(0, |bytes| bytes.len());
    files.iter().map(bytes).sum::<usize>() as u64
}

fn run(seed: u64, history: &[Op]) -> Check {
    let mut rng = Rng::new(seed ^ 0x6675_6c6c);
    let mut world = fresh(seed);
    world.start()?;
    world.faults = true;
    for (number, op) in history.iter().enumerate() {
        let blame = |failure: Failure| Failure(format!("operation {number}: {}", failure.0));
        if rng.one_in(3) {
            // Room for indexes and for what is there, seldom for another segment.
            let room = used(&world) + rng.below(40_000);
            world.disk().set_capacity(room);
        } else {
            world.disk().set_capacity(ROOM);
            // For one call only: there may be room again for the name of a body that found none.
            if rng.one_in(2) {
                world
                    .disk()
                    .fail_nth(1 + rng.below(8), FaultKind::Enospc, Repeat::Once);
            }
        }
        // A start needs room; without it is another test.
        if matches!(op, Op::Reopen { .. }) {
            world.disk().set_capacity(ROOM);
        }
        let unknown = world.model.open.is_empty();
        world.step(op).map_err(blame)?;
        REFUSED.count(unknown && world.refusals > 0);
        world.refusals = 0;
        world.disk().clear_faults();
        if !world.is_writable() {
            // An index that could not grow turns the store read-only: it is opened again.
            world.disk().set_capacity(ROOM);
            world.sim.kill();
            world.reopen().map_err(blame)?;
        }
    }
    world.disk().set_capacity(ROOM);
    world.faults = false;
    world.check()?;
    world.sim.kill();
    let mode = crash_mode(&mut rng, world.disk().unsynced());
    world.crash(mode)?;
    ensure!(
        world.is_writable(),
        "there is room, and the store is read-only"
    );
    finish(&mut world, seed.is_multiple_of(2))
}

#[test]
fn bar_18_disk_full_and_room_again() {
    crate::common::arm_canary();
    let campaign = Campaign {
        name: "bar_18_disk_full_and_room_again",
        count: 5_000,
    };
    campaign.histories(|seed| draw(seed, false), run);
    println!("{REFUSED} operations found no room");
    REFUSED.at_least(campaign.count / 4);
}

fn put(number: u64) -> Op {
    Op::small_put(number, 500)
}

/// Others take the room of the disk while the segment has room of its own: it is the indexes that would find none.
#[test]
fn bar_18_others_fill_the_disk_beside_a_segment_with_room() {
    const SEED: u64 = 3;
    let mut world = fresh(SEED);
    world.start().unwrap();
    world
        .run(&[Op::CreateBucket { bucket: 0 }, put(0)])
        .unwrap();
    let floor = options(SEED).geometry.segment_bytes / 8;
    for (number, free) in [(1, 0), (2, floor - 1), (3, floor)] {
        let room = used(&world) + free;
        world.disk().set_capacity(room);
        world.faults = true;
        world.step(&put(number)).unwrap();
        assert_eq!(world.refusals, u64::from(free < floor), "{free} bytes free");
        world.refusals = 0;
        world.faults = false;
        assert!(world.is_writable());
        world.check().unwrap();
    }
    world.disk().set_capacity(ROOM);
    world.run(&[put(4), put(1)]).unwrap();
    finish(&mut world, true).unwrap();
}
