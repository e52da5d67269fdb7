//! Making the indexes durable now and then, so that a start after a crash replays a bounded part of the log.
//!
//! The log has everything, so a checkpoint that fails loses nothing. One that failed for want of descriptors, memory or room
//! ([`Error::passes`]) is made again later, and the store goes on; until then a start replays more. One whose flush or sync failed
//! is not: the hash index takes no further change, so the store turns read-only, and the next start rebuilds. So does the
//! storage of the name index after any failure of its own.

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
        let hash = self.indexes.hash.checkpoint(&covered);
        let made = hash.and_then(|()| self.indexes.names.persist().map_err(names_error));
        let counter = match made {
            Ok(()) => &self.counters.checkpoints,
            Err(_) => &self.counters.checkpoints_failed,
        };
        Counters::add(counter, 1);
        made
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
