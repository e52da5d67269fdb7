//! A store without threads, on a simulated disk: a test drives it one step at a time, so that the same seed gives the
//! same run.

use super::applier::Applier;
use super::open::{KvSource, OpenedStore, Parts, open};
use super::runtime::Runtime;
use super::shared::Shared;
use super::workers::Workers;
use super::{Options, Store};
use crate::clock::{Clock, Entropy};
use crate::error::Result;
use crate::index::hash::HeapSource;
use crate::index::names::{Kv, MemoryKv, Spill, SpillOnDisk};
use crate::io::reactor::Reactor;
use crate::io::{Disk, DiskPath};
use crate::log::Writer;
use crate::sync::Arc;
use std::rc::Rc;
use std::time::Duration;

/// The name index in memory, with its snapshot in a file of the simulated disk.
pub(super) struct MemorySource(pub(super) Arc<dyn Disk>);

impl MemorySource {
    fn path() -> DiskPath {
        DiskPath::root().join("index").join("names")
    }
}

impl KvSource for MemorySource {
    fn open(&self) -> crate::index::names::Result<Box<dyn Kv>> {
        Ok(Box::new(MemoryKv::open(Arc::clone(&self.0), Self::path())?))
    }

    fn remove(&self) -> crate::index::names::Result<()> {
        MemoryKv::remove(&*self.0, &Self::path())
    }

    fn spill(&self) -> Option<Rc<dyn Spill>> {
        Some(Rc::new(SpillOnDisk(Arc::clone(&self.0))))
    }
}

/// What a stepped store is made of.
pub(super) fn parts(
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Parts {
    Parts {
        cache_seed: 0,
        pages: Arc::new(HeapSource::new(Arc::clone(&disk))),
        kv: Box::new(MemorySource(Arc::clone(&disk))),
        disk,
        clock,
        entropy,
        compute: Workers::Inline,
        lookup: Workers::Inline,
        reactor: Reactor::inline(),
        dir: "simulated".to_owned(),
    }
}

/// Drives a stepped store.
pub struct Stepper {
    shared: Arc<Shared>,
    writer: Writer,
    applier: Applier,
}

impl Store {
    /// Opens a store whose writer runs only when [`Stepper::step`] is called. `options.io` and `options.workers` have no
    /// effect.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_stepped(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: Options,
    ) -> Result<(Self, Stepper)> {
        let parts = parts(disk, clock, entropy);
        let OpenedStore {
            shared,
            writer,
            applier,
            created,
        } = open(parts, &options)?;
        let runtime = Arc::new(Runtime::none());
        let store = Self {
            shared: Arc::clone(&shared),
            runtime,
            created,
        };
        Ok((
            store,
            Stepper {
                shared,
                writer,
                applier,
            },
        ))
    }
}

impl Stepper {
    /// One turn of the log writer, its completions and the applier; `false` if there was nothing to do.
    pub fn step(&mut self) -> bool {
        let submitted = self.writer.turn();
        let completed = self.writer.in_flight() > 0 && self.writer.collect(Some(Duration::ZERO));
        let synced = self.writer.turn();
        let applied = self.applier.turn();
        submitted || completed || synced || applied
    }

    /// Steps until nothing is left to do.
    pub fn settle(&mut self) {
        while self.step() || !self.writer.is_idle() {}
    }

    /// Does what an idle writer does after a while: attests the last batch with an empty one.
    pub fn attest(&mut self) -> bool {
        self.settle();
        let attested = self.writer.attest();
        self.settle();
        attested
    }

    /// Does what a writer does that stays idle: prepares the next segment.
    pub fn prepare(&mut self) {
        self.settle();
        while self.writer.prepare() || self.writer.in_flight() > 0 {
            self.writer.collect(Some(Duration::ZERO));
        }
    }

    /// Seals the segment that is being appended to.
    ///
    /// # Errors
    /// A failed write: the store is read-only then.
    pub fn seal(&mut self) -> Result<bool> {
        self.settle();
        self.writer.seal()
    }

    /// Makes the indexes durable.
    ///
    /// # Errors
    /// A failed write.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.settle();
        self.shared.checkpoint()
    }

    /// Ends the store as [`Store::close`] would.
    ///
    /// # Errors
    /// A failed write.
    pub fn close(mut self) -> Result<()> {
        self.settle();
        self.writer.seal()?;
        self.shared.inbox.close(&crate::Error::Closed);
        self.shared.final_checkpoint()
    }
}
