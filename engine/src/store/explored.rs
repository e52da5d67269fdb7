//! A store whose threads the explorer of schedules runs: all of them, and the code in them, as they ship. Under them are
//! the simulated disk and the twins of both indexes.

use super::open::{OpenedStore, Parts, open};
use super::runtime::Runtime;
use super::stepped::MemorySource;
use super::workers::Workers;
use super::{Options, Store};
use crate::clock::{Clock, Entropy};
use crate::error::{Error, Result};
use crate::index::hash::HeapSource;
use crate::io::reactor::Reactor;
use crate::io::{Disk, DiskPath};
use crate::sync::Arc;

/// Cold reads in flight at once: few, so that some wait.
const READ_DEPTH: usize = 2;

impl Store {
    /// Opens a store on a simulated disk, with its log writer, applier, checkpointer and cold reader, and a thread for each
    /// job that would go to a pool. `options.io` and `options.workers` have no effect.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_explored(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: Options,
    ) -> Result<Self> {
        let reactor = Reactor::start(&disk, READ_DEPTH)
            .map_err(|source| Error::io("start a reader for", &DiskPath::root(), source))?;
        let parts = Parts {
            pages: Arc::new(HeapSource::new(Arc::clone(&disk))),
            kv: Box::new(MemorySource(Arc::clone(&disk))),
            disk,
            clock,
            entropy,
            compute: Workers::Threads,
            lookup: Workers::Threads,
            reactor,
            dir: "explored".to_owned(),
        };
        let OpenedStore {
            shared,
            writer,
            applier,
            created,
        } = open(parts, &options)?;
        let runtime = Arc::new(Runtime::start(&shared, writer, applier, None)?);
        Ok(Self {
            shared,
            runtime,
            created,
        })
    }

    /// Makes a checkpoint, as the checkpointer does when one is due.
    ///
    /// # Errors
    /// A failed write.
    pub fn checkpoint(&self) -> Result<()> {
        self.shared.checkpoint()
    }

    /// What is left of requests that have ended, and must be nothing: names that are locked, ids that are pinned, content on
    /// its way, bytes of the budget.
    pub fn leftovers(&self) -> (usize, usize, usize, usize) {
        let shared = &self.shared;
        (
            shared.locks.len(),
            shared.pins.len(),
            shared.in_flight.len(),
            shared.budget.used(),
        )
    }
}
