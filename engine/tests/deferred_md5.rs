//! The MD5 of a longer body is put off while the store knows every extent of it, and is right whatever comes then.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

use bytes::Bytes;
use md5::{Digest, Md5};
use moraine_engine::{Attributes, BucketId, Condition, Options, Store};
use pollster::block_on;
use std::path::PathBuf;

const MIB: usize = 1 << 20;

struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(name: &str) -> (Dir, Store, BucketId) {
    let path = std::env::temp_dir().join(format!("moraine-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let store = Store::open(&path, Options::default()).unwrap();
    let bucket = block_on(async {
        let tenant = store.create_tenant("t").await.unwrap().id;
        store.create_bucket(tenant, "b", false).await.unwrap().id
    });
    (Dir(path), store, bucket)
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut out = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut out);
    out
}

/// Puts the content and says whether its ETag is its MD5, and what comes back is what went in.
fn is_right(store: &Store, bucket: BucketId, content: &[u8]) -> bool {
    block_on(async {
        let mut writer = store.blob_writer(Some(content.len() as u64));
        for chunk in content.chunks(300_000) {
            writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        let staged = writer.finish().await.unwrap();
        let attributes = Attributes::default();
        let object = store
            .put(bucket, b"key", staged, attributes, Condition::None)
            .await
            .unwrap();
        let mut reader = store.read(&object, 0..object.size).await.unwrap();
        let mut back = Vec::new();
        while let Some(bytes) = reader.next().await {
            back.extend_from_slice(&bytes.unwrap());
        }
        let md5: String = Md5::digest(content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        object.etag == md5 && back == content
    })
}

#[test]
fn a_body_that_comes_again() {
    let (_dir, store, bucket) = open("deferred-again");
    let content = noise(3 * MIB + 7, 1);
    for _ in 0..3 {
        assert!(is_right(&store, bucket, &content));
    }
}

#[test]
fn a_body_that_begins_as_another() {
    let (_dir, store, bucket) = open("deferred-begins");
    let first = noise(4 * MIB, 1);
    assert!(is_right(&store, bucket, &first));
    for known in 1..4 {
        let mut content = first[..known * MIB].to_vec();
        content.extend_from_slice(&noise(MIB + 100, known as u64 + 10));
        content.extend_from_slice(&first[..MIB]);
        assert!(is_right(&store, bucket, &content), "{known} MiB are known");
    }
}

#[test]
fn a_body_of_extents_that_were_never_together() {
    let (_dir, store, bucket) = open("deferred-together");
    let (one, other) = (noise(2 * MIB, 1), noise(2 * MIB, 2));
    assert!(is_right(&store, bucket, &one));
    assert!(is_right(&store, bucket, &other));
    let both = [&other[..MIB], &one[..MIB], &other[MIB..]].concat();
    assert!(is_right(&store, bucket, &both));
}

#[test]
fn a_body_that_is_longer_than_what_is_put_off() {
    let (_dir, store, bucket) = open("deferred-long");
    let content = noise(66 * MIB, 1);
    assert!(is_right(&store, bucket, &content));
    assert!(is_right(&store, bucket, &content));
    let more = [&content[..], &noise(MIB, 2)].concat();
    assert!(is_right(&store, bucket, &more));
}

#[test]
fn a_part_that_comes_again() {
    let (_dir, store, bucket) = open("deferred-part");
    let content = noise(2 * MIB + 5, 1);
    let md5: [u8; 16] = Md5::digest(&content).into();
    block_on(async {
        let attributes = Attributes::default();
        let upload = store
            .create_upload(bucket, b"key", attributes)
            .await
            .unwrap();
        for number in [1, 1, 2] {
            let mut writer = store
                .part_writer(bucket, upload, number, None)
                .await
                .unwrap();
            writer.write(Bytes::from(content.clone())).await.unwrap();
            let staged = writer.finish().await.unwrap();
            assert_eq!(staged.md5(), md5, "part {number}");
            store
                .put_part(bucket, upload, number, staged, Vec::new())
                .await
                .unwrap();
        }
    });
}
