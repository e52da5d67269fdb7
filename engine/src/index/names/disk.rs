//! The store on disk: `fjall`, a log-structured merge tree.
//!
//! All three tables live in *one* tree, apart by a first byte. So each flush holds whole commits of all tables, and what a
//! crash leaves (flushed commits, then the journal up to its first incomplete batch) is a prefix of the commits. `fjall`
//! syncs its journal before it flushes, and at [`Kv::persist`].
//!
//! Damage: every block of a table has a checksum that is verified when it is read from disk, every journal batch one that
//! is verified when it is replayed. `fjall` answers some damage with a panic while it opens; that is caught here. What
//! only a background compaction runs into poisons the store: no commit succeeds any more. The folder is then marked, and
//! the next open reads every row before it trusts it. Known weakness: the first 13 bytes of a journal batch (its number
//! and its count) have no checksum; a bit that flips there, in the unflushed tail, between a crash and the next open, can
//! lose or reorder that batch unseen. `fsck`, which compares the index with the log, finds it.

use super::error::{NamesError, RebuildReason, Result};
use super::kv::{self, Change, Kv, KvStats, Table, Visit};
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
/// The file that `fjall` writes once a new folder is complete.
const VERSION: &str = "version";
/// Bytes of journals before the oldest is made superfluous by a flush: bounds the replay after a crash to about a second.
const JOURNALS_MAX: u64 = 128 << 20;
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
    database: Database,
    tree: Keyspace,
}

impl DiskKv {
    /// Opens the store in the folder at `path`, whose parent exists; makes it if it is not there.
    pub fn open(path: &Path, options: DiskOptions) -> Result<Self> {
        check_folder(path)?;
        let (database, tree) = guarded("open", || open(path, options))?;
        let store = Self {
            path: path.to_owned(),
            database,
            tree,
        };
        let suspect = path.join(SUSPECT);
        if suspect.exists() {
            store.verify()?;
            fs::remove_file(&suspect).map_err(|source| operating("open", source))?;
        }
        Ok(store)
    }

    /// Removes the folder, if there is one, so that the next open makes an empty store.
    ///
    /// A crash midway leaves a folder that no open trusts.
    pub fn remove(path: &Path) -> Result<()> {
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

    /// Translates an error, and leaves a mark for the next open if a background job failed.
    fn failed(&self, op: &'static str, error: fjall::Error) -> NamesError {
        if matches!(error, fjall::Error::Poisoned) {
            // Without the mark the next open is only less suspicious; the error is reported either way.
            let _ = fs::write(self.path.join(SUSPECT), b"");
        }
        translate(op, error)
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
        batch.commit().map_err(|error| self.failed("commit", error))
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<Visit>,
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

    fn persist(&self) -> Result<()> {
        self.database
            .persist(PersistMode::SyncData)
            .map_err(|error| self.failed("persist", error))
    }

    fn stats(&self) -> Result<KvStats> {
        let disk_bytes = self
            .database
            .disk_space()
            .map_err(|error| translate("measure", error))?;
        Ok(KvStats { disk_bytes })
    }
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
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let folder = fs::File::open(path)?;
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
    fs::remove_dir(path)
}

fn open(path: &Path, options: DiskOptions) -> fjall::Result<(Database, Keyspace)> {
    let database = Database::builder(path)
        .cache_size(options.cache_bytes)
        .max_journaling_size(JOURNALS_MAX)
        .worker_threads(WORKERS)
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
