//! A reader that was written from `FORMAT.md` alone, in another language, finds what the encoders wrote: names by
//! version, blobs by id, in sealed segments and in an unsealed tail with a tear.
//!
//! Needs `python3` (or what `MORAINE_PYTHON` names) with the package `blake3`; says so and is skipped where that is missing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers of tests fail by panicking, and a skipped test says so"
)]

mod format_samples;
mod python_reader;

use format_samples::*;
use moraine_engine::Id;
use moraine_engine::format::*;
use python_reader::{python, reader};
use std::path::PathBuf;

/// A data directory that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("moraine-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join(format!("log/{NODE}"))).unwrap();
        Self(path)
    }

    fn segment(&self, number: u64, file: &[u8]) {
        let path = self.0.join(format!("log/{NODE}/{number:010}.seg"));
        std::fs::write(path, file).unwrap();
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn named(hlc: u64, key: &str, content: &[u8]) -> Vec<u8> {
    let size = content.len() as u64;
    name_record(
        hlc,
        &NameRecord::new(object(key), Some(Id::of(content)), size),
    )
}

/// The records that hold `content`: one extent, or several and their manifest.
fn content_records(content: &[u8]) -> Vec<Vec<u8>> {
    let mut records: Vec<_> = content.chunks(1024).map(extent).collect();
    if records.len() > 1 {
        records.push(manifest_record(content));
    }
    records
}

fn segment_1() -> Vec<u8> {
    let mut segment = SegmentBuilder::new(1);
    segment.batch(&[start_record(1), catalog_record(2, &bucket())]);
    segment.batch(&content_records(&long()));
    segment.batch(&[named(5, "deleted", b"old"), named(6, "long", &long())]);
    segment.batch(&[extent(b"old"), named(7, "overwritten", b"old"), extent(b"")]);
    segment.seal(&[])
}

/// Unsealed: two batches, one that is torn, and an intact one behind it.
fn segment_2() -> Vec<u8> {
    let mut segment = SegmentBuilder::new(2);
    segment.batch(&[
        extent(b"new"),
        named(11, "overwritten", b"new"),
        named(12, "empty", b""),
        tombstone_record(13, object("deleted")),
    ]);
    segment.batch(&[]);
    let torn = segment.file.len();
    segment.batch(&[extent(&bytes(3, 900)), named(14, "torn", &bytes(3, 900))]);
    segment.stall();
    segment.batch(&[named(15, "behind", b"new")]);
    let mut file = segment.file;
    file[torn + 700] ^= 1;
    file.resize(64 << 10, 0);
    file
}

fn long() -> Vec<u8> {
    bytes(1, 5000)
}

fn store() -> Folder {
    let folder = Folder::new("reader");
    folder.segment(1, &segment_1());
    folder.segment(2, &segment_2());
    folder
}

#[test]
fn names_and_blobs() {
    let Some(python) = python() else { return };
    let folder = store();
    let listed = reader(&python, &["names", folder.text()]);
    let line = |key: &str, content: &[u8]| {
        format!("media/{key}\t{}\t{}\n", content.len(), Id::of(content))
    };
    assert_eq!(
        String::from_utf8_lossy(&listed.stdout),
        [
            line("empty", b""),
            line("long", &long()),
            line("overwritten", b"new")
        ]
        .concat(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    for content in [&long()[..], b"", b"old", b"new"] {
        let out = folder.0.join("out");
        let id = Id::of(content).to_string();
        let run = reader(
            &python,
            &["extract", folder.text(), &id, out.to_str().unwrap()],
        );
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
        assert_eq!(std::fs::read(out).unwrap(), content);
    }
}

#[test]
fn wrong_bytes_are_never_written_out() {
    let Some(python) = python() else { return };
    let folder = Folder::new("reader-damage");
    let mut file = segment_1();
    let at = file
        .windows(16)
        .position(|window| window == &long()[2048..2064])
        .unwrap();
    file[at] ^= 1;
    folder.segment(1, &file);
    let out = folder.0.join("out");
    let id = Id::of(&long()).to_string();
    let run = reader(
        &python,
        &["extract", folder.text(), &id, out.to_str().unwrap()],
    );
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&run.stderr).contains("payload"));
    assert!(!out.exists());
}

#[test]
fn damage_before_the_attested_end_does_not_end_the_log() {
    let Some(python) = python() else { return };
    let folder = Folder::new("reader-gap");
    let mut segment = SegmentBuilder::new(1);
    segment.batch(&[named(1, "a", b"")]);
    let damaged = segment.file.len();
    segment.batch(&[named(2, "b", b"")]);
    segment.batch(&[named(3, "c", b"")]);
    segment.batch(&[]);
    let keys = |file: &[u8]| {
        folder.segment(1, file);
        let listed = reader(&python, &["names", folder.text()]);
        let text = String::from_utf8(listed.stdout).unwrap();
        let keys = text.lines().map(|line| line[17..18].to_owned());
        keys.collect::<Vec<_>>().concat()
    };
    assert_eq!(keys(&segment.file), "abc");
    for at in [damaged + 20, damaged + 100, damaged + 140] {
        let mut file = segment.file.clone();
        file[at] ^= 1;
        assert_eq!(
            keys(&file),
            "ac",
            "byte {at} is damage: a later batch attests it"
        );
        file.truncate(damaged + 512);
        assert_eq!(
            keys(&file),
            "a",
            "byte {at} may be a tear: nothing attests it"
        );
    }
}

#[test]
fn a_damaged_first_header_and_a_lost_footer_cost_nothing() {
    let Some(python) = python() else { return };
    let folder = Folder::new("reader-copies");
    let mut file = segment_1();
    file[20] ^= 1;
    let end = file.len();
    file[end - 10] ^= 1;
    folder.segment(1, &file);
    let listed = reader(&python, &["names", folder.text()]);
    let text = String::from_utf8_lossy(&listed.stdout);
    assert_eq!(text.lines().count(), 3, "{text}");
}
