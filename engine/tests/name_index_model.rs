//! Random changes, listings and questions: every storage engine against a plain model.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed test is what a panic means here; what it prints shows only then"
)]

mod name_index_common;

use moraine_engine::format::NameKey;
use moraine_engine::index::Covered;
use moraine_engine::index::names::{
    ListEntry, ListQuery, ListStart, NameIndex, PAGE_BYTES_MAX, Visit,
};
use moraine_engine::{BucketId, Hlc, Id, LogPoint, NodeId, Offset, SegmentNumber};
use name_index_common::*;
use std::sync::Arc;

const BUCKETS: [BucketId; 4] = [BucketId(0), BucketId(1), BucketId(2), BucketId(u64::MAX)];

fn point(number: u64) -> Covered {
    let point = LogPoint {
        segment: SegmentNumber(1),
        offset: Offset(number),
    };
    Covered::from([(NodeId(1), point)])
}

fn start(random: &mut Random) -> ListStart {
    match random.below(4) {
        0 => ListStart::AfterKey(key(random)),
        1 => ListStart::AfterPrefix(key(random)),
        _ => ListStart::First,
    }
}

fn query(random: &mut Random) -> ListQuery {
    const DELIMITERS: [&[u8]; 4] = [b"", b"/", b"//", b"\xff"];
    let mut prefix = if random.one_in(2) {
        key(random)
    } else {
        Vec::new()
    };
    prefix.truncate(random.index(4));
    ListQuery {
        prefix,
        delimiter: DELIMITERS[random.index(DELIMITERS.len())].to_vec(),
        start: start(random),
        limit: 1 + random.index(5),
    }
}

fn compare_listing(random: &mut Random, index: &NameIndex, model: &Model) {
    let query = query(random);
    let bucket = BUCKETS[1 + random.index(3)];
    let found = all_pages(query.clone(), |query| index.list(bucket, query).unwrap());
    assert!(
        found == model.list(bucket, &query, false),
        "{bucket} {query:?}: {found:#?}"
    );

    let plain = ListQuery {
        delimiter: Vec::new(),
        ..query
    };
    let found = all_pages(plain.clone(), |query| {
        let start = query.start.clone();
        index
            .list_reserved(bucket, &query.prefix, start, query.limit)
            .unwrap()
    });
    assert!(
        found == model.list(bucket, &plain, true),
        "{bucket} {plain:?}: {found:#?}"
    );
}

fn compare_names(random: &mut Random, index: &NameIndex, model: &Model) {
    let name = NameKey {
        bucket: bucket(random),
        key: key(random),
    };
    assert_eq!(index.get(&name).unwrap().as_ref(), model.rows.get(&name));
    let blob = Id::of(&[u8::try_from(random.below(9)).unwrap()]);
    let mut users = Vec::new();
    let limit = 1 + random.index(3);
    loop {
        let page = index.names_of(&blob, users.last(), limit).unwrap();
        let last = page.len() < limit;
        users.extend(page);
        if last {
            break;
        }
    }
    assert_eq!(users, model.names_of(&blob));
}

fn compare_whole(index: &NameIndex, model: &Model) {
    for bucket in BUCKETS {
        assert_eq!(index.usage(bucket), model.usage(bucket));
        assert_eq!(index.has_names(bucket), model.usage(bucket).names > 0);
    }
    let mut rows = Vec::new();
    index
        .for_each(&mut |name, row| {
            rows.push((name, row));
            Ok(Visit::Continue)
        })
        .unwrap();
    let expected: Vec<_> = model.rows.clone().into_iter().collect();
    assert_eq!(rows, expected);
    let mut expected = expected;
    expected.retain(|(name, _)| name.bucket == BucketId(0));
    let mut catalog = Vec::new();
    index
        .catalog(&mut |name, row| catalog.push((name, row)))
        .unwrap();
    assert_eq!(catalog, expected);
    index
        .check(&mut |contradiction| panic!("{contradiction}"))
        .unwrap();
}

fn run(seed: u64, mut index: NameIndex, mut reopen: impl FnMut(NameIndex) -> NameIndex) {
    announce(seed);
    let mut random = Random::new(seed);
    let mut model = Model::default();
    let mut stamp = Hlc(0);
    for step in 1..=40 {
        let changes: Vec<_> = (0..random.below(12)).map(|_| change(&mut random)).collect();
        for change in &changes {
            model.apply(change);
            stamp = stamp.max(change.version.hlc);
        }
        index.apply(&changes, &point(step), Hlc(0)).unwrap();
        if random.one_in(4) {
            index
                .apply(&changes, &point(random.below(step)), Hlc(0))
                .unwrap();
        }
        assert_eq!(index.covered(), point(step));
        assert_eq!(index.last_hlc(), stamp);
        compare_listing(&mut random, &index, &model);
        compare_names(&mut random, &index, &model);
        if random.one_in(8) {
            compare_whole(&index, &model);
        }
        if random.one_in(10) {
            index.persist().unwrap();
            index = reopen(index);
            assert_eq!(index.covered(), point(step));
        }
    }
    compare_whole(&index, &model);
    index.clear().unwrap();
    index = reopen(index);
    assert_eq!(index.covered(), Covered::new());
    compare_whole(&index, &Model::default());
}

