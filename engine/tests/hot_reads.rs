//! Reads that need nobody else: a name that was asked for is given out of memory, its content out of memory or the page
//! cache; and never what is old, and never what does not verify.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

use bytes::Bytes;
use moraine_engine::{
    Acl, Attributes, BucketId, CHUNK_BYTES, Condition, Error, HotName, Options, Store,
};
use pollster::block_on;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("moraine-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, Options::default()).unwrap()
}

async fn bucket(store: &Store) -> BucketId {
    let tenant = store.create_tenant("t").await.unwrap().id;
    let bucket = store.create_bucket(tenant, "media", false).await.unwrap();
    bucket.id
}

async fn put(store: &Store, bucket: BucketId, key: &str, content: &[u8]) {
    let mut writer = store.blob_writer(Some(content.len() as u64));
    let content = Bytes::copy_from_slice(content);
    writer.write(content).await.unwrap();
    let staged = writer.finish().await.unwrap();
    let attributes = Attributes::default();
    store
        .put(bucket, key.as_bytes(), staged, attributes, Condition::None)
        .await
        .unwrap();
}

/// The long way.
async fn read(store: &Store, name: &Arc<HotName>) -> Result<Vec<u8>, Error> {
    let mut reader = store.read_found(name, 0..name.size).await?;
    let mut out = Vec::new();
    while let Some(chunk) = reader.next().await {
        out.extend_from_slice(&chunk?);
    }
    Ok(out)
}

fn noise(len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut out);
    out
}

/// A store with `content` under the key `k`, opened anew: nothing of it is in memory.
async fn reopened(dir: &Dir, content: &[u8]) -> (Store, Arc<HotName>) {
    let store = open(&dir.0);
    let bucket = bucket(&store).await;
    put(&store, bucket, "k", content).await;
    store.close().await.unwrap();
    drop(store);
    let store = open(&dir.0);
    assert!(store.find_now(bucket, b"k").is_none());
    let name = store.find(bucket, b"k").await.unwrap();
    assert_eq!(store.read_now(&name, 0..name.size), None);
    (store, name)
}

/// Inverts the bytes of the log that are `content`.
fn invert(dir: &Path, content: &[u8]) {
    let node = std::fs::read_dir(dir.join("log")).unwrap().next().unwrap();
    let mut found = 0;
    for segment in std::fs::read_dir(node.unwrap().path()).unwrap() {
        let path = segment.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(content.len()).position(|it| it == content);
        if let Some(at) = at {
            bytes[at..at + content.len()]
                .iter_mut()
                .for_each(|it| *it = !*it);
            std::fs::write(&path, bytes).unwrap();
            found += 1;
        }
    }
    assert_eq!(found, 1, "the content is in the log");
}

#[test]
fn what_was_read_once_can_be_read_at_once() {
    let dir = Dir::new("hot-once");
    let content = noise(200_000);
    block_on(async {
        let (store, name) = reopened(&dir, &content).await;
        assert_eq!(read(&store, &name).await.unwrap(), content);
        let again = store.find_now(name.bucket, b"k").unwrap();
        for range in [0..200_000, 0..1, 65_535..65_537, 199_999..200_000, 7..7] {
            let (from, to) = (range.start, range.end);
            let bytes = store.read_now(&again, from as u64..to as u64);
            assert_eq!(bytes.as_deref(), Some(&content[range]), "{from} to {to}");
        }
        assert_eq!(store.read_now(&again, 0..200_001), None);
    });
}

#[test]
fn a_long_range_is_left_to_the_long_way() {
    let dir = Dir::new("hot-long");
    let content = noise(1 << 20);
    block_on(async {
        let (store, name) = reopened(&dir, &content).await;
        assert_eq!(read(&store, &name).await.unwrap(), content);
        assert!(store.read_now(&name, 0..CHUNK_BYTES).is_some());
        assert!(store.read_now(&name, 0..CHUNK_BYTES + 1).is_none());
    });
}

#[test]
fn what_does_not_verify_is_not_given_and_the_long_way_says_so() {
    let dir = Dir::new("hot-damage");
    let content = noise(100_000);
    block_on(async {
        let (store, name) = reopened(&dir, &content).await;
        assert_eq!(read(&store, &name).await.unwrap(), content);
        assert!(store.read_now(&name, 0..name.size).is_some());
        let before = store.stats().damaged_reads;
        invert(&dir.0, &content);
        assert_eq!(store.read_now(&name, 0..name.size), None);
        assert_eq!(store.read_now(&name, 70_000..70_001), None);
        let error = read(&store, &name).await.unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert_eq!(store.stats().damaged_reads, before + 1);
        assert_eq!(store.read_now(&name, 0..name.size), None);
    });
}

