//! Bodies on their way in: what their memory is, and what they are called.

use super::*;
use crate::format::Geometry;
use crate::io::sim::SimConfig;
use crate::io::test_dir::TestDir;
use crate::store::{Attributes, Condition, Options, Store};
use crate::testing::SimStore;
use pollster::block_on;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

#[test]
fn the_md5_waits_while_the_store_knows_all() {
    let dir = TestDir::new("deferred");
    let store = Store::open(dir.path(), Options::default()).unwrap();
    block_on(async {
        let tenant = store.create_tenant("t").await.unwrap().id;
        let bucket = store.create_bucket(tenant, "b", false).await.unwrap().id;
        let mut md5s = Vec::new();
        for (hashed, busy) in [(3, false), (0, false), (3, true)] {
            let turns = store.shared.rereads.available_permits();
            let turns = if busy { turns } else { 0 };
            let turns = u32::try_from(turns).unwrap();
            let _busy = store.shared.rereads.acquire_many(turns).await.unwrap();
            let mut writer = store.blob_writer(None);
            for byte in 1..=3 {
                let extent = Bytes::from(vec![byte; 1 << 20]);
                writer.write(extent).await.unwrap();
            }
            writer.dispatch().await.unwrap();
            writer.collect().await.unwrap();
            assert_eq!(writer.taken, hashed, "extents that the MD5 has");
            let staged = writer.finish().await.unwrap();
            md5s.push(staged.md5());
            let attributes = Attributes::default();
            let put = store.put(bucket, b"key", staged, attributes, Condition::None);
            put.await.unwrap();
        }
        assert!(md5s.iter().all(|md5| Some(md5) == md5s.first()));
    });
}
#[test]
fn a_body_of_unknown_length_keeps_no_room_for_more() {
    let dir = TestDir::new("room");
    let store = Store::open(dir.path(), Options::default()).unwrap();
    block_on(async {
        for len in [17 * 1024, 100, 700_000, 1 << 20] {
            let mut writer = store.blob_writer(None);
            for chunk in vec![7; len].chunks(10_000) {
                let chunk = Bytes::copy_from_slice(chunk);
                writer.write(chunk).await.unwrap();
            }
            let payload = frozen(std::mem::take(&mut writer.gathering));
            assert_eq!(payload, vec![7; len]);
            let room = payload.try_into_mut().unwrap().capacity();
            assert!(room <= len + len / 4 + SPARE_BYTES, "{room} for {len}");
        }
    });
}

#[test]
fn the_md5_of_a_parts_content_is_not_that_of_its_manifest() {
    let dir = TestDir::new("part-md5");
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let extents = vec![ManifestExtent {
        id: Id::of(b"abc"),
        chaining: [0; 32],
        len: 3,
    }];
    let part = Kind::Part { base: 0 };
    let md5 = Some([7; 16]);
    let (_, held) = stage_manifest(&store.shared, part, 3, extents, md5, None).unwrap();
    assert_eq!(held.needs.len(), 1);
    assert!(held.needs.iter().all(|need| need.md5().is_none()));
}

/// A body whose MD5 has nothing of its three extents, which the store knows.
async fn deferred(store: &Store) -> BlobWriter {
    let mut writer = store.blob_writer(None);
    for byte in 1..=3 {
        writer
            .write(Bytes::from(vec![byte; 1 << 20]))
            .await
            .unwrap();
    }
    writer.dispatch().await.unwrap();
    writer.collect().await.unwrap();
    writer
}

#[test]
fn bodies_that_catch_up_take_turns_at_each_extent() {
    let options = Options {
        geometry: Geometry {
            segment_bytes: 8 << 20,
            ..Geometry::default()
        },
        ..Options::default()
    };
    let mut sim = SimStore::new(5, SimConfig::default(), options);
    sim.open().unwrap();
    let store = sim.store().clone();
    let first = sim.block_on(async { deferred(&store).await.finish().await.unwrap() });
    sim.settle();
    let (mut one, mut other) =
        sim.block_on(async { (deferred(&store).await, deferred(&store).await) });
    assert_eq!((one.taken, other.taken), (0, 0));
    let rereads = &store.shared.rereads;
    let turns = u32::try_from(rereads.available_permits()).unwrap();
    let _others = sim.block_on(rereads.acquire_many(turns - 1)).unwrap();
    let busy = sim.block_on(rereads.acquire()).unwrap();
    {
        let (mut one, mut other) = (pin!(one.catch_up()), pin!(other.catch_up()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(one.as_mut().poll(&mut context).is_pending());
        assert!(other.as_mut().poll(&mut context).is_pending());
        drop(busy);
        for extent in 1..=3 {
            let ended = [
                one.as_mut().poll(&mut context).is_ready(),
                other.as_mut().poll(&mut context).is_ready(),
            ];
            assert_eq!(ended, [extent == 3; 2], "extent {extent}");
        }
    }
    for writer in [one, other] {
        let staged = sim.block_on(writer.finish()).unwrap();
        assert_eq!(staged.md5(), first.md5());
    }
}
