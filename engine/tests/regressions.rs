//! Stories of bugs that were found by reading, each kept as a scenario on the simulated disk.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

use bytes::Bytes;
use moraine_engine::io::sim::SimConfig;
use moraine_engine::testing::SimStore;
use moraine_engine::{
    Attributes, BlobWriter, BucketId, Condition, Error, Geometry, Options, Store,
};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A store with extents of 1 MiB and little memory, and a bucket in it.
fn open(memory_bytes: usize) -> (SimStore, BucketId) {
    let geometry = Geometry {
        segment_bytes: 64 << 20,
        block_bytes: 512,
        ..Geometry::default()
    };
    let options = Options {
        geometry,
        memory_bytes,
        ..Options::default()
    };
    let config = SimConfig {
        capacity: 1 << 30,
        ..SimConfig::default()
    };
    let mut sim = SimStore::new(7, config, options);
    sim.open().unwrap();
    let store = sim.store().clone();
    let bucket = sim.block_on(async move {
        let tenant = store.create_tenant("t").await.unwrap();
        store
            .create_bucket(tenant.id, "media", false)
            .await
            .unwrap()
            .id
    });
    (sim, bucket)
}

fn content(seed: u8, len: usize) -> Bytes {
    let mut out = vec![0; len];
    blake3::Hasher::new()
        .update(&[seed])
        .finalize_xof()
        .fill(&mut out);
    out.into()
}

async fn put(store: Store, bucket: BucketId, key: &'static str, body: Bytes) {
    let mut writer = store.blob_writer(Some(body.len() as u64));
    writer.write(body).await.unwrap();
    let staged = writer.finish().await.unwrap();
    let attributes = Attributes::default();
    store
        .put(bucket, key.as_bytes(), staged, attributes, Condition::None)
        .await
        .unwrap();
}

async fn get(store: Store, bucket: BucketId, key: &'static str) -> Result<Vec<u8>, Error> {
    let object = store.head(bucket, key.as_bytes()).await?;
    let mut reader = store.read(&object, 0..object.size).await?;
    let mut out = Vec::new();
    while let Some(chunk) = reader.next().await {
        out.extend_from_slice(&chunk?);
    }
    Ok(out)
}

/// Bodies took memory in small steps while they held what they had: enough of them, each in the middle of an extent,
/// waited for each other for good.
#[test]
fn uploads_in_step_do_not_starve_each_other() {
    let (mut sim, _) = open(16 << 20);
    let store = sim.store().clone();
    let piece = content(1, 100_000);
    let mut uploads: Vec<Boxed<'_, Result<u64, Error>>> = Vec::new();
    for seed in 0..64_u8 {
        let (store, piece) = (store.clone(), piece.clone());
        uploads.push(Box::pin(async move {
            let mut writer: BlobWriter = store.blob_writer(Some(2_000_001));
            writer.write(Bytes::copy_from_slice(&[seed])).await?;
            for _ in 0..20 {
                writer.write(piece.clone()).await?;
            }
            Ok(writer.finish().await?.size())
        }));
    }
    let mut idle = 0;
    while !uploads.is_empty() {
        let before = uploads.len();
        uploads.retain_mut(|upload| match poll(upload) {
            Poll::Ready(size) => {
                assert_eq!(size.unwrap(), 2_000_001);
                false
            }
            Poll::Pending => true,
        });
        let moved = sim.stepper().step() || uploads.len() < before;
        idle = if moved { 0 } else { idle + 1 };
        assert!(
            idle < 1_000,
            "{} uploads wait for each other",
            uploads.len()
        );
    }
    sim.stepper().settle();
    assert_eq!(store.stats().budget_used, 0);
}

