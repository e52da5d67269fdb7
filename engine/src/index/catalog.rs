//! The catalog: tenants, access keys and buckets. Records in the log, rows of the name index, held in memory.
//!
//! It mirrors the live rows of the name index, which decides between versions and remembers deletions: what is gone takes
//! no memory here. Of two live buckets with one name, created on two nodes at once, the earlier keeps the name and the other
//! gets a conflict name; buckets are used by id, so nothing moves.

use super::bucket_names::{BucketNames, Claim};
use crate::format::{CatalogEntry, CatalogRecord, TenantId};
use crate::position::{BucketId, Version};
use crate::secret::{Secret, StoreKey};
use std::collections::{BTreeMap, BTreeSet};

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
    tenants: BTreeMap<TenantId, Tenant>,
    tenant_names: BTreeSet<(String, TenantId)>,
    keys: BTreeMap<String, AccessKey>,
    keys_of: BTreeSet<(TenantId, String)>,
    buckets: BTreeMap<BucketId, (Version, Bucket)>,
    buckets_of: BTreeSet<(TenantId, BucketId)>,
    names: BucketNames,
}

impl Catalog {
    /// Takes in what the row of an entry says now.
    pub fn set(&mut self, record: &CatalogRecord, version: Version, key: &StoreKey) {
        let live = !record.deleted;
        let created_ms = record.created_ms;
        match &record.entry {
            CatalogEntry::Tenant { id, name } => {
                let tenant = Tenant {
                    id: *id,
                    name: name.clone(),
                    created_ms,
                };
                self.set_tenant(*id, live.then_some(tenant));
            }
            CatalogEntry::AccessKey {
                access_key,
                tenant,
                sealed,
            } => {
                let secret = if live {
                    key.open(access_key, sealed)
                } else {
                    None
                };
                if live && secret.is_none() {
                    tracing::error!(
                        access_key,
                        "the secret of this access key cannot be opened with store.key"
                    );
                }
                let entry = secret.map(|secret| AccessKey {
                    access_key: access_key.clone(),
                    tenant: *tenant,
                    secret,
                    created_ms,
                });
                self.set_key(access_key, entry);
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
                self.set_bucket(*id, live.then_some((version, bucket)));
            }
        }
    }

    fn set_tenant(&mut self, id: TenantId, tenant: Option<Tenant>) {
        if let Some(old) = self.tenants.remove(&id) {
            self.tenant_names.remove(&(old.name, id));
        }
        if let Some(tenant) = tenant {
            self.tenant_names.insert((tenant.name.clone(), id));
            self.tenants.insert(id, tenant);
        }
    }

    fn set_key(&mut self, access_key: &str, key: Option<AccessKey>) {
        if let Some(old) = self.keys.remove(access_key) {
            self.keys_of.remove(&(old.tenant, old.access_key));
        }
        if let Some(key) = key {
            self.keys_of.insert((key.tenant, key.access_key.clone()));
            self.keys.insert(access_key.to_owned(), key);
        }
    }

    fn set_bucket(&mut self, id: BucketId, bucket: Option<(Version, Bucket)>) {
        if let Some((version, old)) = self.buckets.remove(&id) {
            self.buckets_of.remove(&(old.tenant, id));
            self.names.remove(&old.name, claim(version, &old));
        }
        if let Some((version, bucket)) = bucket {
            self.buckets_of.insert((bucket.tenant, id));
            self.names.insert(&bucket.name, claim(version, &bucket));
            self.buckets.insert(id, (version, bucket));
        }
    }

    /// All tenants, by id.
    pub fn tenants(&self) -> Vec<Tenant> {
        self.tenants.values().cloned().collect()
    }

    /// How many there are.
    pub fn tenant_count(&self) -> usize {
        self.tenants.len()
    }

    /// A tenant.
    pub fn tenant(&self, id: TenantId) -> Option<Tenant> {
        self.tenants.get(&id).cloned()
    }

    /// A tenant by name; the one with the least id, should nodes have given a name twice.
    pub fn tenant_named(&self, name: &str) -> Option<Tenant> {
        let from = (name.to_owned(), TenantId(0));
        let (found, id) = self.tenant_names.range(from..).next()?;
        (found == name).then(|| self.tenant(*id))?
    }

    /// An access key.
    pub fn access_key(&self, access_key: &str) -> Option<AccessKey> {
        self.keys.get(access_key).cloned()
    }

    fn keys_of(&self, tenant: TenantId) -> impl Iterator<Item = &String> {
        let all = self.keys_of.range((tenant, String::new())..);
        all.take_while(move |(owner, _)| *owner == tenant)
            .map(|(_, key)| key)
    }

    /// A tenant's access keys, by name.
    pub fn access_keys(&self, tenant: TenantId) -> Vec<AccessKey> {
        let keys = self.keys_of(tenant).filter_map(|key| self.keys.get(key));
        keys.cloned().collect()
    }

    /// How many there are.
    pub fn access_key_count(&self, tenant: TenantId) -> usize {
        self.keys_of(tenant).count()
    }

