//! The superblock: who this store is, which run of the node this is, and what a program must know to open it.
//!
//! The file holds two equal copies of one block. It is replaced as a whole (write, sync, rename, sync the folder), so a
//! crash leaves the old file or the new one; the second copy is for sectors that rot. The copy with the highest
//! incarnation among the valid ones counts.

use super::bytes::{Fixed, Reader, crc_of};
use super::geometry::{GEOMETRY_LEN, Geometry};
use super::identity::StoreId;
use crate::position::{Incarnation, NodeId};

/// The format that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes of one copy.
const COPY_LEN: usize = 4096;
/// Bytes of the file: two copies.
pub const SUPERBLOCK_LEN: usize = 2 * COPY_LEN;
/// The CRC is the last field of a copy, in every version.
const CRC_AT: usize = COPY_LEN - 4;

const MAGIC: &[u8; 8] = b"MORSUPER";
/// Feature flags that this program knows, of each sort. None exist yet.
const KNOWN_READ_ONLY: u64 = 0;
const KNOWN_INCOMPATIBLE: u64 = 0;

/// Fields before the CRC; zeros follow up to it.
const FIELDS_LEN: usize = 8 + 4 + 4 + 16 + 8 + 8 + 3 * 8 + GEOMETRY_LEN + 8 + 32;
const _: () = assert!(FIELDS_LEN == 136 && FIELDS_LEN <= CRC_AT);

/// What the superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// The format of the store. Written as [`FORMAT_VERSION`] by [`Superblock::encode`]'s callers.
    pub format_version: u32,
    /// The store.
    pub store: StoreId,
    /// The node that writes here.
    pub node: NodeId,
    /// The run of the node that wrote this superblock.
    pub incarnation: Incarnation,
    /// Features that a program may ignore.
    pub compatible: u64,
    /// Features without which a program may read but not write.
    pub read_only: u64,
    /// Features without which a program must not open the store.
    pub incompatible: u64,
    /// The sizes of the store.
    pub geometry: Geometry,
    /// When the store was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// [`key_check`] of the store's key.
    pub key_check: [u8; 32],
}

/// Why a superblock cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SuperblockError {
    /// Neither copy verifies.
    #[error("neither copy of the superblock verifies")]
    NoValidCopy,
    /// A newer program wrote it.
    #[error("the superblock has format version {found}; this program reads up to {supported}")]
    NewerVersion {
        /// The version found.
        found: u32,
        /// [`FORMAT_VERSION`].
        supported: u32,
    },
    /// It needs features that this program does not have.
    #[error("the superblock needs unknown features: incompatible flags {flags:#x}")]
    UnknownFeatures {
        /// The unknown incompatible flags.
        flags: u64,
    },
}

/// Proves that a `store.key` is the one that the store was made with, without telling it: the BLAKE3 of the store's id
/// under that key.
pub fn key_check(store: &StoreId, key: &[u8; 32]) -> [u8; 32] {
    *blake3::keyed_hash(key, &store.0).as_bytes()
}

impl Superblock {
    /// The whole file: [`SUPERBLOCK_LEN`] bytes, both copies.
    ///
    /// # Panics
    /// If the geometry is out of range.
    pub fn encode(&self) -> Vec<u8> {
        assert_eq!(self.geometry.validate(), Ok(()), "checked before");
        let mut out = Fixed::<COPY_LEN>::new();
        out.put(MAGIC)
            .u32(self.format_version)
            .u32(0)
            .put(&self.store.0)
            .u64(self.node.0)
            .u64(self.incarnation.0)
            .u64(self.compatible)
            .u64(self.read_only)
            .u64(self.incompatible);
        self.geometry.encode(&mut out);
        out.u64(self.created_ms)
            .put(&self.key_check)
            .seek(CRC_AT)
            .crc();
        out.finish().repeat(2)
    }

    /// Reads the file. Also returns how many of the two copies verify: 1 is worth a warning and a rewrite.
    pub fn decode(file: &[u8]) -> Result<(Self, u8), SuperblockError> {
        let mut newer = None;
        let mut valid = 0;
        let mut best: Option<Self> = None;
        for copy in file.chunks_exact(COPY_LEN).take(2) {
            match Self::decode_copy(copy) {
                Some(Ok(found)) => {
                    valid += 1;
                    if best
                        .as_ref()
                        .is_none_or(|best| best.incarnation < found.incarnation)
                    {
                        best = Some(found);
                    }
                }
                Some(Err(found)) => newer = Some(found),
                None => {}
            }
        }
        if let Some(found) = newer {
            return Err(SuperblockError::NewerVersion {
                found,
                supported: FORMAT_VERSION,
            });
        }
        let best = best.ok_or(SuperblockError::NoValidCopy)?;
        let flags = best.incompatible & !KNOWN_INCOMPATIBLE;
        if flags != 0 {
            return Err(SuperblockError::UnknownFeatures { flags });
        }
        Ok((best, valid))
    }

