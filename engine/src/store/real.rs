//! A store on a real disk.

use super::open::{KvSource, OpenedStore, Parts, open};
use super::runtime::Runtime;
use super::workers::Workers;
use super::{Options, Store};
use crate::clock::{Entropy, SystemClock, SystemEntropy};
use crate::error::{Error, Result};
use crate::index::hash::MmapSource;
use crate::index::names::{DiskKv, DiskOptions, Kv, Spill, SpillFolder};
use crate::io::lock::{DirLock, LockError};
use crate::io::reactor::Reactor;
use crate::io::{DiskPath, probe};
use crate::sync::Arc;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Cold reads in flight at once: what a fast disk needs to be busy.
const READ_DEPTH: usize = 64;

/// Threads that look things up: they may wait for the disk, so there are more than cores.
const LOOKUP_THREADS: usize = 8;

/// The name index in a folder of the data directory.
struct DiskSource(PathBuf);

impl KvSource for DiskSource {
    fn open(&self) -> crate::index::names::Result<Box<dyn Kv>> {
        Ok(Box::new(DiskKv::open(&self.0, DiskOptions::default())?))
    }

    fn remove(&self) -> crate::index::names::Result<()> {
        DiskKv::remove(&self.0)
    }

    fn spill(&self) -> Option<Rc<dyn Spill>> {
        let path = self.0.with_file_name("rebuild");
        Some(Rc::new(SpillFolder::new(path)))
    }
}

impl Store {
    /// Opens the store in a folder, or makes one there. Blocks while it recovers; starts the store's threads.
    ///
    /// # Errors
    /// Each says what is wrong and what to do: the folder is in use, holds something else, was written by a newer
    /// program, lacks its `store.key`, is full or read-only.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        let shown = dir.display().to_string();
        if options.create {
            std::fs::create_dir_all(dir).map_err(|source| Error::DataDir {
                dir: shown.clone(),
                source: Arc::new(source),
            })?;
        }
        let lock = DirLock::acquire(dir).map_err(|error| match error {
            LockError::Held { pid } => Error::Locked {
                dir: shown.clone(),
                pid: pid.unwrap_or_default(),
            },
            LockError::Io(source) => Error::DataDir {
                dir: shown.clone(),
                source: Arc::new(source),
            },
        })?;
        let (disk, _) = probe::choose(dir, options.io).map_err(|source| Error::DataDir {
            dir: shown.clone(),
            source: Arc::new(source),
        })?;
        let threads = match options.workers {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let reactor = Reactor::start(&disk, READ_DEPTH)
            .map_err(|source| Error::io("start a reader for", &DiskPath::root(), source))?;
        let entropy = SystemEntropy;
        let parts = Parts {
            cache_seed: entropy.number(),
            pages: Arc::new(MmapSource::new(dir.to_owned(), false)),
            kv: Box::new(DiskSource(dir.join("index").join("names"))),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(entropy),
            compute: Workers::pool("compute", threads)?,
            lookup: Workers::pool("lookup", LOOKUP_THREADS)?,
            reactor,
            dir: shown,
            disk,
        };
        let OpenedStore {
            shared,
            writer,
            applier,
            created,
        } = open(parts, &options)?;
        let runtime = Arc::new(Runtime::start(&shared, writer, applier, Some(lock))?);
        Ok(Self {
            shared,
            runtime,
            created,
        })
    }
}
