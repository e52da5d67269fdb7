//! The names and contents that fill the store, and the loops that put, get and list them.

use crate::meter::Latencies;
use moraine_engine::{
    Attributes, BucketId, Condition, ListQuery, ListStart, Object, Options, Store,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Contents repeat after so many names: the blob figures are of a million blobs, whatever the number of names.
pub const CONTENTS: u64 = 1_000_000;
/// Bytes of a content.
const CONTENT_BYTES: usize = 1024;
/// Puts in flight.
pub const WRITERS: u64 = 64;
/// Entries of a page.
const PAGE: usize = 1000;

/// Three quarters of the names ascend, as Mastodon's grow with time; a quarter comes in random order.
pub fn key(number: u64) -> Vec<u8> {
    let random = random(number);
    let id = if number % 4 == 3 {
        random % 1_000_000_000_000
    } else {
        111_000_000_000 + number * 64
    };
    let digits = format!("{id:012}");
    let (one, two, rest) = (&digits[..3], &digits[3..6], &digits[6..]);
    format!(
        "media/{one}/{two}/{rest}/original/{:08x}.webp",
        random >> 32
    )
    .into_bytes()
}

/// A number that looks random, the same for the same `number`.
pub fn random(number: u64) -> u64 {
    let hash = blake3::hash(&number.to_le_bytes());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap())
}

/// `len` bytes that no other seed gives.
pub fn content(seed: u64, len: usize) -> bytes::Bytes {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes.into()
}

pub fn open(folder: &Path) -> Store {
    Store::open(folder, Options::default()).unwrap()
}

pub async fn bucket(store: &Store) -> BucketId {
    if let Some(bucket) = store.bucket("media") {
        return bucket.id;
    }
    let tenant = store.create_tenant("growth").await.unwrap().id;
    let bucket = store.create_bucket(tenant, "media", false).await;
    bucket.unwrap().id
}

/// What a bout of puts did.
pub struct Puts {
    pub latencies: Latencies,
    /// The first number that was not put.
    pub end: u64,
}

/// Puts the names `from..to`, or as many as `limit` allows, by `writers` at once; `body` makes a number's content.
pub async fn put(
    store: &Store,
    bucket: BucketId,
    (from, to): (u64, u64),
    writers: u64,
    limit: Duration,
    body: fn(u64) -> bytes::Bytes,
) -> Puts {
    let next = Arc::new(AtomicU64::new(from));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let (store, next) = (store.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while began.elapsed() < limit {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= to {
                    break;
                }
                let content = body(number);
                let before = Instant::now();
                let mut writer = store.blob_writer(Some(content.len() as u64));
                writer.write(content).await.unwrap();
                let staged = writer.finish().await.unwrap();
                let attributes = Attributes {
                    content_type: Some("image/webp".to_owned()),
                    ..Attributes::default()
                };
                let key = key(number);
                let put = store.put(bucket, &key, staged, attributes, Condition::None);
                put.await.unwrap();
                latencies.push(before.elapsed().as_micros() as u32);
            }
            latencies
        });
    }
    let mut latencies = Latencies::new();
    while let Some(done) = tasks.join_next().await {
        for micros in done.unwrap() {
            latencies.add(Duration::from_micros(u64::from(micros)));
        }
    }
    Puts {
        latencies,
        end: next.load(Ordering::Relaxed).min(to),
    }
}

/// The content of a name of the growing store.
pub fn small(number: u64) -> bytes::Bytes {
    content(number % CONTENTS, CONTENT_BYTES)
}

/// Looks a name up and reads its content, which must be what was put.
pub async fn get(store: &Store, bucket: BucketId, number: u64) -> Object {
    let object = store.head(bucket, &key(number)).await.unwrap();
    let mut reader = store.read(&object, 0..object.size).await.unwrap();
    let mut read = Vec::new();
    while let Some(chunk) = reader.next().await {
        read.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(read, small(number), "the content of name {number}");
    object
}

/// A page of 1,000 from a random place; how many entries it has. With a delimiter, a page of groups.
pub async fn list(store: &Store, bucket: BucketId, number: u64, delimiter: bool) -> usize {
    let query = ListQuery {
        prefix: b"media/".to_vec(),
        delimiter: if delimiter { b"/".to_vec() } else { Vec::new() },
        start: if delimiter {
            ListStart::First
        } else {
            ListStart::AfterKey(key(number))
        },
        limit: PAGE,
    };
    store.list(bucket, query).await.unwrap().entries.len()
}
