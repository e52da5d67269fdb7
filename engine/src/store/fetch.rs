//! Finding a record by id, and reading it with every check: the index's answer against the record, blocks against their
//! CRCs.

use super::recent::Kept;
use super::shared::Shared;
use crate::apply::SameId;
use crate::error::{DamageKind, Error, Result};
use crate::format::{Digests, Extension, Manifest, RECORD_HEADER_LEN, RecordHeader, RecordKind};
use crate::id::Id;
use crate::index::hash::Location;
use crate::io::Disk;
use crate::io::reactor::is_stopped;
use crate::log::scan::read_at;
use crate::log::{Segment, Segments};
use crate::position::Offset;
use crate::stats::Counters;
use crate::sync::Arc;
use bytes::Bytes;
use std::ops::Range;

/// Read with a record's header: enough for the extension of a 1 MiB extent.
const HEADER_READ_BYTES: usize = 256;

/// A record that was found, its payload not read yet.
#[derive(Clone)]
pub(crate) struct Found {
    pub segment: Arc<Segment>,
    pub file: Arc<dyn crate::io::File>,
    /// Where the record begins.
    pub offset: u64,
    pub header: RecordHeader,
    pub extension: Extension,
}

/// Where the payload of an id can be had.
#[derive(Clone)]
pub(crate) enum Source {
    /// In memory: written a moment ago, or read often.
    Memory(Kept),
    /// In a segment.
    Disk(Arc<Found>),
}

impl Source {
    /// The payload's length.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(kept) => kept.payload.len() as u64,
            Self::Disk(found) => u64::from(found.header.payload_len),
        }
    }

    fn extension(&self) -> &Extension {
        match self {
            Self::Memory(kept) => &kept.extension,
            Self::Disk(found) => &found.extension,
        }
    }
}

/// Reads and checks the header and extension of the record at a place.
pub(crate) fn record_at(disk: &dyn Disk, segments: &Segments, at: Location) -> Result<Found> {
    let segment = segments.get(at.node, at.segment).ok_or(Error::Damaged {
        place: crate::Place {
            node: at.node,
            segment: at.segment,
            offset: at.offset,
        },
        kind: DamageKind::MissingSegment,
    })?;
    let opened = segment.open(disk)?;
    let offset = at.offset.0;
    let read = |len| {
        read_at(&opened.file, offset, len)
            .map_err(|source| Error::io("read", &segment.path(), source))
    };
    let damaged = || Error::Damaged {
        place: segment.place(offset),
        kind: DamageKind::RecordHeader,
    };
    let mut bytes = read(HEADER_READ_BYTES)?;
    let header =
        RecordHeader::decode(&bytes, opened.binding, &opened.geometry).map_err(|_| damaged())?;
    let need = RECORD_HEADER_LEN + header.extension_len as usize;
    if bytes.len() < need {
        bytes = read(need)?;
    }
    let extension = bytes
        .get(RECORD_HEADER_LEN..need)
        .and_then(|bytes| Extension::decode(bytes, &header, &opened.geometry).ok())
        .ok_or_else(damaged)?;
    Ok(Found {
        file: Arc::clone(&opened.file),
        segment,
        offset,
        header,
        extension,
    })
}

/// [`SameId`] by looking at the record.
pub(crate) struct SameRecord<'a> {
    pub disk: &'a dyn Disk,
    pub segments: &'a Segments,
}

impl SameId for SameRecord<'_> {
    fn is(&self, location: Location, id: &Id) -> bool {
        record_at(self.disk, self.segments, location).is_ok_and(|found| found.header.id == *id)
    }
}

impl Shared {
    /// The digests of the content with this id, if the index knows a record of it that is not known to be damaged; none
    /// but of a record of this `kind`, because the digests of a manifest's record are those of the content that it lists.
    /// Blocks.
    pub fn known(&self, id: &Id, kind: RecordKind) -> Result<Option<Digests>> {
        let of = |(found, digests): (RecordKind, Digests)| {
            if found == kind {
                digests
            } else {
                Digests::default()
            }
        };
        for location in self.indexes.hash.lookup(id).iter() {
            if self.damaged.contains(location) {
                continue;
            }
            if let Some(found) = self.recent.at(id, location) {
                return Ok(Some(of(found)));
            }
            match record_at(&*self.disk, &self.segments, location) {
                Ok(found) if found.header.id == *id && found.header.kind.is_content() => {
                    return Ok(Some(of((found.header.kind, found.extension.digests))));
                }
                Ok(_) | Err(Error::Damaged { .. }) => {}
                Err(error) => {
                    tracing::warn!(%id, %error, "a known extent cannot be looked at; its bytes are stored once more");
                }
            }
        }
        Ok(None)
    }

