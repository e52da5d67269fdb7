//! The admin API: who may ask, where a request goes, and what its body says. `docs/admin-api.md` describes it to its users.
//!
//! Every request shows the token, compared in constant time. Its `Host` must be an IP address or a name without a dot
//! (`localhost`, a container's name): a web page that made its own domain name point at this listener is refused before
//! anything else. Names in paths are matched as they are: none of them holds a character that would have to be encoded.

use super::answer::{Answer, ApiError};
use super::change::Change;
use super::{Admin, buckets, keys, status, tenants};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use moraine_engine::Secret;
use serde::de::DeserializeOwned;
use std::error::Error as StdError;
use std::net::IpAddr;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Bytes of a body: the largest sensible one, a key with a tenant's name, is below 1 KiB.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether a path belongs to the API.
pub fn is_for(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Answers a request of the API.
pub async fn answer<B>(admin: &Admin, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    match handle(admin, &parts, body).await {
        Ok(answer) => answer,
        Err(error) => error.into_answer(),
    }
}

/// What an address of the API stands for.
pub enum Place<'a> {
    Status,
    Tenants,
    Tenant(&'a str),
    Keys,
    Key(&'a str),
    Rotation(&'a str),
    Buckets,
    Bucket(&'a str),
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let mut segments = path.strip_prefix("/v1/")?.split('/');
        let place = (segments.next()?, segments.next(), segments.next());
        if segments.next().is_some() || place.1.is_some_and(str::is_empty) {
            return None;
        }
        Some(match place {
            ("status", None, None) => Self::Status,
            ("tenants", None, None) => Self::Tenants,
            ("tenants", Some(tenant), None) => Self::Tenant(tenant),
            ("keys", None, None) => Self::Keys,
            ("keys", Some(key), None) => Self::Key(key),
            ("keys", Some(key), Some("rotate")) => Self::Rotation(key),
            ("buckets", None, None) => Self::Buckets,
            ("buckets", Some(bucket), None) => Self::Bucket(bucket),
            _ => return None,
        })
    }

    const fn methods(&self) -> &'static str {
        match self {
            Self::Status => "GET, HEAD",
            Self::Tenants | Self::Keys | Self::Buckets => "GET, HEAD, POST",
            Self::Tenant(_) => "GET, HEAD, DELETE",
            Self::Key(_) => "GET, HEAD, DELETE",
            Self::Rotation(_) => "POST",
            Self::Bucket(_) => "GET, HEAD, PATCH, DELETE",
        }
    }
}

async fn handle<B>(admin: &Admin, parts: &Parts, body: B) -> Result<Answer, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    check_host(parts)?;
    check_token(&parts.headers, admin.token.as_ref())?;
    match understand(parts, body).await? {
        Wish::Read(place, tenant) => read(admin, &place, tenant).await,
        Wish::Change(change) => {
            // The change is carried to its end also if who asked for it has gone.
            let store = admin.store.clone();
            let made = tokio::spawn(async move { change.make(&store).await });
            made.await
                .unwrap_or_else(|error| Err(ApiError::broken(&error)))
        }
    }
}

/// What a request asks for.
pub enum Wish<'a> {
    /// Something is to be shown; of a list only what belongs to this tenant.
    Read(Place<'a>, Option<&'a str>),
    /// Something is to be changed.
    Change(Change),
}

/// Reads a request whose client may ask.
pub async fn understand<B>(parts: &Parts, body: B) -> Result<Wish<'_>, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let Some(place) = Place::of(parts.uri.path()) else {
        return Err(ApiError::nothing_here());
    };
    let allowed = place.methods();
    if !allowed
        .split(", ")
        .any(|name| name == parts.method.as_str())
    {
        return Err(ApiError::method_not_allowed(allowed));
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let tenant = tenant_asked(
        parts.uri.query(),
        reads && matches!(place, Place::Keys | Place::Buckets),
    )?;
    if reads {
        return Ok(Wish::Read(place, tenant));
    }
    change(place, parts, body).await.map(Wish::Change)
}

/// Answers what changes nothing. All of the catalog may be looked at and written down, which is no work for the threads that
/// the network needs.
async fn read(admin: &Admin, place: &Place<'_>, tenant: Option<&str>) -> Result<Answer, ApiError> {
    if matches!(place, Place::Status) {
        return status::show(admin).await;
    }
    let store = admin.store.clone();
    let tenant = tenant.map(str::to_owned);
    let look: Box<dyn FnOnce() -> Result<Answer, ApiError> + Send> = match *place {
        Place::Tenants => Box::new(move || Ok(tenants::list(&store))),
        Place::Keys => Box::new(move || keys::list(&store, tenant.as_deref())),
        Place::Buckets => Box::new(move || buckets::list(&store, tenant.as_deref())),
        Place::Tenant(tenant) => return tenants::show(&store, tenant),
        Place::Key(key) => return keys::show(&store, key),
        Place::Bucket(bucket) => return buckets::show(&store, bucket),
        Place::Status | Place::Rotation(_) => return Err(ApiError::nothing_here()),
    };
    aside(look).await?
}

/// Runs `work` away from the network's threads.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiError::broken(&error))
}

