//! Bar 18: a store that lost its indexes is opened while the disk is nearly full. With little room it refuses and says how much it
//! needs, with some more it opens and has everything; nothing in between, and a refusal does no harm.

use crate::common::{config, finish};
use moraine_engine::Error;
use moraine_engine::io::sim::{FaultKind, Repeat, SimDisk};
use moraine_engine::testing::{Op, SimStore, World, options};

const SEED: u64 = 18;
const NAMES: u64 = 40;
/// Steps in which room is given.
const STEP: u64 = 2048;
/// More than the store needs.
const ROOM: u64 = 64 << 20;

/// A store that was closed, and has lost its indexes.
fn without_indexes() -> World {
    let sim = SimStore::new(SEED, config(SEED), options(SEED));
    let mut world = World::over(sim, SEED);
    world.start().unwrap();
    world.step(&Op::CreateBucket { bucket: 0 }).unwrap();
    for number in 0..NAMES {
        world.step(&Op::small_put(number, 200)).unwrap();
    }
    world.sim.close().unwrap();
    for path in world.disk().files() {
        if path.starts_with("index/") {
            world.disk().remove_file(&path).unwrap();
        }
    }
    world
}

fn used(disk: &SimDisk) -> u64 {
    let files = disk.files();
    let sizes = files.iter().map(|path| disk.read_file(path).unwrap().len());
    sizes.sum::<usize>() as u64
}

#[test]
fn bar_18_a_start_without_room_for_the_indexes() {
    crate::common::arm_canary();
    let world = without_indexes();
    let (snapshot, past) = (world.disk().snapshot(), world.past());
    let least = used(world.disk());
    let (mut refusals, mut starts) = (0, 0);
    for extra in (0..200).map(|step| step * STEP) {
        let disk = SimDisk::from_snapshot(&snapshot, SEED);
        disk.set_capacity(least + extra);
        let mut world = past.on(disk, SEED, options(SEED));
        let opened = world.sim.open();
        let (refused, told) = match &opened {
            Ok(()) => (false, false),
            Err(Error::NoRoomForIndexes { need, free }) => {
                assert!(*need > NAMES * 230, "{need} bytes are too few");
                assert!(*free < least + extra);
                (true, true)
            }
            // The superblock comes first, and says itself that there is no room.
            Err(Error::Io { .. }) => (true, false),
            Err(error) => panic!("{extra} bytes more: {error}"),
        };
        refusals += u64::from(told);
        starts += u64::from(!refused);
        world.disk().set_capacity(ROOM);
        if refused {
            world.sim.open().unwrap();
        }
        world.check().unwrap();
        finish(&mut world, true).unwrap();
        if extra > 40 * STEP && !refused {
            break;
        }
    }
    assert!(
        refusals > 0 && starts > 0,
        "{refusals} refused, {starts} opened"
    );
}

/// One call of the start finds no room, or no descriptor. Where it is one that sorts, the indexes are made without.
#[test]
fn bar_18_one_call_of_a_start_without_indexes() {
    crate::common::arm_canary();
    let world = without_indexes();
    let (snapshot, past) = (world.disk().snapshot(), world.past());
    for kind in [FaultKind::Enospc, FaultKind::Emfile] {
        let (mut struck, mut opened) = (0, 0);
        for nth in 1.. {
            let disk = SimDisk::from_snapshot(&snapshot, SEED);
            disk.fail_nth(nth, kind, Repeat::Once);
            let mut world = past.on(disk, SEED, options(SEED));
            let start = world.sim.open();
            if world.disk().has_pending_faults() {
                // The start makes fewer calls: all have been struck.
                break;
            }
            struck += 1;
            opened += u64::from(start.is_ok());
            if start.is_err() {
                world.sim.open().unwrap();
            }
            world.check().unwrap();
            finish(&mut world, nth.is_multiple_of(2)).unwrap();
        }
        println!("{kind:?}: {opened} of {struck} were opened all the same");
        assert!(
            struck >= 100 && opened >= 10,
            "{kind:?}: {opened} of {struck}"
        );
    }
}
