//! ListObjectVersions: every object as its only version, whose id is `null`. What was deleted left no marker.
//!
//! Tools that empty a bucket list versions, whether or not it ever had any, and delete each by key and version id.

use super::listing::{self, Encoding};
use super::outgoing::etag;
use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use crate::versions::NULL;
use moraine_engine::{ListEntry, ListQuery, Object};
use s3s::dto::{
    ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion, ObjectVersionStorageClass,
    Owner,
};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<ListObjectVersionsInput>,
) -> S3Result<ListObjectVersionsOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let limit = listing::page_size(input.max_keys, "max-keys")?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.unwrap_or_default();
    let key_marker = input.key_marker.unwrap_or_default();
    let version_marker = input.version_id_marker.unwrap_or_default();
    check_markers(&key_marker, &version_marker)?;
    let query = ListQuery {
        // A key has one version: behind the version is behind the key.
        start: listing::behind(&key_marker, &prefix, &delimiter),
        prefix: prefix.clone().into_bytes(),
        delimiter: delimiter.clone().into_bytes(),
        limit,
    };
    let page = listing::page(door, context, bucket.id, query).await?;
    let owner = listing::owner(door, context)?;
    let next_key_marker = listing::next_marker(&page)
        .map(|marker| encoding.name(marker))
        .transpose()?;
    let ends_with_version = matches!(page.entries.last(), Some(ListEntry::Object(_)));
    let is_truncated = page.next.is_some();
    let (mut versions, mut prefixes) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            ListEntry::Object(object) => versions.push(entry_of(*object, encoding, &owner)?),
            ListEntry::Prefix(prefix) => prefixes.push(encoding.prefix(prefix)?),
        }
    }
    Ok(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.text(prefix)),
        key_marker: Some(encoding.text(key_marker)),
        version_id_marker: Some(version_marker),
        max_keys: Some(listing::count(limit)),
        is_truncated: Some(is_truncated),
        next_version_id_marker: (next_key_marker.is_some() && ends_with_version)
            .then(|| NULL.to_owned()),
        next_key_marker,
        versions: Some(versions),
        common_prefixes: Some(prefixes),
        delimiter: (!delimiter.is_empty()).then(|| encoding.text(delimiter)),
        encoding_type: encoding.said(),
        ..Default::default()
    })
}

fn check_markers(key: &str, version: &str) -> S3Result<()> {
    if version.is_empty() {
        return Ok(());
    }
    if key.is_empty() {
        return Err(s3_error!(
            InvalidArgument,
            "A version-id marker cannot be specified without a key marker."
        ));
    }
    if version != NULL {
        return Err(s3_error!(InvalidArgument, "Invalid version id specified"));
    }
    Ok(())
}

fn entry_of(object: Object, encoding: Encoding, owner: &Owner) -> S3Result<ObjectVersion> {
    let (checksum_algorithm, checksum_type) = listing::checksums(&object.attributes.checksums);
    Ok(ObjectVersion {
        checksum_algorithm,
        checksum_type,
        e_tag: Some(etag(&object.etag)),
        is_latest: Some(true),
        last_modified: Some(seconds(object.modified_ms).into()),
        owner: Some(owner.clone()),
        size: Some(listing::size(object.size)?),
        storage_class: Some(ObjectVersionStorageClass::from(listing::storage_class(
            &object,
        ))),
        version_id: Some(NULL.to_owned()),
        key: Some(encoding.name(object.key)?),
        ..Default::default()
    })
}
