//! The kernel's ring.
//!
//! Asks for SINGLE_ISSUER and DEFER_TASKRUN, so that completions are worked off on the owner's thread when it waits and
//! not by interrupting it; kernels before 6.1 give a plain ring. Such a ring belongs to the thread that enables it: it is
//! made disabled, wherever the queue is made, and enabled by the first wait.

#![expect(
    unsafe_code,
    reason = "the crate cannot know how long the memory of a submission lives"
)]

use super::ring::{Ended, Op, Ring};
use io_uring::types::{Fd, FsyncFlags, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};
use rustix::io::Errno;
use std::io;
use std::time::Duration;

/// "There is data to read" (`POLLIN` of poll(2)): rustix's constant has another type under Miri, which this must build for.
const POLL_IN: u32 = 1;

/// A ring of the kernel.
pub(super) struct KernelRing {
    ring: IoUring,
    /// Still to be enabled by the thread that will own it.
    disabled: bool,
}

impl KernelRing {
    /// A ring for `depth` operations and the waker's poll.
    pub fn start(depth: usize) -> io::Result<Box<dyn Ring>> {
        // The completion queue is made twice as large, so it holds every operation in flight and the poll.
        let entries = u32::try_from(depth + 1).map_err(io::Error::other)?;
        let (ring, disabled) = match IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_r_disabled()
            .build(entries)
        {
            Ok(ring) => (ring, true),
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                (IoUring::new(entries)?, false)
            }
            Err(error) => return Err(error),
        };
        let params = ring.params();
        if !params.is_feature_ext_arg() || !params.is_feature_nodrop() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this kernel's io_uring is too old (5.11 is needed)",
            ));
        }
        Ok(Box::new(Self { ring, disabled }))
    }
}

fn entry(op: Op) -> squeue::Entry {
    match op {
        Op::Read {
            fd,
            to,
            len,
            offset,
        } => opcode::Read::new(Fd(fd), to.0, len).offset(offset).build(),
        Op::Write {
            fd,
            from,
            len,
            offset,
        } => opcode::Write::new(Fd(fd), from.0, len)
            .offset(offset)
            .build(),
        Op::Sync { fd } => opcode::Fsync::new(Fd(fd))
            .flags(FsyncFlags::DATASYNC)
            .build(),
        Op::Poll { fd } => opcode::PollAdd::new(Fd(fd), POLL_IN).build(),
    }
}

impl Ring for KernelRing {
    unsafe fn push(&mut self, id: u64, op: Op) -> bool {
        let entry = entry(op).user_data(id);
        // SAFETY: the caller keeps the descriptor and the memory until the completion, as this method demands.
        unsafe { self.ring.submission().push(&entry) }.is_ok()
    }

    fn enter(&mut self, limit: Option<Duration>) -> io::Result<()> {
        if self.disabled {
            self.ring.submitter().register_enable_rings()?;
            self.disabled = false;
        }
        let entered = match limit {
            None => self.ring.submit_and_wait(1),
            // Deferred completions are worked off only by a wait; one that may not last is one.
            Some(limit) => {
                let limit = Timespec::from(limit);
                let args = SubmitArgs::new().timespec(&limit);
                self.ring.submitter().submit_with_args(1, &args)
            }
        };
        match entered.map_err(|error| (error.raw_os_error(), error)) {
            Ok(_) => Ok(()),
            Err((Some(number), _)) if number == Errno::TIME.raw_os_error() => Ok(()),
            Err((_, error)) => Err(error),
        }
    }

    fn reap(&mut self) -> Option<Ended> {
        let entry = self.ring.completion().next()?;
        Some(Ended {
            id: entry.user_data(),
            result: entry.result(),
        })
    }
}
