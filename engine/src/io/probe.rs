//! Chooses between io_uring and blocking calls at start, by trying: a ring is made, and writes, syncs and reads a file
//! without a name in the data directory. Containers often forbid io_uring; then blocking calls do, with a warning.

use super::blocking::BlockingDisk;
use super::real::RealFile;
use super::uring::UringDisk;
use super::{AlignedBuf, Disk, File, Queue};
use crate::sync::Arc;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Which implementation the operator wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IoChoice {
    /// io_uring if it works here, else blocking calls.
    #[default]
    Auto,
    /// io_uring, or an error.
    Uring,
    /// Blocking calls.
    Blocking,
}

/// How long the ring may take for its trial. A disk that is slower than this is still a disk; the limit is there so that
/// a ring that never answers does not stop the start.
const TRIAL_LIMIT: Duration = Duration::from_secs(30);

/// Opens the data directory with the implementation that was asked for, or that works; and says why it is that one.
pub fn choose(root: &Path, choice: IoChoice) -> io::Result<(Arc<dyn Disk>, &'static str)> {
    choose_from(UringDisk::open(root)?, root, choice)
}

/// The same with another maker of rings: a test's that refuses.
#[cfg(test)]
fn choose_with(
    root: &Path,
    choice: IoChoice,
    factory: super::uring::Factory,
) -> io::Result<(Arc<dyn Disk>, &'static str)> {
    choose_from(UringDisk::with_factory(root, factory)?, root, choice)
}

fn choose_from(
    uring: UringDisk,
    root: &Path,
    choice: IoChoice,
) -> io::Result<(Arc<dyn Disk>, &'static str)> {
    let (disk, reason): (Arc<dyn Disk>, _) = match choice {
        IoChoice::Blocking => (Arc::new(BlockingDisk::open(root)?), "asked for"),
        IoChoice::Uring => {
            try_ring(&uring, root).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("io_uring was asked for and does not work here: {error}"),
                )
            })?;
            (Arc::new(uring), "asked for")
        }
        IoChoice::Auto => match try_ring(&uring, root) {
            Ok(()) => (Arc::new(uring), "works here"),
            Err(error) => {
                tracing::warn!(%error, "io_uring does not work here; blocking calls are used, at a cost in speed");
                (
                    Arc::new(BlockingDisk::open(root)?),
                    "io_uring does not work here",
                )
            }
        },
    };
    tracing::info!(driver = disk.driver(), reason, "disk access");
    Ok((disk, reason))
}

/// Lets a ring write, sync and read.
fn try_ring(disk: &UringDisk, root: &Path) -> io::Result<()> {
    let mut queue = disk.queue(1)?;
    let tried = try_queue(queue.as_mut(), root);
    if queue.in_flight() > 0 {
        // It would wait for what never comes; its buffer must stay.
        std::mem::forget(queue);
    }
    tried
}

fn try_queue(queue: &mut dyn Queue, root: &Path) -> io::Result<()> {
    // Not every file system makes files without a name. The folder itself then shows that the ring answers.
    let (file, unnamed): (Arc<dyn File>, _) = match RealFile::unnamed(root) {
        Ok(file) => (Arc::new(file), true),
        Err(_) => (Arc::new(RealFile::folder(root)?), false),
    };
    if unnamed {
        let mut buf = AlignedBuf::zeroed(AlignedBuf::ALIGNMENT);
        buf.fill(0x5a);
        queue.write(1, &file, 0, buf);
        let written = one(queue)?;
        if let Err(error) = written.result {
            return fault_of_the_disk(error);
        }
    }
    queue.sync(2, &file);
    if let Err(error) = one(queue)?.result {
        return fault_of_the_disk(error);
    }
    if unnamed {
        queue.read(3, &file, 0, AlignedBuf::zeroed(AlignedBuf::ALIGNMENT));
        let read = one(queue)?;
        let moved = read.result?;
        let right = read
            .buf
            .is_some_and(|buf| moved == buf.len() && buf.iter().all(|byte| *byte == 0x5a));
        if !right {
            return Err(io::Error::other("a ring did not read what it had written"));
        }
    }
    Ok(())
}

/// A full or broken disk is full or broken for blocking calls too: the ring did its part in saying so.
fn fault_of_the_disk(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::ReadOnlyFilesystem => Ok(()),
        _ => Err(error),
    }
}

fn one(queue: &mut dyn Queue) -> io::Result<super::Completion> {
    queue
        .wait(Some(TRIAL_LIMIT))?
        .pop()
        .ok_or_else(|| io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::test_dir::TestDir;
    use crate::io::uring::Factory;

    const FORBIDDEN: Factory = |_| Err(io::Error::from_raw_os_error(1));

    #[test]
    fn blocking_calls_take_over_where_rings_are_forbidden() {
        let dir = TestDir::new("probe");
        let (disk, reason) = choose_with(dir.path(), IoChoice::Auto, FORBIDDEN).unwrap();
        assert_eq!(disk.driver(), "blocking");
        assert_eq!(reason, "io_uring does not work here");
    }

    #[test]
    fn a_ring_that_was_asked_for_and_is_forbidden_is_an_error_that_says_so() {
        let dir = TestDir::new("probe");
        let error = choose_with(dir.path(), IoChoice::Uring, FORBIDDEN)
            .err()
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("io_uring was asked for"));
    }

    #[test]
    fn blocking_calls_are_used_when_asked_for() {
        let dir = TestDir::new("probe");
        let (disk, _) = choose(dir.path(), IoChoice::Blocking).unwrap();
        assert_eq!(disk.driver(), "blocking");
    }

    #[test]
    fn a_ring_is_chosen_where_it_works_and_leaves_nothing_behind() {
        if !crate::io::conformance::uring_expected() {
            return;
        }
        let dir = TestDir::new("probe");
        let before = crate::io::uring::submitted_total();
        let (disk, _) = choose(dir.path(), IoChoice::Auto).unwrap();
        assert_eq!(disk.driver(), "io_uring");
        assert!(crate::io::uring::submitted_total() >= before + 3);
        assert!(disk.list(&crate::io::DiskPath::root()).unwrap().is_empty());
    }
}
