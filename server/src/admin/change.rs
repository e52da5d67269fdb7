//! A change that a request of the admin API asks for, read in full and apart from its connection.

use super::answer::{Answer, ApiError};
use super::{buckets, keys, tenants};
use moraine_engine::Store;

/// A change, with the name of what is changed as it was asked for.
pub enum Change {
    NewTenant(tenants::New),
    EndTenant(String),
    NewKey(keys::New),
    EndKey(String),
    Rotate(String, keys::Rotation),
    NewBucket(buckets::New),
    Bucket(String, buckets::Changes),
    EndBucket(String),
}

impl Change {
    /// Makes it.
    pub async fn make(self, store: &Store) -> Result<Answer, ApiError> {
        match self {
            Self::NewTenant(new) => tenants::create(store, new).await,
            Self::EndTenant(tenant) => tenants::delete(store, &tenant).await,
            Self::NewKey(new) => keys::create(store, new).await,
            Self::EndKey(key) => keys::delete(store, &key).await,
            Self::Rotate(key, how) => keys::rotate(store, &key, how).await,
            Self::NewBucket(new) => buckets::create(store, new).await,
            Self::Bucket(bucket, changes) => buckets::change(store, &bucket, changes).await,
            Self::EndBucket(bucket) => buckets::delete(store, &bucket).await,
        }
    }
}