    /// Where the payload of an id is. Blocks.
    ///
    /// # Errors
    /// [`Error::Missing`] if nothing holds it, [`Error::Damaged`] if what holds it does not verify.
    pub fn locate(&self, id: &Id) -> Result<Source> {
        if let Some(kept) = self.recent.get(id) {
            return Ok(Source::Memory(kept));
        }
        for location in self.indexes.hash.lookup(id).iter() {
            if self.damaged.contains(location) {
                continue;
            }
            match record_at(&*self.disk, &self.segments, location) {
                Ok(found) if found.header.id == *id && found.header.kind.is_content() => {
                    return Ok(Source::Disk(Arc::new(found)));
                }
                Ok(_) | Err(Error::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.locate_by_footers(id).inspect_err(|error| {
            Counters::add(&self.counters.damaged_reads, 1);
            tracing::error!(%id, %error, "bytes that a name needs cannot be read");
        })
    }

    /// The slow way, for an index that is wrong: it costs a lookup, never data.
    fn locate_by_footers(&self, id: &Id) -> Result<Source> {
        let mut damage = None;
        for segment in self.segments.all() {
            match self.locate_in_footer(&segment, id, &mut damage) {
                Ok(Some(found)) => return Ok(Source::Disk(Arc::new(found))),
                Ok(None) => {}
                Err(error) => damage = Some(error),
            }
        }
        Err(damage.unwrap_or(Error::Missing { id: *id }))
    }

    /// Looks for an id in one segment's footer; a place that does not verify is noted in `damage`.
    fn locate_in_footer(
        &self,
        segment: &Arc<Segment>,
        id: &Id,
        damage: &mut Option<Error>,
    ) -> Result<Option<Found>> {
        let opened = segment.open(&*self.disk)?;
        let Some(footer) = crate::log::read_footer(segment, &opened)? else {
            return Ok(None);
        };
        for entry in footer.lookup(id) {
            let location = Location {
                node: segment.node,
                segment: segment.number,
                offset: entry.offset,
                size_hint: Location::UNKNOWN_SIZE,
            };
            if self.damaged.contains(location) {
                *damage = Some(Error::Damaged {
                    place: segment.place(entry.offset.0),
                    kind: DamageKind::Payload,
                });
                continue;
            }
            match record_at(&*self.disk, &self.segments, location) {
                Ok(found) if found.header.id == *id => {
                    self.repair_index(id, location, &found);
                    return Ok(Some(found));
                }
                Ok(_) => {}
                Err(error) => *damage = Some(error),
            }
        }
        Ok(None)
    }

    /// Puts back what the hash index had lost. Failing to is no reason not to serve the bytes.
    fn repair_index(&self, id: &Id, at: Location, found: &Found) {
        let same = self.same_record();
        let size_hint = u32::try_from(found.header.len()).unwrap_or(Location::UNKNOWN_SIZE);
        let location = Location { size_hint, ..at };
        let repaired = self
            .indexes
            .hash
            .insert(id, location, &mut |other| Ok(same.is(other, id)));
        match repaired {
            Ok(_) => {
                Counters::add(&self.counters.index_repairs, 1);
                tracing::warn!(%id, "the hash index did not know an id that a name needs; repaired");
            }
            Err(error) => tracing::warn!(%id, %error, "the hash index cannot be repaired"),
        }
    }

    pub(crate) fn same_record(&self) -> SameRecord<'_> {
        SameRecord {
            disk: &*self.disk,
            segments: &self.segments,
        }
    }

    /// Reads part of a payload, verified: whole CRC blocks are read and checked, and the asked range of them returned.
    pub async fn read_payload(&self, source: &Source, range: Range<u64>) -> Result<Bytes> {
        let start = range.start;
        match self.read_if_sound(source, range).await? {
            Some(bytes) => Ok(bytes),
            None => Err(self.damaged_payload(source, start)),
        }
    }

    /// As [`Shared::read_payload`]; `None` if the bytes do not verify.
    pub(super) async fn read_if_sound(
        &self,
        source: &Source,
        range: Range<u64>,
    ) -> Result<Option<Bytes>> {
        assert!(
            range.end <= source.len() && range.start <= range.end,
            "the range lies in the payload"
        );
        let block = u64::from(self.geometry.crc_block_bytes);
        let start = range.start - range.start % block;
        let end = range.end.next_multiple_of(block).min(source.len());
        let blocks = match source {
            Source::Memory(kept) => {
                Counters::add(&self.counters.recent_reads, 1);
                kept.payload.slice(to_usize(start)..to_usize(end))
            }
            Source::Disk(found) => {
                let at = found.offset + found.header.payload_at() as u64 + start;
                self.reactor
                    .read(&found.file, at, to_usize(end - start))
                    .await
                    .map(Bytes::from_owner)
                    .map_err(|error| {
                        if is_stopped(&error) {
                            Error::Closed
                        } else {
                            Error::io("read", &found.segment.path(), error)
                        }
                    })?
            }
        };
        if blocks.len() != to_usize(end - start)
            || !verify(source.extension(), start / block, &blocks, to_usize(block))
        {
            return Ok(None);
        }
        let asked = to_usize(range.start - start)..to_usize(range.end - start);
        Ok(Some(blocks.slice(asked)))
    }

    fn damaged_payload(&self, source: &Source, at: u64) -> Error {
        Counters::add(&self.counters.damaged_reads, 1);
        let start = at - at % u64::from(self.geometry.crc_block_bytes);
        let found = match source {
            Source::Disk(found) => found,
            Source::Memory(kept) => {
                // The disk still has it: the next read looks there.
                self.recent.remove(&kept.id);
                tracing::error!(id = %kept.id, "bytes in memory do not verify; they are not served: is the memory of this machine sound?");
                return Error::Closed;
            }
        };
        let place = found
            .segment
            .place(found.offset + found.header.payload_at() as u64 + start);
        self.damaged.add(
            found.segment.node,
            found.segment.number,
            Offset(found.offset),
        );
        tracing::error!(%place, id = %found.header.id, "a payload does not verify; its bytes are not served");
        Error::Damaged {
            place,
            kind: DamageKind::Payload,
        }
    }

    /// The manifest with this id, verified; a chained one proves its id.
    pub async fn manifest(self: &Arc<Self>, id: Id) -> Result<Manifest> {
        let shared = Arc::clone(self);
        let source = self.lookup.run(move || shared.locate(&id)).await?;
        let payload = self.read_payload(&source, 0..source.len()).await?;
        let content = |_| match &source {
            Source::Disk(found) => Error::Damaged {
                place: found.segment.place(found.offset),
                kind: DamageKind::Content,
            },
            Source::Memory(_) => Error::Missing { id },
        };
        let manifest = Manifest::decode(&payload, &self.geometry).map_err(|_| content(()))?;
        // The manifest of a part is named by its own bytes: whoever stored the same bytes as an extent stored it too.
        if let Source::Disk(found) = &source
            && found.header.kind != RecordKind::Manifest
            && !manifest.part
        {
            return Err(content(()));
        }
        let proven = if manifest.part {
            Id::of(&payload) == id
        } else {
            !manifest.chained || manifest.prove_id() == Some(id)
        };
        if proven {
            Ok(manifest)
        } else {
            Err(content(()))
        }
    }
}

/// Checks consecutive blocks from block `first` on.
pub(super) fn verify(extension: &Extension, first: u64, bytes: &[u8], block: usize) -> bool {
    let first = to_usize(first);
    bytes
        .chunks(block)
        .enumerate()
        .all(|(index, chunk)| extension.verify_block(first + index, chunk))
}

/// Lengths within one record fit the address space.
pub(crate) fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("a length within a record is far below the address space")
}
