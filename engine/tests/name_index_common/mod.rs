//! What the tests of the name index share: a disk in memory that loses what was not synced, random changes, a model.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says how to repeat it"
)]
#![allow(dead_code, reason = "each test file uses its own part")]

use bytes::Bytes;
use moraine_engine::format::NameKey;
use moraine_engine::index::names::{
    DiskKv, DiskOptions, ListEntry, ListPage, ListQuery, ListStart, MemoryKv, NameChange,
    NameIndex, NameRow, Usage,
};
use moraine_engine::io::{Disk, DiskPath, File, OpenMode, Queue, Space};
use moraine_engine::{
    BucketId, Hlc, Id, Incarnation, NodeId, Offset, Position, SegmentNumber, Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub const STORE: [u8; 16] = [7; 16];

/// A sequence that follows from a seed (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }
}

/// The seed to use: `NAMES_SEED` replays one, else all from 1.
pub fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("NAMES_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=count).collect(),
    }
}

/// Says how to replay if the test fails: printed output shows only then.
pub fn announce(seed: u64) {
    println!("replay with NAMES_SEED={seed}");
}

/// Keys that collide, nest and group: short strings over few bytes, some of them reserved or binary.
pub fn key(random: &mut Random) -> Vec<u8> {
    const PIECES: [&[u8]; 8] = [
        b"a",
        b"b",
        b"/",
        b"a/",
        b"//",
        b"\xff",
        "ü".as_bytes(),
        b"-",
    ];
    let mut key = Vec::new();
    if random.one_in(12) {
        key.push(0);
    }
    for _ in 0..=random.below(4) {
        key.extend_from_slice(PIECES[random.index(PIECES.len())]);
    }
    key
}

pub fn bucket(random: &mut Random) -> BucketId {
    BucketId([0, 1, 2, u64::MAX][random.index(4)])
}

pub fn change(random: &mut Random) -> NameChange {
    let key = NameKey {
        bucket: bucket(random),
        key: key(random),
    };
    let live = key.bucket == BucketId(0) || !random.one_in(3);
    let blob = !random.one_in(8);
    NameChange {
        key,
        version: Version {
            hlc: Hlc(random.below(400)),
            node: NodeId(random.below(2)),
        },
        at: Position {
            node: NodeId(1),
            incarnation: Incarnation(1),
            segment: SegmentNumber(random.below(9)),
            offset: Offset(random.below(1 << 20)),
        },
        payload: live.then(|| Bytes::from(random.number().to_le_bytes().to_vec())),
        blob: (live && blob).then(|| Id::of(&[u8::try_from(random.below(9)).unwrap()])),
        size: if live { random.below(1 << 40) } else { 0 },
    }
}

/// What the index has to say, computed the plain way.
#[derive(Clone, Default)]
pub struct Model {
    pub rows: BTreeMap<NameKey, NameRow>,
}

impl Model {
    pub fn apply(&mut self, change: &NameChange) {
        let newest = self.rows.get(&change.key).map(|row| row.version);
        if newest.is_some_and(|newest| newest >= change.version) {
            return;
        }
        let row = NameRow {
            version: change.version,
            at: change.at,
            size: change.size,
            blob: change.blob,
            live: change.payload.clone(),
        };
        self.rows.insert(change.key.clone(), row);
    }

    pub fn usage(&self, bucket: BucketId) -> Usage {
        let mut usage = Usage::default();
        for (name, row) in &self.rows {
            if name.bucket != bucket || bucket == BucketId(0) || row.live.is_none() {
                continue;
            }
            if name.key.first() == Some(&0) {
                usage.upload_bytes += row.size;
            } else {
                usage.names += 1;
                usage.bytes += row.size;
            }
        }
        usage
    }

    pub fn names_of(&self, blob: &Id) -> Vec<NameKey> {
        let users = self.rows.iter().filter(|(_, row)| row.blob == Some(*blob));
        users.map(|(name, _)| name.clone()).collect()
    }

    /// Every entry of a listing, without pages.
    pub fn list(&self, bucket: BucketId, query: &ListQuery, reserved: bool) -> Vec<ListEntry> {
        let mut groups = BTreeSet::new();
        let mut entries = Vec::new();
        for (name, row) in &self.rows {
            let key = &name.key;
            let after = match &query.start {
                ListStart::First => true,
                ListStart::AfterKey(start) => key > start,
                ListStart::AfterPrefix(prefix) => key > prefix && !key.starts_with(prefix),
            };
            let in_space = (key.first() == Some(&0)) == reserved && !key.is_empty();
            if name.bucket != bucket
                || row.live.is_none()
                || !after
                || !in_space
                || !key.starts_with(&query.prefix)
            {
                continue;
            }
            match find(&key[query.prefix.len()..], &query.delimiter) {
                Some(at) => {
                    let end = query.prefix.len() + at + query.delimiter.len();
                    if groups.insert(key[..end].to_vec()) {
                        entries.push(ListEntry::Prefix(key[..end].to_vec()));
                    }
                }
                None => entries.push(ListEntry::Key {
                    key: key.clone(),
                    row: row.clone(),
                }),
            }
        }
        entries
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return None;
    }
    (0..text.len()).find(|&at| text[at..].starts_with(part))
}

