//! The spare: a file as long as a segment, written full of zeros while the node has nothing to do, that becomes the next
//! segment.
//!
//! A sync of blocks that were written before costs the disk's flush and nothing else; blocks that are only allocated make
//! the file system commit its journal as well. The spare is an advantage and never a need: whatever is wrong with it, it is
//! removed, and the segment is allocated as ever.
//!
//! It lies outside `log/`, as `spare/zeroing` until all of it is durable, then as `spare/zeroed`. Nothing depends on its
//! content, since stale bytes never parse (a record states the binding of its segment); only its head must be zero, so
//! that no copy of another segment's header is ever taken for this one's: a crash between the writing of the header
//! and the rename into the log leaves such a file, which is removed.

use super::spare_dir;
use crate::durable;
use crate::format::SegmentHeader;
use crate::io::{AlignedBuf, Disk, DiskPath, File, OpenMode};
use crate::sync::Arc;
use std::io;

/// Bytes of one write of zeros: a request that comes meanwhile waits for one at most.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// Where the finished spare lies.
pub(super) fn path() -> DiskPath {
    spare_dir().join("zeroed")
}

/// Where it lies while it is made.
pub(super) fn making_path() -> DiskPath {
    spare_dir().join("zeroing")
}

/// A new file of `len` allocated bytes, to be filled with zeros.
pub(super) fn begin(disk: &dyn Disk, len: u64) -> io::Result<Arc<dyn File>> {
    remove(disk, &making_path())?;
    let file = disk.open(&making_path(), OpenMode::CreateDirect)?;
    file.allocate(len)?;
    Ok(file)
}

/// Gives a file whose zeros are durable its name.
pub(super) fn finish(disk: &dyn Disk) -> io::Result<()> {
    durable::publish(disk, &making_path(), &path())
}

/// Makes a spare at once, blocking.
#[cfg(feature = "measure")]
pub(super) fn make(disk: &dyn Disk, len: u64) -> io::Result<()> {
    let file = begin(disk, len)?;
    let zeros = AlignedBuf::zeroed(CHUNK_BYTES);
    for offset in (0..len).step_by(CHUNK_BYTES) {
        let rest = usize::try_from(len - offset).unwrap_or(usize::MAX);
        let chunk = zeros.get(..CHUNK_BYTES.min(rest)).unwrap_or(&zeros);
        file.write_at(chunk, offset)?;
    }
    file.sync_data()?;
    finish(disk)
}

/// The finished spare, if there is one of exactly `len` bytes; any other is removed.
pub(super) fn take(disk: &dyn Disk, len: u64) -> io::Result<Option<Arc<dyn File>>> {
    if !disk.exists(&path())? {
        return Ok(None);
    }
    let usable = disk.open(&path(), OpenMode::WriteDirect).and_then(|file| {
        let fits = file.len()? == len && is_blank(&*file, len)?;
        Ok(fits.then_some(file))
    });
    match usable {
        Ok(Some(file)) => return Ok(Some(file)),
        Ok(None) => tracing::warn!("the spare segment is not one; it is removed"),
        Err(error) => tracing::warn!(%error, "the spare segment cannot be used; it is removed"),
    }
    remove(disk, &path())?;
    Ok(None)
}

/// Whether nothing was ever written where a segment's header lies.
fn is_blank(file: &dyn File, len: u64) -> io::Result<bool> {
    let head = usize::try_from(len).map_or(SegmentHeader::PREFIX_MAX, |len| {
        SegmentHeader::PREFIX_MAX.min(len)
    });
    let mut buf = AlignedBuf::zeroed(head);
    let read = file.read_at(&mut buf, 0)?;
    Ok(read == head && buf.iter().all(|byte| *byte == 0))
}

/// Removes the finished spare and any half made one, for room. Whether there was one.
pub(super) fn give_back(disk: &dyn Disk) -> io::Result<bool> {
    let finished = remove(disk, &path())?;
    let half = remove(disk, &making_path())?;
    Ok(finished || half)
}

/// Removes what a start finds half made.
pub(crate) fn clear_half_made(disk: &dyn Disk) -> io::Result<()> {
    remove(disk, &making_path()).map(drop)
}

fn remove(disk: &dyn Disk, path: &DiskPath) -> io::Result<bool> {
    let there = disk.exists(path)?;
    if there {
        disk.remove(path)?;
    }
    Ok(there)
}
