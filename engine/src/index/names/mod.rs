//! The name index: (bucket id, key) -> version, blob id, attributes; and the reverse, blob id -> names.
//!
//! Derived: all of it can be deleted and is rebuilt from the log. It stands on an embedded ordered key-value store behind
//! [`Kv`], and stores in every commit up to where in each log it is complete. Commits are not synced; a periodic
//! [`NameIndex::persist`] is. A crash therefore rolls back to a known position, from which the log is applied again.
//!
//! Whatever is wrong with the stored index (damage, another store's, another format) ends in one outcome,
//! [`NamesError::Rebuild`]: the caller removes it and applies the log from its start.

mod apply;
mod check;
mod disk;
mod error;
mod index;
mod kv;
mod list;
mod memory;
mod row;
mod state;

pub use apply::NameChange;
pub use check::Contradiction;
pub use disk::{DiskKv, DiskOptions};
pub use error::{NamesError, RebuildReason, Result};
pub use index::NameIndex;

pub use kv::{Change, Kv, KvStats, Table, Visit};
pub use list::{ListEntry, ListPage, ListQuery, ListStart, PAGE_BYTES_MAX, ROWS_SCANNED_MAX};
pub use memory::MemoryKv;
pub use row::{KEY_MAX, NameRow};
pub use state::{FORMAT, Usage};
