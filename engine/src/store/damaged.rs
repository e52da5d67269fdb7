//! Records that were found damaged since the store was opened: the same bytes are not taken for known again.
//!
//! Without this a client that uploads lost bytes once more would be told that they are stored. Bounded; what does not
//! fit is found damaged again by the next read.

use crate::index::hash::Location;
use crate::position::{NodeId, Offset, SegmentNumber};
use crate::sync::Mutex;
use std::collections::BTreeSet;

/// The most places that are remembered: 64 Ki, about 3 MiB.
const PLACES_MAX: usize = 64 * 1024;

type Place = (NodeId, SegmentNumber, Offset);

/// Where damaged records begin.
#[derive(Debug, Default)]
pub(crate) struct DamagedPlaces {
    places: Mutex<BTreeSet<Place>>,
}

impl DamagedPlaces {
    /// Remembers the record that begins here.
    pub fn add(&self, node: NodeId, segment: SegmentNumber, offset: Offset) {
        let mut places = self.places.lock();
        if places.len() < PLACES_MAX {
            places.insert((node, segment, offset));
        }
    }

    /// Whether the record at this location is known to be damaged.
    pub fn contains(&self, at: Location) -> bool {
        let places = self.places.lock();
        !places.is_empty() && places.contains(&(at.node, at.segment, at.offset))
    }
}
