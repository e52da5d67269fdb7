//! Letting the indexes catch up: sealed segments by their footers, damaged ones by their batches.
//!
//! Each index from where it is complete: a record is not shown again to the one that has it. The name index takes records
//! in transactions where it goes on, and is made at once, sorted, where it starts empty and the caller wants that ([`Rebuild`]). Memory holds one footer, a
//! chunk of records and a run of the sort, however long the log is.

use crate::apply::{Apply, Change, Indexes, SameId, names_error};
use crate::error::{Error, Result};
use crate::format::{Footer, RECORD_HEADER_LEN, RecordHeader, RecordKind, RecordView};
use crate::index::Covered;
use crate::index::names::{Rebuild, Spill};
use crate::io::Disk;
use crate::log::scan::{Scanned, ScannedRecord, Scanner};
use crate::log::{Opened, Segment, Segments, read_footer};
use crate::position::{Hlc, LogPoint, NodeId, Offset, Position};
use bytes::Bytes;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::rc::Rc;

/// Records applied in one transaction of the name index, or decoded in one go.
const CHUNK_RECORDS: usize = 4096;

/// What a replay reads, and from where.
pub(crate) struct Replay<'a> {
    pub disk: &'a dyn Disk,
    pub segments: &'a Segments,
    pub indexes: &'a Indexes,
    pub same: &'a dyn SameId,
    /// Whose log.
    pub node: NodeId,
    /// Up to where the hash index is complete.
    pub content_from: LogPoint,
    /// Up to where the name index is.
    pub names_from: LogPoint,
    /// Where the log ends.
    pub end: LogPoint,
}

/// That an empty name index is to be made sorted, and where what does not fit into memory lies meanwhile.
pub(crate) struct Sorted(pub Option<Rc<dyn Spill>>);

impl Replay<'_> {
    /// Brings both indexes to the log's end; returns how many records that took.
    ///
    /// With `sorted`, a name index that is empty is made at once; what does not fit into memory lies at `sorted.0` then.
    pub fn run(&self, sorted: Option<Sorted>) -> Result<u64> {
        let from = self.content_from.min(self.names_from);
        if from >= self.end {
            return Ok(0);
        }
        let anew = self.indexes.names.is_new().map_err(names_error)?;
        let sorted = sorted.filter(|_| anew);
        let rebuild = sorted.map(|Sorted(place)| Rebuild::new(place)).transpose();
        let mut sink = ReplaySink {
            replay: self,
            rebuild: rebuild.map_err(names_error)?,
            records: Vec::new(),
            count: 0,
        };
        let mut last_hlc = Hlc::default();
        for segment in self.segments.all() {
            let number = segment.number;
            if segment.node != self.node || number < from.segment || number > self.end.segment {
                continue;
            }
            let hlc = sink.segment(&segment, from)?;
            last_hlc = last_hlc.max(hlc);
        }
        if let Some(rebuild) = sink.rebuild {
            let covered = Covered::from([(self.node, self.end)]);
            let names = &self.indexes.names;
            let made = rebuild.finish(names, &covered, last_hlc);
            made.map_err(names_error)?;
        }
        Ok(sink.count)
    }
}

/// Takes the records of segments in, a chunk at a time.
struct ReplaySink<'a> {
    replay: &'a Replay<'a>,
    /// The name index in the making, where there was none.
    rebuild: Option<Rebuild>,
    records: Vec<Apply>,
    count: u64,
}

impl ReplaySink<'_> {
    /// Takes in what a segment holds from `from` on; returns the highest stamp in it.
    fn segment(&mut self, segment: &Segment, from: LogPoint) -> Result<Hlc> {
        let opened = segment.open(self.replay.disk)?;
        let first = if segment.number == from.segment {
            from.offset
        } else {
            Offset(0)
        };
        let place = |offset| Position {
            node: segment.node,
            incarnation: opened.header.incarnation,
            segment: segment.number,
            offset,
        };
        let (data_end, hlc) = match read_footer(segment, &opened)? {
            Some(footer) => {
                replay_footer(&footer, first, place, self)?;
                (footer.data_end, footer.last_hlc)
            }
            None => {
                tracing::error!(segment = %segment.path(), "a sealed segment has no footer that verifies: its batches are read");
                replay_batches(segment, &opened, first, place, self)?
            }
        };
        let end = LogPoint {
            segment: segment.number,
            offset: data_end,
        };
        self.flush(&Covered::from([(segment.node, end)]), hlc)?;
        Ok(hlc)
    }

    /// Takes a record in, unless the index that it concerns has it.
    fn push(&mut self, record: Apply) -> Result<()> {
        let from = match record.change {
            Change::Content { .. } => self.replay.content_from,
            _ => self.replay.names_from,
        };
        let point = LogPoint {
            segment: record.at.segment,
            offset: record.at.offset,
        };
        if point < from {
            return Ok(());
        }
        self.records.push(record);
        if self.records.len() >= CHUNK_RECORDS {
            self.flush(&Covered::new(), Hlc::default())?;
        }
        Ok(())
    }

    fn flush(&mut self, covered: &Covered, hlc: Hlc) -> Result<()> {
        let Replay { indexes, same, .. } = self.replay;
        match &mut self.rebuild {
            Some(rebuild) => {
                for record in &self.records {
                    indexes.place(record, *same)?;
                }
                let decoded = self.records.par_iter().filter_map(Apply::name_change);
                for change in decoded.collect::<Vec<_>>() {
                    rebuild.add(&change).map_err(names_error)?;
                }
            }
            None => indexes.apply(&self.records, covered, hlc, *same)?,
        }
        self.count += self.records.len() as u64;
        self.records.clear();
        Ok(())
    }
}

fn replay_footer(
    footer: &Footer,
    first: Offset,
    place: impl Fn(Offset) -> Position,
    sink: &mut ReplaySink<'_>,
) -> Result<()> {
    for entry in footer.table().iter().filter(|entry| entry.offset >= first) {
        // The extension's length is not in the table; the hint only says how much to read at first.
        let len = RECORD_HEADER_LEN + entry.payload_len as usize;
        sink.push(Apply {
            at: place(entry.offset),
            change: Change::Content { id: entry.id, len },
        })?;
    }
    for (offset, record) in footer.copies().filter(|(offset, _)| *offset >= first) {
        let RecordView {
            header, payload, ..
        } = record;
        sink.push(Apply {
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
    sink: &mut ReplaySink<'_>,
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
            sink.push(Apply {
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
