//! The reliability bars that a simulated disk can carry. `RELIABILITY.md` says which is which, and how to repeat a run.
//!
//! Each bar is one test with the figure of CI; `MORAINE_TEST_SCALE` multiplies it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that meets the unexpected ends there"
)]
#![allow(missing_docs, reason = "a test binary has no public items")]

#[cfg(feature = "canary")]
mod canaries;
mod catalog;
mod common;
mod crashes;
mod damage;
mod damage_kinds;
mod descriptors;
mod determinism;
mod disk_full;
mod every_sync_fails;
mod exhaustive;
mod flips;
mod fsck;
mod index_faults;
mod log_file;
mod nth_call_fails;
mod random_faults;
mod real_flips;
mod real_indexes;
mod real_store;
mod recovery_crashes;
mod regions;
mod sealing;
mod sequences;
mod spare;
mod stores;
mod workload;
