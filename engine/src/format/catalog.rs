//! Tenants, access keys and buckets: the records that every node holds in memory.

use super::cbor::{MapReader, MapWriter, Unknown};
use super::error::FormatError;
use super::name_key::NameKey;
use crate::position::BucketId;
use std::fmt;

/// The most bytes of an encoded catalog record.
pub const CATALOG_MAX: usize = 64 << 10;
/// The most bytes of a sealed secret: nonce, ciphertext, tag.
pub const SEALED_MAX: usize = 1024;
/// The most bytes of a name or an access key.
const TEXT_MAX: usize = 255;
const WHAT: &str = "catalog record";

const TYPE_TENANT: u64 = 1;
const TYPE_ACCESS_KEY: u64 = 2;
const TYPE_BUCKET: u64 = 3;

/// A tenant: random, chosen once, never 0. Shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u64);

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The payload of a catalog record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRecord {
    /// When the entry was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Whether this record ends the entry.
    pub deleted: bool,
    /// What it says.
    pub entry: CatalogEntry,
    /// Fields of newer versions.
    pub unknown: Unknown,
}

/// One entry of the catalog.
#[derive(Clone, PartialEq, Eq)]
pub enum CatalogEntry {
    /// One instance.
    Tenant {
        /// Its id.
        id: TenantId,
        /// Its name.
        name: String,
    },
    /// A key that signs requests.
    AccessKey {
        /// The public half.
        access_key: String,
        /// Whose it is.
        tenant: TenantId,
        /// The secret half, sealed with the store's key.
        sealed: Vec<u8>,
    },
    /// A bucket.
    Bucket {
        /// Its id, which never changes and is never 0.
        id: BucketId,
        /// Its name.
        name: String,
        /// Whose it is.
        tenant: TenantId,
        /// Whether everybody may read its objects.
        public_read: bool,
    },
}

impl fmt::Debug for CatalogEntry {
    /// Leaves sealed secrets out: they are useless without the store's key, but logs are no place for them either.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant { id, name } => write!(f, "Tenant({id}, {name:?})"),
            Self::AccessKey {
                access_key, tenant, ..
            } => write!(f, "AccessKey({access_key:?}, {tenant})"),
            Self::Bucket {
                id,
                name,
                tenant,
                public_read,
            } => write!(f, "Bucket({id}, {name:?}, {tenant}, {public_read})"),
        }
    }
}

impl CatalogEntry {
    fn number(&self) -> u64 {
        match self {
            Self::Tenant { .. } => TYPE_TENANT,
            Self::AccessKey { .. } => TYPE_ACCESS_KEY,
            Self::Bucket { .. } => TYPE_BUCKET,
        }
    }

    /// What tells it from others of its type, as bytes.
    fn identity(&self) -> Vec<u8> {
        match self {
            Self::Tenant { id, .. } => id.0.to_be_bytes().to_vec(),
            Self::AccessKey { access_key, .. } => access_key.as_bytes().to_vec(),
            Self::Bucket { id, .. } => id.0.to_be_bytes().to_vec(),
        }
    }
}

impl CatalogRecord {
    /// A new entry.
    pub fn new(created_ms: u64, entry: CatalogEntry) -> Self {
        Self {
            created_ms,
            deleted: false,
            entry,
            unknown: Unknown::default(),
        }
    }

