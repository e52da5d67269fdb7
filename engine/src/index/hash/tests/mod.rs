//! Tests of the whole index, on a small disk in memory that knows what is durable.

mod adoption;
mod crash;
mod disk;
mod faults;
mod growth;
mod model;
mod usage;

use super::{HashConfig, HashIndex, HashOpen, HeapSource, Location};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::index::Covered;
use crate::position::{LogPoint, NodeId, Offset, SegmentNumber};
use crate::sync::Arc;
use disk::MemoryDisk;

const STORE: [u8; 16] = *b"0123456789abcdef";
const NODE: NodeId = NodeId(0xa11ce);
/// Two shards of one page, so that a few hundred entries make them grow.
const TINY: HashConfig = HashConfig {
    shards: 2,
    initial_pages: 1,
    number_block: 4,
};

/// Steele, Lea and Flood's SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn open(disk: &Arc<MemoryDisk>) -> (HashIndex, HashOpen) {
    try_open(disk, TINY).expect("the disk works").0
}

type Opened = ((HashIndex, HashOpen), Arc<HeapSource>);

fn try_open(disk: &Arc<MemoryDisk>, config: HashConfig) -> Result<Opened> {
    let source = Arc::new(HeapSource::new(disk.clone()));
    HashIndex::open(disk.clone(), source.clone(), STORE, config).map(|opened| (opened, source))
}

fn id(number: u64) -> Id {
    Id::of(&number.to_le_bytes())
}

/// An id of the same shard and tag as `id`, but not the same.
fn twin(id: &Id, which: u8) -> Id {
    let mut bytes = *id.as_bytes();
    bytes[31] = bytes[31].wrapping_add(which);
    Id::from_bytes(bytes)
}

fn place(segment: u64, offset: u64) -> Location {
    Location {
        node: NODE,
        segment: SegmentNumber(segment),
        offset: Offset(offset * 8),
        size_hint: 1024,
    }
}

fn covered(segment: u64, offset: u64) -> Covered {
    let point = LogPoint {
        segment: SegmentNumber(segment),
        offset: Offset(offset * 8),
    };
    Covered::from([(NODE, point)])
}

/// For inserts of ids that are known to be new.
fn nobody_asks(place: Location) -> Result<bool> {
    panic!("asked about {place:?}")
}

fn holds(index: &HashIndex, id: &Id, place: &Location) -> bool {
    index.lookup(id).iter().any(|found| found.same_place(place))
}

fn is_poisoned<T>(result: Result<T>) -> bool {
    matches!(result, Err(Error::Poisoned { .. }))
}
