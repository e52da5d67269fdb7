//! Reading batches back from a segment, trusting nothing: no length before its header's checksum, no record before
//! its payload's.
//!
//! The scan goes on behind what it cannot read: it looks for the next intact batch header at every logical block, and
//! inside a batch for the next intact record header at every eighth byte. The segment's binding, which nobody outside
//! knows, is part of every header: neither stale bytes nor a client's payload can pass for one.

use super::segments::Opened;
use crate::format::{BATCH_HEADER_LEN, BatchHeader, RECORD_HEADER_LEN, RecordHeader, RecordView};
use crate::id::Id;
use crate::io::bulk::{Stream, stream};
use crate::io::{AlignedBuf, Disk, DiskPath, File};
use crate::position::{Hlc, LogPoint, Offset};
use crate::sync::Arc;
use bytes::{Bytes, BytesMut};
use std::io;

/// Chunks of a streamed scan, and how many are read at once: enough to keep a fast disk busy.
const STREAM_CHUNK_BYTES: usize = 1 << 20;
const STREAM_DEPTH: usize = 8;

/// How much is read ahead at once.
const WINDOW_BYTES: usize = 4 << 20;

/// What lies at a place in a segment.
#[derive(Debug)]
pub(crate) enum Scanned {
    /// A batch whose header is intact.
    Batch(ScannedBatch),
    /// Bytes where no batch header was found: zeros, a tear, or damage.
    Unreadable { offset: u64, len: u64 },
}

/// A batch whose header is intact; its records may not be.
#[derive(Debug)]
pub(crate) struct ScannedBatch {
    pub offset: u64,
    pub header: BatchHeader,
    pub records: Vec<ScannedRecord>,
    /// The whole batch, padding included.
    pub bytes: Bytes,
    /// Ranges of the batch that do not verify.
    pub bad: Vec<Bad>,
}

/// A range that does not verify.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bad {
    pub offset: u64,
    pub len: u64,
    /// Whether the header was intact and only the payload is bad.
    pub payload_only: bool,
    /// What the record claims to be, if its header is intact.
    pub id: Option<Id>,
}

/// An intact record.
#[derive(Debug)]
pub(crate) struct ScannedRecord {
    pub offset: Offset,
    pub header: RecordHeader,
    /// The whole record: header, extension, payload, padding.
    pub bytes: Bytes,
}

impl ScannedRecord {
    /// The payload.
    pub fn payload(&self) -> Bytes {
        let start = RECORD_HEADER_LEN + self.header.extension_len as usize;
        self.bytes
            .slice(start..start + self.header.payload_len as usize)
    }
}

impl ScannedBatch {
    /// Whether every record that the header announces is intact.
    pub fn intact(&self) -> bool {
        self.bad.is_empty() && self.records.len() == self.header.records as usize
    }

    /// Where the batch ends.
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.header.len)
    }
}

/// Reads `len` bytes at `offset`, fewer only at the end of the file, whatever alignment the file asks for.
pub(crate) fn read_at(file: &Arc<dyn File>, offset: u64, len: usize) -> io::Result<Bytes> {
    let alignment = file.alignment() as u64;
    let start = offset - offset % alignment;
    let skip = usize::try_from(offset - start).expect("less than the alignment");
    let whole = (skip + len).next_multiple_of(file.alignment());
    let mut buf = AlignedBuf::zeroed(whole);
    let read = file.read_at(&mut buf, start)?;
    buf.truncate(read.min(skip + len));
    Ok(Bytes::from_owner(buf).split_off_saturating(skip))
}

trait SplitOffSaturating {
    fn split_off_saturating(self, at: usize) -> Self;
}

impl SplitOffSaturating for Bytes {
    fn split_off_saturating(self, at: usize) -> Self {
        self.slice(at.min(self.len())..)
    }
}

/// Walks the batches of one segment.
pub(crate) struct Scanner<'a> {
    segment: &'a Opened,
    at: u64,
    end: u64,
    window: Bytes,
    window_start: u64,
    stream: Option<Stream>,
}

impl<'a> Scanner<'a> {
    /// Scans from `from` (a batch boundary) up to `end` or the end of the file.
    pub fn new(segment: &'a Opened, from: u64, end: u64) -> io::Result<Self> {
        let end = end.min(segment.file.len()?);
        Ok(Self {
            segment,
            at: from,
            end,
            window: Bytes::new(),
            window_start: 0,
            stream: None,
        })
    }

    /// Scans all batches up to `end`, with many reads in flight and past the page cache.
    pub fn streamed(
        disk: &dyn Disk,
        path: &DiskPath,
        segment: &'a Opened,
        end: u64,
    ) -> io::Result<Self> {
        let mut scanner = Self::new(segment, segment.data_start, end)?;
        scanner.stream = Some(stream(disk, path, STREAM_CHUNK_BYTES, STREAM_DEPTH)?);
        Ok(scanner)
    }

