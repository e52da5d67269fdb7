//! A rebuild that cannot sort: the indexes are made all the same.

use crate::index::names::{Kv, Spill, SpillOnDisk};
use crate::io::Disk;
use crate::io::sim::{SimConfig, SimDisk};
use crate::store::open::{KvSource, OpenedStore, Parts, open};
use crate::store::stepped::MemorySource;
use crate::sync::Arc;
use crate::testing::{EPOCH_MS, Op, SimStore, World, options};
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

const SEED: u64 = 11;
const NAMES: u64 = 40;

/// What goes wrong with the runs of a sort.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wrong {
    Nothing,
    /// The folder cannot be cleared.
    Clear,
    /// The second run cannot be begun.
    Create,
    /// The second run finds no room.
    Write,
    /// A run that was written is not there.
    Gone,
    /// A run comes back with fewer bytes.
    Cut,
    /// A run comes back with other bytes.
    Flipped,
    /// A run cannot be read.
    Unreadable,
}

struct Faulty {
    runs: SpillOnDisk,
    wrong: Wrong,
    begun: Arc<AtomicU32>,
}

struct NoRoom;

impl Write for NoRoom {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

impl Spill for Faulty {
    fn run_bytes(&self) -> usize {
        self.runs.run_bytes()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Write>> {
        let second = self.begun.fetch_add(1, Ordering::Relaxed) == 1;
        match self.wrong {
            Wrong::Create if second => Err(io::ErrorKind::PermissionDenied.into()),
            Wrong::Write if second => Ok(Box::new(NoRoom)),
            _ => self.runs.create(name),
        }
    }

    fn take(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let mut bytes = Vec::new();
        self.runs.take(name)?.read_to_end(&mut bytes)?;
        match self.wrong {
            Wrong::Gone => return Err(io::ErrorKind::NotFound.into()),
            Wrong::Unreadable => return Err(io::Error::from_raw_os_error(5)),
            Wrong::Cut => bytes.truncate(bytes.len() / 8),
            Wrong::Flipped => bytes[20] ^= 1,
            _ => {}
        }
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn clear(&self) -> io::Result<()> {
        self.runs.clear()?;
        match self.wrong {
            Wrong::Clear => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Ok(()),
        }
    }
}

struct FaultySource {
    disk: Arc<dyn Disk>,
    wrong: Wrong,
    begun: Arc<AtomicU32>,
}

impl KvSource for FaultySource {
    fn open(&self) -> crate::index::names::Result<Box<dyn Kv>> {
        MemorySource(Arc::clone(&self.disk)).open()
    }

    fn remove(&self) -> crate::index::names::Result<()> {
        MemorySource(Arc::clone(&self.disk)).remove()
    }

    fn spill(&self) -> Option<Rc<dyn Spill>> {
        Some(Rc::new(Faulty {
            runs: SpillOnDisk(Arc::clone(&self.disk)),
            wrong: self.wrong,
            begun: Arc::clone(&self.begun),
        }))
    }
}

/// A disk with a store that was closed and has no indexes.
fn without_indexes() -> Arc<SimDisk> {
    let sim = SimStore::new(SEED, SimConfig::default(), options(SEED));
    let mut world = World::over(sim, SEED);
    world.start().unwrap();
    world.step(&Op::CreateBucket { bucket: 0 }).unwrap();
    for number in 0..NAMES {
        world.step(&Op::small_put(number, 200)).unwrap();
    }
    world.sim.close().unwrap();
    let disk = Arc::clone(&world.sim.disk);
    for path in disk.files() {
        if path.starts_with("index/") {
            disk.remove_file(&path).unwrap();
        }
    }
    disk
}

fn parts(disk: &Arc<SimDisk>, wrong: Wrong, begun: &Arc<AtomicU32>) -> Parts {
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    Parts {
        kv: Box::new(FaultySource {
            disk: Arc::clone(&disk),
            wrong,
            begun: Arc::clone(begun),
        }),
        ..crate::store::stepped::parts(
            disk,
            Arc::new(crate::clock::SimClock::new(EPOCH_MS)),
            Arc::new(crate::clock::SimEntropy::new(SEED)),
        )
    }
}

#[test]
fn whatever_is_wrong_with_the_sort_the_names_are_there() {
    let stored = without_indexes().snapshot();
    for wrong in [
        Wrong::Nothing,
        Wrong::Clear,
        Wrong::Create,
        Wrong::Write,
        Wrong::Gone,
        Wrong::Cut,
        Wrong::Flipped,
        Wrong::Unreadable,
    ] {
        let disk = SimDisk::from_snapshot(&stored, SEED);
        // As a process leaves it that died in a rebuild.
        disk.write_file("index/rebuild/names.77", b"part of a run");
        let begun = Arc::new(AtomicU32::new(0));
        let parts = parts(&disk, wrong, &begun);
        let OpenedStore { shared, .. } = open(parts, &options(SEED)).unwrap();
        let spilled = begun.load(Ordering::Relaxed) >= 2;
        assert!(spilled || wrong == Wrong::Clear, "nothing was spilled");
        let mut names = 0;
        let counted = shared.indexes.names.for_each_use(&mut |_, _| {
            names += 1;
            Ok(crate::index::names::Visit::Continue)
        });
        counted.unwrap();
        assert_eq!(names, NAMES, "{wrong:?}");
        let left = disk.files();
        let left = left.iter().filter(|path| path.starts_with("index/rebuild"));
        assert_eq!(left.count(), 0, "{wrong:?}");
    }
}
