//! The source of a copy: what it names is what a header made from it names again, and its range lies in the object.

use crate::ops::copy_source::{self, Named};
use http::{HeaderMap, HeaderValue};
use std::fmt::Write;

/// Attacks `ops::copy_source`. The first eight bytes are the size of the object.
pub fn copy_source(data: &[u8]) {
    let Some((size, header)) = data.split_first_chunk::<8>() else {
        return;
    };
    let size = u64::from_le_bytes(*size);
    if let Ok(named) = Named::parse(header) {
        assert!(!named.bucket.is_empty() && !named.bucket.contains('/'));
        assert!(!named.key.is_empty() && named.key.len() <= header.len());
        let mut again = format!("/{}/{}", escaped(&named.bucket), escaped(&named.key));
        if let Some(version) = &named.version {
            let _ = write!(again, "?versionId={}", escaped(version));
        }
        assert_eq!(Named::parse(again.as_bytes()).ok(), Some(named), "{again}");
    }
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.insert("x-amz-copy-source-range", value);
        if let Ok(range) = copy_source::range(&headers, size) {
            assert!(
                range.start < range.end && range.end <= size,
                "{range:?} of {size}"
            );
        }
    }
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    })
}
