//! Hot reads through the store: from memory (recently written) and from the page cache (a sealed segment).

use crate::corpus::payload;
use crate::cpu::Cpu;
use crate::put::{open, put_all};
use crate::report::{mib_per_s, print};
use crate::scratch;
use bytes::Bytes;
use moraine_engine::{BucketId, Object, Options, Store};
use std::path::Path;
use std::time::Instant;

/// Objects of each size: few enough to stay in memory.
const OBJECTS: usize = 16;
/// Reads of one round.
const READS: usize = 4096;

async fn objects(store: &Store, bucket: BucketId) -> Vec<Object> {
    let query = moraine_engine::ListQuery {
        limit: OBJECTS,
        ..moraine_engine::ListQuery::default()
    };
    let page = store.list(bucket, query).await.unwrap();
    let objects = page.entries.into_iter().filter_map(|entry| match entry {
        moraine_engine::ListEntry::Object(object) => Some(*object),
        moraine_engine::ListEntry::Prefix(_) => None,
    });
    objects.collect()
}

/// Looks up and reads objects to their end, one after the other.
async fn round(store: &Store, bucket: BucketId, objects: &[Object]) -> (f64, u64, f64) {
    let (cpu, start) = (Cpu::now(), Instant::now());
    let mut bytes = 0;
    for number in 0..READS {
        let key = &objects[number % objects.len()].key;
        let object = store.head(bucket, key).await.unwrap();
        let mut reader = store.read(&object, 0..object.size).await.unwrap();
        while let Some(chunk) = reader.next().await {
            bytes += chunk.unwrap().len() as u64;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    (seconds, bytes, Cpu::now().since(&cpu).total())
}

fn report(name: &str, rounds: &[(f64, u64, f64)]) {
    let values = [
        (
            "reads/s",
            rounds.iter().map(|it| READS as f64 / it.0).collect(),
        ),
        (
            "MiB/s",
            rounds.iter().map(|it| mib_per_s(it.1, it.0)).collect(),
        ),
        (
            "cpu_us/read",
            rounds.iter().map(|it| it.2 * 1e6 / READS as f64).collect(),
        ),
    ];
    print(name, &values);
}

/// Both sizes, both places.
pub fn run(folder: &Path, rounds: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for (size, len) in [("64 KiB", 64 << 10), ("1 MiB", 1 << 20)] {
        let dir = scratch(folder, "reads");
        runtime.block_on(async {
            let (store, bucket) = open(&dir).await;
            let bodies: Vec<Bytes> = (0..OBJECTS).map(|it| payload(it as u64, len)).collect();
            put_all(&store, bucket, "hot", &bodies).await;
            let listed = objects(&store, bucket).await;
            let mut results = Vec::new();
            for _ in 0..rounds {
                results.push(round(&store, bucket, &listed).await);
            }
            report(&format!("read {size} from memory"), &results);
            store.close().await.unwrap();
            drop(store);
            // The segment is sealed now, and read through the page cache.
            let store = Store::open(&dir, Options::default()).unwrap();
            round(&store, bucket, &listed).await;
            let mut results = Vec::new();
            for _ in 0..rounds {
                results.push(round(&store, bucket, &listed).await);
            }
            report(&format!("read {size} from page cache"), &results);
            store.close().await.unwrap();
        });
        std::fs::remove_dir_all(dir).unwrap();
    }
}
