//! What a record says, whatever its kind: the one place that maps kinds to payloads.

use super::catalog::CatalogRecord;
use super::error::{FormatError, expect};
use super::geometry::Geometry;
use super::kind::RecordKind;
use super::manifest::Manifest;
use super::name::NameRecord;
use super::record::RecordView;
use super::stamp::Stamp;
use super::start::StartRecord;
use super::tombstone::Tombstone;
use crate::id::Id;
use crate::position::BucketId;

/// The decoded payload of a record, with its stamp where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// An extent's bytes, which stay where they are.
    Extent,
    /// A manifest.
    Manifest(Manifest),
    /// A name.
    Name(Stamp, Box<NameRecord>),
    /// A deleted name.
    Tombstone(Stamp, Tombstone),
    /// A tenant, access key or bucket.
    Catalog(Stamp, CatalogRecord),
    /// The first record of an incarnation.
    Start(Stamp, StartRecord),
    /// A kind whose payload this version does not read.
    Opaque(RecordKind),
}

impl Payload {
    /// Reads the payload of a record that verifies. A stamp's bucket is that of the payload's name, or 0.
    pub fn decode(record: &RecordView<'_>, geometry: &Geometry) -> Result<Self, FormatError> {
        let stamp = || record.header.stamp();
        let same_bucket = |stamp: &Stamp, bucket: BucketId| {
            expect("bucket of the stamp", bucket.0, stamp.bucket.0)
        };
        Ok(match record.header.kind {
            RecordKind::Extent => Self::Extent,
            RecordKind::Manifest => Self::Manifest(Manifest::decode(record.payload, geometry)?),
            RecordKind::Name => {
                let name = NameRecord::decode(record.payload)?;
                same_bucket(&stamp()?, name.key.bucket)?;
                Self::Name(stamp()?, Box::new(name))
            }
            RecordKind::Tombstone => {
                let tombstone = Tombstone::decode(record.payload)?;
                same_bucket(&stamp()?, tombstone.key.bucket)?;
                Self::Tombstone(stamp()?, tombstone)
            }
            RecordKind::Catalog => {
                same_bucket(&stamp()?, BucketId(0))?;
                Self::Catalog(stamp()?, CatalogRecord::decode(record.payload)?)
            }
            RecordKind::Start => {
                same_bucket(&stamp()?, BucketId(0))?;
                Self::Start(stamp()?, StartRecord::decode(record.payload)?)
            }
            kind @ (RecordKind::Condemn | RecordKind::Punch | RecordKind::Drop) => {
                Self::Opaque(kind)
            }
        })
    }

    /// Whether the record's id is that of its content, as far as the record alone can tell: a blob manifest that is not
    /// chained can be checked only with its bytes.
    pub fn proves_id(&self, record: &RecordView<'_>) -> bool {
        match self {
            Self::Extent => Id::of(record.payload) == record.header.id,
            Self::Manifest(manifest) if manifest.part => Id::of(record.payload) == record.header.id,
            Self::Manifest(manifest) => manifest
                .prove_id()
                .is_none_or(|proved| proved == record.header.id),
            _ => true,
        }
    }
}
