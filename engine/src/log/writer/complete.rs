//! What the disk answers: a batch that is written, a sync that ended, and what is acknowledged then.

use super::{SPARE_TOKEN, SYNC_TOKEN, Writer};
use crate::error::Error;
use crate::io::Completion;
use crate::log::committed::{Committed, CommittedRecord};
use crate::log::logs_dir;

impl Writer {
    pub(super) fn completed(&mut self, completion: Completion) {
        if self.poison.is_some() {
            return;
        }
        let path = || {
            self.active
                .as_ref()
                .map_or_else(logs_dir, |active| active.path.clone())
        };
        match (completion.token, completion.result) {
            (SPARE_TOKEN, result) => self.prepared(result),
            (SYNC_TOKEN, Ok(_)) => self.acknowledge(self.syncing),
            (SYNC_TOKEN, Err(source)) => self.poison(Error::io("sync", &path(), source)),
            (_, Err(source)) => self.poison(Error::io("write", &path(), source)),
            (token, Ok(_)) => {
                self.buffers.give(completion.buf);
                let index = token
                    .checked_sub(self.first_token)
                    .and_then(|i| usize::try_from(i).ok());
                if let Some(batch) = index.and_then(|index| self.batches.get_mut(index)) {
                    batch.written = true;
                }
            }
        }
    }

    /// Hands the first `count` batches on: they are durable.
    pub(super) fn acknowledge(&mut self, count: usize) {
        self.syncing = 0;
        for _ in 0..count {
            let batch = self
                .batches
                .pop_front()
                .expect("a sync covers batches in flight");
            self.first_token += 1;
            self.synced = batch.end;
            if !batch.laid.is_empty() {
                self.to_attest = batch.end;
            }
            let incarnation = self.config.incarnation;
            let node = self.config.node;
            let records = batch
                .laid
                .into_iter()
                .map(|laid| CommittedRecord::of(laid, node, incarnation, batch.end.segment))
                .collect();
            self.sink.committed(Committed {
                records,
                end: batch.end,
                hlc: batch.hlc,
            });
        }
    }
}
