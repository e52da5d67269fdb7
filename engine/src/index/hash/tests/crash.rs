//! Crashes at every step: after replay from what the mark covers, everything is found; nothing is found that never was.

use super::disk::Keep;
use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// What a log would make the index do.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// A record of the id is here: a new one, or the old one moved.
    Put(Id, Location),
    Remove(Id, Location),
    Forget(SegmentNumber),
}

/// A log, and an index that is derived from it. The point after the n-th operation is covered as offset n.
pub(super) struct World {
    index: HashIndex,
    source: Arc<HeapSource>,
    log: Vec<Op>,
    /// What every record that was ever written is.
    records: BTreeMap<(u64, u64), Id>,
    /// Where each id must be found.
    live: BTreeMap<Id, Location>,
    random: Random,
    pub(super) rebuilds: u64,
}

impl World {
    pub(super) fn new(disk: &Arc<MemoryDisk>, seed: u64) -> Result<Self> {
        let ((index, _), source) = try_open(disk, TINY)?;
        Ok(Self {
            index,
            source,
            log: Vec::new(),
            records: BTreeMap::new(),
            live: BTreeMap::new(),
            random: Random(seed),
            rebuilds: 0,
        })
    }

    fn point(&self) -> Covered {
        covered(1, self.log.len() as u64)
    }

    fn apply(&self, op: Op) -> Result<()> {
        match op {
            Op::Put(id, place) => self
                .index
                .insert(&id, place, &mut |old| {
                    let key = (old.segment.0, old.offset.0);
                    Ok(self.records[&key] == id)
                })
                .map(drop),
            Op::Remove(id, place) => self.index.remove(&id, &place).map(drop),
            Op::Forget(segment) => self.index.forget_segment(NODE, segment).map(drop),
        }
    }

    /// Writes an operation to the log, and what it means to the model.
    fn append(&mut self, op: Op) -> Op {
        match op {
            Op::Put(id, place) => {
                self.records.insert((place.segment.0, place.offset.0), id);
                self.live.insert(id, place);
            }
            Op::Remove(id, _) => {
                self.live.remove(&id);
            }
            Op::Forget(segment) => self.live.retain(|_, place| place.segment != segment),
        }
        self.log.push(op);
        op
    }

    fn some_live(&mut self) -> Option<(Id, Location)> {
        let start = id(self.random.next());
        let after = self.live.range(start..).next();
        let found = after.or_else(|| self.live.iter().next());
        found.map(|(id, place)| (*id, *place))
    }

    fn next_op(&mut self) -> Op {
        let number = self.log.len() as u64;
        let here = place(1 + number / 40, number);
        let new = id(self.random.next());
        match (self.random.below(100), self.some_live()) {
            (0..8, Some((old, _))) => Op::Put(old, here),
            (8..12, Some((old, _))) => Op::Put(twin(&old, 1), here),
            (12..24, Some((old, place))) => Op::Remove(old, place),
            (24..25, Some((_, place))) if place.segment != here.segment => {
                Op::Forget(place.segment)
            }
            _ => Op::Put(new, here),
        }
    }