    /// The read-only feature flags that this program does not know: unless this is 0 it must not write.
    pub const fn unknown_read_only(&self) -> u64 {
        self.read_only & !KNOWN_READ_ONLY
    }

    /// One copy: `None` if it does not verify, its version if that is newer than this program.
    fn decode_copy(copy: &[u8]) -> Option<Result<Self, u32>> {
        let (covered, crc) = copy.split_last_chunk::<4>()?;
        let mut from = Reader::new(covered, "superblock");
        from.magic(MAGIC).ok()?;
        if u32::from_le_bytes(*crc) != crc_of(&[covered]) {
            return None;
        }
        let format_version = from.u32().ok()?;
        if format_version > FORMAT_VERSION {
            return Some(Err(format_version));
        }
        if format_version == 0 {
            return None;
        }
        Self::decode_fields(format_version, from).ok().map(Ok)
    }

    fn decode_fields(
        format_version: u32,
        mut from: Reader<'_>,
    ) -> Result<Self, super::error::FormatError> {
        let _reserved = from.u32()?;
        Ok(Self {
            format_version,
            store: StoreId(from.array()?),
            node: NodeId(from.u64()?),
            incarnation: Incarnation(from.u64()?),
            compatible: from.u64()?,
            read_only: from.u64()?,
            incompatible: from.u64()?,
            geometry: Geometry::decode(&mut from)?,
            created_ms: from.u64()?,
            key_check: from.array()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(incarnation: u64) -> Superblock {
        Superblock {
            format_version: FORMAT_VERSION,
            store: StoreId([3; 16]),
            node: NodeId(5),
            incarnation: Incarnation(incarnation),
            compatible: 0,
            read_only: 0,
            incompatible: 0,
            geometry: Geometry::default(),
            created_ms: 1_700_000_000_000,
            key_check: key_check(&StoreId([3; 16]), &[7; 32]),
        }
    }

    #[test]
    fn round_trips() {
        let file = sample(4).encode();
        assert_eq!(file.len(), SUPERBLOCK_LEN);
        assert_eq!(Superblock::decode(&file), Ok((sample(4), 2)));
    }

    #[test]
    fn either_copy_serves_and_the_damage_shows() {
        for at in [100, COPY_LEN + 100] {
            let mut file = sample(4).encode();
            file[at] ^= 1;
            assert_eq!(Superblock::decode(&file), Ok((sample(4), 1)));
        }
        let mut file = sample(4).encode();
        file[0] ^= 1;
        file[COPY_LEN] ^= 1;
        assert_eq!(Superblock::decode(&file), Err(SuperblockError::NoValidCopy));
        assert_eq!(Superblock::decode(&[]), Err(SuperblockError::NoValidCopy));
    }

    #[test]
    fn the_higher_incarnation_counts() {
        for (first, second) in [(4, 5), (5, 4)] {
            let mut file = sample(first).encode();
            file.truncate(COPY_LEN);
            file.extend_from_slice(&sample(second).encode()[..COPY_LEN]);
            assert_eq!(Superblock::decode(&file), Ok((sample(5), 2)));
        }
    }

    #[test]
    fn newer_versions_and_unknown_features_are_told_apart_from_damage() {
        let newer = Superblock {
            format_version: FORMAT_VERSION + 1,
            ..sample(1)
        };
        assert_eq!(
            Superblock::decode(&newer.encode()),
            Err(SuperblockError::NewerVersion {
                found: FORMAT_VERSION + 1,
                supported: FORMAT_VERSION
            })
        );
        let features = Superblock {
            incompatible: 6,
            ..sample(1)
        };
        assert_eq!(
            Superblock::decode(&features.encode()),
            Err(SuperblockError::UnknownFeatures { flags: 6 })
        );
        let ignorable = Superblock {
            compatible: 6,
            read_only: 2,
            ..sample(1)
        };
        assert_eq!(
            Superblock::decode(&ignorable.encode()),
            Ok((ignorable.clone(), 2))
        );
        assert_eq!(ignorable.unknown_read_only(), 2);
    }
}
