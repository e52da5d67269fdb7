//! Keys of the name index: (bucket, key), in byte order.
//!
//! | key | what |
//! | --- | --- |
//! | valid UTF-8 without NUL, 1 to 1,024 bytes | an object |
//! | 0, upload id (16 bytes), part (2 bytes, big-endian) | a multipart upload (part 0) or one of its parts |
//! | in bucket 0: `t`, `k` or `b` and an identity | a tenant, access key or bucket of the catalog |

use super::bytes::Reader;
use super::error::FormatError;
use crate::position::BucketId;
use std::fmt;
use std::str::FromStr;

/// The most bytes of an object's key, as in S3.
pub const KEY_MAX: usize = 1024;
/// What reserved keys begin with, and no object's key does.
const RESERVED: u8 = 0;
const UPLOAD_KEY_LEN: usize = 1 + 16 + 2;

/// A name: total order by bucket, then by the bytes of the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey {
    /// The bucket; 0 for the catalog.
    pub bucket: BucketId,
    /// The key's bytes.
    pub key: Vec<u8>,
}

/// Why some bytes cannot be an object's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameKeyError {
    /// No bytes.
    #[error("a key is not empty")]
    Empty,
    /// More than [`KEY_MAX`] bytes.
    #[error("a key has at most {KEY_MAX} bytes")]
    TooLong,
    /// Not text.
    #[error("a key is valid UTF-8")]
    NotUtf8,
    /// A NUL, which begins reserved keys and ends texts elsewhere.
    #[error("a key holds no NUL")]
    Nul,
    /// Bucket 0 is the catalog.
    #[error("bucket 0 is reserved")]
    Bucket,
}

/// A multipart upload: random, unguessable. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub [u8; 16]);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an upload id is 32 lower-case hexadecimal digits")]
pub struct ParseUploadIdError;

impl FromStr for UploadId {
    type Err = ParseUploadIdError;

    fn from_str(text: &str) -> Result<Self, ParseUploadIdError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(ParseUploadIdError),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 16 || !rest.is_empty() {
            return Err(ParseUploadIdError);
        }
        let mut id = [0; 16];
        for (byte, [high, low]) in id.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(id))
    }
}

impl NameKey {
    /// The name of an object.
    pub fn object(bucket: BucketId, key: &[u8]) -> Result<Self, NameKeyError> {
        check_object_key(key)?;
        if bucket.0 == 0 {
            return Err(NameKeyError::Bucket);
        }
        Ok(Self {
            bucket,
            key: key.to_vec(),
        })
    }

    /// The name of an upload itself.
    pub fn upload(bucket: BucketId, upload: UploadId) -> Self {
        Self::reserved(bucket, upload, 0)
    }

    /// The name of one part of an upload.
    ///
    /// # Panics
    /// If `part` is 0: that is the upload itself.
    pub fn part(bucket: BucketId, upload: UploadId, part: u16) -> Self {
        assert_ne!(part, 0, "parts are counted from 1");
        Self::reserved(bucket, upload, part)
    }

    /// Whether this is an upload or a part, and not an object.
    pub fn is_reserved(&self) -> bool {
        self.key.first() == Some(&RESERVED)
    }

    /// The upload, and the part unless this is the upload itself; `None` for other names.
    pub fn as_upload(&self) -> Option<(UploadId, Option<u16>)> {
        let key: &[u8; UPLOAD_KEY_LEN] = self.key.as_slice().try_into().ok()?;
        let mut from = Reader::new(key, "upload key");
        from.magic(&[RESERVED]).ok()?;
        let upload = UploadId(from.array().ok()?);
        let part = u16::from_be_bytes(from.array().ok()?);
        Some((upload, (part != 0).then_some(part)))
    }

    /// A name as a record holds it: an object's, or a reserved one; never one of the catalog's.
    pub(super) fn from_record(bucket: BucketId, key: &[u8]) -> Result<Self, FormatError> {
        let name = Self {
            bucket,
            key: key.to_vec(),
        };
        let valid = if name.is_reserved() {
            name.as_upload().is_some()
        } else {
            check_object_key(key).is_ok()
        };
        if valid && bucket.0 != 0 {
            Ok(name)
        } else {
            Err(FormatError::Content { what: "name key" })
        }
    }

    fn reserved(bucket: BucketId, upload: UploadId, part: u16) -> Self {
        let mut key = vec![RESERVED];
        key.extend_from_slice(&upload.0);
        key.extend_from_slice(&part.to_be_bytes());
        Self { bucket, key }
    }
}

fn check_object_key(key: &[u8]) -> Result<(), NameKeyError> {
    if key.is_empty() {
        Err(NameKeyError::Empty)
    } else if key.len() > KEY_MAX {
        Err(NameKeyError::TooLong)
    } else if key.contains(&0) {
        Err(NameKeyError::Nul)
    } else if std::str::from_utf8(key).is_err() {
        Err(NameKeyError::NotUtf8)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_keys_are_checked() {
        let object = |key: &[u8]| NameKey::object(BucketId(1), key).map(|name| name.key);
        assert_eq!(object(b"a/b"), Ok(b"a/b".to_vec()));
        assert_eq!(object(&[b'a'; 1024]).map(|key| key.len()), Ok(1024));
        assert_eq!(object(b""), Err(NameKeyError::Empty));
        assert_eq!(object(&[b'a'; 1025]), Err(NameKeyError::TooLong));
        assert_eq!(object(b"a\0b"), Err(NameKeyError::Nul));
        assert_eq!(object(b"\xff"), Err(NameKeyError::NotUtf8));
        assert_eq!(
            NameKey::object(BucketId(0), b"a"),
            Err(NameKeyError::Bucket)
        );
    }

    #[test]
    fn uploads_and_parts_parse_back_and_sort_before_objects() {
        let (bucket, upload) = (BucketId(7), UploadId([0xab; 16]));
        let whole = NameKey::upload(bucket, upload);
        let part = NameKey::part(bucket, upload, 10_000);
        let object = NameKey::object(bucket, b"\x01").unwrap();
        assert_eq!(whole.as_upload(), Some((upload, None)));
        assert_eq!(part.as_upload(), Some((upload, Some(10_000))));
        assert_eq!(object.as_upload(), None);
        assert!(whole.is_reserved() && part.is_reserved() && !object.is_reserved());
        assert!(whole < NameKey::part(bucket, upload, 255));
        assert!(NameKey::part(bucket, upload, 255) < NameKey::part(bucket, upload, 256));
        assert!(part < object);
    }

    #[test]
    fn upload_ids_are_32_digits() {
        let upload = UploadId([0x0f; 16]);
        assert_eq!(upload.to_string().parse(), Ok(upload));
        for bad in [
            "",
            "0f",
            &"0F".repeat(16),
            &"0g".repeat(16),
            &"0f".repeat(17),
        ] {
            assert_eq!(bad.parse::<UploadId>(), Err(ParseUploadIdError), "{bad}");
        }
    }
}
