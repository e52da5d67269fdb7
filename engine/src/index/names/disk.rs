//! The store on disk: `fjall`, a log-structured merge tree.
//!
//! All three tables live in *one* tree, apart by a first byte. So each flush holds whole commits of all tables, and what a
//! crash leaves (flushed commits, then the journal up to its first incomplete batch) is a prefix of the commits. `fjall`
//! syncs its journal before it flushes, and at [`Kv::persist`].
//!
//! Damage: every block of a table has a checksum that is verified when it is read from disk, every journal batch one that
//! is verified when it is replayed. `fjall` answers some damage with a panic while it opens; that is caught here. What
//! only a background compaction runs into poisons the store: no commit succeeds any more. The folder is then marked, and
//! the next open reads every row before it trusts it. The one thing in the
//! journal that has no checksum is covered by [`journal`], and the one number that is believed before its checksum by
//! [`archive`].

use super::archive;
use super::error::{NamesError, RebuildReason, Result};
use super::journal;
use super::kv::{self, Change, Kv, KvStats, RowSink, Table, Visit, Visitor};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::fs;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The one tree.
const TREE: &str = "names";
/// Its presence says that a background job failed: the next open verifies every row.
const SUSPECT: &str = "suspect";
/// Its presence says that the folder is being removed.
const REMOVED: &str = "removed";
/// Made and removed to find out whether there is room.
const ROOM: &str = "room";
/// The file that `fjall` writes once a new folder is complete.
const VERSION: &str = "version";
/// The file that `fjall` locks.
const LOCK: &str = "lock";
/// The folder of its trees.
const TREES: &str = "keyspaces";
/// The end of a journal's name.
const JOURNAL: &str = ".jnl";
/// The folder of a tree's sorted tables, which are never written again.
const TABLES: &str = "tables";
/// Bytes of journals before the oldest is made superfluous by a flush: bounds the replay after a crash to about a second.
const JOURNALS_MAX: u64 = 128 << 20;
/// Open files: tables are 64 MiB each, so this reaches 16 GiB of index, about 35 million names, without reopening any.
const FILES_MAX: usize = 256;
/// One thread flushes while the other compacts.
const WORKERS: usize = 2;

/// What a store on disk may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskOptions {
    /// Bytes of table blocks kept in memory.
    pub cache_bytes: u64,
    /// Bytes of new rows gathered in memory before they are flushed; up to five times as much in a burst.
    pub memtable_bytes: u64,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            memtable_bytes: 16 << 20,
        }
    }
}

/// The store on disk.
pub struct DiskKv {
    path: PathBuf,
    memtable_bytes: u64,
    database: Database,
    tree: Keyspace,
    /// The folder, if it is a copy. Last, so that it goes after the database was closed.
    scratch: Option<Scratch>,
}

impl DiskKv {
    /// Opens the store in the folder at `path`, whose parent exists; makes it if it is not there.
    pub fn open(path: &Path, options: DiskOptions) -> Result<Self> {
        check_folder(path)?;
        let (database, tree) = guarded("open", || open(path, options))?;
        let store = Self {
            path: path.to_owned(),
            memtable_bytes: options.memtable_bytes,
            database,
            tree,
            scratch: None,
        };
        let suspect = path.join(SUSPECT);
        if suspect.exists() {
            store.verify()?;
            fs::remove_file(&suspect).map_err(|source| operating("open", source))?;
        }
        Ok(store)
    }

    /// Opens a copy of a stopped store's folder, for `fsck`: the original is not changed. `fjall` cannot open read-only.
    ///
    /// The copy is a new folder `scratch`, which goes with the store. Tables, which `fjall` never changes but only
    /// removes, are hard links where `scratch` is on the same file system; journals (up to 200 MiB) are copied.
    pub fn open_for_check(path: &Path, scratch: &Path, options: DiskOptions) -> Result<Self> {
        check_folder(path)?;
        let copy = Scratch(scratch.to_owned());
        copy_folder(path, &copy.0).map_err(|source| operating("copy", source))?;
        let mut store = Self::open(&copy.0, options)?;
        store.scratch = Some(copy);
        Ok(store)
    }

