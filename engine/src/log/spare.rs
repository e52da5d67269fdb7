//! The spare: a file as long as a segment, written full of zeros while the node has nothing to do, that becomes the next
//! segment.
//!
//! A sync of blocks that were written before costs the disk's flush and nothing else; blocks that are only allocated make
//! the file system commit its journal as well. The spare is an advantage and never a need: where there is no room for
//! it, or something is wrong with it, it is removed, and the segment is allocated as ever.
//!
//! It lies outside `log/`, as `spare/zeroing` until all of it is durable, then as `spare/zeroed`, and lasts no longer than
//! the run that made it: a start removes what it finds. So nobody has to wonder what an earlier run, or a crash between
//! the writing of a header and the rename into the log, left in it. Nothing depends on the zeros either: a record states
//! the binding of its segment, so stale bytes never parse.

use super::spare_dir;
use crate::durable;
use crate::error::is_without_descriptor;
use crate::io::{Disk, DiskPath, File, OpenMode};
use crate::sync::Arc;
use std::io;

/// Bytes of one write of zeros at most: what a request that comes meanwhile waits for.
const CHUNK_MAX: u64 = 1 << 20;

/// A small segment is written in so many steps, as a large one is in many.
const CHUNKS_MIN: u64 = 8;

/// Where the finished spare lies.
pub(super) fn path() -> DiskPath {
    spare_dir().join("zeroed")
}

/// Where it lies while it is made.
fn making_path() -> DiskPath {
    spare_dir().join("zeroing")
}

/// Bytes of the write of zeros at `offset` of a spare of `len` bytes: a multiple of 4 KiB, as `len` is. 0 at the end.
pub(super) fn chunk_bytes(len: u64, offset: u64) -> usize {
    let chunk = (len / CHUNKS_MIN).next_multiple_of(4096).min(CHUNK_MAX);
    usize::try_from(chunk.min(len - offset)).expect("at most 1 MiB")
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
    let mut offset = 0;
    while offset < len {
        let zeros = crate::io::AlignedBuf::zeroed(chunk_bytes(len, offset));
        file.write_at(&zeros, offset)?;
        offset += zeros.len() as u64;
    }
    file.sync_data()?;
    finish(disk)
}

/// The finished spare, to become a segment of `len` bytes. One that cannot be used is removed; one for which no descriptor
/// is left stays, and the error is returned.
pub(super) fn take(disk: &dyn Disk, len: u64) -> io::Result<Option<Arc<dyn File>>> {
    let opened = disk.open(&path(), OpenMode::WriteDirect);
    match opened.and_then(|file| Ok((file.len()? == len).then_some(file))) {
        Ok(Some(file)) => return Ok(Some(file)),
        Ok(None) => tracing::warn!("the spare segment has another length; it is removed"),
        Err(error) if is_without_descriptor(&error) => return Err(error),
        Err(error) => tracing::warn!(%error, "the spare segment cannot be used; it is removed"),
    }
    remove(disk, &path())?;
    Ok(None)
}

/// Removes the spare, finished or not.
pub(crate) fn clear(disk: &dyn Disk) -> io::Result<()> {
    remove(disk, &path())?;
    remove(disk, &making_path())
}

fn remove(disk: &dyn Disk, path: &DiskPath) -> io::Result<()> {
    if disk.exists(path)? {
        disk.remove(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_file_exactly_and_stay_aligned() {
        for len in [32 << 10, 36 << 10, 256 << 20, (256 << 20) + 4096] {
            let (mut offset, mut steps) = (0, 0);
            while offset < len {
                let chunk = chunk_bytes(len, offset) as u64;
                assert!(chunk > 0 && chunk.is_multiple_of(4096) && chunk <= CHUNK_MAX);
                offset += chunk;
                steps += 1;
            }
            assert_eq!((offset, chunk_bytes(len, offset)), (len, 0));
            assert!(steps >= 4, "{steps} steps for {len} bytes");
        }
    }
}
