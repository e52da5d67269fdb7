//! Reads that need nobody else: the name is in memory, and the content is too, or lies in the page cache at a known place.
//!
//! What cannot be had at once, for whatever reason (never asked for, several extents, memory short, not cached, does not
//! verify), is left to the long way, which waits, asks other copies, counts damage and says what is wrong. Nothing is given
//! out here that was not checked against its CRCs just now, bytes from memory included.
//!
//! No pin is taken: the bytes are in memory when these functions return, and bytes that went away meanwhile do not verify.

use super::HotName;
use super::Store;
use super::fetch::{Found, Source, to_usize, verify};
use super::read::{BlobReader, CHUNK_BYTES, counted, in_memory, within};
use super::recent::Kept;
use super::shared::Shared;
use crate::budget::Budget;
use crate::error::Result;
use crate::format::Extension;
use crate::id::Id;
use crate::position::{BucketId, Offset};
use crate::stats::Counters;
use crate::sync::Arc;
use bytes::Bytes;
use std::ops::Range;

impl Store {
    /// What a key means, if that was asked lately. Never waits.
    pub fn find_now(&self, bucket: BucketId, key: &[u8]) -> Option<Arc<HotName>> {
        self.shared.indexes.hot.get(bucket, key)
    }

    /// All bytes of a range of up to [`CHUNK_BYTES`], if they can be had at once. Never waits for a disk or for memory.
    pub fn read_now(&self, name: &HotName, range: Range<u64>) -> Option<Bytes> {
        let shared = &*self.shared;
        let object = name.object();
        let fits = range.start <= range.end && range.end <= object.size;
        if !fits || range.end - range.start > CHUNK_BYTES || !shared.is_one_extent(object.size) {
            return None;
        }
        let length = to_usize(range.end - range.start);
        let bytes = if length == 0 {
            Bytes::new()
        } else if shared.budget.under_pressure() {
            return None;
        } else {
            let share = Budget::share(Some(object.size));
            let block = u64::from(shared.geometry.crc_block_bytes);
            let granted = in_memory(object.size, &range, block);
            let grant = shared.budget.try_take(share, granted)?;
            counted(shared.content_now(name, range, granted)?, grant)
        };
        Counters::add(&shared.counters.gets, 1);
        Counters::add(&shared.counters.bytes_out, bytes.len() as u64);
        Some(bytes)
    }

    /// As [`Store::read`], of a name that was found: where its content lies is remembered.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_found(&self, name: &Arc<HotName>, range: Range<u64>) -> Result<BlobReader> {
        let shared = Arc::clone(&self.shared);
        BlobReader::open(shared, name.object(), range, Some(Arc::clone(name))).await
    }
}

impl Shared {
    fn is_one_extent(&self, size: u64) -> bool {
        size <= u64::from(self.geometry.extent_bytes)
    }

    /// Where the payload of an id is, if that is known without asking the index.
    pub(super) fn locate_now(&self, id: &Id, name: Option<&HotName>) -> Option<Source> {
        if let Some(kept) = self.recent.get(id) {
            return Some(Source::Memory(kept));
        }
        let found = name?.place()?;
        (found.header.id == *id && !self.is_damaged(&found)).then_some(Source::Disk(found))
    }

    fn is_damaged(&self, found: &Found) -> bool {
        let segment = &found.segment;
        let offset = Offset(found.offset);
        self.damaged.holds(segment.node, segment.number, offset)
    }

    /// A range of a content of one extent, verified, if it can be had at once. It keeps no more than what was granted.
    fn content_now(&self, name: &HotName, range: Range<u64>, granted: usize) -> Option<Bytes> {
        let block = u64::from(self.geometry.crc_block_bytes);
        let start = range.start - range.start % block;
        let size = name.object().size;
        let around = start..range.end.next_multiple_of(block).min(size);
        let asked = to_usize(range.start - start)..to_usize(range.end - start);
        if let Some(kept) = self.recent.get(&name.object().blob) {
            let blocks = kept
                .payload
                .get(to_usize(around.start)..to_usize(around.end))?;
            self.checked(&kept.extension, &around, blocks)?;
            Counters::add(&self.counters.recent_reads, 1);
            let view = kept.payload.slice_ref(blocks).slice(asked);
            return Some(within(view, kept.payload.len(), granted));
        }
        let found = name.place()?;
        let blocks = self.cached(&found, &around)?;
        if self.checked(&found.extension, &around, &blocks).is_none() {
            name.forget_place();
            return None;
        }
        if blocks.len() as u64 == size {
            self.keep_if_hot(name, &found, &blocks);
        }
        Some(blocks.slice(asked))
    }

    fn checked(&self, extension: &Extension, around: &Range<u64>, blocks: &[u8]) -> Option<()> {
        let block = to_usize(u64::from(self.geometry.crc_block_bytes));
        let whole = blocks.len() as u64 == around.end - around.start;
        (whole && verify(extension, around.start / block as u64, blocks, block)).then_some(())
    }

    /// What the page cache has of a record's payload.
    fn cached(&self, found: &Found, around: &Range<u64>) -> Option<Bytes> {
        if around.end > u64::from(found.header.payload_len) || self.is_damaged(found) {
            return None;
        }
        let at = found.offset + found.header.payload_at() as u64 + around.start;
        let len = to_usize(around.end - around.start);
        self.reactor.read_now(&found.file, at, len).ok()?
    }

    /// Counts a read of a whole content from its segment, and keeps the content in memory if it is read often.
    pub(super) fn keep_if_hot(&self, name: &HotName, found: &Found, payload: &Bytes) {
        if name.was_read() {
            // A copy: what was read lies in a larger, aligned buffer.
            let payload = Bytes::copy_from_slice(payload);
            self.recent.add(Kept {
                id: found.header.id,
                kind: found.header.kind,
                place: found.segment.place(found.offset),
                payload,
                extension: Arc::new(found.extension.clone()),
            });
        }
    }
}
