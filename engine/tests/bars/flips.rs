//! Bar 6: flipped bits at rest, anywhere in the data directory. Wrong bytes served: none.
//!
//! A flip in a file that has two copies, or in an index, costs nothing. One in the log costs what it hits. One in the
//! superblock's or the key's only copy may keep the store from opening, with an error that says so.

use crate::common::{Tally, config, draw};
use moraine_engine::io::sim::{SimDisk, SimSnapshot};
use moraine_engine::testing::{
    Campaign, Check, Contents, Failure, Op, Past, Rng, World, ensure, is_fault, options, read,
};
use moraine_engine::{Error, ListEntry, ListQuery};

/// Flips tried in each store.
const FLIPS: u64 = 40;

struct Fixture {
    past: Past,
    disk: SimSnapshot,
    seed: u64,
}

impl Fixture {
    fn new(seed: u64) -> Check<Self> {
        let mut world = World::new(seed, config(seed), options(seed));
        world.start()?;
        world.run(&draw(seed, false))?;
        world.check()?;
        if seed.is_multiple_of(2) {
            world
                .sim
                .close()
                .map_err(|error| Failure(error.to_string()))?;
        }
        world.sim.kill();
        let disk = world.disk().snapshot();
        Ok(Self {
            past: world.past(),
            disk,
            seed,
        })
    }

    fn flip(&self, rng: &mut Rng) -> Check {
        let disk = SimDisk::from_snapshot(&self.disk, self.seed);
        let files = disk.files();
        let path = rng.pick(&files).clone();
        let bytes = disk.read_file(&path).unwrap();
        // Most of a segment may be unwritten: flips there are not interesting.
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        if used.is_empty() {
            return Ok(());
        }
        let at = *rng.pick(&used);
        disk.flip_bit(&path, at, u8::try_from(rng.below(8)).unwrap())
            .unwrap();
        let mut world = self.past.on(disk, self.seed, options(self.seed));
        world.damage = true;
        let opened = world.sim.open();
        let checked = match opened {
            Ok(()) => verify(&self.past, &mut world, &path),
            Err(error) => is_typed(&error, &path),
        };
        checked.map_err(|failure| Failure(format!("byte {at} of {path}: {}", failure.0)))
    }
}

/// What can be read is right. What cannot is an error, and only where the log itself was hit.
fn verify(past: &Past, world: &mut World, path: &str) -> Check {
    let expected: &Contents = &past.model.contents;
    let in_log = path.starts_with("log/");
    let store = world.sim.store().clone();
    for (slot, bucket) in expected {
        for key in bucket.objects.keys() {
            let candidates = past.model.candidates(*slot, key);
            match world
                .sim
                .block_on(read(&store, bucket.id, key, 0..u64::MAX))
            {
                Ok(read) => {
                    let right = candidates
                        .iter()
                        .flatten()
                        .any(|value| value.describes(&read.object) && read.bytes == value.content);
                    // A name that was lost uncovers the one before it.
                    let older = bucket.objects[key]
                        .stamp
                        .is_some_and(|(version, _)| read.object.version < version);
                    ensure!(
                        right || (in_log && older),
                        "{key:?} has other bytes: {read:?}"
                    );
                }
                Err(error) => {
                    let known =
                        is_fault(&error) || matches!(error, Error::NoSuchKey | Error::NoSuchBucket);
                    ensure!(in_log && known, "{key:?} cannot be read: {error}");
                }
            }
        }
        let query = ListQuery {
            limit: 1000,
            ..ListQuery::default()
        };
        match world.sim.block_on(store.list(bucket.id, query)) {
            Ok(page) => {
                let keys = page.entries.iter().filter_map(|entry| match entry {
                    ListEntry::Object(object) => Some(&object.key),
                    ListEntry::Prefix(_) => None,
                });
                if !in_log {
                    ensure!(keys.eq(bucket.objects.keys()), "the listing differs");
                }
            }
            Err(error) => ensure!(in_log, "the bucket cannot be listed: {error}"),
        }
    }
    Ok(())
}

