//! Bar 7: damage in the middle of a log is never taken for a torn tail, and a torn tail with intact batches behind the
//! tear never for damage.
//!
//! Damage costs what it hits and nothing else: all later records are still there, and the footer says where the gap is.

use crate::common::{Tally, config};
use crate::log_file::{Batch, LogFile, Record, is_part_of, segments};
use moraine_engine::format::{Geometry, NameRecord, RecordKind, Tombstone};
use moraine_engine::io::sim::{CrashMode, SimConfig, SimDisk, SimSnapshot};
use moraine_engine::testing::{
    Campaign, Check, Content, Failure, IndexFault, Op, Past, Rng, Value, When, World, ensure,
    options,
};
use moraine_engine::{Error, Options};
use std::collections::BTreeSet;

/// Seeds of the fixture: the first is taken at whose end two batches are in flight together.
const SEEDS: std::ops::Range<u64> = 7..500;

fn put(key: &str, seed: u64, len: usize) -> Op {
    Op::Put {
        bucket: 0,
        key: key.into(),
        content: Content::Stream { seed, len },
        attributes: 2,
        when: When::Always,
        chunk: usize::MAX,
    }
}

/// One unsealed segment with every kind of record, all of it attested but for the last few batches.
struct Fixture {
    past: Past,
    disk: SimSnapshot,
    options: Options,
    log: LogFile,
    seed: u64,
}

impl Fixture {
    fn new() -> Check<Self> {
        for seed in SEEDS {
            let fixture = Self::of(seed)?;
            if fixture.tail().count() > 1 {
                return Ok(fixture);
            }
        }
        Err(Failure(
            "no seed ends with two batches in flight".to_owned(),
        ))
    }

    /// The batches that nothing attests.
    fn tail(&self) -> impl Iterator<Item = &Batch> {
        let attested = self.log.attested;
        self.log
            .batches
            .iter()
            .filter(move |batch| batch.offset >= attested)
    }

    fn of(seed: u64) -> Check<Self> {
        let geometry = Geometry {
            extent_bytes: 1024,
            crc_block_bytes: 512,
            segment_bytes: 64 << 10,
            block_bytes: 512,
        };
        let options = Options {
            geometry,
            ..options(seed)
        };
        let disk = SimDisk::new(
            seed,
            SimConfig {
                short_percent: 0,
                ..config(seed)
            },
        );
        let sim = moraine_engine::testing::SimStore::on(disk, seed, options);
        let mut world = World::over(sim, seed);
        world.start()?;
        world.run(&[
            Op::CreateBucket { bucket: 0 },
            put("small", 1, 100),
            put("two", 2, 2048),
            put("small-too", 3, 600),
            put("many", 4, 5000),
            put("shares", 2, 3000),
            put("gone", 5, 50),
            Op::Delete {
                bucket: 0,
                key: "gone".into(),
                when: When::Always,
            },
            put("small", 6, 300),
            Op::Together(vec![put("x", 7, 1500), put("y", 7, 1500), put("z", 8, 900)]),
            put("empty", 9, 0),
            put("late", 10, 700),
            Op::Idle { ms: 5_000 },
            put("last", 11, 1200),
            Op::Together(
                (0..8)
                    .map(|n| put(&format!("tail-{n}"), 20 + n, 700))
                    .collect(),
            ),
        ])?;
        world.sim.kill();
        let log = LogFile::newest(world.disk());
        ensure!(
            segments(world.disk()).len() == 1,
            "the fixture is one segment"
        );
        ensure!(log.footer.is_none(), "the fixture is not sealed");
        let disk = world.disk().snapshot();
        Ok(Self {
            past: world.past(),
            disk,
            options,
            log,
            seed,
        })
    }

    /// Damages the fixture, opens it, and returns the world and the segment as recovery left it.
    fn open(&self, damage: &[(u64, u8)], index: IndexFault) -> Check<(World, LogFile)> {
        let disk = SimDisk::from_snapshot(&self.disk, self.seed);
        for (byte, bit) in damage {
            disk.flip_bit(&self.log.path, usize::try_from(*byte).unwrap(), *bit)
                .unwrap();
        }
        if index == IndexFault::Deleted {
            for path in disk
                .files()
                .into_iter()
                .filter(|path| path.starts_with("index/"))
            {
                disk.remove_file(&path).unwrap();
            }
        }
        let mut world = self.past.on(disk, self.seed, self.options);
        world.damage = true;
        world
            .sim
            .open()
            .map_err(|error| Failure(format!("the store does not open: {error}")))?;
        let log = LogFile::read(world.disk(), &self.log.path);
        Ok((world, log))
    }

