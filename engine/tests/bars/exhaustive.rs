//! Bar 3: all histories of up to three operations, with a crash at every change that they make, in every way.
//!
//! A crash in the middle of a history is the crash at the end of a shorter one, so each history is crashed only
//! inside its last operation, and once after it.

use crate::common::{config, crash_modes, probe};
use moraine_engine::Options;
use moraine_engine::io::sim::{SimDisk, SimSnapshot};
use moraine_engine::testing::{
    Campaign, Check, Content, Failure, IndexFault, Op, Past, SimStore, When, World, ensure, options,
};

/// Changes that one operation may make before the test is taken for endless.
const CHANGES_MAX: u64 = 500;
/// The longest history.
const LEN_MAX: u32 = 3;
/// The seed of the configuration.
const SEED: u64 = 3;

fn put(key: &str, seed: u64, len: usize) -> Op {
    Op::Put {
        bucket: 0,
        key: key.into(),
        content: Content::Stream { seed, len },
        attributes: 1,
        when: When::Always,
        chunk: usize::MAX,
    }
}

/// The operations that histories are made of; `place` makes contents that are new at each place.
fn alphabet(place: usize) -> Vec<Op> {
    let extent = usize::try_from(options(SEED).geometry.extent_bytes).unwrap();
    let new = 100 + place as u64;
    vec![
        put(&format!("small-{place}"), new, 100),
        put(&format!("two-{place}"), new, 2 * extent),
        put(&format!("known-{place}"), 1, extent + 1),
        put("base", new, 300),
        Op::Delete {
            bucket: 0,
            key: "base".into(),
            when: When::Always,
        },
        Op::Seal,
        Op::Checkpoint,
        Op::Reopen {
            clean: true,
            fault: IndexFault::None,
        },
        Op::Reopen {
            clean: false,
            fault: IndexFault::None,
        },
    ]
}

/// The history of a number: its digits in the base of the alphabet.
fn numbered(mut number: u64, len: u32) -> Vec<Op> {
    (0..len)
        .map(|place| {
            let alphabet = alphabet(place as usize);
            let base = alphabet.len() as u64;
            let digit = usize::try_from(number % base).unwrap();
            number /= base;
            alphabet[digit].clone()
        })
        .collect()
}

/// Where every history starts: one object of known content, nothing open.
struct Start {
    past: Past,
    disk: SimSnapshot,
    options: Options,
}

impl Start {
    fn new() -> Check<Self> {
        let options = options(SEED);
        let sim = SimStore::new(SEED, config(SEED), options);
        let mut world = World::over(sim, SEED);
        world.start()?;
        let extent = usize::try_from(options.geometry.extent_bytes).unwrap();
        world.run(&[Op::CreateBucket { bucket: 0 }, put("base", 1, extent + 1)])?;
        world
            .sim
            .close()
            .map_err(|error| Failure(error.to_string()))?;
        let disk = world.disk().snapshot();
        Ok(Self {
            past: world.past(),
            disk,
            options,
        })
    }

    /// The world after a history, with the disk stopped at the `nth` change of its last operation; false if that
    /// makes fewer changes.
    fn run(&self, history: &[Op], nth: u64) -> Check<(World, bool)> {
        let disk = SimDisk::from_snapshot(&self.disk, SEED);
        let mut world = self.past.on(disk, SEED, self.options);
        ensure!(world.start()?, "the start does not open");
        let (last, before) = history.split_last().expect("no history is empty");
        world.run(before)?;
        world.disk().crash_at(nth);
        world.step(last)?;
        let struck = world.is_frozen();
        world.disk().clear_faults();
        world.sim.kill();
        Ok((world, struck))
    }

    /// Crashes the world in every way.
    fn crash(&self, world: &World) -> Check {
        let (snapshot, past) = (world.disk().snapshot(), world.past());
        for mode in crash_modes(world.disk().unsynced()) {
            let disk = SimDisk::from_snapshot(&snapshot, SEED);
            let mut after = past.on(disk, SEED + 1, self.options);
            after
                .crash(mode)
                .and_then(|()| probe(&mut after))
                .map_err(|failure| Failure(format!("{mode:?}: {}", failure.0)))?;
        }
        Ok(())
    }
}

fn all_crashes(start: &Start, history: &[Op]) -> Check {
    for nth in 1..CHANGES_MAX {
        let (world, struck) = start.run(history, nth)?;
        start.crash(&world).map_err(|failure| {
            Failure(format!(
                "a crash at change {nth} of the last of {history:?}: {}",
                failure.0
            ))
        })?;
        if !struck {
            return Ok(());
        }
    }
    Err(Failure(format!("{history:?} does not end")))
}

#[test]
fn bar_03_all_short_histories() {
    crate::common::arm_canary();
    let start = Start::new().unwrap();
    let base = alphabet(0).len() as u64;
    let histories: Vec<Vec<Op>> = (1..=LEN_MAX)
        .flat_map(|len| (0..base.pow(len)).map(move |number| numbered(number, len)))
        .collect();
    let campaign = Campaign {
        name: "bar_03_all_short_histories",
        count: histories.len() as u64,
    };
    campaign.all(|number| all_crashes(&start, &histories[usize::try_from(number).unwrap()]));
}

/// What is longer than the histories above: a segment is prepared, and the next one made of it.
#[test]
fn bar_03_around_a_prepared_segment() {
    crate::common::arm_canary();
    let start = Start::new().unwrap();
    let reopen = |clean| Op::Reopen {
        clean,
        fault: IndexFault::None,
    };
    let whole = [
        put("first", 100, 100),
        Op::Prepare,
        Op::Seal,
        put("second", 101, 300),
    ];
    let mut histories: Vec<Vec<Op>> = (2..=whole.len()).map(|len| whole[..len].to_vec()).collect();
    for clean in [true, false] {
        for len in [2, 4] {
            let mut history = whole[..len].to_vec();
            history.extend([reopen(clean), put("third", 102, 100)]);
            histories.push(history.clone());
            history.pop();
            histories.push(history);
        }
    }
    for history in histories {
        all_crashes(&start, &history).unwrap();
    }
}
