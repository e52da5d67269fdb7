//! What GetObject and HeadObject share: which object, whether its conditions hold, and which part of it.

use super::upload_part::part_number;
use crate::attributes::DEFAULT_CONTENT_TYPE;
use crate::checksum::{self, Algorithm};
use crate::conditions::{self, Verdict};
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use crate::range::{self, RangeSpec};
use crate::versions;
use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, RANGE,
};
use moraine_engine::{Checksum, HotName, Object};
use s3s::dto::{ChecksumType, ETag, StorageClass};
use s3s::{S3Error, S3Result, s3_error};
use std::ops::Range;
use std::sync::Arc;

/// The key that a client would have encrypted an object with. No object is encrypted.
const KEYS: [&str; 3] = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];

/// An object and the part of it that is asked for.
pub struct Selected {
    /// The object.
    pub object: Arc<HotName>,
    /// The part, if it is not all.
    pub range: Option<Range<u64>>,
    /// How many parts it was uploaded in, if one of them is asked for.
    pub parts_count: Option<i32>,
}

impl Selected {
    /// Finds the object and judges the request's conditions and range.
    pub async fn find(
        door: &Door,
        context: &RequestContext,
        headers: &HeaderMap,
        (bucket, key): (&str, &str),
        version: Option<&str>,
        part: Option<i32>,
    ) -> S3Result<Self> {
        let bucket = door.bucket(context, bucket)?;
        // Of numbers that can be, the object tells whether it has them; others are refused whatever it has.
        part.map(part_number).transpose()?;
        versions::check(version)?;
        let object = door
            .store
            .find(bucket.id, key.as_bytes())
            .await
            .map_err(door.failed(context))?;
        if KEYS.iter().any(|name| headers.contains_key(*name)) {
            return Err(s3_error!(
                InvalidRequest,
                "The encryption parameters are not applicable to this object."
            ));
        }
        match conditions::judge(headers, &object.etag, object.modified_ms) {
            Verdict::Proceed => {}
            Verdict::NotModified => return Err(not_modified(&object)),
            Verdict::Failed => return Err(s3_error!(PreconditionFailed)),
        }
        let range = match part {
            None => select(headers, &object)?,
            Some(_) if headers.contains_key(RANGE) => {
                return Err(s3_error!(
                    InvalidRequest,
                    "a range and a part number exclude each other"
                ));
            }
            Some(number) => part_range(number, &object.part_sizes, object.size)?,
        };
        let parts = part.and_then(|_| i32::try_from(object.part_sizes.len()).ok());
        Ok(Self {
            object,
            range,
            parts_count: parts.filter(|count| *count > 0),
        })
    }

    /// Bytes that are asked for.
    pub fn length(&self) -> u64 {
        self.range
            .as_ref()
            .map_or(self.object.size, |range| range.end - range.start)
    }

    /// The `Content-Range`, if not all is asked for.
    pub fn content_range(&self) -> Option<String> {
        self.range
            .as_ref()
            .map(|range| range::content_range(range, self.object.size))
    }

    /// The checksums to send: none with a range, and none unless the client asks.
    pub fn checksums(&self, mode: Option<&str>) -> &[Checksum] {
        let wanted = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"));
        if wanted && self.range.is_none() {
            &self.object.attributes.checksums
        } else {
            &[]
        }
    }

    /// The content type.
    pub fn content_type(&self) -> String {
        let stored = self.object.attributes.content_type.as_deref();
        stored.unwrap_or(DEFAULT_CONTENT_TYPE).to_owned()
    }

    /// The storage class, where S3 says it: if it is not the standard one.
    pub fn storage_class(&self) -> Option<StorageClass> {
        let class = self.object.attributes.storage_class.clone()?;
        (class != "STANDARD").then(|| StorageClass::from(class))
    }
}

fn select(headers: &HeaderMap, object: &Object) -> S3Result<Option<Range<u64>>> {
    let spec = headers
        .get(RANGE)
        .and_then(|it| it.to_str().ok())
        .and_then(RangeSpec::parse);
    let Some(spec) =
        spec.filter(|_| conditions::range_applies(headers, &object.etag, object.modified_ms))
    else {
        return Ok(None);
    };
    spec.resolve(object.size).map(Some).map_err(|_| {
        let mut error = s3_error!(InvalidRange);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        insert(
            &mut headers,
            CONTENT_RANGE,
            range::content_range_unsatisfiable(object.size),
        );
        error.set_headers(headers);
        error
    })
}

/// The bytes of a part. An object that was uploaded at once has one part; of nothing there is no range.
fn part_range(number: i32, sizes: &[u64], size: u64) -> S3Result<Option<Range<u64>>> {
    let whole = [size];
    let sizes = if sizes.is_empty() { &whole } else { sizes };
    let at = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1));
    let Some((before, part)) = at.and_then(|at| Some((sizes.get(..at)?, sizes.get(at)?))) else {
        return Err(errors::invalid_part_number());
    };
    if *part == 0 && size > 0 {
        // The last part of an upload may be empty. There is no range of nothing, and the whole object is not that part.
        return Err(errors::invalid_part_number());
    }
    let start: u64 = before.iter().sum();
    Ok((*part > 0).then(|| start..start + part))
}

fn not_modified(object: &Object) -> S3Error {
    let mut error = s3_error!(NotModified);
    let mut headers = HeaderMap::new();
    insert(&mut headers, ETAG, format!("\"{}\"", object.etag));
    let modified = httpdate::fmt_http_date(conditions::seconds(object.modified_ms));
    insert(&mut headers, LAST_MODIFIED, modified);
    if let Some(cache_control) = &object.attributes.cache_control {
        insert(&mut headers, CACHE_CONTROL, cache_control.clone());
    }
    error.set_headers(headers);
    error
}

fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// The stored value of a checksum.
pub fn checksum_value(checksums: &[Checksum], algorithm: Algorithm) -> Option<String> {
    checksum::stored(checksums, algorithm).map(|it| it.value.clone())
}

/// Whether the checksums are of the whole object or of its parts' checksums.
pub fn checksum_type(checksums: &[Checksum]) -> Option<ChecksumType> {
    let kind = if checksums.first()?.composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    };
    Some(ChecksumType::from_static(kind))
}

/// An ETag as `s3s` sends it: in quotes.
pub fn etag(etag: &str) -> ETag {
    ETag::Strong(etag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let part = |number, sizes, size| part_range(number, sizes, size).ok();
        assert_eq!(part(1, &[5, 5, 3], 13), Some(Some(0..5)));
        assert_eq!(part(3, &[5, 5, 3], 13), Some(Some(10..13)));
        assert_eq!(part(1, &[], 13), Some(Some(0..13)));
        assert_eq!(part(1, &[], 0), Some(None));
        assert_eq!(part(1, &[5, 0], 5), Some(Some(0..5)));
        assert_eq!(part(2, &[5, 0], 5), None);
        for number in [0, -1, 4] {
            assert_eq!(part(number, &[5, 5, 3], 13), None);
        }
    }
}
