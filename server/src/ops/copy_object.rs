//! CopyObject: gives an object's content another name, without touching its bytes.
//!
//! The copy keeps its source's ETag, part sizes and checksums, also where they tell of parts: the content is the same, so
//! they stay true, and a client that verifies the copy finds what it knows. (S3 computes new ones; clients take an ETag as
//! it comes.) A checksum that the client asks for and the source lacks is computed by reading the source; it then replaces
//! the others, for an object has checksums of one type.

use super::copy_source;
use super::copying::{Content, or_late};
use super::outgoing::{checksum_type, checksum_value, etag};
use crate::attributes;
use crate::checksum::{self, Algorithm, Hasher};
use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use http::HeaderMap;
use moraine_engine::{Attributes, Bucket, Checksum, Condition, Object};
use s3s::dto::{CopyObjectInput, CopyObjectOutput, CopyObjectResult, MetadataDirective};
use s3s::dto::{TaggingDirective, Timestamp};
use s3s::{S3Request, S3Result, s3_error};

/// Headers of a copy onto itself that make it one with a change.
const CHANGES: [&str; 2] = ["x-amz-storage-class", "x-amz-checksum-algorithm"];

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<CopyObjectInput>,
) -> S3Result<CopyObjectOutput> {
    let shared = RequestContext::of(&request)?;
    let (headers, input) = (request.headers, request.input);
    let bucket = door.bucket(context, &input.bucket)?;
    let condition = attributes::condition(&headers)?;
    check_tagging(input.tagging_directive.as_ref())?;
    let algorithm = input.checksum_algorithm.as_ref();
    let algorithm = algorithm
        .map(|name| {
            Algorithm::by_name(name.as_str())
                .ok_or_else(|| checksum::unknown_algorithm(name.as_str()))
        })
        .transpose()?;
    let replace = replaces(input.metadata_directive.as_ref())?;
    let source = copy_source::find(door, context, &headers).await?;
    let attributes = if replace {
        Attributes {
            checksums: source.attributes.checksums.clone(),
            ..attributes::from_request(&headers, bucket.tenant)?
        }
    } else {
        attributes::of_copy(&source.attributes, &headers, bucket.tenant)?
    };
    if !replace && is_itself(&source, &bucket, &input.key) && !changes(&headers) {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without \
             changing the object's metadata, storage class, website redirect location or \
             encryption attributes."
        ));
    }
    let work = Work {
        source,
        bucket,
        key: input.key,
        attributes,
        condition,
        compute: algorithm,
    };
    let (owned, owned_context) = (door.clone(), std::sync::Arc::clone(&shared));
    let result = or_late(door, &shared, async move {
        work.run(&owned, &owned_context).await
    });
    Ok(CopyObjectOutput {
        copy_object_result: result.await?,
        ..Default::default()
    })
}

/// What is left to do once everything was checked.
struct Work {
    source: Object,
    bucket: Bucket,
    key: String,
    attributes: Attributes,
    condition: Condition,
    compute: Option<Algorithm>,
}

impl Work {
    async fn run(mut self, door: &Door, context: &RequestContext) -> S3Result<CopyObjectResult> {
        if let Some(algorithm) = self.compute
            && checksum::stored(&self.attributes.checksums, algorithm).is_none()
        {
            self.attributes.checksums = vec![self.computed(door, context, algorithm).await?];
        }
        let object = door
            .store
            .copy(
                &self.source,
                self.bucket.id,
                self.key.as_bytes(),
                Some(self.attributes),
                self.condition,
            )
            .await
            .map_err(door.failed(context))?;
        Ok(result(&object))
    }

    /// The checksum of the source, read for it.
    async fn computed(
        &self,
        door: &Door,
        context: &RequestContext,
        algorithm: Algorithm,
    ) -> S3Result<Checksum> {
        let mut hasher = Hasher::default();
        hasher.add(algorithm);
        let mut content = Content::open(door, context, &self.source, 0..self.source.size).await?;
        while let Some(bytes) = content.next(door, context).await? {
            hasher.update(&bytes);
        }
        let computed = hasher.finish().into_iter().next();
        let (algorithm, value) =
            computed.ok_or_else(|| s3_error!(InternalError, "no checksum was computed"))?;
        Ok(Checksum {
            algorithm: algorithm.name().to_owned(),
            value,
            composite: false,
        })
    }
}

fn result(object: &Object) -> CopyObjectResult {
    let checksums = &object.attributes.checksums;
    let value = |algorithm| checksum_value(checksums, algorithm);
    CopyObjectResult {
        checksum_crc32: value(Algorithm::Crc32),
        checksum_crc32c: value(Algorithm::Crc32c),
        checksum_crc64nvme: value(Algorithm::Crc64Nvme),
        checksum_sha1: value(Algorithm::Sha1),
        checksum_sha256: value(Algorithm::Sha256),
        checksum_type: checksum_type(checksums),
        e_tag: Some(etag(&object.etag)),
        last_modified: Some(Timestamp::from(seconds(object.modified_ms))),
    }
}

fn is_itself(source: &Object, bucket: &Bucket, key: &str) -> bool {
    source.bucket == bucket.id && source.key == key.as_bytes()
}

fn changes(headers: &HeaderMap) -> bool {
    CHANGES.iter().any(|name| headers.contains_key(*name))
}

/// Whether the copy takes its attributes from the request.
fn replaces(directive: Option<&MetadataDirective>) -> S3Result<bool> {
    match directive.map(MetadataDirective::as_str) {
        None | Some(MetadataDirective::COPY) => Ok(false),
        Some(MetadataDirective::REPLACE) => Ok(true),
        Some(_) => Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
    }
}

/// No object has tags, so both directives give none; tags in the request are refused with its other headers.
fn check_tagging(directive: Option<&TaggingDirective>) -> S3Result<()> {
    match directive.map(TaggingDirective::as_str) {
        None | Some(TaggingDirective::COPY | TaggingDirective::REPLACE) => Ok(()),
        Some(_) => Err(s3_error!(InvalidArgument, "Unknown tagging directive.")),
    }
}
