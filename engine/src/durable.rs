//! The one place that makes a file durable: write, sync, rename, sync the folder. Nobody else renames.

use crate::io::{AlignedBuf, Disk, DiskPath, OpenMode};
use std::io;

/// The logical block that whole-file writes are padded to when the disk asks for alignment.
const PAD: usize = AlignedBuf::ALIGNMENT;

/// Replaces the file at `path` by `content`, all or nothing, and durably. The file's length is that of `content`.
///
/// A crash leaves the old file or the new one; a leftover `NAME.tmp` is overwritten by the next call.
pub fn replace(disk: &dyn Disk, path: &DiskPath, content: &[u8]) -> io::Result<()> {
    let temporary = path.parent().join(&format!("{}.tmp", path.name()));
    if disk.exists(&temporary)? {
        disk.remove(&temporary)?;
    }
    let file = disk.open(&temporary, OpenMode::CreateDirect)?;
    let mut buf = AlignedBuf::zeroed(content.len().next_multiple_of(PAD));
    buf.get_mut(..content.len())
        .expect("the buffer was made this long")
        .copy_from_slice(content);
    file.write_at(&buf, 0)?;
    file.set_len(content.len() as u64)?;
    file.sync_data()?;
    publish(disk, &temporary, path)
}

/// Moves a file whose content is already durable to its place, durably.
pub fn publish(disk: &dyn Disk, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
    disk.rename(from, to)?;
    disk.sync_dir(&to.parent())?;
    if from.parent() != to.parent() {
        disk.sync_dir(&from.parent())?;
    }
    Ok(())
}

/// Creates a folder durably.
pub fn create_dir(disk: &dyn Disk, path: &DiskPath) -> io::Result<()> {
    disk.create_dir(path)?;
    disk.sync_dir(&path.parent())
}

/// Removes a file durably.
pub fn remove(disk: &dyn Disk, path: &DiskPath) -> io::Result<()> {
    disk.remove(path)?;
    disk.sync_dir(&path.parent())
}

/// Reads a whole file of at most `limit` bytes.
pub fn read(disk: &dyn Disk, path: &DiskPath, limit: usize) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    if len > limit {
        return Err(io::Error::other(format!(
            "{path} is {len} bytes long; at most {limit} are expected"
        )));
    }
    let mut content = vec![0; len];
    let read = file.read_at(&mut content, 0)?;
    content.truncate(read);
    Ok(content)
}
