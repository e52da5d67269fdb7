//! Writing the end of a log once more, before recovery builds on it.
//!
//! What no intact batch attests may never have been synced, although it can be read: after a failed sync the kernel
//! drops the pages' claim to be written and keeps showing them, until power is lost. A sync alone would cover nothing
//! of it, and what is then sealed behind it would turn the loss into a hole in the middle of the log. So these bytes,
//! the same ones, are written again: whatever a crash leaves of that is what was there. Only batches that verify as they
//! are read for this are written: a read that goes wrong must not replace good bytes by bad ones.

use super::scan::{Scanned, Scanner};
use super::segments::{Opened, Segment};
use crate::error::{DamageKind, Error, Result};
use crate::io::AlignedBuf;

/// Writes the batches from `attested` to `cut` again, and syncs.
pub(crate) fn rewrite(segment: &Segment, opened: &Opened, attested: u64, cut: u64) -> Result<()> {
    let path = segment.path();
    let read = |source| Error::io("read", &path, source);
    let write = |source| Error::io("write", &path, source);
    let changed = |offset| Error::Damaged {
        place: segment.place(offset),
        kind: DamageKind::BatchHeader,
    };
    let mut scanner = Scanner::new(opened, attested, cut).map_err(read)?;
    while let Some(found) = scanner.next().map_err(read)? {
        let batch = match found {
            Scanned::Batch(batch) if batch.intact() => batch,
            Scanned::Batch(batch) => return Err(changed(batch.offset)),
            Scanned::Unreadable { offset, .. } => return Err(changed(offset)),
        };
        let mut buf = AlignedBuf::zeroed(batch.bytes.len());
        buf.copy_from_slice(&batch.bytes);
        opened.file.write_at(&buf, batch.offset).map_err(write)?;
    }
    opened
        .file
        .sync_data()
        .map_err(|source| Error::io("sync", &path, source))
}
