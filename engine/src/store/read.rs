//! Giving a body out: verified chunk by chunk, a bounded number of bytes at a time.
//!
//! What a chunk keeps in memory is granted, not only what was asked for: whole CRC blocks, or an extent in memory that it is
//! a view of. Between two chunks nothing is kept but where to go on, so a slow reader holds one chunk, whatever becomes of
//! the extent in memory.

use super::HotName;
use super::fetch::{Source, to_usize};
use super::object::Object;
use super::shared::Shared;
use crate::budget::{Budget, Grant, Share};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::stats::Counters;
use crate::sync::Arc;
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;

/// A chunk is at most this long: four blocks of 64 KiB. What a slow client leaves unread is one chunk.
pub const CHUNK_BYTES: u64 = 256 * 1024;

/// A body on its way out.
pub struct BlobReader {
    shared: Arc<Shared>,
    pieces: VecDeque<Piece>,
    current: Option<Current>,
    remaining: u64,
    share: Share,
    failed: bool,
    /// To remember where the content lies, if it is one extent.
    name: Option<Arc<HotName>>,
    _pin: super::pins::Pin,
}

/// The piece that is being given out.
struct Current {
    id: Id,
    source: Source,
    /// What is still to be given.
    range: Range<u64>,
    /// Whether the source is a copy in memory or a remembered place: if it does not verify, the index has the last word.
    hint: bool,
}

/// The part of one extent that is asked for.
struct Piece {
    id: Id,
    range: Range<u64>,
}

impl BlobReader {
    /// Prepares to read `range` of an object.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the range lies outside the object; [`Error::Missing`] or [`Error::Damaged`] if its manifest
    /// cannot be read.
    pub(crate) async fn open(
        shared: Arc<Shared>,
        object: &Object,
        range: Range<u64>,
        name: Option<Arc<HotName>>,
    ) -> Result<Self> {
        if range.start > range.end || range.end > object.size {
            return Err(Error::Invalid {
                what: "range",
                why: "it lies outside the object",
            });
        }
        let extent_bytes = u64::from(shared.geometry.extent_bytes);
        let pin = shared.pins.pin(object.blob);
        let mut pieces = VecDeque::new();
        if object.size <= extent_bytes {
            pieces.push_back(Piece {
                id: object.blob,
                range: range.clone(),
            });
        } else if !range.is_empty() {
            let manifest = shared.manifest(object.blob).await?;
            let mut at = 0;
            for extent in &manifest.extents {
                let end = at + u64::from(extent.len);
                let from = range.start.max(at);
                let to = range.end.min(end);
                if from < to {
                    pieces.push_back(Piece {
                        id: extent.id,
                        range: from - at..to - at,
                    });
                }
                at = end;
            }
        }
        Counters::add(&shared.counters.gets, 1);
        let remaining = range.end - range.start;
        Ok(Self {
            shared,
            pieces,
            current: None,
            remaining,
            share: Budget::share(Some(object.size)),
            failed: false,
            name: name.filter(|_| object.size <= extent_bytes),
            _pin: pin,
        })
    }

