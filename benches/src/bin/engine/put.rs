//! Durable puts of 64 KiB through the store, by 16 tasks: new content, and known content.
//!
//! Prints the CPU time of each thread as well: where each microsecond of a put goes.

use crate::corpus::payload;
use crate::cpu::Cpu;
use crate::report::{Spread, mib_per_s, per_gib, print};
use crate::{hashing, scratch};
use bytes::Bytes;
use moraine_engine::{Attributes, BucketId, Condition, Options, Store};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

const LEN: usize = 64 << 10;
const WRITERS: usize = 16;
/// Objects of one round.
const OBJECTS: usize = 4096;

/// A new store with one bucket.
pub async fn open(dir: &Path) -> (Store, BucketId) {
    let store = Store::open(dir, Options::default()).unwrap();
    let tenant = store.create_tenant("bench.example").await.unwrap();
    let bucket = store
        .create_bucket(tenant.id, "media", false)
        .await
        .unwrap()
        .id;
    (store, bucket)
}

/// Stores one body under one key.
pub async fn put_one(store: &Store, bucket: BucketId, key: &[u8], body: Bytes) {
    let mut writer = store.blob_writer(Some(body.len() as u64));
    writer.write(body).await.unwrap();
    let staged = writer.finish().await.unwrap();
    let attributes = Attributes {
        content_type: Some("image/jpeg".to_owned()),
        ..Attributes::default()
    };
    store
        .put(bucket, key, staged, attributes, Condition::None)
        .await
        .unwrap();
}

/// Stores `bodies` from 16 tasks, under keys that begin with `prefix`.
pub async fn put_all(store: &Store, bucket: BucketId, prefix: &str, bodies: &[Bytes]) {
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, prefix) = (store.clone(), prefix.to_owned());
            let own: Vec<Bytes> = bodies
                .iter()
                .skip(writer)
                .step_by(WRITERS)
                .cloned()
                .collect();
            tokio::spawn(async move {
                for (number, body) in own.into_iter().enumerate() {
                    let key = format!("cache/{prefix}/{writer:02}/{number:09}/original.jpeg");
                    put_one(&store, bucket, key.as_bytes(), body).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// What rounds of one kind took.
#[derive(Default)]
struct Rounds {
    puts: Vec<f64>,
    speed: Vec<f64>,
    cpu: Vec<f64>,
    threads: BTreeMap<String, Vec<f64>>,
}

impl Rounds {
    fn add(&mut self, seconds: f64, cpu: &Cpu) {
        let bytes = (OBJECTS * LEN) as u64;
        self.puts.push(OBJECTS as f64 / seconds);
        self.speed.push(mib_per_s(bytes, seconds));
        self.cpu.push(per_gib(cpu.total(), bytes));
        for (name, used) in cpu.by_name() {
            let each = used * 1e6 / OBJECTS as f64;
            self.threads.entry(name.to_owned()).or_default().push(each);
        }
    }

    fn print(self, name: &str) {
        let values = [
            ("puts/s", self.puts),
            ("MiB/s", self.speed),
            ("cpu_s/GiB", self.cpu),
        ];
        print(name, &values);
        for (thread, used) in self.threads {
            if Spread::of(&used).middle >= 0.1 {
                print(&format!("{name}: {thread}"), &[("us/put", used)]);
            }
        }
    }
}

/// New and known content, in turns; the hashes beside them.
pub fn run(folder: &Path, rounds: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let dir = scratch(folder, "store");
    runtime.block_on(async {
        let (store, bucket) = open(&dir).await;
        let (mut fresh, mut known) = (Rounds::default(), Rounds::default());
        for round in 0..rounds {
            let bodies: Vec<Bytes> = (0..OBJECTS)
                .map(|number| payload((round * OBJECTS + number) as u64, LEN))
                .collect();
            for (name, kind) in [("new", &mut fresh), ("known", &mut known)] {
                let prefix = format!("{name}{round}");
                let (cpu, start) = (Cpu::now(), Instant::now());
                put_all(&store, bucket, &prefix, &bodies).await;
                kind.add(start.elapsed().as_secs_f64(), &Cpu::now().since(&cpu));
            }
        }
        store.close().await.unwrap();
        fresh.print("put new 64 KiB");
        known.print("put known 64 KiB");
    });
    std::fs::remove_dir_all(dir).unwrap();
    hashing::run(folder, rounds.min(3));
}
