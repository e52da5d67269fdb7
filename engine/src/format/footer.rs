//! What a sealed segment says about itself: where each extent and manifest lies, and a copy of every other record, so that
//! all indexes can be rebuilt from footers alone.

use super::bytes::{Fixed, Reader, crc_of, len_u64};
use super::error::{FormatError, expect};
use super::footer_builder::Gap;
use super::geometry::Geometry;
use super::identity::Binding;
use super::kind::RecordKind;
use super::record::RecordView;
use super::trailer::Trailer;
use crate::canary::{self, Canary};
use crate::id::Id;
use crate::position::{Hlc, Offset};
use std::ops::Range;

/// Bytes of a footer's header.
pub(super) const FOOTER_HEADER_LEN: usize = 192;
/// Bytes of one entry of the table.
pub(super) const TABLE_ENTRY_LEN: usize = 48;
/// Bytes before each copied record.
pub(super) const COPY_HEADER_LEN: usize = 16;
/// Bytes of one gap.
pub(super) const GAP_LEN: usize = 16;

const MAGIC: &[u8; 8] = b"MORFOOTR";
const WHAT: &str = "segment footer";
const VERSION: u32 = 1;
const CRC_AT: usize = FOOTER_HEADER_LEN - 4;
/// Fields before the CRC; zeros follow up to it.
const FIELDS_LEN: usize = 8 + 4 + 4 + 8 + 8 + 3 * 8 + 3 * 8 + 3 * 8 + 8 + 32;
const _: () = assert!(FIELDS_LEN == 144 && FIELDS_LEN <= CRC_AT);
const _: () = assert!(Id::LEN + 1 + 1 + 2 + 4 + 8 == TABLE_ENTRY_LEN);
const _: () = assert!(8 + 4 + 4 == COPY_HEADER_LEN);
const _: () = assert!(8 + 8 == GAP_LEN);

/// Sums over the intact records of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes of all payloads.
    pub payload_bytes: u64,
    /// Records of every kind.
    pub records: u64,
    /// Batches, those without records included.
    pub batches: u64,
}

/// Where one extent or manifest lies. Ordered by id, then offset: the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableEntry {
    /// Its id.
    pub id: Id,
    /// Where its record begins.
    pub offset: Offset,
    /// Extent or manifest.
    pub kind: RecordKind,
    /// The record's flags: which digests it has.
    pub flags: u8,
    /// Bytes of its payload.
    pub payload_len: u32,
}

impl TableEntry {
    pub(super) fn encode(&self) -> [u8; TABLE_ENTRY_LEN] {
        let mut out = Fixed::<TABLE_ENTRY_LEN>::new();
        out.put(self.id.as_bytes())
            .u8(self.kind.number())
            .u8(self.flags)
            .u16(0)
            .u32(self.payload_len)
            .u64(self.offset.0);
        out.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut from = Reader::new(bytes, WHAT);
        let id = Id::from_bytes(from.array()?);
        let kind = RecordKind::try_from(from.u8()?)?;
        let flags = from.u8()?;
        let _reserved = from.u16()?;
        if !kind.is_content() {
            return Err(bad("kind in the footer's table"));
        }
        Ok(Self {
            id,
            kind,
            flags,
            payload_len: from.u32()?,
            offset: Offset(from.u64()?),
        })
    }
}

/// The fields of the footer's header.
pub(super) struct FooterHeader {
    pub(super) data_end: Offset,
    pub(super) entries: u64,
    pub(super) copies: u64,
    pub(super) gaps: u64,
    pub(super) table_len: u64,
    pub(super) copies_len: u64,
    pub(super) gaps_len: u64,
    pub(super) totals: Totals,
    pub(super) last_hlc: Hlc,
    pub(super) digest: [u8; 32],
}

