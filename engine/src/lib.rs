//! A content-addressed, deduplicating, append-only segment store.
//!
//! The log is the store; the hash index, the name index and the catalog are caches of it that are rebuilt from
//! segment footers at any time. `FORMAT.md` beside this crate gives every byte on disk.
#![deny(unsafe_code)]

pub mod clock;
mod durable;
mod error;
pub mod format;
mod id;
pub mod index;
pub mod io;
mod position;
mod sync;

pub use error::{DamageKind, Error, Place, Result};
pub use id::{Id, ParseIdError};
pub use position::{
    BucketId, Hlc, Incarnation, LogPoint, NodeId, Offset, Position, SegmentNumber, Version,
};
