//! What the store counts. Counters only grow; gauges are read when asked for.

use crate::position::LogPoint;
use crate::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The counters, shared by all threads.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        /// What the store counted since it was opened, and its gauges.
        #[derive(Debug, Clone, Copy, Default)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
            /// Segments of all logs.
            pub segments: u64,
            /// Entries of the hash index.
            pub index_entries: u64,
            /// Bytes of the hash index's files.
            pub index_bytes: u64,
            /// Live names of objects.
            pub names: u64,
            /// Bytes of the objects that those names stand for, before deduplication.
            pub logical_bytes: u64,
            /// Bytes in parts of uploads that are not complete.
            pub upload_bytes: u64,
            /// The memory budget for bodies, in bytes.
            pub budget_total: u64,
            /// Bytes of it in use.
            pub budget_used: u64,
            /// Times that a body had to wait for memory.
            pub budget_waits: u64,
            /// Bodies that wait for memory at this moment.
            pub budget_waiting: u64,
            /// Reads of payloads that the page cache answered.
            pub cached_reads: u64,
            /// Reads of payloads that went to the disk.
            pub cold_reads: u64,
            /// Bytes of recently written extents kept in memory.
            pub recent_bytes: u64,
            /// Free bytes of the file system that holds the store.
            pub disk_free: u64,
            /// All bytes of that file system.
            pub disk_total: u64,
            /// Operations handed to io_uring by this process; 0 where another driver runs.
            pub uring_submissions: u64,
            /// Which I/O driver runs.
            pub driver: &'static str,
            /// Up to where the log is applied: durable and visible.
            pub applied: LogPoint,
        }

        impl Counters {
            /// The counters as they are now, gauges at zero.
            pub fn read(&self) -> Stats {
                Stats {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    ..Stats::default()
                }
            }
        }
    };
}

counters! {
    /// Objects that were named: puts, copies and completed uploads.
    puts,
    /// Reads of objects that were begun.
    gets,
    /// Names that were deleted.
    deletes,
    /// Bytes of bodies taken in.
    bytes_in,
    /// Bytes of bodies given out.
    bytes_out,
    /// Extents that were known already.
    dedup_hits,
    /// Bytes of those extents, which were not written.
    dedup_bytes,
    /// Bytes written to the log, padding and headers included, footers not.
    log_bytes_written,
    /// Batches written.
    batches,
    /// Syncs of the log.
    syncs,
    /// Reads of payloads that were answered from recently written extents in memory.
    recent_reads,
    /// Reads that met damaged bytes.
    damaged_reads,
    /// Ids that the hash index did not know although a name needs them, found in a footer and put back.
    index_repairs,
    /// Checkpoints of the indexes.
    checkpoints,
    /// Checkpoints that failed; those that failed for want of descriptors, memory or room are tried again.
    checkpoints_failed,
}

impl Counters {
    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}