/// All pages of a listing, put together; each is at most as long as asked.
pub fn all_pages(mut query: ListQuery, page: impl Fn(&ListQuery) -> ListPage) -> Vec<ListEntry> {
    let mut entries = Vec::new();
    loop {
        let found = page(&query);
        assert!(found.entries.len() <= query.limit);
        entries.extend(found.entries);
        match found.next {
            Some(next) => {
                assert_ne!(next, query.start, "a page makes progress");
                query.start = next;
            }
            None => return entries,
        }
    }
}

/// A disk in memory. [`MemDisk::crash`] takes back what was not synced: file contents and folder entries.
#[derive(Default)]
pub struct MemDisk(Mutex<State>);

#[derive(Default)]
struct State {
    entries: BTreeMap<String, Arc<MemFile>>,
    durable_entries: BTreeMap<String, Arc<MemFile>>,
}

#[derive(Default)]
struct MemFile {
    content: Mutex<Vec<u8>>,
    durable: Mutex<Vec<u8>>,
}

impl MemDisk {
    pub fn crash(&self) {
        let mut state = self.0.lock().unwrap();
        state.entries = state.durable_entries.clone();
        for file in state.entries.values() {
            let durable = file.durable.lock().unwrap().clone();
            *file.content.lock().unwrap() = durable;
        }
    }

    pub fn content(&self, path: &DiskPath) -> Vec<u8> {
        let file = self.file(path).unwrap();
        file.content.lock().unwrap().clone()
    }

    pub fn set_content(&self, path: &DiskPath, content: Vec<u8>) {
        let file = self.file(path).unwrap();
        *file.content.lock().unwrap() = content;
    }

    fn file(&self, path: &DiskPath) -> io::Result<Arc<MemFile>> {
        let state = self.0.lock().unwrap();
        let file = state.entries.get(path.as_str());
        file.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for MemDisk {
    fn driver(&self) -> &'static str {
        "memory"
    }

    fn create_dir(&self, _: &DiskPath) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _: &DiskPath) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().entries.keys().cloned().collect())
    }

    fn exists(&self, path: &DiskPath) -> io::Result<bool> {
        Ok(self.file(path).is_ok())
    }

    fn open(&self, path: &DiskPath, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if mode != OpenMode::CreateDirect {
            return Ok(self.file(path)?);
        }
        let file = Arc::new(MemFile::default());
        let mut state = self.0.lock().unwrap();
        state
            .entries
            .insert(path.as_str().to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn rename(&self, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
        let file = self.file(from)?;
        let mut state = self.0.lock().unwrap();
        state.entries.remove(from.as_str());
        state.entries.insert(to.as_str().to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &DiskPath) -> io::Result<()> {
        self.0.lock().unwrap().entries.remove(path.as_str());
        Ok(())
    }

    fn remove_tree(&self, _: &DiskPath) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_dir(&self, _: &DiskPath) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.durable_entries = state.entries.clone();
        Ok(())
    }

    fn allocated(&self, _: &DiskPath) -> io::Result<u64> {
        Ok(0)
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space { total: 0, free: 0 })
    }

    fn queue(&self, _: usize) -> io::Result<Box<dyn Queue>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl File for MemFile {
    fn alignment(&self) -> usize {
        1
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content.lock().unwrap();
        let rest = content
            .get(usize::try_from(offset).unwrap()..)
            .unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.read_at(buf, offset).map(Some)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut content = self.content.lock().unwrap();
        let from = usize::try_from(offset).unwrap();
        if content.len() < from + buf.len() {
            content.resize(from + buf.len(), 0);
        }
        content[from..from + buf.len()].copy_from_slice(buf);
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut content = self.content.lock().unwrap();
        content.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let content = self.content.lock().unwrap().clone();
        *self.durable.lock().unwrap() = content;
        Ok(())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

pub fn snapshot_path() -> DiskPath {
    DiskPath::root().join("names")
}

pub fn memory_index(disk: &Arc<MemDisk>) -> NameIndex {
    let disk: Arc<dyn Disk> = Arc::<MemDisk>::clone(disk);
    let kv = MemoryKv::open(disk, snapshot_path()).unwrap();
    NameIndex::open(Box::new(kv), STORE).unwrap()
}

/// A folder of its own for one store on disk; it goes with the value.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("moraine-names-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Where the store goes; it does not exist yet.
    pub fn path(&self) -> PathBuf {
        self.0.join("names")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// So small that a few hundred rows are flushed and compacted.
pub const TINY: DiskOptions = DiskOptions {
    cache_bytes: 64 << 10,
    memtable_bytes: 4 << 10,
};

pub fn disk_index(path: impl AsRef<Path>) -> NameIndex {
    let kv = DiskKv::open(path.as_ref(), TINY).unwrap();
    NameIndex::open(Box::new(kv), STORE).unwrap()
}
