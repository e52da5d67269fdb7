//! A disk with a store on it, clients, and what must be there in the end.

use bytes::Bytes;
use moraine_engine::clock::{SimClock, SimEntropy};
use moraine_engine::index::hash::HashConfig;
use moraine_engine::io::sim::{CrashMode, SimConfig, SimDisk};
use moraine_engine::testing::EPOCH_MS;
use moraine_engine::{
    Attributes, BucketId, Condition, Error, Geometry, Health, Object, Options, Result, Store,
};
use shuttle::future::block_on;
use shuttle::rand::Rng;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;

/// Bytes of an extent here.
pub const EXTENT: usize = 1024;

/// Turns that jobs are given to end: a job takes some hundred.
const YIELDS_MAX: u32 = 5_000;

/// A number below `bound`, which the explorer draws.
pub fn below(bound: u64) -> u64 {
    shuttle::rand::thread_rng().gen_range(0..bound)
}

/// Bytes that follow from a number.
pub fn content(number: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.finalize_xof().fill(&mut out);
    out
}

/// A disk, and the store that is opened on it again and again.
#[derive(Clone)]
pub struct World {
    pub disk: Arc<SimDisk>,
    pub options: Options,
}

/// An open store with a bucket.
#[derive(Clone)]
pub struct Client {
    pub store: Store,
    pub bucket: BucketId,
}

impl World {
    /// An empty disk. Few recent extents are kept in memory, so that reads go to the disk.
    pub fn new() -> Self {
        let config = SimConfig {
            capacity: 16 << 20,
            miss_percent: 50,
            ..SimConfig::default()
        };
        Self {
            disk: SimDisk::new(below(1 << 32), config),
            options: Options {
                geometry: Geometry {
                    extent_bytes: EXTENT as u32,
                    crc_block_bytes: 512,
                    segment_bytes: 32 << 10,
                    block_bytes: 512,
                },
                memory_bytes: 16 * EXTENT,
                hash: HashConfig {
                    shards: 2,
                    initial_pages: 1,
                    number_block: 2,
                },
                ..Options::default()
            },
        }
    }

    /// Opens the store.
    pub fn open(&self) -> Store {
        Store::open_explored(
            self.disk.clone(),
            Arc::new(SimClock::new(EPOCH_MS)),
            Arc::new(SimEntropy::new(below(1 << 32))),
            self.options,
        )
        .expect("nothing is wrong with the disk")
    }

    /// Opens the store, and its bucket, which is made if it is not there.
    pub fn client(&self) -> Client {
        let store = self.open();
        let bucket = match store.bucket("media") {
            Some(bucket) => bucket.id,
            None => block_on(async {
                let tenant = match store.tenants().first() {
                    Some(tenant) => tenant.id,
                    None => store.create_tenant("t").await.unwrap().id,
                };
                store
                    .create_bucket(tenant, "media", false)
                    .await
                    .unwrap()
                    .id
            }),
        };
        Client { store, bucket }
    }

    /// Closes the store in good order: nothing may be left of any request.
    pub fn close(&self, client: Client) {
        let stats = client.store.stats();
        assert_eq!(stats.index_repairs, 0, "the index lost nothing");
        block_on(client.store.close()).expect("a close without faults works");
        nothing_left(&client.store);
    }

    /// Ends the store whatever the disk does, and takes the power away: what was not synced is lost, kept, or either.
    pub fn crash(&self, client: Client) {
        // The disk may have failed: then the last checkpoint does, and says so.
        let _ = block_on(client.store.close());
        nothing_left(&client.store);
        drop(client);
        self.disk.clear_faults();
        self.disk.crash(match below(4) {
            0 => CrashMode::LoseAll,
            1 => CrashMode::KeepAll,
            2 => CrashMode::Prefix(self.disk.unsynced() / 2),
            _ => CrashMode::Subset,
        });
    }

    /// Opens the store again: each key holds one of the contents that it may hold, whole.
    pub fn check(&self, allowed: &BTreeMap<String, Vec<Option<Vec<u8>>>>) {
        let client = self.client();
        for (key, allowed) in allowed {
            let found = client.get(key).expect("a name has its bytes");
            assert!(
                allowed.contains(&found),
                "{key} holds {:?} bytes, and not what it should",
                found.map(|found| found.len())
            );
        }
        self.close(client);
    }
}

impl Client {
    /// Takes a body in and names it.
    pub async fn put_async(&self, key: &str, body: &[u8], condition: Condition) -> Result<Object> {
        let mut writer = self.store.blob_writer(Some(body.len() as u64));
        for chunk in body.chunks(1500) {
            writer.write(Bytes::copy_from_slice(chunk)).await?;
        }
        let staged = writer.finish().await?;
        let attributes = Attributes::default();
        self.store
            .put(self.bucket, key.as_bytes(), staged, attributes, condition)
            .await
    }

    /// Stores an object.
    pub fn put(&self, key: &str, body: &[u8]) -> Result<Object> {
        block_on(self.put_async(key, body, Condition::None))
    }

    /// The content of a key, if there is such a key.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        block_on(async {
            let object = match self.store.head(self.bucket, key.as_bytes()).await {
                Err(Error::NoSuchKey) => return Ok(None),
                object => object?,
            };
            let mut reader = self.store.read(&object, 0..object.size).await?;
            let mut out = Vec::new();
            while let Some(chunk) = reader.next().await {
                out.extend_from_slice(&chunk?);
            }
            Ok(Some(out))
        })
    }

    /// Whether an error is one that a failing or a closed store may give; a bug that the store caught is none.
    pub fn is_expected(&self, error: &Error) -> bool {
        if let Health::ReadOnly { reason } = self.store.health() {
            assert!(!reason.contains("met a bug"), "{reason}");
        }
        matches!(
            error,
            Error::Poisoned { .. } | Error::Closed | Error::Io { .. } | Error::NoSpace { .. }
        )
    }
}

/// Nothing may be left of any request; a job of one that was given up may still have to end.
pub fn nothing_left(store: &Store) {
    for _ in 0..YIELDS_MAX {
        if store.leftovers() == (0, 0, 0, 0) {
            return;
        }
        shuttle::thread::yield_now();
    }
    let leftovers = store.leftovers();
    panic!("locks, pins, content in flight, bytes of the budget are left: {leftovers:?}");
}

/// Runs a future to its end, or gives it up at its `polls`-th poll.
pub fn give_up<T>(future: impl Future<Output = T>, polls: u64) -> Option<T> {
    let mut left = polls;
    let mut future = Box::pin(future);
    block_on(std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() && left == 0 {
            return Poll::Ready(None);
        }
        polled
    }))
}

/// Runs clients beside each other, each on a thread of its own, and returns what they return.
pub fn together<T: Send + 'static>(
    clients: Vec<Box<dyn FnOnce() -> T + Send + 'static>>,
) -> Vec<T> {
    let threads: Vec<_> = clients.into_iter().map(shuttle::thread::spawn).collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect()
}
