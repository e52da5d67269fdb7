//! Where a record lies, and how that fits into the eight bytes of a slot.
//!
//! ```text
//! 63          40 39                    11 10        0
//! local number   offset / 8               size class
//! 24 bits        29 bits                  11 bits
//! ```
//!
//! All zeros is an empty slot (local numbers start at 1), all ones a removed one (the last local number is never given out).

use crate::id::Id;
use crate::position::{NodeId, Offset, SegmentNumber};

/// Bits of the size class.
const CLASS_BITS: u32 = 11;
/// Bits of the offset, counted in units of [`OFFSET_UNIT`]: together 4 GiB, the largest segment.
const OFFSET_BITS: u32 = 29;
/// Records start at multiples of this many bytes.
const OFFSET_UNIT: u64 = 8;
/// One size class is this many bytes.
const CLASS_UNIT: u32 = 1024;
/// The size class of what is larger than the classes reach; a reader reads the record's header first.
const CLASS_LARGER: u32 = (1 << CLASS_BITS) - 1;

/// A segment as slots name it. 0 is never used; numbers are never reused while the index lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct LocalNumber(pub(super) u32);

impl LocalNumber {
    /// The largest number that may be given out: the next one would look like a removed slot.
    pub(super) const MAX: Self = Self((1 << 24) - 2);
}

/// The part of an id that a slot keeps: its bytes 8 to 15, little-endian. Different ids may share a tag, so every
/// candidate is checked against the record it points to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tag(pub u64);

impl Tag {
    /// The tag of `id`.
    pub fn of(id: &Id) -> Self {
        let (_, rest) = id.as_bytes().split_at(8);
        let bytes = rest.first_chunk().expect("an id is longer than 16 bytes");
        Self(u64::from_le_bytes(*bytes))
    }
}

/// Where the record of an extent or manifest may lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Location {
    /// Whose log.
    pub node: NodeId,
    /// Which segment of that log.
    pub segment: SegmentNumber,
    /// Where the record starts: a multiple of 8, below 4 GiB.
    pub offset: Offset,
    /// An upper bound on the bytes of the whole record, or [`Location::UNKNOWN_SIZE`]. The index rounds it up to a KiB.
    pub size_hint: u32,
}

impl Location {
    /// The size hint of a record whose size is not known, or larger than the index can say.
    pub const UNKNOWN_SIZE: u32 = u32::MAX;

    /// Whether both name the same record; size hints are not compared.
    pub fn same_place(&self, other: &Self) -> bool {
        (self.node, self.segment, self.offset) == (other.node, other.segment, other.offset)
    }
}

/// A location as a slot holds it: neither empty nor removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Packed(u64);

impl Packed {
    /// The word of an empty slot.
    pub(super) const EMPTY: u64 = 0;
    /// The word of a removed slot.
    pub(super) const REMOVED: u64 = u64::MAX;

    /// Packs a location whose segment has the local number `number`.
    ///
    /// # Panics
    /// If the offset is no multiple of 8, or 4 GiB or more: no segment is that long.
    pub(super) fn new(number: LocalNumber, location: &Location) -> Self {
        assert!((1..=LocalNumber::MAX.0).contains(&number.0));
        let units = location.offset.0 / OFFSET_UNIT;
        assert!(
            location.offset.0.is_multiple_of(OFFSET_UNIT) && units < 1 << OFFSET_BITS,
            "a record starts at a multiple of 8 bytes below 4 GiB, not at {}",
            location.offset
        );
        let class = match location.size_hint {
            0 => CLASS_LARGER,
            size => size.div_ceil(CLASS_UNIT).min(CLASS_LARGER),
        };
        Self(
            (u64::from(number.0) << (OFFSET_BITS + CLASS_BITS))
                | (units << CLASS_BITS)
                | u64::from(class),
        )
    }

    /// The location in a slot's second word; `None` if the slot is empty or removed.
    pub(super) fn from_word(word: u64) -> Option<Self> {
        (word != Self::EMPTY && word != Self::REMOVED).then_some(Self(word))
    }

    /// The slot's second word.
    pub(super) fn word(self) -> u64 {
        self.0
    }

    /// The local number of the segment.
    pub(super) fn number(self) -> LocalNumber {
        let number = self.0 >> (OFFSET_BITS + CLASS_BITS);
        LocalNumber(u32::try_from(number).expect("24 bits are left"))
    }

    /// Whether both name the same record.
    pub(super) fn same_place(self, other: Self) -> bool {
        self.0 >> CLASS_BITS == other.0 >> CLASS_BITS
    }

    /// The location, given what the local number stands for.
    pub(super) fn unpack(self, node: NodeId, segment: SegmentNumber) -> Location {
        let units = (self.0 >> CLASS_BITS) & ((1 << OFFSET_BITS) - 1);
        let class = u32::try_from(self.0 & u64::from(CLASS_LARGER)).expect("11 bits are left");
        Location {
            node,
            segment,
            offset: Offset(units * OFFSET_UNIT),
            size_hint: if class == CLASS_LARGER {
                Location::UNKNOWN_SIZE
            } else {
                class * CLASS_UNIT
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(offset: u64, size_hint: u32) -> Location {
        Location {
            node: NodeId(7),
            segment: SegmentNumber(9),
            offset: Offset(offset),
            size_hint,
        }
    }

    #[test]
    fn a_location_survives_packing_and_its_size_is_rounded_up() {
        let cases = [
            (8, 1, 1024),
            (8, 1024, 1024),
            (16, 1025, 2048),
            ((1 << 32) - 8, 2046 * 1024, 2046 * 1024),
            (0, 2046 * 1024 + 1, Location::UNKNOWN_SIZE),
            (0, 0, Location::UNKNOWN_SIZE),
            (0, Location::UNKNOWN_SIZE, Location::UNKNOWN_SIZE),
        ];
        for number in [1, 2, LocalNumber::MAX.0] {
            for (offset, size, rounded) in cases {
                let packed = Packed::new(LocalNumber(number), &location(offset, size));
                assert_eq!(packed.number(), LocalNumber(number));
                let back = packed.unpack(NodeId(7), SegmentNumber(9));
                assert_eq!(back, location(offset, rounded));
                assert_eq!(Packed::from_word(packed.word()), Some(packed));
            }
        }
    }

    #[test]
    fn golden_words() {
        let packed = Packed::new(LocalNumber(0x0012_3456), &location(0x8000, 3000));
        assert_eq!(packed.word(), 0x1234_5600_0080_0003);
        assert_eq!(Packed::from_word(0), None);
        assert_eq!(Packed::from_word(u64::MAX), None);
        let mut id = [0; 32];
        id[8..16].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(Tag::of(&Id::from_bytes(id)), Tag(0x0807_0605_0403_0201));
    }

    #[test]
    #[should_panic(expected = "multiple of 8")]
    fn an_offset_beyond_four_gib_is_a_bug() {
        Packed::new(LocalNumber(1), &location(1 << 32, 1));
    }
}
