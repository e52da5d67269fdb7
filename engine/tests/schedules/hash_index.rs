//! The hash index grows and is made durable while others read it: what was put in is found, before, during and after.

use crate::explore::explore;
use crate::world::together;
use moraine_engine::index::Covered;
use moraine_engine::index::hash::{HashConfig, HashIndex, HeapSource, Location};
use moraine_engine::io::sim::{SimConfig, SimDisk};
use moraine_engine::{Id, LogPoint, NodeId, Offset, SegmentNumber};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

const STORE: [u8; 16] = *b"0123456789abcdef";
const NODE: NodeId = NodeId(7);
/// Entries that are there before: just short of what makes a shard of one page grow.
const BEFORE: u64 = 190;
/// Entries that are put in beside the readers: one shard or two grow.
const ADDED: u64 = 40;

fn id(number: u64) -> Id {
    Id::of(&number.to_le_bytes())
}

fn place(number: u64) -> Location {
    Location {
        node: NODE,
        segment: SegmentNumber(1 + number / 64),
        offset: Offset(4096 + number * 8),
        size_hint: 1024,
    }
}

fn add(index: &HashIndex, number: u64) {
    let mut other = |_| Ok(false);
    index
        .insert(&id(number), place(number), &mut other)
        .unwrap();
}

fn holds(index: &HashIndex, number: u64) -> bool {
    let found = index.lookup(&id(number));
    found.iter().any(|found| found.same_place(&place(number)))
}

fn open(disk: &Arc<SimDisk>) -> (HashIndex, Covered) {
    let pages = Arc::new(HeapSource::new(disk.clone()));
    let config = HashConfig {
        shards: 1,
        initial_pages: 1,
        number_block: 2,
    };
    let (index, opened) = HashIndex::open(disk.clone(), pages, STORE, config).unwrap();
    (index, opened.covered)
}

/// One puts entries in until the shard has grown, one makes checkpoints, two read; then it is opened again.
pub fn growth_beside_readers() {
    let disk = SimDisk::new(1, SimConfig::default());
    let index = Arc::new(open(&disk).0);
    (0..BEFORE).for_each(|number| add(&index, number));
    let bytes_before = index.stats().bytes;
    let added = Arc::new(AtomicU64::new(BEFORE));
    let mut clients: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
    let (adding, count) = (Arc::clone(&index), Arc::clone(&added));
    clients.push(Box::new(move || {
        for number in BEFORE..BEFORE + ADDED {
            add(&adding, number);
            count.store(number + 1, Ordering::SeqCst);
        }
    }));
    let (saving, count) = (Arc::clone(&index), Arc::clone(&added));
    clients.push(Box::new(move || {
        for _ in 0..2 {
            let covered = count.load(Ordering::SeqCst);
            let point = LogPoint {
                segment: SegmentNumber(1),
                offset: Offset(covered * 8),
            };
            saving.checkpoint(&Covered::from([(NODE, point)])).unwrap();
        }
    }));
    for reader in 0..2 {
        let (index, count) = (Arc::clone(&index), Arc::clone(&added));
        clients.push(Box::new(move || {
            for turn in 0..20 {
                let newest = count.load(Ordering::SeqCst) - 1;
                assert!(holds(&index, newest), "the newest entry is lost");
                assert!(
                    holds(&index, (13 * turn + reader) % BEFORE),
                    "an old entry is lost"
                );
            }
        }));
    }
    together(clients);
    assert!(index.stats().bytes > bytes_before, "the shard has grown");
    assert!((0..BEFORE + ADDED).all(|number| holds(&index, number)));
    drop(index);
    let (index, covered) = open(&disk);
    let until = covered.get(&NODE).map_or(0, |point| point.offset.0 / 8);
    assert!(
        (0..until).all(|number| holds(&index, number)),
        "covered, and not there"
    );
}

#[test]
fn bar_10_hash_index() {
    explore("bar_10_hash_index", growth_beside_readers);
}
