//! From one segment to the next: seal, make sure of room, create, and say where the log continues.

use super::Writer;
use super::prepare::Spare;
use crate::error::{Error, Result};
use crate::format::{Binding, Digests, RecordKind, SegmentHeader, StartRecord, Unknown};
use crate::io::File;
use crate::log::active::ActiveSegment;
use crate::log::{Draft, DraftId, Item, Opened, logs_dir, spare, spare_dir};
use crate::position::BucketId;
use crate::sync::Arc;

/// One part in this many of a segment stays free when it is created. A segment of nothing but names, the worst case, adds
/// about a quarter of its length to the indexes.
const RESERVE_SHARE: u64 = 4;

impl Writer {
    /// Seals the full segment, if there is one, and begins the next; `false` if it must wait for room that is being given
    /// back.
    pub(super) fn roll(&mut self) -> Result<bool> {
        self.seal()?;
        if !self.check_reserve()? {
            return Ok(false);
        }
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
        let spare = self.take_spare()?;
        let active = ActiveSegment::create(&*self.disk, &header, spare)?;
        if matches!(self.spare, Spare::GivenUp) {
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
        Ok(true)
    }

    /// The spare, if there is one that can be used. Without a descriptor to open it, it stays for the next try.
    fn take_spare(&mut self) -> Result<Option<Arc<dyn File>>> {
        if !matches!(self.spare, Spare::Ready) {
            return Ok(None);
        }
        let taken = spare::take(&*self.disk, self.config.geometry.segment_bytes)
            .map_err(|source| Error::io("look into", &spare_dir(), source))?;
        self.spare = Spare::None;
        Ok(taken)
    }

    /// What must be free for a segment: its own room, and the reserve.
    pub(super) const fn need(&self) -> u64 {
        let segment = self.config.geometry.segment_bytes;
        segment + segment / RESERVE_SHARE
    }

    /// Keeps room beside the log: the indexes grow with it, and must not meet a full disk first. Where room is short, the
    /// spare is given back; `false` if that must wait for a chunk of it that is on its way.
    ///
    /// A spare counts for nothing here: where the file system writes zeros elsewhere and not over the blocks that they lie
    /// in (copy on write, compression, thin volumes), a segment made of it needs its room once more.
    fn check_reserve(&mut self) -> Result<bool> {
        let need = self.need();
        if self.free()? >= need {
            return Ok(true);
        }
        self.give_back();
        if self.spare_busy {
            return Ok(false);
        }
        if self.free()? < need {
            return Err(Error::NoSpace { need });
        }
        Ok(true)
    }

    fn free(&self) -> Result<u64> {
        let space = self.disk.space();
        space
            .map(|space| space.free)
            .map_err(|source| Error::io("measure", &logs_dir(), source))
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
