//! Where the log ends after a crash, and making that cut durable before anything else happens.
//!
//! Only the last segment of a log can be unsealed. Recovery syncs it first (what a killed process wrote may still be in
//! the kernel only), walks its batches, and takes the highest attested position that an intact batch header states: up
//! to there everything had been synced. A batch that does not verify *before* it is damage, and the log goes on behind
//! it; the first one *at or behind* it ends the log, intact batches behind it or not. What is behind the attested
//! position is written once more, and the cut is made durable by sealing the segment there. A crash during any step leaves a segment on which the same walk finds the same cut.

use super::active::seal_at;
use super::rewrite::rewrite;
use super::scan::{Bad, Scanned, Scanner};
use super::segments::{Opened, Segment};
use crate::durable;
use crate::error::{DamageKind, Error, Result};
use crate::format::{
    BATCH_HEADER_LEN, BatchHeader, Footer, FooterBuilder, Gap, TRAILER_LEN, Trailer,
};
use crate::io::{AlignedBuf, Disk, DiskPath, OpenMode};
use crate::position::{Hlc, LogPoint, Offset};

/// What recovery found at the end of a log.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Where the data of the last segment ends.
    pub data_end: u64,
    /// The highest stamp in it.
    pub last_hlc: Hlc,
    /// Whether the segment had to be sealed here.
    pub recovered: bool,
    /// Bytes behind the cut that were thrown away: written, never acknowledged.
    pub cut_bytes: u64,
    /// Damaged ranges before the attested end.
    pub damages: usize,
}

/// What the first walk remembers of a batch or of an unreadable range.
struct Seen {
    offset: u64,
    end: u64,
    intact: bool,
    readable: bool,
}

/// Makes sure that the last segment of a log is sealed, and tells where it ends.
pub(crate) fn recover_tail(disk: &dyn Disk, segment: &Segment) -> Result<Tail> {
    let path = segment.path();
    let file = disk
        .open(&path, OpenMode::WriteDirect)
        .map_err(|source| Error::io("open", &path, source))?;
    // A file that was cut in mid-block by an interrupted seal cannot be read past the page cache to its last byte, but
    // such a file ends with its footer: it is whole.
    let opened = segment.inspect(file)?;
    opened
        .file
        .sync_data()
        .map_err(|source| Error::io("sync", &path, source))?;
    if let Some(footer) = read_footer(segment, &opened)? {
        return Ok(Tail {
            data_end: footer.data_end.0,
            last_hlc: footer.last_hlc,
            recovered: false,
            cut_bytes: 0,
            damages: 0,
        });
    }
    let (seen, attested) = walk(segment, &opened)?;
    let cut = find_cut(&seen, opened.data_start, attested);
    if seen.iter().all(|place| !place.readable) {
        publish_again(disk, segment)?;
    }
    rewrite(segment, &opened, attested, cut)?;
    seal_tail(segment, &opened, &seen, cut)
}

/// Takes a segment out of the log and puts it back.
///
/// The sync of the folder may have failed when the segment was made; no later one need make its entry durable then, and
/// the log would go on behind a segment that is lost with the power. As it holds no batch, a crash between the two
/// moves loses nothing.
fn publish_again(disk: &dyn Disk, segment: &Segment) -> Result<()> {
    let path = segment.path();
    let aside = super::spare_dir().join(path.name());
    let moved = |source| Error::io("rename", &path, source);
    durable::publish(disk, &path, &aside).map_err(moved)?;
    durable::publish(disk, &aside, &path).map_err(moved)
}

/// Walks a segment without a footer: what was seen, and the highest attested position.
fn walk(segment: &Segment, opened: &Opened) -> Result<(Vec<Seen>, u64)> {
    let path = segment.path();
    let read = |source| Error::io("read", &path, source);
    let end = opened.file.len().map_err(read)?;
    let mut seen = Vec::new();
    let mut attested = opened.data_start;
    let mut scanner = Scanner::new(opened, opened.data_start, end).map_err(read)?;
    while let Some(found) = scanner.next().map_err(read)? {
        match found {
            Scanned::Batch(batch) => {
                if batch.header.synced.segment == segment.number {
                    attested = attested.max(batch.header.synced.offset.0);
                }
                seen.push(Seen {
                    offset: batch.offset,
                    end: batch.end(),
                    intact: batch.intact(),
                    readable: true,
                });
            }
            Scanned::Unreadable { offset, len } => seen.push(Seen {
                offset,
                end: offset + len,
                intact: false,
                readable: false,
            }),
        }
    }
    Ok((seen, attested))
}

/// Where the data of a segment without a footer ends, without changing anything: for `fsck` and `inspect`.
pub(crate) fn find_end(segment: &Segment, opened: &Opened) -> Result<u64> {
    let (seen, attested) = walk(segment, opened)?;
    Ok(find_cut(&seen, opened.data_start, attested))
}

/// The end of the log: the first place at or behind `attested` that does not verify, or the end of what does.
fn find_cut(seen: &[Seen], data_start: u64, attested: u64) -> u64 {
    let mut cut = data_start;
    for place in seen {
        if !place.intact && place.end > attested {
            // A range without headers may begin before the attested end and reach behind it: what is attested of it is
            // damage and stays in the log as a gap.
            return if place.readable {
                place.offset.max(cut)
            } else {
                place.offset.max(attested)
            };
        }
        cut = place.end;
    }
    cut
}

