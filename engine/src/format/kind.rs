//! What a record is.

use super::error::FormatError;

/// The kind of a record. The numbers are on disk and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// At most one extent's worth of bytes, named by their BLAKE3.
    Extent = 1,
    /// The extents of a longer blob or of a part.
    Manifest = 2,
    /// A name and its attributes.
    Name = 3,
    /// A name that was deleted.
    Tombstone = 4,
    /// A tenant, an access key or a bucket.
    Catalog = 5,
    /// The first record of an incarnation.
    Start = 6,
    /// Ids that are about to be reclaimed. Its payload is opaque in this version.
    Condemn = 7,
    /// Payloads that were released in place. Its payload is opaque in this version.
    Punch = 8,
    /// A segment that was reclaimed. Its payload is opaque in this version.
    Drop = 9,
}

impl RecordKind {
    /// All kinds, by number.
    pub const ALL: [Self; 9] = [
        Self::Extent,
        Self::Manifest,
        Self::Name,
        Self::Tombstone,
        Self::Catalog,
        Self::Start,
        Self::Condemn,
        Self::Punch,
        Self::Drop,
    ];

    /// The number on disk.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether the footer holds a verbatim copy of such records: everything that a rebuild needs besides the table.
    pub const fn is_copied(self) -> bool {
        !self.is_content()
    }

    /// Whether its id is the BLAKE3 of content, so that it goes to the footer's table and the hash index.
    pub const fn is_content(self) -> bool {
        matches!(self, Self::Extent | Self::Manifest)
    }
}

impl TryFrom<u8> for RecordKind {
    type Error = FormatError;

    fn try_from(number: u8) -> Result<Self, FormatError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.number() == number)
            .ok_or(FormatError::Range {
                what: "record kind",
                found: u64::from(number),
            })
    }
}
