//! Laying out drafts: which ones fit the next batch, and their bytes in one aligned buffer.

use super::buffers::Buffers;
use super::draft::{DraftId, Item};
use crate::format::{
    BATCH_HEADER_LEN, BatchHeader, Binding, FooterBuilder, Geometry, RecordHeader, Stamp,
    encode_record,
};
use crate::io::AlignedBuf;
use crate::position::{Hlc, LogPoint, NodeId, Offset, Version};
use std::collections::VecDeque;

/// A batch takes no more records once it is this long: 4 MiB keep a fast disk busy for milliseconds while the next
/// batch gathers. One record may be longer (a manifest of up to 16 MiB).
pub(crate) const BATCH_TARGET_BYTES: usize = 4 << 20;

/// What the layout of a batch needs to know.
pub(crate) struct Layout<'a> {
    pub geometry: &'a Geometry,
    pub binding: Binding,
    pub node: NodeId,
    /// Where the batch begins.
    pub offset: u64,
    /// What was synced when the batch is submitted: the attestation.
    pub synced: LogPoint,
}

/// A record that has its place.
#[derive(Debug)]
pub(crate) struct Laid {
    pub item: Item,
    pub offset: Offset,
    pub len: usize,
    pub version: Version,
}

/// How many of the items at the front fit one batch that begins at `offset`, given what the footer already takes.
/// Zero means that the segment is full. Joined items stay together, unless not even an empty segment holds them.
pub(crate) fn fitting(
    items: &VecDeque<Item>,
    geometry: &Geometry,
    offset: u64,
    footer: &FooterBuilder,
    empty: bool,
) -> usize {
    let mut batch = BATCH_HEADER_LEN;
    let mut footer_bytes = footer.bytes();
    let (mut count, mut whole) = (0, 0);
    for item in items {
        let len = item.draft.len(geometry.crc_block_bytes);
        footer_bytes += FooterBuilder::cost(item.draft.kind, len);
        let end = offset + padded(batch + len, geometry) as u64;
        let sealed = end + footer_bytes + u64::from(geometry.block_bytes);
        let full = sealed > geometry.segment_bytes || footer_bytes > FooterBuilder::BYTES_MAX;
        if full || (whole > 0 && batch + len > BATCH_TARGET_BYTES) {
            break;
        }
        batch += len;
        count += 1;
        if !item.joined {
            whole = count;
        }
    }
    if whole == 0 && empty { count } else { whole }
}

/// The length of a batch on disk: a multiple of the logical block.
fn padded(len: usize, geometry: &Geometry) -> usize {
    len.next_multiple_of(geometry.block_bytes as usize)
}

/// Lays out `items` as one batch, stamping names from `hlc` on. Also feeds the footer.
pub(crate) fn lay_out(
    layout: &Layout<'_>,
    items: Vec<Item>,
    hlc: &mut Hlc,
    now_ms: u64,
    footer: &mut FooterBuilder,
    buffers: &mut Buffers,
) -> (AlignedBuf, Vec<Laid>) {
    let crc_block = layout.geometry.crc_block_bytes;
    let content: usize = items.iter().map(|item| item.draft.len(crc_block)).sum();
    let total = padded(BATCH_HEADER_LEN + content, layout.geometry);
    footer.add_batch();
    let mut buf = buffers.take(total);
    let mut laid = Vec::with_capacity(items.len());
    let mut at = BATCH_HEADER_LEN;
    for item in items {
        let len = item.draft.len(crc_block);
        let mut version = Version::default();
        let id = match item.draft.id {
            DraftId::Content(id) => *id.as_bytes(),
            DraftId::Stamped(bucket) => {
                *hlc = hlc.next(now_ms);
                version = Version {
                    hlc: *hlc,
                    node: layout.node,
                };
                Stamp { version, bucket }.to_id_bytes()
            }
        };
        let out = buf
            .get_mut(at..at + len)
            .expect("the buffer was sized for these records");
        encode_record(
            out,
            item.draft.kind,
            &id,
            &item.draft.payload,
            &item.draft.extension,
            layout.binding,
        );
        let offset = Offset(layout.offset + at as u64);
        footer.add_record(
            &RecordHeader::decode(out, layout.binding, layout.geometry)
                .expect("a header just encoded decodes"),
            offset,
            out,
        );
        laid.push(Laid {
            item,
            offset,
            len,
            version,
        });
        at += len;
    }
    buf.get_mut(at..)
        .expect("the buffer was sized for these records")
        .fill(0);
    let header = BatchHeader {
        offset: Offset(layout.offset),
        len: u32::try_from(total).expect("a batch is bounded by the segment's size"),
        records: u32::try_from(laid.len()).expect("a batch holds fewer records than bytes"),
        synced: layout.synced,
        hlc: *hlc,
    };
    buf.get_mut(..BATCH_HEADER_LEN)
        .expect("the buffer begins with room for the header")
        .copy_from_slice(&header.encode(layout.binding));
    (buf, laid)
}
