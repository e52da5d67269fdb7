//! Every single flipped bit of every structure on disk is noticed.

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

/// Flips every bit of `bytes`, one at a time, and expects `accepts` to say no.
fn every_flip_is_refused(what: &str, bytes: &[u8], mut accepts: impl FnMut(&[u8]) -> bool) {
    assert!(accepts(bytes), "{what} is valid as it is");
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(
                !accepts(&bytes),
                "{what}: bit {bit} of byte {at} went unnoticed"
            );
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn superblock_copies() {
    let good = superblock();
    let refuses_one = |bytes: &[u8]| match Superblock::decode(bytes) {
        Ok((found, copies)) => {
            assert_eq!(found, good, "the other copy serves");
            copies == 2
        }
        Err(error) => panic!("one copy is intact: {error}"),
    };
    every_flip_is_refused("superblock", &good.encode(), refuses_one);
    let first = &good.encode()[..SUPERBLOCK_LEN / 2];
    every_flip_is_refused("a single copy of the superblock", first, |bytes| {
        Superblock::decode(bytes).is_ok()
    });
}

#[test]
fn segment_header_copies() {
    let good = segment_header(5);
    every_flip_is_refused("segment header", &good.encode(), |bytes| {
        let prefix = SegmentHeader::prefix_len(bytes).min(bytes.len());
        let found = SegmentHeader::decode(&bytes[..prefix])
            .or_else(|_| SegmentHeader::decode(bytes))
            .unwrap_or_else(|error| panic!("one copy is intact: {error}"));
        assert_eq!((&found.0, found.1), (&good, 8192), "the other copy serves");
        found.2 == 2
    });
}

#[test]
fn batch_header_bits() {
    every_flip_is_refused("batch header", &batch_header().encode(BINDING), |bytes| {
        BatchHeader::decode(bytes, BINDING, Offset(8192), 4096).is_ok()
    });
}

#[test]
fn record_header_bits() {
    let record = extent_with_digests();
    every_flip_is_refused("record header", &record[..RECORD_HEADER_LEN], |bytes| {
        RecordHeader::decode(bytes, BINDING, &geometry()).is_ok()
    });
}

#[test]
fn whole_records() {
    let content = bytes(7, 2500);
    for (what, record) in [
        ("extent with digests", extent_with_digests()),
        ("extent of two blocks", extent(&content[..777])),
        ("manifest", manifest_record(&content)),
        ("name", name_record(5, &full_name())),
        ("access key", catalog_record(2, &access_key())),
        ("start", start_record(1)),
    ] {
        every_flip_is_refused(what, &record, |bytes| {
            RecordView::parse(bytes, BINDING, &geometry()).is_ok()
        });
    }
}

#[test]
fn chaining_values_and_lengths_of_a_manifest() {
    let content = bytes(7, 2500);
    let id = Id::of(&content);
    let good = manifest_of(&content);
    let proves = |manifest: &Manifest| manifest.prove_id() == Some(id);
    assert!(proves(&good));
    for index in 0..good.extents.len() {
        for bit in 0..256 {
            let mut bad = good.clone();
            bad.extents[index].chaining[bit / 8] ^= 1 << (bit % 8);
            assert!(!proves(&bad), "extent {index} bit {bit}");
        }
    }
}

#[test]
fn trailer_bits() {
    let file = sealed_segment();
    every_flip_is_refused("trailer", &file[file.len() - TRAILER_LEN..], |bytes| {
        Trailer::decode(bytes.first_chunk().unwrap()).is_ok()
    });
}

#[test]
fn footer_bits() {
    let file = sealed_segment();
    let trailer = Trailer::decode(file.last_chunk().unwrap()).unwrap();
    let start = trailer.offset as usize;
    let footer = &file[start..start + trailer.len as usize];
    every_flip_is_refused("footer", footer, |bytes| {
        Footer::decode(bytes.to_vec(), &trailer, BINDING, &geometry()).is_ok()
    });
}

/// Everything that a check of a sealed segment looks at: header copies, batches, records, padding, footer, trailer.
fn segment_is_clean(file: &[u8]) -> Option<()> {
    let (header, mut at, copies) = SegmentHeader::decode(file).ok()?;
    let trailer = Trailer::decode(file.last_chunk()?).ok()?;
    if copies != 2 || !trailer.fits(file.len() as u64) {
        return None;
    }
    let (binding, geometry) = (header.binding, header.geometry);
    let footer_end = usize::try_from(trailer.offset + trailer.len).ok()?;
    let footer = file.get(usize::try_from(trailer.offset).ok()?..footer_end)?;
    let footer = Footer::decode(footer.to_vec(), &trailer, binding, &geometry).ok()?;
    let mut rebuilt = FooterBuilder::new(binding);
    while at < footer.data_end.0 {
        if let Some(gap) = footer.gaps.iter().find(|gap| gap.offset.0 == at) {
            at += gap.len;
            continue;
        }
        let bytes = file.get(usize::try_from(at).ok()?..)?;
        let max = u32::try_from(footer.data_end.0 - at).ok()?;
        let batch = BatchHeader::decode(bytes, binding, Offset(at), max).ok()?;
        let mut inner = BATCH_HEADER_LEN;
        rebuilt.add_batch();
        for _ in 0..batch.records {
            let record = bytes.get(inner..batch.len as usize)?;
            let view = RecordView::parse(record, binding, &geometry).ok()?;
            rebuilt.add_record(&view.header, Offset(at + inner as u64), record);
            inner += view.header.len();
        }
        if !is_zero(bytes.get(inner..batch.len as usize)?) {
            return None;
        }
        at += u64::from(batch.len);
    }
    let rebuilt = rebuilt.finish(
        footer.data_end,
        &footer.gaps,
        footer.last_hlc,
        geometry.block_bytes,
    );
    file.ends_with(&rebuilt).then_some(())
}

#[test]
fn whole_segment() {
    let good = sealed_segment();
    assert!(segment_is_clean(&good).is_some());
    let gap = good
        .windows(512)
        .position(|window| window == bytes(99, 512))
        .unwrap();
    let mut file = good.clone();
    for at in 0..file.len() {
        if (gap..gap + 512).contains(&at) {
            continue;
        }
        let flip = 1 << (at % 8);
        file[at] ^= flip;
        assert!(
            segment_is_clean(&file).is_none(),
            "byte {at} went unnoticed"
        );
        file[at] ^= flip;
    }
    for len in (0..good.len()).step_by(101) {
        assert!(segment_is_clean(&good[..len]).is_none(), "cut to {len}");
    }
}
