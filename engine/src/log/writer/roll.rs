//! From one segment to the next: seal, make sure of room, create, and say where the log continues.

use super::Writer;
use crate::error::{Error, Result};
use crate::format::{Binding, Digests, RecordKind, SegmentHeader, StartRecord, Unknown};
use crate::log::active::ActiveSegment;
use crate::log::{Draft, DraftId, Item, Opened, logs_dir};
use crate::position::BucketId;
use crate::sync::Arc;

/// One part in this many of a segment stays free when it is created. A segment of nothing but names, the worst case, adds
/// about a quarter of its length to the indexes.
const RESERVE_SHARE: u64 = 4;

impl Writer {
    /// Seals the full segment, if there is one, and begins the next.
    pub(super) fn roll(&mut self) -> Result<()> {
        self.seal()?;
        self.check_reserve()?;
        let number = self.config.next_segment;
        let header = SegmentHeader {
            store: self.config.store,
            node: self.config.node,
            incarnation: self.config.incarnation,
            segment: number,
            binding: Binding(self.entropy.number()),
            geometry: self.config.geometry,
            created_ms: self.clock.now_ms(),
            live: self.segments.ranges(self.config.node),
        };
        let active = ActiveSegment::create(&*self.disk, &header)?;
        self.segments.add_active(
            self.config.node,
            number,
            Opened {
                file: Arc::clone(&active.file),
                binding: header.binding,
                geometry: header.geometry,
                data_start: active.end,
                header: Arc::new(header),
                header_copies: 2,
            },
        );
        self.config.next_segment = number.next();
        self.active = Some(active);
        if !self.started {
            self.started = true;
            let start = self.start_record();
            self.waiting.push_front(Item::new(start));
        }
        Ok(())
    }

    /// Keeps room beside the log: the indexes grow with it, and must not meet a full disk first.
    fn check_reserve(&self) -> Result<()> {
        let segment = self.config.geometry.segment_bytes;
        let need = segment + segment / RESERVE_SHARE;
        let space = self
            .disk
            .space()
            .map_err(|source| Error::io("measure", &logs_dir(), source))?;
        if space.free < need {
            return Err(Error::NoSpace { need });
        }
        Ok(())
    }

    /// The first record of an incarnation: where the node found its log to end.
    fn start_record(&self) -> Draft {
        let (previous, end) = self.config.previous;
        let payload = StartRecord {
            incarnation: self.config.incarnation,
            previous,
            end,
            created_ms: self.clock.now_ms(),
            unknown: Unknown::default(),
        }
        .encode();
        Draft::new(
            RecordKind::Start,
            DraftId::Stamped(BucketId(0)),
            payload.into(),
            Digests::default(),
            self.config.geometry.crc_block_bytes,
        )
    }
}
