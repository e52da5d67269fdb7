//! The segment that is prepared while nothing else is to do: it is used, given back when room is short, gone after a
//! start, and whatever fails while it is made is none of the log's. Crashes around it: bar 3.

use crate::common::{config, fresh, probe};
use moraine_engine::io::sim::{FaultKind, Repeat, SimConfig};
use moraine_engine::testing::{IndexFault, Op, World, options};

const SEED: u64 = 3;
const SPARE: &str = "spare/zeroed";

fn put(number: usize) -> Op {
    Op::small_put(number as u64, 2000)
}

/// A store that has begun a segment.
fn begun() -> World {
    let mut world = fresh(SEED);
    world.start().unwrap();
    world
        .run(&[Op::CreateBucket { bucket: 0 }, put(0)])
        .unwrap();
    world
}

fn has_spare(world: &World) -> bool {
    world.disk().files().iter().any(|path| path == SPARE)
}

fn segments(world: &World) -> usize {
    let files = world.disk().files();
    files.iter().filter(|path| path.ends_with(".seg")).count()
}

#[test]
fn the_next_segment_is_made_of_the_spare() {
    let mut world = begun();
    world.step(&Op::Prepare).unwrap();
    assert!(has_spare(&world));
    let before = segments(&world);
    world.run(&[Op::Seal, put(1)]).unwrap();
    assert_eq!((has_spare(&world), segments(&world)), (false, before + 1));
    world.check().unwrap();
}

#[test]
fn a_start_removes_it_and_prepares_anew() {
    let mut world = begun();
    for clean in [false, true] {
        world.step(&Op::Prepare).unwrap();
        assert!(has_spare(&world));
        let fault = IndexFault::None;
        world.step(&Op::Reopen { clean, fault }).unwrap();
        assert!(!has_spare(&world));
        world.step(&put(2)).unwrap();
    }
}

#[test]
fn it_is_given_back_when_room_is_short() {
    let mut world = begun();
    world.step(&Op::Prepare).unwrap();
    assert!(has_spare(&world));
    let files = world.disk().files();
    let used: usize = files
        .iter()
        .map(|path| world.disk().read_file(path).map_or(0, |bytes| bytes.len()))
        .sum();
    let segment = options(SEED).geometry.segment_bytes;
    world.disk().set_capacity(used as u64 + segment / 4);
    // A sixteenth of a segment is written before the room is looked at.
    for number in 1..8 {
        world.step(&put(number)).unwrap();
    }
    assert!(!has_spare(&world) && world.is_writable());
}

#[test]
fn none_is_made_where_the_next_segments_would_find_no_room() {
    let mut world = World::new(
        SEED,
        SimConfig {
            capacity: 3 * options(SEED).geometry.segment_bytes,
            ..config(SEED)
        },
        options(SEED),
    );
    world.start().unwrap();
    world
        .run(&[Op::CreateBucket { bucket: 0 }, put(0), Op::Prepare])
        .unwrap();
    assert!(!has_spare(&world));
}

#[test]
fn no_failure_while_it_is_made_or_used_hurts_the_log() {
    for kind in [FaultKind::Eio, FaultKind::Enospc] {
        let calls = {
            let mut world = begun();
            let before = world.disk().call_count();
            world.step(&Op::Prepare).unwrap();
            world.disk().call_count() - before
        };
        assert!(calls > 10, "{calls} calls");
        for nth in 1..=calls {
            let mut world = begun();
            world.disk().fail_nth(nth, kind, Repeat::Once);
            world.step(&Op::Prepare).unwrap();
            assert!(!world.disk().has_pending_faults(), "call {nth}");
            assert!(world.is_writable(), "call {nth}");
            world.run(&[Op::Seal, put(1)]).unwrap();
            probe(&mut world).unwrap();
            world.check().unwrap();
        }
    }
}

/// What lies on the disk.
fn used(world: &World) -> u64 {
    let files = world.disk().files();
    files
        .iter()
        .map(|path| world.disk().read_file(path).map_or(0, |bytes| bytes.len()) as u64)
        .sum()
}

