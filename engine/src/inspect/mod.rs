//! Looking at a store's files without opening it: what `moraine inspect` shows.
//!
//! Nothing is changed and no index is needed: places are found in segment footers, and in the batches of the segment
//! that is not sealed. Works beside a running server, whose newest batches it may not see yet.

mod find;
mod indexes;

pub(crate) use find::offsets_of;
pub use find::{FoundContent, FoundName};
pub use indexes::{IndexInfo, NamesInfo};

use crate::error::{Error, Result};
use crate::format::{Gap, RecordHeader, SegmentHeader, Superblock};
use crate::fsck::{find_segments, nodes};
use crate::io::blocking::BlockingDisk;
use crate::io::{Disk, OpenMode};
use crate::log::scan::{Scanned, Scanner};
use crate::log::{Opened, Segment, Segments, find_end, read_footer};
use crate::position::{Hlc, LogPoint, NodeId, Offset, SegmentNumber};
use crate::store::open::read_superblock;
use crate::sync::Arc;
use std::path::Path;

/// The files of a store.
pub struct Inspector {
    disk: Arc<dyn Disk>,
    dir: String,
    segments: Segments,
}

/// What is known of a segment without reading its batches.
#[derive(Clone, Debug)]
pub struct SegmentInfo {
    /// Whose log.
    pub node: NodeId,
    /// Which segment.
    pub number: SegmentNumber,
    /// What its header says.
    pub header: SegmentHeader,
    /// How many of the header's two copies verify.
    pub header_copies: u8,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Where batches begin.
    pub data_start: Offset,
    /// Where batches end.
    pub data_end: Offset,
    /// What its footer says; `None` if it has none that verifies.
    pub footer: Option<FooterInfo>,
}

/// What a footer says.
#[derive(Clone, Debug)]
pub struct FooterInfo {
    /// Records.
    pub records: u64,
    /// Batches.
    pub batches: u64,
    /// Bytes of payloads.
    pub payload_bytes: u64,
    /// Extents and manifests.
    pub contents: u64,
    /// The highest stamp.
    pub last_hlc: Hlc,
    /// BLAKE3 over all record headers and extensions.
    pub digest: [u8; 32],
    /// Damaged ranges.
    pub gaps: Vec<Gap>,
}

/// A thing in a segment, in order.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A batch header.
    Batch {
        /// Where it begins.
        offset: Offset,
        /// Bytes, padding included.
        len: u32,
        /// Records that it announces.
        records: u32,
        /// What was synced when it was submitted.
        synced: LogPoint,
        /// The highest stamp so far.
        hlc: Hlc,
        /// Whether all of it verifies.
        intact: bool,
    },
    /// A record that verifies.
    Record {
        /// Where it begins.
        offset: Offset,
        /// Its header.
        header: RecordHeader,
    },
    /// Bytes that do not verify.
    Bad {
        /// Where they begin.
        offset: Offset,
        /// How many.
        len: u64,
    },
}

impl Inspector {
    /// Opens the files of the store in `dir` for reading.
    ///
    /// # Errors
    /// [`Error::NoStore`], or what the system says.
    pub fn open(dir: &Path) -> Result<Self> {
        let shown = dir.display().to_string();
        if !dir.join("superblock").is_file() && !dir.join("log").is_dir() {
            return Err(Error::NoStore { dir: shown });
        }
        let disk = BlockingDisk::open(dir).map_err(|source| Error::DataDir {
            dir: shown.clone(),
            source: Arc::new(source),
        })?;
        let segments = Segments::direct();
        for node in nodes(&disk)? {
            find_segments(&disk, &segments, node)?;
        }
        Ok(Self {
            disk: Arc::new(disk),
            dir: shown,
            segments,
        })
    }

    /// The superblock, and how many of its two copies verify.
    ///
    /// # Errors
    /// [`Error::Superblock`] and its relatives.
    pub fn superblock(&self) -> Result<(Superblock, u8)> {
        read_superblock(&*self.disk, &self.dir)?.ok_or_else(|| Error::Superblock {
            dir: self.dir.clone(),
            problem: "missing",
        })
    }

    /// All segments, by node and number. One whose header is damaged is an error in its place.
    pub fn segments(&self) -> Vec<(NodeId, SegmentNumber, Result<SegmentInfo>)> {
        let info = |segment: &Arc<Segment>| (segment.node, segment.number, self.info(segment));
        self.segments.all().iter().map(info).collect()
    }

    /// A handle past the page cache: a running server's unsealed segment must not be read through it.
    fn open_direct(&self, segment: &Segment) -> Result<Opened> {
        let path = segment.path();
        let file = self
            .disk
            .open(&path, OpenMode::ReadDirect)
            .map_err(|source| Error::io("open", &path, source))?;
        segment.inspect(file)
    }

    fn info(&self, segment: &Segment) -> Result<SegmentInfo> {
        let opened = self.open_direct(segment)?;
        let footer = read_footer(segment, &opened)?;
        let data_end = match &footer {
            Some(footer) => footer.data_end,
            None => Offset(find_end(segment, &opened)?),
        };
        let read = |source| Error::io("read", &segment.path(), source);
        let file_bytes = opened.file.len().map_err(read)?;
        Ok(SegmentInfo {
            node: segment.node,
            number: segment.number,
            header: (*opened.header).clone(),
            header_copies: opened.header_copies,
            file_bytes,
            data_start: Offset(opened.data_start),
            data_end,
            footer: footer.map(|footer| FooterInfo {
                records: footer.totals.records,
                batches: footer.totals.batches,
                payload_bytes: footer.totals.payload_bytes,
                contents: footer.table().len() as u64,
                last_hlc: footer.last_hlc,
                digest: footer.digest,
                gaps: footer.gaps.clone(),
            }),
        })
    }

    /// Shows what lies in a segment, in order.
    ///
    /// # Errors
    /// [`Error::NoSuchSegment`], or what the system says.
    pub fn walk(
        &self,
        number: SegmentNumber,
        node: Option<NodeId>,
        visit: &mut dyn FnMut(Entry),
    ) -> Result<()> {
        let segments = self.segments.all();
        let wanted = |segment: &&Arc<Segment>| {
            segment.number == number && node.is_none_or(|node| node == segment.node)
        };
        let segment = segments
            .iter()
            .find(wanted)
            .ok_or(Error::NoSuchSegment { number })?;
        let opened = self.open_direct(segment)?;
        let end = self.info(segment)?.data_end.0;
        let path = segment.path();
        let read = |source| Error::io("read", &path, source);
        let mut scanner = Scanner::new(&opened, opened.data_start, end).map_err(read)?;
        while let Some(found) = scanner.next().map_err(read)? {
            match found {
                Scanned::Batch(batch) => {
                    visit(Entry::Batch {
                        offset: Offset(batch.offset),
                        len: batch.header.len,
                        records: batch.header.records,
                        synced: batch.header.synced,
                        hlc: batch.header.hlc,
                        intact: batch.intact(),
                    });
                    for record in &batch.records {
                        visit(Entry::Record {
                            offset: record.offset,
                            header: record.header,
                        });
                    }
                    for bad in &batch.bad {
                        visit(Entry::Bad {
                            offset: Offset(bad.offset),
                            len: bad.len,
                        });
                    }
                }
                Scanned::Unreadable { offset, len } => {
                    visit(Entry::Bad {
                        offset: Offset(offset),
                        len,
                    });
                }
            }
        }
        Ok(())
    }
}
