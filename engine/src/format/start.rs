//! The first record of an incarnation: where the node found its log to end.

use super::cbor::{MapReader, MapWriter, Unknown};
use super::error::FormatError;
use crate::position::{Incarnation, LogPoint, Offset, SegmentNumber};

/// The most bytes of an encoded start: five numbers, and room for newer fields.
pub(super) const START_MAX: usize = 4096;

/// The payload of a start record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRecord {
    /// The run that begins.
    pub incarnation: Incarnation,
    /// The run before it that wrote to the log; 0 if there was none.
    pub previous: Incarnation,
    /// Where the log was found to end; 0 if there was none.
    pub end: LogPoint,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// Fields of newer versions.
    pub unknown: Unknown,
}

impl StartRecord {
    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MapWriter::new(&self.unknown);
        out.uint(0, self.incarnation.0);
        out.uint(1, self.previous.0);
        out.uint(2, self.end.segment.0);
        out.uint(3, self.end.offset.0);
        out.uint(4, self.created_ms);
        out.finish()
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, FormatError> {
        let mut from = MapReader::new(payload, START_MAX, "start record")?;
        Ok(Self {
            incarnation: Incarnation(from.required(0)?.uint()?),
            previous: Incarnation(from.required(1)?.uint()?),
            end: LogPoint {
                segment: SegmentNumber(from.required(2)?.uint()?),
                offset: Offset(from.required(3)?.uint()?),
            },
            created_ms: from.required(4)?.uint()?,
            unknown: from.unknown(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        let start = StartRecord {
            incarnation: Incarnation(2),
            previous: Incarnation(1),
            end: LogPoint {
                segment: SegmentNumber(9),
                offset: Offset(u64::MAX),
            },
            created_ms: 3,
            unknown: Unknown::default(),
        };
        assert_eq!(StartRecord::decode(&start.encode()), Ok(start));
    }
}