/// A caller that gave up took the lock of its key with it while its name was on its way: the next one overtook it.
#[test]
fn a_name_on_its_way_keeps_its_lock_when_its_caller_goes() {
    let (mut sim, bucket) = open(64 << 20);
    let store = sim.store().clone();
    let staged = {
        let store = store.clone();
        sim.block_on(async move {
            let mut writer = store.blob_writer(None);
            writer.write(content(1, 1000)).await.unwrap();
            writer.finish().await.unwrap()
        })
    };
    {
        let put = store.put(bucket, b"k", staged, Attributes::default(), Condition::None);
        let mut put: Boxed<'_, _> = Box::pin(put);
        assert!(poll(&mut put).is_pending());
    }
    let deleted = sim.block_on(async move { store.delete(bucket, b"k", Condition::None).await });
    assert!(
        deleted.unwrap(),
        "the deletion came before the name that it had to see"
    );
}

/// An idle writer attested its own attestations: a write and a sync twice a second for ever.
#[test]
fn an_idle_writer_attests_once() {
    let (mut sim, bucket) = open(64 << 20);
    let store = sim.store().clone();
    sim.block_on(put(store, bucket, "k", content(1, 10)));
    assert!(sim.stepper().attest());
    let written = sim.store().stats().log_bytes_written;
    for _ in 0..5 {
        assert!(!sim.stepper().attest());
    }
    assert_eq!(sim.store().stats().log_bytes_written, written);
}

/// Bytes that were found damaged were still taken for known: who uploaded them again was told that they are stored.
#[test]
fn damaged_bytes_that_come_again_are_stored_again() {
    let (mut sim, bucket) = open(16 << 20);
    let body = content(1, 300_000);
    let store = sim.store().clone();
    sim.block_on(put(store, bucket, "k", body.clone()));
    sim.close().unwrap();
    let path = sim
        .disk
        .files()
        .into_iter()
        .find(|path| path.ends_with(".seg"))
        .unwrap();
    let bytes = sim.disk.read_file(&path).unwrap();
    let at = bytes
        .windows(64)
        .position(|window| window == &body[..64])
        .unwrap();
    sim.disk.flip_bit(&path, at + 70_000, 3).unwrap();
    sim.open().unwrap();
    let store = sim.store().clone();
    let damaged = sim.block_on(get(store.clone(), bucket, "k"));
    assert!(matches!(damaged, Err(Error::Damaged { .. })), "{damaged:?}");
    sim.block_on(put(store.clone(), bucket, "again", body.clone()));
    assert_eq!(
        sim.block_on(get(store.clone(), bucket, "again")).unwrap(),
        body
    );
    assert_eq!(sim.block_on(get(store, bucket, "k")).unwrap(), body);
}

/// A body whose write was given up in the middle could still be ended, as an object of the wrong bytes.
#[test]
fn a_body_that_was_given_up_cannot_be_ended() {
    let (mut sim, _) = open(16 << 20);
    let store = sim.store().clone();
    let mut hoard = Vec::new();
    // All memory is taken: the next body has to wait.
    loop {
        let mut writer = store.blob_writer(None);
        let mut write: Boxed<'_, _> = Box::pin(writer.write(content(2, 900_000)));
        let ready = poll(&mut write).is_ready();
        drop(write);
        if !ready {
            let ended = sim.block_on(writer.finish());
            assert!(matches!(ended, Err(Error::Invalid { .. })));
            return;
        }
        hoard.push(writer);
        assert!(hoard.len() < 100, "the budget has no end");
    }
}

/// A staged part could be named as an object: its manifest would have been read as its content.
#[test]
fn a_part_is_not_an_object() {
    let (mut sim, bucket) = open(16 << 20);
    let store = sim.store().clone();
    let named = sim.block_on(async move {
        let upload = store
            .create_upload(bucket, b"k", Attributes::default())
            .await
            .unwrap();
        let mut writer = store.part_writer(bucket, upload, 1, None).await.unwrap();
        writer.write(content(1, 100)).await.unwrap();
        let staged = writer.finish().await.unwrap();
        store
            .put(bucket, b"k", staged, Attributes::default(), Condition::None)
            .await
    });
    assert!(matches!(named, Err(Error::Invalid { .. })));
}
