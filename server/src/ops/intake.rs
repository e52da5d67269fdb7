//! How a body becomes a staged blob: streamed, counted, and held against everything that the client said about it.
//!
//! Only a body that passes every check here is given a name. One that does not leaves dead records at most.

use crate::checksum::{self, Algorithm, Hasher};
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use crate::guards::is_aws_chunked;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, TRANSFER_ENCODING};
use http_body_util::BodyExt;
use moraine_engine::{BlobWriter, Checksum, StagedBlob};
use s3s::dto::StreamingBlob;
use s3s::{Body, S3Request, S3Result, TrailingHeaders, s3_error};

/// Trailers in one body: one checksum is what clients send.
const TRAILERS_MAX: usize = 8;

/// What the client said about a body before it sent it.
pub struct Intake {
    /// `None` if only the end of the body tells.
    length: Option<u64>,
    length_max: u64,
    md5: Option<[u8; 16]>,
    expected: Vec<(Algorithm, String)>,
    trailers: Vec<Algorithm>,
    also: Option<Algorithm>,
    trailing: Option<TrailingHeaders>,
}

/// A body that is what the client said.
pub struct Received {
    /// Its bytes, without a name as yet.
    pub blob: StagedBlob,
    /// Its checksums: those that the client sent, and one more if it was asked for.
    pub checksums: Vec<Checksum>,
}

impl Intake {
    /// Reads the headers. Also computes the checksum `also`.
    pub fn new<T>(
        door: &Door,
        context: &RequestContext,
        request: &S3Request<T>,
        also: Option<Algorithm>,
    ) -> S3Result<Self> {
        let headers = &request.headers;
        let length = length(context, headers)?;
        let length_max = door.config.limits.body_bytes_max;
        if length.is_some_and(|length| length > length_max) {
            return Err(s3_error!(EntityTooLarge));
        }
        Ok(Self {
            length,
            length_max,
            md5: checksum::content_md5(headers)?,
            expected: checksum::announced(headers)?,
            trailers: trailers(headers)?,
            also,
            trailing: request.trailing_headers.clone(),
        })
    }

    /// The length of the content, if it is known before its end.
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Takes the body in.
    pub async fn receive(
        self,
        door: &Door,
        context: &RequestContext,
        body: Option<StreamingBlob>,
        mut writer: BlobWriter,
    ) -> S3Result<Received> {
        let mut hasher = Hasher::default();
        for (algorithm, _) in &self.expected {
            hasher.add(*algorithm);
        }
        for algorithm in self.trailers.iter().chain(&self.also) {
            hasher.add(*algorithm);
        }
        let length = self
            .stream(door, context, body, &mut writer, &mut hasher)
            .await?;
        let checksums = self.verify(hasher.finish())?;
        let blob = in_time(door, context, writer.finish()).await?;
        if blob.size() != length {
            return Err(s3_error!(
                InternalError,
                "the staged blob has another length"
            ));
        }
        if self.md5.is_some_and(|md5| md5 != blob.md5()) {
            return Err(errors::bad_digest("Content-MD5"));
        }
        Ok(Received { blob, checksums })
    }

    /// Takes all of the body, and returns how much it was.
    async fn stream(
        &self,
        door: &Door,
        context: &RequestContext,
        body: Option<StreamingBlob>,
        writer: &mut BlobWriter,
        hasher: &mut Hasher,
    ) -> S3Result<u64> {
        let mut body = body.map_or_else(Body::empty, Body::from);
        let mut taken = 0_u64;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| errors::from_stream(&error.to_string(), context))?;
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            taken = taken.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            self.check_length(taken)?;
            if bytes.is_empty() {
                continue;
            }
            hasher.update(&bytes);
            in_time(door, context, writer.write(bytes)).await?;
        }
        // A body that nobody watched to its end, final chunk included, is not complete whatever its length.
        if let Some(fault) = context.fault() {
            return Err(errors::from_fault(fault));
        }
        if self.length.is_some_and(|length| length != taken) || !context.body_ended() {
            return Err(errors::incomplete());
        }
        Ok(taken)
    }

    fn check_length(&self, taken: u64) -> S3Result<()> {
        match self.length {
            Some(length) if taken > length => Err(errors::incomplete()),
            None if taken > self.length_max => Err(s3_error!(EntityTooLarge)),
            _ => Ok(()),
        }
    }

    /// Holds the computed checksums against the headers and the trailers.
    fn verify(&self, computed: Vec<(Algorithm, String)>) -> S3Result<Vec<Checksum>> {
        let trailing = self
            .trailing
            .as_ref()
            .and_then(TrailingHeaders::take)
            .unwrap_or_default();
        if trailing.len() != self.trailers.len() {
            return Err(errors::malformed_trailer(
                "the trailers are not those that were announced",
            ));
        }
        for (algorithm, value) in &computed {
            let header = self.expected.iter().find(|(it, _)| it == algorithm);
            if header.is_some_and(|(_, expected)| expected != value) {
                return Err(errors::bad_digest(algorithm.name()));
            }
            if self.trailers.contains(algorithm) {
                let trailer = trailing.get(algorithm.header()).ok_or_else(|| {
                    errors::malformed_trailer("a trailer that was announced is missing")
                })?;
                if trailer.as_bytes() != value.as_bytes() {
                    return Err(errors::bad_digest(algorithm.name()));
                }
            }
        }
        Ok(computed
            .into_iter()
            .map(|(algorithm, value)| Checksum {
                algorithm: algorithm.name().to_owned(),
                value,
                composite: false,
            })
            .collect())
    }
}

