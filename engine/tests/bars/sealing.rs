//! Bars 4 and 5, for what seals a segment: its footer, its end and their sync each fail, wherever a segment is sealed. No
//! acknowledged byte is lost, and nothing goes on as if it were sealed.

use crate::common::{finish, fresh};
use moraine_engine::io::sim::{CrashMode, FaultKind, Repeat};
use moraine_engine::testing::{Check, IndexFault, Op, World, ensure};

const SEED: u64 = 6;
/// Objects that fill more than a segment.
const OBJECTS_MAX: usize = 120;

fn put(number: usize, len: usize) -> Op {
    Op::small_put(number as u64, len)
}

fn begun() -> World {
    let mut world = fresh(SEED);
    world.start().unwrap();
    world.step(&Op::CreateBucket { bucket: 0 }).unwrap();
    world
}

/// The numbers of the calls that end a segment of the log, counted from 1.
fn ends(world: &World) -> Vec<u64> {
    let calls = world.disk().recorded_calls();
    let ending = |(what, path): &(String, String)| what == "set_len" && path.starts_with("log/");
    (1..)
        .zip(&calls)
        .filter(|(_, call)| ending(call))
        .map(|(number, _)| number)
        .collect()
}

/// Whether an operation after this history seals a segment, and at which of its calls.
fn seals(history: &[Op], last: &Op) -> Option<u64> {
    let mut world = begun();
    world.run(history).unwrap();
    world.disk().record_calls();
    world.step(last).unwrap();
    let ends = ends(&world);
    assert!(ends.len() < 2, "{last:?} seals {ends:?}");
    ends.first().copied()
}

/// A history, and an operation that seals a segment then, with its call.
struct Case {
    name: &'static str,
    history: Vec<Op>,
    last: Op,
    call: u64,
}

fn case(name: &'static str, history: Vec<Op>, last: Op) -> Option<Case> {
    let call = seals(&history, &last)?;
    Some(Case {
        name,
        history,
        last,
        call,
    })
}

/// Fills a segment object by object until `last` seals it.
fn filled(name: &'static str, len: usize, last: impl Fn(usize) -> Op) -> Option<Case> {
    let mut world = begun();
    world.disk().record_calls();
    let mut history = Vec::new();
    for number in 0..OBJECTS_MAX {
        if let Some(case) = case(name, history.clone(), last(number)) {
            return Some(case);
        }
        world.step(&put(number, len)).unwrap();
        if !ends(&world).is_empty() {
            return None;
        }
        history.push(put(number, len));
    }
    None
}

fn cases() -> Vec<Case> {
    let reopen = |clean| Op::Reopen {
        clean,
        fault: IndexFault::None,
    };
    let some = || vec![put(1, 5000), put(2, 100)];
    let attested = (1..40).find_map(|step| filled("attest", 40 * step, |_| Op::Idle { ms: 2000 }));
    [
        filled("roll", 2000, |number| put(number, 2000)),
        attested,
        case("seal", some(), Op::Seal),
        case("close", some(), reopen(true)),
        case("recovery", some(), reopen(false)),
    ]
    .into_iter()
    .map(|case| case.expect("each of them seals a segment"))
    .collect()
}

/// Lets one of the three calls fail.
fn run(case: &Case, call: u64, how: (FaultKind, Repeat), mode: CrashMode) -> Check {
    let mut world = begun();
    world.run(&case.history)?;
    world.faults = true;
    world.disk().fail_nth(call, how.0, how.1);
    world.step(&case.last)?;
    let reopens = matches!(case.last, Op::Reopen { .. });
    ensure!(
        reopens || !world.is_writable(),
        "a segment that is not sealed, and nothing is poisoned"
    );
    ensure!(!world.disk().has_pending_faults(), "it was not called");
    world.sim.kill();
    world.disk().clear_faults();
    world.faults = false;
    world.crash(mode)?;
    finish(&mut world, call.is_multiple_of(2))
}

#[test]
fn bar_04_every_call_that_seals_fails() {
    crate::common::arm_canary();
    let mut count = 0;
    for case in cases() {
        // The footer before the end of the file, the sync behind it.
        for call in case.call - 1..=case.call + 1 {
            for kind in [FaultKind::Eio, FaultKind::Enospc, FaultKind::Erofs] {
                for repeat in [Repeat::Once, Repeat::Forever] {
                    for mode in [CrashMode::LoseAll, CrashMode::KeepAll, CrashMode::Subset] {
                        let how = (kind, repeat);
                        run(&case, call, how, mode).unwrap_or_else(|failure| {
                            let (name, end) = (case.name, case.call);
                            panic!("{name}: call {call} of {end}, {how:?}, {mode:?}: {failure:?}")
                        });
                        count += 1;
                    }
                }
            }
        }
    }
    println!("{count} failures");
}
