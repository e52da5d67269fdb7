//! Ends a wait from another thread: an eventfd whose readiness is one more completion of the ring.

use crate::io::Wake;
use crate::sync::atomic::{AtomicBool, Ordering};
use rustix::event::EventfdFlags;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The eventfd, and whether it is set: many wakes between two waits cost one system call.
pub(super) struct EventWaker {
    fd: OwnedFd,
    set: AtomicBool,
}

impl EventWaker {
    pub fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self {
            fd: rustix::event::eventfd(0, flags)?,
            set: AtomicBool::new(false),
        })
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Called by the owner when the poll has completed: the next wake is a new one.
    ///
    /// The eventfd is emptied before the flag is: in the other order a wake between the two would set the flag and lose
    /// its event, and no wake would ever reach the eventfd again.
    pub fn clear(&self) {
        let mut count = [0; 8];
        // Empty already, if a signal ended the poll: nothing to clear then.
        let _ = rustix::io::read(&self.fd, &mut count);
        self.set.swap(false, Ordering::AcqRel);
    }
}

impl Wake for EventWaker {
    fn wake(&self) {
        if !self.set.swap(true, Ordering::AcqRel) {
            // Fails only if the counter is full, and then the eventfd is readable as it should be.
            let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
        }
    }
}
