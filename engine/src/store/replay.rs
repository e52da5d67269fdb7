//! Letting the indexes catch up: sealed segments by their footers, damaged ones by their batches.

use crate::apply::{Apply, Change, Indexes, SameId};
use crate::error::{Error, Result};
use crate::format::{Footer, RECORD_HEADER_LEN, RecordHeader, RecordKind, RecordView};
use crate::index::Covered;
use crate::io::Disk;
use crate::log::scan::{Scanned, ScannedRecord, Scanner};
use crate::log::{Opened, Segment, Segments, read_footer};
use crate::position::{Hlc, LogPoint, NodeId, Offset, Position};
use bytes::Bytes;

/// Records applied in one transaction of the name index.
const CHUNK_RECORDS: usize = 4096;

/// Applies one node's log from `from` to `end`; returns how many records that were.
pub(crate) fn replay(
    disk: &dyn Disk,
    segments: &Segments,
    indexes: &Indexes,
    node: NodeId,
    from: LogPoint,
    end: LogPoint,
    same: &dyn SameId,
) -> Result<u64> {
    if from >= end {
        return Ok(0);
    }
    let mut count = 0;
    for segment in segments.all() {
        if segment.node != node || segment.number < from.segment || segment.number > end.segment {
            continue;
        }
        let first = if segment.number == from.segment {
            from.offset
        } else {
            Offset(0)
        };
        count += replay_segment(disk, indexes, &segment, first, same)?;
    }
    Ok(count)
}

fn replay_segment(
    disk: &dyn Disk,
    indexes: &Indexes,
    segment: &Segment,
    first: Offset,
    same: &dyn SameId,
) -> Result<u64> {
    let opened = segment.open(disk)?;
    let place = |offset| Position {
        node: segment.node,
        incarnation: opened.header.incarnation,
        segment: segment.number,
        offset,
    };
    let mut batch = Chunked {
        indexes,
        same,
        records: Vec::new(),
        count: 0,
    };
    let (data_end, hlc) = match read_footer(segment, &opened)? {
        Some(footer) => {
            replay_footer(&footer, first, place, &mut batch)?;
            (footer.data_end, footer.last_hlc)
        }
        None => {
            tracing::error!(segment = %segment.path(), "a sealed segment has no footer that verifies: its batches are read");
            replay_batches(segment, &opened, first, place, &mut batch)?
        }
    };
    let covered = Covered::from([(
        segment.node,
        LogPoint {
            segment: segment.number,
            offset: data_end,
        },
    )]);
    batch.flush(&covered, hlc)?;
    Ok(batch.count)
}

/// Applies records a chunk at a time.
struct Chunked<'a> {
    indexes: &'a Indexes,
    same: &'a dyn SameId,
    records: Vec<Apply>,
    count: u64,
}

impl Chunked<'_> {
    fn push(&mut self, record: Apply) -> Result<()> {
        self.records.push(record);
        if self.records.len() >= CHUNK_RECORDS {
            self.flush(&Covered::new(), Hlc::default())?;
        }
        Ok(())
    }

    fn flush(&mut self, covered: &Covered, hlc: Hlc) -> Result<()> {
        self.indexes.apply(&self.records, covered, hlc, self.same)?;
        self.count += self.records.len() as u64;
        self.records.clear();
        Ok(())
    }
}

fn replay_footer(
    footer: &Footer,
    first: Offset,
    place: impl Fn(Offset) -> Position,
    batch: &mut Chunked<'_>,
) -> Result<()> {
    for entry in footer.table().iter().filter(|entry| entry.offset >= first) {
        // The extension's length is not in the table; the hint only says how much to read at first.
        let len = RECORD_HEADER_LEN + entry.payload_len as usize;
        batch.push(Apply {
            at: place(entry.offset),
            change: Change::Content { id: entry.id, len },
        })?;
    }
    for (offset, record) in footer.copies().filter(|(offset, _)| *offset >= first) {
        let RecordView {
            header, payload, ..
        } = record;
        batch.push(Apply {
            at: place(offset),
            change: change_of(&header, || Bytes::copy_from_slice(payload)),
        })?;
    }
    Ok(())
}

fn replay_batches(
    segment: &Segment,
    opened: &Opened,
    first: Offset,
    place: impl Fn(Offset) -> Position,
    batch: &mut Chunked<'_>,
) -> Result<(Offset, Hlc)> {
    let read = |source| Error::io("read", &segment.path(), source);
    let mut end = Offset(opened.data_start);
    let mut hlc = Hlc::default();
    let mut scanner = Scanner::new(opened, opened.data_start, u64::MAX).map_err(read)?;
    while let Some(found) = scanner.next().map_err(read)? {
        let records: Vec<ScannedRecord> = match found {
            Scanned::Batch(found) => {
                end = Offset(found.end());
                hlc = hlc.max(found.header.hlc);
                found.records
            }
            Scanned::Unreadable { offset, len } => scanner.salvage(offset, len).map_err(read)?.0,
        };
        for record in records.into_iter().filter(|record| record.offset >= first) {
            let change = change_of(&record.header, || record.payload());
            batch.push(Apply {
                at: place(record.offset),
                change,
            })?;
        }
    }
    Ok((end, hlc))
}

/// What a record changes.
pub(crate) fn change_of(header: &RecordHeader, payload: impl FnOnce() -> Bytes) -> Change {
    match header.kind {
        RecordKind::Extent | RecordKind::Manifest => Change::Content {
            id: header.id,
            len: header.len(),
        },
        RecordKind::Name | RecordKind::Tombstone | RecordKind::Catalog => match header.stamp() {
            Ok(stamp) => Change::Named {
                kind: header.kind,
                version: stamp.version,
                payload: payload(),
            },
            Err(_) => Change::Other,
        },
        _ => Change::Other,
    }
}
