//! [`NameIndex`]: the one door to the names of a store, on top of any [`Kv`].

use super::apply::{NameChange, Plan};
use super::error::{NamesError, RebuildReason, Result};
use super::kv::{Change, Kv, KvStats, RowSink, Table, Visit};
use super::list::{self, ListEntry, ListPage, ListQuery, ListStart, Space};
use super::row::{self, NameRow};
use super::state::{STATE_KEY, State, USAGE_PREFIX, Usage};
use crate::format::NameKey;
use crate::id::Id;
use crate::index::Covered;
use crate::position::{BucketId, Hlc};
use crate::sync::Mutex;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Rows that one commit of [`NameIndex::clear`] removes: some hundred KiB of keys.
const CLEAR_BATCH: usize = 4096;

/// The names of a store: each with its newest version, by key and by blob.
///
/// Reads may run on any number of threads beside one [`NameIndex::apply`]; applies wait for each other.
pub struct NameIndex {
    kv: Box<dyn Kv>,
    /// Held by whoever commits. Apart from `current`, so that no reader of that waits for the disk.
    writing: Mutex<()>,
    current: Mutex<Current>,
}

/// Hands the rows of an index to a sink.
type Filling<'a> = dyn FnMut(&State, &mut RowSink<'_>) -> Result<BTreeMap<BucketId, Usage>> + 'a;

/// What the meta table says, in memory.
struct Current {
    state: State,
    usage: BTreeMap<BucketId, Usage>,
}

impl Current {
    fn new(store: [u8; 16]) -> Self {
        Self {
            state: State {
                store,
                hlc: Hlc::default(),
                covered: Covered::new(),
            },
            usage: BTreeMap::new(),
        }
    }
}

impl NameIndex {
    /// Opens the index of the store with this id. An empty one covers nothing.
    ///
    /// [`NamesError::Rebuild`] means: throw the stored index away and apply the log from its start.
    pub fn open(kv: Box<dyn Kv>, store: [u8; 16]) -> Result<Self> {
        let mut current = Current::new(store);
        match kv.get(Table::Meta, STATE_KEY)? {
            Some(found) => {
                let state = State::decode(&found)?;
                if state.store != store {
                    return Err(RebuildReason::OtherStore { found: state.store }.into());
                }
                current.state = state;
                current.usage = load_usage(kv.as_ref())?;
            }
            None => {
                if has_rows(kv.as_ref())? {
                    return Err(RebuildReason::NoState.into());
                }
            }
        }
        Ok(Self {
            kv,
            writing: Mutex::new(()),
            current: Mutex::new(current),
        })
    }

    /// Opens the index, or an empty one in its place if the stored one cannot be gone on with; then also says why.
    ///
    /// An index that was emptied, like one that is new, covers nothing: the caller applies the log from its start.
    pub fn open_or_empty(
        store: [u8; 16],
        open: impl Fn() -> Result<Box<dyn Kv>>,
        remove: impl FnOnce() -> Result<()>,
    ) -> Result<(Self, Option<RebuildReason>)> {
        match open().and_then(|kv| Self::open(kv, store)) {
            Ok(index) => Ok((index, None)),
            Err(NamesError::Rebuild(reason)) => {
                remove()?;
                Ok((Self::open(open()?, store)?, Some(reason)))
            }
            Err(error) => Err(error),
        }
    }

