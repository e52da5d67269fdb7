//! `/v1/buckets`: of all tenants. Tenants make and delete their own over S3 too.

use super::answer::{Answer, ApiError, json, no_content};
use super::{keys, tenants};
use http::StatusCode;
use moraine_engine::{Bucket, BucketId, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What S3 asks of a name. The engine takes shorter ones.
const NAME_CHARS_MIN: usize = 3;

/// A bucket, and what it holds.
#[derive(Serialize)]
struct Shown {
    id: String,
    name: String,
    tenant: String,
    tenant_id: String,
    public_read: bool,
    created_ms: u64,
    names: u64,
    logical_bytes: u64,
    upload_bytes: u64,
}

impl Shown {
    fn of(store: &Store, bucket: Bucket) -> Self {
        let usage = store.usage(bucket.id);
        Self {
            id: bucket.id.to_string(),
            name: bucket.name,
            tenant: keys::name_of(store, bucket.tenant),
            tenant_id: bucket.tenant.to_string(),
            public_read: bucket.public_read,
            created_ms: bucket.created_ms,
            names: usage.names,
            logical_bytes: usage.bytes,
            upload_bytes: usage.upload_bytes,
        }
    }
}

/// The bucket of that id, or else of that name. A tenant may name a bucket like another one's id: the id must go on to mean
/// the bucket that it is shown with.
fn find(store: &Store, text: &str) -> Result<Bucket, ApiError> {
    let by_id = tenants::id(text).and_then(|id| store.bucket_by_id(BucketId(id)));
    let found = by_id.or_else(|| store.bucket(text));
    found.ok_or_else(|| ApiError::unknown("bucket", text))
}

/// `GET /v1/buckets`, of one tenant or of all.
pub fn list(store: &Store, tenant: Option<&str>) -> Result<Answer, ApiError> {
    let tenants = match tenant {
        Some(tenant) => vec![tenants::find(store, tenant)?],
        None => store.tenants(),
    };
    let buckets = tenants.iter().flat_map(|tenant| store.buckets(tenant.id));
    let mut buckets: Vec<Shown> = buckets.map(|bucket| Shown::of(store, bucket)).collect();
    buckets.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(json(StatusCode::OK, &json!({"buckets": buckets})))
}

/// `GET /v1/buckets/BUCKET`
pub fn show(store: &Store, bucket: &str) -> Result<Answer, ApiError> {
    let bucket = find(store, bucket)?;
    Ok(json(StatusCode::OK, &Shown::of(store, bucket)))
}

/// What a new bucket is made of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    name: String,
    tenant: String,
    #[serde(default)]
    public_read: bool,
}

/// `POST /v1/buckets`
pub async fn create(store: &Store, new: New) -> Result<Answer, ApiError> {
    if new.name.len() < NAME_CHARS_MIN {
        let message = "a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid", message));
    }
    let tenant = tenants::find(store, &new.tenant)?;
    let bucket = store
        .create_bucket(tenant.id, &new.name, new.public_read)
        .await?;
    tracing::info!(
        bucket = bucket.name,
        tenant = tenant.name,
        "a bucket was created"
    );
    Ok(json(StatusCode::CREATED, &Shown::of(store, bucket)))
}

/// What of a bucket can be changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    public_read: bool,
}

/// `PATCH /v1/buckets/BUCKET`
pub async fn change(store: &Store, bucket: &str, changes: Changes) -> Result<Answer, ApiError> {
    let bucket = find(store, bucket)?;
    let changed = store
        .set_bucket_public_read(bucket.id, changes.public_read)
        .await?;
    tracing::info!(
        bucket = bucket.name,
        public_read = changed.public_read,
        "a bucket was changed"
    );
    let shown = Bucket {
        name: bucket.name,
        ..changed
    };
    Ok(json(StatusCode::OK, &Shown::of(store, shown)))
}

/// `DELETE /v1/buckets/BUCKET`
pub async fn delete(store: &Store, bucket: &str) -> Result<Answer, ApiError> {
    let bucket = find(store, bucket)?;
    store.delete_bucket(bucket.id).await?;
    tracing::info!(bucket = bucket.name, "a bucket was deleted");
    Ok(no_content())
}