/// A store whose last segment is sealed, with a spare for the next one.
fn ready() -> World {
    let mut world = begun();
    world.run(&[Op::Prepare, Op::Seal]).unwrap();
    assert!(has_spare(&world));
    world.faults = true;
    world
}

#[test]
fn it_makes_room_for_a_segment_that_is_allocated() {
    let segment = options(SEED).geometry.segment_bytes;
    for (room, fits) in [(segment / 2, true), (4096, false)] {
        let mut world = ready();
        let before = segments(&world);
        world.disk().set_capacity(used(&world) + room);
        world.step(&put(1)).unwrap();
        assert!(!has_spare(&world) && world.is_writable());
        assert_eq!(segments(&world) - before, usize::from(fits));
        world.disk().set_capacity(64 << 20);
        world.faults = false;
        probe(&mut world).unwrap();
        world.check().unwrap();
    }
}

#[test]
fn whatever_fails_while_it_is_used_no_acknowledged_byte_is_lost() {
    let calls = {
        let mut world = ready();
        let before = world.disk().call_count();
        world.step(&put(1)).unwrap();
        world.disk().call_count() - before
    };
    for kind in [FaultKind::Eio, FaultKind::Enospc, FaultKind::Emfile] {
        let mut refused = 0;
        let mut poisoned = 0;
        for nth in 1..=calls {
            let mut world = ready();
            world.refusals = 0;
            world.disk().fail_nth(nth, kind, Repeat::Once);
            world.step(&put(1)).unwrap();
            assert!(!world.disk().has_pending_faults(), "call {nth}");
            world.faults = false;
            if world.is_writable() {
                refused += u32::from(world.refusals > 0);
            } else {
                poisoned += 1;
                world.sim.kill();
                world.reopen().unwrap();
            }
            probe(&mut world).unwrap();
            world.check().unwrap();
        }
        println!("{kind:?}: {refused} refused, {poisoned} poisoned, of {calls}");
        assert!(
            poisoned > 0,
            "{kind:?}: a batch that is not written poisons"
        );
        if matches!(kind, FaultKind::Enospc) {
            assert!(refused > 0, "no room for a segment poisons nothing");
        }
    }
}

#[test]
fn none_is_made_where_zeros_are_not_written_over() {
    for rewrites_in_place in [false, true] {
        let config = SimConfig {
            rewrites_in_place,
            ..config(SEED)
        };
        let mut world = World::new(SEED, config, options(SEED));
        world.start().unwrap();
        world
            .run(&[Op::CreateBucket { bucket: 0 }, put(0), Op::Prepare])
            .unwrap();
        assert_eq!(has_spare(&world), rewrites_in_place);
        world.run(&[Op::Seal, put(1), Op::Prepare]).unwrap();
        assert_eq!(has_spare(&world), rewrites_in_place);
        world.check().unwrap();
    }
}

#[test]
fn a_new_segment_without_room_for_its_first_blocks_poisons_nothing() {
    let sealed = || {
        let mut world = begun();
        world.step(&Op::Seal).unwrap();
        world
    };
    let calls = {
        let world = &mut sealed();
        world.disk().record_calls();
        world.step(&put(1)).unwrap();
        world.disk().recorded_calls()
    };
    let renamed = calls.iter().position(|(what, _)| what == "rename").unwrap();
    let before = (1..).zip(calls.iter().take(renamed));
    let writes = before.filter(|(_, (what, path))| what == "write" && path.starts_with("spare/"));
    let writes: Vec<u64> = writes.map(|(number, _)| number).collect();
    assert_eq!(writes.len(), 2, "the mark and the header: {calls:?}");
    for nth in writes {
        let mut world = sealed();
        world.faults = true;
        world.disk().fail_nth(nth, FaultKind::Enospc, Repeat::Once);
        world.step(&put(1)).unwrap();
        assert!(world.refusals > 0 && world.is_writable(), "call {nth}");
        let mut files = world.disk().files().into_iter();
        assert!(!files.any(|path| path.starts_with("spare/")), "call {nth}");
        world.faults = false;
        probe(&mut world).unwrap();
        world.check().unwrap();
    }
}
