//! The memory that batches are laid out in: kept between batches, because fresh memory costs as much again as the copy that
//! goes into it (the kernel or the allocator zeroes it first).
//!
//! What a buffer held before is still in it: whoever takes one writes every byte of it.

use super::batch_builder::BATCH_TARGET_BYTES;
use crate::io::AlignedBuf;

/// Buffers kept: as many batches are in flight at most.
const KEPT_MAX: usize = 2;

/// Lengths are rounded up to a multiple of this, so that batches of about one length share buffers.
const GRAIN_BYTES: usize = 256 << 10;

/// Buffers that wait for the next batch.
#[derive(Default)]
pub(super) struct Buffers(Vec<AlignedBuf>);

impl Buffers {
    /// A buffer of `len` bytes, whatever is in them.
    pub fn take(&mut self, len: usize) -> AlignedBuf {
        while let Some(mut buf) = self.0.pop() {
            if buf.resize(len) {
                return buf;
            }
        }
        let mut buf = AlignedBuf::zeroed(len.next_multiple_of(GRAIN_BYTES));
        buf.truncate(len);
        buf
    }

    /// Keeps a buffer for the next batch, unless it is larger than batches usually are.
    pub fn give(&mut self, buf: Option<AlignedBuf>) {
        let usual = BATCH_TARGET_BYTES + 2 * GRAIN_BYTES;
        if self.0.len() < KEPT_MAX {
            self.0.extend(buf.filter(|buf| buf.capacity() <= usual));
        }
    }

    /// Gives the memory back.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_long_enough_is_used_again() {
        let mut buffers = Buffers::default();
        let first = buffers.take(300_000);
        let address = first.as_ptr();
        buffers.give(Some(first));
        let second = buffers.take(4096);
        assert_eq!((second.as_ptr(), second.len()), (address, 4096));
        buffers.give(Some(second));
        assert_eq!(buffers.take(400_000).len(), 400_000);
    }

    #[test]
    fn neither_many_nor_large_ones_are_kept() {
        let mut buffers = Buffers::default();
        buffers.give(Some(AlignedBuf::zeroed(16 << 20)));
        assert!(buffers.0.is_empty());
        for _ in 0..2 * KEPT_MAX {
            buffers.give(Some(AlignedBuf::zeroed(4096)));
        }
        assert_eq!(buffers.0.len(), KEPT_MAX);
        buffers.clear();
        assert!(buffers.0.is_empty());
    }
}
