//! The simulated disk: in memory, deterministic, and it knows what is durable.
//!
//! The fault model, and the pessimist wins wherever real file systems differ:
//! - A write is visible at once and durable only after a sync of its file that was submitted after the write had completed.
//!   Until then a crash may keep it, lose it, or tear it at sectors, independently of every other write ([`CrashMode`]).
//! - A file's length is as durable as the write, cut or allocation that made it.
//! - A directory entry (creation, rename, removal) is durable only after a sync of its folder, even if the file's data was
//!   synced. A rename is atomic; one between two folders leaves both names if only the target's folder was synced.
//! - A failed sync drops what it should have made durable: still readable, no later sync brings it down, gone at the crash.
//! - A failed write may have reached the disk in part.
//! - [`SimDisk::crash_at`] freezes the disk at any change; everything after it fails until [`SimDisk::crash`] decides what
//!   survived. What was in flight then counts as un-synced, the change that was struck included.
//!
//! Determinism: all choices follow from the seed and the order of calls; [`SimDisk::trace`] proves it. One mutex guards the
//! whole disk. Operations of a queue run inside [`Queue::wait`](super::Queue::wait), in seeded order.
//!
//! After a crash all older handles fail with "stale handle after crash"; the disk itself goes on with what survived.

mod at_rest;
mod config;
mod crash;
mod disk;
mod faults;
mod file;
mod node;
mod queue;
mod random;
mod state;
mod tree;

#[cfg(test)]
mod tests;

pub use config::{CrashMode, FaultKind, Repeat, SimConfig};
pub use disk::{SimDisk, SimSnapshot};
