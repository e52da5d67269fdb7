//! The coverage mark: up to where the index is complete, and which files it consists of. Little-endian.
//!
//! | offset | bytes | field |
//! | --: | --: | --- |
//! | 0 | 8 | magic `MORHMARK` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | flags: bit 0 clean |
//! | 16 | 16 | store id |
//! | 32 | 8 | sequence: grows by one with every checkpoint |
//! | 40 | 8 | length of the file |
//! | 48 | 4 | number of shards |
//! | 52 | 4 | number of covered logs |
//! | 56 | 4 | number of segments |
//! | 60 | 4 | last local number that was given out |
//! | 64 | 4 | last local number that may be given out |
//! | 68 | 4 | zero |
//! | 72 | 48 each | shards: generation 8, sequence 8, pages 8, entries 8, dead slots 8, CRC32C of its buckets 4 (if clean), zero 4 |
//! | | 24 each | covered: node 8, segment 8, offset 8; ascending |
//! | | 24 each | segments: node 8, segment 8, local number 4, zero 4; ascending |
//! | | 4 | CRC32C of everything before |
//! | | 4 | zero |
//!
//! A mark is valid only as a whole; anything else means a rebuild.

use super::files::ShardFile;
use super::location::LocalNumber;
use super::reason::RebuildReason;
use super::segments::SegmentTable;
use crate::index::Covered;
use crate::position::{LogPoint, NodeId, Offset, SegmentNumber};

const MAGIC: [u8; 8] = *b"MORHMARK";
const VERSION: u32 = 1;
const FLAG_CLEAN: u32 = 1;
const HEADER_BYTES: usize = 72;
/// Where the number of shards stands.
pub(super) const SHARDS_AT: usize = 48;
const SHARD_BYTES: usize = 48;
const ENTRY_BYTES: usize = 24;
const TAIL_BYTES: usize = 8;

/// No mark is longer: 2^16 shards, as many logs, and 2^24 segments.
pub(super) const MARK_BYTES_MAX: usize =
    HEADER_BYTES + (SHARD_BYTES + ENTRY_BYTES) * (1 << 16) + ENTRY_BYTES * (1 << 24) + TAIL_BYTES;

/// What the mark says about one shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ShardMark {
    /// Which file the shard is; 0 if it is empty and needs none.
    pub(super) generation: u64,
    /// The checkpoint that last flushed it.
    pub(super) sequence: u32,
    /// The length of the file in pages.
    pub(super) pages: u64,
    /// Live slots; after a crash the shard may hold more.
    pub(super) entries: u64,
    /// Slots of no use until the next growth.
    pub(super) dead: u64,
    /// CRC32C of the buckets, if the mark is clean.
    pub(super) crc: u32,
}

/// The mark.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) store_id: [u8; 16],
    /// Nothing was changed since; the shards' checksums hold.
    pub(super) clean: bool,
    pub(super) sequence: u32,
    pub(super) covered: Covered,
    pub(super) shards: Vec<ShardMark>,
}

impl Mark {
    /// The mark of an empty index.
    pub(super) fn empty(store_id: [u8; 16], sequence: u32, shards: u32) -> Self {
        Self {
            store_id,
            clean: false,
            sequence,
            covered: Covered::new(),
            shards: (0..shards).map(|_| ShardMark::default()).collect(),
        }
    }

    /// Whether `file` is part of the index.
    pub(super) fn names(&self, file: ShardFile) -> bool {
        usize::try_from(file.shard)
            .ok()
            .and_then(|shard| self.shards.get(shard))
            .is_some_and(|state| state.generation == file.generation)
    }

