//! The extents of a longer blob, or of one part of a multipart upload.
//!
//! With each extent goes its BLAKE3 chaining value at its place in the blob. Where every extent but the last is full, they are the
//! values of subtrees of equal size, and merging them gives the root: the manifest proves the blob's id without its bytes.

use super::bytes::{Fixed, Reader, len_u64};
use super::error::FormatError;
use super::geometry::Geometry;
use crate::canary::{self, Canary};
use crate::id::Id;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a manifest before its entries.
pub const MANIFEST_HEADER_LEN: usize = 32;
/// Bytes of one entry.
pub const MANIFEST_ENTRY_LEN: usize = 72;
const _: () = assert!(8 + 8 + 4 + 4 + 8 == MANIFEST_HEADER_LEN);
const _: () = assert!(Id::LEN + 32 + 4 + 4 == MANIFEST_ENTRY_LEN);

const WHAT: &str = "manifest";
const FLAG_CHAINED: u32 = 1;
const FLAG_PART: u32 = 2;

/// The chaining value of a subtree of a BLAKE3 tree: `bytes`, which lie at `input_offset` of the whole input.
///
/// # Panics
/// If `bytes` are empty, `input_offset` is not a multiple of 1 KiB, or no subtree of this length begins there.
pub fn chaining_value(bytes: &[u8], input_offset: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(input_offset);
    hasher.update(bytes);
    hasher.finalize_non_root()
}

/// The BLAKE3 of `total_len` bytes, of which `values` are the chaining values of extents of `extent_bytes` each (a power
/// of two of at least 1 KiB; the last one may be shorter).
///
/// # Panics
/// If there are fewer than two values, or not as many as the lengths say.
pub fn merge(values: &[[u8; 32]], extent_bytes: u64, total_len: u64) -> Id {
    assert!(
        values.len() >= 2,
        "one subtree has no root without its bytes"
    );
    assert_eq!(
        total_len.div_ceil(extent_bytes),
        len_u64(values.len()),
        "one value for each extent"
    );
    let (left, right) = halves(values);
    let root = merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash);
    Id::from_bytes(*root.as_bytes())
}

