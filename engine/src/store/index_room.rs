//! How much room the indexes of a log take: told when there is not enough of it.

use crate::error::Result;
use crate::io::Disk;
use crate::log::{Segment, Segments, read_footer};

/// Bytes that a name takes beside its payload, with its reverse row: 480 at a payload of 250.
const NAME_BYTES: u64 = 230;
/// While a tree is merged, and journals wait for it, as much again.
const NAME_COPIES: u64 = 2;
/// Bytes that an entry of the hash index takes while its shards grow: 24, and three times as much until they are named.
const CONTENT_BYTES: u64 = 96;

/// About how many bytes the indexes take at most while they are made; what cannot be read of the log is left out.
pub(super) fn needed(disk: &dyn Disk, segments: &Segments) -> u64 {
    let all = segments.all();
    let each = all
        .iter()
        .map(|it| of_segment(disk, it).unwrap_or_default());
    each.fold(0, u64::saturating_add)
}

fn of_segment(disk: &dyn Disk, segment: &Segment) -> Result<u64> {
    let opened = segment.open(disk)?;
    let Some(footer) = read_footer(segment, &opened)? else {
        return Ok(0);
    };
    let names = footer
        .copies()
        .map(|(_, record)| record.payload.len() as u64 + NAME_BYTES);
    let content = footer.table().len() as u64 * CONTENT_BYTES;
    Ok(names.sum::<u64>() * NAME_COPIES + content)
}
