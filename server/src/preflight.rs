//! What a browser asks before it lets a page of another origin read: `OPTIONS`.
//!
//! The answer is the same for every path, so that it tells nobody what exists: `GET` and `HEAD` from anywhere, with the
//! headers of ranges and conditions. Whether the object may be read is said when it is read. Writing from pages is
//! refused, as S3 does where no rule allows it. A browser sends no signature with the question, except that the address of
//! a signed link holds one; nobody looks at it.

use crate::context::RequestContext;
use crate::errors;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    CONTENT_LENGTH, HeaderMap, HeaderValue, ORIGIN,
};
use http::request::Parts;
use http::{Response, StatusCode};
use s3s::{Body, S3Error, S3Result};
/// The operation's name in metrics and log lines.
pub const OPERATION: &str = "Preflight";

/// What a page may send with a read.
const REQUEST_HEADERS: &str = "Accept, Accept-Language, Cache-Control, Content-Language, Content-Type, If-Match, \
    If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Origin, Pragma, Range, X-Requested-With";

/// What a page may see of an answer, besides what every page may.
const ANSWER_HEADERS: &str = "Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified";

/// How long a browser may remember the answer, in seconds: a day. It never changes.
const MAX_AGE: &str = "86400";

/// Answers the question.
pub fn answer(parts: &Parts, context: &RequestContext) -> S3Result<Response<Body>> {
    context.set_operation(OPERATION);
    if !parts.headers.contains_key(ORIGIN) {
        return Err(bad(
            "Insufficient information. Origin request header needed.",
        ));
    }
    let Some(method) = parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD) else {
        return Err(bad("Invalid Access-Control-Request-Method: null"));
    };
    if !matches!(method.as_bytes(), b"GET" | b"HEAD") {
        return Err(errors::custom(
            "AccessForbidden",
            StatusCode::FORBIDDEN,
            "CORSResponse: This CORS request is not allowed: pages of other origins may read, and no more.",
        ));
    }
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    allow_reading(headers);
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(REQUEST_HEADERS),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    Ok(response)
}

/// Lets pages of every origin read an answer. The headers are the same for all, so that one cached answer will do.
pub fn allow_reading(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(ANSWER_HEADERS),
    );
}

fn bad(message: &'static str) -> S3Error {
    errors::custom("BadRequest", StatusCode::BAD_REQUEST, message)
}