impl FooterHeader {
    pub(super) fn encode(&self, binding: Binding) -> [u8; FOOTER_HEADER_LEN] {
        let mut out = Fixed::<FOOTER_HEADER_LEN>::new();
        out.put(MAGIC)
            .u32(VERSION)
            .u32(0)
            .u64(binding.0)
            .u64(self.data_end.0)
            .u64(self.entries)
            .u64(self.copies)
            .u64(self.gaps)
            .u64(self.table_len)
            .u64(self.copies_len)
            .u64(self.gaps_len)
            .u64(self.totals.payload_bytes)
            .u64(self.totals.records)
            .u64(self.totals.batches)
            .u64(self.last_hlc.0)
            .put(&self.digest)
            .seek(CRC_AT)
            .crc();
        out.finish()
    }

    fn decode(bytes: &[u8; FOOTER_HEADER_LEN], binding: Binding) -> Result<Self, FormatError> {
        let (covered, crc) = bytes
            .split_last_chunk::<4>()
            .ok_or(FormatError::Truncated { what: WHAT })?;
        let mut from = Reader::new(covered, WHAT);
        from.magic(MAGIC)?;
        if u32::from_le_bytes(*crc) != crc_of(&[covered]) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let version = from.u32()?;
        if version != VERSION {
            return Err(FormatError::Version {
                what: WHAT,
                found: version,
            });
        }
        let _reserved = from.u32()?;
        expect("binding of the footer", binding.0, from.u64()?)?;
        Ok(Self {
            data_end: Offset(from.u64()?),
            entries: from.u64()?,
            copies: from.u64()?,
            gaps: from.u64()?,
            table_len: from.u64()?,
            copies_len: from.u64()?,
            gaps_len: from.u64()?,
            totals: Totals {
                payload_bytes: from.u64()?,
                records: from.u64()?,
                batches: from.u64()?,
            },
            last_hlc: Hlc(from.u64()?),
            digest: from.array()?,
        })
    }
}

/// A footer that verifies.
#[derive(Debug, Clone)]
pub struct Footer {
    /// Where batches end and the footer begins.
    pub data_end: Offset,
    /// The highest stamp in the segment.
    pub last_hlc: Hlc,
    /// BLAKE3 over header and extension of each intact record, in log order.
    pub digest: [u8; 32],
    /// Sums over the intact records.
    pub totals: Totals,
    /// Damaged ranges, ascending.
    pub gaps: Vec<Gap>,
    binding: Binding,
    geometry: Geometry,
    table: Vec<TableEntry>,
    copies: Vec<(Offset, Range<usize>)>,
    bytes: Vec<u8>,
}

impl Footer {
    /// Reads and checks a footer; `bytes` are the `trailer.len` bytes at `trailer.offset` of the segment with this `binding`.
    pub fn decode(
        bytes: Vec<u8>,
        trailer: &Trailer,
        binding: Binding,
        geometry: &Geometry,
    ) -> Result<Self, FormatError> {
        if len_u64(bytes.len()) != trailer.len {
            return Err(FormatError::Truncated { what: WHAT });
        }
        if *blake3::hash(&bytes).as_bytes() != trailer.hash {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let mut from = Reader::new(&bytes, WHAT);
        let header = FooterHeader::decode(&from.array()?, binding)?;
        expect("offset of the footer", trailer.offset, header.data_end.0)?;
        let table = from.bytes(bounded(header.table_len)?)?;
        let copies_at = bytes.len() - from.rest().len();
        let copies = from.bytes(bounded(header.copies_len)?)?;
        let gaps = from.bytes(bounded(header.gaps_len)?)?;
        if !from.rest().is_empty() {
            return Err(bad("length of the footer"));
        }
        let table = decode_table(table, &header)?;
        let copies = split_copies(copies, copies_at, &header)?;
        let gaps = decode_gaps(gaps, &header)?;
        let footer = Self {
            data_end: header.data_end,
            last_hlc: header.last_hlc,
            digest: header.digest,
            totals: header.totals,
            gaps,
            binding,
            geometry: *geometry,
            table,
            copies,
            bytes,
        };
        footer.check_copies()?;
        Ok(footer)
    }

    /// Where the extent or manifest `id` lies in this segment; more than once if it was written more than once.
    pub fn lookup(&self, id: &Id) -> impl Iterator<Item = &TableEntry> {
        let first = self.table.partition_point(|entry| entry.id < *id);
        let (_, from) = self.table.split_at(first);
        from.iter().take_while(move |entry| entry.id == *id)
    }

    /// Every extent and manifest, by id.
    pub fn table(&self) -> &[TableEntry] {
        &self.table
    }

    /// Every other record, in log order, with its offset in the segment.
    pub fn copies(&self) -> impl ExactSizeIterator<Item = (Offset, RecordView<'_>)> {
        self.copies.iter().map(|(offset, range)| {
            let record = self.record(range).expect("decode checked every copy");
            (*offset, record)
        })
    }

    fn record(&self, range: &Range<usize>) -> Result<RecordView<'_>, FormatError> {
        let bytes = self
            .bytes
            .get(range.clone())
            .ok_or(FormatError::Truncated { what: WHAT })?;
        RecordView::parse(bytes, self.binding, &self.geometry)
    }

