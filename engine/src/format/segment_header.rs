//! The start of a segment: which log it belongs to, which number it has, and which segments were live before it.
//!
//! Two equal copies of `header_len` bytes (a multiple of 4 KiB that grows with the list of live segments); batches begin
//! after the second. The second copy is found even if the first one's length is damaged: it lies where its own
//! `header_len` says.

use super::bytes::{Fixed, Reader, crc_of, len_u64, pad_to};
use super::error::{FormatError, expect};
use super::geometry::{GEOMETRY_LEN, Geometry};
use super::identity::{Binding, StoreId};
use super::superblock::FORMAT_VERSION;
use crate::position::{Incarnation, NodeId, SegmentNumber};

const MAGIC: &[u8; 8] = b"MORSEGMT";
const WHAT: &str = "segment header";
/// A copy's length is a multiple of this.
const UNIT: usize = 4096;
/// Fields before the CRC.
const CRC_AT: usize = 100;
/// Where the list of live ranges begins.
const LIVE_AT: usize = CRC_AT + 4;
/// Bytes of one live range.
const RANGE_LEN: usize = 16;
const _: () = assert!(8 + 4 + 4 + 16 + 8 + 8 + 8 + 8 + GEOMETRY_LEN + 8 + 4 == CRC_AT);

/// A run of live segments: the first, and how many.
pub type LiveRange = (SegmentNumber, u64);

/// What the header of a segment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The store whose log this is.
    pub store: StoreId,
    /// The node that wrote it.
    pub node: NodeId,
    /// The run of that node.
    pub incarnation: Incarnation,
    /// The segment's number in that node's log.
    pub segment: SegmentNumber,
    /// Repeated in every batch and record of the segment.
    pub binding: Binding,
    /// The sizes that the log was written with.
    pub geometry: Geometry,
    /// When the segment was begun, in milliseconds since 1970.
    pub created_ms: u64,
    /// The live segments of this log before this one: ascending runs that neither touch nor overlap.
    pub live: Vec<LiveRange>,
}

impl SegmentHeader {
    /// The most bytes of one copy. 4 MiB list 262,137 runs of live segments; reclaiming keeps them far fewer.
    pub const COPY_MAX: usize = 4 << 20;
    /// How many bytes from the start of the file hold both copies, whatever their length.
    pub const PREFIX_MAX: usize = 2 * Self::COPY_MAX;
    /// The most runs of live segments.
    pub const LIVE_MAX: usize = (Self::COPY_MAX - LIVE_AT) / RANGE_LEN;

    /// Bytes of one copy.
    pub fn header_len(&self) -> usize {
        pad_to(LIVE_AT + self.live.len() * RANGE_LEN, UNIT)
    }

    /// Where the first batch begins: after both copies.
    pub fn data_start(&self) -> u64 {
        len_u64(2 * self.header_len())
    }

    /// Both copies.
    ///
    /// # Panics
    /// If the geometry or the list of live segments is not valid, or there are more than [`Self::LIVE_MAX`] runs.
    pub fn encode(&self) -> Vec<u8> {
        assert_eq!(self.geometry.validate(), Ok(()), "checked before");
        assert_eq!(self.check_live(), Ok(()), "the writer keeps runs in order");
        let len = self.header_len();
        assert!(len <= Self::COPY_MAX, "too many runs of live segments");
        let mut fields = Fixed::<CRC_AT>::new();
        fields
            .put(MAGIC)
            .u32(FORMAT_VERSION)
            .u32(u32::try_from(len).expect("at most 4 MiB"))
            .put(&self.store.0)
            .u64(self.node.0)
            .u64(self.incarnation.0)
            .u64(self.segment.0)
            .u64(self.binding.0);
        self.geometry.encode(&mut fields);
        fields
            .u64(self.created_ms)
            .u32(u32::try_from(self.live.len()).expect("at most 4 MiB of them"));
        let fields = fields.finish();
        let mut live = Vec::with_capacity(len - LIVE_AT);
        for (first, count) in &self.live {
            live.extend_from_slice(&first.0.to_le_bytes());
            live.extend_from_slice(&count.to_le_bytes());
        }
        live.resize(len - LIVE_AT, 0);
        let crc = crc_of(&[&fields, &live]).to_le_bytes();
        [&fields[..], &crc, &live].concat().repeat(2)
    }

