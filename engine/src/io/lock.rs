//! One process per data directory: a lock on the file `LOCK`, which the kernel lets go with the process, however it ends.
//!
//! The file's content is the holder's process id, for the message that the second process prints; the lock itself does not
//! depend on it, and the file is never removed: a removed lock file could be locked by two.

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("the data directory is in use by {}", .pid.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
    Held {
        /// Its process id, if it had written it down already.
        pid: Option<u32>,
    },
    /// The file could not be opened, locked or written.
    #[error("the lock file of the data directory: {0}")]
    Io(#[from] io::Error),
}

/// Holds the lock of a data directory until dropped.
#[derive(Debug)]
pub struct DirLock {
    _fd: OwnedFd,
}

impl DirLock {
    /// The file that is locked, in the data directory.
    pub const FILE_NAME: &'static str = "LOCK";

    /// Takes the lock, without waiting.
    pub fn acquire(root: &Path) -> Result<Self, LockError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let permissions = Mode::RUSR | Mode::WUSR;
        let path = root.join(Self::FILE_NAME);
        let fd = rustix::fs::open(path, flags, permissions).map_err(io::Error::from)?;
        match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(LockError::Held { pid: holder(&fd) }),
            Err(error) => return Err(LockError::Io(error.into())),
        }
        let pid = std::process::id().to_string();
        rustix::fs::ftruncate(&fd, 0).map_err(io::Error::from)?;
        rustix::io::pwrite(&fd, pid.as_bytes(), 0).map_err(io::Error::from)?;
        Ok(Self { _fd: fd })
    }
}

fn holder(fd: &OwnedFd) -> Option<u32> {
    let mut text = [0; 16];
    let read = rustix::io::pread(fd, &mut text, 0).ok()?;
    std::str::from_utf8(text.get(..read)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::test_dir::TestDir;

    #[test]
    fn a_second_holder_is_told_who_the_first_is_and_gets_the_lock_after_it() {
        let dir = TestDir::new("lock");
        let first = DirLock::acquire(dir.path()).unwrap();
        // A lock belongs to an open file, not to a process: a second open in this process competes as another would.
        let error = DirLock::acquire(dir.path()).unwrap_err();
        let LockError::Held { pid } = error else {
            panic!("{error}");
        };
        assert_eq!(pid, Some(std::process::id()));
        drop(first);
        DirLock::acquire(dir.path()).unwrap();
    }
}
