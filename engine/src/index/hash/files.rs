//! The folder of the index: which file is which, and how one is made.

use super::header::ShardHeader;
use super::mark::{MARK_BYTES_MAX, Mark};
use super::pages::{PAGE_BYTES, PageSource};
use super::reason::RebuildReason;
use super::segments::SegmentTable;
use super::table::Table;
use crate::durable;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::io::{Disk, DiskPath, OpenMode};
use crate::sync::{Arc, thread};
use std::io;
use std::ops::RangeInclusive;

/// The mark's name in the folder.
const MARK: &str = "mark";

/// A shard's file: `SHARD.GENERATION`, the shard in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ShardFile {
    pub(super) shard: u32,
    pub(super) generation: u64,
}

impl ShardFile {
    fn name(self) -> String {
        format!("{:02x}.{}", self.shard, self.generation)
    }

    fn parse(name: &str) -> Option<Self> {
        let (shard, generation) = name.split_once('.')?;
        let file = Self {
            shard: u32::from_str_radix(shard, 16).ok()?,
            generation: generation.parse().ok()?,
        };
        (file.name() == name).then_some(file)
    }
}

/// Why something could not be made durable.
pub(super) enum Undurable {
    /// For want of descriptors, memory or room, before anything was in doubt: it may be tried again.
    Later(Error),
    /// What the disk holds now is not known.
    Never(Error),
}

impl Undurable {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Later(error) | Self::Never(error) => error,
        }
    }

    /// Of a file that nothing refers to yet.
    fn before(error: Error) -> Self {
        if error.passes() {
            Self::Later(error)
        } else {
            Self::Never(error)
        }
    }

    /// Of a folder's sync. To open the folder takes a descriptor and memory; only the want of these can be told from a sync that
    /// failed, which is never repeated.
    fn of_folder(error: Error) -> Self {
        let not_opened = match &error {
            Error::NoDescriptor { .. } => true,
            Error::Io { source, .. } => source.kind() == io::ErrorKind::OutOfMemory,
            _ => false,
        };
        if not_opened {
            Self::Later(error)
        } else {
            Self::Never(error)
        }
    }
}

/// The folder, and what its files have in common.
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    pages: Arc<dyn PageSource>,
    dir: DiskPath,
    store_id: [u8; 16],
    shards: u32,
    /// Makes the bucket of a tag unpredictable to who chooses content without knowing the store.
    salt: u64,
}