    /// How many bytes from the start of the file [`SegmentHeader::decode`] needs, given at least its first 16 bytes:
    /// both copies if the first one's length can be read, else all that there may be. The file may be shorter.
    pub fn prefix_len(start: &[u8]) -> usize {
        copy_len(start).map_or(Self::PREFIX_MAX, |len| 2 * len)
    }

    /// Reads the header from the start of a file. Also returns where batches begin and how many of the two copies verify.
    ///
    /// If neither does within the first [`SegmentHeader::prefix_len`] bytes, the length itself may be what is damaged:
    /// decode once more from [`SegmentHeader::PREFIX_MAX`] bytes before giving up.
    pub fn decode(prefix: &[u8]) -> Result<(Self, u64, u8), FormatError> {
        match Self::decode_copy(prefix) {
            Ok(header) => {
                let len = header.header_len();
                let second = prefix.get(len..).and_then(|at| Self::decode_copy(at).ok());
                let copies = if second.as_ref() == Some(&header) {
                    2
                } else {
                    1
                };
                let start = header.data_start();
                Ok((header, start, copies))
            }
            Err(error) => (UNIT..prefix.len().min(Self::COPY_MAX + 1))
                .step_by(UNIT)
                .filter_map(|at| prefix.get(at..).map(|copy| (at, copy)))
                .filter(|(at, copy)| copy_len(copy) == Some(*at))
                .find_map(|(_, copy)| Self::decode_copy(copy).ok())
                .map(|header| (header.data_start(), header))
                .map(|(start, header)| (header, start, 1))
                .ok_or(error),
        }
    }

    /// Checks that the file is the one that its path says.
    pub fn expect(
        &self,
        store: StoreId,
        node: NodeId,
        segment: SegmentNumber,
    ) -> Result<(), FormatError> {
        if self.store != store {
            return Err(FormatError::Content {
                what: "store id of the segment header",
            });
        }
        expect("node id", node.0, self.node.0)?;
        expect("segment number", segment.0, self.segment.0)
    }

    fn decode_copy(at: &[u8]) -> Result<Self, FormatError> {
        let mut from = Reader::new(at, WHAT);
        from.magic(MAGIC)?;
        let version = from.u32()?;
        let len = copy_len(at).ok_or(FormatError::Range {
            what: "length of the segment header",
            found: u64::from(from.clone().u32()?),
        })?;
        let copy = at.get(..len).ok_or(FormatError::Truncated { what: WHAT })?;
        let (fields, rest) = copy.split_at(CRC_AT);
        let (crc, live) = rest
            .split_first_chunk::<4>()
            .ok_or(FormatError::Truncated { what: WHAT })?;
        if u32::from_le_bytes(*crc) != crc_of(&[fields, live]) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        if version != FORMAT_VERSION {
            return Err(FormatError::Version {
                what: WHAT,
                found: version,
            });
        }
        let _length = from.u32()?;
        let header = Self::decode_fields(from, live)?;
        header.check_live()?;
        if header.header_len() != len {
            return Err(FormatError::Range {
                what: "length of the segment header",
                found: len_u64(len),
            });
        }
        Ok(header)
    }

    fn decode_fields(mut from: Reader<'_>, live: &[u8]) -> Result<Self, FormatError> {
        let mut header = Self {
            store: StoreId(from.array()?),
            node: NodeId(from.u64()?),
            incarnation: Incarnation(from.u64()?),
            segment: SegmentNumber(from.u64()?),
            binding: Binding(from.u64()?),
            geometry: Geometry::decode(&mut from)?,
            created_ms: from.u64()?,
            live: Vec::new(),
        };
        let count = from.u32()?;
        let mut live = Reader::new(live, WHAT);
        for _ in 0..count {
            header.live.push((SegmentNumber(live.u64()?), live.u64()?));
        }
        Ok(header)
    }

