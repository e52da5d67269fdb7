//! Every lock, atomic and thread of the engine comes from here, so that a schedule explorer can replace them in one place.
//!
//! Locks do not poison: a panic while a lock is held is a bug that ends the process's usefulness elsewhere (the log
//! writer turns the store read-only when its thread dies), and passing the panic on to every other client would only
//! hide the first message.
//!
//! In the build that explores schedules (`--cfg shuttle`, see RELIABILITY.md, bar 10) everything here is the explorer's, and the
//! code above it is the one that ships, line for line.

#[cfg(shuttle)]
mod explored;
#[cfg(not(shuttle))]
mod real;

#[cfg(shuttle)]
pub use explored::*;
#[cfg(not(shuttle))]
pub use real::*;
