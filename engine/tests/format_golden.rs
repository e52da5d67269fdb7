//! The bytes of every structure on disk are those in `golden/`: a change of the format shows here first.
//!
//! A golden file lists 16 bytes a line after their offset, all-zero lines left out, and the length at the end.
//! `MORAINE_BLESS=1` writes the files anew; a released format's files are never written again.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail by panicking"
)]

mod format_samples;

use format_samples::*;
use moraine_engine::format::*;
use moraine_engine::*;
use std::fmt::Write as _;
use std::path::PathBuf;

fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, line) in bytes.chunks(16).enumerate() {
        if line.iter().any(|byte| *byte != 0) {
            write!(text, "{:06x}:", index * 16).unwrap();
            for byte in line {
                write!(text, " {byte:02x}").unwrap();
            }
            text.push('\n');
        }
    }
    writeln!(text, "length {}", bytes.len()).unwrap();
    text
}

fn undump(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        if let Some(len) = line.strip_prefix("length ") {
            bytes.resize(len.parse().unwrap(), 0);
            return bytes;
        }
        let (offset, digits) = line.split_once(": ").unwrap();
        bytes.resize(usize::from_str_radix(offset, 16).unwrap(), 0);
        bytes.extend(
            digits
                .split(' ')
                .map(|byte| u8::from_str_radix(byte, 16).unwrap()),
        );
    }
    panic!("a golden file ends with the length");
}

/// The golden bytes of `name`, which `bytes` must equal.
fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.hex"));
    if std::env::var_os("MORAINE_BLESS").is_some() {
        std::fs::write(&path, dump(bytes)).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let found = dump(bytes);
    let differs = found.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert_eq!(differs, None, "{}: (found, golden)", path.display());
    assert_eq!(found.len(), text.len(), "{}", path.display());
    undump(&text)
}

#[test]
fn superblock_bytes() {
    let file = golden("superblock", &superblock().encode());
    assert_eq!(Superblock::decode(&file), Ok((superblock(), 2)));
}

#[test]
fn segment_header_bytes() {
    let file = golden("segment_header", &segment_header(5).encode());
    assert_eq!(
        SegmentHeader::decode(&file),
        Ok((segment_header(5), 8192, 2))
    );
}

#[test]
fn batch_header_bytes() {
    let bytes = golden("batch_header", &batch_header().encode(BINDING));
    let decoded = BatchHeader::decode(&bytes, BINDING, Offset(8192), 4096);
    assert_eq!(decoded, Ok(batch_header()));
}

#[test]
fn extent_bytes() {
    let bytes = golden("extent", &extent_with_digests());
    let view = RecordView::parse(&bytes, BINDING, &geometry()).unwrap();
    assert_eq!(view.header.id, Id::of(view.payload));
    assert_eq!(view.extension.digests.md5, Some([0x11; 16]));
    assert_eq!(view.extension.digests.sha256, Some([0x22; 32]));
}

/// The payload of a golden record.
fn payload(name: &str, bytes: &[u8]) -> Payload {
    let bytes = golden(name, bytes);
    let view = RecordView::parse(&bytes, BINDING, &geometry()).unwrap();
    let payload = Payload::decode(&view, &geometry()).unwrap();
    assert!(payload.proves_id(&view));
    payload
}

#[test]
fn manifest_bytes() {
    let content = bytes(7, 2500);
    let decoded = payload("manifest", &manifest_record(&content));
    assert_eq!(decoded, Payload::Manifest(manifest_of(&content)));
}

#[test]
fn part_manifest_bytes() {
    let part = Manifest {
        base_offset: 5 << 10,
        part: true,
        ..manifest_of(&bytes(8, 1500))
    };
    let encoded = part.encode();
    let id = Id::of(&encoded);
    let record = record(
        RecordKind::Manifest,
        id.as_bytes(),
        &encoded,
        Digests::default(),
    );
    assert_eq!(payload("part_manifest", &record), Payload::Manifest(part));
}

#[test]
fn name_bytes() {
    match payload("name", &name_record(5, &full_name())) {
        Payload::Name(stamp, name) => {
            assert_eq!(*name, full_name());
            assert_eq!(stamp.bucket, BUCKET);
            assert_eq!(stamp.version.node, NODE);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn tombstone_bytes() {
    let decoded = payload("tombstone", &tombstone_record(6, object("gone")));
    assert!(matches!(decoded, Payload::Tombstone(_, t) if t.key == object("gone")));
}

#[test]
fn catalog_bytes() {
    for (name, entry) in [
        ("catalog_tenant", tenant()),
        ("catalog_access_key", access_key()),
        ("catalog_bucket", bucket()),
    ] {
        let decoded = payload(name, &catalog_record(2, &entry));
        assert!(matches!(decoded, Payload::Catalog(_, found) if found == entry));
    }
}

#[test]
fn start_bytes() {
    let decoded = payload("start", &start_record(1));
    assert!(matches!(decoded, Payload::Start(_, found) if found == start()));
}

#[test]
fn sealed_segment_bytes() {
    let file = golden("sealed_segment", &sealed_segment());
    let trailer = Trailer::decode(file.last_chunk().unwrap()).unwrap();
    assert!(trailer.fits(file.len() as u64));
    let (start, len) = (trailer.offset as usize, trailer.len as usize);
    let footer = Footer::decode(
        file[start..start + len].to_vec(),
        &trailer,
        BINDING,
        &geometry(),
    )
    .unwrap();
    assert_eq!(footer.data_end, Offset(trailer.offset));
    assert_eq!(footer.table().len(), 5);
    assert_eq!(footer.totals.records, 11);
    assert_eq!(footer.totals.batches, 4);
    assert_eq!(footer.gaps.len(), 1);
    for entry in footer.table() {
        let at = entry.offset.0 as usize;
        let view = RecordView::parse(&file[at..], BINDING, &geometry()).unwrap();
        assert_eq!((view.header.id, view.header.kind), (entry.id, entry.kind));
        assert_eq!(footer.lookup(&entry.id).next(), Some(entry));
    }
    assert_eq!(footer.lookup(&Id::of(b"elsewhere")).count(), 0);
    let kinds: Vec<_> = footer.copies().map(|(_, copy)| copy.header.kind).collect();
    assert_eq!(
        kinds,
        [
            RecordKind::Start,
            RecordKind::Catalog,
            RecordKind::Catalog,
            RecordKind::Catalog,
            RecordKind::Name,
            RecordKind::Tombstone
        ]
    );
    for (offset, copy) in footer.copies() {
        let at = offset.0 as usize;
        assert_eq!(
            RecordView::parse(&file[at..], BINDING, &geometry()),
            Ok(copy)
        );
    }
}