    /// The bytes of the mark, with the segment table and the numbers reserved up to `limit`.
    pub(super) fn encode(&self, segments: &SegmentTable, limit: u32) -> Vec<u8> {
        let count = |len: usize| u32::try_from(len).expect("counts are bounded");
        let entries = segments.entries();
        let len = HEADER_BYTES
            + SHARD_BYTES * self.shards.len()
            + ENTRY_BYTES * (self.covered.len() + entries.len())
            + TAIL_BYTES;
        assert!(len <= MARK_BYTES_MAX);
        let mut out = Vec::with_capacity(len);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(if self.clean { FLAG_CLEAN } else { 0 }.to_le_bytes());
        out.extend(self.store_id);
        out.extend(u64::from(self.sequence).to_le_bytes());
        out.extend((len as u64).to_le_bytes());
        for word in [
            count(self.shards.len()),
            count(self.covered.len()),
            count(entries.len()),
            segments.last(),
            limit,
            0,
        ] {
            out.extend(word.to_le_bytes());
        }
        for shard in &self.shards {
            for word in [
                shard.generation,
                u64::from(shard.sequence),
                shard.pages,
                shard.entries,
                shard.dead,
                u64::from(shard.crc),
            ] {
                out.extend(word.to_le_bytes());
            }
        }
        for (node, point) in &self.covered {
            for word in [node.0, point.segment.0, point.offset.0] {
                out.extend(word.to_le_bytes());
            }
        }
        for (node, segment, number) in entries {
            for word in [node.0, segment.0, u64::from(number.0)] {
                out.extend(word.to_le_bytes());
            }
        }
        let crc = crc32c::crc32c(&out);
        out.extend(u64::from(crc).to_le_bytes());
        assert_eq!(out.len(), len);
        out
    }

