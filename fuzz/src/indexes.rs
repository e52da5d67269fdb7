//! The indexes as they lie on the disk: whatever their bytes are, opening ends in an index or in a rebuild, and asking an opened
//! index ends in an answer or in the wish for a rebuild. Their checksums are put right before a second try.

use moraine_engine::format::NameKey;
use moraine_engine::index::Covered;
use moraine_engine::index::hash::{HashConfig, HashIndex, HeapSource, Location};
use moraine_engine::index::names::{
    Change, Kv, ListQuery, MemoryKv, NameIndex, NamesError, Table, Visit,
};
use moraine_engine::io::sim::{SimConfig, SimDisk, SimSnapshot};
use moraine_engine::io::{Disk, DiskPath};
use moraine_engine::{BucketId, Hlc, Id, LogPoint, NodeId, Offset, SegmentNumber};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

const STORE: [u8; 16] = *b"fuzzfuzzfuzzfuzz";
const NODE: NodeId = NodeId(1);
const SHAPE: HashConfig = HashConfig {
    shards: 2,
    initial_pages: 1,
    number_block: 2,
};
const MARK: &str = "index/hash/mark";
/// Entries of the sample.
const ENTRIES: u64 = 40;

/// The rows of the name index, any bytes: each is a table, two lengths, a key and a value.
pub fn names(data: &[u8]) {
    let disk = SimDisk::new(0, SimConfig::default());
    let kv = MemoryKv::open(disk, DiskPath::root().join("names"))
        .expect("there is no file, and nothing that could fail");
    kv.commit(rows(data)).expect("the twin commits in memory");
    let index = match NameIndex::open(Box::new(kv), STORE) {
        Ok(index) => index,
        Err(error) => return assert!(is_rebuild(&error), "{error}"),
    };
    let all = |result: Result<(), NamesError>| {
        if let Err(error) = result {
            assert!(is_rebuild(&error), "{error}");
        }
    };
    all(index.for_each(&mut |name, row| {
        let again = index.get(&name)?;
        assert_eq!(again, Some(row));
        Ok(Visit::Continue)
    }));
    all(index.for_each_use(&mut |_, _| Ok(Visit::Continue)));
    all(index.check(&mut |_| {}));
    all(index.catalog(&mut |_, _| {}));
    for bucket in [BucketId(0), BucketId(1)] {
        let query = ListQuery {
            delimiter: b"/".to_vec(),
            limit: 3,
            ..ListQuery::default()
        };
        all(index
            .list(bucket, &query)
            .map(|page| assert!(page.entries.len() <= 3)));
        let _ = index.usage(bucket);
        let _ = index.has_names(bucket);
    }
    let key = b"k".to_vec();
    let name = NameKey {
        bucket: BucketId(1),
        key,
    };
    all(index.get(&name).map(drop));
    all(index.apply(&[], &covered(1), Hlc(1)));
}

fn is_rebuild(error: &NamesError) -> bool {
    matches!(error, NamesError::Rebuild(_))
}

fn rows(mut data: &[u8]) -> Vec<Change> {
    let mut rows = BTreeMap::new();
    while let Some((&[table, key, value], rest)) = data.split_first_chunk() {
        let table = match table % 3 {
            0 => Table::Names,
            1 => Table::Reverse,
            _ => Table::Meta,
        };
        let (key, rest) = rest.split_at(usize::from(key).min(rest.len()));
        let (value, rest) = rest.split_at(usize::from(value).min(rest.len()));
        rows.insert((table, key.to_vec()), value.to_vec());
        data = rest;
    }
    let change = |((table, key), value)| Change {
        table,
        key,
        value: Some(value),
    };
    rows.into_iter().map(change).collect()
}

/// The files of the hash index, changed in places: each change is a file, an offset and a byte. An even first byte puts the
/// mark's checksum right.
pub fn hash(data: &[u8]) {
    let Some((how, changes)) = data.split_first() else {
        return;
    };
    let disk = SimDisk::from_snapshot(sample(), 0);
    let files: Vec<String> = disk.files();
    for [file, high, low, byte] in changes.as_chunks::<4>().0 {
        let Some(path) = files.get(usize::from(*file) % files.len()) else {
            continue;
        };
        let mut bytes = disk.read_file(path).expect("the file was listed");
        let at = usize::from(u16::from_be_bytes([*high, *low])) % bytes.len().max(1);
        if let Some(old) = bytes.get_mut(at) {
            *old = *byte;
            disk.write_file(path, &bytes);
        }
    }
    if how % 2 == 0 {
        put_right(&disk);
    }
    let (index, _) = open(&disk);
    let mut count = 0_u64;
    index.iterate(&mut |_| count += 1);
    for number in 0..ENTRIES {
        assert!(index.lookup(&id(number)).len() <= 1000);
    }
    // Where the numbers of segments are used up the index refuses, and says so.
    let fresh = Id::of(b"fresh");
    if index
        .insert(&fresh, location(9, 512), &mut |_| Ok(false))
        .is_ok()
    {
        let found = index.lookup(&fresh);
        let there = |place: &Location| place.same_place(&location(9, 512));
        assert!(
            found.iter().any(|place| there(&place)),
            "what was inserted is found"
        );
    }
    let _ = index.checkpoint(&covered(2));
}

/// Gives the mark the checksum that its bytes have.
fn put_right(disk: &SimDisk) {
    let Ok(mut mark) = disk.read_file(MARK) else {
        return;
    };
    if let Some((body, tail)) = mark.split_last_chunk_mut::<8>() {
        *tail = u64::from(crc32c::crc32c(body)).to_le_bytes();
        disk.write_file(MARK, &mark);
    }
}

/// An index with some entries, closed.
fn sample() -> &'static SimSnapshot {
    static SAMPLE: OnceLock<SimSnapshot> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let config = SimConfig {
            capacity: 1 << 20,
            ..SimConfig::default()
        };
        let disk = SimDisk::new(0, config);
        disk.create_dir(&DiskPath::root().join("index"))
            .expect("an empty disk");
        let (index, _) = open(&disk);
        for number in 0..ENTRIES {
            let at = location(1 + number % 2, 512 * number);
            index
                .insert(&id(number), at, &mut |_| Ok(false))
                .expect("the disk has room");
        }
        index.close(&covered(1)).expect("the disk has room");
        drop(index);
        disk.snapshot()
    })
}

fn open(disk: &Arc<SimDisk>) -> (HashIndex, bool) {
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    let pages = Arc::new(HeapSource::new(Arc::clone(&disk)));
    let (index, opened) =
        HashIndex::open(disk, pages, STORE, SHAPE).expect("damage means a rebuild, never an error");
    (index, opened.rebuild.is_some())
}

fn id(number: u64) -> Id {
    Id::of(&number.to_le_bytes())
}

const fn location(segment: u64, offset: u64) -> Location {
    Location {
        node: NODE,
        segment: SegmentNumber(segment),
        offset: Offset(offset),
        size_hint: 4096,
    }
}

fn covered(segment: u64) -> Covered {
    let point = LogPoint {
        segment: SegmentNumber(segment),
        offset: Offset(0),
    };
    Covered::from([(NODE, point)])
}
