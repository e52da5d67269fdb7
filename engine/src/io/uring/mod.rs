//! The io_uring implementation.
//!
//! | part | is |
//! | --- | --- |
//! | `ring` | what the driver asks of a ring, as a trait: the kernel's, or a test's that scripts the completions |
//! | `kernel` | the kernel's ring |
//! | `driver` | the queue: owns buffers and files until the kernel is done with them, continues what came short |
//! | `wake` | ends a wait from another thread, through an eventfd that is polled in the ring |
//!
//! One ring per queue, and one thread per ring. No links, no SQPOLL, no IOPOLL. Submitting and waiting are one system
//! call. The completion queue holds whatever may be in flight, so it never overflows.

mod driver;
mod kernel;
mod ring;
mod wake;

#[cfg(test)]
mod scripted;

pub(in crate::io) use ring::Factory;

use super::real::Tree;
use super::{Disk, DiskPath, File, OpenMode, Queue, Space};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use driver::Driver;
use std::io;
use std::path::Path;

/// Operations handed to rings by this process: a proof that rings ran, for the metrics.
static SUBMITTED_TOTAL: AtomicU64 = AtomicU64::new(0);

/// How many operations this process has handed to the kernel through rings.
pub fn submitted_total() -> u64 {
    SUBMITTED_TOTAL.load(Ordering::Relaxed)
}

/// The real file system through rings; what is rare or cached goes through plain system calls.
#[derive(Debug)]
pub struct UringDisk {
    tree: Tree,
    factory: Factory,
    submitted: Arc<AtomicU64>,
}

impl UringDisk {
    /// The tree under `root`, which must exist. Whether the kernel allows rings shows with the first [`Disk::queue`];
    /// [`probe`](super::probe) asks beforehand.
    pub fn open(root: &Path) -> io::Result<Self> {
        Self::with_factory(root, kernel::KernelRing::start)
    }

    pub(in crate::io) fn with_factory(root: &Path, factory: Factory) -> io::Result<Self> {
        Ok(Self {
            tree: Tree::open(root)?,
            factory,
            submitted: Arc::default(),
        })
    }

    /// How many operations this disk's queues have handed to the kernel.
    pub fn submitted(&self) -> u64 {
        self.submitted.load(Ordering::Relaxed)
    }
}

impl Disk for UringDisk {
    fn driver(&self) -> &'static str {
        "io_uring"
    }

    fn create_dir(&self, path: &DiskPath) -> io::Result<()> {
        self.tree.create_dir(path)
    }

    fn list(&self, dir: &DiskPath) -> io::Result<Vec<String>> {
        self.tree.list(dir)
    }

    fn exists(&self, path: &DiskPath) -> io::Result<bool> {
        self.tree.exists(path)
    }

    fn link_astray(&self, path: &DiskPath) -> io::Result<Option<String>> {
        self.tree.link_astray(path)
    }

    fn open(&self, path: &DiskPath, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(self.tree.open_file(path, mode)?)
    }

    fn rename(&self, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
        self.tree.rename(from, to)
    }

    fn remove(&self, path: &DiskPath) -> io::Result<()> {
        self.tree.remove(path)
    }

    fn remove_tree(&self, path: &DiskPath) -> io::Result<()> {
        self.tree.remove_tree(path)
    }

    fn sync_dir(&self, dir: &DiskPath) -> io::Result<()> {
        self.tree.sync_dir(dir)
    }

    fn allocated(&self, dir: &DiskPath) -> io::Result<u64> {
        self.tree.allocated(dir)
    }

    fn space(&self) -> io::Result<Space> {
        self.tree.space()
    }

    fn rewrites_in_place(&self) -> bool {
        self.tree.rewrites_in_place()
    }

    fn queue(&self, depth: usize) -> io::Result<Box<dyn Queue>> {
        let depth = depth.clamp(1, ring::DEPTH_MAX);
        let ring = (self.factory)(depth)?;
        Ok(Box::new(Driver::new(
            ring,
            depth,
            Arc::clone(&self.submitted),
        )?))
    }
}
