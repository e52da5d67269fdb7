//! Bar 16: `fsck` finds every kind of damage on a list of 30 and more, and says what it concerns.

use crate::real_store::{Folder, Sample, copy, make};
use crate::regions::Regions;
use moraine_engine::fsck::{self, Subject};
use std::fs;
use std::path::PathBuf;

/// A store that is damaged, and what to take damage from.
struct Victim<'a> {
    folder: &'a Folder,
    regions: &'a Regions,
    other: &'a Sample,
    segments: Vec<String>,
}

impl Victim<'_> {
    fn path(&self, file: &str) -> PathBuf {
        self.folder.0.join(file)
    }

    fn change(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(file)).unwrap();
        change(&mut bytes);
        fs::write(self.path(file), bytes).unwrap();
    }

    /// Flips a bit in the middle of the first part of a region.
    fn flip(&self, what: &str) {
        let (file, range) = &self.regions.0[what][0];
        let at = usize::try_from((range.start + range.end) / 2).unwrap();
        self.change(file, |bytes| bytes[at] ^= 4);
    }

    /// The first part of a region, as offsets.
    fn first(&self, what: &str) -> (String, usize, usize) {
        let (file, range) = &self.regions.0[what][0];
        let at = |offset: u64| usize::try_from(offset).unwrap();
        (file.clone(), at(range.start), at(range.end))
    }

    fn index(&self, what: &str) -> String {
        self.regions.0[what][0].0.clone()
    }

    fn table(&self) -> String {
        let tables = self.regions.0.keys().find(|what| what.contains("/tables/"));
        self.index(tables.unwrap())
    }
}

