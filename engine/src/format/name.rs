//! A name and its attributes: what belongs to the name and not to the bytes.

use super::catalog::TenantId;
use super::cbor::{Items, MapReader, MapWriter, Unknown, Value};
use super::error::FormatError;
use super::name_key::{KEY_MAX, NameKey};
use crate::id::Id;
use crate::position::{BucketId, Incarnation, NodeId, Offset, Position, SegmentNumber};

/// The most bytes of an encoded name. 10,000 parts of 5 bytes each, and 14 KiB for everything else.
pub const NAME_MAX: usize = 64 << 10;
/// The most bytes of one text.
const TEXT_MAX: usize = 8 << 10;
/// The most pairs of user metadata: S3 allows 2 KiB of them.
const METADATA_MAX: u64 = 1024;
/// The most checksums: S3 knows five algorithms.
const CHECKSUMS_MAX: u64 = 16;
/// The most parts, as in S3.
const PARTS_MAX: u64 = 10_000;
/// The most positions that a name may depend on: one for each other log.
const DEPS_MAX: u64 = 64;
const WHAT: &str = "name record";

/// Who may read an object without a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acl {
    /// Nobody, unless the bucket's policy says otherwise.
    #[default]
    Private,
    /// Everybody.
    PublicRead,
}

/// A checksum that a client gave, and that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// As in S3: `CRC32`, `CRC32C`, `CRC64NVME`, `SHA1`, `SHA256`.
    pub algorithm: String,
    /// Base64.
    pub value: String,
    /// Of the parts' checksums, and not of the whole object.
    pub composite: bool,
}

