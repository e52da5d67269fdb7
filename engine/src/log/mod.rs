//! The log of this node: the one writer, and the way back after a crash.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `draft` | a record before it has a place |
//! | `inbox` | what waits for the writer |
//! | `batch_builder` | laying out drafts in an aligned buffer |
//! | `buffers` | the memory that batches are laid out in |
//! | `active` | the segment that is being appended to: creation, footer, seal |
//! | `spare` | a segment that is prepared while nothing else is to do |
//! | `committed` | what is durable, on its way to be applied |
//! | `writer` | the state machine: write, sync, acknowledge; poison |
//! | `segments` | every segment of every log, for readers |
//! | `scan` | reading batches back, trusting nothing |
//! | `rewrite` | writing what nothing attests once more |
//! | `alone` | the writer without a store, for measurements (feature `measure`) |
//! | `recovery` | where the log ends after a crash, and making that cut durable |
//!
//! Invariants 1, 2 and 8 of the design are kept here.

mod active;
#[cfg(feature = "measure")]
pub mod alone;
mod batch_builder;
mod buffers;
mod committed;
mod draft;
mod inbox;
mod recovery;
mod rewrite;
pub(crate) mod scan;
mod segments;
pub(crate) mod spare;
mod writer;

pub(crate) use committed::{Committed, CommittedRecord, Sink};
pub(crate) use draft::{Draft, DraftId, Item, Keep, Placed};
pub(crate) use inbox::Inbox;
pub(crate) use recovery::{Tail, find_end, read_footer, recover_tail};
pub(crate) use segments::{Opened, Segment, Segments};
pub(crate) use writer::{Writer, WriterConfig, WriterParts};

use crate::io::DiskPath;
use crate::position::{NodeId, SegmentNumber};

/// The folder of all logs.
pub(crate) fn logs_dir() -> DiskPath {
    DiskPath::root().join("log")
}

/// The folder of one node's log.
pub(crate) fn log_dir(node: NodeId) -> DiskPath {
    logs_dir().join(&node.to_string())
}

/// The folder where a segment is prepared before it joins the log.
pub(crate) fn spare_dir() -> DiskPath {
    DiskPath::root().join("spare")
}

/// The file name of a segment: ten digits and `.seg`.
pub(crate) fn segment_name(number: SegmentNumber) -> String {
    format!("{:010}.seg", number.0)
}

/// The number in a segment's file name; `None` for any other name.
pub(crate) fn parse_segment_name(name: &str) -> Option<SegmentNumber> {
    let digits = name.strip_suffix(".seg")?;
    let number: u64 = digits.parse().ok()?;
    (number > 0 && segment_name(SegmentNumber(number)) == name).then_some(SegmentNumber(number))
}
