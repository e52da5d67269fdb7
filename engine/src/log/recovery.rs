//! Where the log ends after a crash, and making that cut durable before anything else happens.
//!
//! Only the last segment of a log can be unsealed. Recovery syncs it first (what a killed process wrote may still be in
//! the kernel only), walks its batches, and takes the highest attested position that an intact batch header states: up
//! to there everything had been synced. A batch that does not verify *before* it is damage, and the log goes on behind
//! it; the first one *at or behind* it ends the log, intact batches behind it or not. The cut is then made durable by
//! sealing the segment there. A crash during any step leaves a segment on which the same walk finds the same cut.

use super::active::seal_at;
use super::scan::{Bad, Scanned, Scanner};
use super::segments::Segment;
use crate::error::{DamageKind, Error, Place, Result};
use crate::format::{Footer, FooterBuilder, Gap, TRAILER_LEN, Trailer};
use crate::io::{Disk, OpenMode};
use crate::position::{Hlc, Offset};

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
    /// Damage before the attested end.
    pub damages: Vec<(Place, DamageKind)>,
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
    let read = |source| Error::io("read", &path, source);
    if let Some(footer) = read_footer(segment, &opened)? {
        return Ok(Tail {
            data_end: footer.data_end.0,
            last_hlc: footer.last_hlc,
            recovered: false,
            cut_bytes: 0,
            damages: Vec::new(),
        });
    }
    let end = opened.file.len().map_err(read)?;
    let mut seen = Vec::new();
    let mut attested = opened.data_start;
    let mut scanner = Scanner::new(&opened, opened.data_start, end).map_err(read)?;
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
    let cut = find_cut(&seen, opened.data_start, attested);
    let tail = seal_tail(disk, segment, &opened, &seen, cut)?;
    Ok(tail)
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

/// Builds the footer of everything before `cut`, and seals the segment there.
fn seal_tail(
    _disk: &dyn Disk,
    segment: &Segment,
    opened: &super::segments::Opened,
    seen: &[Seen],
    cut: u64,
) -> Result<Tail> {
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
    seal_at(
        &opened.file,
        &path,
        footer,
        cut,
        &gaps,
        last_hlc,
        &opened.geometry,
    )?;
    for (place, kind) in &damages {
        tracing::error!(%place, %kind, "damage before the attested end of the log");
    }
    Ok(Tail {
        data_end: cut,
        last_hlc,
        recovered: true,
        cut_bytes: written.unwrap_or(cut).saturating_sub(cut),
        damages,
    })
}

fn gap(bad: &Bad) -> Gap {
    Gap {
        offset: Offset(bad.offset),
        len: bad.len,
    }
}

/// The footer of a sealed segment; `None` if there is no intact one.
pub(crate) fn read_footer(
    segment: &Segment,
    opened: &super::segments::Opened,
) -> Result<Option<Footer>> {
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