/// The payload of a name record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRecord {
    /// The name.
    pub key: NameKey,
    /// The content; none for an upload.
    pub blob: Option<Id>,
    /// Bytes of the content.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// Milliseconds since 1970.
    pub last_modified_ms: u64,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`, as it was given.
    pub expires: Option<String>,
    /// `x-amz-meta-*`: names without that prefix, and values.
    pub user_metadata: Vec<(String, String)>,
    /// Who may read it.
    pub acl: Acl,
    /// What the client gave.
    pub checksums: Vec<Checksum>,
    /// The sizes of the parts that it was put together from.
    pub parts: Vec<u64>,
    /// Positions in other logs that the bytes depend on.
    pub deps: Vec<Position>,
    /// On an upload: the key that it will become.
    pub object_key: Option<Vec<u8>>,
    /// The tenant that pays for it.
    pub owner: Option<TenantId>,
    /// `x-amz-storage-class`, as it was given.
    pub storage_class: Option<String>,
    /// Fields of newer versions.
    pub unknown: Unknown,
}

impl NameRecord {
    /// A private name of `blob`, with nothing else said about it.
    pub fn new(key: NameKey, blob: Option<Id>, size: u64) -> Self {
        Self {
            key,
            blob,
            size,
            etag: String::new(),
            last_modified_ms: 0,
            content_type: None,
            cache_control: None,
            content_disposition: None,
            content_encoding: None,
            content_language: None,
            expires: None,
            user_metadata: Vec::new(),
            acl: Acl::Private,
            checksums: Vec::new(),
            parts: Vec::new(),
            deps: Vec::new(),
            object_key: None,
            owner: None,
            storage_class: None,
            unknown: Unknown::default(),
        }
    }

    /// The payload. Its length is to be compared with [`super::Geometry::name_max`] before it is queued.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MapWriter::new(&self.unknown);
        out.uint(0, self.key.bucket.0);
        out.bytes(1, &self.key.key);
        if let Some(blob) = &self.blob {
            out.bytes(2, blob.as_bytes());
        }
        out.uint(3, self.size);
        out.text(4, &self.etag);
        out.uint(5, self.last_modified_ms);
        out.optional_text(6, self.content_type.as_deref());
        out.optional_text(7, self.cache_control.as_deref());
        out.optional_text(8, self.content_disposition.as_deref());
        out.optional_text(9, self.content_encoding.as_deref());
        out.optional_text(10, self.content_language.as_deref());
        out.optional_text(11, self.expires.as_deref());
        out.array(12, &self.user_metadata, |out, (name, value)| {
            out.array(2).text(name).text(value);
        });
        out.uint(13, u64::from(self.acl == Acl::PublicRead));
        out.array(14, &self.checksums, write_checksum);
        out.array(15, &self.parts, |out, size| {
            out.uint(*size);
        });
        out.array(16, &self.deps, write_position);
        if let Some(key) = &self.object_key {
            out.bytes(17, key);
        }
        if let Some(owner) = self.owner {
            out.uint(18, owner.0);
        }
        out.optional_text(19, self.storage_class.as_deref());
        out.finish()
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, FormatError> {
        let mut from = MapReader::new(payload, NAME_MAX, WHAT)?;
        let key = read_key(&mut from)?;
        let blob = from.optional(2).map(|mut id| id.fixed()).transpose()?;
        Ok(Self {
            key,
            blob: blob.map(Id::from_bytes),
            size: from.required(3)?.uint()?,
            etag: from.required(4)?.text(TEXT_MAX)?,
            last_modified_ms: from.required(5)?.uint()?,
            content_type: from.optional_text(6, TEXT_MAX)?,
            cache_control: from.optional_text(7, TEXT_MAX)?,
            content_disposition: from.optional_text(8, TEXT_MAX)?,
            content_encoding: from.optional_text(9, TEXT_MAX)?,
            content_language: from.optional_text(10, TEXT_MAX)?,
            expires: from.optional_text(11, TEXT_MAX)?,
            user_metadata: from.array(12, METADATA_MAX, read_pair)?,
            acl: read_acl(from.required(13)?.uint()?)?,
            checksums: from.array(14, CHECKSUMS_MAX, read_checksum)?,
            parts: from.array(15, PARTS_MAX, Value::uint)?,
            deps: from.array(16, DEPS_MAX, read_position)?,
            object_key: match from.optional(17) {
                Some(mut key) => Some(key.bytes(KEY_MAX)?.to_vec()),
                None => None,
            },
            owner: match from.optional(18) {
                Some(mut owner) => Some(TenantId(owner.uint()?)),
                None => None,
            },
            storage_class: from.optional_text(19, TEXT_MAX)?,
            unknown: from.unknown(),
        })
    }
}

/// Fields 0 and 1, which names and tombstones share.
pub(super) fn read_key(from: &mut MapReader<'_>) -> Result<NameKey, FormatError> {
    let bucket = BucketId(from.required(0)?.uint()?);
    NameKey::from_record(bucket, from.required(1)?.bytes(KEY_MAX)?)
}

fn read_acl(number: u64) -> Result<Acl, FormatError> {
    match number {
        0 => Ok(Acl::Private),
        1 => Ok(Acl::PublicRead),
        found => Err(FormatError::Range { what: "ACL", found }),
    }
}

fn read_pair(from: &mut Value<'_>) -> Result<(String, String), FormatError> {
    from.tuple(2)?;
    Ok((from.text(TEXT_MAX)?, from.text(TEXT_MAX)?))
}

fn write_checksum(out: &mut Items<'_>, checksum: &Checksum) {
    out.array(3)
        .text(&checksum.algorithm)
        .text(&checksum.value)
        .uint(u64::from(checksum.composite));
}

fn read_checksum(from: &mut Value<'_>) -> Result<Checksum, FormatError> {
    from.tuple(3)?;
    Ok(Checksum {
        algorithm: from.text(TEXT_MAX)?,
        value: from.text(TEXT_MAX)?,
        composite: match from.uint()? {
            0 => false,
            1 => true,
            found => {
                return Err(FormatError::Range {
                    what: "checksum type",
                    found,
                });
            }
        },
    })
}

fn write_position(out: &mut Items<'_>, position: &Position) {
    out.array(4)
        .uint(position.node.0)
        .uint(position.incarnation.0)
        .uint(position.segment.0)
        .uint(position.offset.0);
}

fn read_position(from: &mut Value<'_>) -> Result<Position, FormatError> {
    from.tuple(4)?;
    Ok(Position {
        node: NodeId(from.uint()?),
        incarnation: Incarnation(from.uint()?),
        segment: SegmentNumber(from.uint()?),
        offset: Offset(from.uint()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::name_key::UploadId;

    fn full() -> NameRecord {
        let key = NameKey::object(BucketId(7), "médias/1.png".as_bytes()).unwrap();
        let text = |text: &str| Some(text.to_owned());
        NameRecord {
            etag: "d41d8cd98f00b204e9800998ecf8427e-2".into(),
            last_modified_ms: 1_700_000_000_123,
            content_type: text("image/png"),
            cache_control: text("max-age=1"),
            content_disposition: text("inline"),
            content_encoding: text("gzip"),
            content_language: text("fr"),
            expires: text("0"),
            user_metadata: vec![("a".into(), "1".into()), ("b".into(), String::new())],
            acl: Acl::PublicRead,
            checksums: vec![Checksum {
                algorithm: "CRC32".into(),
                value: "AAAAAA==".into(),
                composite: true,
            }],
            parts: vec![5 << 20, 1],
            deps: vec![Position {
                node: NodeId(u64::MAX),
                incarnation: Incarnation(1),
                segment: SegmentNumber(2),
                offset: Offset(8192),
            }],
            object_key: Some(b"x".to_vec()),
            owner: Some(TenantId(3)),
            storage_class: text("STANDARD"),
            ..NameRecord::new(key, Some(Id::of(b"x")), 1)
        }
    }

    #[test]
    fn round_trips_with_everything_and_with_nothing() {
        let upload = NameKey::upload(BucketId(7), UploadId([1; 16]));
        for name in [full(), NameRecord::new(upload, None, 0)] {
            assert_eq!(NameRecord::decode(&name.encode()), Ok(name));
        }
    }

    #[test]
    fn ten_thousand_parts_fit() {
        let name = NameRecord {
            parts: vec![5 << 20; 10_000],
            ..full()
        };
        let payload = name.encode();
        assert!(payload.len() < NAME_MAX - (12 << 10));
        assert_eq!(NameRecord::decode(&payload), Ok(name));
    }

    #[test]
    fn unknown_fields_survive_a_change() {
        let mut payload = NameRecord::new(full().key, None, 0).encode();
        payload[0] += 2;
        payload.extend_from_slice(b"\x18\x64\x83\x01\x02\x03\x19\x10\x00\xf6");
        let mut name = NameRecord::decode(&payload).unwrap();
        assert_eq!(name.unknown.keys().collect::<Vec<_>>(), [100, 4096]);
        name.acl = Acl::PublicRead;
        let again = NameRecord::decode(&name.encode()).unwrap();
        assert_eq!(again, name);
        assert!(
            name.encode()
                .ends_with(b"\x18\x64\x83\x01\x02\x03\x19\x10\x00\xf6")
        );
    }

    #[test]
    fn catalog_bucket_and_bad_keys_are_refused() {
        for key in [
            NameKey {
                bucket: BucketId(0),
                key: b"a".to_vec(),
            },
            NameKey {
                bucket: BucketId(1),
                key: Vec::new(),
            },
            NameKey {
                bucket: BucketId(1),
                key: vec![0; 18],
            },
            NameKey {
                bucket: BucketId(1),
                key: vec![b'a'; 1025],
            },
        ] {
            let name = NameRecord { key, ..full() };
            assert!(NameRecord::decode(&name.encode()).is_err());
        }
    }
}
