//! The header of a batch: what one sync made durable, and what had been synced when it was submitted.

use super::bytes::{Fixed, Reader, crc_of, len_u64};
use super::error::{FormatError, expect};
use super::identity::Binding;
use super::record::RECORD_HEADER_LEN;
use crate::position::{Hlc, LogPoint, Offset, SegmentNumber};

/// Bytes of a batch header.
pub const BATCH_HEADER_LEN: usize = 64;

const MAGIC: &[u8; 4] = b"MBAT";
const WHAT: &str = "batch header";
const VERSION: u16 = 1;
/// Every logical block is a multiple of this, hence every batch.
const BLOCK_MIN: u32 = 512;
const _: () = assert!(4 + 2 + 2 + 8 + 8 + 4 + 4 + 8 + 8 + 8 + 4 + 4 == BATCH_HEADER_LEN);

/// What the header of a batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Where the batch begins in its segment.
    pub offset: Offset,
    /// Bytes of the batch: this header, its records and the padding.
    pub len: u32,
    /// How many records follow. An idle writer's batch has none.
    pub records: u32,
    /// The attestation: everything before this point had been synced when the batch was submitted.
    pub synced: LogPoint,
    /// The highest stamp that the log has given, this batch included.
    pub hlc: Hlc,
}

impl BatchHeader {
    /// The header's bytes.
    pub fn encode(&self, binding: Binding) -> [u8; BATCH_HEADER_LEN] {
        let mut out = Fixed::<BATCH_HEADER_LEN>::new();
        out.put(MAGIC)
            .u16(0)
            .u16(VERSION)
            .u64(binding.0)
            .u64(self.offset.0)
            .u32(self.len)
            .u32(self.records)
            .u64(self.synced.segment.0)
            .u64(self.synced.offset.0)
            .u64(self.hlc.0)
            .u32(0)
            .crc();
        out.finish()
    }

    /// Reads the header that begins at offset `at` of the segment with this `binding`; the batch has at most `max_len` bytes.
    pub fn decode(
        bytes: &[u8],
        binding: Binding,
        at: Offset,
        max_len: u32,
    ) -> Result<Self, FormatError> {
        let bytes = bytes
            .first_chunk::<BATCH_HEADER_LEN>()
            .ok_or(FormatError::Truncated { what: WHAT })?;
        let (covered, crc) = bytes
            .split_last_chunk::<4>()
            .ok_or(FormatError::Truncated { what: WHAT })?;
        let mut from = Reader::new(covered, WHAT);
        from.magic(MAGIC)?;
        if u32::from_le_bytes(*crc) != crc_of(&[covered]) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let _flags = from.u16()?;
        let version = from.u16()?;
        if version != VERSION {
            return Err(FormatError::Version {
                what: WHAT,
                found: u32::from(version),
            });
        }
        expect("binding of the batch", binding.0, from.u64()?)?;
        let header = Self {
            offset: Offset(from.u64()?),
            len: from.u32()?,
            records: from.u32()?,
            synced: LogPoint {
                segment: SegmentNumber(from.u64()?),
                offset: Offset(from.u64()?),
            },
            hlc: Hlc(from.u64()?),
        };
        expect("offset of the batch", at.0, header.offset.0)?;
        header.check(max_len)?;
        Ok(header)
    }

    fn check(&self, max_len: u32) -> Result<(), FormatError> {
        if self.len == 0 || self.len > max_len || !self.len.is_multiple_of(BLOCK_MIN) {
            return Err(FormatError::Range {
                what: "batch length",
                found: u64::from(self.len),
            });
        }
        let room = u64::from(self.len) - len_u64(BATCH_HEADER_LEN);
        if u64::from(self.records) * len_u64(RECORD_HEADER_LEN) > room {
            return Err(FormatError::Range {
                what: "number of records of the batch",
                found: u64::from(self.records),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> BatchHeader {
        BatchHeader {
            offset: Offset(8192),
            len: 4096,
            records: 3,
            synced: LogPoint {
                segment: SegmentNumber(1),
                offset: Offset(8192),
            },
            hlc: Hlc(77),
        }
    }

    fn decode(bytes: &[u8]) -> Result<BatchHeader, FormatError> {
        BatchHeader::decode(bytes, Binding(9), Offset(8192), 4096)
    }

    #[test]
    fn round_trips() {
        assert_eq!(decode(&sample().encode(Binding(9))), Ok(sample()));
    }

    #[test]
    fn elsewhere_or_too_long_is_refused() {
        let bytes = sample().encode(Binding(9));
        let decode =
            |binding, at, max| BatchHeader::decode(&bytes, Binding(binding), Offset(at), max);
        assert!(matches!(
            decode(8, 8192, 4096),
            Err(FormatError::Misplaced { .. })
        ));
        assert!(matches!(
            decode(9, 4096, 4096),
            Err(FormatError::Misplaced { .. })
        ));
        assert!(matches!(
            decode(9, 8192, 4095),
            Err(FormatError::Range { .. })
        ));
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for (len, records) in [(0, 0), (64, 0), (1000, 0), (512, 8)] {
            let header = BatchHeader {
                len,
                records,
                ..sample()
            };
            assert!(
                decode(&header.encode(Binding(9))).is_err(),
                "{len} {records}"
            );
        }
        let full = BatchHeader {
            len: 512,
            records: 7,
            ..sample()
        };
        assert_eq!(decode(&full.encode(Binding(9))), Ok(full));
    }
}