    fn check_copies(&self) -> Result<(), FormatError> {
        for (_, range) in &self.copies {
            let record = self.record(range)?;
            if record.header.kind.is_content() || record.header.len() != range.len() {
                return Err(bad("copied record"));
            }
        }
        Ok(())
    }
}

fn decode_table(table: &[u8], header: &FooterHeader) -> Result<Vec<TableEntry>, FormatError> {
    let what = "table of the footer";
    let (entries, rest) = table.as_chunks::<TABLE_ENTRY_LEN>();
    if !rest.is_empty() || len_u64(entries.len()) != header.entries {
        return Err(bad(what));
    }
    let table: Vec<_> = entries
        .iter()
        .map(|entry| TableEntry::decode(entry))
        .collect::<Result<_, _>>()?;
    let in_order = table.is_sorted_by(|a, b| (a.id, a.offset) < (b.id, b.offset))
        || canary::is(Canary::TableUnsorted);
    let in_range = table
        .iter()
        .all(|entry| entry.offset < header.data_end && entry.offset.0.is_multiple_of(8));
    if in_order && in_range {
        Ok(table)
    } else {
        Err(bad(what))
    }
}

/// Splits the copies into (offset, where in the footer the record lies).
fn split_copies(
    copies: &[u8],
    copies_at: usize,
    header: &FooterHeader,
) -> Result<Vec<(Offset, Range<usize>)>, FormatError> {
    let mut from = Reader::new(copies, WHAT);
    let mut found: Vec<(Offset, Range<usize>)> = Vec::new();
    while !from.rest().is_empty() {
        let offset = Offset(from.u64()?);
        let len = bounded(u64::from(from.u32()?))?;
        let _reserved = from.u32()?;
        let start = copies_at + copies.len() - from.rest().len();
        from.bytes(len)?;
        let ascends = found.last().is_none_or(|(last, _)| *last < offset);
        if !ascends || offset >= header.data_end || !offset.0.is_multiple_of(8) {
            return Err(bad("copied record"));
        }
        found.push((offset, start..start + len));
    }
    if len_u64(found.len()) == header.copies {
        Ok(found)
    } else {
        Err(bad("number of copied records"))
    }
}

fn decode_gaps(gaps: &[u8], header: &FooterHeader) -> Result<Vec<Gap>, FormatError> {
    let what = "gaps of the footer";
    let mut from = Reader::new(gaps, WHAT);
    let mut found = Vec::new();
    let mut end = 0;
    while !from.rest().is_empty() {
        let gap = Gap {
            offset: Offset(from.u64()?),
            len: from.u64()?,
        };
        if gap.offset.0 < end || gap.len == 0 {
            return Err(bad(what));
        }
        end = gap.offset.0.checked_add(gap.len).ok_or(bad(what))?;
        found.push(gap);
    }
    if end > header.data_end.0 || len_u64(found.len()) != header.gaps {
        return Err(bad(what));
    }
    Ok(found)
}

fn bounded(len: u64) -> Result<usize, FormatError> {
    usize::try_from(len).map_err(|_| bad("length in the footer"))
}

const fn bad(what: &'static str) -> FormatError {
    FormatError::Content { what }
}
