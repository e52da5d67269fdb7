//! Configurations so small that every path runs: extents of a kilobyte, segments of a few dozen.

use super::generate::Shape;
use super::rng::Rng;
use crate::Options;
use crate::format::Geometry;
use crate::index::hash::HashConfig;

/// A geometry that follows from the seed.
pub fn geometry(seed: u64) -> Geometry {
    let mut rng = Rng::new(seed ^ 0x6765_6f6d);
    Geometry {
        extent_bytes: *rng.pick(&[1024, 1024, 2048]),
        crc_block_bytes: *rng.pick(&[512, 512, 1024]),
        segment_bytes: *rng.pick(&[32 << 10, 48 << 10, 64 << 10]),
        block_bytes: *rng.pick(&[512, 512, 512, 1024]),
    }
}

/// Options that follow from the seed.
pub fn options(seed: u64) -> Options {
    Options {
        geometry: geometry(seed),
        // A quarter keeps recent extents; what is left is from a few extents to more than any history has in flight.
        memory_bytes: *Rng::new(seed ^ 0x6d65_6d6f).pick(&[32 << 10, 64 << 10, 256 << 10]),
        hash: HashConfig {
            shards: 2,
            initial_pages: 1,
            number_block: 2,
        },
        ..Options::default()
    }
}

/// The shape of histories for a store with these options.
pub fn shape(options: &Options, len: usize, index_faults: bool) -> Shape {
    let bytes = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    Shape {
        len,
        extent_bytes: bytes(options.geometry.extent_bytes),
        crc_block_bytes: bytes(options.geometry.crc_block_bytes),
        index_faults,
    }
}
