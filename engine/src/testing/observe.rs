//! Reads everything that a store holds, the way a client would.

use super::model::{BucketState, Check, Contents, Failure, PartValue, UploadState, Value, ensure};
use super::op::BucketSlot;
use super::request::{list, read_object};
use crate::{Bucket, ListEntry, ListQuery, Object, Store, TenantId};
use std::collections::BTreeMap;

/// What the name of a bucket begins with; the slot follows.
const BUCKET_PREFIX: &str = "bucket-";

/// The name of a bucket.
pub fn bucket_name(slot: BucketSlot) -> String {
    format!("{BUCKET_PREFIX}{slot}")
}

/// Reads all buckets of a tenant: names, bytes, uploads, parts; and checks that the store agrees with itself.
pub async fn observe(store: &Store, tenant: TenantId) -> Check<Contents> {
    let mut contents = Contents::new();
    for bucket in store.buckets(tenant) {
        let slot = bucket
            .name
            .strip_prefix(BUCKET_PREFIX)
            .and_then(|slot| slot.parse().ok());
        let slot = slot.ok_or_else(|| Failure(format!("a bucket named {}", bucket.name)))?;
        let by_name = store.bucket(&bucket.name);
        ensure!(
            by_name.map(|found| found.id) == Some(bucket.id),
            "a bucket under another name"
        );
        let state = observe_bucket(store, &bucket)
            .await
            .map_err(|failure| Failure(format!("bucket {slot}: {}", failure.0)))?;
        contents.insert(slot, state);
    }
    Ok(contents)
}

async fn observe_bucket(store: &Store, bucket: &Bucket) -> Check<BucketState> {
    let mut state = BucketState::new(bucket.id);
    // A page size at which most listings have several pages.
    let query = ListQuery {
        limit: 4,
        ..ListQuery::default()
    };
    let entries = list(store, bucket.id, query).await.map_err(fail("list"))?;
    for entry in entries {
        let ListEntry::Object(object) = entry else {
            return Err(Failure("a common prefix without a delimiter".to_owned()));
        };
        let value = observe_object(store, bucket, &object).await?;
        let key = object.key.clone();
        ensure!(
            state.objects.insert(key, value).is_none(),
            "{:?} is listed twice",
            object.key
        );
    }
    for upload in store
        .uploads(bucket.id, None, 1000)
        .await
        .map_err(fail("list uploads"))?
    {
        let parts = store
            .parts(bucket.id, upload.id, 0, 10_000)
            .await
            .map_err(fail("list parts"))?;
        let parts: BTreeMap<u16, PartValue> = parts
            .into_iter()
            .map(|part| {
                let value = PartValue {
                    size: part.size,
                    etag: part.etag,
                    checksums: part.checksums,
                    content: None,
                };
                (part.number, value)
            })
            .collect();
        let upload_state = UploadState {
            key: upload.key,
            attributes: upload.attributes,
            parts,
        };
        ensure!(
            state.uploads.insert(upload.id, upload_state).is_none(),
            "an upload listed twice"
        );
    }
    Ok(state)
}

async fn observe_object(store: &Store, bucket: &Bucket, listed: &Object) -> Check<Value> {
    let key = String::from_utf8_lossy(&listed.key).into_owned();
    let place = |what: &'static str| {
        let key = key.clone();
        move |error| Failure(format!("{what} {key:?}: {error}"))
    };
    let object = store
        .head(bucket.id, &listed.key)
        .await
        .map_err(place("head"))?;
    let range = 0..object.size;
    let content = read_object(store, &object, range)
        .await
        .map_err(place("read"))?;
    let value = Value {
        content,
        etag: object.etag.clone(),
        attributes: object.attributes.clone(),
        part_sizes: object.part_sizes.clone(),
        stamp: Some((object.version, object.modified_ms)),
    };
    ensure!(
        object.bucket == bucket.id && object.key == listed.key,
        "{key:?} leads to another name"
    );
    ensure!(
        value.describes(&object),
        "{key:?} is not what its name says: {object:?}"
    );
    ensure!(value.describes(listed), "{key:?} is listed as {listed:?}");
    Ok(value)
}

fn fail(what: &'static str) -> impl Fn(crate::Error) -> Failure {
    move |error| Failure(format!("{what}: {error}"))
}
