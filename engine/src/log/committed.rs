//! What the log writer hands on: batches that are durable, to be applied and acknowledged.

use super::batch_builder::Laid;
use super::draft::{DraftId, Keep, Placed};
use crate::budget::Grant;
use crate::error::{Error, Result};
use crate::format::{Extension, RecordKind};
use crate::id::Id;
use crate::position::{Hlc, Incarnation, LogPoint, NodeId, Position, SegmentNumber, Version};
use crate::store::InFlight;
use crate::sync::{Arc, oneshot};
use bytes::Bytes;

/// A record that is durable.
pub(crate) struct CommittedRecord {
    pub kind: RecordKind,
    pub at: Position,
    /// Bytes of the whole record.
    pub len: usize,
    pub content: Option<Id>,
    pub version: Version,
    pub payload: Bytes,
    pub extension: Extension,
    pub done: Option<oneshot::Sender<Result<Placed>>>,
    pub in_flight: Option<Arc<InFlight>>,
    /// Let go once the record is applied.
    pub keep: Vec<Keep>,
    /// Held until the record is applied: its payload is in memory that long.
    pub _grant: Option<Grant>,
}

/// A batch that is durable, on its way to be applied and acknowledged.
pub(crate) struct Committed {
    pub records: Vec<CommittedRecord>,
    /// Everything before this is durable.
    pub end: LogPoint,
    pub hlc: Hlc,
}

/// Who applies and acknowledges what is durable, in order.
pub(crate) trait Sink: Send {
    /// Takes a batch.
    fn committed(&mut self, batch: Committed);
    /// The log is poisoned.
    fn poisoned(&mut self, error: &Error);
}

impl CommittedRecord {
    /// A record that the writer has laid out in `segment`.
    pub fn of(laid: Laid, node: NodeId, incarnation: Incarnation, segment: SegmentNumber) -> Self {
        let Laid {
            item,
            offset,
            len,
            version,
        } = laid;
        let content = match item.draft.id {
            DraftId::Content(id) => Some(id),
            DraftId::Stamped(_) => None,
        };
        Self {
            kind: item.draft.kind,
            at: Position {
                node,
                incarnation,
                segment,
                offset,
            },
            len,
            content,
            version,
            payload: item.draft.payload,
            extension: item.draft.extension,
            done: item.done,
            keep: item.keep,
            in_flight: item.in_flight,
            _grant: item.grant,
        }
    }
}