    /// Runs are ascending, apart, not empty, and end before this segment.
    fn check_live(&self) -> Result<(), FormatError> {
        let mut next_free = 1;
        for (first, count) in &self.live {
            let bad = FormatError::Range {
                what: "run of live segments",
                found: first.0,
            };
            let end = first.0.checked_add(*count).ok_or(bad)?;
            if first.0 < next_free || *count == 0 || end > self.segment.0 {
                return Err(bad);
            }
            next_free = end.checked_add(1).ok_or(bad)?;
        }
        Ok(())
    }
}

/// The length of the copy that begins here, if its magic and its length are plausible.
fn copy_len(at: &[u8]) -> Option<usize> {
    let mut from = Reader::new(at, WHAT);
    from.magic(MAGIC).ok()?;
    let _version = from.u32().ok()?;
    let len = usize::try_from(from.u32().ok()?).ok()?;
    ((UNIT..=SegmentHeader::COPY_MAX).contains(&len) && len.is_multiple_of(UNIT)).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(runs: u64) -> SegmentHeader {
        SegmentHeader {
            store: StoreId([1; 16]),
            node: NodeId(2),
            incarnation: Incarnation(3),
            segment: SegmentNumber(10_000),
            binding: Binding(5),
            geometry: Geometry::default(),
            created_ms: 6,
            live: (0..runs)
                .map(|run| (SegmentNumber(1 + 3 * run), 2))
                .collect(),
        }
    }

    #[test]
    fn round_trips_at_every_length() {
        for runs in [0, 1, 249, 250, 251, 1000] {
            let header = sample(runs);
            let bytes = header.encode();
            assert_eq!(SegmentHeader::prefix_len(&bytes[..16]), bytes.len());
            assert_eq!(bytes.len() as u64, header.data_start());
            assert_eq!(
                SegmentHeader::decode(&bytes),
                Ok((header, bytes.len() as u64, 2))
            );
        }
    }

    #[test]
    fn second_copy_serves_whatever_happened_to_the_first() {
        let header = sample(600);
        let bytes = header.encode();
        for at in [0, 8, 12, 13, 50, 101, 3000, 9000] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            assert_eq!(
                SegmentHeader::decode(&bytes),
                Ok((header.clone(), bytes.len() as u64, 1)),
                "byte {at}"
            );
        }
        let mut second = bytes.clone();
        let len = second.len();
        second[len - 1] ^= 1;
        assert_eq!(SegmentHeader::decode(&second), Ok((header, len as u64, 1)));
    }

    #[test]
    fn lists_that_no_writer_writes_are_refused() {
        let lists = [
            vec![(SegmentNumber(0), 1)],
            vec![(SegmentNumber(1), 0)],
            vec![(SegmentNumber(1), 2), (SegmentNumber(3), 1)],
            vec![(SegmentNumber(5), 1), (SegmentNumber(1), 1)],
            vec![(SegmentNumber(9_999), 2)],
            vec![(SegmentNumber(u64::MAX), 2)],
        ];
        for live in lists {
            assert!(SegmentHeader { live, ..sample(0) }.check_live().is_err());
        }
    }

    #[test]
    fn says_when_it_is_another_file() {
        let header = sample(0);
        let (store, node, segment) = (header.store, header.node, header.segment);
        assert_eq!(header.expect(store, node, segment), Ok(()));
        assert!(header.expect(StoreId([2; 16]), node, segment).is_err());
        assert!(header.expect(store, NodeId(9), segment).is_err());
        assert!(header.expect(store, node, SegmentNumber(1)).is_err());
    }
}