    /// Inserts and removals until something fails.
    pub(super) fn work(&mut self, ops: u64) -> Result<()> {
        for _ in 0..ops {
            let op = self.next_op();
            let op = self.append(op);
            self.apply(op)?;
            match self.random.below(150) {
                0 => self.index.checkpoint(&self.point())?,
                1..4 => {
                    let seed = self.random.next();
                    self.source.write_back_some(seed).unwrap_or_default();
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn close(&self) -> Result<()> {
        self.index.close(&self.point())
    }

    /// Opens the index as the disk holds it, and replays the log from where it says.
    pub(super) fn reopen(&mut self, disk: &Arc<MemoryDisk>) -> Result<()> {
        let (index, opened);
        ((index, opened), self.source) = try_open(disk, TINY)?;
        self.index = index;
        self.rebuilds += u64::from(opened.rebuild.is_some());
        let from = opened
            .covered
            .get(&NODE)
            .map_or(0, |point| point.offset.0 / 8);
        let from = usize::try_from(from).unwrap();
        assert!(from <= self.log.len());
        for op in self.log.iter().skip(from) {
            self.apply(*op)?;
        }
        Ok(())
    }

    /// Everything that is live is found, and nothing that never was there.
    pub(super) fn check(&self) {
        for (id, place) in &self.live {
            assert!(holds(&self.index, id, place), "{id} was lost");
        }
        let mut tags = BTreeSet::new();
        for (&(segment, offset), id) in &self.records {
            tags.insert((self.index.slot_of(id), segment, offset));
        }
        self.index.iterate(&mut |entry| {
            let slot = (entry.shard, entry.tag);
            let (segment, offset) = (entry.location.segment.0, entry.location.offset.0);
            assert!(
                tags.contains(&(slot, segment, offset)),
                "{entry:?} never was"
            );
        });
    }
}

const OPS: u64 = 700;

/// Crashes at the `step`-th step; false if the work ended before.
fn crash_once(seed: u64, step: u64, keep: Keep) -> bool {
    let disk = MemoryDisk::new();
    let Ok(mut world) = World::new(&disk, seed) else {
        unreachable!("the disk works so far");
    };
    disk.crash_at(step);
    let crashed = world.work(OPS).and_then(|()| world.close()).is_err();
    let disk = disk.after_crash(keep);
    world.reopen(&disk).unwrap();
    world.check();
    // The index goes on as if nothing had happened, and a second crash does no more harm than the first.
    world.work(60).unwrap();
    world.check();
    let disk = disk.after_crash(keep);
    world.reopen(&disk).unwrap();
    world.check();
    world.close().unwrap();
    world.reopen(&disk).unwrap();
    world.check();
    assert_eq!(world.rebuilds, 0, "a crash alone never costs a rebuild");
    crashed
}

fn crash_everywhere(keep: impl Fn(u64, u64) -> Keep) {
    for seed in 0..2 {
        let mut step = 1;
        while crash_once(seed, step, keep(seed, step)) {
            step += 1;
        }
        println!("seed {seed}: {step} steps");
        assert!(step > 50, "there was little to crash");
    }
}

#[test]
fn a_crash_that_loses_everything_unsynced() {
    crash_everywhere(|_, _| Keep::Nothing);
}

#[test]
fn a_crash_that_loses_nothing() {
    crash_everywhere(|_, _| Keep::Everything);
}

#[test]
fn a_crash_that_loses_any_subset() {
    crash_everywhere(|seed, step| Keep::Some(seed * 1_000_003 + step));
}

#[test]
fn a_crash_while_the_index_is_made() {
    let mut step = 1;
    loop {
        let disk = MemoryDisk::new();
        disk.crash_at(step);
        let made = World::new(&disk, 1).is_ok();
        for keep in [Keep::Nothing, Keep::Everything, Keep::Some(step)] {
            let disk = disk.after_crash(keep);
            let mut world = World::new(&disk, 1).unwrap();
            world.work(300).unwrap();
            world.close().unwrap();
            world.reopen(&disk).unwrap();
            world.check();
            assert_eq!(world.rebuilds, 0);
        }
        if made {
            break;
        }
        step += 1;
    }
    assert!(step > 10);
}

/// A rebuild that is interrupted is taken up again, and covers nothing before its first checkpoint.
#[test]
fn a_crash_while_the_index_is_cleared() {
    let mut step = 1;
    loop {
        let disk = MemoryDisk::new();
        let mut world = World::new(&disk, 2).unwrap();
        world.work(600).unwrap();
        world.index.checkpoint(&world.point()).unwrap();
        disk.crash_at(step);
        let cleared = world.index.clear().is_ok();
        for keep in [Keep::Nothing, Keep::Everything, Keep::Some(step)] {
            let disk = disk.after_crash(keep);
            let mut world = World {
                log: world.log.clone(),
                records: world.records.clone(),
                live: world.live.clone(),
                ..World::new(&MemoryDisk::new(), 2).unwrap()
            };
            world.reopen(&disk).unwrap();
            world.check();
        }
        if cleared {
            break;
        }
        step += 1;
    }
    assert!(step > 5);
}

/// Slots that the kernel wrote early keep numbers that were given out after the mark. Later they must not mean other
/// segments, in whatever order those come.
#[test]
fn numbers_given_out_after_the_mark_never_mean_other_segments() {
    let disk = MemoryDisk::new();
    let ((index, _), source) = try_open(&disk, TINY).unwrap();
    index.insert(&id(0), place(1, 0), &mut nobody_asks).unwrap();
    index.checkpoint(&covered(1, 1)).unwrap();
    for segment in 2..=20 {
        index
            .insert(&id(segment), place(segment, segment), &mut nobody_asks)
            .unwrap();
    }
    for seed in 0..50 {
        source.write_back_some(seed).unwrap();
    }
    for keep in [
        Keep::Everything,
        Keep::Nothing,
        Keep::Some(1),
        Keep::Some(2),
    ] {
        let (index, opened) = open(&disk.after_crash(keep));
        assert_eq!((opened.rebuild, opened.covered), (None, covered(1, 1)));
        for segment in (2..=20).rev() {
            index
                .insert(&id(100 + segment), place(segment, 0), &mut nobody_asks)
                .unwrap();
        }
        for segment in 2..=20 {
            for found in index.lookup(&id(segment)).iter() {
                assert!(found.same_place(&place(segment, segment)), "{found:?}");
            }
        }
    }
}

/// The pages that a process left in the kernel are seen by the next one, and are on no disk yet. What replay finds
/// there must become durable with the next checkpoint.
#[test]
fn a_crash_of_the_process_and_then_of_the_machine() {
    for seed in 0..20 {
        println!("seed {seed}");
        let disk = MemoryDisk::new();
        let mut world = World::new(&disk, seed).unwrap();
        world.work(100).unwrap();
        world.index.checkpoint(&world.point()).unwrap();
        world.work(30).unwrap();
        for early in 0..20 {
            world.source.write_back_some(seed * 100 + early).unwrap();
        }
        world.reopen(&disk).unwrap();
        world.index.checkpoint(&world.point()).unwrap();
        let disk = disk.after_crash(Keep::Nothing);
        world.reopen(&disk).unwrap();
        world.check();
    }
}