    /// The name of the storage engine, for the log and the metrics.
    pub fn engine(&self) -> &'static str {
        self.kv.engine()
    }

    /// The row of a name: its newest version, which may be a tombstone.
    pub fn get(&self, name: &NameKey) -> Result<Option<NameRow>> {
        self.kv
            .get(Table::Names, &row::names_key(name.bucket, &name.key))?
            .map(|stored| NameRow::decode(&stored))
            .transpose()
    }

    /// Takes records in and moves the covered points forwards, in one commit. Not durable before [`NameIndex::persist`].
    ///
    /// Idempotent: a record whose version is not newer than the name's is passed over. `covered` are points up to which
    /// everything is in, once these records are; `hlc` is the highest stamp seen. After an error that is not
    /// [`NamesError::KeyTooLong`] the index must not be written until it was opened again.
    pub fn apply(&self, changes: &[NameChange], covered: &Covered, hlc: Hlc) -> Result<()> {
        let _writing = self.writing.lock();
        let before = self.current.lock().state.clone();
        let mut plan = Plan::new(self.kv.as_ref());
        let mut state = before.clone();
        let mut stamp = hlc;
        for change in changes {
            plan.add(change, &|bucket| self.usage(bucket))?;
            stamp = stamp.max(change.version.hlc);
        }
        state.advance(covered, stamp);
        if plan.is_empty() && state == before {
            return Ok(());
        }
        let (changes, usage) = plan.finish(&state);
        self.kv.commit(changes)?;
        let mut current = self.current.lock();
        current.state = state;
        current.usage.extend(usage);
        Ok(())
    }

    /// Fills an index that never took a record; see [`super::Rebuild`]. `rows` hands all rows to the sink, with the state
    /// that they bring the index to, and returns what the buckets hold.
    pub(super) fn fill(&self, covered: &Covered, hlc: Hlc, rows: &mut Filling<'_>) -> Result<()> {
        let _writing = self.writing.lock();
        let mut state = self.current.lock().state.clone();
        assert!(state.covered.is_empty(), "only an empty index is filled");
        state.advance(covered, hlc);
        let mut usage = BTreeMap::new();
        self.kv.fill(&mut |sink| {
            usage = rows(&state, sink)?;
            Ok(())
        })?;
        let mut current = self.current.lock();
        *current = Current { state, usage };
        Ok(())
    }

    /// A page of a bucket's live names, as clients see them: no uploads, no parts.
    pub fn list(&self, bucket: BucketId, query: &ListQuery) -> Result<ListPage> {
        list::list(self.kv.as_ref(), bucket, Space::Objects, query)
    }

    /// A page of a bucket's live uploads and parts whose keys start with `prefix` (its first byte is 0, if it has one).
    pub fn list_reserved(
        &self,
        bucket: BucketId,
        prefix: &[u8],
        start: ListStart,
        limit: usize,
    ) -> Result<ListPage> {
        let query = ListQuery {
            prefix: prefix.to_vec(),
            delimiter: Vec::new(),
            start,
            limit,
        };
        list::list(self.kv.as_ref(), bucket, Space::Reserved, &query)
    }

    /// Visits every row of the catalog, in the order of the keys; those of deleted entries too.
    pub fn catalog(&self, visit: &mut dyn FnMut(NameKey, NameRow)) -> Result<()> {
        let bucket = BucketId(0);
        let mut query = ListQuery {
            limit: list::ROWS_SCANNED_MAX,
            ..ListQuery::default()
        };
        loop {
            let page = list::list(self.kv.as_ref(), bucket, Space::Catalog, &query)?;
            for entry in page.entries {
                if let ListEntry::Key { key, row } = entry {
                    visit(NameKey { bucket, key }, row);
                }
            }
            match page.next {
                Some(next) => query.start = next,
                None => return Ok(()),
            }
        }
    }

    /// Live names that use the blob, uploads' parts included, in order: at most `limit`, after the given one.
    pub fn names_of(
        &self,
        blob: &Id,
        after: Option<&NameKey>,
        limit: usize,
    ) -> Result<Vec<NameKey>> {
        let mut names = Vec::new();
        if limit == 0 {
            return Ok(names);
        }
        let start = after.map(|name| row::reverse_key(blob, name));
        let end = row::after_prefix(blob.as_bytes());
        self.kv.range(
            Table::Reverse,
            start
                .as_deref()
                .map_or(Bound::Included(blob.as_bytes().as_slice()), Bound::Excluded),
            end.as_deref().map_or(Bound::Unbounded, Bound::Excluded),
            &mut |key, _| {
                names.push(row::parse_reverse_key(key)?.1);
                Ok(if names.len() < limit {
                    Visit::Continue
                } else {
                    Visit::Stop
                })
            },
        )?;
        Ok(names)
    }

    /// What a bucket holds. From counters: cheap.
    pub fn usage(&self, bucket: BucketId) -> Usage {
        let current = self.current.lock();
        current.usage.get(&bucket).copied().unwrap_or_default()
    }

    /// What these buckets hold together.
    pub fn usage_of(&self, buckets: &[BucketId]) -> Usage {
        let current = self.current.lock();
        let known = buckets.iter().filter_map(|it| current.usage.get(it));
        known.fold(Usage::default(), |sum, usage| Usage {
            names: sum.names.saturating_add(usage.names),
            bytes: sum.bytes.saturating_add(usage.bytes),
            upload_bytes: sum.upload_bytes.saturating_add(usage.upload_bytes),
        })
    }

    /// Whether a bucket holds live names. Uploads that are not complete do not count.
    pub fn has_names(&self, bucket: BucketId) -> bool {
        self.usage(bucket).names > 0
    }

    /// Visits every row of the store, tombstones and catalog included, in the order of the names.
    pub fn for_each(&self, visit: &mut dyn FnMut(NameKey, NameRow) -> Result<Visit>) -> Result<()> {
        self.kv.range(
            Table::Names,
            Bound::Unbounded,
            Bound::Unbounded,
            &mut |key, value| visit(row::parse_names_key(key)?, NameRow::decode(value)?),
        )
    }

    /// Visits every pair of a blob and a live name that uses it, in the order of the blobs' ids.
    pub fn for_each_use(&self, visit: &mut dyn FnMut(Id, NameKey) -> Result<Visit>) -> Result<()> {
        self.kv.range(
            Table::Reverse,
            Bound::Unbounded,
            Bound::Unbounded,
            &mut |key, _| {
                let (blob, name) = row::parse_reverse_key(key)?;
                visit(blob, name)
            },
        )
    }

    /// Up to where in each node's log the index is complete; after a crash, what was last persisted or more.
    pub fn covered(&self) -> Covered {
        self.current.lock().state.covered.clone()
    }

    /// The highest stamp that was applied.
    pub fn last_hlc(&self) -> Hlc {
        self.current.lock().state.hlc
    }

    /// Notes that a row was found damaged, so that the next open looks at all of them.
    pub fn distrust(&self) {
        self.kv.distrust();
    }

    /// Makes every apply so far durable.
    pub fn persist(&self) -> Result<()> {
        self.kv.persist()
    }

    /// How large the index is.
    pub fn stats(&self) -> Result<KvStats> {
        self.kv.stats()
    }

    /// Empties the index row by row, durably; it covers nothing then. A crash midway leaves one that must be rebuilt.
    ///
    /// A large index on disk is emptied faster by removing its folder: [`NameIndex::open_or_empty`].
    pub fn clear(&self) -> Result<()> {
        let _writing = self.writing.lock();
        // The state goes first: rows without a state are never taken for an index.
        for table in [Table::Meta, Table::Names, Table::Reverse] {
            while let Some(changes) = removals(self.kv.as_ref(), table)? {
                self.kv.commit(changes)?;
            }
        }
        self.kv.persist()?;
        let mut current = self.current.lock();
        *current = Current::new(current.state.store);
        Ok(())
    }

    pub(super) fn kv(&self) -> &dyn Kv {
        self.kv.as_ref()
    }
}