/// What is to be changed.
async fn change<B>(place: Place<'_>, parts: &Parts, body: B) -> Result<Change, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let deletes = parts.method == Method::DELETE;
    Ok(match place {
        Place::Tenants => Change::NewTenant(json(parts, body).await?),
        Place::Tenant(tenant) if deletes => Change::EndTenant(tenant.to_owned()),
        Place::Keys => Change::NewKey(json(parts, body).await?),
        Place::Key(key) if deletes => Change::EndKey(key.to_owned()),
        Place::Rotation(key) => Change::Rotate(key.to_owned(), json(parts, body).await?),
        Place::Buckets => Change::NewBucket(json(parts, body).await?),
        Place::Bucket(bucket) if deletes => Change::EndBucket(bucket.to_owned()),
        Place::Bucket(bucket) => Change::Bucket(bucket.to_owned(), json(parts, body).await?),
        Place::Status | Place::Tenant(_) | Place::Key(_) => return Err(ApiError::nothing_here()),
    })
}

/// Whether the listener is called in a way that no web page of a stranger can.
pub fn check_host(parts: &Parts) -> Result<(), ApiError> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        // A name and password in front of it are nothing that a client sends, and would hide what it was called by.
        (Some(host), None) if !host.as_bytes().contains(&b'@') => {
            Authority::try_from(host.as_bytes()).ok()
        }
        _ => None,
    };
    if host.is_some_and(|host| is_safe(host.host())) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected",
        "call the admin API by an IP address or by a name without a dot, such as localhost",
    ))
}

/// Whether a host cannot be the domain of a stranger's web page.
fn is_safe(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok() || (!host.is_empty() && !host.contains(['.', '[', ':']))
}

/// Whether the token is shown, once.
pub fn check_token(headers: &HeaderMap, token: Option<&Secret>) -> Result<(), ApiError> {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let shown = match (shown.next(), shown.next()) {
        (Some(shown), None) => bearer(shown.as_bytes()),
        _ => None,
    };
    let good = match (shown, token) {
        (Some(shown), Some(token)) => shown.ct_eq(token.expose().as_bytes()).into(),
        _ => false,
    };
    if good {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "show the token of the file admin.token: Authorization: Bearer TOKEN",
    ))
}

/// The token in an `Authorization` field; the scheme's case does not matter.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| rest.trim_ascii())
}

/// The tenant that a list is to be limited to. A parameter that is not known is an error: it was meant to do something.
fn tenant_asked(query: Option<&str>, known: bool) -> Result<Option<&str>, ApiError> {
    let mut tenant = None;
    let pairs = query.unwrap_or_default().split('&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "tenant" || !known || tenant.replace(value).is_some() {
            let message = format!("the parameter {name:?} is not known here, or given twice");
            return Err(ApiError::bad_request(message));
        }
    }
    Ok(tenant)
}

async fn json<T, B>(parts: &Parts, body: B) -> Result<T, ApiError>
where
    T: DeserializeOwned,
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let kind = parts.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    let essence = kind.and_then(|kind| kind.split(|byte| *byte == b';').next());
    if !essence.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json")) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body must be application/json",
        ));
    }
    let gathered = Limited::new(body, BODY_BYTES_MAX).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, gathered).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("a body has at most {BODY_BYTES_MAX} bytes"),
            ));
        }
        Ok(Err(_)) => return Err(ApiError::bad_request("the body broke off")),
        Err(_) => {
            return Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "the body took too long",
            ));
        }
    };
    serde_json::from_slice(&body).map_err(|error| ApiError::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_no_stranger_can_own_are_safe() {
        for host in ["127.0.0.1", "[::1]", "10.1.2.3", "localhost", "moraine"] {
            let authority = Authority::try_from(format!("{host}:8901")).unwrap();
            assert!(is_safe(authority.host()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "a.b",
        ] {
            let authority = Authority::try_from(format!("{host}:8901")).unwrap();
            assert!(!is_safe(authority.host()), "{host}");
        }
    }

    #[test]
    fn tokens_are_taken_whole() {
        assert_eq!(bearer(b"Bearer abc"), Some(b"abc".as_slice()));
        assert_eq!(bearer(b"bearer  abc "), Some(b"abc".as_slice()));
        for value in ["", "Bearer", "Basic abc", "abc", "Bearerabc"] {
            assert_eq!(bearer(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn places() {
        let known = |path| Place::of(path).is_some();
        for path in [
            "/v1/status",
            "/v1/tenants",
            "/v1/tenants/a",
            "/v1/keys",
            "/v1/keys/K",
            "/v1/keys/K/rotate",
            "/v1/buckets",
            "/v1/buckets/b",
        ] {
            assert!(known(path), "{path}");
        }
        for path in [
            "/v1",
            "/v1/",
            "/v1/status/",
            "/v1/tenants/",
            "/v1/tenants//",
            "/v1/tenants/a/b",
            "/v1/keys//rotate",
            "/v1/keys/K/rotate/",
            "/v2/status",
        ] {
            assert!(!known(path), "{path}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused() {
        assert_eq!(tenant_asked(None, false).unwrap(), None);
        assert_eq!(tenant_asked(Some("tenant=a"), true).unwrap(), Some("a"));
        assert!(tenant_asked(Some("tenant=a"), false).is_err());
        assert!(tenant_asked(Some("tenant=a&tenant=b"), true).is_err());
        assert!(tenant_asked(Some("limit=5"), true).is_err());
    }
}
