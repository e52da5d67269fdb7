//! A store runs on the driver that was asked for, all of it, and what one driver wrote the other one reads.
//!
//! The first half of bar 19: that a ring ran is shown by what it was handed, not by the absence of an error. A kernel that
//! forbids rings fails this test, unless `MORAINE_TEST_NO_URING=1` says that it does. The other half is `io_forbidden.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use bytes::Bytes;
use moraine_engine::{Attributes, BucketId, Condition, IoChoice, Options, Stats, Store};
use pollster::block_on;
use std::path::PathBuf;

/// Objects that each store writes.
const OBJECTS: u64 = 20;

/// Removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("moraine-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self, io: IoChoice) -> Store {
        let options = Options {
            io,
            ..Options::default()
        };
        Store::open(&self.0, options).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn body(number: u64) -> Vec<u8> {
    let mut out = vec![0; 100_000];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.finalize_xof().fill(&mut out);
    out
}

/// Writes the objects one after the other, each durable before the next, closes the store, and returns what it counted.
fn write(store: &Store) -> (BucketId, Stats) {
    block_on(async {
        let tenant = store.create_tenant("t").await.unwrap();
        let bucket = store.create_bucket(tenant.id, "media", false).await;
        let bucket = bucket.unwrap().id;
        for number in 0..OBJECTS {
            let mut writer = store.blob_writer(None);
            writer.write(Bytes::from(body(number))).await.unwrap();
            let staged = writer.finish().await.unwrap();
            let (key, none) = (number.to_string(), Condition::None);
            let put = store.put(bucket, key.as_bytes(), staged, Attributes::default(), none);
            put.await.unwrap();
        }
        store.close().await.unwrap();
        (bucket, store.stats())
    })
}

fn check(store: &Store, bucket: BucketId) {
    block_on(async {
        for number in 0..OBJECTS {
            let object = store
                .head(bucket, number.to_string().as_bytes())
                .await
                .unwrap();
            let mut reader = store.read(&object, 0..object.size).await.unwrap();
            let mut read = Vec::new();
            while let Some(chunk) = reader.next().await {
                read.extend_from_slice(&chunk.unwrap());
            }
            assert!(read == body(number), "other bytes");
        }
        store.close().await.unwrap();
    });
}

#[test]
fn each_driver_does_the_work_and_reads_what_the_other_wrote() {
    if std::env::var_os("MORAINE_TEST_NO_URING").is_some_and(|value| value == "1") {
        println!("skipped: MORAINE_TEST_NO_URING=1 says that io_uring is forbidden here");
        return;
    }
    // The count is the process's: the driver without rings comes first.
    let blocking = Folder::new("driver-blocking");
    let (of_blocking, stats) = write(&blocking.open(IoChoice::Blocking));
    assert_eq!((stats.driver, stats.uring_submissions), ("blocking", 0));
    assert!(stats.batches >= OBJECTS, "each object was a batch");

    let uring = Folder::new("driver-uring");
    let store = uring.open(IoChoice::Uring);
    let before = store.stats().uring_submissions;
    let (of_uring, stats) = write(&store);
    drop(store);
    assert_eq!(stats.driver, "io_uring");
    let handed = stats.uring_submissions - before;
    assert!(
        handed >= stats.batches + OBJECTS,
        "a write for each of {} batches, and the syncs, went to the ring: {handed} did",
        stats.batches
    );

    check(&blocking.open(IoChoice::Uring), of_blocking);
    check(&uring.open(IoChoice::Blocking), of_uring);
}
