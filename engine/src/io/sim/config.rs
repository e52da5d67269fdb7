//! What a simulated disk is told: how it behaves, how it fails, how it crashes.

use std::io;

/// How a simulated disk behaves while nothing is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimConfig {
    /// What files past the page cache ask for; a misaligned operation on them is refused, as the kernel does.
    pub alignment: usize,
    /// Bytes that a disk writes in one piece; a crash tears writes at their multiples.
    pub sector: usize,
    /// Whether a crash may also cut a sector in its middle.
    pub cut_sectors: bool,
    /// Bytes that the files may hold together.
    pub capacity: u64,
    /// Whether queues complete in seeded order, and some operations later than others. Else: all, in order of submission.
    pub out_of_order: bool,
    /// Of 100 transfers in a queue, and of 100 reads from the page cache, how many move fewer bytes than asked. The queue
    /// goes on by itself; each piece is a change of its own, at which the disk can crash.
    pub short_percent: u8,
    /// Of 100 reads from the page cache, how many find nothing there.
    pub miss_percent: u8,
    /// Whether allocated space holds seeded garbage until it is written. Else zeros.
    pub garbage_in_allocated: bool,
    /// What [`Disk::rewrites_in_place`](crate::io::Disk::rewrites_in_place) answers.
    pub rewrites_in_place: bool,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            alignment: 512,
            sector: 512,
            cut_sectors: true,
            capacity: 256 << 20,
            out_of_order: true,
            short_percent: 10,
            miss_percent: 25,
            garbage_in_allocated: false,
            rewrites_in_place: true,
        }
    }
}

/// What survives a crash of the changes that were not synced, in the order in which they were made
/// ([`SimDisk::unsynced`](super::SimDisk::unsynced) counts them).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrashMode {
    /// None.
    LoseAll,
    /// All.
    KeepAll,
    /// The first `n`.
    Prefix(usize),
    /// A seeded subset, and of some writes only a seeded part.
    Subset,
    /// Those before `change`, and of that one, if it is a write, only a seeded part of its sectors.
    TornSector {
        /// Which change, counted from 0.
        change: usize,
        /// Whether those after it survive whole.
        keep_later: bool,
    },
}

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// The device failed.
    Eio,
    /// The file system is full.
    Enospc,
    /// The process has too many open files.
    Emfile,
    /// The file system went read-only.
    Erofs,
}

impl FaultKind {
    pub(super) fn error(self) -> io::Error {
        // The numbers of Linux, so that the kinds of std follow from them as they do on a real disk.
        io::Error::from_raw_os_error(match self {
            Self::Eio => 5,
            Self::Enospc => 28,
            Self::Emfile => 24,
            Self::Erofs => 30,
        })
    }
}

/// How long a fault lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// It strikes one call.
    Once,
    /// It strikes that call and every one after it.
    Forever,
}