/// The chaining value of the subtree over these extents.
fn subtree(values: &[[u8; 32]]) -> [u8; 32] {
    match values {
        [one] => *one,
        _ => {
            let (left, right) = halves(values);
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

/// BLAKE3's tree leans left: the left half is the largest power of two that leaves something to the right.
fn halves(values: &[[u8; 32]]) -> (&[[u8; 32]], &[[u8; 32]]) {
    values.split_at(values.len().div_ceil(2).next_power_of_two())
}

/// One extent of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestExtent {
    /// The extent.
    pub id: Id,
    /// Its [`chaining_value`] at its place; zero unless the manifest is chained.
    pub chaining: [u8; 32],
    /// Its bytes: at least 1.
    pub len: u32,
}

/// The extents of a blob or part, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The bytes of all extents.
    pub total_len: u64,
    /// Where the chaining values assume the first extent to lie: 0 for a blob, the guessed place for a part.
    pub base_offset: u64,
    /// Whether every extent but the last is full, and the chaining values are there.
    pub chained: bool,
    /// Whether this is a part of an upload. Its record's id is then the BLAKE3 of this payload, not of the bytes.
    pub part: bool,
    /// The extents. A blob has at least two: a shorter one is an extent itself.
    pub extents: Vec<ManifestExtent>,
}

impl Manifest {
    /// The payload.
    ///
    /// # Panics
    /// If there are 2^32 extents or more.
    pub fn encode(&self) -> Vec<u8> {
        let chained = if self.chained { FLAG_CHAINED } else { 0 };
        let part = if self.part { FLAG_PART } else { 0 };
        let mut header = Fixed::<MANIFEST_HEADER_LEN>::new();
        header
            .u64(self.total_len)
            .u64(self.base_offset)
            .u32(u32::try_from(self.extents.len()).expect("bounded by the geometry"))
            .u32(chained | part)
            .u64(0);
        let len = MANIFEST_HEADER_LEN + self.extents.len() * MANIFEST_ENTRY_LEN;
        let mut out = Vec::with_capacity(len);
        out.extend_from_slice(&header.finish());
        for extent in &self.extents {
            let mut entry = Fixed::<MANIFEST_ENTRY_LEN>::new();
            entry
                .put(extent.id.as_bytes())
                .put(&extent.chaining)
                .u32(extent.len)
                .u32(0);
            out.extend_from_slice(&entry.finish());
        }
        out
    }

    /// Reads a payload and checks that its counts, lengths and sums agree with each other and with the geometry.
    pub fn decode(payload: &[u8], geometry: &Geometry) -> Result<Self, FormatError> {
        let mut from = Reader::new(payload, WHAT);
        let total_len = from.u64()?;
        let base_offset = from.u64()?;
        let count = from.u32()?;
        let flags = from.u32()?;
        let _reserved = from.u64()?;
        if flags & !(FLAG_CHAINED | FLAG_PART) != 0 {
            return Err(range("manifest flags", u64::from(flags)));
        }
        let (entries, rest) = from.rest().as_chunks::<MANIFEST_ENTRY_LEN>();
        if entries.len() > geometry.extents_max()
            || u32::try_from(entries.len()) != Ok(count)
            || !rest.is_empty()
        {
            return Err(range("number of extents", u64::from(count)));
        }
        let manifest = Self {
            total_len,
            base_offset,
            chained: flags & FLAG_CHAINED != 0,
            part: flags & FLAG_PART != 0,
            extents: entries.iter().map(decode_entry).collect::<Result<_, _>>()?,
        };
        manifest.check(geometry)?;
        Ok(manifest)
    }

    /// The id of the blob, from the chaining values; `None` if they are not there or are not those of a whole blob.
    pub fn prove_id(&self) -> Option<Id> {
        let first = self.extents.first()?;
        if !self.chained || self.part || self.extents.len() < 2 {
            return None;
        }
        let values: Vec<_> = self.extents.iter().map(|extent| extent.chaining).collect();
        Some(merge(&values, u64::from(first.len), self.total_len))
    }

    /// Which extent holds the byte at `offset`: its number, and where it begins. `None` behind the end.
    pub fn extent_at(&self, offset: u64) -> Option<(usize, u64)> {
        let mut start = 0;
        for (index, extent) in self.extents.iter().enumerate() {
            let end = start + u64::from(extent.len);
            if offset < end {
                return Some((index, start));
            }
            start = end;
        }
        None
    }

    fn check(&self, geometry: &Geometry) -> Result<(), FormatError> {
        let full = geometry.extent_bytes;
        if self.extents.len() < 2 && !self.part {
            return Err(range("number of extents", len_u64(self.extents.len())));
        }
        if let Some(bad) = self.extents.iter().find(|e| e.len == 0 || e.len > full) {
            return Err(range("extent length", u64::from(bad.len)));
        }
        let sum: u64 = self.extents.iter().map(|e| u64::from(e.len)).sum();
        if sum != self.total_len && !canary::is(Canary::ExtentsUnchecked) {
            return Err(range("length of the blob", self.total_len));
        }
        let offset_is_good = if self.part {
            self.base_offset.is_multiple_of(u64::from(full))
                && self.base_offset <= geometry.object_max()
        } else {
            self.base_offset == 0
        };
        if !offset_is_good {
            return Err(range("offset of the manifest", self.base_offset));
        }
        let (_, before_last) = self.extents.split_last().unzip();
        let all_full = before_last
            .unwrap_or_default()
            .iter()
            .all(|extent| extent.len == full);
        if self.chained && !all_full {
            return Err(FormatError::Content {
                what: "chained manifest",
            });
        }
        Ok(())
    }
}

fn decode_entry(entry: &[u8; MANIFEST_ENTRY_LEN]) -> Result<ManifestExtent, FormatError> {
    let mut from = Reader::new(entry, WHAT);
    Ok(ManifestExtent {
        id: Id::from_bytes(from.array()?),
        chaining: from.array()?,
        len: from.u32()?,
    })
}

fn range(what: &'static str, found: u64) -> FormatError {
    FormatError::Range { what, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(extent_bytes: u32) -> Geometry {
        Geometry {
            extent_bytes,
            segment_bytes: 1 << 20,
            ..Geometry::default()
        }
    }

    fn content(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn manifest_of(content: &[u8], extent_bytes: usize) -> Manifest {
        let mut offset = 0;
        let extents = content
            .chunks(extent_bytes)
            .map(|extent| {
                let entry = ManifestExtent {
                    id: Id::of(extent),
                    chaining: chaining_value(extent, offset),
                    len: u32::try_from(extent.len()).unwrap(),
                };
                offset += extent.len() as u64;
                entry
            })
            .collect();
        Manifest {
            total_len: offset,
            base_offset: 0,
            chained: true,
            part: false,
            extents,
        }
    }

    #[test]
    fn merging_gives_the_hash_at_every_length() {
        let content = content(70 * 1024);
        for extent_bytes in [1024, 2048, 8192] {
            let edges = (1..=content.len() / extent_bytes).flat_map(|count| {
                let full = count * extent_bytes;
                [full - 1, full, full + 1, full + extent_bytes / 2]
            });
            for len in edges.filter(|len| (extent_bytes + 1..=content.len()).contains(len)) {
                let manifest = manifest_of(&content[..len], extent_bytes);
                assert_eq!(
                    manifest.prove_id(),
                    Some(Id::of(&content[..len])),
                    "{len} bytes in extents of {extent_bytes}"
                );
            }
        }
    }

    #[test]
    fn merging_gives_the_hash_at_full_size() {
        let content = content((5 << 20) + 12_345);
        let manifest = manifest_of(&content, 1 << 20);
        assert_eq!(manifest.prove_id(), Some(Id::of(&content)));
    }

    #[test]
    fn round_trips() {
        let manifest = manifest_of(&content(5000), 1024);
        let payload = manifest.encode();
        assert_eq!(payload.len(), 32 + 5 * 72);
        assert_eq!(Manifest::decode(&payload, &geometry(1024)), Ok(manifest));
    }

    #[test]
    fn extents_are_found_by_offset() {
        let manifest = manifest_of(&content(2500), 1024);
        assert_eq!(manifest.extent_at(0), Some((0, 0)));
        assert_eq!(manifest.extent_at(1023), Some((0, 0)));
        assert_eq!(manifest.extent_at(1024), Some((1, 1024)));
        assert_eq!(manifest.extent_at(2499), Some((2, 2048)));
        assert_eq!(manifest.extent_at(2500), None);
    }

    #[test]
    fn contradictions_are_refused() {
        let good = manifest_of(&content(5000), 1024);
        let refuse = |change: &dyn Fn(&mut Manifest)| {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(
                Manifest::decode(&bad.encode(), &geometry(1024)).is_err(),
                "{bad:?}"
            );
        };
        refuse(&|m| m.total_len += 1);
        refuse(&|m| m.base_offset = 1024);
        refuse(&|m| m.extents[1].len = 0);
        refuse(&|m| m.extents[1].len = 1025);
        refuse(&|m| {
            m.extents[1].len = 1000;
            m.total_len -= 24;
        });
        refuse(&|m| {
            m.extents.truncate(1);
            m.total_len = 1024;
        });
        let mut payload = good.encode();
        payload.pop();
        assert!(Manifest::decode(&payload, &geometry(1024)).is_err());
        payload.extend([0; 100]);
        assert!(Manifest::decode(&payload, &geometry(1024)).is_err());
    }

    #[test]
    fn parts_may_be_short_and_lie_anywhere() {
        let empty = Manifest {
            total_len: 0,
            base_offset: 8 << 10,
            chained: true,
            part: true,
            extents: Vec::new(),
        };
        assert_eq!(
            Manifest::decode(&empty.encode(), &geometry(1024)),
            Ok(empty.clone())
        );
        assert_eq!(empty.prove_id(), None);
        let unaligned = Manifest {
            base_offset: 100,
            ..empty
        };
        assert!(Manifest::decode(&unaligned.encode(), &geometry(1024)).is_err());
    }
}
