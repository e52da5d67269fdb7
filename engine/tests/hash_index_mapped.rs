//! The hash index on real files in a temporary folder: mapped pages, restarts, a process that dies.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers of a test may panic as the test may"
)]

use moraine_engine::index::Covered;
use moraine_engine::index::hash::{HashConfig, HashIndex, HashOpen, Location, MmapSource};
use moraine_engine::io::{Disk, DiskPath, File, OpenMode, Queue, Space};
use moraine_engine::{Error, Id, LogPoint, NodeId, Offset, Result, SegmentNumber};
use std::any::Any;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const NODE: NodeId = NodeId(1);

/// As much of a disk as the index needs.
struct Folder(PathBuf);

struct PlainFile(fs::File);

impl Folder {
    fn path(&self, path: &DiskPath) -> PathBuf {
        self.0.join(path.as_str())
    }
}

impl Disk for Folder {
    fn driver(&self) -> &'static str {
        "test"
    }

    fn create_dir(&self, path: &DiskPath) -> io::Result<()> {
        fs::create_dir(self.path(path))
    }

    fn list(&self, dir: &DiskPath) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.path(dir))?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &DiskPath) -> io::Result<bool> {
        self.path(path).try_exists()
    }

    fn open(&self, path: &DiskPath, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let create = mode == OpenMode::CreateDirect;
        let mut options = OpenOptions::new();
        options.read(true).create_new(create);
        options.write(create || mode == OpenMode::WriteDirect);
        Ok(Arc::new(PlainFile(options.open(self.path(path))?)))
    }

    fn rename(&self, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &DiskPath) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn remove_tree(&self, path: &DiskPath) -> io::Result<()> {
        fs::remove_dir_all(self.path(path))
    }

    fn sync_dir(&self, dir: &DiskPath) -> io::Result<()> {
        fs::File::open(self.path(dir))?.sync_all()
    }

    fn allocated(&self, _: &DiskPath) -> io::Result<u64> {
        Ok(0)
    }

    fn space(&self) -> io::Result<Space> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn queue(&self, _depth: usize) -> io::Result<Box<dyn Queue>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl File for PlainFile {
    fn alignment(&self) -> usize {
        1
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buf.len() {
            match self.0.read_at(&mut buf[read..], offset + read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        Ok(read)
    }

    fn try_read_at(&self, _: &mut [u8], _: u64) -> io::Result<Option<usize>> {
        Ok(None)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len)?;
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A data directory that goes when the test ends.
struct Data(PathBuf);

impl Data {
    fn new(name: &str) -> Self {
        let name = format!("moraine-hash-index-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn open(&self, config: HashConfig) -> Result<(HashIndex, HashOpen)> {
        let disk = Arc::new(Folder(self.0.clone()));
        let pages = Arc::new(MmapSource::new(self.0.clone(), false));
        HashIndex::open(disk, pages, [7; 16], config)
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn id(number: u64) -> Id {
    Id::of(&number.to_le_bytes())
}

fn place(number: u64) -> Location {
    Location {
        node: NODE,
        segment: SegmentNumber(1 + number / 4_000),
        offset: Offset(number % 4_000 * 65_536),
        size_hint: 65_536,
    }
}

fn fill(index: &HashIndex, numbers: std::ops::Range<u64>) -> Result<()> {
    for number in numbers {
        index.insert(&id(number), place(number), &mut |_| Err(Error::Closed))?;
    }
    Ok(())
}

fn check(index: &HashIndex, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let found: Vec<_> = index.lookup(&id(number)).iter().collect();
        assert_eq!(found.len(), 1, "{number}");
        assert!(found[0].same_place(&place(number)), "{number}");
    }
}

fn covered(number: u64) -> Covered {
    let Location {
        segment, offset, ..
    } = place(number);
    Covered::from([(NODE, LogPoint { segment, offset })])
}

#[test]
fn a_hundred_thousand_entries_survive_a_restart() {
    const ENTRIES: u64 = 100_000;
    let data = Data::new("restart");
    let (index, _) = data.open(HashConfig::default()).unwrap();
    let start = Instant::now();
    fill(&index, 0..ENTRIES).unwrap();
    println!("{ENTRIES} inserts in {:?}", start.elapsed());
    let start = Instant::now();
    index.checkpoint(&covered(ENTRIES)).unwrap();
    println!("checkpoint in {:?}", start.elapsed());
    let start = Instant::now();
    check(&index, 0..ENTRIES);
    println!("{ENTRIES} lookups in {:?}", start.elapsed());
    index.close(&covered(ENTRIES)).unwrap();
    drop(index);
    let start = Instant::now();
    let (index, opened) = data.open(HashConfig::default()).unwrap();
    println!("opened in {:?}", start.elapsed());
    assert_eq!((opened.rebuild, opened.covered), (None, covered(ENTRIES)));
    assert_eq!(index.stats().entries, ENTRIES);
    check(&index, 0..ENTRIES);
}

/// The child of the next test: fills the index of the folder that it is told, and dies.
#[test]
fn child_that_dies() {
    let Some(path) = std::env::var_os("HASH_INDEX_CHILD") else {
        return;
    };
    let data = std::mem::ManuallyDrop::new(Data(path.into()));
    let (index, _) = data.open(TINY).unwrap();
    fill(&index, 0..1_000).unwrap();
    index.checkpoint(&covered(1_000)).unwrap();
    fill(&index, 1_000..3_000).unwrap();
    std::process::abort();
}

const TINY: HashConfig = HashConfig {
    shards: 2,
    initial_pages: 1,
    number_block: 4,
};

#[test]
fn after_a_process_that_died_what_the_mark_covers_is_found() {
    let data = Data::new("died");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_dies"])
        .env("HASH_INDEX_CHILD", &data.0)
        .output()
        .unwrap();
    assert!(!child.status.success(), "it dies: {child:?}");
    let (index, opened) = data.open(TINY).unwrap();
    assert_eq!((opened.rebuild, opened.covered), (None, covered(1_000)));
    check(&index, 0..1_000);
    fill(&index, 1_000..3_000).unwrap();
    check(&index, 0..3_000);
    index.close(&covered(3_000)).unwrap();
    drop(index);
    let (index, opened) = data.open(TINY).unwrap();
    assert_eq!((opened.rebuild, opened.covered), (None, covered(3_000)));
    check(&index, 0..3_000);
    let names = fs::read_dir(data.0.join("index/hash")).unwrap().count();
    assert_eq!(names, 3, "what the dead process left is gone");
}
