//! What stands in the id field of records that are not content.

use super::bytes::{Fixed, Reader, is_zero};
use super::error::FormatError;
use crate::position::{BucketId, Hlc, NodeId, Version};

/// When and by whom a name, tombstone, catalog entry or start was written, and in which bucket. It takes the place of
/// the id in the record header, so that the log writer stamps at layout without touching the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Orders all writes of a name.
    pub version: Version,
    /// The bucket; 0 for records of the catalog and for starts.
    pub bucket: BucketId,
}

impl Stamp {
    /// The 32 bytes of a record's id field.
    pub fn to_id_bytes(&self) -> [u8; 32] {
        let mut out = Fixed::<32>::new();
        out.u64(self.version.hlc.0)
            .u64(self.version.node.0)
            .u64(self.bucket.0)
            .u64(0);
        out.finish()
    }

    /// Reads a record's id field; its last eight bytes must be zero.
    pub fn from_id_bytes(bytes: &[u8; 32]) -> Result<Self, FormatError> {
        let mut from = Reader::new(bytes, "stamp");
        let stamp = Self {
            version: Version {
                hlc: Hlc(from.u64()?),
                node: NodeId(from.u64()?),
            },
            bucket: BucketId(from.u64()?),
        };
        if is_zero(from.rest()) {
            Ok(stamp)
        } else {
            Err(FormatError::Content { what: "stamp" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_wants_zeros_at_its_end() {
        let stamp = Stamp {
            version: Version {
                hlc: Hlc(7),
                node: NodeId(u64::MAX),
            },
            bucket: BucketId(9),
        };
        let mut bytes = stamp.to_id_bytes();
        assert_eq!(Stamp::from_id_bytes(&bytes), Ok(stamp));
        bytes[31] = 1;
        assert!(Stamp::from_id_bytes(&bytes).is_err());
    }
}
