//! The decoders of what lies on the disk. Their checksums are put right before a second try, so that damage which a
//! checksum would show is not all that is ever tried.

use moraine_engine::format::{
    BatchHeader, Binding, CatalogRecord, Footer, Geometry, Manifest, NameRecord, Payload,
    RecordView, SegmentHeader, StartRecord, Superblock, Tombstone, Trailer,
};
use moraine_engine::{BucketId, Offset};
use std::ops::Range;

/// What the samples in the engine's `tests/golden` are bound to; the corpus begins with them.
const BINDING: Binding = Binding(0x1357_9bdf_0246_8ace);

/// The geometry of those samples.
const GEOMETRY: Geometry = Geometry {
    extent_bytes: 1024,
    crc_block_bytes: 512,
    segment_bytes: 64 << 10,
    block_bytes: 512,
};

/// The bytes with the CRC32C of `covered` at `at`.
fn sealed(data: &[u8], covered: Range<usize>, at: usize) -> Vec<u8> {
    let mut bytes = data.to_vec();
    if let Some(crc) = bytes.get(covered).map(crc32c::crc32c)
        && let Some(field) = bytes.get_mut(at..at + 4)
    {
        field.copy_from_slice(&crc.to_le_bytes());
    }
    bytes
}

pub fn superblock(data: &[u8]) {
    let mut copy = data.to_vec();
    copy.resize(4096, 0);
    for bytes in [data.to_vec(), sealed(&copy, 0..4092, 4092)] {
        if let Ok((found, copies)) = Superblock::decode(&bytes) {
            assert!((1..=2).contains(&copies));
            assert_eq!(Superblock::decode(&found.encode()), Ok((found, 2)));
        }
    }
}

pub fn segment(data: &[u8]) {
    let mut copy = data.to_vec();
    copy.resize(4096, 0);
    let mut covered = copy.clone();
    covered.drain(100..104);
    let crc = crc32c::crc32c(&covered);
    if let Some(field) = copy.get_mut(100..104) {
        field.copy_from_slice(&crc.to_le_bytes());
    }
    for bytes in [data, &copy] {
        assert!(SegmentHeader::prefix_len(bytes) <= SegmentHeader::PREFIX_MAX);
        if let Ok((found, start, _)) = SegmentHeader::decode(bytes) {
            assert_eq!(
                SegmentHeader::decode(&found.encode()),
                Ok((found, start, 2))
            );
        }
    }
}

pub fn batch(data: &[u8]) {
    let decode = |bytes: &[u8]| BatchHeader::decode(bytes, BINDING, Offset(8192), 1 << 20);
    for bytes in [data.to_vec(), sealed(data, 0..60, 60)] {
        if let Ok(found) = decode(&bytes) {
            assert!(found.len <= 1 << 20);
            assert_eq!(decode(&found.encode(BINDING)), Ok(found));
        }
    }
}

pub fn record(data: &[u8]) {
    let extension = data
        .get(12..16)
        .and_then(|field| field.first_chunk())
        .and_then(|field| usize::try_from(u32::from_le_bytes(*field)).ok())
        .unwrap_or(0);
    let fixed = sealed(data, 64..64_usize.saturating_add(extension), 56);
    for bytes in [data.to_vec(), sealed(&fixed, 0..60, 60)] {
        let Ok(view) = RecordView::parse(&bytes, BINDING, &GEOMETRY) else {
            continue;
        };
        assert!(view.payload.len() <= GEOMETRY.payload_max(view.header.kind));
        assert!(view.header.len() <= bytes.len());
        if let Ok(payload) = Payload::decode(&view, &GEOMETRY) {
            let _ = payload.proves_id(&view);
        }
    }
}

pub fn manifest(data: &[u8]) {
    if let Ok(found) = Manifest::decode(data, &GEOMETRY) {
        let _ = found.prove_id();
        for at in [0, 1, 1024, found.total_len, u64::MAX] {
            assert_eq!(
                found.extent_at(at).is_some(),
                at < found.total_len,
                "byte {at}"
            );
        }
        assert_eq!(Manifest::decode(&found.encode(), &GEOMETRY), Ok(found));
    }
}

pub fn tagged(data: &[u8]) {
    if let Ok(found) = NameRecord::decode(data) {
        assert_eq!(NameRecord::decode(&found.encode()), Ok(found));
    }
    if let Ok(found) = Tombstone::decode(data) {
        assert_eq!(Tombstone::decode(&found.encode()), Ok(found));
    }
    if let Ok(found) = CatalogRecord::decode(data) {
        assert_eq!(found.name_key().bucket, BucketId(0));
        assert_eq!(CatalogRecord::decode(&found.encode()), Ok(found));
    }
    if let Ok(found) = StartRecord::decode(data) {
        assert_eq!(StartRecord::decode(&found.encode()), Ok(found));
    }
}

/// The last bytes are the trailer, what is before them the footer.
pub fn footer(data: &[u8]) {
    let Some((body, tail)) = data.split_last_chunk() else {
        return;
    };
    let read = Trailer::decode(tail).ok();
    if let Some(trailer) = &read {
        let _ = trailer.fits(u64::MAX);
        let _ = trailer.fits(u64::try_from(data.len()).unwrap_or(u64::MAX));
    }
    let fixed = sealed(body, 0..188, 188);
    let offset = tail.get(8..16).and_then(|field| field.first_chunk());
    let made = Trailer {
        offset: u64::from_le_bytes(*offset.unwrap_or(&[0; 8])),
        len: u64::try_from(fixed.len()).unwrap_or(u64::MAX),
        hash: *blake3::hash(&fixed).as_bytes(),
    };
    for (bytes, trailer) in [(body.to_vec(), read), (fixed, Some(made))] {
        let Some(trailer) = trailer else {
            continue;
        };
        if let Ok(footer) = Footer::decode(bytes, &trailer, BINDING, &GEOMETRY) {
            assert!(footer.copies().all(|(offset, _)| offset < footer.data_end));
            for entry in footer.table() {
                assert!(footer.lookup(&entry.id).any(|found| found == entry));
            }
        }
    }
}
