//! Deleting many keys at once: each for itself, durable, and never in a circle with another batch.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

use moraine_engine::{
    Attributes, Bucket, Condition, DELETE_MANY_MAX, Deletion, Error, ListQuery, Options, Store,
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

async fn new_bucket(store: &Store) -> Bucket {
    let tenant = store.create_tenant("t").await.unwrap().id;
    store.create_bucket(tenant, "media", false).await.unwrap()
}

async fn put(store: &Store, bucket: &Bucket, key: &str) -> String {
    let staged = store.blob_writer(Some(0)).finish().await.unwrap();
    let (attributes, condition) = (Attributes::default(), Condition::None);
    let put = store.put(bucket.id, key.as_bytes(), staged, attributes, condition);
    put.await.unwrap().etag
}

async fn keys(store: &Store, bucket: &Bucket) -> usize {
    let query = ListQuery {
        limit: 1000,
        ..ListQuery::default()
    };
    store.list(bucket.id, query).await.unwrap().entries.len()
}

fn plain(key: &str) -> Deletion {
    (key.as_bytes().to_vec(), Condition::None)
}

#[test]
fn each_key_is_deleted_for_itself_and_stays_deleted() {
    let dir = Dir::new("batch-delete");
    block_on(async {
        let store = open(&dir.0);
        let bucket = new_bucket(&store).await;
        let etag = put(&store, &bucket, "a").await;
        for key in ["b", "c", "kept"] {
            put(&store, &bucket, key).await;
        }
        let deletions = vec![
            plain("missing"),
            (b"c".to_vec(), Condition::IfMatch(etag.clone())),
            (b"a".to_vec(), Condition::IfMatch("other".to_owned())),
            (b"a".to_vec(), Condition::IfMatch(etag)),
            plain("a"),
            (Vec::new(), Condition::None),
            plain("b"),
        ];
        let results = store.delete_many(bucket.id, deletions).await.unwrap();
        assert!(matches!(
            results.as_slice(),
            [
                Ok(false),
                Ok(true),
                Err(Error::PreconditionFailed),
                Ok(true),
                Ok(false),
                Err(Error::Invalid { what: "key", .. }),
                Ok(true),
            ]
        ));
        assert_eq!(store.stats().deletes, 3);
        store.close().await.unwrap();
    });
    let store = open(&dir.0);
    let bucket = store.bucket("media").unwrap();
    assert_eq!(block_on(keys(&store, &bucket)), 1);
    assert!(block_on(store.head(bucket.id, b"kept")).is_ok());
}

#[test]
fn what_is_refused_as_a_whole_deletes_nothing() {
    let dir = Dir::new("batch-delete-refused");
    block_on(async {
        let store = open(&dir.0);
        let bucket = new_bucket(&store).await;
        put(&store, &bucket, "k").await;
        let many = vec![plain("k"); DELETE_MANY_MAX + 1];
        let result = store.delete_many(bucket.id, many).await;
        assert!(matches!(result, Err(Error::Invalid { .. })));
        assert_eq!(keys(&store, &bucket).await, 1);
        store
            .delete(bucket.id, b"k", Condition::None)
            .await
            .unwrap();
        store.delete_bucket(bucket.id).await.unwrap();
        let result = store.delete_many(bucket.id, vec![plain("k")]).await;
        assert!(matches!(result, Err(Error::NoSuchBucket)));
    });
}

#[test]
fn one_batch_needs_few_syncs() {
    let dir = Dir::new("batch-delete-syncs");
    block_on(async {
        let store = open(&dir.0);
        let bucket = new_bucket(&store).await;
        let names: Vec<String> = (0..200).map(|n| format!("k{n}")).collect();
        for name in &names {
            put(&store, &bucket, name).await;
        }
        let before = store.stats().syncs;
        let deletions = names.iter().map(|name| plain(name)).collect();
        store.delete_many(bucket.id, deletions).await.unwrap();
        let syncs = store.stats().syncs - before;
        assert!(syncs < 10, "{syncs} syncs for 200 keys");
        assert_eq!(keys(&store, &bucket).await, 0);
    });
}

/// Batches over the same keys in opposite orders, and single writes among them: all end, and none undoes another.
#[test]
fn batches_in_opposite_orders_end() {
    let dir = Dir::new("batch-delete-circle");
    let store = open(&dir.0);
    let bucket = block_on(new_bucket(&store));
    let names: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (store, bucket, mut names) = (store.clone(), bucket.clone(), names.clone());
            if thread % 2 == 0 {
                names.reverse();
            }
            scope.spawn(move || {
                for _ in 0..10 {
                    block_on(async {
                        if thread < 2 {
                            for name in names.iter().step_by(7) {
                                put(&store, &bucket, name).await;
                            }
                        }
                        let deletions = names.iter().map(|name| plain(name)).collect();
                        let results = store.delete_many(bucket.id, deletions).await.unwrap();
                        assert!(results.iter().all(Result::is_ok));
                    });
                }
            });
        }
    });
    block_on(async {
        let last = names.iter().map(|name| plain(name)).collect();
        store.delete_many(bucket.id, last).await.unwrap();
        assert_eq!(keys(&store, &bucket).await, 0);
    });
}

/// A caller that gives up leaves no lock behind and no deletion half done.
#[test]
fn a_caller_that_gives_up_holds_nothing() {
    let dir = Dir::new("batch-delete-given-up");
    block_on(async {
        let store = open(&dir.0);
        let bucket = new_bucket(&store).await;
        put(&store, &bucket, "k").await;
        let mut deletion = Box::pin(store.delete_many(bucket.id, vec![plain("k"), plain("l")]));
        let waker = std::task::Waker::noop();
        let polled = deletion
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker));
        drop(deletion);
        drop(polled);
        // Both keys can be changed at once: nobody holds them.
        put(&store, &bucket, "k").await;
        put(&store, &bucket, "l").await;
        assert_eq!(keys(&store, &bucket).await, 2);
    });
}
