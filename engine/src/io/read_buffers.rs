//! The memory that long reads go into: kept between reads, because the kernel or the allocator zeroes fresh memory, which
//! costs as much again as the copy that goes into it.
//!
//! What a buffer held before is still in it: only bytes that a read filled may be looked at ([`ReadBuf`]). Short reads have
//! memory of their own, so that whoever holds one for long does not hold a long buffer that is counted as a short one. The
//! budget counts what was asked for; a buffer is up to twice that, and the blocks of the disk around it.

use super::AlignedBuf;
use crate::sync::{Arc, Mutex};
use std::ops::{Deref, Range};

/// The length of kept buffers: a chunk of a body, and what alignment puts around it.
const LEN: usize = (256 << 10) + 2 * AlignedBuf::ALIGNMENT;

/// Reads shorter than this get no kept buffer.
const SHORTEST: usize = LEN / 2;

/// Buffers kept, beside any budget: 8 MiB of them.
const KEPT_MAX: usize = 32;

/// Buffers that wait for the next read.
#[derive(Debug, Default)]
pub(super) struct ReadBuffers(Mutex<Vec<AlignedBuf>>);

impl ReadBuffers {
    /// A buffer of `len` bytes, whatever is in them.
    pub fn take(&self, len: usize) -> AlignedBuf {
        if !(SHORTEST..=LEN).contains(&len) {
            return AlignedBuf::zeroed(len);
        }
        let kept = self.0.lock().pop();
        let mut buf = kept.unwrap_or_else(|| AlignedBuf::zeroed(LEN));
        let fits = buf.resize(len);
        assert!(fits, "kept buffers have room for any read that gets one");
        buf
    }

    fn give(&self, buf: AlignedBuf) {
        if buf.capacity() < LEN || buf.capacity() > LEN + AlignedBuf::ALIGNMENT {
            return;
        }
        let mut kept = self.0.lock();
        if kept.len() < KEPT_MAX {
            kept.push(buf);
        }
    }
}

/// Bytes that were read: a view of an aligned buffer, without a copy. The buffer serves another read when this is dropped.
#[derive(Debug)]
pub struct ReadBuf {
    buf: AlignedBuf,
    view: Range<usize>,
    home: Arc<ReadBuffers>,
}

impl ReadBuf {
    /// What a read filled: `view` lies in those bytes.
    pub(super) const fn new(buf: AlignedBuf, view: Range<usize>, home: Arc<ReadBuffers>) -> Self {
        Self { buf, view, home }
    }
}

impl Drop for ReadBuf {
    fn drop(&mut self) {
        self.home
            .give(std::mem::replace(&mut self.buf, AlignedBuf::empty()));
    }
}

impl Deref for ReadBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buf
            .get(self.view.clone())
            .expect("the view lies in the buffer")
    }
}

impl AsRef<[u8]> for ReadBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(home: &Arc<ReadBuffers>, len: usize) -> ReadBuf {
        let buf = home.take(len);
        assert_eq!(buf.len(), len);
        ReadBuf::new(buf, 0..len, Arc::clone(home))
    }

    #[test]
    fn a_long_buffer_is_used_again() {
        let home = Arc::<ReadBuffers>::default();
        let first = read(&home, 256 << 10);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(read(&home, 200 << 10).as_ptr(), address);
    }

    #[test]
    fn short_reads_hold_short_buffers() {
        let home = Arc::<ReadBuffers>::default();
        drop(read(&home, 256 << 10));
        assert!(home.take(4096).capacity() < SHORTEST);
        drop(read(&home, 4096));
        assert_eq!(home.0.lock().len(), 1);
    }

    #[test]
    fn not_more_than_some_are_kept() {
        let home = Arc::<ReadBuffers>::default();
        let reads: Vec<_> = (0..2 * KEPT_MAX).map(|_| read(&home, LEN)).collect();
        drop(reads);
        assert_eq!(home.0.lock().len(), KEPT_MAX);
    }
}
