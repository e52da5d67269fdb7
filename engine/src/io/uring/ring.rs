//! What the driver asks of a ring: push, enter, reap. The kernel's ring is one implementation; a test's is another, whose
//! completions come late, short, failed or out of order, as the test likes.

#![expect(
    unsafe_code,
    reason = "operations carry pointers that the kernel writes to and reads from"
)]

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// Operations in flight on one ring at most: its queues are memory that the kernel pins.
pub(super) const DEPTH_MAX: usize = 4096;

/// Makes a ring for so many operations in flight, and the waker's poll besides.
pub(in crate::io) type Factory = fn(depth: usize) -> io::Result<Box<dyn Ring>>;

/// Where a transfer takes its bytes from or puts them.
#[derive(Clone, Copy, Debug)]
pub(in crate::io) struct Pointer(pub *mut u8);

// SAFETY: an address may travel; whoever goes to it answers to the contract of `Ring::push`.
unsafe impl Send for Pointer {}

/// One submission.
#[derive(Clone, Copy, Debug)]
pub(in crate::io) enum Op {
    Read {
        fd: RawFd,
        to: Pointer,
        len: u32,
        offset: u64,
    },
    Write {
        fd: RawFd,
        from: Pointer,
        len: u32,
        offset: u64,
    },
    /// fdatasync.
    Sync { fd: RawFd },
    /// Completes once when the descriptor is readable.
    Poll { fd: RawFd },
}

/// One completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::io) struct Ended {
    /// The id that was given with the submission.
    pub id: u64,
    /// Bytes moved, or a negative error number.
    pub result: i32,
}

/// A ring that one thread uses.
pub(in crate::io) trait Ring: Send {
    /// Queues a submission; `false` if the submission queue is full.
    ///
    /// # Safety
    /// The descriptor stays open, and the memory that `op` points to stays valid and is touched by nobody else (a write's:
    /// is changed by nobody), until the completion of `id` was reaped or the ring was dropped with nothing in flight.
    unsafe fn push(&mut self, id: u64, op: Op) -> bool;

    /// Hands the queued submissions to the kernel and waits for one completion, or until `limit` has passed. Zero waits
    /// for none. That the limit passed is not an error.
    fn enter(&mut self, limit: Option<Duration>) -> io::Result<()>;

    /// Takes one completion that has arrived.
    fn reap(&mut self) -> Option<Ended>;
}