impl Files {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        pages: Arc<dyn PageSource>,
        store_id: [u8; 16],
        shards: u32,
    ) -> Self {
        let digest = Id::of(&store_id);
        let salt = digest.as_bytes().first_chunk().expect("an id has 32 bytes");
        Self {
            disk,
            pages,
            dir: DiskPath::root().join("index").join("hash"),
            store_id,
            shards,
            salt: u64::from_le_bytes(*salt),
        }
    }

    pub(super) fn store_id(&self) -> [u8; 16] {
        self.store_id
    }

    fn error(&self, op: &'static str, path: &DiskPath) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::io(op, path, source)
    }

    /// Creates the folder if it is not there.
    pub(super) fn create_dir(&self) -> Result<()> {
        for dir in [&self.dir.parent(), &self.dir] {
            let exists = self.disk.exists(dir).map_err(self.error("look for", dir))?;
            if !exists {
                durable::create_dir(&*self.disk, dir).map_err(self.error("create", dir))?;
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>> {
        match self.disk.list(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => names.map_err(self.error("list", &self.dir)),
        }
    }

    /// The shard files in the folder, in order.
    pub(super) fn shard_files(&self) -> Result<Vec<ShardFile>> {
        let names = self.names()?;
        Ok(names
            .iter()
            .filter_map(|name| ShardFile::parse(name))
            .collect())
    }

    /// Reads the mark, or says why there is none.
    pub(super) fn read_mark(&self) -> Result<Result<(Mark, SegmentTable), RebuildReason>> {
        let path = self.dir.join(MARK);
        if !self
            .disk
            .exists(&path)
            .map_err(self.error("look for", &path))?
        {
            return Ok(Err(if self.shard_files()?.is_empty() {
                RebuildReason::Absent
            } else {
                RebuildReason::MissingMark
            }));
        }
        // A mark that the disk cannot deliver is as good as damaged: nothing but time is lost.
        Ok(durable::read(&*self.disk, &path, MARK_BYTES_MAX)
            .map_err(|_| RebuildReason::DamagedMark)
            .and_then(|bytes| Mark::decode(&bytes, &self.store_id)))
    }

    /// Makes the mark durable; every file that it names, and its name, must be durable already.
    ///
    /// # Errors
    /// After one of [`Undurable::Later`] the durable mark is the old one or this: both are valid as long as the files that
    /// either names are kept.
    pub(super) fn write_mark(&self, bytes: &[u8]) -> Result<(), Undurable> {
        let (disk, path) = (&*self.disk, self.dir.join(MARK));
        let prepared = durable::prepare(disk, &path, bytes);
        let prepared = prepared.map_err(self.error("write", &path));
        let prepared = prepared.map_err(Undurable::before)?;
        let renamed = durable::put_in_place(disk, &prepared, &path);
        let renamed = renamed.map_err(self.error("rename", &path));
        renamed.map_err(Undurable::before)?;
        let synced = durable::sync_dir(disk, &self.dir);
        let synced = synced.map_err(self.error("sync", &self.dir));
        synced.map_err(Undurable::of_folder)
    }

    /// Removes the mark durably: the next open rebuilds.
    pub(super) fn remove_mark(&self) -> Result<()> {
        let path = self.dir.join(MARK);
        if self
            .disk
            .exists(&path)
            .map_err(self.error("look for", &path))?
        {
            durable::remove(&*self.disk, &path).map_err(self.error("remove", &path))?;
        }
        Ok(())
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync_names(&self) -> Result<(), Undurable> {
        let synced = self.disk.sync_dir(&self.dir);
        let synced = synced.map_err(self.error("sync", &self.dir));
        synced.map_err(Undurable::of_folder)
    }

    fn path(&self, file: ShardFile) -> DiskPath {
        self.dir.join(&file.name())
    }

    fn header(&self, file: ShardFile, pages: u64) -> ShardHeader {
        ShardHeader {
            store_id: self.store_id,
            shard: file.shard,
            shards: self.shards,
            generation: file.generation,
            pages,
        }
    }

    /// Removes a shard's file; not durable until the names are synced, which nothing waits for: a file that no mark
    /// names is never read.
    pub(super) fn remove(&self, file: ShardFile) {
        let path = self.path(file);
        if let Err(error) = self.disk.remove(&path) {
            tracing::warn!(%path, %error, "a file of the hash index that is not needed could not be removed");
        }
    }

    /// Makes an empty file of `pages` pages, allocated and zeroed in full, but not durable. If that fails, no file stays: the
    /// next attempt makes one of another name, and none of them would be missed before the next start.
    pub(super) fn create(&self, file: ShardFile, pages: u64, sequence: u32) -> Result<Table> {
        let path = self.path(file);
        let made = self.allocate(&path, pages * PAGE_BYTES);
        if let Err(error) = made {
            if error.kind() != io::ErrorKind::AlreadyExists {
                self.disk.remove(&path).unwrap_or_default();
            }
            return Err(Error::io("allocate", &path, error));
        }
        let mapped = match self.pages.map(&path, pages * PAGE_BYTES) {
            Ok(mapped) => mapped,
            Err(error) => {
                self.disk.remove(&path).unwrap_or_default();
                return Err(Error::io("map", &path, error));
            }
        };
        let table = Table::new(mapped, self.header(file, pages), self.salt);
        table.format(sequence);
        Ok(table)
    }

    fn allocate(&self, path: &DiskPath, len: u64) -> io::Result<()> {
        if self.disk.exists(path)? {
            self.disk.remove(path)?;
        }
        self.disk.open(path, OpenMode::CreateDirect)?.allocate(len)
    }

    /// Flushes a shard's file, saying which checkpoint does it.
    fn flush(&self, table: &Table, sequence: u32) -> Result<()> {
        let path = self.path(table.file());
        table.flush(sequence).map_err(self.error("flush", &path))
    }

    /// Flushes all these shards' files; the first failure that was seen, once none is being flushed any more.
    pub(super) fn flush_all(&self, tables: &[Arc<Table>], sequence: u32) -> Result<()> {
        let one_by_one = |tables: &[Arc<Table>]| {
            let mut tables = tables.iter();
            tables.try_for_each(|table| self.flush(table, sequence))
        };
        let threads = self.pages.flushes_at_once().max(1);
        let mut shares = tables.chunks(tables.len().div_ceil(threads).max(1));
        let own = shares.next().unwrap_or_default();
        thread::scope(|scope| {
            let mut results = Vec::new();
            let mut others = Vec::new();
            for share in shares {
                let name = "moraine-flush".to_owned();
                let thread = thread::Builder::new().name(name);
                match thread.spawn_scoped(scope, move || one_by_one(share)) {
                    Ok(thread) => others.push(thread),
                    // Without another thread it only takes longer.
                    Err(_) => results.push(one_by_one(share)),
                }
            }
            results.push(one_by_one(own));
            for thread in others {
                results.push(thread.join().unwrap_or(Err(Error::Closed)));
            }
            results.into_iter().collect()
        })
    }

    /// Opens a file that the mark names.
    pub(super) fn adopt(
        &self,
        file: ShardFile,
        pages: u64,
        sequences: RangeInclusive<u32>,
    ) -> Result<Result<Table, RebuildReason>> {
        let shard = file.shard;
        let path = self.path(file);
        if !self
            .disk
            .exists(&path)
            .map_err(self.error("look for", &path))?
        {
            return Ok(Err(RebuildReason::MissingShard { shard }));
        }
        let opened = self.disk.open(&path, OpenMode::Read);
        let len = opened
            .and_then(|file| file.len())
            .map_err(self.error("open", &path))?;
        if pages == 0 || pages.checked_mul(PAGE_BYTES) != Some(len) {
            return Ok(Err(RebuildReason::ShardLength { shard }));
        }
        let mapped = self
            .pages
            .map(&path, len)
            .map_err(self.error("map", &path))?;
        let header = self.header(file, pages);
        let table = Table::new(mapped, header, self.salt);
        Ok(table.verify_header(sequences).map(|()| table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_survive_and_others_are_left_alone() {
        for (shard, generation, name) in [(0, 1, "00.1"), (255, 10, "ff.10"), (4096, 2, "1000.2")] {
            let file = ShardFile { shard, generation };
            assert_eq!(file.name(), name);
            assert_eq!(ShardFile::parse(name), Some(file));
        }
        for name in [
            "mark", "mark.tmp", "0.1", "00.01", "00.+1", "FF.1", "00.", ".1", "00.1.2",
        ] {
            assert_eq!(ShardFile::parse(name), None, "{name}");
        }
    }
}
