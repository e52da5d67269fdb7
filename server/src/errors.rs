//! Every error that leaves the door as an S3 error: the engine's, the body's, and those of the streams inside `s3s`.
//!
//! The streams' error types are private to `s3s`, so they are told apart by their text; `tests/door/stream_texts.rs` fails
//! when a new version changes a text.

use crate::body::{BlobBroken, BodyFault};
use crate::context::RequestContext;
use crate::error_sentences::sentence;
use crate::metrics::Metrics;
use bytes::Bytes;
use http::{Response, StatusCode};
use moraine_engine::Error;
use s3s::{Body, S3Error, S3ErrorCode, s3_error};
use std::str::FromStr;
use std::sync::atomic::Ordering;

/// A code that `s3s` does not know, with its status.
pub fn custom(code: &'static str, status: StatusCode, message: impl Into<String>) -> S3Error {
    let code = S3ErrorCode::from_str(code).unwrap_or(S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, message.into());
    error.set_status_code(status);
    error
}

/// Completes an error for the client: the request's id, and a sentence where there is none as yet.
pub fn complete(error: &mut S3Error, context: &RequestContext) {
    error.set_request_id(context.id.clone());
    if error.message().is_none()
        && let Some(sentence) = sentence(error.code())
    {
        error.set_message(sentence);
    }
}

/// Adds an element to an error that is ready to leave.
pub fn add_element(response: &mut Response<Body>, name: &str, text: &str) {
    let Some(body) = response.body().bytes() else {
        return;
    };
    let Some(start) = body.strip_suffix(END.as_bytes()) else {
        return;
    };
    let end = format!("<{name}>{text}</{name}>{END}");
    *response.body_mut() = Body::from(Bytes::from([start, end.as_bytes()].concat()));
}

const END: &str = "</Error>";

/// The S3 error of an engine error. Damage is logged and counted here, with its place.
pub fn from_engine(error: &Error, context: &RequestContext, metrics: &Metrics) -> S3Error {
    if matches!(error, Error::Damaged { .. } | Error::Missing { .. }) {
        metrics.damaged_reads.fetch_add(1, Ordering::Relaxed);
        tracing::error!(request = %context.id, %error, "a read met damage");
        return s3_error!(InternalError, "the object's bytes are damaged");
    }
    let answer = plain(error);
    if answer.code() == &S3ErrorCode::InternalError {
        tracing::error!(request = %context.id, %error, "the engine failed");
    }
    answer
}

fn plain(error: &Error) -> S3Error {
    match error {
        Error::NoSpace { .. } => custom(
            "InsufficientStorage",
            StatusCode::INSUFFICIENT_STORAGE,
            "the store is full",
        ),
        Error::NoDescriptor { .. } => slow_down(),
        Error::Poisoned { .. } => {
            s3_error!(
                ServiceUnavailable,
                "the store is read-only after a failed write"
            )
        }
        Error::Closed => s3_error!(ServiceUnavailable, "the server is stopping"),
        Error::NoSuchBucket => s3_error!(NoSuchBucket),
        Error::TooMany { .. } => s3_error!(
            TooManyBuckets,
            "You have attempted to create more buckets than allowed."
        ),
        // Its key was found a moment ago: it was deleted since.
        Error::NoSuchTenant => s3_error!(InvalidAccessKeyId),
        Error::NoSuchKey => s3_error!(NoSuchKey),
        Error::NoSuchUpload => s3_error!(NoSuchUpload),
        Error::BucketExists { same_tenant: true } => s3_error!(BucketAlreadyOwnedByYou),
        Error::BucketExists { same_tenant: false } => s3_error!(BucketAlreadyExists),
        Error::BucketNotEmpty => s3_error!(BucketNotEmpty),
        Error::InvalidPart { number } => {
            s3_error!(
                InvalidPart,
                "part {number} was not uploaded, or has another ETag"
            )
        }
        Error::PartTooSmall { number } => {
            s3_error!(
                EntityTooSmall,
                "part {number} is smaller than 5 MiB and not the last"
            )
        }
        Error::PreconditionFailed => s3_error!(PreconditionFailed),
        Error::Invalid { what: "parts", why } => s3_error!(InvalidPartOrder, "{why}"),
        Error::Invalid { what, why } => s3_error!(InvalidArgument, "invalid {what}: {why}"),
        Error::TooLarge { limit } => {
            s3_error!(EntityTooLarge, "an object holds at most {limit} bytes")
        }
        Error::DigestMismatch { digest } => {
            s3_error!(
                BadDigest,
                "the {digest} of the content is not the one that was given"
            )
        }
        _ => s3_error!(InternalError, "the store failed"),
    }
}

