//! CompleteMultipartUpload: makes one object of the parts.
//!
//! Merging may re-read parts, and some clients give up after 5 s of silence. So the work runs on a task of its own; if it
//! takes longer than [`Limits::silence_max`], the answer begins and `s3s` sends blanks until the end is known, as S3 does. An
//! error then comes inside an answer with status 200, which clients look for.

use super::outgoing::{checksum_value, etag};
use super::part_checksums::{Plan, agree};
use super::upload_id;
use super::upload_part::part_number;
use crate::attributes;
use crate::checksum::{self, Algorithm};
use crate::conditions::unquoted;
use crate::config::Limits;
use crate::context::RequestContext;
use crate::door::Door;
use http::HeaderMap;
use moraine_engine::{Bucket, Checksum, CompletePart, Condition, Object, Part, Upload};
use s3s::dto::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart};
use s3s::{S3Request, S3Result, s3_error};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parts that are looked up at once.
const PARTS_PAGE: usize = 1000;

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<CompleteMultipartUploadOutput> {
    let shared = RequestContext::of(&request)?;
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let upload = upload_id::find(door, context, &bucket, &input.key, &input.upload_id).await?;
    let condition = attributes::condition(input.if_match, input.if_none_match)?;
    let named = input
        .multipart_upload
        .and_then(|it| it.parts)
        .filter(|parts| !parts.is_empty() && parts.len() <= Limits::PARTS_MAX.into())
        .ok_or_else(|| s3_error!(MalformedXML))?;
    let parts = parts_of(&named)?;
    let checksums = verify(
        door,
        context,
        &bucket,
        &upload,
        &named,
        &request.headers,
        input.mpu_object_size,
    )
    .await?;
    let work = Work {
        bucket,
        upload,
        parts,
        checksums,
        condition,
    };
    let answer = Answer {
        bucket: input.bucket,
        key: input.key,
    };
    finish(door, &shared, work, answer).await
}

/// What is left to do once everything was checked.
struct Work {
    bucket: Bucket,
    upload: Upload,
    parts: Vec<CompletePart>,
    checksums: Vec<Checksum>,
    condition: Condition,
}

struct Answer {
    bucket: String,
    key: String,
}

async fn finish(
    door: &Door,
    context: &Arc<RequestContext>,
    work: Work,
    answer: Answer,
) -> S3Result<CompleteMultipartUploadOutput> {
    let store = door.store.clone();
    let mut task = tokio::spawn(async move {
        store
            .complete_upload(
                work.bucket.id,
                work.upload.id,
                &work.parts,
                Limits::PART_BYTES_MIN,
                work.checksums,
                work.condition,
            )
            .await
    });
    let ended =
        |error: tokio::task::JoinError| s3_error!(error, InternalError, "the completion failed");
    let silence = door.config.limits.silence_max;
    let early = if silence.is_zero() {
        None
    } else {
        tokio::time::timeout(silence, &mut task).await.ok()
    };
    if let Some(result) = early {
        let object = result.map_err(ended)?.map_err(door.failed(context))?;
        return Ok(answer.output(&object));
    }
    let (door, context) = (door.clone(), Arc::clone(context));
    let future = async move {
        let result = task.await.map_err(ended);
        let result = result.and_then(|result| result.map_err(door.failed(&context)));
        let object = result.inspect_err(|error| context.set_error(error.code().as_str()))?;
        Ok(answer.output(&object))
    };
    Ok(CompleteMultipartUploadOutput {
        future: Some(Box::pin(future)),
        ..Default::default()
    })
}

impl Answer {
    fn output(self, object: &Object) -> CompleteMultipartUploadOutput {
        let checksums = &object.attributes.checksums;
        let value = |algorithm| checksum_value(checksums, algorithm);
        CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", self.bucket, self.key)),
            bucket: Some(self.bucket),
            checksum_crc32: value(Algorithm::Crc32),
            checksum_crc32c: value(Algorithm::Crc32c),
            checksum_crc64nvme: value(Algorithm::Crc64Nvme),
            checksum_sha1: value(Algorithm::Sha1),
            checksum_sha256: value(Algorithm::Sha256),
            checksum_type: super::outgoing::checksum_type(checksums),
            e_tag: Some(etag(&object.etag)),
            key: Some(self.key),
            ..Default::default()
        }
    }
}

fn parts_of(named: &[CompletedPart]) -> S3Result<Vec<CompletePart>> {
    let parts: Vec<CompletePart> = named
        .iter()
        .map(|part| {
            let number = part_number(part.part_number.ok_or_else(|| s3_error!(MalformedXML))?)?;
            let etag = part.e_tag.as_ref().ok_or_else(|| s3_error!(MalformedXML))?;
            Ok(CompletePart {
                number,
                etag: unquoted(etag.value()).to_owned(),
            })
        })
        .collect::<S3Result<_>>()?;
    if parts.is_sorted_by(|one, next| one.number < next.number) {
        Ok(parts)
    } else {
        Err(s3_error!(InvalidPartOrder))
    }
}

/// Holds what the completion says about the parts and the object against what the parts are; returns the checksum that
/// the object will carry.
async fn verify(
    door: &Door,
    context: &RequestContext,
    bucket: &Bucket,
    upload: &Upload,
    named: &[CompletedPart],
    headers: &HeaderMap,
    size: Option<i64>,
) -> S3Result<Vec<Checksum>> {
    let have = uploaded(door, context, bucket, upload).await?;
    let mut parts = Vec::with_capacity(named.len());
    for part in named {
        let stored = part
            .part_number
            .and_then(|number| have.get(&u16::try_from(number).ok()?))
            .filter(|stored| agree(part, stored))
            .ok_or_else(|| s3_error!(InvalidPart))?;
        parts.push(stored);
    }
    let total: u64 = parts.iter().map(|part| part.size).sum();
    if size.is_some_and(|size| u64::try_from(size) != Ok(total)) {
        return Err(s3_error!(
            InvalidRequest,
            "x-amz-mp-object-size is not the size of the parts"
        ));
    }
    let announced = checksum::announced_whole(headers);
    let Some(plan) = Plan::from_stored(&upload.attributes.checksums) else {
        return match announced.is_empty() {
            true => Ok(Vec::new()),
            false => Err(s3_error!(
                InvalidRequest,
                "the upload was begun without a checksum"
            )),
        };
    };
    let checksum = plan.combine(&parts)?;
    let agrees = |(algorithm, value): &(Algorithm, String)| {
        *algorithm == plan.algorithm && *value == checksum.value
    };
    if announced.iter().all(agrees) {
        Ok(vec![checksum])
    } else {
        Err(s3_error!(BadDigest))
    }
}

async fn uploaded(
    door: &Door,
    context: &RequestContext,
    bucket: &Bucket,
    upload: &Upload,
) -> S3Result<BTreeMap<u16, Part>> {
    let mut all = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = door
            .store
            .parts(bucket.id, upload.id, after, PARTS_PAGE)
            .await
            .map_err(door.failed(context))?;
        let full = page.len() == PARTS_PAGE;
        for part in page {
            after = part.number;
            all.insert(part.number, part);
        }
        if !full {
            return Ok(all);
        }
    }
}
