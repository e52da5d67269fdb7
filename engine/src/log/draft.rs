//! A record before it has a place in the log.

use crate::budget::Grant;
use crate::error::Result;
use crate::format::{Digests, Extension, RecordKind, record_len};
use crate::id::Id;
use crate::position::{BucketId, Position, Version};
use crate::store::{InFlight, KeyGuard, Pin};
use crate::sync::{Arc, oneshot};
use bytes::Bytes;

/// What the id field of a record's header will hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DraftId {
    /// The id of the content: extents and manifests.
    Content(Id),
    /// A stamp that the writer sets at layout: everything else.
    Stamped(BucketId),
}

/// A record without its place: the writer adds binding, stamp and position.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub kind: RecordKind,
    pub id: DraftId,
    pub payload: Bytes,
    /// Computed by whoever made the payload, so that the writer's thread touches each byte once.
    pub extension: Extension,
}

impl Draft {
    /// A draft of `payload` with its checksums computed here.
    pub fn new(
        kind: RecordKind,
        id: DraftId,
        payload: Bytes,
        digests: Digests,
        crc_block_bytes: u32,
    ) -> Self {
        let extension = Extension::of(&payload, digests, crc_block_bytes);
        Self {
            kind,
            id,
            payload,
            extension,
        }
    }

    /// Bytes of the whole record in the log.
    pub fn len(&self, crc_block_bytes: u32) -> usize {
        record_len(self.payload.len(), &self.extension.digests, crc_block_bytes)
    }
}

/// Where a draft ended up, once it is durable and applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub at: Position,
    /// Zero for content, which has no version.
    pub version: Version,
}

/// Something that a record needs while it is on its way.
#[derive(Debug)]
pub(crate) enum Keep {
    /// The lock of its name.
    Lock { _guard: KeyGuard },
    /// A pin on content that it refers to.
    Pin { _pin: Pin },
}

impl From<KeyGuard> for Keep {
    fn from(guard: KeyGuard) -> Self {
        Self::Lock { _guard: guard }
    }
}

impl From<Pin> for Keep {
    fn from(pin: Pin) -> Self {
        Self::Pin { _pin: pin }
    }
}

/// A draft on its way through the writer, with all that waits for it.
#[derive(Debug)]
pub(crate) struct Item {
    pub draft: Draft,
    /// Extents that were queued before this record and that it refers to: if one of them failed, so does this.
    pub needs: Vec<Arc<InFlight>>,
    /// Told once the record is durable and applied, or that it never will be.
    pub done: Option<oneshot::Sender<Result<Placed>>>,
    /// The memory that the payload takes.
    pub grant: Option<Grant>,
    /// Whether it must be in one batch with the item behind it: a batch is recovered whole or not at all.
    pub joined: bool,
    /// What must stay until the record is applied or has failed, also if whoever asked for it has gone.
    pub keep: Vec<Keep>,
    /// For content: its entry among what is in flight.
    pub in_flight: Option<Arc<InFlight>>,
}

impl Item {
    /// An item that nobody waits for.
    pub const fn new(draft: Draft) -> Self {
        Self {
            draft,
            needs: Vec::new(),
            done: None,
            grant: None,
            joined: false,
            keep: Vec::new(),
            in_flight: None,
        }
    }

    /// Asks to be told.
    pub fn with_receipt(mut self) -> (Self, oneshot::Receiver<Result<Placed>>) {
        let (sender, receiver) = oneshot::channel();
        self.done = Some(sender);
        (self, receiver)
    }

    /// Ends the item without having written it.
    pub fn fail(self, error: &crate::Error) {
        if let Some(in_flight) = &self.in_flight {
            in_flight.fail(error);
        }
        if let Some(done) = self.done {
            let _ = done.send(Err(error.clone()));
        }
    }
}
