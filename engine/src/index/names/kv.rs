//! The seam to an embedded, ordered key-value store: what the name index needs of one, and no more.
//!
//! Invariants, kept by every implementation and checked by one suite over them:
//! - A commit is atomic: after a crash all of its changes are there or none.
//! - A crash rolls back to a *prefix* of the commits, and that prefix holds everything that was committed before the
//!   last [`Kv::persist`] that returned. Commits themselves are not synced.
//! - A reader sees whole commits; one [`Kv::range`] sees one state of the store.
//! - Damaged bytes are reported as [`RebuildReason::Storage`](super::RebuildReason::Storage), never returned as content.
//! - After a failed commit or persist nothing is retried: the caller stops writing.

use super::error::Result;
use std::fmt;
use std::ops::Bound;

/// A table: its keys are apart from those of the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Table {
    /// Bucket and key -> row.
    Names,
    /// Blob id, bucket and key -> size.
    Reverse,
    /// The state row and the usage of each bucket.
    Meta,
}

impl Table {
    /// Every table, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Names, Self::Reverse, Self::Meta];
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Names => "names",
            Self::Reverse => "reverse",
            Self::Meta => "meta",
        })
    }
}

/// One change of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Where.
    pub table: Table,
    /// Which row.
    pub key: Vec<u8>,
    /// What it becomes; `None` removes it.
    pub value: Option<Vec<u8>>,
}

/// What a visitor of [`Kv::range`] wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visit {
    /// The next row.
    Continue,
    /// No more rows.
    Stop,
}

/// Is shown the rows of a range: key and value.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> Result<Visit> + 'a;

/// Takes a row in: table, key, value.
pub type RowSink<'a> = dyn FnMut(Table, &[u8], &[u8]) -> Result<()> + 'a;

/// The size of a store.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct KvStats {
    /// About how many bytes it takes on disk.
    pub disk_bytes: u64,
}

/// An embedded, ordered key-value store. Its methods may block.
pub trait Kv: Send + Sync {
    /// Which implementation this is, for the log and the metrics.
    fn engine(&self) -> &'static str;

    /// The value of a row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Applies all changes or none. Not synced. No two changes may concern the same row.
    fn commit(&self, changes: Vec<Change>) -> Result<()>;

    /// Fills the store, which must be empty, with all rows that `rows` hands to the sink, in ascending order of table
    /// and key. All of them or none, also after a crash; durable once it returned.
    fn fill(&self, rows: &mut dyn FnMut(&mut RowSink<'_>) -> Result<()>) -> Result<()>;

    /// Visits the rows of a range in ascending order of their keys. The visitor may read the store; it must not commit.
    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visitor<'_>,
    ) -> Result<()>;

    /// Makes every commit so far durable.
    fn persist(&self) -> Result<()>;

    /// Remembers that something in it was found damaged: the next open verifies all of it. Nothing to do where opening
    /// always does.
    fn distrust(&self) {}

    /// How large it is.
    fn stats(&self) -> Result<KvStats>;
}

/// Whether no key can lie between the bounds. (`BTreeMap::range` panics on bounds that are the wrong way round.)
pub(super) fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to))
        | (Bound::Excluded(from), Bound::Included(to)) => from >= to,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
