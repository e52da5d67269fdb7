//! Changing and deleting what the catalog holds: tenants, access keys, a bucket's public flag.
//!
//! Every change is a record of the log and takes effect when that is durable. A deleted access key signs nothing from then
//! on, on connections that are open too, since the server asks for it with every request; a request that was let in before
//! goes on to its end.

use super::Store;
use super::catalog_ops::catalog_lock;
use crate::error::{Error, Result};
use crate::format::{CatalogEntry, CatalogRecord, NameKey, TenantId};
use crate::index::catalog::{AccessKey, Bucket, Tenant};
use crate::log::Item;
use crate::position::BucketId;

impl Store {
    /// Deletes a tenant that has no bucket. Its access keys go with it, in the same step.
    ///
    /// # Errors
    /// [`Error::NoSuchTenant`], [`Error::TenantNotEmpty`].
    pub async fn delete_tenant(&self, tenant: TenantId) -> Result<()> {
        let guard = self.shared.locks.write(&catalog_lock()).await;
        let found = self.tenant(tenant).ok_or(Error::NoSuchTenant)?;
        if self.shared.indexes.catalog.read().bucket_count(tenant) > 0 {
            return Err(Error::TenantNotEmpty);
        }
        let mut items = self.ends_of(&self.access_keys(tenant))?;
        items.push(self.catalog_item(&end_of_tenant(found))?);
        self.shared.append(items, vec![guard.into()]).await?;
        Ok(())
    }

    /// Deletes an access key, and returns what it was.
    ///
    /// # Errors
    /// [`Error::NoSuchAccessKey`].
    pub async fn delete_access_key(&self, access_key: &str) -> Result<AccessKey> {
        let guard = self.shared.locks.write(&catalog_lock()).await;
        let found = self.access_key(access_key).ok_or(Error::NoSuchAccessKey)?;
        let items = self.ends_of(std::slice::from_ref(&found))?;
        self.shared.append(items, vec![guard.into()]).await?;
        Ok(found)
    }

    /// Says whether everything in a bucket can be read without a signature.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`].
    pub async fn set_bucket_public_read(
        &self,
        bucket: BucketId,
        public_read: bool,
    ) -> Result<Bucket> {
        let guard = self.shared.locks.write(&catalog_lock()).await;
        let found = self.shared.indexes.catalog.read().bucket_by_id(bucket);
        let found = found.ok_or(Error::NoSuchBucket)?;
        let changed = Bucket {
            public_read,
            ..found
        };
        let record = self.record_of_bucket(&changed).await?;
        let items = vec![self.catalog_item(&record)?];
        self.shared.append(items, vec![guard.into()]).await?;
        Ok(changed)
    }

    /// The record of a bucket, made of the one that stands: what newer versions wrote into it survives.
    async fn record_of_bucket(&self, bucket: &Bucket) -> Result<CatalogRecord> {
        let entry = CatalogEntry::Bucket {
            id: bucket.id,
            name: bucket.name.clone(),
            tenant: bucket.tenant,
            public_read: bucket.public_read,
        };
        let record = CatalogRecord::new(bucket.created_ms, entry);
        let standing = self.standing(record.name_key()).await?;
        Ok(CatalogRecord {
            unknown: standing.map(|old| old.unknown).unwrap_or_default(),
            ..record
        })
    }

    async fn standing(&self, key: NameKey) -> Result<Option<CatalogRecord>> {
        let row = self.shared.row(key).await?;
        let payload = row.and_then(|row| row.live);
        Ok(payload.and_then(|payload| CatalogRecord::decode(&payload).ok()))
    }

    fn ends_of(&self, keys: &[AccessKey]) -> Result<Vec<Item>> {
        let ends = keys.iter().map(end_of_key);
        ends.map(|record| self.catalog_item(&record)).collect()
    }
}

/// The record that ends an access key. It holds no secret any more.
pub(super) fn end_of_key(key: &AccessKey) -> CatalogRecord {
    let entry = CatalogEntry::AccessKey {
        access_key: key.access_key.clone(),
        tenant: key.tenant,
        sealed: Vec::new(),
    };
    CatalogRecord {
        deleted: true,
        ..CatalogRecord::new(key.created_ms, entry)
    }
}

fn end_of_tenant(tenant: Tenant) -> CatalogRecord {
    let entry = CatalogEntry::Tenant {
        id: tenant.id,
        name: tenant.name,
    };
    CatalogRecord {
        deleted: true,
        ..CatalogRecord::new(tenant.created_ms, entry)
    }
}