#[test]
fn what_is_read_often_is_kept_in_memory() {
    let dir = Dir::new("hot-kept");
    let content = noise(100_000);
    block_on(async {
        let (store, name) = reopened(&dir, &content).await;
        assert_eq!(read(&store, &name).await.unwrap(), content);
        assert_eq!(store.stats().recent_bytes, 0);
        for _ in 0..10 {
            let bytes = store.read_now(&name, 0..name.size);
            assert_eq!(bytes.as_deref(), Some(&content[..]));
        }
        let stats = store.stats();
        assert!(stats.recent_bytes >= name.size && stats.recent_reads > 0);
        // Nobody looks at the file any more.
        invert(&dir.0, &content);
        assert_eq!(
            store.read_now(&name, 0..name.size).as_deref(),
            Some(&content[..])
        );
        assert_eq!(read(&store, &name).await.unwrap(), content);
    });
}

#[test]
fn bytes_that_are_held_are_counted() {
    let dir = Dir::new("hot-budget");
    block_on(async {
        let (store, name) = reopened(&dir, &noise(100_000)).await;
        read(&store, &name).await.unwrap();
        let before = store.stats().budget_used;
        let held = store.read_now(&name, 0..name.size).unwrap();
        assert!(store.stats().budget_used >= before + 100_000);
        drop(held);
        assert_eq!(store.stats().budget_used, before);
    });
}

#[test]
fn every_change_of_a_name_is_seen_at_once() {
    let dir = Dir::new("hot-changes");
    block_on(async {
        let store = open(&dir.0);
        let bucket = bucket(&store).await;
        put(&store, bucket, "k", b"one").await;
        let etag = store.find(bucket, b"k").await.unwrap().etag.clone();
        assert_eq!(store.find_now(bucket, b"k").unwrap().etag, etag);
        put(&store, bucket, "k", b"two").await;
        assert!(store.find_now(bucket, b"k").is_none());
        assert_ne!(store.find(bucket, b"k").await.unwrap().etag, etag);
        store.set_acl(bucket, b"k", Acl::PublicRead).await.unwrap();
        assert!(store.find_now(bucket, b"k").is_none());
        let open = store.find(bucket, b"k").await.unwrap();
        assert_eq!(open.attributes.acl, Acl::PublicRead);
        store
            .copy(&open, bucket, b"c", None, Condition::None)
            .await
            .unwrap();
        assert!(store.find(bucket, b"c").await.is_ok());
        for key in [&b"k"[..], b"c"] {
            assert!(store.delete(bucket, key, Condition::None).await.unwrap());
            assert!(store.find_now(bucket, key).is_none());
            let gone = store.find(bucket, key).await.err();
            assert!(matches!(gone, Some(Error::NoSuchKey)));
        }
    });
}

/// Readers on all sides while a name is written over and over: nobody is told of a state that is older than the last one
/// that had been acknowledged when they asked.
#[test]
fn no_reader_is_told_what_was_replaced_before_it_asked() {
    let dir = Dir::new("hot-race");
    let store = open(&dir.0);
    let bucket = block_on(bucket(&store));
    block_on(put(&store, bucket, "k", &number(0)));
    let (acknowledged, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let hot = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let least = acknowledged.load(Ordering::SeqCst);
                    let name = store.find_now(bucket, b"k").inspect(|_| {
                        hot.fetch_add(1, Ordering::Relaxed);
                    });
                    let name = match name {
                        Some(name) => name,
                        None => block_on(store.find(bucket, b"k")).unwrap(),
                    };
                    let content = block_on(read(&store, &name)).unwrap();
                    let told = u64::from_le_bytes(content[..8].try_into().unwrap());
                    assert!(told >= least, "told {told} after {least}");
                }
            });
        }
        for round in 1..=300 {
            block_on(put(&store, bucket, "k", &number(round)));
            acknowledged.store(round, Ordering::SeqCst);
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(hot.load(Ordering::Relaxed) > 0, "names came out of memory");
}

fn number(round: u64) -> Vec<u8> {
    let mut content = round.to_le_bytes().to_vec();
    content.resize(2000, 1);
    content
}
