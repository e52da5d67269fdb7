//! Gathers a segment's footer while its records are written.

use super::bytes::{Fixed, len_u64, pad_to};
use super::footer::{COPY_HEADER_LEN, FOOTER_HEADER_LEN, GAP_LEN, TABLE_ENTRY_LEN, TableEntry};
use super::footer::{FooterHeader, Totals};
use super::identity::Binding;
use super::kind::RecordKind;
use super::record::RecordHeader;
use super::trailer::{TRAILER_LEN, Trailer};
use crate::position::{Hlc, Offset};

/// A range of a segment that was found damaged before the attested end when recovery sealed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Its first byte.
    pub offset: Offset,
    /// Its bytes.
    pub len: u64,
}

/// The footer so far: 48 bytes for each extent and manifest, and a copy of each other record.
#[derive(Debug)]
pub struct FooterBuilder {
    binding: Binding,
    table: Vec<TableEntry>,
    copies: Vec<u8>,
    copies_count: u64,
    totals: Totals,
    digest: Box<blake3::Hasher>,
}

impl FooterBuilder {
    /// The footer of a segment without records.
    pub fn new(binding: Binding) -> Self {
        Self {
            binding,
            table: Vec::new(),
            copies: Vec::new(),
            copies_count: 0,
            totals: Totals::default(),
            digest: Box::default(),
        }
    }

    /// A segment is sealed before its footer grows beyond this: it is gathered in memory. A segment of nothing but names
    /// ends at about twice this size.
    pub const BYTES_MAX: u64 = 32 << 20;

    /// Bytes that a record of `len` bytes adds.
    pub fn cost(kind: RecordKind, len: usize) -> u64 {
        len_u64(if kind.is_content() {
            TABLE_ENTRY_LEN
        } else {
            COPY_HEADER_LEN + len
        })
    }

    /// Counts a batch, also one without records.
    pub fn add_batch(&mut self) {
        self.totals.batches += 1;
    }

    /// Adds a record, in log order. `record` is the whole record; for an extent or manifest its header and extension suffice.
    ///
    /// # Panics
    /// If `record` is shorter than that.
    pub fn add_record(&mut self, header: &RecordHeader, offset: Offset, record: &[u8]) {
        let framing = record
            .get(..header.payload_at())
            .expect("a record holds its header and extension");
        self.digest.update(framing);
        self.totals.records += 1;
        self.totals.payload_bytes += u64::from(header.payload_len);
        if header.kind.is_content() {
            self.table.push(TableEntry {
                id: header.id,
                offset,
                kind: header.kind,
                flags: u8::try_from(header.flags()).expect("two flags"),
                payload_len: header.payload_len,
            });
            return;
        }
        let record = record
            .get(..header.len())
            .expect("a record to be copied is whole");
        let mut head = Fixed::<COPY_HEADER_LEN>::new();
        head.u64(offset.0)
            .u32(u32::try_from(record.len()).expect("a record has at most 17 MiB"))
            .u32(0);
        self.copies.extend_from_slice(&head.finish());
        self.copies.extend_from_slice(record);
        self.copies_count += 1;
    }

    /// Bytes that the footer would have now, trailer included, neither gaps nor padding.
    pub fn bytes(&self) -> u64 {
        len_u64(
            FOOTER_HEADER_LEN
                + self.table.len() * TABLE_ENTRY_LEN
                + self.copies.len()
                + TRAILER_LEN,
        )
    }

    /// Everything from `data_end` to the end of the file: a multiple of `block_bytes`.
    ///
    /// # Panics
    /// If `data_end` is not a multiple of `block_bytes`.
    pub fn finish(
        mut self,
        data_end: Offset,
        gaps: &[Gap],
        last_hlc: Hlc,
        block_bytes: u32,
    ) -> Vec<u8> {
        assert!(
            data_end.0.is_multiple_of(u64::from(block_bytes)),
            "batches end at a block"
        );
        self.table.sort_unstable();
        let header = FooterHeader {
            data_end,
            entries: len_u64(self.table.len()),
            copies: self.copies_count,
            gaps: len_u64(gaps.len()),
            table_len: len_u64(self.table.len() * TABLE_ENTRY_LEN),
            copies_len: len_u64(self.copies.len()),
            gaps_len: len_u64(gaps.len() * GAP_LEN),
            totals: self.totals,
            last_hlc,
            digest: *self.digest.finalize().as_bytes(),
        };
        let mut out = header.encode(self.binding).to_vec();
        for entry in &self.table {
            out.extend_from_slice(&entry.encode());
        }
        out.append(&mut self.copies);
        for gap in gaps {
            out.extend_from_slice(&gap.offset.0.to_le_bytes());
            out.extend_from_slice(&gap.len.to_le_bytes());
        }
        let trailer = Trailer {
            offset: data_end.0,
            len: len_u64(out.len()),
            hash: *blake3::hash(&out).as_bytes(),
        };
        let block = usize::try_from(block_bytes).expect("at most 4 KiB");
        let end = pad_to(out.len() + TRAILER_LEN, block);
        out.resize(end - TRAILER_LEN, 0);
        out.extend_from_slice(&trailer.encode());
        out
    }
}
