//! CompleteMultipartUpload: makes one object of the parts.
//!
//! Merging may re-read parts, and some clients give up after 5 s of silence. So the work runs on a task of its own; if it
//! takes longer than [`Limits::silence_max`], the answer begins and `s3s` sends blanks until the end is known, as S3 does. An
//! error then comes inside an answer with status 200, which clients look for.
//!
//! The store assembles few uploads at once. [`AT_ONCE`] are handed to it and [`OF_TENANT_AT_ONCE`] of one tenant, fewer than
//! it has turns, so that the others do not wait behind all that one tenant completes. Who waits holds nothing but its list of
//! parts; a repetition waits for the first one, without a turn.

use super::outgoing::{checksum_value, etag};
use super::part_checksums::{Plan, agree};
use super::upload_id;
use super::upload_part::part_number;
use crate::attributes;
use crate::checksum::{self, Algorithm};
use crate::completions::Done;
use crate::conditions::unquoted;
use crate::config::Limits;
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use crate::shares::Shares;
use http::header::HOST;
use http::{HeaderMap, Uri};
use moraine_engine::{Bucket, BucketId, Checksum, CompletePart, Condition, Error, Part, Upload};
use s3s::dto::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart};
use s3s::{S3Request, S3Result, s3_error};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Uploads that are completed at once: the store's turns, and as many that wait for them or for their sync. Each holds up to
/// 10,000 parts twice, some 6 MiB, usually a few KiB.
const AT_ONCE: usize = 8;
/// Those of one tenant.
const OF_TENANT_AT_ONCE: usize = 3;
/// How long a completion may wait until others are done: clients wait while blanks come.
const TURN_WAIT: Duration = Duration::from_secs(300);

/// The turns at completing uploads.
pub fn turns() -> Shares {
    Shares::new(AT_ONCE, OF_TENANT_AT_ONCE, TURN_WAIT)
}

/// Parts that are looked up at once.
const PARTS_PAGE: usize = 1000;

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<CompleteMultipartUploadOutput> {
    let shared = RequestContext::of(&request)?;
    let location = location(&request.uri, &request.headers);
    let (headers, input) = (request.headers, request.input);
    let bucket = door.bucket(context, &input.bucket)?;
    let condition = attributes::condition(&headers)?;
    let named = input
        .multipart_upload
        .and_then(|it| it.parts)
        .filter(|parts| !parts.is_empty() && parts.len() <= Limits::PARTS_MAX.into())
        .ok_or_else(|| s3_error!(MalformedXML))?;
    let parts = parts_of(&named)?;
    let answer = Answer {
        location,
        bucket: input.bucket,
        key: input.key,
    };
    let found = upload_id::find(door, context, &bucket, &answer.key, &input.upload_id).await;
    let upload = match found {
        Ok(upload) => upload,
        Err(error) => {
            let done = repeated(door, bucket.id, &answer.key, &input.upload_id, &parts).await;
            return done.map(|done| answer.output(done)).ok_or(error);
        }
    };
    let size = input.mpu_object_size;
    let checksums = verify(door, context, &bucket, &upload, &named, &headers, size).await?;
    let work = Work {
        bucket,
        upload,
        parts,
        checksums,
        condition,
    };
    finish(door, &shared, work, answer).await
}

/// What became of the upload, if it was completed with the same parts in this bucket a while ago. The bucket is the
/// tenant's; elsewhere, and in one that was made anew under the name, nothing was completed.
async fn repeated(
    door: &Door,
    bucket: BucketId,
    key: &str,
    id: &str,
    parts: &[CompletePart],
) -> Option<Done> {
    let entry = door.completions.find(id.parse().ok()?)?;
    let done = entry.lock().await.clone()?;
    done.is(bucket, key.as_bytes(), parts).then_some(done)
}

/// What is left to do once everything was checked.
struct Work {
    bucket: Bucket,
    upload: Upload,
    parts: Vec<CompletePart>,
    checksums: Vec<Checksum>,
    condition: Condition,
}

impl Work {
    /// `None` if its turn did not come in time.
    async fn run(self, door: &Door) -> Option<moraine_engine::Result<Done>> {
        let entry = door.completions.entry(self.upload.id);
        let mut entry = entry.lock().await;
        if let Some(done) = entry.as_ref() {
            let same = done.is(self.bucket.id, &self.upload.key, &self.parts);
            return Some(same.then(|| done.clone()).ok_or(Error::NoSuchUpload));
        }
        let _turn = door.completing.take(Some(self.bucket.tenant), 1).await?;
        let completed = door.store.complete_upload(
            self.bucket.id,
            self.upload.id,
            &self.parts,
            Limits::PART_BYTES_MIN,
            self.checksums,
            self.condition,
        );
        let done = completed
            .await
            .map(|object| Done::new(&object, &self.parts));
        *entry = done.as_ref().ok().cloned();
        Some(done)
    }
}

