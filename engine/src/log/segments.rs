//! Every segment of every log, for readers: found by number, opened when first needed.
//!
//! An unsealed segment is read through its direct handle, never buffered, since its writer goes past the page cache;
//! once sealed it is read through the page cache.

use super::{log_dir, segment_name};
use crate::canary::{self, Canary};
use crate::error::{DamageKind, Error, Place, Result};
use crate::format::{Binding, Geometry, SegmentHeader};
use crate::io::{Disk, DiskPath, File, OpenMode};
use crate::position::{NodeId, Offset, SegmentNumber};
use crate::sync::{Arc, RwLock};
use std::collections::BTreeMap;

/// Read first of a segment: the length of its header is in there.
const HEADER_READ_BYTES: usize = 64;

/// One segment.
pub(crate) struct Segment {
    pub node: NodeId,
    pub number: SegmentNumber,
    mode: OpenMode,
    opened: RwLock<Option<Opened>>,
}

/// What a reader needs of a segment.
#[derive(Clone)]
pub(crate) struct Opened {
    pub file: Arc<dyn File>,
    pub binding: Binding,
    pub geometry: Geometry,
    /// Where the batches begin.
    pub data_start: u64,
    pub header: Arc<SegmentHeader>,
    /// How many of the header's two copies verify.
    pub header_copies: u8,
}

impl Segment {
    /// The path of the file.
    pub fn path(&self) -> DiskPath {
        log_dir(self.node).join(&segment_name(self.number))
    }

    /// A place in this segment.
    pub const fn place(&self, offset: u64) -> Place {
        Place {
            node: self.node,
            segment: self.number,
            offset: Offset(offset),
        }
    }

    /// The open file and its header.
    pub fn open(&self, disk: &dyn Disk) -> Result<Opened> {
        if let Some(opened) = self.opened.read().clone() {
            return Ok(opened);
        }
        let mut slot = self.opened.write();
        if let Some(opened) = slot.clone() {
            return Ok(opened);
        }
        let path = self.path();
        let file = disk
            .open(&path, self.mode)
            .map_err(|source| Error::io("open", &path, source))?;
        let opened = self.inspect(file)?;
        *slot = Some(opened.clone());
        Ok(opened)
    }

    /// Reads the header of `file`, which holds this segment.
    pub fn inspect(&self, file: Arc<dyn File>) -> Result<Opened> {
        let path = self.path();
        let damaged = || Error::Damaged {
            place: self.place(0),
            kind: DamageKind::SegmentHeader,
        };
        let read = |len| {
            super::scan::read_at(&file, 0, len).map_err(|source| Error::io("read", &path, source))
        };
        let need = SegmentHeader::prefix_len(&read(HEADER_READ_BYTES)?);
        let decoded = match SegmentHeader::decode(&read(need)?) {
            // The length itself may be what is damaged.
            Err(_) => SegmentHeader::decode(&read(SegmentHeader::PREFIX_MAX)?),
            decoded => decoded,
        };
        let (header, data_start, copies) = decoded.map_err(|_| damaged())?;
        if header.node != self.node || header.segment != self.number {
            return Err(damaged());
        }
        if copies < 2 {
            tracing::warn!(segment = %path, "one copy of the segment header is damaged");
        }
        Ok(Opened {
            file,
            binding: header.binding,
            geometry: header.geometry,
            data_start,
            header: Arc::new(header),
            header_copies: copies,
        })
    }
}

/// All segments by (node, number).
#[derive(Default)]
pub(crate) struct Segments {
    /// Whether readers go past the page cache: those that look at a store that another process may be writing.
    direct: bool,
    map: RwLock<BTreeMap<(NodeId, SegmentNumber), Arc<Segment>>>,
}

impl Segments {
    /// No segments yet; all reads will go past the page cache.
    pub fn direct() -> Self {
        Self {
            direct: true,
            ..Self::default()
        }
    }

    /// Makes a segment known; it is opened when first read.
    pub fn add(&self, node: NodeId, number: SegmentNumber) -> Arc<Segment> {
        let mode = if self.direct {
            OpenMode::ReadDirect
        } else {
            OpenMode::Read
        };
        let segment = Arc::new(Segment {
            node,
            number,
            mode,
            opened: RwLock::new(None),
        });
        self.map
            .write()
            .insert((node, number), Arc::clone(&segment));
        segment
    }

    /// Makes a segment known that is being written, through its writer's handle.
    pub fn add_active(&self, node: NodeId, number: SegmentNumber, opened: Opened) {
        let segment = Segment {
            node,
            number,
            mode: OpenMode::Read,
            opened: RwLock::new(Some(opened)),
        };
        self.map.write().insert((node, number), Arc::new(segment));
    }

    /// Lets the next reader open a sealed segment through the page cache.
    pub fn sealed(&self, node: NodeId, number: SegmentNumber) {
        if canary::is(Canary::SegmentGoneWhileSealed) {
            self.map.write().remove(&(node, number));
            self.add(node, number);
        }
        if let Some(segment) = self.get(node, number) {
            *segment.opened.write() = None;
        }
    }

    /// The segment, if it is known.
    pub fn get(&self, node: NodeId, number: SegmentNumber) -> Option<Arc<Segment>> {
        self.map.read().get(&(node, number)).cloned()
    }

    /// All segments, by node and number.
    pub fn all(&self) -> Vec<Arc<Segment>> {
        self.map.read().values().cloned().collect()
    }

    /// The live segments of one log as ranges (first, count), for a segment header.
    pub fn ranges(&self, node: NodeId) -> Vec<(SegmentNumber, u64)> {
        let mut ranges: Vec<(SegmentNumber, u64)> = Vec::new();
        for (owner, number) in self.map.read().keys() {
            if *owner != node {
                continue;
            }
            match ranges.last_mut() {
                Some((first, count)) if first.0 + *count == number.0 => *count += 1,
                _ => ranges.push((*number, 1)),
            }
        }
        ranges
    }

    /// How many segments there are.
    pub fn len(&self) -> usize {
        self.map.read().len()
    }
}
