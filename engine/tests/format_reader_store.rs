//! The Python reader lists and extracts, byte for byte, what a real store holds: from a copy of the files of a running
//! store, whose last segment has no footer yet, and again when it was closed.
//!
//! Needs `python3` (or what `MORAINE_PYTHON` names) with the package `blake3`; says so and is skipped where that is missing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers of tests fail by panicking, and a skipped test says so"
)]

mod python_reader;

use bytes::Bytes;
use moraine_engine::{Attributes, BucketId, Condition, Id, Options, Store};
use pollster::block_on;
use python_reader::{python, reader};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("moraine-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut out);
    out
}

async fn put(store: &Store, bucket: BucketId, key: &str, content: &[u8]) {
    let mut writer = store.blob_writer(Some(content.len() as u64));
    writer.write(Bytes::copy_from_slice(content)).await.unwrap();
    let staged = writer.finish().await.unwrap();
    store
        .put(
            bucket,
            key.as_bytes(),
            staged,
            Attributes::default(),
            Condition::None,
        )
        .await
        .unwrap();
}

/// Copies the log as it is, up to the last byte that is not a hole: what a power failure might leave.
fn copy_log(from: &Path, to: &Path) {
    for node in std::fs::read_dir(from.join("log")).unwrap() {
        let node = node.unwrap();
        let target = to.join("log").join(node.file_name());
        std::fs::create_dir_all(&target).unwrap();
        for file in std::fs::read_dir(node.path()).unwrap() {
            let file = file.unwrap();
            let mut content = std::fs::read(file.path()).unwrap();
            let used = content.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            content.truncate((used + 1).next_multiple_of(4096).min(content.len()));
            std::fs::write(target.join(file.file_name()), content).unwrap();
        }
    }
}

fn expect_everything(python: &str, dir: &Path, expected: &BTreeMap<String, Vec<u8>>) {
    let dir = dir.to_str().unwrap();
    let listed = reader(python, &["names", dir]);
    let lines: String = expected
        .iter()
        .map(|(key, content)| format!("media/{key}\t{}\t{}\n", content.len(), Id::of(content)))
        .collect();
    let problems = String::from_utf8_lossy(&listed.stderr);
    assert_eq!(String::from_utf8_lossy(&listed.stdout), lines, "{problems}");
    for (key, content) in expected {
        let out = format!("{dir}/out");
        let run = reader(
            python,
            &["extract", dir, &Id::of(content).to_string(), &out],
        );
        let problems = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{key}: {problems}");
        assert!(std::fs::read(&out).unwrap() == *content, "{key}");
    }
}

#[test]
fn a_running_and_a_closed_store() {
    let Some(python) = python() else { return };
    let (data, copy) = (Folder::new("reader-live"), Folder::new("reader-copy"));
    let store = Store::open(&data.0, Options::default()).unwrap();
    let mut expected = BTreeMap::new();
    block_on(async {
        let tenant = store.create_tenant("t").await.unwrap().id;
        let bucket = store
            .create_bucket(tenant, "media", false)
            .await
            .unwrap()
            .id;
        for (seed, len) in [0, 1, 70_000, 1 << 20, (1 << 20) + 1, 3_600_000]
            .into_iter()
            .enumerate()
        {
            let key = format!("dir/{len}");
            let content = noise(len, seed as u64);
            put(&store, bucket, &key, &content).await;
            expected.insert(key, content);
        }
        put(&store, bucket, "overwritten", b"old").await;
        put(&store, bucket, "overwritten", b"new").await;
        put(&store, bucket, "deleted", b"old").await;
        store
            .delete(bucket, b"deleted", Condition::None)
            .await
            .unwrap();
    });
    expected.insert("overwritten".into(), b"new".to_vec());
    copy_log(&data.0, &copy.0);
    expect_everything(&python, &copy.0, &expected);
    block_on(store.close()).unwrap();
    drop(store);
    expect_everything(&python, &data.0, &expected);
}
