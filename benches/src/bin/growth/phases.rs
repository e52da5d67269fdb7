//! The phases, each in a process of its own, so that starts are starts and memory is one phase's. A phase prints lines
//! `figure value`.

use crate::load::{self, WRITERS};
use crate::meter::{Latencies, Meter, memory_mib};
use moraine_engine::IoChoice;
use moraine_engine::index::Covered;
use moraine_engine::index::hash::{HashConfig, HashIndex, Location, MmapSource};
use moraine_engine::{Id, NodeId, Offset, Options, SegmentNumber, Store};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Gets and pages of a measurement.
const GETS: u64 = 20_000;
const PAGES: u64 = 300;
/// Bytes of a content of the overhead measurement.
const LARGE_BYTES: usize = 64 << 10;

fn say(figure: &str, value: f64) {
    println!("{figure} {value}");
}

/// Puts names `from..to` for at most `seconds`; says how far it came.
pub async fn fill(folder: &Path, from: u64, to: u64, seconds: u64) {
    let store = load::open(folder);
    let bucket = load::bucket(&store).await;
    let meter = Meter::start();
    let limit = Duration::from_secs(seconds);
    let puts = load::put(&store, bucket, (from, to), WRITERS, limit, load::small).await;
    say("end", puts.end as f64);
    say("fill per s", (puts.end - from) as f64 / meter.seconds());
    store.close().await.unwrap();
}

async fn measured_puts(store: &Store, from: u64, to: u64) {
    let bucket = load::bucket(store).await;
    let meter = Meter::start();
    let limit = Duration::from_secs(60);
    let puts = load::put(store, bucket, (from, to), WRITERS, limit, load::small).await;
    let count = (puts.end - from) as f64;
    say("PUT per s", count / meter.seconds());
    say("PUT CPU us", meter.cpu() * 1e6 / count);
    say("PUT p50 us", puts.latencies.at(0.50));
    say("PUT p99 us", puts.latencies.at(0.99));
}

async fn gets(store: &Store, names: u64, seed: u64, what: &str) {
    let bucket = load::bucket(store).await;
    let (meter, mut latencies) = (Meter::start(), Latencies::new());
    for round in 0..GETS {
        let number = load::random(seed + round) % names;
        let before = Instant::now();
        load::get(store, bucket, number).await;
        latencies.add(before.elapsed());
    }
    say(&format!("GET {what} p50 us"), latencies.at(0.50));
    say(&format!("GET {what} p99 us"), latencies.at(0.99));
    say(
        &format!("GET {what} CPU us"),
        meter.cpu() * 1e6 / GETS as f64,
    );
}

async fn lists(store: &Store, names: u64, delimiter: bool, what: &str) {
    let bucket = load::bucket(store).await;
    let (meter, mut latencies) = (Meter::start(), Latencies::new());
    for round in 0..PAGES {
        let before = Instant::now();
        load::list(store, bucket, load::random(round) % names, delimiter).await;
        latencies.add(before.elapsed());
    }
    say(&format!("{what} p50 ms"), latencies.at(0.50) / 1e3);
    say(&format!("{what} CPU ms"), meter.cpu() * 1e3 / PAGES as f64);
}

/// Opens a store that was closed, uses it in every way, and closes it.
pub async fn uses(folder: &Path, from: u64, to: u64) {
    let meter = Meter::start();
    let store = load::open(folder);
    say("clean start s", meter.seconds());
    say("clean start CPU s", meter.cpu());
    gets(&store, from, 1 << 40, "after start").await;
    gets(&store, from, 1 << 40, "warm").await;
    lists(&store, from, false, "LIST 1,000").await;
    lists(&store, from, true, "LIST of groups").await;
    measured_puts(&store, from, to).await;
    say("anonymous MiB in use", memory_mib("RssAnon"));
    let stats = store.stats();
    say("index entries", stats.index_entries as f64);
    say("names", stats.names as f64);
    let meter = Meter::start();
    store.close().await.unwrap();
    say("close s", meter.seconds());
}

