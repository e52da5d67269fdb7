//! Bar 18, file descriptors: none is left when the log needs the next segment. Writes are refused with a typed error, nothing
//! acknowledged is lost, and service goes on once there are some.
//!
//! The limit is the process's, so the test runs in a process of its own: this binary again, told by the environment.

use crate::real_store::{Folder, look, noise, options};
use bytes::Bytes;
use moraine_engine::{Attributes, Condition, Error, Store};
use pollster::block_on;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::fs::File;
use std::process::Command;

const VARIABLE: &str = "MORAINE_DESCRIPTORS";
/// Descriptors that the process may have.
const LIMIT: u64 = 256;

async fn put(store: &Store, key: &str, content: Vec<u8>) -> Result<(), Error> {
    let bucket = store.bucket("media").unwrap().id;
    let mut writer = store.blob_writer(Some(content.len() as u64));
    writer.write(Bytes::from(content)).await?;
    let staged = writer.finish().await?;
    let attributes = Attributes::default();
    store
        .put(bucket, key.as_bytes(), staged, attributes, Condition::None)
        .await
        .map(drop)
}

fn exhaust() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: Some(LIMIT),
        maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let folder = Folder::new();
    let store = Store::open(&folder.0, options(true)).unwrap();
    let mut objects = BTreeMap::new();
    block_on(async {
        let tenant = store.create_tenant("t").await.unwrap();
        store
            .create_bucket(tenant.id, "media", false)
            .await
            .unwrap();
        put(&store, "before", noise(1, 9000)).await.unwrap();
        objects.insert("before", noise(1, 9000));
        let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!(!hoard.is_empty(), "the limit holds");
        // More than a segment holds, so the next one is needed at last.
        let mut refused = None;
        for number in 0..100 {
            if let Err(error) = put(&store, "filler", noise(100 + number, 9000)).await {
                refused = Some(error);
                break;
            }
            objects.insert("filler", noise(100 + number, 9000));
        }
        let refused = refused.expect("a segment takes a descriptor");
        assert!(matches!(refused, Error::NoDescriptor { .. }), "{refused:?}");
        hoard.clear();
        put(&store, "after", noise(2, 9000)).await.unwrap();
        objects.insert("after", noise(2, 9000));
        store.close().await.unwrap();
    });
    drop(store);
    let seen = look(&folder.0, &objects).unwrap();
    assert!(seen.is_whole(), "{seen:?}");
}

#[test]
fn bar_18_no_descriptor_is_left() {
    if std::env::var_os(VARIABLE).is_some() {
        return exhaust();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "descriptors::bar_18_no_descriptor_is_left",
            "--nocapture",
        ])
        .env(VARIABLE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("running 1 test"), "{text}");
    assert!(output.status.success(), "{text}{why}");
}
