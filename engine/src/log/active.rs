//! The segment that is being appended to: how it comes into the log, and how it is sealed.
//!
//! A segment joins `log/` by a rename, with its space allocated and its header durable: a file in `log/` whose header
//! does not verify is damaged, never half made. Sealing writes the footer behind the last batch, ends the file there
//! and syncs; until that is done, recovery sees an unsealed segment and finds the same end again.

use super::{log_dir, segment_name, spare, spare_dir};
use crate::durable;
use crate::error::{Error, Result};
use crate::format::{Binding, FooterBuilder, Gap, Geometry, SegmentHeader};
use crate::io::{AlignedBuf, Disk, DiskPath, File, OpenMode};
use crate::position::{Hlc, Offset, SegmentNumber};
use crate::sync::Arc;
use std::io;

/// How far before its end a segment that is only allocated has one written block: see [`mark`].
const MARK_BEFORE_END: u64 = 2 * MARK_BYTES as u64;

/// Bytes of that block: the largest file system block that is common.
const MARK_BYTES: usize = 4096;

/// The segment at the end of the log.
pub(crate) struct ActiveSegment {
    pub number: SegmentNumber,
    pub binding: Binding,
    pub file: Arc<dyn File>,
    pub path: DiskPath,
    /// Where the next batch begins.
    pub end: u64,
    pub footer: FooterBuilder,
}

impl ActiveSegment {
    /// Makes the segment that `header` describes, of the spare if there is one, and moves it into the log, durably.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if there is no room for it, or for its header: the log has not changed then.
    /// [`Error::NoDescriptor`] if none was left: the log has not changed, or ends in a segment without a batch, which the
    /// next call replaces. Anything else is a failed write.
    pub fn create(
        disk: &dyn Disk,
        header: &SegmentHeader,
        spare: Option<Arc<dyn File>>,
    ) -> Result<Self> {
        let path = log_dir(header.node).join(&segment_name(header.segment));
        let (temporary, file) = match spare {
            Some(file) => (spare::path(), file),
            None => blank(disk, header)?,
        };
        let encoded = header.encode();
        let mut buf = AlignedBuf::zeroed(encoded.len());
        buf.copy_from_slice(&encoded);
        // It is not in the log yet: where a full disk shows only now, the file goes, and nothing has changed.
        let failed = |op| {
            let (need, temporary) = (header.geometry.segment_bytes, &temporary);
            move |source| {
                if !is_full(&source) {
                    return Error::io(op, temporary, source);
                }
                if let Err(error) = disk.remove(temporary) {
                    tracing::warn!(%error, "a segment without room cannot be removed; the next start tries again");
                }
                Error::NoSpace { need }
            }
        };
        file.write_at(&buf, 0).map_err(failed("write"))?;
        file.sync_data().map_err(failed("sync"))?;
        durable::publish(disk, &temporary, &path)
            .map_err(|source| Error::io("rename", &path, source))?;
        Ok(Self {
            number: header.segment,
            binding: header.binding,
            file,
            path,
            end: encoded.len() as u64,
            footer: FooterBuilder::new(header.binding),
        })
    }

    /// Writes the footer and ends the file behind it, durably. Returns the end of the data.
    pub fn seal(self, last_hlc: Hlc, geometry: &Geometry) -> Result<u64> {
        seal_at(
            &self.file,
            &self.path,
            self.footer,
            self.end,
            &[],
            last_hlc,
            geometry,
        )?;
        Ok(self.end)
    }
}

/// A new file that is to become the segment, with its space.
fn blank(disk: &dyn Disk, header: &SegmentHeader) -> Result<(DiskPath, Arc<dyn File>)> {
    let spare_error = |op| move |source| Error::io(op, &spare_dir(), source);
    let need = header.geometry.segment_bytes;
    let temporary = spare_dir().join(&segment_name(header.segment));
    if disk.exists(&temporary).map_err(spare_error("look into"))? {
        disk.remove(&temporary).map_err(spare_error("clear"))?;
    }
    let file = match disk.open(&temporary, OpenMode::CreateDirect) {
        Ok(file) => file,
        Err(source) if is_full(&source) => return Err(Error::NoSpace { need }),
        Err(source) => return Err(Error::io("create", &temporary, source)),
    };
    if let Err(source) = file.allocate(need) {
        drop(file);
        if is_full(&source) {
            disk.remove(&temporary).map_err(spare_error("clear"))?;
            return Err(Error::NoSpace { need });
        }
        return Err(Error::io("allocate", &temporary, source));
    }
    match mark(&*file, need) {
        Err(source) if is_full(&source) => {
            drop(file);
            disk.remove(&temporary).map_err(spare_error("clear"))?;
            Err(Error::NoSpace { need })
        }
        Err(source) => Err(Error::io("write", &temporary, source)),
        Ok(()) => Ok((temporary, file)),
    }
}

/// Writes one block of zeros near the end of an allocated file.
///
/// ext4 keeps up to four extents of a file in its inode, more of them in a tree. A segment of 256 MiB that is only allocated
/// has three or four; every write into it splits one for a moment. So each sync could make the tree and give it back: a
/// block allocated, freed and, where the file system discards at once, discarded, which takes a millisecond on some disks (5,400
/// instead of 20,000 small writes a second at 16 writers). A written block between two that are not keeps the count above four
/// until the log arrives there.
fn mark(file: &dyn File, len: u64) -> io::Result<()> {
    match len.checked_sub(MARK_BEFORE_END) {
        Some(offset) => file.write_at(&AlignedBuf::zeroed(MARK_BYTES), offset),
        None => Ok(()),
    }
}

/// Writes `footer` at `data_end`, ends the file behind it, and syncs.
pub(crate) fn seal_at(
    file: &Arc<dyn File>,
    path: &DiskPath,
    footer: FooterBuilder,
    data_end: u64,
    gaps: &[Gap],
    last_hlc: Hlc,
    geometry: &Geometry,
) -> Result<()> {
    let bytes = footer.finish(Offset(data_end), gaps, last_hlc, geometry.block_bytes);
    let mut buf = AlignedBuf::zeroed(bytes.len());
    buf.copy_from_slice(&bytes);
    file.write_at(&buf, data_end)
        .map_err(|source| Error::io("write footer of", path, source))?;
    file.set_len(data_end + buf.len() as u64)
        .map_err(|source| Error::io("end", path, source))?;
    file.sync_data()
        .map_err(|source| Error::io("sync", path, source))
}

/// Whether a system error says that there is no room, by space or by quota.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

#[cfg(test)]
mod tests;
