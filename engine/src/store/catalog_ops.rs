//! Tenants, access keys and buckets: making and finding them, and deleting a bucket.

use super::Store;
use super::object::bucket_lock;
use crate::error::{Error, Result};
use crate::format::{CatalogEntry, CatalogRecord, NameKey, RecordKind, TenantId};
use crate::index::catalog::{AccessKey, Bucket, Tenant};
use crate::index::names::{ListQuery, ListStart};
use crate::log::{Item, Keep};
use crate::position::BucketId;
use crate::secret::Secret;

/// Uploads and parts that are ended in one step when their bucket is deleted.
const TOMBSTONES_AT_ONCE: usize = 1_000;

/// Tenants of a store. All of the catalog is held in memory: with all that they may have this would be some GiB, with ten
/// keys and buckets each it is some ten MiB.
pub(super) const TENANTS_MAX: usize = 10_000;
/// Access keys of a tenant: the records of all of them fit into one step of the log.
pub(super) const ACCESS_KEYS_MAX: usize = 1_000;
/// Buckets of a tenant, who makes them without asking an operator.
pub(super) const BUCKETS_MAX: usize = 1_000;

/// The letters of generated access keys and secrets: easy to select, none needs quoting.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Store {
    async fn append_catalog(
        &self,
        entry: CatalogEntry,
        deleted: bool,
        then: Vec<Item>,
        keep: Vec<Keep>,
    ) -> Result<u64> {
        let created_ms = self.shared.clock.now_ms();
        let record = CatalogRecord {
            deleted,
            ..CatalogRecord::new(created_ms, entry)
        };
        let mut items = vec![self.catalog_item(&record)?];
        items.extend(then);
        self.shared.append(items, keep).await?;
        Ok(created_ms)
    }

    /// A record of the catalog, for the log.
    pub(super) fn catalog_item(&self, record: &CatalogRecord) -> Result<Item> {
        let payload = record.encode();
        if payload.len() > self.shared.geometry.catalog_max() {
            return Err(Error::Invalid {
                what: "catalog entry",
                why: "it is too long",
            });
        }
        let draft = self
            .shared
            .stamped(RecordKind::Catalog, BucketId(0), payload);
        Ok(Item::new(draft))
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// [`Error::TenantExists`]; [`Error::TooMany`]; [`Error::Invalid`] for a name that is empty or longer than 255 bytes.
    pub async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        let guard = self.shared.locks.write(&catalog_lock()).await;
        if name.is_empty() || name.len() > 255 {
            return Err(Error::Invalid {
                what: "tenant name",
                why: "it has 1 to 255 bytes",
            });
        }
        let tenants = self.tenants();
        below(tenants.len(), TENANTS_MAX, "tenants")?;
        if tenants.iter().any(|tenant| tenant.name == name) {
            return Err(Error::TenantExists);
        }
        let id = TenantId(self.shared.entropy.number());
        let entry = CatalogEntry::Tenant {
            id,
            name: name.to_owned(),
        };
        let created_ms = self
            .append_catalog(entry, false, Vec::new(), vec![guard.into()])
            .await?;
        Ok(Tenant {
            id,
            name: name.to_owned(),
            created_ms,
        })
    }

    /// The tenant with this id.
    pub fn tenant(&self, id: TenantId) -> Option<Tenant> {
        self.shared.indexes.catalog.read().tenant(id)
    }

    /// All tenants, by id.
    pub fn tenants(&self) -> Vec<Tenant> {
        self.shared.indexes.catalog.read().tenants()
    }

    /// Makes an access key for a tenant; what is not given is generated.
    ///
    /// # Errors
    /// [`Error::NoSuchTenant`]; [`Error::AccessKeyExists`], whoever has it; [`Error::TooMany`]; [`Error::Invalid`] for a
    /// length out of bounds (access key 1 to 128, secret 1 to 256 bytes). How long a secret must be to be safe is for whoever
    /// hands it out to say: a store that takes over keys which are in use elsewhere, or replays recorded requests, cannot
    /// choose.
    pub async fn create_access_key(
        &self,
        tenant: TenantId,
        access_key: Option<&str>,
        secret: Option<&str>,
    ) -> Result<AccessKey> {
        let guard = self.shared.locks.write(&catalog_lock()).await;
        let invalid = |what, why| Err(Error::Invalid { what, why });
        if self.shared.indexes.catalog.read().tenant(tenant).is_none() {
            return Err(Error::NoSuchTenant);
        }
        let others = self.access_keys(tenant).len();
        below(others, ACCESS_KEYS_MAX, "access keys of a tenant")?;
        let access_key = access_key.map_or_else(|| self.letters(20), str::to_owned);
        let secret = Secret::new(secret.map_or_else(|| self.letters(40), str::to_owned));
        if !(1..=128).contains(&access_key.len())
            || !access_key
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'/')
        {
            return invalid(
                "access key",
                "it has 1 to 128 printable ASCII characters without '/'",
            );
        }
        if !(1..=256).contains(&secret.expose().len()) {
            return invalid("secret key", "it has 1 to 256 bytes");
        }
        if self.access_key(&access_key).is_some() {
            return Err(Error::AccessKeyExists);
        }
        let sealed = self
            .shared
            .indexes
            .key
            .seal(&access_key, &secret, &*self.shared.entropy);
        let entry = CatalogEntry::AccessKey {
            access_key: access_key.clone(),
            tenant,
            sealed,
        };
        let created_ms = self
            .append_catalog(entry, false, Vec::new(), vec![guard.into()])
            .await?;
        Ok(AccessKey {
            access_key,
            tenant,
            secret,
            created_ms,
        })
    }

    fn letters(&self, count: usize) -> String {
        let mut bytes = vec![0; count];
        self.shared.entropy.fill(&mut bytes);
        let letter = |byte: u8| char::from(*ALPHABET.get(usize::from(byte) % 32).unwrap_or(&b'A'));
        bytes.into_iter().map(letter).collect()
    }

    /// The access key with this name.
    pub fn access_key(&self, access_key: &str) -> Option<AccessKey> {
        self.shared.indexes.catalog.read().access_key(access_key)
    }

    /// A tenant's access keys, by name.
    pub fn access_keys(&self, tenant: TenantId) -> Vec<AccessKey> {
        self.shared.indexes.catalog.read().access_keys(tenant)
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// [`Error::BucketExists`]; [`Error::NoSuchTenant`]; [`Error::TooMany`]; [`Error::Invalid`] for a name that is not 1 to
    /// 63 lower-case letters, digits, dots and hyphens, beginning and ending with a letter or digit, or that is an IP address
    /// or begins with `xn--`. S3 asks for three characters of who makes a bucket through it; stores that are taken over here
    /// may have shorter names.
    pub async fn create_bucket(
        &self,
        tenant: TenantId,
        name: &str,
        public_read: bool,
    ) -> Result<Bucket> {
        check_bucket_name(name)?;
        let guard = self.shared.locks.write(&catalog_lock()).await;
        if let Some(bucket) = self.bucket(name) {
            return Err(Error::BucketExists {
                same_tenant: bucket.tenant == tenant,
            });
        }
        if self.shared.indexes.catalog.read().tenant(tenant).is_none() {
            return Err(Error::NoSuchTenant);
        }
        let others = self.buckets(tenant).len();
        below(others, BUCKETS_MAX, "buckets of a tenant")?;
        let id = BucketId(self.shared.entropy.number());
        let entry = CatalogEntry::Bucket {
            id,
            name: name.to_owned(),
            tenant,
            public_read,
        };
        let created_ms = self
            .append_catalog(entry, false, Vec::new(), vec![guard.into()])
            .await?;
        Ok(Bucket {
            id,
            name: name.to_owned(),
            tenant,
            public_read,
            created_ms,
        })
    }

    /// Deletes an empty bucket. Uploads that were not completed go with it.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::BucketNotEmpty`].
    pub async fn delete_bucket(&self, bucket: BucketId) -> Result<()> {
        let catalog = self.shared.locks.write(&catalog_lock()).await;
        let guard = self.shared.locks.write(&bucket_lock(bucket)).await;
        let found = self.shared.indexes.catalog.read().bucket_by_id(bucket);
        let found = found.ok_or(Error::NoSuchBucket)?;
        let mut start = ListStart::First;
        loop {
            let page = self
                .list(
                    bucket,
                    ListQuery {
                        limit: 1,
                        start,
                        ..ListQuery::default()
                    },
                )
                .await?;
            if !page.entries.is_empty() {
                return Err(Error::BucketNotEmpty);
            }
            match page.next {
                Some(next) => start = next,
                None => break,
            }
        }
        let entry = CatalogEntry::Bucket {
            id: bucket,
            name: found.name,
            tenant: found.tenant,
            public_read: found.public_read,
        };
        let first = self.some_uploads(bucket).await?;
        let keep = vec![catalog.into(), guard.into()];
        self.append_catalog(entry, true, first, keep).await?;
        loop {
            let more = self.some_uploads(bucket).await?;
            if more.is_empty() {
                return Ok(());
            }
            self.shared.append(more, Vec::new()).await?;
        }
    }

    /// Tombstones for some of the uploads and parts of a bucket that is going. Those that share a step with its deletion
    /// stay or go with it; what a crash leaves of the others is out of reach.
    async fn some_uploads(&self, bucket: BucketId) -> Result<Vec<Item>> {
        let (rows, _) = self
            .reserved_rows(bucket, vec![0], ListStart::First, TOMBSTONES_AT_ONCE)
            .await?;
        let tombstones = rows.iter().map(|(key, _)| self.shared.tombstone(key));
        Ok(tombstones.map(Item::new).collect())
    }

    /// The bucket with this name.
    pub fn bucket(&self, name: &str) -> Option<Bucket> {
        self.shared.indexes.catalog.read().bucket(name)
    }

    /// A tenant's buckets, by name.
    pub fn buckets(&self, tenant: TenantId) -> Vec<Bucket> {
        self.shared.indexes.catalog.read().buckets(tenant)
    }
}

/// The lock that serialises changes of the catalog, which are rare.
pub(super) fn catalog_lock() -> NameKey {
    NameKey {
        bucket: BucketId(0),
        key: b"catalog".to_vec(),
    }
}

fn below(count: usize, limit: usize, what: &'static str) -> Result<()> {
    if count < limit {
        Ok(())
    } else {
        Err(Error::TooMany { what, limit })
    }
}

fn check_bucket_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| plain(byte) || byte == b'-' || byte == b'.';
    let bytes = name.as_bytes();
    let good = (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| inner(*byte))
        && bytes.first().is_some_and(|byte| plain(*byte))
        && bytes.last().is_some_and(|byte| plain(*byte))
        && !name.contains("..")
        // Names that S3 clients refuse, or that the host of a URL cannot be.
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !name.starts_with("xn--");
    if good {
        Ok(())
    } else {
        Err(Error::Invalid {
            what: "bucket name",
            why: "it has 1 to 63 lower-case letters, digits, dots and hyphens, and is no IP address",
        })
    }
}