/// Puts a tail that no checkpoint covers, and dies.
pub async fn tail(folder: &Path, from: u64, to: u64) {
    let store = load::open(folder);
    let bucket = load::bucket(&store).await;
    let limit = Duration::from_secs(25);
    let puts = load::put(&store, bucket, (from, to), WRITERS, limit, load::small).await;
    say("end", puts.end as f64);
    say("checkpoints", store.stats().checkpoints as f64);
    std::process::abort();
}

/// Opens the store, gets a name, and closes it.
pub async fn start(folder: &Path, names: u64, what: &str) {
    let meter = Meter::start();
    let store = load::open(folder);
    say(&format!("{what} s"), meter.seconds());
    say(&format!("{what} CPU s"), meter.cpu());
    let bucket = load::bucket(&store).await;
    load::get(&store, bucket, names - 1).await;
    say(&format!("{what} peak MiB"), memory_mib("VmHWM"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    say("anonymous MiB idle", memory_mib("RssAnon"));
    let stats = store.stats();
    say("records", (stats.index_entries + stats.names) as f64);
    store.close().await.unwrap();
}

/// Blobs of 64 KiB by 16 writers: what the log and the indexes add to them, in a new store with blocks of `block` bytes.
pub async fn overhead(folder: &Path, count: u64, block: u64) {
    let mut options = Options::default();
    options.geometry.block_bytes = block as u32;
    let store = Store::open(folder, options).unwrap();
    let bucket = load::bucket(&store).await;
    let limit = Duration::from_secs(120);
    let body = |number| load::content(number, LARGE_BYTES);
    let meter = Meter::start();
    let puts = load::put(&store, bucket, (0, count), 16, limit, body).await;
    say("64 KiB PUT per s", puts.end as f64 / meter.seconds());
    say("content bytes", (puts.end * LARGE_BYTES as u64) as f64);
    let stats = store.stats();
    say("blobs a batch", puts.end as f64 / stats.batches as f64);
    store.close().await.unwrap();
}

/// The hash index alone: bytes an entry while it grows, and what a checkpoint costs.
pub fn hash(folder: &Path, entries: u64) {
    std::fs::create_dir_all(folder.join("index")).unwrap();
    let (disk, _) = moraine_engine::io::probe::choose(folder, IoChoice::Auto).unwrap();
    let pages = Arc::new(MmapSource::new(folder.to_owned(), false));
    let opened = HashIndex::open(disk, pages, [7; 16], HashConfig::default());
    let (index, _) = opened.unwrap();
    let (mut least, mut most, mut sum, mut samples) = (f64::MAX, 0_f64, 0.0, 0.0);
    let meter = Meter::start();
    for number in 0..entries {
        insert(&index, number);
        if number >= 300_000 && number % 50_000 == 0 {
            let stats = index.stats();
            let each = stats.bytes as f64 / stats.entries as f64;
            (least, most) = (least.min(each), most.max(each));
            (sum, samples) = (sum + each, samples + 1.0);
        }
    }
    say("hash insert us", meter.seconds() * 1e6 / entries as f64);
    let stats = index.stats();
    say("bytes an entry", stats.bytes as f64 / stats.entries as f64);
    say("least bytes an entry", least);
    say("mean bytes an entry", sum / samples);
    say("most bytes an entry", most);
    index.checkpoint(&Covered::new()).unwrap();
    let mut times = Latencies::new();
    for round in 0..10 {
        for number in 0..1000 {
            insert(&index, entries + round * 1000 + number);
        }
        let before = Instant::now();
        let covered = Covered::from([(NodeId(1), point(round + 1))]);
        index.checkpoint(&covered).unwrap();
        times.add(before.elapsed());
    }
    say("checkpoint p50 ms", times.at(0.5) / 1e3);
}

fn point(segment: u64) -> moraine_engine::LogPoint {
    moraine_engine::LogPoint {
        segment: SegmentNumber(segment),
        offset: Offset(0),
    }
}

fn insert(index: &HashIndex, number: u64) {
    let location = Location {
        node: NodeId(1),
        segment: SegmentNumber(1 + number / 4000),
        offset: Offset((number % 4000) * 65_536),
        size_hint: 65_536,
    };
    let id = Id::of(&number.to_le_bytes());
    let done = index.insert(&id, location, &mut |_| Ok(false));
    done.unwrap();
}
