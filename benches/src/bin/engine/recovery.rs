//! A start after a kill: the tail of the log is walked, sealed, and applied to the indexes.
//!
//! The store is copied as it lies on the disk while it is open, which is what a killed process leaves; the copy is opened.

use crate::corpus::payload;
use crate::put::{open, put_all};
use crate::report::print;
use crate::scratch;
use bytes::Bytes;
use moraine_engine::{Options, Store};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const LEN: usize = 64 << 10;
/// About 250 MiB: nearly one segment.
const OBJECTS: usize = 3950;

/// Copies a store without its indexes, so that all of the tail is replayed.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for part in ["superblock", "store.key", "log", "spare"] {
        let status = Command::new("cp")
            .args(["-r", "--sparse=never"])
            .arg(from.join(part))
            .arg(to)
            .status()
            .unwrap();
        assert!(status.success());
    }
}

/// Opens copies of a store that was not closed.
pub fn run(folder: &Path, rounds: usize) {
    let dir = scratch(folder, "killed");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let store = runtime.block_on(async {
        let (store, bucket) = open(&dir).await;
        let bodies: Vec<Bytes> = (0..OBJECTS).map(|it| payload(it as u64, LEN)).collect();
        put_all(&store, bucket, "tail", &bodies).await;
        store
    });
    let (mut seconds, mut speed) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let killed = folder.join("copy");
        let _ = std::fs::remove_dir_all(&killed);
        copy(&dir, &killed);
        let start = Instant::now();
        let opened = Store::open(&killed, Options::default()).unwrap();
        let took = start.elapsed().as_secs_f64();
        seconds.push(took);
        speed.push((OBJECTS * LEN) as f64 / f64::from(1 << 20) / took);
        assert!(opened.stats().names >= OBJECTS as u64);
        drop(opened);
        std::fs::remove_dir_all(&killed).unwrap();
    }
    print(
        "recovery of 250 MiB",
        &[("seconds", seconds), ("MiB/s", speed)],
    );
    drop(store);
    std::fs::remove_dir_all(dir).unwrap();
}
