//! Pages on the heap, read from the disk when mapped and written back through it when flushed: the twin of the mapping
//! for simulated disks. It can also write some of its pages early, as the kernel does.

use super::mmap::load_line;
use super::pages::{LINE_WORDS, PAGE_BYTES, PAGE_LINES, PageSource, Pages, WORD_BYTES};
use crate::io::{AlignedBuf, Disk, DiskPath, File, OpenMode};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};
use std::io;

/// Words of a page.
const PAGE_WORDS: usize = PAGE_LINES * LINE_WORDS;

/// Holds files of a disk on the heap.
pub struct HeapSource {
    disk: Arc<dyn Disk>,
    mapped: Mutex<Vec<Arc<Heap>>>,
}

impl HeapSource {
    /// Reads and writes through `disk`.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            mapped: Mutex::new(Vec::new()),
        }
    }

    /// Writes, but does not sync, some of the changed pages of all files that are mapped: what a kernel may do at any
    /// time. Which pages follows from `seed`.
    pub fn write_back_some(&self, seed: u64) -> io::Result<()> {
        let mut seed = seed | 1;
        for heap in self.mapped.lock().iter() {
            for page in 0..heap.dirty.len() {
                // Marsaglia's xorshift64: enough to choose pages by.
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let dirty = heap.dirty.get(page).expect("a page of the file");
                if dirty.load(Ordering::Acquire) && seed % 5 < 2 {
                    heap.write_page(page)?;
                }
            }
        }
        Ok(())
    }
}

impl PageSource for HeapSource {
    fn map(&self, path: &DiskPath, len: u64) -> io::Result<Box<dyn Pages>> {
        let file = self.disk.open(path, OpenMode::WriteDirect)?;
        if file.len()? != len || !len.is_multiple_of(PAGE_BYTES) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let mut content = AlignedBuf::zeroed(len);
        if file.read_at(&mut content, 0)? != len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (words, _) = content.as_chunks::<WORD_BYTES>();
        let heap = Arc::new(Heap {
            file,
            words: words
                .iter()
                .map(|word| AtomicU64::new(u64::from_ne_bytes(*word)))
                .collect(),
            dirty: (0..words.len() / PAGE_WORDS)
                .map(|_| AtomicBool::new(false))
                .collect(),
        });
        let mut mapped = self.mapped.lock();
        mapped.retain(|heap| Arc::strong_count(heap) > 1);
        mapped.push(heap.clone());
        Ok(Box::new(HeapPages(heap)))
    }
}

/// One file on the heap. Words are kept in the byte order of the file.
struct Heap {
    file: Arc<dyn File>,
    words: Vec<AtomicU64>,
    dirty: Vec<AtomicBool>,
}

impl Heap {
    fn write_page(&self, page: usize) -> io::Result<()> {
        let (pages, _) = self.words.as_chunks::<PAGE_WORDS>();
        let words = pages.get(page).expect("a page of the file");
        let mut buf = AlignedBuf::zeroed(PAGE_WORDS * WORD_BYTES);
        let (bytes, _) = buf.as_chunks_mut::<WORD_BYTES>();
        for (to, from) in bytes.iter_mut().zip(words) {
            *to = from.load(Ordering::Acquire).to_ne_bytes();
        }
        self.file.write_at(&buf, page as u64 * PAGE_BYTES)
    }
}

/// A mapping of a [`Heap`].
struct HeapPages(Arc<Heap>);

impl Pages for HeapPages {
    fn lines(&self) -> usize {
        self.0.words.len() / LINE_WORDS
    }

    fn load_line(&self, line: usize) -> [u64; LINE_WORDS] {
        let (lines, _) = self.0.words.as_chunks();
        load_line(lines.get(line).expect("a line within the file"))
    }

    fn store(&self, word: usize, value: u64) {
        let page = self.0.dirty.get(word / PAGE_WORDS);
        let word = self.0.words.get(word).expect("a word within the file");
        word.store(value.to_le(), Ordering::Release);
        page.expect("a word within the file")
            .store(true, Ordering::Release);
    }

    fn flush(&self) -> io::Result<()> {
        for (page, dirty) in self.0.dirty.iter().enumerate() {
            if dirty.swap(false, Ordering::AcqRel) {
                self.0.write_page(page)?;
            }
        }
        self.0.file.sync_data()
    }
}