/// Bounds how long the engine may take: it waits for memory without an end, and so would the client.
pub async fn in_time<T>(
    door: &Door,
    context: &RequestContext,
    work: impl Future<Output = moraine_engine::Result<T>>,
) -> S3Result<T> {
    match tokio::time::timeout(door.config.limits.memory_wait, work).await {
        Ok(result) => result.map_err(door.failed(context)),
        Err(_) => {
            tracing::warn!(request = %context.id, "a body waited too long for memory");
            Err(errors::slow_down())
        }
    }
}

/// The length of the content: without the coding, if it is coded. `None` if the client begins without knowing it.
fn length(context: &RequestContext, headers: &HeaderMap) -> S3Result<Option<u64>> {
    if is_aws_chunked(headers) {
        return decoded_length(headers).map(Some);
    }
    if is_ambiguous(headers) {
        return Err(s3_error!(
            InvalidRequest,
            "a body in the aws-chunked coding says so in x-amz-content-sha256"
        ));
    }
    if context.content_length.is_none() && !headers.contains_key(TRANSFER_ENCODING) {
        return Err(s3_error!(MissingContentLength));
    }
    Ok(context.content_length)
}

fn decoded_length(headers: &HeaderMap) -> S3Result<u64> {
    headers
        .get("x-amz-decoded-content-length")
        .ok_or_else(|| s3_error!(MissingContentLength))?
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "x-amz-decoded-content-length is not a length"
            )
        })
}

/// Whether one header says that the body is coded and no other says how: storing the coding as content would be wrong. A
/// body whose plain SHA-256 is given is not coded, whatever else is said.
fn is_ambiguous(headers: &HeaderMap) -> bool {
    let sha256 = headers
        .get("x-amz-content-sha256")
        .map(|value| value.as_bytes());
    let plain = sha256.is_some_and(|value| value.len() == 64);
    let coded = headers.contains_key("x-amz-decoded-content-length")
        || headers.get_all(CONTENT_ENCODING).iter().any(|value| {
            let names = value.as_bytes().split(|byte| *byte == b',');
            names
                .map(<[u8]>::trim_ascii)
                .any(|name| name.eq_ignore_ascii_case(b"aws-chunked"))
        });
    coded && !plain
}

/// The trailers that are announced. Only checksums are known.
fn trailers(headers: &HeaderMap) -> S3Result<Vec<Algorithm>> {
    let mut found = Vec::new();
    for value in headers.get_all("x-amz-trailer") {
        for name in value.to_str().unwrap_or_default().split(',') {
            let algorithm = Algorithm::by_header(name.trim()).ok_or_else(|| {
                s3_error!(
                    InvalidRequest,
                    "The value specified in the x-amz-trailer header is not supported"
                )
            })?;
            if !found.contains(&algorithm) {
                found.push(algorithm);
            }
        }
    }
    if found.len() > TRAILERS_MAX {
        return Err(s3_error!(InvalidRequest, "too many trailers"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_decoded_length_counts_where_there_is_a_coding() {
        let context = RequestContext::new(Some(7));
        assert_eq!(length(&context, &HeaderMap::new()).unwrap(), Some(7));
        let coded = [("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")];
        assert!(length(&context, &headers(&coded)).is_err());
        let with = |value| headers(&[coded[0], ("x-amz-decoded-content-length", value)]);
        assert_eq!(length(&context, &with("5")).unwrap(), Some(5));
        for bad in ["", "-5", "+5", "5x", "99999999999999999999"] {
            assert!(length(&context, &with(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_transfer_in_chunks_has_no_length() {
        let context = RequestContext::new(None);
        let code = |headers: &HeaderMap| length(&context, headers).map_err(|it| it.code().clone());
        let missing = Err(s3s::S3ErrorCode::MissingContentLength);
        assert_eq!(code(&HeaderMap::new()), missing);
        let chunked = headers(&[("transfer-encoding", "chunked")]);
        assert_eq!(code(&chunked), Ok(None));
    }

    #[test]
    fn a_coding_that_is_only_hinted_at_is_refused() {
        let context = RequestContext::new(Some(7));
        for (sha256, refused) in [("UNSIGNED-PAYLOAD", true), (&"0".repeat(64), false)] {
            for hint in [
                ("content-encoding", "gzip, aws-chunked"),
                ("x-amz-decoded-content-length", "5"),
            ] {
                let headers = headers(&[("x-amz-content-sha256", sha256), hint]);
                assert_eq!(
                    length(&context, &headers).is_err(),
                    refused,
                    "{sha256} {hint:?}"
                );
            }
        }
    }

    #[test]
    fn only_checksums_are_trailers() {
        let found = trailers(&headers(&[(
            "x-amz-trailer",
            "x-amz-checksum-crc32, X-Amz-Checksum-Sha1",
        )]));
        assert_eq!(found.unwrap(), [Algorithm::Crc32, Algorithm::Sha1]);
        assert!(trailers(&headers(&[("x-amz-trailer", "x-amz-meta-a")])).is_err());
    }
}