    /// Checks every object; those that the damage hit may fail, none may be wrong.
    fn verify(&self, world: &mut World, hit: &BTreeSet<Vec<u8>>) -> Check {
        for (key, value) in &self.past.model.contents[&0].objects {
            let result = self.read(world, key, value)?;
            if let Err(error) = result {
                ensure!(
                    hit.contains(key),
                    "{:?} was not hit: {error}",
                    String::from_utf8_lossy(key)
                );
            }
        }
        Ok(())
    }

    fn read(&self, world: &mut World, key: &[u8], value: &Value) -> Check<Result<(), Error>> {
        let bucket = self.past.model.contents[&0].id;
        let store = world.sim.store().clone();
        let read = moraine_engine::testing::read(&store, bucket, key, 0..u64::MAX);
        match world.sim.block_on(read) {
            Ok(read) => {
                let right = value.describes(&read.object) && read.bytes == value.content;
                let older = read.object.version < value.stamp.unwrap().0;
                ensure!(
                    right || older,
                    "{:?} has other bytes",
                    String::from_utf8_lossy(key)
                );
                Ok(if right { Ok(()) } else { Err(Error::NoSuchKey) })
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// The keys that need a record.
    fn needing(&self, record: &Record) -> BTreeSet<Vec<u8>> {
        let objects = &self.past.model.contents[&0].objects;
        match record.header.kind {
            RecordKind::Extent | RecordKind::Manifest => objects
                .iter()
                .filter(|(_, value)| is_part_of(&record.header.id, &value.content, 1024))
                .map(|(key, _)| key.clone())
                .collect(),
            RecordKind::Name => {
                BTreeSet::from([NameRecord::decode(&record.payload).unwrap().key.key])
            }
            RecordKind::Tombstone => {
                BTreeSet::from([Tombstone::decode(&record.payload).unwrap().key.key])
            }
            // The bucket itself: everything in it.
            RecordKind::Catalog => objects.keys().cloned().collect(),
            _ => BTreeSet::new(),
        }
    }
}

/// Places in a record: its header's first and last bytes, its extension, its payload.
fn places(record: &Record) -> Vec<u64> {
    let payload = record.header.payload_at() as u64;
    let mut places = vec![0, 8, 12, 20, 63];
    if payload > 64 {
        places.push(64);
    }
    let len = u64::from(record.header.payload_len);
    if len > 0 {
        places.extend([payload, payload + len / 2, payload + len - 1]);
    }
    places
        .into_iter()
        .map(|place| record.offset + place)
        .collect()
}

#[test]
fn bar_07_damage_before_the_attested_end() {
    crate::common::arm_canary();
    let fixture = Fixture::new().unwrap();
    let (_, whole) = fixture.open(&[], IndexFault::None).unwrap();
    let data_end = whole.footer.as_ref().unwrap().data_end;
    let attested: Vec<&Record> = fixture
        .log
        .records()
        .filter(|record| record.offset + record.len <= fixture.log.attested)
        .collect();
    assert!(
        attested.len() > 25,
        "{} records are attested",
        attested.len()
    );
    let campaign = Campaign {
        name: "bar_07_damage_before_the_attested_end",
        count: attested.len() as u64,
    };
    campaign.all(|number| {
        let record = attested[usize::try_from(number).unwrap()];
        let hit = fixture.needing(record);
        for place in places(record) {
            for index in [IndexFault::None, IndexFault::Deleted] {
                let (mut world, log) = fixture.open(&[(place, 3)], index)?;
                let what = format!(
                    "{:?} at {}, byte {place}",
                    record.header.kind, record.offset
                );
                let footer = log.footer.as_ref().expect("recovery seals");
                ensure!(
                    footer.data_end >= data_end,
                    "{what}: the log ends at {}",
                    footer.data_end
                );
                let told = footer
                    .gaps
                    .iter()
                    .any(|gap| gap.offset.0 <= place && place < gap.offset.0 + gap.len);
                ensure!(told, "{what}: the footer has the gaps {:?}", footer.gaps);
                fixture
                    .verify(&mut world, &hit)
                    .map_err(|failure| Failure(format!("{what}: {}", failure.0)))?;
            }
        }
        Ok(())
    });
}

#[test]
fn bar_07_damaged_batch_headers_cost_nothing() {
    crate::common::arm_canary();
    let fixture = Fixture::new().unwrap();
    let (_, whole) = fixture.open(&[], IndexFault::None).unwrap();
    let data_end = whole.footer.as_ref().unwrap().data_end;
    for batch in fixture
        .log
        .batches
        .iter()
        .filter(|batch| batch.end() <= fixture.log.attested)
    {
        for byte in [0, 9, 17, 24, 30, 60] {
            let (mut world, log) = fixture
                .open(&[(batch.offset + byte, 5)], IndexFault::Deleted)
                .unwrap();
            let footer = log.footer.as_ref().expect("recovery seals");
            assert!(
                footer.data_end >= data_end,
                "byte {byte} of the batch at {}",
                batch.offset
            );
            fixture.verify(&mut world, &BTreeSet::new()).unwrap();
        }
    }
}

#[test]
fn bar_07_damage_behind_the_attested_end_ends_the_log() {
    crate::common::arm_canary();
    let fixture = Fixture::new().unwrap();
    for batch in fixture.tail() {
        for record in &batch.records {
            for place in places(record) {
                let (mut world, log) = fixture.open(&[(place, 1)], IndexFault::None).unwrap();
                let footer = log.footer.as_ref().expect("recovery seals");
                assert_eq!(
                    footer.data_end.0, batch.offset,
                    "the log ends before the tear"
                );
                assert!(
                    footer.gaps.is_empty(),
                    "a tear is no damage: {:?}",
                    footer.gaps
                );
                let lost: BTreeSet<_> = fixture
                    .log
                    .records()
                    .filter(|record| record.offset >= batch.offset)
                    .flat_map(|record| fixture.needing(record))
                    .collect();
                fixture.verify(&mut world, &lost).unwrap();
            }
        }
    }
}

/// A sealed segment that lost its footer, and has a damaged batch header or none: its batches tell all that it held.
#[test]
fn bar_07_footers_are_not_needed() {
    crate::common::arm_canary();
    let fixture = Fixture::new().unwrap();
    // Another segment behind it: only the last one may have no footer.
    let (mut world, sealed) = fixture.open(&[], IndexFault::None).unwrap();
    world.sim.kill();
    world.damage = false;
    world.reopen().unwrap();
    world.step(&put("next", 50, 10)).unwrap();
    world.sim.kill();
    assert!(segments(world.disk()).len() > 1, "another segment follows");
    let snapshot = world.disk().snapshot();
    let len = world.disk().read_file(&sealed.path).unwrap().len();
    let headers = sealed.batches.iter().map(|batch| Some(batch.offset));
    for header in headers.chain([None]) {
        let disk = SimDisk::from_snapshot(&snapshot, fixture.seed);
        disk.flip_bit(&sealed.path, len - 8, 0).unwrap();
        if let Some(header) = header {
            disk.flip_bit(&sealed.path, usize::try_from(header).unwrap() + 3, 7)
                .unwrap();
        }
        for path in disk
            .files()
            .into_iter()
            .filter(|path| path.starts_with("index/"))
        {
            disk.remove_file(&path).unwrap();
        }
        let mut world = fixture.past.on(disk, fixture.seed, fixture.options);
        world.damage = true;
        world.sim.open().unwrap();
        assert!(LogFile::read(world.disk(), &sealed.path).footer.is_none());
        fixture.verify(&mut world, &BTreeSet::new()).unwrap();
    }
}

/// Puts in flight together, stopped at a change: with a bit of luck two batches are on their way to the disk.
fn torn(seed: u64) -> Check<u64> {
    let mut rng = Rng::new(seed);
    let config = SimConfig {
        short_percent: 0,
        ..config(seed)
    };
    let mut world = World::new(seed, config, options(seed));
    world.start()?;
    world.run(&[
        Op::CreateBucket { bucket: 0 },
        put("before", 1, 500),
        Op::Idle { ms: 5_000 },
    ])?;
    world.disk().crash_at(1 + rng.below(8));
    let group = (0..8)
        .map(|n| put(&format!("k{n}"), 100 + n, 200 + rng.index(3000)))
        .collect();
    world.step(&Op::Together(group))?;
    world.disk().clear_faults();
    world.sim.kill();
    let (snapshot, past) = (world.disk().snapshot(), world.past());
    let mut with_intact_behind = 0;
    for change in 0..world.disk().unsynced() {
        let disk = SimDisk::from_snapshot(&snapshot, seed);
        let mut after = past.on(disk, seed, options(seed));
        after.disk().crash(CrashMode::TornSector {
            change,
            keep_later: true,
        });
        let before = LogFile::newest(after.disk());
        after.reopen()?;
        let log = LogFile::read(after.disk(), &before.path);
        let footer = log.footer.as_ref().expect("recovery seals");
        ensure!(
            footer.gaps.is_empty(),
            "a tear was taken for damage: {:?}",
            footer.gaps
        );
        if before.end() > footer.data_end.0 {
            with_intact_behind += 1;
        }
    }
    Ok(with_intact_behind)
}

#[test]
fn bar_07_torn_tails_are_no_damage() {
    crate::common::arm_canary();
    static INTACT_BEHIND: Tally = Tally::new();
    Campaign {
        name: "bar_07_torn_tails_are_no_damage",
        count: 1_000,
    }
    .seeds(|seed| {
        (0..torn(seed)?).for_each(|_| INTACT_BEHIND.count(true));
        Ok(())
    });
    println!("{INTACT_BEHIND} tears had an intact batch header behind them or in them");
    INTACT_BEHIND.at_least(100);
}
