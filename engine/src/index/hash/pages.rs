//! The seam between the index and its memory: a file's pages as 64-bit words.
//!
//! A word that was stored may reach the disk at any time, before or after any other one; after [`Pages::flush`] all
//! that were stored before it have. A word is never torn, nor is a line of eight of them (64 bytes, one sector).

use crate::io::DiskPath;
use std::io;

/// Bytes of a page: shard files are multiples of it.
pub const PAGE_BYTES: u64 = 4096;
/// Bytes of a word.
pub const WORD_BYTES: usize = 8;
/// Words of a line: one bucket, or a shard's header.
pub const LINE_WORDS: usize = 8;
/// Lines of a page.
pub const PAGE_LINES: usize = 64;

/// Makes the pages of files accessible.
pub trait PageSource: Send + Sync + 'static {
    /// The pages of an existing file that is exactly `len` bytes long, a multiple of [`PAGE_BYTES`]. Every byte must
    /// have been allocated: a store must not need room on the disk.
    fn map(&self, path: &DiskPath, len: u64) -> io::Result<Box<dyn Pages>>;
    /// How many files may be flushed at once: syncs that wait for a disk together share its flushes. One where the order of
    /// calls must always be the same.
    fn flushes_at_once(&self) -> usize {
        1
    }
}

/// A file's pages as words, shared by threads. Words are little-endian in the file. Out-of-range access is a bug and panics.
pub trait Pages: Send + Sync {
    /// How many lines there are.
    fn lines(&self) -> usize;
    /// Loads a line. The odd words are loaded first, and acquire what was stored before them: who stores an even word
    /// and then its odd neighbour is never seen to have stored only the latter.
    fn load_line(&self, line: usize) -> [u64; LINE_WORDS];
    /// Stores a word, releasing what this thread stored before.
    fn store(&self, word: usize, value: u64);
    /// Makes every word that was stored before durable. After an error nothing is known about what the file holds.
    fn flush(&self) -> io::Result<()>;
}