/// Opening may fail only where there is no second copy, and must say what is wrong.
fn is_typed(error: &Error, path: &str) -> Check {
    let typed = match path {
        "superblock" => matches!(error, Error::Superblock { .. } | Error::NewerFormat { .. }),
        "store.key" => matches!(error, Error::WrongStoreKey { .. }),
        path => path.starts_with("log/") && matches!(error, Error::Damaged { .. }),
    };
    ensure!(typed, "the store does not open: {error}");
    Ok(())
}

#[test]
fn bar_06_flipped_bits() {
    crate::common::arm_canary();
    Campaign {
        name: "bar_06_flipped_bits",
        count: 200,
    }
    .seeds(|seed| {
        let fixture = Fixture::new(seed)?;
        let mut rng = Rng::new(seed ^ 0x666c_6970);
        (0..FLIPS).try_for_each(|_| fixture.flip(&mut rng))
    });
}

/// How far off a misdirected read or write lands.
fn distance(rng: &mut Rng) -> usize {
    512 * (1 + rng.index(8))
}

/// A read that returns what lies some blocks further on.
fn misdirected_read(seed: u64) -> Check {
    let mut rng = Rng::new(seed ^ 0x6d69_7364);
    let fixture = Fixture::new(seed)?;
    let disk = SimDisk::from_snapshot(&fixture.disk, seed);
    let mut world = fixture.past.on(disk, seed, options(seed));
    world
        .sim
        .open()
        .map_err(|error| Failure(format!("the store does not open: {error}")))?;
    let by = distance(&mut rng);
    world.disk().misdirect_read_nth(1 + rng.below(12), by);
    verify(&fixture.past, &mut world, "log/")?;
    MISDIRECTED_READS.count(!world.disk().has_pending_faults());
    Ok(())
}

/// A write that lands some blocks further on. What it lost is lost; what can be read is right.
fn misdirected_write(seed: u64) -> Check {
    let mut rng = Rng::new(seed ^ 0x6d69_7364);
    let history = draw(seed, false);
    let mut world = World::new(seed, config(seed), options(seed));
    world.start()?;
    let (before, after) = history.split_at(history.len() / 2);
    world.run(before)?;
    world.damage = true;
    let by = distance(&mut rng);
    world.disk().misdirect_write_nth(1 + rng.below(20), by);
    // Histories that reopen the store would be judged by how much of the log the write cost.
    for op in after.iter().filter(|op| !matches!(op, Op::Reopen { .. })) {
        world.step(op)?;
    }
    MISDIRECTED_WRITES.count(!world.disk().has_pending_faults());
    world.disk().clear_faults();
    let past = world.past();
    verify(&past, &mut world, "log/")?;
    world.sim.kill();
    let disk = SimDisk::from_snapshot(&world.disk().snapshot(), seed);
    let mut world = past.on(disk, seed, options(seed));
    match world.sim.open() {
        Ok(()) => verify(&past, &mut world, "log/"),
        Err(error) => {
            ensure!(is_fault(&error), "the store does not open: {error}");
            Ok(())
        }
    }
}

/// How often one was.
static MISDIRECTED_READS: Tally = Tally::new();
static MISDIRECTED_WRITES: Tally = Tally::new();

#[test]
fn bar_06_misdirected_reads() {
    crate::common::arm_canary();
    let campaign = Campaign {
        name: "bar_06_misdirected_reads",
        count: 1_000,
    };
    campaign.seeds(misdirected_read);
    MISDIRECTED_READS.at_least(campaign.count / 4);
}

#[test]
fn bar_06_misdirected_writes() {
    crate::common::arm_canary();
    let campaign = Campaign {
        name: "bar_06_misdirected_writes",
        count: 1_000,
    };
    campaign.seeds(misdirected_write);
    MISDIRECTED_WRITES.at_least(campaign.count / 4);
}
