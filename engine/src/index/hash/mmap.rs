//! Pages in a shared mapping of the file: the kernel reads them on demand and writes them back when it likes.
//!
//! A read of a page that the disk cannot deliver, or a file that someone else cuts short while it is mapped, raises
//! SIGBUS and ends the process; the length is checked before mapping, and files are fully allocated and fully written
//! when they are made, so that no later store needs room (on file systems that copy on write a full disk can still
//! raise it).

use super::pages::{LINE_WORDS, PageSource, Pages, WORD_BYTES};
use crate::io::DiskPath;
use crate::sync::atomic::{AtomicU64, Ordering};
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;

/// Threads that wait for syncs: what one flush of the disk can serve of 256 shards without a crowd of threads.
const FLUSHES_AT_ONCE: usize = 16;

/// Maps files of the data directory.
#[derive(Debug)]
pub struct MmapSource {
    root: PathBuf,
    populate: bool,
}

impl MmapSource {
    /// Maps files under the data directory `root`. With `populate`, all pages are read at once when a file is mapped,
    /// so that later lookups seldom wait for the disk.
    pub fn new(root: PathBuf, populate: bool) -> Self {
        Self { root, populate }
    }
}

impl PageSource for MmapSource {
    fn map(&self, path: &DiskPath, len: u64) -> io::Result<Box<dyn Pages>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.root.join(path.as_str()))?;
        let found = file.metadata()?.len();
        if found != len {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the file is {found} bytes long instead of {len}"),
            ));
        }
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let mut options = MmapOptions::new();
        options.len(len);
        if self.populate {
            options.populate();
        }
        let map = options.map_raw(&file)?;
        map.advise(Advice::Random)?;
        Ok(Box::new(MmapPages(map)))
    }

    fn flushes_at_once(&self) -> usize {
        FLUSHES_AT_ONCE
    }
}

/// A mapped file.
struct MmapPages(MmapRaw);

impl MmapPages {
    #[expect(unsafe_code, reason = "the mapping is seen as atomic words")]
    fn words(&self) -> &[AtomicU64] {
        let start = self.0.as_mut_ptr().cast::<AtomicU64>();
        let len = self.0.len() / WORD_BYTES;
        // SAFETY: `start` is the page-aligned start of a mapping of `len` words that is readable and writable, and
        // that lives as long as `self`, which the result borrows. `AtomicU64` has the size of a word and no invalid
        // values. Within this process the mapping is reached through these atomics only; the lock on the data
        // directory keeps other processes of ours out.
        unsafe { std::slice::from_raw_parts(start, len) }
    }
}

impl Pages for MmapPages {
    fn lines(&self) -> usize {
        self.words().len() / LINE_WORDS
    }

    fn load_line(&self, line: usize) -> [u64; LINE_WORDS] {
        let (lines, _) = self.words().as_chunks();
        load_line(lines.get(line).expect("a line within the mapping"))
    }

    fn store(&self, word: usize, value: u64) {
        let words = self.words();
        let word = words.get(word).expect("a word within the mapping");
        word.store(value.to_le(), Ordering::Release);
    }

    fn flush(&self) -> io::Result<()> {
        // A synchronous msync is an fdatasync of the range, whoever made the pages dirty.
        self.0.flush()
    }
}

/// Loads odd words first; see [`Pages::load_line`].
pub(super) fn load_line(words: &[AtomicU64; LINE_WORDS]) -> [u64; LINE_WORDS] {
    let mut line = [0; LINE_WORDS];
    let (slots, _) = words.as_chunks::<2>();
    let (values, _) = line.as_chunks_mut::<2>();
    for ([tag_word, location_word], [tag, location]) in slots.iter().zip(values) {
        *location = u64::from_le(location_word.load(Ordering::Acquire));
        *tag = u64::from_le(tag_word.load(Ordering::Relaxed));
    }
    line
}
