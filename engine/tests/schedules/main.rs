//! Bar 10: the store under thousands of schedules of its own threads.
//!
//! The code is the one that ships, with all its threads: log writer, applier, checkpointer, cold reader, a thread for each
//! job of the pools, and clients. Only what lies below differs: the simulated disk, the twins of the indexes, and
//! `engine/src/sync`, whose locks, atomics and channels are the explorer's in this build (`--cfg shuttle`). Each file
//! here is one race: what runs against what, and what must hold whichever way it ends. A wait that nothing can end is
//! a failure, and so is a leftover: a lock, a pin, content on its way, memory.
//!
//! `cargo xtask test schedules` runs them; a failure prints the line that repeats it.
#![cfg(shuttle)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

mod buckets;
mod budget;
#[cfg(feature = "canary")]
mod canaries;
mod checkpoint;
mod close;
mod dedup;
mod explore;
mod faults;
mod hash_index;
mod keys;
mod reads;
mod uploads;
mod world;
