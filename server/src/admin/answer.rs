//! What the admin API answers: JSON, and errors as `{"error": {"code", "message"}}` with a status that fits.
//!
//! Answers are never cached: some hold a secret.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::Full;
use moraine_engine::Error;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinError;

/// A finished answer.
pub type Answer = Response<Full<Bytes>>;

/// Why a request was refused or failed.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// The methods that would have been answered.
    allow: Option<&'static str>,
}

impl ApiError {
    /// Any error.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            allow: None,
        }
    }

    /// A request that no server could make sense of.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// An address that stands for nothing.
    pub fn nothing_here() -> Self {
        let message = "there is nothing at this address";
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// A task that panicked or was ended with the process.
    pub fn broken(error: &JoinError) -> Self {
        tracing::error!(%error, "a task of the admin API broke off");
        let message = "the request broke off: see the log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// The method is not one of those.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                format!("this address answers {allow}"),
            )
        }
    }

    /// There is no tenant, key or bucket of that name.
    pub fn unknown(what: &'static str, name: &str) -> Self {
        let code = match what {
            "tenant" => "no_such_tenant",
            "key" => "no_such_key",
            _ => "no_such_bucket",
        };
        let message = format!("there is no {what} {name:?}");
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// What the engine said.
    fn of(error: &Error) -> Self {
        let (status, code) = match error {
            Error::NoSuchTenant => (StatusCode::NOT_FOUND, "no_such_tenant"),
            Error::NoSuchAccessKey => (StatusCode::NOT_FOUND, "no_such_key"),
            Error::NoSuchBucket => (StatusCode::NOT_FOUND, "no_such_bucket"),
            Error::TenantExists => (StatusCode::CONFLICT, "tenant_exists"),
            Error::AccessKeyExists => (StatusCode::CONFLICT, "key_exists"),
            Error::BucketExists { .. } => (StatusCode::CONFLICT, "bucket_exists"),
            Error::TenantNotEmpty => (StatusCode::CONFLICT, "tenant_not_empty"),
            Error::BucketNotEmpty => (StatusCode::CONFLICT, "bucket_not_empty"),
            Error::TooMany { .. } => (StatusCode::CONFLICT, "too_many"),
            Error::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid"),
            Error::NoSpace { .. } => (StatusCode::INSUFFICIENT_STORAGE, "full"),
            Error::NoDescriptor { .. } => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Error::Poisoned { .. } => (StatusCode::SERVICE_UNAVAILABLE, "read_only"),
            Error::Closed => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Self::new(status, code, error.to_string())
    }

    /// As an answer.
    pub fn into_answer(self) -> Answer {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        let mut answer = json(self.status, &body);
        let headers = answer.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let answer = Self::of(&error);
        if answer.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%error, "the admin API met a failure");
        }
        answer
    }
}

/// An answer of JSON.
pub fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(body).expect("maps with string keys become JSON");
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The answer to what leaves nothing to tell.
pub fn no_content() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
