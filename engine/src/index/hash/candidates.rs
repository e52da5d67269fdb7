//! The few places where an id may lie, without an allocation in all but contrived cases.

use super::location::Location;

/// Places held without an allocation: one is the rule, two while a record is being moved.
const INLINE: usize = 4;

/// Where an id may lie. Every candidate must be checked against the record it points to.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    inline: [Option<Location>; INLINE],
    more: Vec<Location>,
}

impl Candidates {
    /// Adds a place unless it is there.
    pub(super) fn push(&mut self, location: Location) {
        if self.iter().any(|known| known.same_place(&location)) {
            return;
        }
        match self.inline.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(location),
            None => self.more.push(location),
        }
    }

    /// Whether there is none: the id is not in the index.
    pub fn is_empty(&self) -> bool {
        self.inline.first().is_none_or(Option::is_none)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// The candidates, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Location> + '_ {
        self.inline
            .iter()
            .flatten()
            .chain(self.more.iter())
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{NodeId, Offset, SegmentNumber};

    #[test]
    fn it_holds_more_than_fit_inline_and_each_place_once() {
        let place = |offset| Location {
            node: NodeId(1),
            segment: SegmentNumber(1),
            offset: Offset(offset),
            size_hint: 1024,
        };
        let mut candidates = Candidates::default();
        assert!(candidates.is_empty());
        for offset in (0..80).step_by(8).chain((0..80).step_by(8)) {
            candidates.push(place(offset));
        }
        assert!(!candidates.is_empty());
        assert_eq!(candidates.len(), 10);
        let offsets: Vec<_> = candidates.iter().map(|found| found.offset.0).collect();
        assert_eq!(offsets, (0..80).step_by(8).collect::<Vec<_>>());
    }
}
