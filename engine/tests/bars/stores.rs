//! Bar 14: stores that earlier programs wrote open, verify, and give what was put in.
//!
//! `engine/tests/stores/FORMAT-STATE` holds one store each: `sealed` was closed, `unsealed` is what a
//! killed process left; both without indexes, which are derived. `contents` beside them lists key, size, BLAKE3 and ETag of every object. They were
//! made by `MORAINE_BLESS=1 cargo test -p moraine-engine --features sim,canary --test bars bar_14`, which writes only what is
//! not there; those of a released format are never written again.

use crate::real_store::{Folder, copy, make, options};
use moraine_engine::fsck;
use moraine_engine::{ListEntry, ListQuery, Store};
use pollster::block_on;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// The formats that programs wrote so far, newest last. `1` is not released yet.
const FORMATS: [&str; 1] = ["1"];

fn stores() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/stores")
}

/// Every object as a line: key, size, BLAKE3 of the bytes that are served, ETag, type.
fn contents(store: &Store) -> String {
    let mut text = String::new();
    block_on(async {
        let bucket = store.bucket("media").unwrap();
        assert!(bucket.public_read, "its setting is kept");
        let query = ListQuery {
            limit: 1000,
            ..ListQuery::default()
        };
        for entry in store.list(bucket.id, query).await.unwrap().entries {
            let ListEntry::Object(object) = entry else {
                panic!("a prefix without a delimiter");
            };
            let mut hasher = blake3::Hasher::new();
            let mut reader = store.read(&object, 0..object.size).await.unwrap();
            while let Some(chunk) = reader.next().await {
                hasher.update(&chunk.unwrap());
            }
            let key = String::from_utf8(object.key.clone()).unwrap();
            let (size, etag, hash) = (object.size, &object.etag, hasher.finalize());
            let kind = object.attributes.content_type.as_deref().unwrap_or("-");
            writeln!(text, "{key} {size} {hash} {etag} {kind}").unwrap();
        }
        let uploads = store.uploads(bucket.id, None, 10).await.unwrap();
        assert_eq!(uploads.len(), 1, "the upload that was not completed");
        let parts = store.parts(bucket.id, uploads[0].id, 0, 10).await.unwrap();
        for part in parts {
            writeln!(text, "part {} {} {}", part.number, part.size, part.etag).unwrap();
        }
        let keys = store.access_keys(store.tenants()[0].id);
        assert_eq!(keys.len(), 1, "a sealed secret is read");
    });
    text
}

/// The store goes on: a bucket more is one more record, in a segment of its own.
fn writes(store: &Store, name: &str) {
    let bucket = format!("more-{}", store.buckets(store.tenants()[0].id).len());
    let made = block_on(store.create_bucket(store.tenants()[0].id, &bucket, false));
    assert!(made.is_ok(), "{name}: {made:?}");
}

fn bless(format: &str, state: &str) {
    let target = stores().join(format!("{format}-{state}"));
    if std::env::var_os("MORAINE_BLESS").is_none() || target.exists() {
        return;
    }
    let sample = make(state == "sealed");
    fs::remove_dir_all(sample.folder.0.join("index")).unwrap();
    copy(&sample.folder.0, &target);
    let _ = fs::remove_file(target.join("LOCK"));
    // Empty, so that it is not kept; a store must do without.
    fs::remove_dir(target.join("spare")).unwrap();
    let opened = Folder::copy_of(&target);
    let store = Store::open(&opened.0, options(false)).unwrap();
    fs::write(
        stores().join(format!("{format}-{state}.contents")),
        contents(&store),
    )
    .unwrap();
}

fn opens(state: &str) {
    for format in FORMATS {
        bless(format, state);
        let name = format!("{format}-{state}");
        let recorded = fs::read_to_string(stores().join(format!("{name}.contents"))).unwrap();
        assert!(recorded.lines().count() > 5, "{name} holds little");
        let opened = Folder::copy_of(&stores().join(&name));
        // Twice: as it was written, and as this program left it.
        for _ in 0..2 {
            let report = fsck::run(&opened.0, &mut |_| {}).unwrap();
            assert!(report.is_clean(), "{name}: {:?}", report.findings);
            let store = Store::open(&opened.0, options(false)).unwrap();
            assert!(!store.was_created());
            assert_eq!(contents(&store), recorded, "{name}");
            writes(&store, &name);
            block_on(store.close()).unwrap();
        }
    }
}

#[test]
fn bar_14_closed_stores_of_every_format_open() {
    opens("sealed");
}

#[test]
fn bar_14_killed_stores_of_every_format_open() {
    opens("unsealed");
}
