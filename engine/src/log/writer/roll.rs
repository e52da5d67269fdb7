//! From one segment to the next: seal, make sure of room, create, and say where the log continues.

use super::Writer;
use super::prepare::Spare;
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
        let spare = matches!(self.spare, Spare::Ready);
        let active = ActiveSegment::create(&*self.disk, &header, spare)?;
        if matches!(self.spare, Spare::Ready | Spare::GivenUp) {
            self.spare = Spare::None;
        }
        self.looked = active.end;
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

    /// What must be free for a segment that is not prepared: its own room, and the reserve.
    pub(super) const fn need(&self) -> u64 {
        let segment = self.config.geometry.segment_bytes;
        segment + segment / RESERVE_SHARE
    }

    /// Keeps room beside the log: the indexes grow with it, and must not meet a full disk first. A spare is room that the
    /// segment has already; where the reserve is short, it is given back.
    fn check_reserve(&mut self) -> Result<()> {
        let mut need = self.need();
        let ready = matches!(self.spare, Spare::Ready);
        if ready {
            need -= self.config.geometry.segment_bytes;
        }
        let space = self
            .disk
            .space()
            .map_err(|source| Error::io("measure", &logs_dir(), source))?;
        if space.free < need {
            self.give_back();
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