/// The S3 error of a body that was at fault.
pub fn from_fault(fault: BodyFault) -> S3Error {
    match fault {
        BodyFault::Truncated => incomplete(),
        BodyFault::TooSlow => s3_error!(RequestTimeout, "{fault}"),
        BodyFault::NoMemory => slow_down(),
        BodyFault::Xml(_) => s3_error!(MalformedXML, "{fault}"),
        BodyFault::XmlTooLarge => s3_error!(MaxMessageLengthExceeded, "{fault}"),
        BodyFault::CodedXml | BodyFault::ForeignXml => s3_error!(NotImplemented, "{fault}"),
        BodyFault::InvalidMd5 => s3_error!(InvalidDigest),
        BodyFault::Digest(what) => bad_digest(what),
        BodyFault::Malformed | BodyFault::ChunkTooLarge | BodyFault::InvalidChecksum => {
            s3_error!(InvalidRequest, "{fault}")
        }
    }
}

/// The body does not have the digest that its sender gave.
pub fn bad_digest(what: &str) -> S3Error {
    s3_error!(
        BadDigest,
        "The {what} you specified did not match the calculated checksum."
    )
}

/// The body is shorter or longer than was announced.
pub fn incomplete() -> S3Error {
    s3_error!(
        IncompleteBody,
        "the body has another length than was announced"
    )
}

/// The body is not what `x-amz-content-sha256` says.
pub fn content_sha256_mismatch() -> S3Error {
    custom(
        "XAmzContentSHA256Mismatch",
        StatusCode::BAD_REQUEST,
        "the provided 'x-amz-content-sha256' header does not match what was computed",
    )
}

/// The object has no part of that number.
pub fn invalid_part_number() -> S3Error {
    custom(
        "InvalidPartNumber",
        StatusCode::RANGE_NOT_SATISFIABLE,
        "The requested partnumber is not satisfiable.",
    )
}

/// The header fields are larger than the server reads.
pub fn headers_too_large() -> S3Error {
    custom(
        "RequestHeaderSectionTooLarge",
        StatusCode::BAD_REQUEST,
        "Your request header section exceeds the maximum allowed request header section size.",
    )
}

/// There is no memory for a body, or the disk is too slow: the client may try again.
pub fn slow_down() -> S3Error {
    s3_error!(SlowDown, "Please reduce your request rate.")
}

/// The parameters of a signed link are not what S3 demands.
pub fn bad_link(message: &str) -> S3Error {
    custom(
        "AuthorizationQueryParametersError",
        StatusCode::BAD_REQUEST,
        message,
    )
}

/// A trailer is missing that was announced, or one came that was not.
pub fn malformed_trailer(message: &str) -> S3Error {
    custom("MalformedTrailerError", StatusCode::BAD_REQUEST, message)
}

/// The S3 error of a stream error of `s3s`, whose text is all that is known.
pub fn from_stream(text: &str, context: &RequestContext) -> S3Error {
    if let Some(fault) = context.fault() {
        return from_fault(fault);
    }
    // A stream inside another names the outer one first.
    let text = text.rsplit("Underlying: ").next().unwrap_or(text);
    match text.split(": ").collect::<Vec<_>>().as_slice() {
        ["UploadStreamError", "Sha256Mismatch", ..] => content_sha256_mismatch(),
        ["UploadStreamError", "LengthMismatch" | "Incomplete", ..]
        | ["AwsChunkedStreamError", "Incomplete", ..] => incomplete(),
        ["AwsChunkedStreamError", "SignatureMismatch", ..] => {
            s3_error!(
                SignatureDoesNotMatch,
                "the signature of a chunk does not match"
            )
        }
        ["AwsChunkedStreamError", "FormatError", ..] => from_fault(BodyFault::Malformed),
        [
            "AwsChunkedStreamError",
            "ChunkMetaTooLarge" | "TrailersTooLarge" | "TooManyTrailerHeaders",
            ..,
        ] => malformed_trailer("the lines around the chunks are too long"),
        _ => {
            tracing::error!(request = %context.id, error = text, "an unknown error of a body");
            s3_error!(InternalError, "the body could not be read")
        }
    }
}

