//! What a body on its way out keeps in memory, and what of that is granted.

use crate::format::Geometry;
use crate::io::sim::SimConfig;
use crate::position::BucketId;
use crate::store::{Attributes, Condition, Options, Store};
use crate::testing::SimStore;

const BLOCK: usize = 64 << 10;

/// A store with an object of this many bytes, which are in memory.
fn with_object(len: usize) -> (SimStore, Store, BucketId, Vec<u8>) {
    let options = Options {
        geometry: Geometry {
            segment_bytes: 8 << 20,
            ..Geometry::default()
        },
        memory_bytes: 16 << 20,
        ..Options::default()
    };
    let mut sim = SimStore::new(12, SimConfig::default(), options);
    sim.open().unwrap();
    let store = sim.store().clone();
    let content: Vec<u8> = (0..len).map(|at| (at / 5).to_le_bytes()[0]).collect();
    let bucket = sim.block_on(async {
        let tenant = store.create_tenant("one").await.unwrap().id;
        let made = store.create_bucket(tenant, "media", false).await;
        let bucket = made.unwrap().id;
        let mut writer = store.blob_writer(None);
        writer.write(content.clone().into()).await.unwrap();
        let staged = writer.finish().await.unwrap();
        let (attributes, none) = (Attributes::default(), Condition::None);
        let put = store.put(bucket, b"key", staged, attributes, none);
        put.await.unwrap();
        bucket
    });
    sim.settle();
    assert_eq!(store.shared.budget.used(), 0);
    (sim, store, bucket, content)
}

#[test]
fn a_slow_reader_keeps_its_chunk_and_not_the_extent() {
    let (mut sim, store, bucket, content) = with_object(1 << 20);
    let object = sim.block_on(store.head(bucket, b"key")).unwrap();
    let mut reader = sim.block_on(store.read(&object, 0..object.size)).unwrap();
    let first = sim.block_on(reader.next()).unwrap().unwrap();
    assert_eq!(first, content[..first.len()]);
    assert_eq!(store.shared.budget.used(), first.len());
    // Memory lets go of the extent: nobody else has it.
    let kept = store.shared.recent.get(&object.blob).unwrap();
    store.shared.recent.remove(&object.blob);
    assert!(kept.payload.is_unique(), "it is kept, and not counted");
    drop(kept);
    // And the rest comes from the disk.
    let mut got = first.to_vec();
    while let Some(chunk) = sim.block_on(reader.next()) {
        got.extend_from_slice(&chunk.unwrap());
    }
    assert!(got == content);
}

#[test]
fn what_is_asked_for_whole_is_given_out_without_a_copy() {
    for len in [4096, 64 << 10, 256 << 10] {
        let (mut sim, store, bucket, content) = with_object(len);
        let name = sim.block_on(store.find(bucket, b"key")).unwrap();
        let object = name.object().clone();
        let kept = store.shared.recent.get(&object.blob).unwrap();
        let mut reader = sim.block_on(store.read(&object, 0..object.size)).unwrap();
        let long_way = sim.block_on(reader.next()).unwrap().unwrap();
        let at_once = store.read_now(&name, 0..object.size).unwrap();
        for given in [long_way, at_once] {
            assert!(given == content, "{len}");
            assert_eq!(given.as_ptr(), kept.payload.as_ptr(), "{len}: copied");
        }
    }
}

#[test]
fn a_short_range_is_granted_what_it_holds() {
    for in_memory in [true, false] {
        let (mut sim, store, bucket, content) = with_object(1 << 20);
        let name = sim.block_on(store.find(bucket, b"key")).unwrap();
        let object = name.object().clone();
        let kept = store.shared.recent.get(&object.blob).unwrap();
        if !in_memory {
            store.shared.recent.remove(&object.blob);
        }
        // Across the border of two blocks.
        let range = BLOCK as u64 - 1..BLOCK as u64 + 1;
        let mut reader = sim.block_on(store.read(&object, range.clone())).unwrap();
        let given = sim.block_on(reader.next()).unwrap().unwrap();
        assert!(content[BLOCK - 1..].starts_with(&given));
        let held = if given.len() == 1 { BLOCK } else { 2 * BLOCK };
        assert_eq!(store.shared.budget.used(), held);
        drop(given);
        if in_memory {
            let given = store.read_now(&name, range).unwrap();
            assert_eq!(given, content[BLOCK - 1..=BLOCK]);
            assert_eq!(store.shared.budget.used(), 2 * BLOCK);
            store.shared.recent.remove(&object.blob);
            assert!(kept.payload.is_unique(), "a view of the whole extent");
        }
    }
}

#[test]
fn more_than_half_is_granted_as_the_whole() {
    let (mut sim, store, bucket, content) = with_object(300_000);
    let name = sim.block_on(store.find(bucket, b"key")).unwrap();
    let object = name.object().clone();
    let mut reader = sim.block_on(store.read(&object, 0..object.size)).unwrap();
    let given = sim.block_on(reader.next()).unwrap().unwrap();
    assert!(content.starts_with(&given) && given.len() == 256 << 10);
    assert!(store.shared.budget.used() >= content.len());
    drop(given);
    let given = store.read_now(&name, 0..200_000).unwrap();
    assert!(content.starts_with(&given));
    assert!(store.shared.budget.used() >= content.len());
}
