//! No decoder panics or trusts a length, whatever the bytes: noise, damaged samples, and samples whose fields were changed
//! under a checksum that fits again. What is accepted reads the same once it was written again.
//!
//! `MORAINE_FORMAT_SEED` replays a run, `MORAINE_FORMAT_CASES` makes it longer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and a random test prints its seed"
)]

mod format_samples;

use format_samples::*;
use moraine_engine::format::*;
use moraine_engine::*;
use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Runs `case` many times; prints how to replay it. `case` says whether a decoder accepted what it made up: a run in
/// which none did, or all, would show nothing.
fn many(what: &str, mut case: impl FnMut(&mut Random) -> bool) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("MORAINE_FORMAT_SEED", now.as_nanos() as u64);
    let cases = number("MORAINE_FORMAT_CASES", 20_000);
    println!("{what}: MORAINE_FORMAT_SEED={seed} MORAINE_FORMAT_CASES={cases}");
    let mut random = Random(seed);
    let accepted = (0..cases).filter(|_| case(&mut random)).count() as u64;
    println!("{what}: accepted {accepted} of {cases}");
    assert!(cases < 1000 || (0 < accepted && accepted < cases));
}

/// Changes a few bytes, and sometimes the length. Values at the edges are as likely as any other.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let value = match random.below(4) {
            0 => 0,
            1 => 0xff,
            2 => 1 << random.below(8),
            _ => random.next() as u8,
        };
        let run = [1, 1, 2, 4, 8][random.below(5)];
        for byte in bytes.iter_mut().skip(at).take(run) {
            *byte = value;
        }
    }
    match random.below(12) {
        0 => bytes.truncate(random.below(bytes.len() + 1)),
        1 => bytes.extend(std::iter::repeat_n(0, random.below(80))),
        _ => {}
    }
}

fn noise(random: &mut Random, max: usize) -> Vec<u8> {
    let len = random.below(max);
    bytes(random.next(), len)
}

/// Puts the CRC32C of `covered` at `at`.
fn fix_crc(bytes: &mut [u8], covered: std::ops::Range<usize>, at: usize) {
    if let Some(crc) = bytes.get(covered).map(crc32c::crc32c)
        && let Some(field) = bytes.get_mut(at..at + 4)
    {
        field.copy_from_slice(&crc.to_le_bytes());
    }
}

/// A value that was accepted reads the same after it was written again.
fn stable<T: PartialEq + Debug>(value: &T, again: Result<T, FormatError>) {
    assert_eq!(again.as_ref(), Ok(value));
}

#[test]
fn superblocks() {
    many("superblock", |random| {
        let mut file = superblock().encode();
        file.truncate(150);
        mutate(random, &mut file);
        file.resize(4096, 0);
        fix_crc(&mut file, 0..4092, 4092);
        if let Ok((found, copies)) = Superblock::decode(&file) {
            assert_eq!(copies, 1);
            assert_eq!(Superblock::decode(&found.encode()), Ok((found, 2)));
        }
        let _ = Superblock::decode(&noise(random, 9000));
        Superblock::decode(&file).is_ok()
    });
}

#[test]
fn segment_headers() {
    many("segment header", |random| {
        let mut file = segment_header(5).encode();
        let tail = file.split_off(130);
        mutate(random, &mut file);
        file.extend(tail);
        let mut covered = file.get(..4096).unwrap_or(&file).to_vec();
        if covered.len() == 4096 {
            covered.drain(100..104);
            let crc = crc32c::crc32c(&covered);
            file[100..104].copy_from_slice(&crc.to_le_bytes());
        }
        assert!(SegmentHeader::prefix_len(&file) <= SegmentHeader::PREFIX_MAX);
        if let Ok((found, start, _)) = SegmentHeader::decode(&file) {
            assert_eq!(
                SegmentHeader::decode(&found.encode()),
                Ok((found, start, 2))
            );
        }
        let _ = SegmentHeader::decode(&noise(random, 9000));
        SegmentHeader::decode(file.get(..4096).unwrap_or(&file)).is_ok()
    });
}

#[test]
fn batch_headers() {
    many("batch header", |random| {
        let mut bytes = batch_header().encode(BINDING).to_vec();
        mutate(random, &mut bytes);
        fix_crc(&mut bytes, 0..60, 60);
        let decode = |bytes: &[u8]| BatchHeader::decode(bytes, BINDING, Offset(8192), 1 << 20);
        if let Ok(found) = decode(&bytes) {
            assert!(found.len <= 1 << 20);
            stable(&found, decode(&found.encode(BINDING)));
        }
        let _ = decode(&noise(random, 200));
        decode(&bytes).is_ok()
    });
}

