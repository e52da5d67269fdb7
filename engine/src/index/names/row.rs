//! The bytes of keys and rows in the tables.
//!
//! Names: bucket u64 BE | key -> row. Reverse: blob id 32 | bucket u64 BE | key -> size u64 LE, as in the name's row: the
//! content that the names stand for is counted from this table alone. Big-endian, so that the order of the bytes is the
//! order of the names.
//!
//! Row: kind u8 (0 tombstone, 1 live) | has blob u8 | hlc u64 | node u64 | position: node u64, incarnation u64,
//! segment u64, offset u64 | size u64 | blob id 32 if there is one | the record's payload, verbatim. The fixed part
//! holds what apply needs of the row that it replaces, so that nothing here decodes a payload.

use super::error::{NamesError, Result};
use super::kv::Table;
use crate::format::NameKey;
use crate::id::Id;
use crate::position::{
    BucketId, Hlc, Incarnation, NodeId, Offset, Position, SegmentNumber, Version,
};
use bytes::Bytes;

/// The longest key after the bucket: 1,024 bytes for a client's key, and room for reserved keys and catalog identities.
pub const KEY_MAX: usize = 4096;

const BUCKET_LEN: usize = 8;
const NUMBERS: usize = 7;
const FIXED_LEN: usize = 2 + NUMBERS * 8;

/// What the index knows of a name: its newest version, which may be a tombstone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameRow {
    /// When it was written, and by whom.
    pub version: Version,
    /// Where its record begins.
    pub at: Position,
    /// The size of the content, in bytes; 0 for a tombstone.
    pub size: u64,
    /// The blob, for names that have one.
    pub blob: Option<Id>,
    /// The record's payload; `None` for a tombstone.
    pub live: Option<Bytes>,
}

impl NameRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let payload = self.live.as_deref().unwrap_or_default();
        let mut out = Vec::with_capacity(FIXED_LEN + Id::LEN + payload.len());
        self.append_to(&mut out);
        out
    }

    /// Appends the encoded row.
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        let payload = self.live.as_deref().unwrap_or_default();
        out.push(u8::from(self.live.is_some()));
        out.push(u8::from(self.blob.is_some()));
        for number in [
            self.version.hlc.0,
            self.version.node.0,
            self.at.node.0,
            self.at.incarnation.0,
            self.at.segment.0,
            self.at.offset.0,
            self.size,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        if let Some(blob) = &self.blob {
            out.extend_from_slice(blob.as_bytes());
        }
        out.extend_from_slice(payload);
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self> {
        let (outline, payload) =
            parse(row).ok_or_else(|| NamesError::row(Table::Names, "not a row"))?;
        Ok(Self {
            version: outline.version,
            at: outline.at,
            size: outline.size,
            blob: outline.blob,
            live: outline.live.then(|| Bytes::copy_from_slice(payload)),
        })
    }

    /// Whether the encoded row is live, without decoding the rest.
    pub(super) fn is_live(row: &[u8]) -> bool {
        row.first() == Some(&1)
    }
}

/// A row without its payload.
pub(super) fn outline(row: &[u8]) -> Result<Outline> {
    let (outline, _) = parse(row).ok_or_else(|| NamesError::row(Table::Names, "not a row"))?;
    Ok(outline)
}

/// The fixed part of a row.
pub(super) struct Outline {
    pub live: bool,
    pub version: Version,
    pub at: Position,
    pub size: u64,
    pub blob: Option<Id>,
}

fn parse(row: &[u8]) -> Option<(Outline, &[u8])> {
    let (flags, rest) = row.split_first_chunk::<2>()?;
    let (live, has_blob) = match flags {
        [0, 0] => (false, false),
        [1, 0] => (true, false),
        [1, 1] => (true, true),
        _ => return None,
    };
    let (numbers, rest) = rest.split_first_chunk::<{ NUMBERS * 8 }>()?;
    let mut numbers = numbers.chunks_exact(8).filter_map(|number| {
        let number = number.first_chunk()?;
        Some(u64::from_le_bytes(*number))
    });
    let mut number = || numbers.next();
    let version = Version {
        hlc: Hlc(number()?),
        node: NodeId(number()?),
    };
    let at = Position {
        node: NodeId(number()?),
        incarnation: Incarnation(number()?),
        segment: SegmentNumber(number()?),
        offset: Offset(number()?),
    };
    let size = number()?;
    let (blob, payload) = if has_blob {
        let (blob, payload) = rest.split_first_chunk()?;
        (Some(Id::from_bytes(*blob)), payload)
    } else {
        (None, rest)
    };
    if !live && (size != 0 || !payload.is_empty()) {
        return None;
    }
    let outline = Outline {
        live,
        version,
        at,
        size,
        blob,
    };
    Some((outline, payload))
}

