//! What can be configured.

use super::location::LocalNumber;

/// The shape of a hash index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashConfig {
    /// Shards, each a file that grows on its own: a power of two up to [`HashConfig::SHARDS_MAX`].
    pub shards: u32,
    /// Pages of 4 KiB that a new shard has.
    pub initial_pages: u32,
    /// Local segment numbers that are reserved at once. A crash wastes at most this many of 16 million.
    pub number_block: u32,
}

impl HashConfig {
    /// The shard is taken from the first two bytes of an id.
    pub const SHARDS_MAX: u32 = 1 << 16;

    /// # Panics
    /// If a value is out of range: the configuration is this program's own.
    pub(super) fn check(&self) {
        assert!(self.shards.is_power_of_two() && self.shards <= Self::SHARDS_MAX);
        assert!((1..=1 << 16).contains(&self.initial_pages));
        assert!((1..=LocalNumber::MAX.0 / 16).contains(&self.number_block));
    }
}

impl Default for HashConfig {
    fn default() -> Self {
        Self {
            shards: 256,
            initial_pages: 1,
            number_block: 256,
        }
    }
}