#[test]
fn records() {
    let content = bytes(7, 2500);
    let samples = [
        extent_with_digests(),
        extent(&content[..777]),
        manifest_record(&content),
        name_record(5, &full_name()),
        tombstone_record(6, object("gone")),
        catalog_record(2, &access_key()),
        start_record(1),
    ];
    many("record", |random| {
        let mut bytes = samples[random.below(samples.len())].clone();
        mutate(random, &mut bytes);
        if random.below(4) != 0 {
            let extension = bytes.get(12..16).map_or(0, |len| {
                u32::from_le_bytes(len.try_into().unwrap()) as usize
            });
            fix_crc(&mut bytes, 64..64usize.saturating_add(extension), 56);
            fix_crc(&mut bytes, 0..60, 60);
        }
        if let Ok(view) = RecordView::parse(&bytes, BINDING, &geometry()) {
            assert!(view.payload.len() <= geometry().payload_max(view.header.kind));
            let again = record(
                view.header.kind,
                view.header.id.as_bytes(),
                view.payload,
                view.extension.digests,
            );
            assert_eq!(again, bytes[..view.header.len()]);
            if let Ok(payload) = Payload::decode(&view, &geometry()) {
                let _ = payload.proves_id(&view);
            }
        }
        let _ = RecordView::parse(&noise(random, 3000), BINDING, &geometry());
        RecordView::parse(&bytes, BINDING, &geometry()).is_ok()
    });
}

#[test]
fn manifests() {
    let sample = manifest_of(&bytes(7, 5000)).encode();
    many("manifest", |random| {
        let mut payload = sample.clone();
        mutate(random, &mut payload);
        if let Ok(found) = Manifest::decode(&payload, &geometry()) {
            let _ = found.prove_id();
            let _ = found.extent_at(random.next());
            stable(&found, Manifest::decode(&found.encode(), &geometry()));
        }
        let _ = Manifest::decode(&noise(random, 500), &geometry());
        Manifest::decode(&payload, &geometry()).is_ok()
    });
}

#[test]
fn tagged_payloads() {
    let samples = [
        full_name().encode(),
        Tombstone::new(object("gone")).encode(),
        tenant().encode(),
        access_key().encode(),
        bucket().encode(),
        start().encode(),
    ];
    many("tagged payload", |random| {
        let mut payload = if random.below(8) == 0 {
            noise(random, 200)
        } else {
            samples[random.below(samples.len())].clone()
        };
        if !payload.is_empty() {
            mutate(random, &mut payload);
        }
        if let Ok(found) = NameRecord::decode(&payload) {
            stable(&found, NameRecord::decode(&found.encode()));
        }
        if let Ok(found) = Tombstone::decode(&payload) {
            stable(&found, Tombstone::decode(&found.encode()));
        }
        if let Ok(found) = CatalogRecord::decode(&payload) {
            assert_eq!(found.name_key().bucket, BucketId(0));
            stable(&found, CatalogRecord::decode(&found.encode()));
        }
        if let Ok(found) = StartRecord::decode(&payload) {
            stable(&found, StartRecord::decode(&found.encode()));
        }
        NameRecord::decode(&payload).is_ok()
            || CatalogRecord::decode(&payload).is_ok()
            || StartRecord::decode(&payload).is_ok()
    });
}

#[test]
fn footers() {
    let file = sealed_segment();
    let good = Trailer::decode(file.last_chunk().unwrap()).unwrap();
    let start = good.offset as usize;
    let sample = file[start..start + good.len as usize].to_vec();
    many("footer", |random| {
        let mut bytes = sample.clone();
        mutate(random, &mut bytes);
        if random.below(2) == 0 {
            let mut header = bytes.split_off(192.min(bytes.len()));
            std::mem::swap(&mut header, &mut bytes);
            mutate(random, &mut header);
            header.resize(192, 0);
            header.extend_from_slice(&bytes);
            bytes = header;
        }
        fix_crc(&mut bytes, 0..188, 188);
        let trailer = Trailer {
            len: bytes.len() as u64,
            hash: *blake3::hash(&bytes).as_bytes(),
            ..good
        };
        let footer = Footer::decode(bytes, &trailer, BINDING, &geometry());
        if let Ok(footer) = &footer {
            assert!(footer.copies().all(|(offset, _)| offset < footer.data_end));
            for entry in footer.table() {
                assert!(footer.lookup(&entry.id).any(|found| found == entry));
            }
        }
        let mut bytes = good.encode().to_vec();
        mutate(random, &mut bytes);
        if let Some(trailer) = bytes.first_chunk() {
            let _ = Trailer::decode(trailer).map(|trailer| trailer.fits(random.next()));
        }
        footer.is_ok()
    });
}

#[test]
fn keys_and_stamps() {
    many("key", |random| {
        let key = noise(random, 4);
        let object = NameKey::object(BUCKET, &key);
        if let Ok(name) = &object {
            assert!(!name.is_reserved() && name.as_upload().is_none());
        }
        let name = NameKey {
            bucket: BUCKET,
            key,
        };
        let _ = name.as_upload();
        let id = bytes(random.next(), 32);
        let _ = Stamp::from_id_bytes(id.first_chunk().unwrap());
        let _ = String::from_utf8_lossy(&id).parse::<UploadId>();
        object.is_ok()
    });
}
