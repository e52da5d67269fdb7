//! What a name is a name of: a bucket and a key in it.

use crate::position::BucketId;

/// A key in a bucket. Ordered by bucket, then by the bytes of the key: the order of listings and of the table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NameKey {
    /// The bucket; 0 is the catalog.
    pub bucket: BucketId,
    /// The key's bytes. A first byte of 0 marks the reserved space of uploads and parts.
    pub key: Vec<u8>,
}