struct Answer {
    location: String,
    bucket: String,
    key: String,
}

async fn finish(
    door: &Door,
    context: &Arc<RequestContext>,
    work: Work,
    answer: Answer,
) -> S3Result<CompleteMultipartUploadOutput> {
    let owned = door.clone();
    let memory = context.held();
    let mut task = tokio::spawn(async move {
        let _memory = memory;
        work.run(&owned).await
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
        let done = result.map_err(ended)?.ok_or_else(errors::slow_down)?;
        return Ok(answer.output(done.map_err(door.failed(context))?));
    }
    let (door, context) = (door.clone(), Arc::clone(context));
    let future = async move {
        let result = task.await.map_err(ended);
        let result = result.and_then(|result| result.ok_or_else(errors::slow_down));
        let result = result.and_then(|result| result.map_err(door.failed(&context)));
        let done = result.inspect_err(|error| context.set_error(error.code().as_str()))?;
        Ok(answer.output(done))
    };
    Ok(CompleteMultipartUploadOutput {
        future: Some(Box::pin(future)),
        ..Default::default()
    })
}

impl Answer {
    fn output(self, done: Done) -> CompleteMultipartUploadOutput {
        let value = |algorithm| checksum_value(&done.checksums, algorithm);
        CompleteMultipartUploadOutput {
            location: Some(self.location),
            bucket: Some(self.bucket),
            checksum_crc32: value(Algorithm::Crc32),
            checksum_crc32c: value(Algorithm::Crc32c),
            checksum_crc64nvme: value(Algorithm::Crc64Nvme),
            checksum_sha1: value(Algorithm::Sha1),
            checksum_sha256: value(Algorithm::Sha256),
            checksum_type: super::outgoing::checksum_type(&done.checksums),
            e_tag: Some(etag(&done.etag)),
            key: Some(self.key),
            ..Default::default()
        }
    }
}

/// The URL of the object, as S3 gives it: where the completion was sent to, by the name that the client knows, whether the
/// bucket is in the path or in the host. Behind a proxy that speaks TLS the scheme is what the proxy says.
fn location(uri: &Uri, headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let https = text("x-forwarded-proto").is_some_and(|it| it.eq_ignore_ascii_case("https"));
    let scheme = if https { "https" } else { "http" };
    match text(HOST.as_str()) {
        Some(host) => format!("{scheme}://{host}{}", uri.path()),
        None => uri.path().to_owned(),
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
    let kind = headers.get("x-amz-checksum-type");
    let kind = kind.map(|it| it.to_str().unwrap_or_default());
    let plan = match Plan::from_stored(&upload.attributes.checksums) {
        Some(plan) => plan,
        None => match plan_of(&announced, kind, &parts)? {
            Some(plan) => plan,
            None => return Ok(Vec::new()),
        },
    };
    if kind.is_some_and(|kind| kind != plan.kind().as_str()) {
        return Err(s3_error!(
            InvalidRequest,
            "the upload was created with the checksum type {}",
            plan.kind().as_str()
        ));
    }
    let checksum = plan.combine(&parts)?;
    for (algorithm, value) in announced {
        if algorithm != plan.algorithm || !plan.accepts(&checksum, &value) {
            return Err(errors::bad_digest(algorithm.name()));
        }
    }
    Ok(vec![checksum])
}

/// Which checksum the object of an upload has that was begun without one: that of the completion, if each part has one of
/// that algorithm. What S3 computes of each upload unasked, a CRC64NVME, is not computed here.
fn plan_of(
    announced: &[(Algorithm, String)],
    kind: Option<&str>,
    parts: &[&Part],
) -> S3Result<Option<Plan>> {
    let (algorithm, value) = match announced {
        [] => return Ok(None),
        [(algorithm, value)] => (*algorithm, value),
        _ => {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
    };
    let has = |part: &&Part| checksum::stored(&part.checksums, algorithm).is_some();
    if !parts.iter().all(has) {
        return Err(s3_error!(
            InvalidRequest,
            "the upload was begun without a checksum, and not every part was sent with a {}",
            algorithm.name()
        ));
    }
    Plan::from_completion(algorithm, value, kind)
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