    /// Bytes that are still to come.
    pub const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The next verified bytes; `None` once all were given. After an error nothing more comes.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        if self.failed || self.remaining == 0 {
            return None;
        }
        // Also if nobody waits for the end of this: the bytes that were on their way are not missing silently then.
        self.failed = true;
        let chunk = self.chunk().await;
        if let Ok(bytes) = &chunk {
            self.failed = false;
            self.remaining -= bytes.len() as u64;
            Counters::add(&self.shared.counters.bytes_out, bytes.len() as u64);
        }
        Some(chunk)
    }

    /// Finds where the next piece lies.
    async fn begin(&mut self) -> Result<Current> {
        let piece = self.pieces.pop_front().ok_or(Error::Closed)?;
        let id = piece.id;
        let (source, hint) = match self.shared.locate_now(&id, self.name.as_deref()) {
            Some(source) => (source, true),
            None => {
                let source = self.locate(id).await?;
                let hint = matches!(source, Source::Memory(_));
                (source, hint)
            }
        };
        if piece.range.end > source.len() {
            return Err(super::ingest::missing(id));
        }
        if let Some(name) = &self.name {
            name.set_place(&source);
        }
        Ok(Current {
            id,
            source,
            range: piece.range,
            hint,
        })
    }

    async fn locate(&self, id: Id) -> Result<Source> {
        let shared = Arc::clone(&self.shared);
        self.shared.lookup.run(move || shared.locate(&id)).await
    }

    /// The next bytes up to `end`. A hint that does not verify is forgotten, and the index asked once: only a place that it
    /// gave is known to be damaged then.
    async fn verified(&self, current: &mut Current, end: u64) -> Result<Bytes> {
        let range = current.range.start..end;
        let shared = &self.shared;
        if !std::mem::take(&mut current.hint) {
            return shared.read_payload(&current.source, range).await;
        }
        if let Some(bytes) = shared.read_if_sound(&current.source, range.clone()).await? {
            current.hint = true;
            return Ok(bytes);
        }
        let id = current.id;
        match &current.source {
            Source::Memory(_) => shared.recent.remove(&id),
            Source::Disk(_) => self.name.iter().for_each(|name| name.forget_place()),
        }
        let source = self.locate(id).await?;
        if range.end > source.len() {
            return Err(super::ingest::missing(id));
        }
        let bytes = shared.read_payload(&source, range).await?;
        // What does not verify twice was counted just now.
        Counters::add(&shared.counters.damaged_reads, 1);
        tracing::error!(%id, "bytes in memory or at a remembered place did not verify; they were had from where the index says");
        if let Some(name) = &self.name {
            name.set_place(&source);
        }
        current.source = source;
        Ok(bytes)
    }

    async fn chunk(&mut self) -> Result<Bytes> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin().await?,
        };
        let range = &current.range;
        // Chunks end at block boundaries, so that no block is read and checked twice.
        let block = u64::from(self.shared.geometry.crc_block_bytes);
        let pressed = self.shared.budget.under_pressure();
        let chunk = if pressed {
            block
        } else {
            CHUNK_BYTES.max(block)
        };
        let limit = (range.start + chunk) / block * block;
        let end = range.end.min(limit.max(range.start + 1));
        let asked = range.start..end;
        let granted = match &current.source {
            Source::Memory(_) => in_memory(current.source.len(), &asked, block),
            Source::Disk(_) => in_blocks(current.source.len(), &asked, block),
        };
        let grant = self.shared.budget.take(self.share, granted).await;
        let bytes = self.verified(&mut current, end).await?;
        let bytes = match &current.source {
            Source::Memory(kept) => within(bytes, kept.payload.len(), granted),
            Source::Disk(_) => bytes,
        };
        if let (Some(name), Source::Disk(found)) = (&self.name, &current.source)
            && bytes.len() as u64 == current.source.len()
        {
            self.shared.keep_if_hot(name, found, &bytes);
        }
        current.range.start = end;
        if !current.range.is_empty() {
            match current.source {
                Source::Disk(_) => self.current = Some(current),
                // Nobody counts an extent that is kept here after memory has let go of it.
                Source::Memory(_) => self.pieces.push_front(Piece {
                    id: current.id,
                    range: current.range,
                }),
            }
        }
        Ok(counted(bytes, grant))
    }
}

/// Bytes of the blocks around `range` of a payload of `len` bytes.
fn in_blocks(len: u64, range: &Range<u64>, block: u64) -> usize {
    to_usize(range.end.next_multiple_of(block).min(len) - (range.start - range.start % block))
}

/// Bytes to grant for `range` of a payload of `len` bytes that may be in memory: all of it if the range is more than half,
/// for a view keeps all of it; otherwise it is copied (see [`within`]).
pub(super) fn in_memory(len: u64, range: &Range<u64>, block: u64) -> usize {
    if 2 * (range.end - range.start) > len {
        to_usize(len)
    } else {
        in_blocks(len, range, block)
    }
}

/// A view of `held` bytes, or a copy of it if that is more than was granted.
pub(super) fn within(view: Bytes, held: usize, granted: usize) -> Bytes {
    if held > granted {
        Bytes::copy_from_slice(&view)
    } else {
        view
    }
}

/// Bytes that keep their grant.
pub(super) fn counted(bytes: Bytes, grant: Grant) -> Bytes {
    Bytes::from_owner(Counted {
        bytes,
        _grant: grant,
    })
}

/// Bytes that are counted in the budget while they are alive.
struct Counted {
    bytes: Bytes,
    _grant: Grant,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
