//! Making the indexes durable now and then, so that a start after a crash replays a bounded part of the log.

use super::shared::Shared;
use crate::apply::names_error;
use crate::error::Result;
use crate::index::Covered;
use crate::stats::Counters;

impl Shared {
    /// Makes both indexes durable, up to at least what was applied when this began. Writes go on meanwhile.
    pub fn checkpoint(&self) -> Result<()> {
        let _one = self.checkpoint_lock.lock();
        let covered = self.covered();
        self.indexes.hash.checkpoint(&covered)?;
        self.indexes.names.persist().map_err(names_error)?;
        Counters::add(&self.counters.checkpoints, 1);
        Ok(())
    }

    /// The last checkpoint: nothing is written after it, and the index is marked as closed cleanly.
    pub fn final_checkpoint(&self) -> Result<()> {
        let _one = self.checkpoint_lock.lock();
        let covered = self.covered();
        self.indexes.hash.close(&covered)?;
        self.indexes.names.persist().map_err(names_error)?;
        Ok(())
    }

    fn covered(&self) -> Covered {
        Covered::from([(self.node, *self.applied.lock())])
    }
}
