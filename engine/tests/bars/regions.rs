//! What each byte of a store's files is: so that damage can be drawn over every kind of them, however small.

use crate::real_store::files;
use moraine_engine::Offset;
use moraine_engine::format::{
    BATCH_HEADER_LEN, BatchHeader, Binding, Footer, Geometry, RECORD_HEADER_LEN, RecordHeader,
    SegmentHeader, TRAILER_LEN, Trailer,
};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Bytes of a footer's header; the table and the copies follow.
const FOOTER_HEADER_LEN: u64 = 192;
const TABLE_ENTRY_LEN: u64 = 48;
/// The first line of a shard of the hash index.
const SHARD_LINE: u64 = 64;

/// Some bytes of a file.
pub type Part = (String, Range<u64>);

/// All bytes of a store, by what they are.
#[derive(Default)]
pub struct Regions(pub BTreeMap<String, Vec<Part>>);

impl Regions {
    /// Those of the store in `folder`.
    pub fn of(folder: &Path) -> Self {
        let mut regions = Self::default();
        for path in files(folder) {
            let bytes = fs::read(folder.join(&path)).unwrap();
            regions.file(&path, &bytes);
        }
        regions
    }

    fn file(&mut self, path: &str, bytes: &[u8]) {
        let len = bytes.len() as u64;
        if path == "superblock" {
            self.add("superblock, first copy", path, 0..len / 2);
            self.add("superblock, second copy", path, len / 2..len);
        } else if path.ends_with(".seg") {
            self.segment(path, bytes);
        } else if path.starts_with("index/hash/") && !path.ends_with("mark") {
            self.add("hash index, shard header", path, 0..SHARD_LINE);
            self.slots(path, bytes);
        } else if path.starts_with("index/") {
            self.add(&format!("{} of the index", kind(path)), path, 0..len);
        } else {
            self.add(path, path, 0..len);
        }
    }

    fn slots(&mut self, path: &str, bytes: &[u8]) {
        for at in (SHARD_LINE..bytes.len() as u64).step_by(16) {
            let slot = &bytes[at as usize..][..16];
            let what = if slot.iter().all(|byte| *byte == 0) {
                "hash index, empty slot"
            } else {
                "hash index, slot"
            };
            self.add(what, path, at..at + 16);
        }
    }

    fn segment(&mut self, path: &str, bytes: &[u8]) {
        let (header, start, _) = SegmentHeader::decode(bytes).unwrap();
        self.add("segment header, first copy", path, 0..start / 2);
        self.add("segment header, second copy", path, start / 2..start);
        let len = bytes.len() as u64;
        let trailer = bytes.last_chunk().and_then(|it| Trailer::decode(it).ok());
        let end = trailer.as_ref().map_or(len, |trailer| trailer.offset);
        let end = self.batches(path, &bytes[..end as usize], start, &header);
        let Some(trailer) = trailer else {
            self.add("unused end of a segment", path, end..len);
            return;
        };
        let footer = bytes[trailer.offset as usize..][..trailer.len as usize].to_vec();
        let footer = Footer::decode(footer, &trailer, header.binding, &header.geometry).unwrap();
        let table = trailer.offset + FOOTER_HEADER_LEN;
        let copies = table + footer.table().len() as u64 * TABLE_ENTRY_LEN;
        let footer_end = trailer.offset + trailer.len;
        let trailer_at = len - TRAILER_LEN as u64;
        self.add("footer, header", path, trailer.offset..table);
        self.add("footer, table", path, table..copies);
        self.add("footer, copies of records", path, copies..footer_end);
        self.add("padding behind a footer", path, footer_end..trailer_at);
        self.add("trailer", path, trailer_at..len);
    }

    /// The batches up to the end of `bytes`; returns where they end.
    fn batches(&mut self, path: &str, bytes: &[u8], start: u64, header: &SegmentHeader) -> u64 {
        let (binding, geometry) = (header.binding, &header.geometry);
        let mut at = start;
        while let Some(rest) = bytes.get(at as usize..) {
            let max = u32::try_from(rest.len()).unwrap();
            let Ok(batch) = BatchHeader::decode(rest, binding, Offset(at), max) else {
                break;
            };
            self.add("batch header", path, at..at + BATCH_HEADER_LEN as u64);
            let end = at + u64::from(batch.len);
            at += BATCH_HEADER_LEN as u64;
            for _ in 0..batch.records {
                at = self.record(path, bytes, at, binding, geometry);
            }
            self.add("padding behind a batch", path, at..end);
            at = end;
        }
        at
    }

    fn record(
        &mut self,
        path: &str,
        bytes: &[u8],
        at: u64,
        binding: Binding,
        geometry: &Geometry,
    ) -> u64 {
        let header = RecordHeader::decode(&bytes[at as usize..], binding, geometry).unwrap();
        let extension = at + RECORD_HEADER_LEN as u64;
        let payload = extension + u64::from(header.extension_len);
        let payload_end = payload + u64::from(header.payload_len);
        let end = at + header.len() as u64;
        self.add("record header", path, at..extension);
        self.add("extension of a record", path, extension..payload);
        self.add(
            &format!("payload, {:?}", header.kind),
            path,
            payload..payload_end,
        );
        self.add("padding behind a record", path, payload_end..end);
        end
    }

    fn add(&mut self, what: &str, path: &str, range: Range<u64>) {
        if !range.is_empty() {
            let parts = self.0.entry(what.to_owned()).or_default();
            parts.push((path.to_owned(), range));
        }
    }

    /// The place of a byte of a region, counted through all its parts.
    pub fn place(&self, what: &str, mut number: u64) -> Part {
        for (path, range) in &self.0[what] {
            let len = range.end - range.start;
            if number < len {
                let at = range.start + number;
                return (path.clone(), at..at + 1);
            }
            number -= len;
        }
        panic!("{what} has no byte {number}");
    }

    /// How many bytes a region has.
    pub fn len(&self, what: &str) -> u64 {
        self.0[what]
            .iter()
            .map(|(_, range)| range.end - range.start)
            .sum()
    }
}

/// The path of a file of the indexes without the numbers in its name.
fn kind(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        let plain = part.trim_matches(|it: char| it.is_ascii_digit());
        if plain.is_empty() { "N" } else { plain }
    });
    parts.collect::<Vec<_>>().join("/")
}
