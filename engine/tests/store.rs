//! The store on a real disk: what goes in comes out, also after a restart, also without its indexes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

use bytes::Bytes;
use moraine_engine::{
    Attributes, BucketId, CompletePart, Condition, Error, ListEntry, ListQuery, Object, Options,
    Store,
};
use pollster::block_on;
use std::path::{Path, PathBuf};

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

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut out = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut out);
    out
}

async fn bucket(store: &Store, name: &str) -> BucketId {
    let tenant = match store.tenants().first() {
        Some(tenant) => tenant.id,
        None => store.create_tenant("t").await.unwrap().id,
    };
    match store.bucket(name) {
        Some(bucket) => bucket.id,
        None => store.create_bucket(tenant, name, false).await.unwrap().id,
    }
}

async fn put(store: &Store, bucket: BucketId, key: &str, content: &[u8]) -> Object {
    let mut writer = store.blob_writer(Some(content.len() as u64));
    for chunk in content.chunks(100_000) {
        writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    let staged = writer.finish().await.unwrap();
    let attributes = Attributes {
        content_type: Some("image/png".into()),
        ..Attributes::default()
    };
    store
        .put(bucket, key.as_bytes(), staged, attributes, Condition::None)
        .await
        .unwrap()
}

async fn get(store: &Store, bucket: BucketId, key: &str) -> Vec<u8> {
    let object = store.head(bucket, key.as_bytes()).await.unwrap();
    range(store, &object, 0..object.size).await
}

async fn range(store: &Store, object: &Object, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut reader = store.read(object, range).await.unwrap();
    let mut out = Vec::new();
    while let Some(chunk) = reader.next().await {
        out.extend_from_slice(&chunk.unwrap());
    }
    out
}

const SIZES: [usize; 8] = [
    0,
    1,
    1000,
    65_536,
    (1 << 20) - 1,
    1 << 20,
    (1 << 20) + 1,
    5_500_000,
];

#[test]
fn bodies_of_every_size_come_back_also_without_indexes() {
    let dir = Dir::new("sizes");
    block_on(async {
        let store = open(&dir.0);
        assert!(store.was_created());
        let bucket = bucket(&store, "media").await;
        for (seed, size) in SIZES.into_iter().enumerate() {
            let object = put(
                &store,
                bucket,
                &format!("k{size}"),
                &noise(size, seed as u64),
            )
            .await;
            assert_eq!(object.size, size as u64);
            assert_eq!(
                object.blob.to_string(),
                blake3::hash(&noise(size, seed as u64)).to_hex().to_string()
            );
        }
        store.close().await.unwrap();
    });
    for without_index in [false, true] {
        if without_index {
            std::fs::remove_dir_all(dir.0.join("index")).unwrap();
        }
        block_on(async {
            let store = open(&dir.0);
            assert!(!store.was_created());
            let bucket = store.bucket("media").unwrap().id;
            for (seed, size) in SIZES.into_iter().enumerate() {
                assert_eq!(
                    get(&store, bucket, &format!("k{size}")).await,
                    noise(size, seed as u64)
                );
            }
            let object = store.head(bucket, b"k5500000").await.unwrap();
            assert_eq!(object.attributes.content_type.as_deref(), Some("image/png"));
            let whole = noise(5_500_000, 7);
            for (from, to) in [
                (0, 1),
                (65_535, 65_537),
                (1_048_575, 1_048_577),
                (5_499_999, 5_500_000),
            ] {
                assert_eq!(
                    range(&store, &object, from as u64..to as u64).await,
                    &whole[from..to]
                );
            }
            store.close().await.unwrap();
        });
    }
}

#[test]
fn known_content_is_not_written_again() {
    let dir = Dir::new("dedup");
    block_on(async {
        let store = open(&dir.0);
        let one = bucket(&store, "one").await;
        let two = bucket(&store, "two").await;
        let content = noise(3_000_000, 1);
        put(&store, one, "a", &content).await;
        let before = store.stats().log_bytes_written;
        put(&store, one, "b", &content).await;
        put(&store, two, "c", &content).await;
        let added = store.stats().log_bytes_written - before;
        assert!(
            added < 20_000,
            "two names of known content added {added} bytes"
        );
        assert_eq!(get(&store, two, "c").await, content);
    });
}

#[test]
fn parts_of_equal_and_of_odd_lengths_become_one_object() {
    let dir = Dir::new("parts");
    block_on(async {
        let store = open(&dir.0);
        let bucket = bucket(&store, "media").await;
        let content = noise(7_000_000, 2);
        for (name, size) in [("even", 2 << 20), ("odd", 1_500_000), ("tiny", 300_000)] {
            let whole = if name == "tiny" {
                &content[..600_000]
            } else {
                &content
            };
            let upload = store
                .create_upload(bucket, name.as_bytes(), Attributes::default())
                .await
                .unwrap();
            let mut parts = Vec::new();
            let mut numbered: Vec<_> = whole.chunks(size).enumerate().collect();
            numbered.reverse();
            for (index, chunk) in numbered {
                let number = u16::try_from(index + 1).unwrap();
                let hint = Some(chunk.len() as u64);
                let mut writer = store
                    .part_writer(bucket, upload, number, hint)
                    .await
                    .unwrap();
                writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
                let staged = writer.finish().await.unwrap();
                let part = store
                    .put_part(bucket, upload, number, staged, vec![])
                    .await
                    .unwrap();
                parts.push(CompletePart {
                    number,
                    etag: part.etag,
                });
            }
            parts.reverse();
            assert_eq!(
                store.parts(bucket, upload, 0, 100).await.unwrap().len(),
                parts.len()
            );
            assert_eq!(store.uploads(bucket, None, 10).await.unwrap().len(), 1);
            let object = store
                .complete_upload(bucket, upload, &parts, 0, vec![], Condition::None)
                .await
                .unwrap();
            assert_eq!(
                object.blob.to_string(),
                blake3::hash(whole).to_hex().to_string()
            );
            assert!(object.etag.ends_with(&format!("-{}", parts.len())));
            assert_eq!(get(&store, bucket, name).await, whole);
            assert!(store.uploads(bucket, None, 10).await.unwrap().is_empty());
            let again = store.complete_upload(bucket, upload, &parts, 0, vec![], Condition::None);
            assert!(matches!(again.await, Err(Error::NoSuchUpload)));
        }
    });
}

#[test]
fn names_are_deleted_copied_listed_and_conditional() {
    let dir = Dir::new("names");
    block_on(async {
        let store = open(&dir.0);
        let bucket = bucket(&store, "media").await;
        for key in ["a/1", "a/2", "b/1", "c"] {
            put(&store, bucket, key, key.as_bytes()).await;
        }
        let query = ListQuery {
            delimiter: b"/".to_vec(),
            limit: 10,
            ..ListQuery::default()
        };
        let page = store.list(bucket, query).await.unwrap();
        let shown: Vec<String> = page
            .entries
            .iter()
            .map(|entry| match entry {
                ListEntry::Object(object) => String::from_utf8(object.key.clone()).unwrap(),
                ListEntry::Prefix(prefix) => String::from_utf8(prefix.clone()).unwrap(),
            })
            .collect();
        assert_eq!(shown, ["a/", "b/", "c"]);
        let source = store.head(bucket, b"c").await.unwrap();
        store
            .copy(&source, bucket, b"d", None, Condition::None)
            .await
            .unwrap();
        assert_eq!(get(&store, bucket, "d").await, b"c");
        let taken = store
            .copy(&source, bucket, b"d", None, Condition::IfAbsent)
            .await;
        assert!(matches!(taken, Err(Error::PreconditionFailed)));
        let etag = || Condition::IfMatch(source.etag.clone());
        let gone = store.copy(&source, bucket, b"e", None, etag()).await;
        assert!(matches!(gone, Err(Error::NoSuchKey)));
        assert!(!store.delete(bucket, b"e", etag()).await.unwrap());
        let absent = store.delete(bucket, b"e", Condition::IfPresent).await;
        assert!(matches!(absent, Err(Error::PreconditionFailed)));
        assert!(store.delete(bucket, b"c", Condition::None).await.unwrap());
        assert!(!store.delete(bucket, b"c", Condition::None).await.unwrap());
        assert!(matches!(
            store.head(bucket, b"c").await,
            Err(Error::NoSuchKey)
        ));
        assert_eq!(get(&store, bucket, "d").await, b"c");
        assert!(matches!(
            store.delete_bucket(bucket).await,
            Err(Error::BucketNotEmpty)
        ));
    });
}

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let dir = Dir::new("lock");
    let _store = open(&dir.0);
    let second = Store::open(&dir.0, Options::default());
    assert!(matches!(second, Err(Error::Locked { pid, .. }) if pid == std::process::id()));
}

#[test]
fn many_writers_share_batches_and_one_copy() {
    let dir = Dir::new("many");
    let store = open(&dir.0);
    let bucket = block_on(bucket(&store, "media"));
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let store = &store;
            scope.spawn(move || {
                block_on(async {
                    for round in 0..20 {
                        let content = noise(70_000, round);
                        put(store, bucket, &format!("{thread}/{round}"), &content).await;
                    }
                });
            });
        }
    });
    let stats = store.stats();
    assert_eq!(stats.names, 320);
    assert!(stats.syncs < 320, "{} syncs for 320 puts", stats.syncs);
    assert!(
        stats.log_bytes_written < 20 * 80_000 + 320 * 4096,
        "{}",
        stats.log_bytes_written
    );
    for round in 0..20 {
        assert_eq!(
            block_on(get(&store, bucket, &format!("7/{round}"))),
            noise(70_000, round)
        );
    }
}
