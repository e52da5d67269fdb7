//! The headers of an object as a reader without a signature gets them: made once, and kept with the name while it is asked
//! for.
//!
//! What clients uploaded is never given the rights of this origin: no type is guessed, no script runs.

use crate::attributes::DEFAULT_CONTENT_TYPE;
use crate::conditions;
use crate::preflight;
use http::HeaderMap;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EXPIRES, HeaderName, HeaderValue,
    LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use moraine_engine::Object;

/// The headers of an object.
pub struct Face(HeaderMap);

impl Face {
    /// Those of every answer that reveals this object, and the length of all of it.
    pub fn of(object: &Object) -> Self {
        let mut headers = HeaderMap::with_capacity(HEADERS);
        let stored = &object.attributes;
        let content_type = stored
            .content_type
            .as_deref()
            .unwrap_or(DEFAULT_CONTENT_TYPE);
        set(&mut headers, CONTENT_TYPE, content_type);
        for (name, value) in [
            (CACHE_CONTROL, &stored.cache_control),
            (CONTENT_DISPOSITION, &stored.content_disposition),
            (CONTENT_ENCODING, &stored.content_encoding),
            (CONTENT_LANGUAGE, &stored.content_language),
            (EXPIRES, &stored.expires),
        ] {
            if let Some(value) = value {
                set(&mut headers, name, value);
            }
        }
        set(&mut headers, ETAG, &format!("\"{}\"", object.etag));
        let modified = httpdate::fmt_http_date(conditions::seconds(object.modified_ms));
        set(&mut headers, LAST_MODIFIED, &modified);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        harmless(&mut headers);
        set(&mut headers, CONTENT_LENGTH, &object.size.to_string());
        Self(headers)
    }

    /// For an answer with all of the object.
    pub fn whole(&self) -> HeaderMap {
        self.0.clone()
    }

    /// For an answer that says that the client's copy is right.
    pub fn not_modified(&self) -> HeaderMap {
        let mut headers = self.0.clone();
        for name in [
            CONTENT_TYPE,
            CONTENT_DISPOSITION,
            CONTENT_ENCODING,
            CONTENT_LANGUAGE,
            CONTENT_LENGTH,
        ] {
            headers.remove(name);
        }
        headers
    }
}

/// Headers of an object with a type and a caching rule, and the date, without the table growing.
const HEADERS: usize = 12;

/// The headers of every answer to a read: pages may have it, and it does nothing by itself.
pub fn harmless(headers: &mut HeaderMap) {
    preflight::allow_reading(headers);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; form-action 'none'; sandbox"),
    );
}

/// Sets a header. A stored value that cannot be a header's, which no write lets in, is left out.
pub fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}
