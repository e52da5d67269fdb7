//! The catalog: tenants, access keys and buckets. Records in the log, rows of the name index, held in memory.
//!
//! The larger version of an entry wins, deletions included. Of two live buckets with one name, created on two nodes at
//! once, the earlier keeps the name and the other gets a conflict name; buckets are used by id, so nothing moves.

use crate::format::{CatalogEntry, CatalogRecord, TenantId};
use crate::position::{BucketId, Version};
use crate::secret::{Secret, StoreKey};
use std::collections::BTreeMap;

/// One instance, such as `mastodon.example`: owns buckets and access keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, for people.
    pub name: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
}

/// A pair of access key and secret that acts for a tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessKey {
    /// The public half.
    pub access_key: String,
    /// Whom it acts for.
    pub tenant: TenantId,
    /// The secret half.
    pub secret: Secret,
    /// Milliseconds since 1970.
    pub created_ms: u64,
}

/// A bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Its id, under which its keys are stored; never changes.
    pub id: BucketId,
    /// Its name.
    pub name: String,
    /// Who owns it.
    pub tenant: TenantId,
    /// Whether everything in it can be read without a signature.
    pub public_read: bool,
    /// Milliseconds since 1970.
    pub created_ms: u64,
}

/// Everything in memory.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    versions: BTreeMap<Vec<u8>, Version>,
    tenants: BTreeMap<TenantId, Tenant>,
    keys: BTreeMap<String, AccessKey>,
    buckets: BTreeMap<BucketId, (Version, Bucket)>,
    names: BTreeMap<String, BucketId>,
}

impl Catalog {
    /// Takes a record in, unless a newer one of the same entry is known.
    pub fn apply(&mut self, record: &CatalogRecord, version: Version, key: &StoreKey) {
        let identity = record.name_key().key;
        if self
            .versions
            .get(&identity)
            .is_some_and(|known| *known >= version)
        {
            return;
        }
        self.versions.insert(identity, version);
        let created_ms = record.created_ms;
        match &record.entry {
            CatalogEntry::Tenant { id, name } => {
                let id = *id;
                self.tenants.remove(&id);
                if !record.deleted {
                    self.tenants.insert(
                        id,
                        Tenant {
                            id,
                            name: name.clone(),
                            created_ms,
                        },
                    );
                }
            }
            CatalogEntry::AccessKey {
                access_key,
                tenant,
                sealed,
            } => {
                self.keys.remove(access_key);
                if record.deleted {
                    return;
                }
                let Some(secret) = key.open(access_key, sealed) else {
                    tracing::error!(
                        access_key,
                        "the secret of this access key cannot be opened with store.key"
                    );
                    return;
                };
                let entry = AccessKey {
                    access_key: access_key.clone(),
                    tenant: *tenant,
                    secret,
                    created_ms,
                };
                self.keys.insert(access_key.clone(), entry);
            }
            CatalogEntry::Bucket {
                id,
                name,
                tenant,
                public_read,
            } => {
                let bucket = Bucket {
                    id: *id,
                    name: name.clone(),
                    tenant: *tenant,
                    public_read: *public_read,
                    created_ms,
                };
                self.apply_bucket(bucket, record.deleted, version);
            }
        }
    }

    fn apply_bucket(&mut self, bucket: Bucket, deleted: bool, version: Version) {
        self.buckets.remove(&bucket.id);
        if !deleted {
            self.buckets.insert(bucket.id, (version, bucket));
        }
        self.rename_all();
    }

    /// Gives every live bucket its name, the earliest first. Buckets are few and change rarely.
    fn rename_all(&mut self) {
        self.names.clear();
        let mut order: Vec<&(Version, Bucket)> = self.buckets.values().collect();
        order.sort_by_key(|(version, bucket)| (bucket.created_ms, *version));
        for (_, bucket) in order {
            let name = if self.names.contains_key(&bucket.name) {
                tracing::error!(bucket = %bucket.id, name = bucket.name, "two buckets have one name");
                format!("{}-conflict-{}", bucket.name, bucket.id)
            } else {
                bucket.name.clone()
            };
            self.names.insert(name, bucket.id);
        }
    }

    /// All tenants, by id.
    pub fn tenants(&self) -> Vec<Tenant> {
        self.tenants.values().cloned().collect()
    }

    /// A tenant.
    pub fn tenant(&self, id: TenantId) -> Option<Tenant> {
        self.tenants.get(&id).cloned()
    }

    /// An access key.
    pub fn access_key(&self, access_key: &str) -> Option<AccessKey> {
        self.keys.get(access_key).cloned()
    }

    /// A tenant's access keys, by name.
    pub fn access_keys(&self, tenant: TenantId) -> Vec<AccessKey> {
        let keys = self.keys.values().filter(|key| key.tenant == tenant);
        keys.cloned().collect()
    }

    /// A bucket by name, under the name that it goes by.
    pub fn bucket(&self, name: &str) -> Option<Bucket> {
        let id = self.names.get(name)?;
        self.buckets.get(id).map(|(_, bucket)| Bucket {
            name: name.to_owned(),
            ..bucket.clone()
        })
    }

    /// A bucket by id.
    pub fn bucket_by_id(&self, id: BucketId) -> Option<Bucket> {
        self.buckets.get(&id).map(|(_, bucket)| bucket.clone())
    }

    /// A tenant's buckets, by name.
    pub fn buckets(&self, tenant: TenantId) -> Vec<Bucket> {
        let named = self.names.keys().filter_map(|name| self.bucket(name));
        named.filter(|bucket| bucket.tenant == tenant).collect()
    }

    /// The ids of all live buckets.
    pub fn bucket_ids(&self) -> Vec<BucketId> {
        self.buckets.keys().copied().collect()
    }
}
