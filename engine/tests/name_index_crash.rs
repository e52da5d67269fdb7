//! A crash rolls the memory twin back to its last persist; damage and foreign indexes are told, not served.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed test is what a panic means here; what it prints shows only then"
)]

mod name_index_common;

use moraine_engine::Hlc;
use moraine_engine::index::Covered;
use moraine_engine::index::names::{MemoryKv, NameIndex, NamesError, RebuildReason, Visit};
use moraine_engine::io::Disk;
use name_index_common::*;
use std::sync::Arc;

fn rows(index: &NameIndex) -> Vec<moraine_engine::format::NameKey> {
    let mut rows = Vec::new();
    index
        .for_each(&mut |name, _| {
            rows.push(name);
            Ok(Visit::Continue)
        })
        .unwrap();
    rows
}

fn reopen(disk: &Arc<MemDisk>, store: [u8; 16]) -> Result<NameIndex, NamesError> {
    let disk: Arc<dyn Disk> = Arc::<MemDisk>::clone(disk);
    NameIndex::open(Box::new(MemoryKv::open(disk, snapshot_path())?), store)
}

#[test]
fn a_crash_rolls_back_to_the_last_persist_and_replay_restores_the_rest() {
    for seed in seeds(50) {
        announce(seed);
        let mut random = Random::new(seed);
        let disk = Arc::new(MemDisk::default());
        let mut index = memory_index(&disk);
        let mut model = Model::default();
        let mut log = Vec::new();
        for _ in 0..20 {
            let changes: Vec<_> = (0..5).map(|_| change(&mut random)).collect();
            changes.iter().for_each(|change| model.apply(change));
            index.apply(&changes, &Covered::new(), Hlc(0)).unwrap();
            log.extend(changes);
            let before = rows(&index);
            let persisted = random.one_in(3);
            if persisted {
                index.persist().unwrap();
            }
            if random.one_in(3) {
                drop(index);
                disk.crash();
                index = memory_index(&disk);
                if persisted {
                    assert_eq!(rows(&index), before);
                }
                index.apply(&log, &Covered::new(), Hlc(0)).unwrap();
            }
            let expected: Vec<_> = model.rows.keys().cloned().collect();
            assert_eq!(rows(&index), expected);
            index.check(&mut |found| panic!("{found}")).unwrap();
        }
    }
}

#[test]
fn every_flipped_bit_of_the_snapshot_is_told() {
    let mut random = Random::new(1);
    let disk = Arc::new(MemDisk::default());
    let index = memory_index(&disk);
    let changes: Vec<_> = (0..8).map(|_| change(&mut random)).collect();
    index.apply(&changes, &Covered::new(), Hlc(0)).unwrap();
    index.persist().unwrap();
    drop(index);
    let good = disk.content(&snapshot_path());
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        disk.set_content(&snapshot_path(), bad);
        assert!(
            matches!(
                reopen(&disk, STORE),
                Err(NamesError::Rebuild(RebuildReason::Storage(_)))
            ),
            "bit {bit}"
        );
    }
    for len in 0..good.len() {
        disk.set_content(&snapshot_path(), good[..len].to_vec());
        assert!(reopen(&disk, STORE).is_err(), "{len} bytes");
    }
    MemoryKv::remove(disk.as_ref(), &snapshot_path()).unwrap();
    assert_eq!(reopen(&disk, STORE).unwrap().covered(), Covered::new());
}

#[test]
fn an_index_of_another_store_is_told() {
    let disk = Arc::new(MemDisk::default());
    let index = memory_index(&disk);
    index
        .apply(
            &[],
            &Covered::from([(moraine_engine::NodeId(1), Default::default())]),
            Hlc(1),
        )
        .unwrap();
    index.persist().unwrap();
    drop(index);
    assert!(matches!(
        reopen(&disk, [8; 16]),
        Err(NamesError::Rebuild(RebuildReason::OtherStore {
            found: STORE
        }))
    ));
}
