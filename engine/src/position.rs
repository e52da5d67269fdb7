//! Where a record lies, and when a name was written: newtypes, so that no two numbers can be confused.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $format:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

number!(
    /// A node of the cluster: random, chosen once, kept in the superblock. Shown as 16 hexadecimal digits.
    NodeId, "{:016x}"
);
number!(
    /// One run of a node; grows by one with every start. The first is 1.
    Incarnation, "{}"
);
number!(
    /// The number of a segment within one node's log. The first is 1; never reused.
    SegmentNumber, "{}"
);
number!(
    /// A byte offset from the start of a segment file.
    Offset, "{}"
);
number!(
    /// A bucket: random, chosen once, never 0 (0 is the catalog). Shown as 16 hexadecimal digits.
    BucketId, "{:016x}"
);
number!(
    /// A hybrid logical clock: milliseconds since 1970 in the upper 48 bits, a counter in the lower 16.
    Hlc, "{}"
);

impl Hlc {
    /// The milliseconds since 1970 that this stamp holds.
    pub const fn millis(self) -> u64 {
        self.0 >> 16
    }

    /// The next stamp after `self` when the wall clock shows `now_ms`: never smaller, never equal.
    pub const fn next(self, now_ms: u64) -> Self {
        let wall = now_ms << 16;
        if wall > self.0 {
            Self(wall)
        } else {
            Self(self.0 + 1)
        }
    }
}

impl SegmentNumber {
    /// The number after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Where a record begins, in whose log. Positions of one log are ordered by (segment, offset).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    /// Whose log.
    pub node: NodeId,
    /// Which run of that node wrote it.
    pub incarnation: Incarnation,
    /// Which segment of that log.
    pub segment: SegmentNumber,
    /// Where in the segment.
    pub offset: Offset,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}@{}",
            self.node, self.incarnation, self.segment, self.offset
        )
    }
}

/// A point in one log: everything before it has been written, synced or applied, whatever the context says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LogPoint {
    /// The segment.
    pub segment: SegmentNumber,
    /// The offset of the first byte that is not covered.
    pub offset: Offset,
}

impl fmt::Display for LogPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.segment, self.offset)
    }
}

/// When a name, tombstone or catalog entry was written, and by whom. The larger version wins everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version {
    /// Stamped by the log writer at layout: log order is clock order on each node.
    pub hlc: Hlc,
    /// Breaks ties between nodes.
    pub node: NodeId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_never_stands_still_or_goes_back() {
        let first = Hlc(0).next(1_000);
        assert_eq!(first.millis(), 1_000);
        assert!(first.next(1_000) > first);
        assert!(first.next(10) > first);
        assert_eq!(first.next(1_001).millis(), 1_001);
    }
}
