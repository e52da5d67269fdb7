//! The store: what an application opens and uses.
//!
//! | file | what it does |
//! | --- | --- |
//! | `open`, `open_indexes` | recovery, indexes, a new incarnation |
//! | `blob_writer`, `single`, `ingest` | a body in: extents, hashes, dedup |
//! | `read`, `fetch` | a body out: verified, in bounded chunks |
//! | `hot_name`, `hot_read` | names that were asked for lately, and bodies that are given out without waiting |
//! | `object` | names: put, head, delete, copy, list |
//! | `batch_delete` | many deletions that share syncs |
//! | `upload`, `part_list`, `assemble` | multipart uploads |
//! | `catalog_ops`, `catalog_edit` | tenants, access keys, buckets |
//! | `usage` | how much the store holds: names, content, disk |
//! | `side_file` | small files of the application beside the store |
//! | `applier`, `replay` | the callers of the one apply |
//! | `checkpoint` | making the indexes durable now and then |
//! | `in_flight`, `pins`, `recent`, `damaged`, `key_locks` | what is shared between requests |
//! | `shared`, `workers` | what every request uses |
//! | `real`, `runtime`, `stepped`, `explored` | threads, one step at a time, or threads whose schedules are explored |

mod access_keys;
mod applier;
mod assemble;
mod batch_delete;
mod blob_writer;
mod bucket_end;
mod catalog_edit;
mod catalog_ops;
mod checkpoint;
mod damaged;
#[cfg(shuttle)]
mod explored;
mod fetch;
mod hot_name;
mod hot_read;
mod in_flight;
mod ingest;
mod key_locks;
mod object;
pub(crate) mod open;
mod open_indexes;
mod part_list;
mod pins;
mod read;
mod real;
mod recent;
pub(crate) mod replay;
mod runtime;
mod shared;
mod side_file;
mod single;
#[cfg(any(test, feature = "sim"))]
mod stepped;
mod upload;
mod usage;
mod workers;

pub use batch_delete::{DELETE_MANY_MAX, Deletion};
pub use blob_writer::{BlobWriter, StagedBlob};
pub use object::{Attributes, Condition, ListEntry, ListPage, Object};
pub use read::{BlobReader, CHUNK_BYTES};
pub use shared::Health;
#[cfg(any(test, feature = "sim"))]
pub use stepped::Stepper;
pub use upload::{CompletePart, PARTS_MAX, Part, Upload};
pub use usage::{Content, DiskUse, TenantUsage};

pub(crate) use fetch::record_at;
pub use hot_name::HotName;
pub(crate) use in_flight::InFlight;
pub(crate) use key_locks::KeyGuard;
pub(crate) use pins::Pin;

use crate::error::Result;
use crate::format::Geometry;
use crate::index::hash::HashConfig;
use crate::io::probe::IoChoice;
use crate::stats::Stats;
use crate::sync::Arc;
use runtime::Runtime;
use shared::Shared;

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which way to the disk.
    pub io: IoChoice,
    /// The lengths of a new store; an existing one keeps its own.
    pub geometry: Geometry,
    /// Memory for bodies on their way and recently written extents, in bytes.
    pub memory_bytes: usize,
    /// Whether to make a store in an empty folder.
    pub create: bool,
    /// Threads that hash; 0 for one a core.
    pub workers: usize,
    /// The shape of the hash index.
    pub hash: HashConfig,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            io: IoChoice::Auto,
            geometry: Geometry::default(),
            memory_bytes: 256 << 20,
            create: true,
            workers: 0,
            hash: HashConfig::default(),
        }
    }
}

/// An open store. Cheap to clone; the last clone that is dropped closes it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    runtime: Arc<Runtime>,
    created: bool,
}

impl Store {
    /// Writes what is queued, seals the log, makes the indexes durable. Further writes fail with
    /// [`Error::Closed`](crate::Error::Closed).
    ///
    /// # Errors
    /// That of the final checkpoint: the next start then replays more of the log. Nothing is lost.
    pub async fn close(&self) -> Result<()> {
        self.runtime.close(&self.shared).await
    }

    /// Whether opening made the store.
    pub const fn was_created(&self) -> bool {
        self.created
    }

    /// Whether the store takes writes.
    pub fn health(&self) -> Health {
        self.shared.health.lock().clone()
    }

    /// Whether memory for bodies is nearly used up: slow uploads should be timed out.
    pub fn under_pressure(&self) -> bool {
        self.shared.budget.under_pressure()
    }

    /// The lengths that this store was made with.
    pub fn geometry(&self) -> Geometry {
        self.shared.geometry
    }

    /// Counters since opening, and gauges.
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        let index = shared.indexes.hash.stats();
        let buckets = shared.indexes.catalog.read().bucket_ids();
        let sum = shared.indexes.names.usage_of(&buckets);
        let space = shared.disk.space().ok();
        let (cached_reads, cold_reads) = shared.reactor.reads();
        Stats {
            segments: shared.segments.len() as u64,
            index_entries: index.entries,
            index_bytes: index.bytes,
            names: sum.names,
            logical_bytes: sum.bytes,
            upload_bytes: sum.upload_bytes,
            budget_total: shared.budget.total() as u64,
            budget_used: shared.budget.used() as u64,
            budget_waiting: shared.budget.waiting(),
            budget_waits: shared.budget.waits(),
            cached_reads,
            cold_reads,
            recent_bytes: shared.recent.bytes() as u64,
            disk_free: space.map_or(0, |space| space.free),
            disk_total: space.map_or(0, |space| space.total),
            uring_submissions: crate::io::uring::submitted_total(),
            driver: shared.disk.driver(),
            applied: *shared.applied.lock(),
            ..shared.counters.read()
        }
    }
}
