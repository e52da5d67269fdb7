//! How much the store holds.
//!
//! Names and their bytes are counted by apply, per bucket, and cost nothing to ask for. Distinct content is counted on
//! request, from the reverse table, page by page on the lookup threads: two seconds for a million names on a busy machine.
//! A counter kept by apply would cost every put a search of that table, for a figure that is looked at a few times a day.

use super::Store;
use crate::apply::names_error;
use crate::error::{Error, Result};
use crate::format::TenantId;
use crate::index::names::{ContentCount, Usage};
use crate::io::DiskPath;
use crate::position::BucketId;
use crate::sync::Arc;

/// Rows that are counted in one go: some ten milliseconds, after which other lookups have their turn.
const ROWS_AT_ONCE: usize = 5_000;

/// Distinct content: what the live names of objects stand for, each blob once, whichever bucket or tenant names it.
/// Parts of uploads that are not complete are left out.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Content {
    /// Blobs.
    pub blobs: u64,
    /// The sum of their sizes. Extents that several longer blobs share are counted with each.
    pub bytes: u64,
}

/// Bytes that the file system holds for the store, space reserved for what is to come included.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DiskUse {
    /// All logs: live and dead content, names, framing, and the reserved rest of the segment that is being written.
    pub log_bytes: u64,
    /// The hash index and the name index.
    pub index_bytes: u64,
}

/// What a tenant has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TenantUsage {
    /// Access keys.
    pub access_keys: usize,
    /// Buckets.
    pub buckets: usize,
    /// What all of them hold.
    pub held: Usage,
}

impl Store {
    /// What a bucket holds, from counters.
    pub fn usage(&self, bucket: BucketId) -> Usage {
        self.shared.indexes.names.usage(bucket)
    }

    /// What a tenant has. Costs some microseconds for each of its buckets.
    pub fn tenant_usage(&self, tenant: TenantId) -> TenantUsage {
        let catalog = self.shared.indexes.catalog.read();
        let access_keys = catalog.access_key_count(tenant);
        let buckets: Vec<BucketId> = catalog.bucket_ids_of(tenant).collect();
        drop(catalog);
        TenantUsage {
            access_keys,
            buckets: buckets.len(),
            held: self.shared.indexes.names.usage_of(&buckets),
        }
    }

    /// Counts the distinct content. Looks at every name; what changes meanwhile may be counted or not.
    ///
    /// # Errors
    /// [`Error::NameIndex`].
    pub async fn content(&self) -> Result<Content> {
        let mut count = ContentCount::default();
        while !count.is_done() {
            let shared = Arc::clone(&self.shared);
            let page = move || {
                let names = &shared.indexes.names;
                let counted = names.count_content(&mut count, ROWS_AT_ONCE);
                counted.map(|()| count).map_err(names_error)
            };
            count = self.shared.lookup.run(page).await?;
        }
        Ok(Content {
            blobs: count.blobs(),
            bytes: count.bytes(),
        })
    }

    /// Asks the file system how much the store takes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn disk_use(&self) -> Result<DiskUse> {
        let shared = Arc::clone(&self.shared);
        let ask = move || {
            let of = |name| {
                let folder = DiskPath::root().join(name);
                let bytes = shared.disk.allocated(&folder);
                bytes.map_err(|source| Error::io("measure", &folder, source))
            };
            Ok(DiskUse {
                log_bytes: of("log")?,
                index_bytes: of("index")?,
            })
        };
        self.shared.lookup.run(ask).await
    }
}