    /// Reads a mark of the store `store_id`.
    pub(super) fn decode(
        bytes: &[u8],
        store_id: &[u8; 16],
    ) -> Result<(Self, SegmentTable), RebuildReason> {
        let damaged = RebuildReason::DamagedMark;
        let (body, tail) = bytes.split_last_chunk::<TAIL_BYTES>().ok_or(damaged)?;
        if *tail != u64::from(crc32c::crc32c(body)).to_le_bytes() {
            return Err(damaged);
        }
        let mut reader = Reader(body);
        if reader.array().ok_or(damaged)? != MAGIC {
            return Err(damaged);
        }
        if reader.u32().ok_or(damaged)? != VERSION {
            return Err(RebuildReason::OtherVersion);
        }
        let flags = reader.u32().ok_or(damaged)?;
        if reader.array().ok_or(damaged)? != *store_id {
            return Err(RebuildReason::OtherStore);
        }
        if flags & !FLAG_CLEAN != 0 {
            return Err(RebuildReason::OtherVersion);
        }
        let (mut mark, table) = reader.body(bytes.len()).ok_or(damaged)?;
        mark.store_id = *store_id;
        mark.clean = flags & FLAG_CLEAN != 0;
        Ok((mark, table))
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A word whose upper half is zero.
    fn half(&mut self) -> Option<u32> {
        u32::try_from(self.u64()?).ok()
    }

    fn body(&mut self, file_len: usize) -> Option<(Mark, SegmentTable)> {
        let sequence = self.half()?;
        let len = usize::try_from(self.u64()?).ok()?;
        let counts = [self.u32()?, self.u32()?, self.u32()?];
        let [shards, covered, segments] = counts.map(|count| usize::try_from(count).ok());
        let (shards, covered, segments) = (shards?, covered?, segments?);
        let (last, limit) = (self.u32()?, self.u32()?);
        let expected = shards
            .checked_mul(SHARD_BYTES)?
            .checked_add(covered.checked_add(segments)?.checked_mul(ENTRY_BYTES)?)?;
        if self.u32()? != 0 || len != file_len || self.0.len() != expected {
            return None;
        }
        let shards = (0..shards).map(|_| self.shard()).collect::<Option<_>>()?;
        let logs: Vec<_> = (0..covered).map(|_| self.point()).collect::<Option<_>>()?;
        let covered = Covered::from_iter(logs.iter().copied());
        if !covered.iter().map(|(&node, &point)| (node, point)).eq(logs) {
            return None;
        }
        let segments: Vec<_> = (0..segments)
            .map(|_| self.segment())
            .collect::<Option<_>>()?;
        if !segments.is_sorted() {
            return None;
        }
        let table = SegmentTable::restore(&segments, last, limit)?;
        let mark = Mark {
            store_id: [0; 16],
            clean: false,
            sequence,
            covered,
            shards,
        };
        Some((mark, table))
    }

    fn shard(&mut self) -> Option<ShardMark> {
        Some(ShardMark {
            generation: self.u64()?,
            sequence: self.half()?,
            pages: self.u64()?,
            entries: self.u64()?,
            dead: self.u64()?,
            crc: self.half()?,
        })
    }

    fn point(&mut self) -> Option<(NodeId, LogPoint)> {
        let node = NodeId(self.u64()?);
        let segment = SegmentNumber(self.u64()?);
        let offset = Offset(self.u64()?);
        Some((node, LogPoint { segment, offset }))
    }

    fn segment(&mut self) -> Option<(NodeId, SegmentNumber, LocalNumber)> {
        let node = NodeId(self.u64()?);
        let segment = SegmentNumber(self.u64()?);
        Some((node, segment, LocalNumber(self.half()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: [u8; 16] = *b"0123456789abcdef";

    fn sample() -> (Mark, SegmentTable) {
        let mark = Mark {
            store_id: STORE,
            clean: true,
            sequence: 3,
            covered: Covered::from([(
                NodeId(4),
                LogPoint {
                    segment: SegmentNumber(5),
                    offset: Offset(6),
                },
            )]),
            shards: vec![
                ShardMark {
                    generation: 7,
                    sequence: 2,
                    pages: 1,
                    entries: 8,
                    dead: 9,
                    crc: 10,
                },
                ShardMark::default(),
            ],
        };
        let entries = [
            (NodeId(4), SegmentNumber(4), LocalNumber(2)),
            (NodeId(4), SegmentNumber(5), LocalNumber(1)),
        ];
        let table = SegmentTable::restore(&entries, 2, 256).expect("consistent");
        (mark, table)
    }

    #[test]
    fn a_mark_survives_encoding() {
        let (mark, table) = sample();
        let bytes = mark.encode(&table, 256);
        let (back, segments) = Mark::decode(&bytes, &STORE).expect("valid");
        assert_eq!(back.encode(&segments, 256), bytes);
        assert_eq!((back.clean, back.sequence), (true, 3));
        assert_eq!((back.covered, back.shards), (mark.covered, mark.shards));
        assert!(segments.entries().eq(table.entries()));
        assert_eq!((segments.last(), segments.left()), (2, 254));
    }

    #[test]
    fn golden_bytes() {
        let (mark, table) = sample();
        let bytes = mark.encode(&table, 256);
        assert_eq!(bytes.len(), 72 + 2 * 48 + 24 + 2 * 24 + 8);
        assert_eq!(&bytes[..16], b"MORHMARK\x01\0\0\0\x01\0\0\0");
        assert_eq!(crc32c::crc32c(&bytes[..bytes.len() - 8]), GOLDEN);
    }

    /// Computed apart from this code, from the table above. Changes only with the version.
    const GOLDEN: u32 = 0x664d_04d2;

    #[test]
    fn every_flipped_bit_and_every_other_length_is_refused() {
        let (mark, table) = sample();
        let bytes = mark.encode(&table, 256);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Mark::decode(&flipped, &STORE).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Mark::decode(&bytes[..len], &STORE).is_err(), "{len} bytes");
        }
        let longer = [bytes.as_slice(), &[0; 8]].concat();
        assert!(Mark::decode(&longer, &STORE).is_err());
    }

    #[test]
    fn a_mark_with_a_good_checksum_and_bad_fields_is_refused() {
        let (mark, table) = sample();
        let bytes = mark.encode(&table, 256);
        let sealed = |at: usize, value: u32| {
            let mut body = bytes[..bytes.len() - 8].to_vec();
            body[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let crc = crc32c::crc32c(&body);
            body.extend(u64::from(crc).to_le_bytes());
            Mark::decode(&body, &STORE).err()
        };
        assert_eq!(sealed(8, 2), Some(RebuildReason::OtherVersion));
        assert_eq!(sealed(12, 2), Some(RebuildReason::OtherVersion));
        assert_eq!(sealed(16, 2), Some(RebuildReason::OtherStore));
        for at in [36, 40, 44, 48, 52, 56, 60, 64, 68] {
            let reason = sealed(at, u32::MAX);
            assert_eq!(reason, Some(RebuildReason::DamagedMark), "at {at}");
        }
        assert_eq!(sealed(12, 1), None);
    }
}
