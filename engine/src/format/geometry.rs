//! The sizes that a store was made with. They never change; tests make stores with tiny ones.

use super::bytes::{Fixed, Reader};
use super::catalog::CATALOG_MAX;
use super::error::FormatError;
use super::kind::RecordKind;
use super::manifest::{MANIFEST_ENTRY_LEN, MANIFEST_HEADER_LEN};
use super::name::NAME_MAX;
use super::start::START_MAX;

/// Bytes of a geometry on disk: four lengths and four reserved bytes.
pub(super) const GEOMETRY_LEN: usize = 24;
const _: () = assert!(4 + 4 + 8 + 4 + 4 == GEOMETRY_LEN);

/// The most bytes a manifest's payload may have, in bytes: 233,016 extents, 227 GiB at 1 MiB each.
const MANIFEST_MAX: u64 = 16 << 20;
/// The smallest segment: two header copies of 4 KiB, one record of a quarter of it, and a footer that repeats it.
const SEGMENT_MIN: u64 = 32 << 10;
/// Logical blocks in the smallest segment: batch and footer are both rounded up.
const SEGMENT_BLOCKS_MIN: u64 = 16;
/// The largest segment, so that an offset in it, counted in blocks, is small.
const SEGMENT_MAX: u64 = 4 << 30;

/// The sizes of a store, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// The most bytes of an extent: a power of two, 1 KiB to 1 MiB, at most a quarter of a segment.
    pub extent_bytes: u32,
    /// Each CRC32C of a payload covers this many bytes: a power of two, 512 bytes to 1 MiB.
    pub crc_block_bytes: u32,
    /// The size at which a segment is sealed: a multiple of 4 KiB, 32 KiB to 4 GiB.
    pub segment_bytes: u64,
    /// Batches begin and end at multiples of this: a power of two, 512 to 4,096, at least the device's logical block.
    pub block_bytes: u32,
}

impl Default for Geometry {
    fn default() -> Self {
        Self {
            extent_bytes: 1 << 20,
            crc_block_bytes: 64 << 10,
            segment_bytes: 256 << 20,
            block_bytes: 4096,
        }
    }
}

impl Geometry {
    /// Checks every size against its range.
    pub fn validate(&self) -> Result<(), FormatError> {
        let power = |what, value: u32, min: u32, max: u32| {
            if value.is_power_of_two() && (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(range(what, u64::from(value)))
            }
        };
        power("extent size", self.extent_bytes, 1 << 10, 1 << 20)?;
        power("CRC block size", self.crc_block_bytes, 512, 1 << 20)?;
        power("logical block size", self.block_bytes, 512, 4096)?;
        if !(SEGMENT_MIN..=SEGMENT_MAX).contains(&self.segment_bytes)
            || self.segment_bytes < SEGMENT_BLOCKS_MIN * u64::from(self.block_bytes)
            || !self.segment_bytes.is_multiple_of(4096)
            || u64::from(self.extent_bytes) > self.segment_bytes / 4
        {
            return Err(range("segment size", self.segment_bytes));
        }
        Ok(())
    }

    /// The most payload bytes of a manifest: 16 MiB, or a quarter of a smaller segment.
    pub fn manifest_max(&self) -> usize {
        self.quarter(MANIFEST_MAX)
    }

    /// The most payload bytes of a name or tombstone: 64 KiB, or a quarter of a smaller segment.
    pub fn name_max(&self) -> usize {
        self.quarter(NAME_MAX as u64)
    }

    /// The most payload bytes of a catalog record: 64 KiB, or a quarter of a smaller segment.
    pub fn catalog_max(&self) -> usize {
        self.quarter(CATALOG_MAX as u64)
    }

    /// The most extents of one manifest.
    pub fn extents_max(&self) -> usize {
        self.manifest_max().saturating_sub(MANIFEST_HEADER_LEN) / MANIFEST_ENTRY_LEN
    }

    /// The most bytes of one object.
    pub fn object_max(&self) -> u64 {
        self.extents_max() as u64 * u64::from(self.extent_bytes)
    }

    /// The most payload bytes of a record of this kind.
    pub fn payload_max(&self, kind: RecordKind) -> usize {
        match kind {
            RecordKind::Extent => self.extent_bytes as usize,
            RecordKind::Name | RecordKind::Tombstone => self.name_max(),
            RecordKind::Catalog => self.catalog_max(),
            RecordKind::Start => START_MAX,
            RecordKind::Manifest | RecordKind::Condemn | RecordKind::Punch | RecordKind::Drop => {
                self.manifest_max()
            }
        }
    }

    fn quarter(&self, most: u64) -> usize {
        usize::try_from(most.min(self.segment_bytes / 4)).expect("at most 16 MiB")
    }

    pub(super) fn encode<const N: usize>(&self, out: &mut Fixed<N>) {
        out.u32(self.extent_bytes)
            .u32(self.crc_block_bytes)
            .u64(self.segment_bytes)
            .u32(self.block_bytes)
            .u32(0);
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        let geometry = Self {
            extent_bytes: from.u32()?,
            crc_block_bytes: from.u32()?,
            segment_bytes: from.u64()?,
            block_bytes: from.u32()?,
        };
        let _reserved = from.u32()?;
        geometry.validate()?;
        Ok(geometry)
    }
}

fn range(what: &'static str, found: u64) -> FormatError {
    FormatError::Range { what, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_limits() {
        let geometry = Geometry::default();
        assert_eq!(geometry.validate(), Ok(()));
        assert_eq!(geometry.manifest_max(), 16 << 20);
        assert_eq!(geometry.extents_max(), 233_016);
        assert_eq!(geometry.object_max(), 233_016 << 20);
        assert_eq!(geometry.name_max(), 64 << 10);
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        let good = Geometry::default();
        let bad = [
            Geometry {
                extent_bytes: 512,
                ..good
            },
            Geometry {
                extent_bytes: 3000,
                ..good
            },
            Geometry {
                extent_bytes: 2 << 20,
                ..good
            },
            Geometry {
                crc_block_bytes: 256,
                ..good
            },
            Geometry {
                crc_block_bytes: 2 << 20,
                ..good
            },
            Geometry {
                block_bytes: 256,
                ..good
            },
            Geometry {
                block_bytes: 8192,
                ..good
            },
            Geometry {
                segment_bytes: 28 << 10,
                extent_bytes: 1024,
                ..good
            },
            Geometry {
                segment_bytes: 8 << 30,
                ..good
            },
            Geometry {
                segment_bytes: (256 << 20) + 512,
                ..good
            },
            Geometry {
                segment_bytes: 2 << 20,
                ..good
            },
        ];
        for geometry in bad {
            assert!(geometry.validate().is_err(), "{geometry:?}");
        }
    }
}
