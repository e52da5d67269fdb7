//! DeleteObjects: up to 1,000 keys in one request. What cannot be deleted is an entry of its own; the rest is done.
//!
//! A key that does not exist counts as deleted. Objects have one version, `null`. The deletions of one request share the
//! syncs of the log; once begun they are completed, whether or not the client waits for the answer. So they run in a task
//! of their own, which keeps the memory that the request was granted, and how many do is limited.

use crate::checksum::Algorithm;
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use crate::versions;
use http::HeaderMap;
use moraine_engine::{BucketId, Condition, DELETE_MANY_MAX, Deletion};
use s3s::dto::{
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, Error, ObjectIdentifier,
};
use s3s::{S3Error, S3Request, S3Result, s3_error};
use tokio::sync::Semaphore;

/// Requests whose keys are being deleted; others wait. Each holds up to 1,000 keys and their tombstones, about 2.5 MiB.
const AT_ONCE: usize = 8;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<DeleteObjectsOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    if !is_guarded(&request.headers) {
        return Err(s3_error!(
            InvalidRequest,
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
        ));
    }
    if input.mfa.is_some() {
        return Err(s3_error!(NotImplemented, "MFA delete is not implemented"));
    }
    let objects = input.delete.objects;
    if objects.is_empty() || objects.len() > DELETE_MANY_MAX {
        return Err(s3_error!(MalformedXML));
    }
    let results = delete(door, context, bucket.id, &objects).await?;
    let quiet = input.delete.quiet == Some(true);
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for (object, result) in objects.into_iter().zip(results) {
        match result {
            Ok(()) if quiet => {}
            Ok(()) => deleted.push(DeletedObject {
                key: Some(object.key),
                version_id: object.version_id.filter(|it| !it.is_empty()),
                ..Default::default()
            }),
            Err(error) => failed.push(entry_of(object, error, context)),
        }
    }
    Ok(DeleteObjectsOutput {
        deleted: Some(deleted),
        errors: Some(failed),
        ..Default::default()
    })
}

/// Whether anything says what the body should be: it is short and does much.
fn is_guarded(headers: &HeaderMap) -> bool {
    let has_checksum = Algorithm::ALL
        .iter()
        .any(|algorithm| headers.contains_key(algorithm.header()));
    let signed = headers
        .get("x-amz-content-sha256")
        .is_some_and(|it| !it.as_bytes().windows(8).any(|it| it == b"UNSIGNED"));
    has_checksum
        || signed
        || headers.contains_key("content-md5")
        || headers.contains_key("x-amz-trailer")
}

/// Deletes what can be deleted; what became of each object, in their order.
async fn delete(
    door: &Door,
    context: &RequestContext,
    bucket: BucketId,
    objects: &[ObjectIdentifier],
) -> S3Result<Vec<S3Result<()>>> {
    let checked: Vec<S3Result<Deletion>> = objects.iter().map(deletion).collect();
    let mut refused = Vec::with_capacity(checked.len());
    let mut deletions = Vec::with_capacity(checked.len());
    for checked in checked {
        match checked {
            Ok(deletion) => {
                deletions.push(deletion);
                refused.push(None);
            }
            Err(error) => refused.push(Some(error)),
        }
    }
    let turn = tokio::time::timeout(door.config.limits.memory_wait, TURNS.acquire()).await;
    let turn = turn
        .ok()
        .and_then(Result::ok)
        .ok_or_else(errors::slow_down)?;
    let store = door.store.clone();
    let memory = context.held();
    let work = async move {
        let (_turn, _memory) = (turn, memory);
        store.delete_many(bucket, deletions).await
    };
    let done = tokio::spawn(work)
        .await
        .map_err(|_| s3_error!(InternalError))?
        .map_err(door.failed(context))?;
    let mut done = done.into_iter();
    let merged = refused.into_iter().map(|refused| match refused {
        Some(error) => Err(error),
        None => match done.next() {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(errors::from_engine(&error, context, &door.metrics)),
            None => Err(s3_error!(InternalError)),
        },
    });
    Ok(merged.collect())
}

/// What an entry of the request asks for.
fn deletion(object: &ObjectIdentifier) -> S3Result<Deletion> {
    match object.key.len() {
        0 => return Err(s3_error!(InvalidArgument, "A key is not empty.")),
        1..=1024 => {}
        _ => return Err(s3_error!(KeyTooLongError)),
    }
    versions::check(object.version_id.as_deref().filter(|it| !it.is_empty()))?;
    if object.size.is_some() || object.last_modified_time.is_some() {
        return Err(s3_error!(
            NotImplemented,
            "conditions on Size and LastModifiedTime are not implemented"
        ));
    }
    let condition = match &object.e_tag {
        None => Condition::None,
        Some(ETag::Strong(etag)) if etag == "*" => Condition::IfPresent,
        Some(ETag::Strong(etag)) => Condition::IfMatch(etag.clone()),
        Some(_) => {
            return Err(s3_error!(
                NotImplemented,
                "the condition ETag takes the ETag of an object"
            ));
        }
    };
    Ok((object.key.clone().into_bytes(), condition))
}

fn entry_of(object: ObjectIdentifier, mut error: S3Error, context: &RequestContext) -> Error {
    errors::complete(&mut error, context);
    Error {
        code: Some(error.code().as_str().to_owned()),
        message: error.message().map(str::to_owned),
        key: Some(object.key),
        version_id: object.version_id,
    }
}