    /// Removes the folder, if there is one, so that the next open makes an empty store.
    ///
    /// A crash midway leaves a folder that no open trusts. One that a link leads to is emptied, and only if it holds nothing but
    /// what an index may have left there: the link may have been set to the wrong place ([`NamesError::NotOurs`]).
    pub fn remove(path: &Path) -> Result<()> {
        if let Some(found) = stranger(path).map_err(|source| NamesError::io("remove", source))? {
            let folder = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            return Err(NamesError::NotOurs {
                folder: folder.display().to_string(),
                found,
            });
        }
        match remove(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(NamesError::io("remove", source))
            }
            _ => Ok(()),
        }
    }

    /// Reads every row of every table, and so verifies every block.
    pub fn verify(&self) -> Result<()> {
        for table in Table::ALL {
            self.range(table, Bound::Unbounded, Bound::Unbounded, &mut |_, _| {
                Ok(Visit::Continue)
            })?;
        }
        Ok(())
    }

    /// Runs a write, and leaves a mark for the next open if a background job failed: what stopped it may be damage.
    ///
    /// `fjall` does not tell what the job ran into; that there is no room for another table is found out here.
    fn write(&self, op: &'static str, call: impl FnOnce() -> fjall::Result<()>) -> Result<()> {
        let error = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => fjall::Error::Poisoned,
        };
        if matches!(error, fjall::Error::Poisoned) {
            // Without the mark the next open is only less suspicious; the error is reported either way.
            self.distrust();
            if let Some(source) = self.is_full() {
                return Err(NamesError::io(op, source));
            }
        }
        Err(translate(op, error))
    }

    /// Why a table cannot be written, if the disk or the quota is what it lacks.
    fn is_full(&self) -> Option<io::Error> {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        let path = self.path.join(ROOM);
        let tried = fs::File::create(&path).and_then(|file| {
            let flags = rustix::fs::FallocateFlags::empty();
            Ok(rustix::fs::fallocate(&file, flags, 0, self.memtable_bytes)?)
        });
        let _ = fs::remove_file(&path);
        tried
            .err()
            .filter(|error| matches!(error.kind(), StorageFull | QuotaExceeded))
    }
}

impl Kv for DiskKv {
    fn engine(&self) -> &'static str {
        "fjall"
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = guarded("read", || self.tree.get(stored_key(table, key)))?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn commit(&self, changes: Vec<Change>) -> Result<()> {
        let mut batch = self.database.batch();
        for Change { table, key, value } in changes {
            let key = stored_key(table, &key);
            match value {
                Some(value) => batch.insert(&self.tree, key, value),
                None => batch.remove(&self.tree, key),
            }
        }
        self.write("commit", || batch.commit())
    }

    fn fill(&self, rows: &mut dyn FnMut(&mut RowSink<'_>) -> Result<()>) -> Result<()> {
        // Written straight into tables, each once, and synced; one new version of the tree names them all.
        let mut ingestion = guarded("fill", || self.tree.start_ingestion())?;
        let mut stored = Vec::new();
        rows(&mut |table, key, value| {
            stored.clear();
            stored.push(prefix(table));
            stored.extend_from_slice(key);
            guarded("fill", || ingestion.write(stored.as_slice(), value))
        })?;
        guarded("fill", || ingestion.finish())
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visitor<'_>,
    ) -> Result<()> {
        if kv::is_empty(from, to) {
            return Ok(());
        }
        let from = match from {
            Bound::Unbounded => Bound::Included(vec![prefix(table)]),
            bound => bound.map(|key| stored_key(table, key)),
        };
        let to = match to {
            Bound::Unbounded => Bound::Excluded(vec![prefix(table) + 1]),
            bound => bound.map(|key| stored_key(table, key)),
        };
        let mut rows = guarded("read", || Ok(self.tree.range((from, to))))?;
        loop {
            let next = guarded("read", || {
                rows.next().map(fjall::Guard::into_inner).transpose()
            })?;
            let Some((key, value)) = next else {
                return Ok(());
            };
            let key = key.get(1..).unwrap_or_default();
            if visit(key, &value)? == Visit::Stop {
                return Ok(());
            }
        }
    }

    fn distrust(&self) {
        // A folder that cannot be written keeps its damage; the checksums find it again.
        let _ = fs::write(self.path.join(SUSPECT), b"");
    }

    fn persist(&self) -> Result<()> {
        self.write("persist", || self.database.persist(PersistMode::SyncData))
    }

    fn stats(&self) -> Result<KvStats> {
        let disk_bytes = self
            .database
            .disk_space()
            .map_err(|error| translate("measure", error))?;
        Ok(KvStats { disk_bytes })
    }
}

/// A folder that is removed when the value is dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody is left to tell; what stays behind is a copy that no open looks at.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    let tables = from.file_name().is_some_and(|name| name == TABLES);
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&source, &target)?;
        } else if !tables || fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Refuses a folder that `fjall` would take for a new one although it holds files of an old one.
