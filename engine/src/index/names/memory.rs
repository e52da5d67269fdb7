//! The in-memory twin: `BTreeMap`s, and one checksummed snapshot file that each persist replaces.
//!
//! It goes through [`Disk`], so that the simulated disk can tear, lose and flip its bytes. A crash rolls back to the
//! last persist. The snapshot is read whole at open: bytes that changed since are found there, by its BLAKE3.
//!
//! Snapshot: magic 8 | BLAKE3 of the rest 32 | rows, each: table u8 | key length u32 | value length u32 | key | value.

use super::error::{NamesError, RebuildReason, Result};
use super::kv::{Change, Kv, KvStats, RowSink, Table, Visit, Visitor};
use crate::durable;
use crate::io::{Disk, DiskPath};
use crate::sync::{Arc, Mutex, RwLock};
use std::collections::BTreeMap;
use std::ops::Bound;

const MAGIC: &[u8; 8] = b"MNAMSNP1";
/// The twin serves tests: a snapshot past this many bytes is a mistake.
const SNAPSHOT_MAX: usize = 1 << 30;

#[derive(Clone, Default)]
struct Tables {
    names: BTreeMap<Vec<u8>, Vec<u8>>,
    reverse: BTreeMap<Vec<u8>, Vec<u8>>,
    meta: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Tables {
    const fn of(&self, table: Table) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        match table {
            Table::Names => &self.names,
            Table::Reverse => &self.reverse,
            Table::Meta => &self.meta,
        }
    }

    const fn of_mut(&mut self, table: Table) -> &mut BTreeMap<Vec<u8>, Vec<u8>> {
        match table {
            Table::Names => &mut self.names,
            Table::Reverse => &mut self.reverse,
            Table::Meta => &mut self.meta,
        }
    }
}

/// The twin of the store on disk.
pub struct MemoryKv {
    disk: Arc<dyn Disk>,
    path: DiskPath,
    /// Copied by a commit only while a range still reads it.
    tables: RwLock<Arc<Tables>>,
    /// Held while the snapshot is replaced; holds its size.
    snapshot: Mutex<u64>,
}

impl MemoryKv {
    /// Opens the twin whose snapshot is the file at `path`, in a folder that exists; empty if there is no file.
    pub fn open(disk: Arc<dyn Disk>, path: DiskPath) -> Result<Self> {
        let io = |source| NamesError::io("open", source);
        let mut tables = Tables::default();
        let mut size = 0;
        if disk.exists(&path).map_err(io)? {
            let content = durable::read(disk.as_ref(), &path, SNAPSHOT_MAX).map_err(io)?;
            size = content.len() as u64;
            tables = decode(&content)
                .ok_or_else(|| RebuildReason::Storage("the snapshot does not verify".to_owned()))?;
        }
        Ok(Self {
            disk,
            path,
            tables: RwLock::new(Arc::new(tables)),
            snapshot: Mutex::new(size),
        })
    }

    /// Removes the snapshot durably, if there is one: the next open finds an empty store.
    pub fn remove(disk: &dyn Disk, path: &DiskPath) -> Result<()> {
        let io = |source| NamesError::io("remove", source);
        if disk.exists(path).map_err(io)? {
            durable::remove(disk, path).map_err(io)?;
        }
        Ok(())
    }
}

impl Kv for MemoryKv {
    fn engine(&self) -> &'static str {
        "memory"
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.tables.read().of(table).get(key).cloned())
    }

    fn commit(&self, changes: Vec<Change>) -> Result<()> {
        let mut tables = self.tables.write();
        let tables = Arc::make_mut(&mut tables);
        for Change { table, key, value } in changes {
            let rows = tables.of_mut(table);
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn fill(&self, rows: &mut dyn FnMut(&mut RowSink<'_>) -> Result<()>) -> Result<()> {
        let mut changes = Vec::new();
        rows(&mut |table, key, value| {
            changes.push(Change {
                table,
                key: key.to_vec(),
                value: Some(value.to_vec()),
            });
            Ok(())
        })?;
        self.commit(changes)?;
        self.persist()
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visitor<'_>,
    ) -> Result<()> {
        if super::kv::is_empty(from, to) {
            return Ok(());
        }
        let tables = Arc::clone(&self.tables.read());
        for (key, value) in tables.of(table).range::<[u8], _>((from, to)) {
            if visit(key, value)? == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    fn persist(&self) -> Result<()> {
        let mut size = self.snapshot.lock();
        let tables = Arc::clone(&self.tables.read());
        let content = encode(&tables);
        durable::replace(self.disk.as_ref(), &self.path, &content)
            .map_err(|source| NamesError::io("persist", source))?;
        *size = content.len() as u64;
        Ok(())
    }

    fn stats(&self) -> Result<KvStats> {
        Ok(KvStats {
            disk_bytes: *self.snapshot.lock(),
        })
    }
}

fn encode(tables: &Tables) -> Vec<u8> {
    let mut rows = Vec::new();
    for (number, table) in (0_u8..).zip(Table::ALL) {
        for (key, value) in tables.of(table) {
            rows.push(number);
            for part in [key, value] {
                let len = u32::try_from(part.len()).expect("rows are far below 4 GiB");
                rows.extend_from_slice(&len.to_le_bytes());
            }
            rows.extend_from_slice(key);
            rows.extend_from_slice(value);
        }
    }
    let mut content = MAGIC.to_vec();
    content.extend_from_slice(blake3::hash(&rows).as_bytes());
    content.extend_from_slice(&rows);
    content
}

fn decode(content: &[u8]) -> Option<Tables> {
    let rest = content.strip_prefix(MAGIC)?;
    let (sum, mut rows) = rest.split_first_chunk::<32>()?;
    if blake3::hash(rows) != *sum {
        return None;
    }
    let mut tables = Tables::default();
    while let Some((&number, rest)) = rows.split_first() {
        let table = *Table::ALL.get(usize::from(number))?;
        let (key_len, rest) = rest.split_first_chunk()?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_len).try_into().ok()?)?;
        let (value, rest) =
            rest.split_at_checked(u32::from_le_bytes(*value_len).try_into().ok()?)?;
        tables.of_mut(table).insert(key.to_vec(), value.to_vec());
        rows = rest;
    }
    Some(tables)
}