    /// Its key in the catalog: bucket 0, a letter for the type, the identity.
    pub fn name_key(&self) -> NameKey {
        let letter = match self.entry {
            CatalogEntry::Tenant { .. } => b't',
            CatalogEntry::AccessKey { .. } => b'k',
            CatalogEntry::Bucket { .. } => b'b',
        };
        let mut key = vec![letter];
        key.extend(self.entry.identity());
        NameKey {
            bucket: BucketId(0),
            key,
        }
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MapWriter::new(&self.unknown);
        out.uint(0, self.entry.number());
        out.bytes(1, &self.entry.identity());
        out.bool(2, self.deleted);
        out.uint(3, self.created_ms);
        match &self.entry {
            CatalogEntry::Tenant { name, .. } => out.text(10, name),
            CatalogEntry::AccessKey { tenant, sealed, .. } => {
                out.uint(20, tenant.0);
                out.bytes(21, sealed);
            }
            CatalogEntry::Bucket {
                name,
                tenant,
                public_read,
                ..
            } => {
                out.text(30, name);
                out.uint(31, tenant.0);
                out.bool(32, *public_read);
            }
        }
        out.finish()
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, FormatError> {
        let mut from = MapReader::new(payload, CATALOG_MAX, WHAT)?;
        let number = from.required(0)?.uint()?;
        let mut identity = from.required(1)?;
        let deleted = from.required(2)?.bool()?;
        let created_ms = from.required(3)?.uint()?;
        let entry = match number {
            TYPE_TENANT => CatalogEntry::Tenant {
                id: TenantId(u64::from_be_bytes(identity.fixed()?)),
                name: from.required(10)?.text(TEXT_MAX)?,
            },
            TYPE_ACCESS_KEY => CatalogEntry::AccessKey {
                access_key: access_key(identity.bytes(TEXT_MAX)?)?,
                tenant: TenantId(from.required(20)?.uint()?),
                sealed: from.required(21)?.bytes(SEALED_MAX)?.to_vec(),
            },
            TYPE_BUCKET => CatalogEntry::Bucket {
                id: BucketId(u64::from_be_bytes(identity.fixed()?)),
                name: from.required(30)?.text(TEXT_MAX)?,
                tenant: TenantId(from.required(31)?.uint()?),
                public_read: from.required(32)?.bool()?,
            },
            found => {
                return Err(FormatError::Range {
                    what: "catalog type",
                    found,
                });
            }
        };
        if matches!(entry, CatalogEntry::Bucket { id, .. } if id.0 == 0) {
            return Err(FormatError::Content { what: WHAT });
        }
        Ok(Self {
            created_ms,
            deleted,
            entry,
            unknown: from.unknown(),
        })
    }
}

fn access_key(bytes: &[u8]) -> Result<String, FormatError> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| FormatError::Content { what: "access key" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> [CatalogEntry; 3] {
        [
            CatalogEntry::Tenant {
                id: TenantId(1),
                name: "default".into(),
            },
            CatalogEntry::AccessKey {
                access_key: "AKIA".into(),
                tenant: TenantId(1),
                sealed: vec![9; 80],
            },
            CatalogEntry::Bucket {
                id: BucketId(2),
                name: "media".into(),
                tenant: TenantId(1),
                public_read: true,
            },
        ]
    }

    #[test]
    fn round_trips() {
        for entry in entries() {
            for deleted in [false, true] {
                let record = CatalogRecord {
                    deleted,
                    ..CatalogRecord::new(5, entry.clone())
                };
                assert_eq!(CatalogRecord::decode(&record.encode()), Ok(record));
            }
        }
    }

    #[test]
    fn keys_lie_in_bucket_0_and_differ_by_type() {
        let keys = entries().map(|entry| CatalogRecord::new(5, entry).name_key());
        assert!(keys.iter().all(|key| key.bucket == BucketId(0)));
        assert_eq!(keys[0].key, b"t\0\0\0\0\0\0\0\x01");
        assert_eq!(keys[1].key, b"kAKIA");
        assert_eq!(keys[2].key, b"b\0\0\0\0\0\0\0\x02");
    }

    #[test]
    fn sealed_secrets_stay_out_of_logs() {
        let [_, key, _] = entries();
        assert_eq!(format!("{key:?}"), "AccessKey(\"AKIA\", 0000000000000001)");
    }

    #[test]
    fn bucket_0_is_refused() {
        let [_, _, bucket] = entries();
        let mut payload = CatalogRecord::new(5, bucket).encode();
        let at = payload.iter().rposition(|byte| *byte == 2).unwrap();
        assert!(CatalogRecord::decode(&payload).is_ok());
        let id = payload
            .windows(9)
            .position(|w| w == b"\x48\0\0\0\0\0\0\0\x02")
            .unwrap();
        payload[id + 8] = 0;
        assert!(at >= id && CatalogRecord::decode(&payload).is_err());
    }
}