/// The S3 error of an answer that could not begin.
pub fn from_broken(error: &BlobBroken, context: &RequestContext, metrics: &Metrics) -> S3Error {
    match error {
        BlobBroken::Engine(error) => from_engine(error, context, metrics),
        BlobBroken::Wait => {
            tracing::warn!(request = %context.id, %error, "an answer could not begin");
            slow_down()
        }
        BlobBroken::Length => {
            report_broken(error, &context.id, metrics);
            s3_error!(InternalError, "the object's bytes are damaged")
        }
    }
}

/// Logs and counts an answer that broke off in the middle.
pub fn report_broken(error: &BlobBroken, request: &str, metrics: &Metrics) {
    metrics.broken_reads.fetch_add(1, Ordering::Relaxed);
    if matches!(
        error,
        BlobBroken::Length | BlobBroken::Engine(Error::Damaged { .. } | Error::Missing { .. })
    ) {
        metrics.damaged_reads.fetch_add(1, Ordering::Relaxed);
    }
    tracing::error!(request, %error, "an answer broke off");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> (String, u16) {
        let error = from_stream(text, &RequestContext::new(None));
        let status = error.status_code().map_or(0, |it| it.as_u16());
        (error.code().as_str().to_owned(), status)
    }

    fn is(text: &str, expected: &str, status: u16) {
        assert_eq!(code(text), (expected.to_owned(), status), "{text}");
    }

    #[test]
    fn sha256_mismatch() {
        is(
            "UploadStreamError: Sha256Mismatch",
            "XAmzContentSHA256Mismatch",
            400,
        );
    }

    #[test]
    fn length_mismatch() {
        is("UploadStreamError: LengthMismatch", "IncompleteBody", 400);
    }

    #[test]
    fn incomplete_upload() {
        is("UploadStreamError: Incomplete", "IncompleteBody", 400);
    }

    #[test]
    fn incomplete_chunk() {
        is("AwsChunkedStreamError: Incomplete", "IncompleteBody", 400);
    }

    #[test]
    fn chunk_signature() {
        is(
            "AwsChunkedStreamError: SignatureMismatch",
            "SignatureDoesNotMatch",
            403,
        );
    }

    #[test]
    fn chunk_format() {
        is("AwsChunkedStreamError: FormatError", "InvalidRequest", 400);
    }

    #[test]
    fn long_chunk_line() {
        is(
            "AwsChunkedStreamError: Underlying: AwsChunkedStreamError: ChunkMetaTooLarge: size 2000 exceeds limit 1024",
            "MalformedTrailerError",
            400,
        );
    }

    #[test]
    fn long_trailers() {
        is(
            "AwsChunkedStreamError: TrailersTooLarge: size 20000 exceeds limit 16384",
            "MalformedTrailerError",
            400,
        );
    }

    #[test]
    fn many_trailers() {
        is(
            "AwsChunkedStreamError: TooManyTrailerHeaders: count 101 exceeds limit 100",
            "MalformedTrailerError",
            400,
        );
    }

    #[test]
    fn anything_else_is_our_fault() {
        is("something new", "InternalError", 500);
    }

    #[test]
    fn a_fault_of_the_body_is_known_whatever_the_text() {
        let context = RequestContext::new(None);
        context.set_fault(BodyFault::TooSlow);
        let error = from_stream("AwsChunkedStreamError: Underlying: x", &context);
        assert_eq!(error.code(), &S3ErrorCode::RequestTimeout);
    }

    #[test]
    fn a_full_store_is_507() {
        let error = plain(&Error::NoSpace { need: 1 });
        assert_eq!(error.code().as_str(), "InsufficientStorage");
        assert_eq!(error.status_code(), Some(StatusCode::INSUFFICIENT_STORAGE));
    }
}