    /// A bucket by name, under the name that it goes by.
    pub fn bucket(&self, name: &str) -> Option<Bucket> {
        let (_, bucket) = self.buckets.get(&self.names.get(name)?)?;
        Some(Bucket {
            name: name.to_owned(),
            ..bucket.clone()
        })
    }

    /// What reading without a signature needs to know of a bucket: its id, and whether everything in it can be so read.
    pub fn bucket_of_readers(&self, name: &str) -> Option<(BucketId, bool)> {
        let (_, bucket) = self.buckets.get(&self.names.get(name)?)?;
        Some((bucket.id, bucket.public_read))
    }

    /// A bucket by id, under the name that it was given.
    pub fn bucket_by_id(&self, id: BucketId) -> Option<Bucket> {
        self.buckets.get(&id).map(|(_, bucket)| bucket.clone())
    }

    /// A bucket by id, under the name that it goes by.
    pub fn named_bucket(&self, id: BucketId) -> Option<Bucket> {
        self.bucket_by_id(id).map(|bucket| Bucket {
            name: self.names.name_of(&bucket.name, id),
            ..bucket
        })
    }

    /// Whether there is a bucket of this id.
    pub fn has_bucket(&self, id: BucketId) -> bool {
        self.buckets.contains_key(&id)
    }

    /// The ids of a tenant's buckets.
    pub fn bucket_ids_of(&self, tenant: TenantId) -> impl Iterator<Item = BucketId> {
        let all = self.buckets_of.range((tenant, BucketId(0))..);
        all.take_while(move |(owner, _)| *owner == tenant)
            .map(|(_, id)| *id)
    }

    /// How many there are.
    pub fn bucket_count(&self, tenant: TenantId) -> usize {
        self.bucket_ids_of(tenant).count()
    }

    /// A tenant's buckets, by name.
    pub fn buckets(&self, tenant: TenantId) -> Vec<Bucket> {
        let ids = self.bucket_ids_of(tenant);
        let mut buckets: Vec<Bucket> = ids.filter_map(|id| self.named_bucket(id)).collect();
        buckets.sort_by(|one, other| one.name.cmp(&other.name));
        buckets
    }

    /// The ids of all live buckets.
    pub fn bucket_ids(&self) -> Vec<BucketId> {
        self.buckets.keys().copied().collect()
    }
}

fn claim(version: Version, bucket: &Bucket) -> Claim {
    Claim {
        created_ms: bucket.created_ms,
        version,
        bucket: bucket.id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE_KEY: [u8; 32] = [7; 32];

    fn version(ms: u64) -> Version {
        Version {
            hlc: crate::position::Hlc::default().next(ms),
            ..Version::default()
        }
    }

    fn tell(catalog: &mut Catalog, entry: CatalogEntry, deleted: bool, at: u64) {
        let record = CatalogRecord {
            deleted,
            ..CatalogRecord::new(at, entry)
        };
        catalog.set(
            &record,
            version(at),
            &StoreKey::from_file(&STORE_KEY).unwrap(),
        );
    }

    fn bucket(id: u64, tenant: u64) -> CatalogEntry {
        CatalogEntry::Bucket {
            id: BucketId(id),
            name: format!("bucket-{id}"),
            tenant: TenantId(tenant),
            public_read: false,
        }
    }

    fn tenant(id: u64, name: &str) -> CatalogEntry {
        CatalogEntry::Tenant {
            id: TenantId(id),
            name: name.to_owned(),
        }
    }

    #[test]
    fn what_is_gone_takes_no_memory() {
        let mut catalog = Catalog::default();
        for at in 1..100 {
            for deleted in [false, true] {
                tell(&mut catalog, bucket(at, 1), deleted, at);
                tell(&mut catalog, tenant(at, "one"), deleted, at);
                let key = CatalogEntry::AccessKey {
                    access_key: format!("key-{at}"),
                    tenant: TenantId(1),
                    sealed: Vec::new(),
                };
                tell(&mut catalog, key, true, at);
            }
        }
        assert_eq!(format!("{catalog:?}"), format!("{:?}", Catalog::default()));
    }

    #[test]
    fn each_tenant_has_its_own() {
        let mut catalog = Catalog::default();
        for id in 1..=9 {
            tell(&mut catalog, bucket(id, id % 3), false, id);
        }
        tell(&mut catalog, bucket(4, 1), true, 10);
        let names: Vec<String> = catalog
            .buckets(TenantId(1))
            .into_iter()
            .map(|it| it.name)
            .collect();
        assert_eq!(names, ["bucket-1", "bucket-7"]);
        assert_eq!(catalog.bucket_ids_of(TenantId(2)).count(), 3);
        assert_eq!(catalog.bucket_ids_of(TenantId(5)).count(), 0);
    }

    #[test]
    fn a_tenant_is_found_by_its_whole_name() {
        let mut catalog = Catalog::default();
        tell(&mut catalog, tenant(5, "mastodon"), false, 1);
        tell(&mut catalog, tenant(3, "mastodon.example"), false, 2);
        let found = |name| catalog.tenant_named(name).map(|tenant| tenant.id.0);
        assert_eq!(found("mastodon"), Some(5));
        assert_eq!(found("mastodon.example"), Some(3));
        assert_eq!(found("mast"), None);
    }
}
