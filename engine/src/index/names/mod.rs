//! The name index: (bucket id, key) -> version, blob id, attributes; and the reverse, blob id -> names.
//!
//! Derived: all of it can be deleted and is rebuilt from the log. It stands on an embedded ordered key-value store behind
//! [`Kv`], and stores in every commit up to where in each log it is complete. Commits are not synced; a periodic
//! [`NameIndex::persist`] is. A crash therefore rolls back to a known position, from which the log is applied again.
//!
//! Whatever is wrong with the stored index (damage, another store's, another format) ends in one outcome,
//! [`NamesError::Rebuild`]: the caller removes it and applies the log from its start ([`NameIndex::open_or_empty`]).
//!
//! # Which store
//!
//! `fjall` 3.1 was chosen over `redb` 4.5 by measurement: 10 million names with keys of 90 bytes and rows of 250, each with
//! its reverse row and a state row per commit; each put reads the old row first; a persist every two seconds; a cache of
//! 256 MiB for both; ext4 on 2 shared cores, one engine after the other. `benches/src/bin/names.rs` repeats it. The figures
//! are of the first code on either (commit 93b4056) and say which to choose; what the present code does at ten million names is in
//! `benches/growth.md`.
//!
//! | | fjall | redb |
//! | --- | --: | --: |
//! | put, commits of 64, up to 10 million | 68,500/s | 39,600/s |
//! | put, commits of 16, then 500,000 more | 121,000/s | 31,100/s |
//! | overwrite random names, commits of 16 | 28,700/s | 6,500/s |
//! | random get | 40,100/s | 30,200/s |
//! | get of an absent name | 93,600/s | 124,000/s |
//! | list 1,000 after a random key | 1,216/s | 427/s |
//! | CPU of a put (64) / get / list | 14 / 16 / 473 us | 18 / 9 / 733 us |
//! | slowest commit | 1.8 s | 2.9 s |
//! | size, bytes a name (478 of them content) | 476 | 900 |
//! | written to the disk for 10 million names | 27 GB | 47 GB |
//! | peak memory | 562 MiB | 291 MiB |
//! | 30 s of writes without persist, `kill -9`: open and first get | 1.0 s, nothing lost | 0.7 s, back to the persist |
//!
//! - The last row is with `redb`'s quick repair, at 2 million names; without it the same took 49 s at 10 million.
//! - Through [`NameIndex`], on a machine three times as busy: `fjall` put 9.8 million names at 29,800/s with 17 us of CPU
//!   each, `redb` 1.6 million at 17,600/s with 22 us each. A cache of 64 MiB and memtables of 16 MiB, the default, took
//!   226 MiB at 3 million names.
//! - A cleanly closed file with one flipped bit: `redb` checks no checksums when it opens or reads, and returned other rows
//!   for three flips in four. `fjall` verifies every block it loads; of 5,600 flips none gave wrong rows once the
//!   journal's one gap was closed (`disk.rs`, `journal.rs`).
//! - What `redb` does better: half the memory, reads of keys that are in its cache at half the CPU, no background threads.
//! - Weaknesses taken: one maintainer; commits that wait up to two seconds for a flush under a constant load of
//!   more than it can compact; no read-only open (a check works on a copy); after a power cut, pages of the journal that
//!   were written out of order are taken for damage, which means a rebuild and not only a replay.

mod apply;
mod archive;
mod check;
mod content;
mod disk;
mod error;
mod index;
mod journal;
mod kv;
mod list;
mod memory;
mod rebuild;
mod row;
mod sorter;
mod spill;
mod state;

pub use apply::NameChange;
pub use check::Contradiction;
pub use content::ContentCount;
pub use disk::{DiskKv, DiskOptions};
pub use error::{NamesError, RebuildReason, Result};
pub use index::NameIndex;
pub use kv::{Change, Kv, KvStats, RowSink, Table, Visit, Visitor};
pub use list::{ListEntry, ListPage, ListQuery, ListStart, PAGE_BYTES_MAX, ROWS_SCANNED_MAX};
pub use memory::MemoryKv;
pub use rebuild::Rebuild;
pub use row::{KEY_MAX, NameRow};
#[cfg(any(test, feature = "sim"))]
pub(crate) use spill::SpillOnDisk;
pub use spill::{Spill, SpillFolder};
pub use state::{FORMAT, Usage};
