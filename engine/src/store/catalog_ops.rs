//! Tenants, access keys and buckets: making and finding them.

use super::Store;
use crate::error::{Error, Result};
use crate::format::{CatalogEntry, CatalogRecord, NameKey, RecordKind, TenantId};
use crate::index::catalog::{AccessKey, Bucket, Tenant};
use crate::log::{Item, Keep};
use crate::position::BucketId;

/// Tenants of a store. All of the catalog is held in memory: with all that they may have this would be some GiB, with ten
/// keys and buckets each it is some ten MiB.
pub(super) const TENANTS_MAX: usize = 10_000;
/// Access keys of a tenant: the records of all of them fit into one step of the log.
pub(super) const ACCESS_KEYS_MAX: usize = 1_000;
/// Buckets of a tenant, who makes them without asking an operator.
pub(super) const BUCKETS_MAX: usize = 1_000;

impl Store {
    pub(super) async fn append_catalog(
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
        let others = self.shared.indexes.catalog.read().tenant_count();
        below(others, TENANTS_MAX, "tenants")?;
        if self.tenant_named(name).is_some() {
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

    /// The tenant with this name.
    pub fn tenant_named(&self, name: &str) -> Option<Tenant> {
        self.shared.indexes.catalog.read().tenant_named(name)
    }

    /// All tenants, by id.
    pub fn tenants(&self) -> Vec<Tenant> {
        self.shared.indexes.catalog.read().tenants()
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
        let others = self.shared.indexes.catalog.read().bucket_count(tenant);
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

    /// The bucket with this name.
    pub fn bucket(&self, name: &str) -> Option<Bucket> {
        self.shared.indexes.catalog.read().bucket(name)
    }

    /// The id of the bucket with this name, and whether everything in it can be read without a signature.
    pub fn bucket_of_readers(&self, name: &str) -> Option<(BucketId, bool)> {
        self.shared.indexes.catalog.read().bucket_of_readers(name)
    }

    /// The bucket with this id.
    pub fn bucket_by_id(&self, id: BucketId) -> Option<Bucket> {
        self.shared.indexes.catalog.read().named_bucket(id)
    }

    /// A tenant's buckets, by name.
    pub fn buckets(&self, tenant: TenantId) -> Vec<Bucket> {
        self.shared.indexes.catalog.read().buckets(tenant)
    }
}

/// The lock that serialises changes of the catalog, which are rare. It is taken last: whoever holds it waits for the log only,
/// so nothing that a tenant does keeps another one's changes waiting.
pub(super) fn catalog_lock() -> NameKey {
    NameKey {
        bucket: BucketId(0),
        key: b"catalog".to_vec(),
    }
}

pub(super) fn below(count: usize, limit: usize, what: &'static str) -> Result<()> {
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
