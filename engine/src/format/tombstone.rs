//! A name that was deleted.

use super::cbor::{MapReader, MapWriter, Unknown};
use super::error::FormatError;
use super::name::{NAME_MAX, read_key};
use super::name_key::NameKey;

/// The payload of a tombstone: a name's encoding with the name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The name.
    pub key: NameKey,
    /// Fields of newer versions.
    pub unknown: Unknown,
}

impl Tombstone {
    /// The end of `key`.
    pub fn new(key: NameKey) -> Self {
        Self {
            key,
            unknown: Unknown::default(),
        }
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MapWriter::new(&self.unknown);
        out.uint(0, self.key.bucket.0);
        out.bytes(1, &self.key.key);
        out.finish()
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, FormatError> {
        let mut from = MapReader::new(payload, NAME_MAX, "tombstone")?;
        Ok(Self {
            key: read_key(&mut from)?,
            unknown: from.unknown(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::BucketId;

    #[test]
    fn round_trips() {
        let tombstone = Tombstone::new(NameKey::object(BucketId(1), b"a").unwrap());
        assert_eq!(Tombstone::decode(&tombstone.encode()), Ok(tombstone));
    }
}