#[test]
fn the_memory_twin_agrees_with_the_model() {
    for seed in seeds(150) {
        let disk = Arc::new(MemDisk::default());
        run(seed, memory_index(&disk), |old| {
            drop(old);
            disk.crash();
            memory_index(&disk)
        });
    }
}

#[test]
fn the_store_on_disk_agrees_with_the_model() {
    for seed in seeds(12) {
        let folder = Folder::new();
        run(seed, disk_index(folder.path()), |old| {
            drop(old);
            disk_index(folder.path())
        });
    }
}

#[test]
fn a_page_of_tombstones_ends_and_can_be_continued() {
    let disk = Arc::new(MemDisk::default());
    let index = memory_index(&disk);
    let mut random = Random::new(1);
    let mut sample = change(&mut random);
    sample.key.bucket = BucketId(1);
    sample.payload = None;
    sample.blob = None;
    sample.size = 0;
    let changes: Vec<_> = (0..25_000)
        .map(|number| {
            let mut change = sample.clone();
            change.key.key = format!("group/{number:06}").into_bytes();
            if number == 24_000 {
                change.payload = Some(bytes::Bytes::from_static(b"live"));
            }
            change
        })
        .collect();
    index.apply(&changes, &Covered::new(), Hlc(0)).unwrap();
    let query = ListQuery {
        delimiter: b"/".to_vec(),
        limit: 10,
        ..ListQuery::default()
    };
    let first = index.list(BucketId(1), &query).unwrap();
    assert_eq!(first.entries, []);
    assert_eq!(
        first.next,
        Some(ListStart::AfterKey(b"group/009999".to_vec()))
    );
    let all = all_pages(query, |query| index.list(BucketId(1), query).unwrap());
    assert_eq!(all, [ListEntry::Prefix(b"group/".to_vec())]);
}

#[test]
fn groups_of_any_size_are_listed_once_and_what_lies_between_them_too() {
    let disk = Arc::new(MemDisk::default());
    let index = memory_index(&disk);
    let mut sample = change(&mut Random::new(1));
    sample.key.bucket = BucketId(1);
    sample.payload = Some(bytes::Bytes::from_static(b"live"));
    let (mut changes, mut expected) = (Vec::new(), Vec::new());
    for size in 1..40 {
        for number in 0..size {
            let mut change = sample.clone();
            change.key.key = format!("{size:02}/{number:02}").into_bytes();
            // The first ones are gone: a group begins with what lives.
            if number < size / 4 {
                change.payload = None;
                change.blob = None;
                change.size = 0;
            }
            changes.push(change);
        }
        // The next byte after the delimiter: right behind the group.
        let mut between = sample.clone();
        between.key.key = format!("{size:02}0").into_bytes();
        expected.push(format!("{size:02}/"));
        expected.push(format!("{size:02}0"));
        changes.push(between);
    }
    index.apply(&changes, &Covered::new(), Hlc(0)).unwrap();
    for limit in [1, 2, 3, 1000] {
        let query = ListQuery {
            delimiter: b"/".to_vec(),
            limit,
            ..ListQuery::default()
        };
        let all = all_pages(query, |query| index.list(BucketId(1), query).unwrap());
        let names: Vec<_> = all
            .into_iter()
            .map(|entry| match entry {
                ListEntry::Key { key, .. } => String::from_utf8(key).unwrap(),
                ListEntry::Prefix(prefix) => String::from_utf8(prefix).unwrap(),
            })
            .collect();
        assert_eq!(names, expected, "pages of {limit}");
    }
}

#[test]
fn a_page_of_large_rows_ends_early() {
    let disk = Arc::new(MemDisk::default());
    let index = memory_index(&disk);
    let mut sample = change(&mut Random::new(1));
    sample.key.bucket = BucketId(1);
    sample.payload = Some(bytes::Bytes::from(vec![1; 64 << 10]));
    let changes: Vec<_> = (0..100)
        .map(|number| {
            let mut change = sample.clone();
            change.key.key = format!("{number:03}").into_bytes();
            change
        })
        .collect();
    index.apply(&changes, &Covered::new(), Hlc(0)).unwrap();
    let query = ListQuery {
        limit: 1000,
        ..ListQuery::default()
    };
    let first = index.list(BucketId(1), &query).unwrap();
    assert_eq!(first.entries.len(), PAGE_BYTES_MAX / (64 << 10));
    let all = all_pages(query, |query| index.list(BucketId(1), query).unwrap());
    assert_eq!(all.len(), 100);
}

#[test]
fn a_limit_of_zero_gives_an_empty_last_page() {
    let disk = Arc::new(MemDisk::default());
    let index = memory_index(&disk);
    let mut random = Random::new(1);
    let changes: Vec<_> = (0..50).map(|_| change(&mut random)).collect();
    index.apply(&changes, &Covered::new(), Hlc(0)).unwrap();
    let page = index.list(BucketId(1), &ListQuery::default()).unwrap();
    assert_eq!((page.entries.len(), page.next), (0, None));
}