    /// Lets chunks of the stream come in until the window reaches `end`; what lies before `offset` goes.
    fn advance(&mut self, offset: u64, end: u64) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let mut gathered = BytesMut::new();
        let skip = usize::try_from(offset.saturating_sub(self.window_start)).unwrap_or(usize::MAX);
        if skip < self.window.len() {
            gathered.extend_from_slice(self.window.get(skip..).unwrap_or_default());
            self.window_start = offset;
        } else {
            self.window_start += self.window.len() as u64;
        }
        while self.window_start + (gathered.len() as u64) < end {
            let Some(chunk) = stream.next().transpose()? else {
                break;
            };
            let before =
                usize::try_from(offset.saturating_sub(self.window_start)).unwrap_or(usize::MAX);
            if gathered.is_empty() && before >= chunk.len() {
                self.window_start += chunk.len() as u64;
                continue;
            }
            gathered.extend_from_slice(&chunk);
        }
        self.window = gathered.freeze();
        Ok(())
    }

    /// Up to `len` bytes at `offset`.
    fn bytes(&mut self, offset: u64, len: usize) -> io::Result<Bytes> {
        let limit = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = len.min(limit);
        let inside = offset
            .checked_sub(self.window_start)
            .and_then(|skip| usize::try_from(skip).ok())
            .filter(|skip| skip + len <= self.window.len());
        if let Some(skip) = inside {
            return Ok(self.window.slice(skip..skip + len));
        }
        if self.stream.is_some() && offset >= self.window_start {
            self.advance(offset, offset + len as u64)?;
            let skip = usize::try_from(offset - self.window_start).unwrap_or(usize::MAX);
            let end = self.window.len().min(skip.saturating_add(len));
            return Ok(self.window.slice(skip.min(end)..end));
        }
        self.window = read_at(&self.segment.file, offset, len.max(WINDOW_BYTES.min(limit)))?;
        self.window_start = offset;
        Ok(self.window.slice(..len.min(self.window.len())))
    }

    fn batch_header(&mut self, offset: u64) -> io::Result<Option<BatchHeader>> {
        let bytes = self.bytes(offset, BATCH_HEADER_LEN)?;
        let limit = u32::try_from(self.end - offset).unwrap_or(u32::MAX);
        Ok(BatchHeader::decode(&bytes, self.segment.binding, Offset(offset), limit).ok())
    }

    /// The next batch, or the next range that is none; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Scanned>> {
        let start = self.at;
        let block = u64::from(self.segment.geometry.block_bytes);
        while self.at + BATCH_HEADER_LEN as u64 <= self.end {
            if let Some(header) = self.batch_header(self.at)? {
                if self.at > start {
                    return Ok(Some(Scanned::Unreadable {
                        offset: start,
                        len: self.at - start,
                    }));
                }
                let batch = self.records(self.at, header)?;
                self.at = batch.end();
                return Ok(Some(Scanned::Batch(batch)));
            }
            self.at += block;
        }
        self.at = self.end;
        let len = self.end.saturating_sub(start);
        Ok((len > 0).then_some(Scanned::Unreadable { offset: start, len }))
    }

    fn records(&mut self, offset: u64, header: BatchHeader) -> io::Result<ScannedBatch> {
        let whole = self.bytes(offset, header.len as usize)?;
        let mut batch = ScannedBatch {
            offset,
            header,
            records: Vec::new(),
            bytes: whole.clone(),
            bad: Vec::new(),
        };
        self.walk(&whole, BATCH_HEADER_LEN, &mut batch);
        Ok(batch)
    }

    /// The intact records of a range whose batch headers are lost, and what is bad in it.
    pub fn salvage(&mut self, offset: u64, len: u64) -> io::Result<(Vec<ScannedRecord>, Vec<Bad>)> {
        let whole = self.bytes(offset, usize::try_from(len).unwrap_or(usize::MAX))?;
        let header = BatchHeader {
            offset: Offset(offset),
            len: 0,
            records: u32::MAX,
            synced: LogPoint::default(),
            hlc: Hlc::default(),
        };
        let mut batch = ScannedBatch {
            offset,
            header,
            records: Vec::new(),
            bytes: whole.clone(),
            bad: Vec::new(),
        };
        self.walk(&whole, 0, &mut batch);
        Ok((batch.records, batch.bad))
    }

    /// Collects the records of `whole`, which begins at the batch's offset, from `at` on.
    fn walk(&self, whole: &Bytes, mut at: usize, batch: &mut ScannedBatch) {
        let offset = batch.offset;
        while at + RECORD_HEADER_LEN <= whole.len() {
            let rest = whole.slice(at..);
            let record = RecordHeader::decode(&rest, self.segment.binding, &self.segment.geometry)
                .ok()
                .filter(|record| record.len() <= rest.len());
            let Some(record) = record else {
                let expected = batch.header.records as usize;
                let done = batch.records.len() + batch.bad.len() >= expected;
                if done && rest.iter().all(|byte| *byte == 0) {
                    break;
                }
                let skipped = self.next_record(&rest);
                batch.bad.push(Bad {
                    offset: offset + at as u64,
                    len: skipped as u64,
                    payload_only: false,
                    id: None,
                });
                at += skipped;
                continue;
            };
            let len = record.len();
            let bytes = rest.slice(..len);
            match RecordView::parse(&bytes, self.segment.binding, &self.segment.geometry) {
                Ok(_) => batch.records.push(ScannedRecord {
                    offset: Offset(offset + at as u64),
                    header: record,
                    bytes,
                }),
                Err(_) => batch.bad.push(Bad {
                    offset: offset + at as u64,
                    len: len as u64,
                    payload_only: true,
                    id: record.kind.is_content().then_some(record.id),
                }),
            }
            at += len;
        }
        // Padding that is too short for a record is padding all the same.
        let rest = whole.get(at..).unwrap_or_default();
        if rest.iter().any(|byte| *byte != 0) {
            batch.bad.push(Bad {
                offset: offset + at as u64,
                len: rest.len() as u64,
                payload_only: false,
                id: None,
            });
        }
    }

    /// How far behind an unreadable record header the next readable one begins.
    fn next_record(&self, rest: &Bytes) -> usize {
        let mut at = 8;
        while at + RECORD_HEADER_LEN <= rest.len() {
            let candidate = rest.slice(at..);
            if RecordHeader::decode(&candidate, self.segment.binding, &self.segment.geometry)
                .is_ok_and(|record| record.len() <= candidate.len())
            {
                return at;
            }
            at += 8;
        }
        rest.len()
    }
}
