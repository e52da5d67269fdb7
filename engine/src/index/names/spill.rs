//! Where the runs of a sort lie that memory does not hold: a folder that is not there before, and gone after.
//!
//! What it holds is read by nobody but the sort that wrote it, so nothing in it is synced. A process that dies in the middle
//! leaves it behind: every opening of a store clears it.

#[cfg(any(test, feature = "sim"))]
use crate::io::{AlignedBuf, Disk, DiskPath, File, OpenMode};
#[cfg(any(test, feature = "sim"))]
use crate::sync::Arc;
use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// Bytes of rows that are sorted in memory at a time.
pub(super) const RUN_BYTES: usize = 64 << 20;

/// Takes runs and gives them back.
pub trait Spill {
    /// Bytes of rows that are sorted in memory before they are spilled.
    fn run_bytes(&self) -> usize {
        RUN_BYTES
    }

    /// Begins a run. Its last bytes are there once it was flushed.
    fn create(&self, name: &str) -> io::Result<Box<dyn Write>>;

    /// Opens a run to be read once; its name goes at once, its room with the reader.
    fn take(&self, name: &str) -> io::Result<Box<dyn Read>>;

    /// Removes whatever is there.
    fn clear(&self) -> io::Result<()>;
}

/// Runs in a folder of the real file system, through the page cache.
pub struct SpillFolder {
    path: PathBuf,
    run_bytes: usize,
}

impl SpillFolder {
    /// Runs in the folder at `path`, which is made when it is needed; its parent exists.
    pub const fn new(path: PathBuf) -> Self {
        Self::with_run(path, RUN_BYTES)
    }

    pub(super) const fn with_run(path: PathBuf, run_bytes: usize) -> Self {
        Self { path, run_bytes }
    }
}

impl Spill for SpillFolder {
    fn run_bytes(&self) -> usize {
        self.run_bytes
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Write>> {
        match fs::create_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        Ok(Box::new(fs::File::create(self.path.join(name))?))
    }

    fn take(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let path = self.path.join(name);
        let file = fs::File::open(&path)?;
        fs::remove_file(&path)?;
        Ok(Box::new(file))
    }

    fn clear(&self) -> io::Result<()> {
        crate::io::remove_all(&self.path)
    }
}

/// Runs on any [`Disk`], for the simulated one: short, so that a few names are spilled.
#[cfg(any(test, feature = "sim"))]
pub(crate) struct SpillOnDisk(pub Arc<dyn Disk>);

#[cfg(any(test, feature = "sim"))]
impl SpillOnDisk {
    fn dir() -> DiskPath {
        DiskPath::root().join("index").join("rebuild")
    }
}

#[cfg(any(test, feature = "sim"))]
impl Spill for SpillOnDisk {
    fn run_bytes(&self) -> usize {
        1 << 10
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Write>> {
        self.0.create_dir(&Self::dir())?;
        Ok(Box::new(RunWriter {
            file: self
                .0
                .open(&Self::dir().join(name), OpenMode::CreateDirect)?,
            bytes: Vec::new(),
        }))
    }

    fn take(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let path = Self::dir().join(name);
        let file = self.0.open(&path, OpenMode::Read)?;
        self.0.remove(&path)?;
        Ok(Box::new(RunReader { file, at: 0 }))
    }

    fn clear(&self) -> io::Result<()> {
        self.0.remove_tree(&Self::dir())
    }
}

/// Gathers a run, which is short, and writes it when it is flushed.
#[cfg(any(test, feature = "sim"))]
struct RunWriter {
    file: Arc<dyn File>,
    bytes: Vec<u8>,
}

#[cfg(any(test, feature = "sim"))]
impl Write for RunWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let len = self.bytes.len().next_multiple_of(AlignedBuf::ALIGNMENT);
        let mut buf = AlignedBuf::zeroed(len);
        buf.iter_mut()
            .zip(&self.bytes)
            .for_each(|(to, from)| *to = *from);
        self.file.write_at(&buf, 0)
    }
}

#[cfg(any(test, feature = "sim"))]
struct RunReader {
    file: Arc<dyn File>,
    at: u64,
}

#[cfg(any(test, feature = "sim"))]
impl Read for RunReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buf, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
