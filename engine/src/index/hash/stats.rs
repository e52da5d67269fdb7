//! Figures of a hash index, for metrics and `moraine inspect`.

use super::location::{Location, Tag};

/// The figures. After a crash `entries` and `tombstones` are estimates until each shard's next growth.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HashStats {
    /// Places that are held.
    pub entries: u64,
    /// Slots of removed places, of no use until the shard's next growth.
    pub tombstones: u64,
    /// All slots.
    pub slots: u64,
    /// Bytes of the live shard files.
    pub bytes: u64,
    /// Shards.
    pub shards: u64,
    /// Growths since the index was opened.
    pub growths: u64,
    /// Buckets in the longest search by an insert since the index was opened, or its shard grew.
    pub probe_max: u64,
    /// Segments that slots point to.
    pub segments: u64,
}

/// One slot, as [`super::HashIndex::iterate`] shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashEntry {
    /// The first bits of the id.
    pub shard: u32,
    /// Its bytes 8 to 15.
    pub tag: Tag,
    /// Where it may lie.
    pub location: Location,
}