/// The key of a row of the names table.
pub(super) fn names_key(bucket: BucketId, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(BUCKET_LEN + key.len());
    append_names_key(&mut out, bucket, key);
    out
}

/// Appends the key of a row of the names table.
pub(super) fn append_names_key(out: &mut Vec<u8>, bucket: BucketId, key: &[u8]) {
    out.extend_from_slice(&bucket.0.to_be_bytes());
    out.extend_from_slice(key);
}

/// The key of a row of the reverse table: the blob, then the key of the name's row.
pub(super) fn reverse_key(blob: &Id, name: &NameKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(Id::LEN + BUCKET_LEN + name.key.len());
    out.extend_from_slice(blob.as_bytes());
    out.extend_from_slice(&name.bucket.0.to_be_bytes());
    out.extend_from_slice(&name.key);
    out
}

/// The value of a row of the reverse table.
pub(super) fn reverse_value(size: u64) -> Vec<u8> {
    size.to_le_bytes().to_vec()
}

/// The size in a row of the reverse table.
pub(super) fn parse_reverse_value(value: &[u8]) -> Result<u64> {
    let size = value.try_into().map(u64::from_le_bytes);
    size.map_err(|_| NamesError::row(Table::Reverse, "not a size"))
}

/// The bucket and the key in a key of the names table.
pub(super) fn split_names_key(key: &[u8]) -> Result<(BucketId, &[u8])> {
    let (bucket, key) = key
        .split_first_chunk()
        .ok_or_else(|| NamesError::row(Table::Names, "a key without a bucket"))?;
    Ok((BucketId(u64::from_be_bytes(*bucket)), key))
}

/// The name behind a key of the names table.
pub(super) fn parse_names_key(key: &[u8]) -> Result<NameKey> {
    let (bucket, key) = split_names_key(key)?;
    Ok(NameKey {
        bucket,
        key: key.to_vec(),
    })
}

/// The blob and the name behind a key of the reverse table.
pub(super) fn parse_reverse_key(key: &[u8]) -> Result<(Id, NameKey)> {
    let (blob, name) = key
        .split_first_chunk()
        .ok_or_else(|| NamesError::row(Table::Reverse, "a key without a blob"))?;
    Ok((Id::from_bytes(*blob), parse_names_key(name)?))
}

/// Whether the key lies in the reserved space of uploads and parts.
pub(super) fn is_reserved(key: &[u8]) -> bool {
    key.first() == Some(&0)
}

/// The smallest byte string that is larger than every one that starts with `prefix`; `None` if there is none.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut out = prefix.get(..=keep)?.to_vec();
    *out.last_mut()? += 1;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(live: Option<&'static [u8]>, blob: Option<Id>) -> NameRow {
        NameRow {
            version: Version {
                hlc: Hlc(7 << 16),
                node: NodeId(3),
            },
            at: Position {
                node: NodeId(3),
                incarnation: Incarnation(1),
                segment: SegmentNumber(9),
                offset: Offset(4096),
            },
            size: if live.is_some() { 11 } else { 0 },
            blob,
            live: live.map(Bytes::from_static),
        }
    }

    #[test]
    fn rows_round_trip() {
        let blob = Id::of(b"x");
        for row in [
            sample(Some(b"payload"), Some(blob)),
            sample(Some(b""), None),
            sample(None, None),
        ] {
            assert_eq!(NameRow::decode(&row.encode()).unwrap(), row);
            assert_eq!(NameRow::is_live(&row.encode()), row.live.is_some());
        }
    }

    #[test]
    fn short_or_contradictory_rows_are_refused() {
        let row = sample(Some(b""), Some(Id::of(b"x"))).encode();
        for len in 0..row.len() {
            assert!(NameRow::decode(&row[..len]).is_err(), "{len} bytes");
        }
        let mut tombstone = sample(None, None).encode();
        tombstone.push(0);
        assert!(NameRow::decode(&tombstone).is_err());
        let mut flags = row;
        flags[0] = 2;
        assert!(NameRow::decode(&flags).is_err());
    }

    #[test]
    fn the_end_of_a_prefix_is_the_next_string() {
        assert_eq!(after_prefix(b"a/"), Some(b"a0".to_vec()));
        assert_eq!(after_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff"), None);
        assert_eq!(after_prefix(b""), None);
    }
}
