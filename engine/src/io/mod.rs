//! The seam to the disk: one trait family, three implementations.
//!
//! | implementation | used |
//! | --- | --- |
//! | [`uring`] | where the kernel allows io_uring |
//! | [`blocking`] | where it does not: plain system calls, on threads |
//! | `sim` | in tests: a disk that knows what is durable, and fails as told |
//!
//! [`Disk`] is a folder tree, [`File`] an open file, [`Queue`] the asynchronous door that one thread owns: it
//! submits writes, reads and syncs, and waits for completions in any order. On these stand [`reactor`] (cold reads for
//! many callers) and [`bulk`] (whole files, past the page cache). [`probe`] chooses the implementation, [`lock`] keeps a
//! second process out.
//!
//! Files and folders are made for the owner's eyes only.
//!
//! Invariants, kept by every implementation and checked by one conformance suite:
//! - A buffer that was given to a queue belongs to the queue until its completion is returned, whatever happens to the caller.
//! - A write completes once all its bytes are written, or with an error: short writes are continued inside the queue.
//! - A read completes with the bytes that were there: short only at the end of the file.
//! - A sync covers exactly the writes that had *completed* when it was submitted. There are no links: who needs
//!   write-then-sync waits for the write's completion first.
//! - Nothing is retried after a failed sync; the error goes to the caller, who poisons the log.
//! - `EINTR` is retried inside, except for a sync; `EAGAIN` is never returned except as `None` by [`File::try_read_at`].

use crate::sync::Arc;
use std::io;

pub mod blocking;
mod buf;
pub mod bulk;
#[cfg(test)]
mod conformance;
pub mod lock;
mod path;
pub mod probe;
pub mod reactor;
mod read_buffers;
mod real;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
#[cfg(test)]
pub(crate) mod test_dir;
pub mod uring;

pub use buf::AlignedBuf;
pub use path::DiskPath;
pub use read_buffers::ReadBuf;
pub(crate) use real::{link_astray, remove_all};

/// How [`Disk::open`] opens a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// For reading through the page cache.
    Read,
    /// For reading past the page cache where the file system allows it ([`File::alignment`] tells).
    ReadDirect,
    /// A new file for reading and writing past the page cache where the file system allows it; an error if it exists.
    CreateDirect,
    /// An existing file, for reading and writing, past the page cache where the file system allows it.
    WriteDirect,
}

/// Bytes of the file system that holds the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What an unprivileged process could still use.
    pub free: u64,
}

/// A folder tree. Its methods may block; they are rare.
pub trait Disk: Send + Sync + 'static {
    /// Which implementation this is, for the log and the metrics: `io_uring`, `blocking` or `simulated`.
    fn driver(&self) -> &'static str;
    /// Creates a folder (not its parents); not an error if it exists. Durable once the parent was synced.
    fn create_dir(&self, path: &DiskPath) -> io::Result<()>;
    /// The names in a folder, sorted. Not found is an error.
    fn list(&self, dir: &DiskPath) -> io::Result<Vec<String>>;
    /// Whether a file or folder exists.
    fn exists(&self, path: &DiskPath) -> io::Result<bool>;
    /// Where the link at a path leads, if there is one and it does not lead to a folder. `None` where there are no links.
    fn link_astray(&self, _path: &DiskPath) -> io::Result<Option<String>> {
        Ok(None)
    }
    /// Opens a file.
    fn open(&self, path: &DiskPath, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Replaces `to` by `from` atomically. Durable once both folders were synced.
    fn rename(&self, from: &DiskPath, to: &DiskPath) -> io::Result<()>;
    /// Removes a file. Durable once its folder was synced.
    fn remove(&self, path: &DiskPath) -> io::Result<()>;
    /// Removes a file, or a folder with all it holds; not an error if there is nothing. Links are removed, not followed. Durable once
    /// its folder was synced; a crash before that may leave any part of it.
    fn remove_tree(&self, path: &DiskPath) -> io::Result<()>;
    /// Makes the entries of a folder durable. Where memory or descriptors were wanting, nothing was synced; after any other error
    /// nobody knows what was.
    fn sync_dir(&self, dir: &DiskPath) -> io::Result<()>;
    /// Bytes that the file system holds for the files in a folder and below it, reserved ones included.
    fn allocated(&self, dir: &DiskPath) -> io::Result<u64>;
    /// How full the file system is.
    fn space(&self) -> io::Result<Space>;
    /// Whether what is written over a block lands in that block, so that a file that was written before needs no more room
    /// and no new places when it is written again. Not where the file system copies on write.
    fn rewrites_in_place(&self) -> bool {
        true
    }
    /// A new queue that may hold up to `depth` operations in flight.
    fn queue(&self, depth: usize) -> io::Result<Box<dyn Queue>>;
}

/// An open file, shared by many threads. Offsets and lengths in bytes.
#[expect(
    clippy::len_without_is_empty,
    reason = "nothing asks whether a file is empty"
)]
pub trait File: Send + Sync + 'static {
    /// What offsets, lengths and buffer addresses must be multiples of: 1 through the page cache, else the logical block.
    fn alignment(&self) -> usize;
    /// The length of the file.
    fn len(&self) -> io::Result<u64>;
    /// Reads into `buf`, blocking; returns the bytes read, short only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Reads what is in the page cache without waiting for the disk; `None` if it would wait. May be short.
    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>>;
    /// Writes all of `buf`, blocking.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// Reserves space up to `len` bytes and makes the file that long. A full disk shows here (`StorageFull`).
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes data, and the metadata needed to read it back, durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// For the queues of the same disk: the concrete file behind the trait.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// Names an operation in flight; chosen by the caller, returned with the completion.
pub type Token = u64;

/// An operation that ended.
pub struct Completion {
    /// The caller's token.
    pub token: Token,
    /// Bytes transferred (0 for a sync), or why not.
    pub result: io::Result<usize>,
    /// The buffer, back in the caller's hands (`None` for a sync).
    pub buf: Option<AlignedBuf>,
}

/// An asynchronous door to the disk. One thread owns it. Dropping it waits for what is in flight.
pub trait Queue: Send {
    /// Submits a write of the whole buffer.
    fn write(&mut self, token: Token, file: &Arc<dyn File>, offset: u64, buf: AlignedBuf);
    /// Submits a read that fills the buffer.
    fn read(&mut self, token: Token, file: &Arc<dyn File>, offset: u64, buf: AlignedBuf);
    /// Submits an fdatasync.
    fn sync(&mut self, token: Token, file: &Arc<dyn File>);
    /// How many operations are in flight.
    fn in_flight(&self) -> usize;
    /// Hands submissions to the kernel and waits until at least one operation ended, the waker was used, or `limit`
    /// has passed (`None`: no limit). Returns what ended, possibly nothing.
    fn wait(&mut self, limit: Option<std::time::Duration>) -> io::Result<Vec<Completion>>;
    /// A handle with which other threads end a [`Queue::wait`] early; a wake between two waits is not lost.
    fn waker(&self) -> Arc<dyn Wake>;
}

/// Ends a [`Queue::wait`] from another thread.
pub trait Wake: Send + Sync + 'static {
    /// Ends the current wait, or the next one if there is none now.
    fn wake(&self);
}
