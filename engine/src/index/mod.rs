//! What is derived from the log: where each id lies, and which name means what.

mod bucket_names;
pub mod catalog;
pub mod hash;
pub(crate) mod hot_names;
pub mod names;

use crate::position::{LogPoint, NodeId};
use std::collections::BTreeMap;

/// Up to where in each node's log an index is complete.
pub type Covered = BTreeMap<NodeId, LogPoint>;