/// Writes an empty batch at the cut that attests everything before it, and syncs.
///
/// The only header that tells the damage before the cut from a tear may lie behind it, where the footer will be written.
/// Should that footer be torn, the next recovery still finds this batch, and the same end. Returns where the batch ends.
fn attest(
    opened: &Opened,
    path: &DiskPath,
    cut: u64,
    hlc: Hlc,
    footer: &mut FooterBuilder,
) -> Result<u64> {
    let len = opened.geometry.block_bytes;
    let header = BatchHeader {
        offset: Offset(cut),
        len,
        records: 0,
        synced: LogPoint {
            segment: opened.header.segment,
            offset: Offset(cut),
        },
        hlc,
    };
    let mut buf = AlignedBuf::zeroed(len as usize);
    buf.get_mut(..BATCH_HEADER_LEN)
        .expect("a block holds a batch header")
        .copy_from_slice(&header.encode(opened.binding));
    let write = |source| Error::io("write", path, source);
    // An intact batch may lie right behind the torn one that this one replaces. It must not become its neighbour: what lies
    // there is made unreadable first.
    let zeros = AlignedBuf::zeroed(len as usize);
    let end = cut + u64::from(len);
    opened.file.write_at(&zeros, end).map_err(write)?;
    opened.file.sync_data().map_err(write)?;
    opened.file.write_at(&buf, cut).map_err(write)?;
    opened.file.sync_data().map_err(write)?;
    footer.add_batch();
    Ok(end)
}

/// Builds the footer of everything before `cut`, and seals the segment there.
fn seal_tail(segment: &Segment, opened: &Opened, seen: &[Seen], cut: u64) -> Result<Tail> {
    let path = segment.path();
    let read = |source| Error::io("read", &path, source);
    let mut footer = FooterBuilder::new(opened.binding);
    let mut last_hlc = Hlc::default();
    let mut gaps = Vec::new();
    let mut damages = Vec::new();
    let mut scanner = Scanner::new(opened, opened.data_start, cut).map_err(read)?;
    while let Some(found) = scanner.next().map_err(read)? {
        match found {
            Scanned::Batch(batch) => {
                last_hlc = last_hlc.max(batch.header.hlc);
                footer.add_batch();
                for record in &batch.records {
                    footer.add_record(&record.header, record.offset, &record.bytes);
                }
                for bad in &batch.bad {
                    gaps.push(gap(bad));
                    let kind = if bad.payload_only {
                        DamageKind::Payload
                    } else {
                        DamageKind::RecordHeader
                    };
                    damages.push((segment.place(bad.offset), kind));
                }
            }
            Scanned::Unreadable { offset, len } => {
                damages.push((segment.place(offset), DamageKind::BatchHeader));
                let (records, bad) = scanner.salvage(offset, len).map_err(read)?;
                for record in &records {
                    footer.add_record(&record.header, record.offset, &record.bytes);
                }
                gaps.extend(bad.iter().map(gap));
            }
        }
    }
    let written = seen
        .iter()
        .filter(|place| place.readable)
        .map(|place| place.end)
        .max();
    let data_end = if gaps.is_empty() {
        cut
    } else {
        attest(opened, &path, cut, last_hlc, &mut footer)?
    };
    seal_at(
        &opened.file,
        &path,
        footer,
        data_end,
        &gaps,
        last_hlc,
        &opened.geometry,
    )?;
    for (place, kind) in &damages {
        tracing::error!(%place, %kind, "damage before the attested end of the log");
    }
    Ok(Tail {
        data_end,
        last_hlc,
        recovered: true,
        cut_bytes: written.unwrap_or(cut).saturating_sub(cut),
        damages: damages.len(),
    })
}

fn gap(bad: &Bad) -> Gap {
    Gap {
        offset: Offset(bad.offset),
        len: bad.len,
    }
}

/// The footer of a sealed segment; `None` if there is no intact one.
pub(crate) fn read_footer(segment: &Segment, opened: &Opened) -> Result<Option<Footer>> {
    let path = segment.path();
    let read = |source| Error::io("read", &path, source);
    let len = opened.file.len().map_err(read)?;
    let Some(at) = len.checked_sub(TRAILER_LEN as u64) else {
        return Ok(None);
    };
    let bytes = super::scan::read_at(&opened.file, at, TRAILER_LEN).map_err(read)?;
    let Some(bytes) = bytes.first_chunk() else {
        return Ok(None);
    };
    let Ok(trailer) = Trailer::decode(bytes) else {
        return Ok(None);
    };
    let Some(room) = at.checked_sub(trailer.offset) else {
        return Ok(None);
    };
    if trailer.offset < opened.data_start || trailer.len > room {
        return Ok(None);
    }
    let Ok(footer_len) = usize::try_from(trailer.len) else {
        return Ok(None);
    };
    let bytes = super::scan::read_at(&opened.file, trailer.offset, footer_len).map_err(read)?;
    Ok(Footer::decode(bytes.to_vec(), &trailer, opened.binding, &opened.geometry).ok())
}
