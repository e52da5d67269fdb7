//! Preparing the next segment while nothing else is to do: zeros are written one chunk at a time, through the same queue as
//! batches, so that a request that comes meanwhile waits for one chunk at most.
//!
//! Where the file system copies on write nothing is prepared: what is written over zeros lands elsewhere there, with all that
//! the zeros were to save.
//!
//! A failure here is none of the log's: the spare is given up until the next segment, and nothing is poisoned.
//!
//! One operation is outstanding at most, of whichever preparation: while it is (`spare_busy`), no step is taken and none is
//! begun anew. So a completion is never taken for that of a later preparation, whose sync could then overtake its zeros.

use super::{SPARE_TOKEN, Writer};
use crate::io::{AlignedBuf, File};
use crate::log::spare;
use crate::sync::Arc;
use std::io;
use std::time::Duration;

/// The pause before each chunk: while it lasts, readers have the disk, and a write that comes ends the preparation. At 1 MiB
/// a chunk no more than 250 MiB/s.
pub(super) const PAUSE: Duration = Duration::from_millis(4);

/// A spare is made once this part of the segment is used up: a store that hardly grows needs none.
const USED_SHARE: u64 = 2;

/// One part in this many of a segment free: below that the spare is given back, so that the indexes find room.
const SHORT_SHARE: u64 = 2;

/// One part in this many of a segment written: then it is looked whether room has become short.
pub(super) const LOOK_SHARE: u64 = 16;

/// What there is of the next segment.
#[derive(Default)]
pub(super) enum Spare {
    /// Nothing yet.
    #[default]
    None,
    /// Zeros up to `written` are in the file, or on their way.
    Making { file: Arc<dyn File>, written: u64 },
    /// All zeros are written, and a sync is on its way.
    Syncing,
    /// It lies ready.
    Ready,
    /// It was tried, or there is no room: not again before the next segment.
    GivenUp,
}

impl Writer {
    /// Whether an idle writer should go on preparing the next segment.
    pub(super) fn should_prepare(&self) -> bool {
        let used = self.active.as_ref().map_or(0, |active| active.end);
        match self.spare {
            _ if self.spare_busy => false,
            Spare::None => used >= self.config.geometry.segment_bytes / USED_SHARE,
            Spare::Making { .. } => true,
            Spare::Syncing | Spare::Ready | Spare::GivenUp => false,
        }
    }

    /// Says that a spare lies ready.
    #[cfg(feature = "measure")]
    pub fn has_spare(&mut self) {
        self.spare = Spare::Ready;
    }

    /// The next step of the preparation, if the writer has begun a segment; `false` if there is none to be taken now.
    pub fn prepare(&mut self) -> bool {
        let busy = self.spare_busy || !self.is_idle();
        if self.poison.is_some() || busy || self.active.is_none() {
            return false;
        }
        match &self.spare {
            Spare::None => {
                self.spare = self.begin().unwrap_or_else(give_up);
                true
            }
            Spare::Making { .. } => {
                self.write_zeros();
                true
            }
            _ => false,
        }
    }

    /// An empty file, if zeros help here and the next two segments would find room.
    fn begin(&self) -> io::Result<Spare> {
        let len = self.config.geometry.segment_bytes;
        if !self.disk.rewrites_in_place() || self.disk.space()?.free < len + self.need() {
            return Ok(Spare::GivenUp);
        }
        Ok(Spare::Making {
            file: spare::begin(&*self.disk, len)?,
            written: 0,
        })
    }

    /// Submits the next chunk of zeros, or the sync behind the last.
    fn write_zeros(&mut self) {
        let Spare::Making { file, written } = &mut self.spare else {
            return;
        };
        self.spare_busy = true;
        let chunk = spare::chunk_bytes(self.config.geometry.segment_bytes, *written);
        if chunk == 0 {
            self.queue.sync(SPARE_TOKEN, file);
            self.spare = Spare::Syncing;
            return;
        }
        let zeros = AlignedBuf::zeroed(chunk);
        self.queue.write(SPARE_TOKEN, file, *written, zeros);
        *written += chunk as u64;
    }

    /// A chunk, or the sync, has ended.
    pub(super) fn prepared(&mut self, result: io::Result<usize>) {
        self.spare_busy = false;
        let spare = std::mem::take(&mut self.spare);
        self.spare = match (spare, result) {
            (Spare::Syncing, Ok(_)) => {
                spare::finish(&*self.disk).map_or_else(give_up, |()| Spare::Ready)
            }
            (Spare::Making { .. } | Spare::Syncing, Err(error)) => give_up(error),
            // The next chunk; or it was given up meanwhile, and how the operation ended is nobody's concern.
            (other, _) => other,
        };
        if matches!(self.spare, Spare::GivenUp) {
            self.remove_spare();
        }
    }

    /// Gives the spare back if room has become short.
    pub(super) fn keep_room(&mut self) {
        let held = matches!(self.spare, Spare::Ready | Spare::Making { .. });
        let short = self.config.geometry.segment_bytes / SHORT_SHARE;
        if held && !self.spare_busy && self.disk.space().is_ok_and(|space| space.free < short) {
            tracing::warn!("the disk is nearly full: the spare segment is given back");
            self.give_back();
        }
    }

    /// Removes what there is of the spare, until the next segment.
    pub(super) fn give_back(&mut self) {
        self.spare = Spare::GivenUp;
        self.remove_spare();
    }

    fn remove_spare(&self) {
        if let Err(error) = spare::clear(&*self.disk) {
            tracing::warn!(%error, "the spare segment cannot be removed; the next start tries again");
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "handles the error of a result"
)]
fn give_up(error: io::Error) -> Spare {
    tracing::warn!(%error, "no spare segment can be prepared");
    Spare::GivenUp
}