type Kind = (&'static str, Subject, fn(&Victim<'_>));

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    ("one copy of the superblock flipped", Subject::Superblock, |v| v.flip("superblock, first copy")),
    ("the other copy flipped", Subject::Superblock, |v| v.flip("superblock, second copy")),
    ("both copies flipped", Subject::Superblock, |v| {
        v.flip("superblock, first copy");
        v.flip("superblock, second copy");
    }),
    ("the superblock missing", Subject::Superblock, |v| fs::remove_file(v.path("superblock")).unwrap()),
    ("the superblock cut", Subject::Superblock, |v| v.change("superblock", |it| it.truncate(it.len() / 2))),
    ("the superblock empty", Subject::Superblock, |v| v.change("superblock", Vec::clear)),
    ("the superblock of another store", Subject::Key, |v| {
        fs::copy(v.other.folder.0.join("superblock"), v.path("superblock")).unwrap();
    }),
    ("the key missing", Subject::Key, |v| fs::remove_file(v.path("store.key")).unwrap()),
    ("the key flipped", Subject::Key, |v| v.flip("store.key")),
    ("the key cut", Subject::Key, |v| v.change("store.key", |it| it.truncate(16))),
    ("the key of another store", Subject::Key, |v| {
        fs::copy(v.other.folder.0.join("store.key"), v.path("store.key")).unwrap();
    }),
    ("one copy of a segment header flipped", Subject::Header, |v| v.flip("segment header, first copy")),
    ("the other copy flipped", Subject::Header, |v| v.flip("segment header, second copy")),
    ("both copies flipped", Subject::Header, |v| {
        v.flip("segment header, first copy");
        v.flip("segment header, second copy");
    }),
    ("a batch header flipped", Subject::Log, |v| v.flip("batch header")),
    ("padding behind a batch not zero", Subject::Log, |v| v.flip("padding behind a batch")),
    ("a record header flipped", Subject::Log, |v| v.flip("record header")),
    ("a record's checksums flipped", Subject::Log, |v| v.flip("extension of a record")),
    ("an extent flipped", Subject::Log, |v| v.flip("payload, Extent")),
    ("a name over a flipped extent", Subject::Name, |v| v.flip("payload, Extent")),
    ("a manifest flipped", Subject::Log, |v| v.flip("payload, Manifest")),
    ("a name flipped", Subject::Log, |v| v.flip("payload, Name")),
    ("a tombstone flipped", Subject::Log, |v| v.flip("payload, Tombstone")),
    ("a catalog record flipped", Subject::Log, |v| v.flip("payload, Catalog")),
    ("a start record flipped", Subject::Log, |v| v.flip("payload, Start")),
    ("padding behind a record not zero", Subject::Log, |v| v.flip("padding behind a record")),
    ("a block of zeros in a batch", Subject::Log, |v| {
        let (file, at, _) = v.first("payload, Extent");
        v.change(&file, |it| it[at - at % 512..][..512].fill(0));
    }),
    ("a batch in the place of another", Subject::Log, |v| {
        let (file, range) = v.regions.0["batch header"][0].clone();
        let other = v.regions.0["batch header"][3].1.start;
        let (to, from) = (usize::try_from(range.start).unwrap(), usize::try_from(other).unwrap());
        v.change(&file, |it| it.copy_within(from..from + 512, to));
    }),
    ("a block of another store", Subject::Log, |v| {
        let (file, at, _) = v.first("batch header");
        let regions = Regions::of(&v.other.folder.0);
        let (theirs, range) = &regions.0["batch header"][0];
        let theirs = fs::read(v.other.folder.0.join(theirs)).unwrap();
        let from = usize::try_from(range.start).unwrap();
        v.change(&file, |it| it[at..][..512].copy_from_slice(&theirs[from..][..512]));
    }),
    ("a footer's header flipped", Subject::Footer, |v| v.flip("footer, header")),
    ("a footer's table flipped", Subject::Footer, |v| v.flip("footer, table")),
    ("a footer's copies flipped", Subject::Footer, |v| v.flip("footer, copies of records")),
    ("a trailer flipped", Subject::Footer, |v| v.flip("trailer")),
    ("a segment cut", Subject::Footer, |v| v.change(&v.segments[0], |it| it.truncate(it.len() / 1024 * 512))),
    ("a segment grown", Subject::Footer, |v| v.change(&v.segments[0], |it| it.extend([7; 512]))),
    ("a segment empty", Subject::Header, |v| v.change(&v.segments[0], Vec::clear)),
    ("a segment missing", Subject::Segment, |v| fs::remove_file(v.path(&v.segments[0])).unwrap()),
    ("two segments swapped", Subject::Header, |v| {
        let spare = v.path("spare.seg");
        fs::rename(v.path(&v.segments[0]), &spare).unwrap();
        fs::rename(v.path(&v.segments[1]), v.path(&v.segments[0])).unwrap();
        fs::rename(spare, v.path(&v.segments[1])).unwrap();
    }),
    ("the segment of another store", Subject::Header, |v| {
        let theirs = Regions::of(&v.other.folder.0).0["batch header"][0].0.clone();
        fs::copy(v.other.folder.0.join(theirs), v.path(&v.segments[0])).unwrap();
    }),
    ("a shard's header flipped", Subject::HashIndex, |v| v.flip("hash index, shard header")),
    ("a slot flipped", Subject::HashIndex, |v| v.flip("hash index, slot")),
    ("a shard cut", Subject::HashIndex, |v| {
        v.change(&v.index("hash index, slot"), |it| it.truncate(2048));
    }),
    ("a shard missing", Subject::HashIndex, |v| fs::remove_file(v.path(&v.index("hash index, slot"))).unwrap()),
    ("the hash index's mark flipped", Subject::HashIndex, |v| v.flip("index/hash/mark of the index")),
    ("the hash index of another store", Subject::HashIndex, |v| {
        fs::remove_dir_all(v.path("index/hash")).unwrap();
        copy(&v.other.folder.0.join("index/hash"), &v.path("index/hash"));
    }),
    ("a table of names flipped", Subject::NameIndex, |v| {
        v.change(&v.table(), |it| {
            let at = it.len() / 3;
            it[at] ^= 4;
        });
    }),
    ("a table of names missing", Subject::NameIndex, |v| fs::remove_file(v.path(&v.table())).unwrap()),
    ("the name index of another store", Subject::NameIndex, |v| {
        fs::remove_dir_all(v.path("index/names")).unwrap();
        copy(&v.other.folder.0.join("index/names"), &v.path("index/names"));
    }),
];

#[test]
fn bar_16_fsck_finds_every_kind_of_damage() {
    crate::common::arm_canary();
    assert!(KINDS.len() >= 30);
    let (sample, other) = (make(true), make(true));
    let regions = Regions::of(&sample.folder.0);
    let mut segments: Vec<String> = regions.0["batch header"]
        .iter()
        .map(|(path, _)| path.clone())
        .collect();
    segments.dedup();
    let mut missed = Vec::new();
    for (what, subject, inflict) in KINDS {
        let folder = Folder::copy_of(&sample.folder.0);
        inflict(&Victim {
            folder: &folder,
            regions: &regions,
            other: &other,
            segments: segments.clone(),
        });
        let report = fsck::run(&folder.0, &mut |_| {}).unwrap();
        if !report
            .findings
            .iter()
            .any(|found| found.subject == *subject)
        {
            missed.push(format!("{what}: {:?} and not {subject:?}", report.findings));
        }
    }
    println!("{} kinds of damage", KINDS.len());
    assert_eq!(missed, Vec::<String>::new());
}