fn check_folder(path: &Path) -> Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries.count(),
        Err(source) if source.kind() == io::ErrorKind::NotFound => 0,
        Err(source) => return Err(operating("open", source)),
    };
    if entries > 0 && (!path.join(VERSION).exists() || path.join(REMOVED).exists()) {
        return Err(RebuildReason::Storage("its folder is incomplete".to_owned()).into());
    }
    if entries > 0 && !journal::in_order(path).map_err(|source| operating("open", source))? {
        return Err(RebuildReason::Storage("its journal is out of order".to_owned()).into());
    }
    if entries > 0 && !archive::are_bounded(path).map_err(|source| operating("open", source))? {
        return Err(RebuildReason::Storage("a table of contents is damaged".to_owned()).into());
    }
    Ok(())
}

/// What is in the folder at `path` that no index makes, if it or its parent is a link.
fn stranger(path: &Path) -> io::Result<Option<String>> {
    let parent = path.parent().unwrap_or(path);
    if !(path.is_symlink() || parent.is_symlink()) || !path.is_dir() {
        return Ok(None);
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let known = [VERSION, LOCK, TREES, REMOVED, SUSPECT, ROOM].contains(&name.as_str());
        if !known && !name.ends_with(JOURNAL) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn remove(path: &Path) -> io::Result<()> {
    // What is no folder, or a link that leads nowhere, was never one of ours.
    if !path.is_dir() {
        return crate::io::remove_all(path);
    }
    let linked = fs::symlink_metadata(path)?.is_symlink();
    let folder = fs::File::open(path)?;
    if path.join(REMOVED).is_dir() {
        fs::remove_dir_all(path.join(REMOVED))?;
    }
    fs::File::create(path.join(REMOVED))?.sync_all()?;
    folder.sync_all()?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != REMOVED {
            fs::remove_file(entry.path())?;
        }
    }
    folder.sync_all()?;
    fs::remove_file(path.join(REMOVED))?;
    if linked {
        // Whoever put the folder elsewhere wants it there.
        return Ok(());
    }
    fs::remove_dir(path)
}

fn open(path: &Path, options: DiskOptions) -> fjall::Result<(Database, Keyspace)> {
    let database = Database::builder(path)
        .cache_size(options.cache_bytes)
        .max_journaling_size(JOURNALS_MAX)
        .worker_threads(WORKERS)
        .max_cached_files(Some(FILES_MAX))
        .open()?;
    let tree = database.keyspace(TREE, || {
        KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes)
    })?;
    Ok((database, tree))
}

const fn prefix(table: Table) -> u8 {
    match table {
        Table::Names => 0,
        Table::Reverse => 1,
        Table::Meta => 2,
    }
}

fn stored_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + key.len());
    out.push(prefix(table));
    out.extend_from_slice(key);
    out
}

/// Runs a call of the crate; a panic in it is damage like any other. Its message has gone to the panic hook.
fn guarded<T>(op: &'static str, call: impl FnOnce() -> fjall::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| translate(op, error)),
        Err(_) => Err(RebuildReason::Storage("it does not parse".to_owned()).into()),
    }
}

fn translate(op: &'static str, error: fjall::Error) -> NamesError {
    match error {
        fjall::Error::Locked => NamesError::Locked,
        fjall::Error::Poisoned => NamesError::io(
            op,
            io::Error::other("an earlier write or background job failed"),
        ),
        fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => {
            operating(op, source)
        }
        other => RebuildReason::Storage(other.to_string()).into(),
    }
}

/// Tells trouble of the machine, which a rebuild would only repeat, from files that are not as they should be.
fn operating(op: &'static str, source: io::Error) -> NamesError {
    use io::ErrorKind as Kind;
    let damage = match source.raw_os_error() {
        None => true,
        Some(_) => matches!(
            source.kind(),
            Kind::NotFound
                | Kind::AlreadyExists
                | Kind::InvalidInput
                | Kind::IsADirectory
                | Kind::NotADirectory
                | Kind::UnexpectedEof
        ),
    };
    if damage {
        RebuildReason::Storage(source.to_string()).into()
    } else {
        NamesError::io(op, source)
    }
}
