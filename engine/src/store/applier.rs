//! What happens once a batch is durable: the indexes learn it, then everybody who waits is answered.

use super::recent::Kept;
use super::shared::Shared;
use crate::apply::{Apply, Change};
use crate::canary::{self, Canary};
use crate::error::Error;
use crate::format::RecordKind;
use crate::index::Covered;
use crate::index::names::NamesError;
use crate::log::{Committed, CommittedRecord, Placed, Sink};
use crate::sync::{Arc, mpsc};

/// Hands durable batches from the log writer to the applier.
pub(crate) struct ChannelSink {
    sender: mpsc::Sender<Committed>,
    shared: Arc<Shared>,
}

impl ChannelSink {
    /// A sink into `sender`. The channel is bounded by the memory that the batches' payloads hold.
    pub const fn new(sender: mpsc::Sender<Committed>, shared: Arc<Shared>) -> Self {
        Self { sender, shared }
    }
}

impl Sink for ChannelSink {
    fn committed(&mut self, batch: Committed) {
        // The applier ends only after the writer, or on a bug of its own: then nobody is acknowledged.
        let _ = self.sender.send(batch);
    }

    fn poisoned(&mut self, error: &Error) {
        if let Error::Poisoned { reason } = error {
            self.shared.poison(reason);
        }
    }
}

/// Applies and acknowledges, in log order.
pub(crate) struct Applier {
    shared: Arc<Shared>,
    receiver: mpsc::Receiver<Committed>,
    /// Why the indexes could not take a batch: they take none after it, or they would claim to be complete.
    failed: Option<Error>,
}

impl Applier {
    /// An applier of what comes out of `receiver`.
    pub const fn new(shared: Arc<Shared>, receiver: mpsc::Receiver<Committed>) -> Self {
        Self {
            shared,
            receiver,
            failed: None,
        }
    }

    /// Applies batches until the writer has ended.
    pub fn run(mut self) {
        while let Ok(batch) = self.receiver.recv() {
            self.apply(batch);
        }
    }

    /// Applies what is there; whether anything was.
    #[cfg(any(test, feature = "sim"))]
    pub fn turn(&mut self) -> bool {
        let mut any = false;
        while let Ok(batch) = self.receiver.try_recv() {
            self.apply(batch);
            any = true;
        }
        any
    }

    fn apply(&mut self, batch: Committed) {
        if let Some(error) = &self.failed {
            batch
                .records
                .into_iter()
                .for_each(|record| refuse(record, error));
            return;
        }
        let shared = &self.shared;
        let records: Vec<Apply> = batch.records.iter().map(to_apply).collect();
        let covered = Covered::from([(shared.node, batch.end)]);
        let same = shared.same_record();
        if canary::is(Canary::MarkAheadOfData) {
            *shared.applied.lock() = batch.end;
        }
        if let Err(error) = shared.indexes.apply(&records, &covered, batch.hlc, &same) {
            tracing::error!(%error, "the indexes cannot take a durable batch: the next start applies it again, and rebuilds what is damaged");
            let reason: Arc<str> = Arc::from(error.to_string());
            shared.poison(&reason);
            let refused = Error::Poisoned { reason };
            shared.inbox.close(&refused);
            if matches!(error, Error::NameIndex(NamesError::Rebuild(_))) {
                shared.indexes.names.distrust();
            }
            batch
                .records
                .into_iter()
                .for_each(|record| refuse(record, &refused));
            self.failed = Some(refused);
            return;
        }
        *shared.applied.lock() = batch.end;
        for record in batch.records {
            if let (Some(id), true) = (record.content, record.kind.is_content()) {
                shared.recent.add(Kept {
                    id,
                    kind: record.kind,
                    place: crate::Place {
                        node: record.at.node,
                        segment: record.at.segment,
                        offset: record.at.offset,
                    },
                    payload: record.payload,
                    extension: Arc::new(record.extension),
                });
            }
            if let Some(in_flight) = record.in_flight {
                in_flight.settle();
            }
            drop(record.keep);
            if let Some(done) = record.done {
                let _ = done.send(Ok(Placed {
                    at: record.at,
                    version: record.version,
                }));
            }
        }
    }
}

fn refuse(record: CommittedRecord, error: &Error) {
    if let Some(in_flight) = record.in_flight {
        in_flight.fail(error);
    }
    if let Some(done) = record.done {
        let _ = done.send(Err(error.clone()));
    }
}

fn to_apply(record: &CommittedRecord) -> Apply {
    let change = match (record.content, record.kind) {
        (Some(id), _) => Change::Content {
            id,
            len: record.len,
        },
        (None, RecordKind::Name | RecordKind::Tombstone | RecordKind::Catalog) => Change::Named {
            kind: record.kind,
            version: record.version,
            payload: record.payload.clone(),
        },
        (None, _) => Change::Other,
    };
    Apply {
        at: record.at,
        change,
    }
}
