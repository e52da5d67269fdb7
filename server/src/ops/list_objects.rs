//! ListObjects: the first version of the listing, whose pages begin behind a key or common prefix that the client names.
//!
//! As in S3, `NextMarker` is there only with a delimiter; without one, clients go on behind the last key. A truncated page
//! without any entry, of which a client could not go on, has it too.

use super::listing::{self, Encoding};
use super::outgoing::etag;
use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use moraine_engine::{ListEntry, ListQuery};
use s3s::dto::{ListObjectsInput, ListObjectsOutput, Object, ObjectStorageClass, Owner};
use s3s::{S3Request, S3Result};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<ListObjectsInput>,
) -> S3Result<ListObjectsOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let limit = listing::page_size(input.max_keys, "max-keys")?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.unwrap_or_default();
    let marker = input.marker.unwrap_or_default();
    let query = ListQuery {
        start: listing::behind(&marker, &prefix, &delimiter),
        prefix: prefix.clone().into_bytes(),
        delimiter: delimiter.clone().into_bytes(),
        limit,
    };
    let page = listing::page(door, context, bucket.id, query).await?;
    let owner = listing::owner(door, context)?;
    let next_marker = listing::next_marker(&page)
        .filter(|_| !delimiter.is_empty() || page.entries.is_empty())
        .map(|marker| encoding.name(marker))
        .transpose()?;
    let is_truncated = page.next.is_some();
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            ListEntry::Object(object) => contents.push(entry_of(*object, encoding, Some(&owner))?),
            ListEntry::Prefix(prefix) => prefixes.push(encoding.prefix(prefix)?),
        }
    }
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.text(prefix)),
        marker: Some(encoding.text(marker)),
        max_keys: Some(listing::count(limit)),
        is_truncated: Some(is_truncated),
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        delimiter: (!delimiter.is_empty()).then(|| encoding.text(delimiter)),
        next_marker,
        encoding_type: encoding.said(),
        ..Default::default()
    })
}

/// An object as both versions of the listing show it.
pub fn entry_of(
    object: moraine_engine::Object,
    encoding: Encoding,
    owner: Option<&Owner>,
) -> S3Result<Object> {
    let (checksum_algorithm, checksum_type) = listing::checksums(&object.attributes.checksums);
    Ok(Object {
        checksum_algorithm,
        checksum_type,
        e_tag: Some(etag(&object.etag)),
        last_modified: Some(seconds(object.modified_ms).into()),
        owner: owner.cloned(),
        size: Some(listing::size(object.size)?),
        storage_class: Some(ObjectStorageClass::from(listing::storage_class(&object))),
        key: Some(encoding.name(object.key)?),
        ..Default::default()
    })
}
