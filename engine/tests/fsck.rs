//! `fsck` on a real store: silent where all is well, exact where it is not, and never writing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

use bytes::Bytes;
use moraine_engine::fsck::{Report, Subject, run};
use moraine_engine::{Attributes, Condition, Error, Options, Store};
use pollster::block_on;
use std::fs;
use std::path::{Path, PathBuf};

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("moraine-fsck-test-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn content(seed: u8, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new()
        .update(&[seed])
        .finalize_xof()
        .fill(&mut out);
    out
}

/// A store with three objects, one of them longer than an extent; closed.
fn fill(dir: &Path) {
    let store = Store::open(dir, Options::default()).unwrap();
    block_on(async {
        let tenant = store.create_tenant("t").await.unwrap();
        let bucket = store
            .create_bucket(tenant.id, "media", false)
            .await
            .unwrap()
            .id;
        for (seed, len) in [(1, 100), (2, 300_000), (3, 2_500_000)] {
            let mut writer = store.blob_writer(None);
            writer.write(Bytes::from(content(seed, len))).await.unwrap();
            let staged = writer.finish().await.unwrap();
            let key = format!("k{seed}");
            let attributes = Attributes::default();
            store
                .put(bucket, key.as_bytes(), staged, attributes, Condition::None)
                .await
                .unwrap();
        }
        store.close().await.unwrap();
    });
}

fn check(dir: &Path) -> Report {
    run(dir, &mut |_| {}).unwrap()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let node = fs::read_dir(dir.join("log"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut files: Vec<_> = fs::read_dir(node)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Every file with its content.
fn all_files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(all_files(&path));
        } else if path.file_name().unwrap() != "LOCK" {
            let content = fs::read(&path).unwrap();
            out.push((path, content));
        }
    }
    out.sort();
    out
}

#[test]
fn a_sound_store_is_clean_and_stays_as_it_is() {
    let dir = Dir::new("clean");
    fill(&dir.0);
    let before = all_files(&dir.0);
    let report = check(&dir.0);
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!(report.names, 3);
    assert!(report.notes.is_empty(), "{:?}", report.notes);
    assert!(all_files(&dir.0) == before, "fsck wrote");
    fs::remove_dir_all(dir.0.join("index")).unwrap();
    let report = check(&dir.0);
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!((report.names, report.notes.len()), (3, 1));
}

#[test]
fn a_flipped_bit_is_found_with_the_name_that_needs_it() {
    let dir = Dir::new("flip");
    fill(&dir.0);
    let path = segments(&dir.0).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let wanted = content(2, 300_000);
    let at = bytes
        .windows(64)
        .position(|window| window == &wanted[..64])
        .unwrap();
    bytes[at + 200_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let report = check(&dir.0);
    let name = report
        .findings
        .iter()
        .find(|finding| finding.subject == Subject::Name)
        .unwrap();
    assert!(name.place.ends_with("key k2"), "{name:?}");
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.subject == Subject::Log)
    );
    assert_eq!(report.damaged, 2, "{:?}", report.findings);
}

#[test]
fn damage_to_header_footer_and_superblock_is_told_apart() {
    let dir = Dir::new("parts");
    fill(&dir.0);
    let path = segments(&dir.0).remove(0);
    let sound = fs::read(&path).unwrap();
    let flip = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x40;
        fs::write(&path, &bytes).unwrap();
        let report = check(&dir.0);
        report
            .findings
            .iter()
            .map(|finding| finding.subject)
            .collect::<Vec<_>>()
    };
    assert!(flip(20).contains(&Subject::Header));
    assert!(flip(4096 + 20).contains(&Subject::Header));
    let trailer = flip(sound.len() - 10);
    // The only segment, unsealed, is what a crash leaves: a note, no damage.
    assert_eq!(trailer, []);
    fs::write(&path, &sound).unwrap();
    let superblock = dir.0.join("superblock");
    let mut bytes = fs::read(&superblock).unwrap();
    bytes[40] ^= 1;
    fs::write(&superblock, &bytes).unwrap();
    let report = check(&dir.0);
    assert_eq!(
        report.findings.first().map(|finding| finding.subject),
        Some(Subject::Superblock)
    );
}

#[test]
fn what_cannot_be_checked_is_an_error_and_no_damage() {
    let dir = Dir::new("unable");
    assert!(matches!(
        run(&dir.0, &mut |_| {}),
        Err(Error::NoStore { .. })
    ));
    let store = Store::open(&dir.0, Options::default()).unwrap();
    assert!(matches!(
        run(&dir.0, &mut |_| {}),
        Err(Error::Locked { .. })
    ));
    drop(store);
    assert!(check(&dir.0).is_clean());
}
