//! The table of local segment numbers: what the 24 bits in a slot stand for.
//!
//! Invariants: a number stands for one segment for ever; a number is given out only below a limit that is durable in
//! the mark. So a slot that the kernel wrote early, with a number that was given out after the last mark, names a number
//! that the table of that mark does not hold; after a crash numbers go on above the limit, and such slots are ignored
//! for ever instead of pointing into another segment.

use super::location::{LocalNumber, Location, Packed};
use crate::position::{NodeId, SegmentNumber};
use std::collections::BTreeMap;

/// Which number stands for which segment, and which may be given out.
#[derive(Clone, Debug, Default)]
pub(super) struct SegmentTable {
    by_segment: BTreeMap<(NodeId, SegmentNumber), LocalNumber>,
    by_number: Vec<Option<(NodeId, SegmentNumber)>>,
    /// The last number that was given out.
    last: u32,
    /// The last number that may be given out, durably.
    limit: u32,
}

impl SegmentTable {
    /// A table as a mark holds it. `None` if it contradicts itself.
    pub(super) fn restore(
        entries: &[(NodeId, SegmentNumber, LocalNumber)],
        last: u32,
        limit: u32,
    ) -> Option<Self> {
        let mut table = Self {
            last,
            limit,
            ..Self::default()
        };
        if last > limit || limit > LocalNumber::MAX.0 {
            return None;
        }
        for &(node, segment, number) in entries {
            let taken = table.segment(number).is_some() || table.number(node, segment).is_some();
            if taken || number.0 == 0 || number.0 > last {
                return None;
            }
            table.bind(node, segment, number);
        }
        Some(table)
    }

    /// Goes on above everything that may have been given out before a crash.
    pub(super) fn skip_reserved(&mut self) {
        self.last = self.limit;
    }

    fn bind(&mut self, node: NodeId, segment: SegmentNumber, number: LocalNumber) {
        let index = usize::try_from(number.0).expect("24 bits");
        if self.by_number.len() <= index {
            self.by_number.resize(index + 1, None);
        }
        *self
            .by_number
            .get_mut(index)
            .expect("just made long enough") = Some((node, segment));
        self.by_segment.insert((node, segment), number);
    }

    /// What a number stands for; `None` if it is unknown or was forgotten.
    pub(super) fn segment(&self, number: LocalNumber) -> Option<(NodeId, SegmentNumber)> {
        let index = usize::try_from(number.0).ok()?;
        self.by_number.get(index).copied().flatten()
    }

    /// The number of a segment, if it has one.
    pub(super) fn number(&self, node: NodeId, segment: SegmentNumber) -> Option<LocalNumber> {
        self.by_segment.get(&(node, segment)).copied()
    }

    /// What a slot points to; `None` if its number is unknown or was forgotten.
    pub(super) fn locate(&self, packed: Packed) -> Option<Location> {
        self.segment(packed.number())
            .map(|(node, segment)| packed.unpack(node, segment))
    }

    /// Gives out the next number; `None` if the limit must be raised first.
    pub(super) fn assign(&mut self, node: NodeId, segment: SegmentNumber) -> Option<LocalNumber> {
        assert!(self.number(node, segment).is_none());
        if self.last >= self.limit {
            return None;
        }
        self.last += 1;
        let number = LocalNumber(self.last);
        self.bind(node, segment, number);
        Some(number)
    }

    /// Forgets a segment; its number is not used again. False if it had none.
    pub(super) fn forget(&mut self, node: NodeId, segment: SegmentNumber) -> bool {
        let Some(number) = self.by_segment.remove(&(node, segment)) else {
            return false;
        };
        let index = usize::try_from(number.0).expect("24 bits");
        if let Some(entry) = self.by_number.get_mut(index) {
            *entry = None;
        }
        true
    }

    /// Forgets every segment. Numbers are not used again.
    pub(super) fn forget_all(&mut self) {
        self.by_segment.clear();
        self.by_number.clear();
    }

    /// Numbers left below the limit.
    pub(super) fn left(&self) -> u32 {
        self.limit - self.last
    }

    /// Numbers left before an index must be rebuilt.
    pub(super) fn left_at_all(&self) -> u32 {
        LocalNumber::MAX.0 - self.last
    }

    /// The limit that leaves `block` numbers, or as many as there are; the present one if that many are left.
    pub(super) fn limit_for(&self, block: u32) -> u32 {
        (self.last + block).min(LocalNumber::MAX.0).max(self.limit)
    }

    /// Raises the limit: `limit` is durable in the mark now.
    pub(super) fn raise_limit(&mut self, limit: u32) {
        assert!(limit >= self.limit && limit <= LocalNumber::MAX.0);
        self.limit = limit;
    }

    /// The last number given out.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// The segments and their numbers, in order.
    pub(super) fn entries(
        &self,
    ) -> impl ExactSizeIterator<Item = (NodeId, SegmentNumber, LocalNumber)> + '_ {
        self.by_segment
            .iter()
            .map(|(&(node, segment), &number)| (node, segment, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(1);

    #[test]
    fn numbers_start_at_one_stop_at_the_limit_and_are_never_reused() {
        let mut table = SegmentTable::default();
        assert_eq!(table.assign(NODE, SegmentNumber(5)), None);
        table.raise_limit(table.limit_for(2));
        assert_eq!(table.assign(NODE, SegmentNumber(5)), Some(LocalNumber(1)));
        assert!(table.forget(NODE, SegmentNumber(5)));
        assert!(!table.forget(NODE, SegmentNumber(5)));
        assert_eq!(table.assign(NODE, SegmentNumber(5)), Some(LocalNumber(2)));
        assert_eq!(table.segment(LocalNumber(1)), None);
        assert_eq!(table.assign(NODE, SegmentNumber(6)), None);
        table.raise_limit(table.limit_for(2));
        table.skip_reserved();
        table.raise_limit(table.limit_for(2));
        assert_eq!(table.assign(NODE, SegmentNumber(6)), Some(LocalNumber(5)));
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        let entry = |segment, number| (NODE, SegmentNumber(segment), LocalNumber(number));
        let fine = [entry(1, 1), entry(2, 2)];
        assert!(SegmentTable::restore(&fine, 2, 4).is_some());
        assert!(SegmentTable::restore(&fine, 1, 4).is_none());
        assert!(SegmentTable::restore(&fine, 5, 4).is_none());
        assert!(SegmentTable::restore(&fine, 2, LocalNumber::MAX.0 + 1).is_none());
        assert!(SegmentTable::restore(&[entry(1, 0)], 2, 4).is_none());
        assert!(SegmentTable::restore(&[entry(1, 1), entry(2, 1)], 2, 4).is_none());
        assert!(SegmentTable::restore(&[entry(1, 1), entry(1, 2)], 2, 4).is_none());
    }

    #[test]
    fn the_limit_ends_before_the_number_that_would_look_removed() {
        let table = SegmentTable::restore(&[], LocalNumber::MAX.0 - 1, LocalNumber::MAX.0 - 1);
        let mut table = table.expect("consistent");
        table.raise_limit(table.limit_for(256));
        assert_eq!(table.left(), 1);
        assert_eq!(table.assign(NODE, SegmentNumber(1)), Some(LocalNumber::MAX));
        assert_eq!(table.limit_for(256), LocalNumber::MAX.0);
        assert_eq!(table.assign(NODE, SegmentNumber(2)), None);
    }
}