fn removals(kv: &dyn Kv, table: Table) -> Result<Option<Vec<Change>>> {
    let mut changes = Vec::new();
    kv.range(table, Bound::Unbounded, Bound::Unbounded, &mut |key, _| {
        changes.push(Change {
            table,
            key: key.to_vec(),
            value: None,
        });
        Ok(if changes.len() < CLEAR_BATCH {
            Visit::Continue
        } else {
            Visit::Stop
        })
    })?;
    Ok(Some(changes).filter(|changes| !changes.is_empty()))
}

fn has_rows(kv: &dyn Kv) -> Result<bool> {
    let mut found = false;
    for table in Table::ALL {
        kv.range(table, Bound::Unbounded, Bound::Unbounded, &mut |_, _| {
            found = true;
            Ok(Visit::Stop)
        })?;
    }
    Ok(found)
}

/// Reads the usage rows.
pub(super) fn load_usage(kv: &dyn Kv) -> Result<BTreeMap<BucketId, Usage>> {
    let mut usage = BTreeMap::new();
    let end = row::after_prefix(USAGE_PREFIX);
    kv.range(
        Table::Meta,
        Bound::Included(USAGE_PREFIX),
        end.as_deref().map_or(Bound::Unbounded, Bound::Excluded),
        &mut |key, value| {
            let (bucket, counters) = Usage::decode(key, value)?;
            usage.insert(bucket, counters);
            Ok(Visit::Continue)
        },
    )?;
    Ok(usage)
}
