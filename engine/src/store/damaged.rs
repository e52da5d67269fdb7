//! Records that were found damaged since the store was opened: the same bytes are not taken for known again.
//!
//! Without this a client that uploads lost bytes once more would be told that they are stored. Bounded; what does not
//! fit is found damaged again by the next read.

use crate::index::hash::Location;
use crate::position::{NodeId, Offset, SegmentNumber};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};
use std::collections::BTreeSet;

/// The most places that are remembered: 64 Ki, about 3 MiB.
const PLACES_MAX: usize = 64 * 1024;

type Place = (NodeId, SegmentNumber, Offset);

/// Where damaged records begin.
#[derive(Debug, Default)]
pub(crate) struct DamagedPlaces {
    places: Mutex<BTreeSet<Place>>,
    /// As many as there are in `places`: usually none, and then nobody has to wait for the lock.
    count: AtomicUsize,
}

impl DamagedPlaces {
    /// Remembers the record that begins here.
    pub fn add(&self, node: NodeId, segment: SegmentNumber, offset: Offset) {
        let mut places = self.places.lock();
        if places.len() < PLACES_MAX {
            places.insert((node, segment, offset));
            self.count.store(places.len(), Ordering::Release);
        }
    }

    /// Whether the record at this location is known to be damaged.
    pub fn contains(&self, at: Location) -> bool {
        self.holds(at.node, at.segment, at.offset)
    }

    /// Whether the record that begins here is known to be damaged.
    pub fn holds(&self, node: NodeId, segment: SegmentNumber, offset: Offset) -> bool {
        self.count.load(Ordering::Acquire) > 0
            && self.places.lock().contains(&(node, segment, offset))
    }
}
