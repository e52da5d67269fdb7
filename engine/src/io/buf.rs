//! A buffer whose address and capacity suit O_DIRECT, without unsafe code: a vector with room to shift.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// Bytes that start at an address which is a multiple of [`AlignedBuf::ALIGNMENT`]. Zeroed when made.
pub struct AlignedBuf {
    storage: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuf {
    /// Suits every logical block size that Linux reports for O_DIRECT on common devices.
    pub const ALIGNMENT: usize = 4096;

    /// No bytes, and no memory.
    pub const fn empty() -> Self {
        Self {
            storage: Vec::new(),
            start: 0,
            len: 0,
        }
    }

    /// `len` zero bytes.
    pub fn zeroed(len: usize) -> Self {
        let storage = vec![0; len + Self::ALIGNMENT];
        let start = storage.as_ptr().align_offset(Self::ALIGNMENT);
        assert!(
            start < Self::ALIGNMENT,
            "a byte pointer can always be aligned"
        );
        Self {
            storage,
            start,
            len,
        }
    }

    /// Sets the view to `len` bytes, as the storage holds them; `false`, and nothing changes, if it does not hold so many.
    pub fn resize(&mut self, len: usize) -> bool {
        let fits = len <= self.capacity();
        if fits {
            self.len = len;
        }
        fits
    }

    /// How many bytes the view can have.
    pub fn capacity(&self) -> usize {
        self.storage.len() - self.start
    }

    /// Shortens the view; the storage stays.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.storage
            .get(self.start..self.start + self.len)
            .expect("the view lies in the storage")
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.storage
            .get_mut(self.start..self.start + self.len)
            .expect("the view lies in the storage")
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBuf({} bytes)", self.len)
    }
}
