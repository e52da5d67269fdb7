//! What belongs to a name and not to its bytes: from the headers of a write, and back to the headers of a read.

use crate::config::Limits;
use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES,
    HeaderName,
};
use moraine_engine::{Acl, Attributes, Condition};
use s3s::dto::{ETagCondition, Metadata, StorageClass, Timestamp, TimestampFormat};
use s3s::{S3Result, s3_error};

/// Headers of a write that ask for something that is not there. Taking them and doing nothing would be a lie.
const NOT_IMPLEMENTED: [&str; 14] = [
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write-acp",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-context",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
];

/// The type of an object that was stored without one.
pub const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// The attributes that the headers of a write ask for. Checksums are filled in once they were verified.
pub fn from_request(
    headers: &HeaderMap,
    metadata: Option<Metadata>,
    storage_class: Option<&StorageClass>,
) -> S3Result<Attributes> {
    refuse(headers, &NOT_IMPLEMENTED)?;
    if headers
        .get("x-amz-tagging")
        .is_some_and(|tags| !tags.is_empty())
    {
        return Err(s3_error!(
            NotImplemented,
            "x-amz-tagging is not implemented"
        ));
    }
    let mut metadata: Vec<(String, String)> = metadata.unwrap_or_default().into_iter().collect();
    metadata.sort_unstable();
    let bytes: usize = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > Limits::METADATA_BYTES_MAX {
        return Err(s3_error!(MetadataTooLarge));
    }
    Ok(Attributes {
        content_type: text(headers, &CONTENT_TYPE)?,
        cache_control: text(headers, &CACHE_CONTROL)?,
        content_disposition: text(headers, &CONTENT_DISPOSITION)?,
        content_encoding: text(headers, &CONTENT_ENCODING)?.and_then(|it| without_aws_chunked(&it)),
        content_language: text(headers, &CONTENT_LANGUAGE)?,
        expires: text(headers, &EXPIRES)?,
        metadata,
        acl: acl(headers)?,
        storage_class: storage_class.map(|it| it.as_str().to_owned()),
        ..Attributes::default()
    })
}

/// Refuses a request with one of the headers in `names`.
pub fn refuse(headers: &HeaderMap, names: &[&str]) -> S3Result<()> {
    match names.iter().find(|name| headers.contains_key(**name)) {
        Some(name) => Err(s3_error!(NotImplemented, "{name} is not implemented")),
        None => Ok(()),
    }
}

/// The condition of a conditional write.
pub fn condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<Condition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::None),
        (None, Some(ETagCondition::Any)) => Ok(Condition::IfAbsent),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Condition::IfMatch(etag.into_value())),
        _ => Err(s3_error!(
            NotImplemented,
            "a write takes 'If-None-Match: *' or 'If-Match: ETAG', and no other condition"
        )),
    }
}

/// The canned ACL. The two that open an object to those with any account are refused: there is no such thing here.
fn acl(headers: &HeaderMap) -> S3Result<Acl> {
    match headers.get("x-amz-acl").map(|value| value.as_bytes()) {
        // The owner of a bucket owns every object in it.
        None | Some(b"" | b"private" | b"bucket-owner-full-control" | b"bucket-owner-read") => {
            Ok(Acl::Private)
        }
        Some(b"public-read") => Ok(Acl::PublicRead),
        Some(b"public-read-write" | b"authenticated-read" | b"aws-exec-read") => Err(s3_error!(
            NotImplemented,
            "this canned ACL is not implemented"
        )),
        Some(_) => Err(s3_error!(InvalidArgument, "x-amz-acl is not a canned ACL")),
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> S3Result<Option<String>> {
    match headers
        .get(name)
        .map(|value| std::str::from_utf8(value.as_bytes()))
    {
        None | Some(Ok("")) => Ok(None),
        Some(Ok(value)) => Ok(Some(value.to_owned())),
        Some(Err(_)) => Err(s3_error!(InvalidArgument, "{name} is not UTF-8")),
    }
}

/// The coding of the content, without the coding of the transfer that shares its header.
fn without_aws_chunked(coding: &str) -> Option<String> {
    let left: Vec<&str> = coding
        .split(',')
        .map(str::trim)
        .filter(|it| !it.is_empty() && !it.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!left.is_empty()).then(|| left.join(", "))
}

/// User metadata as `s3s` sends it.
pub fn metadata(attributes: &Attributes) -> Option<Metadata> {
    let metadata: Metadata = attributes.metadata.iter().cloned().collect();
    (!metadata.is_empty()).then_some(metadata)
}

/// The stored `Expires` as `s3s` sends it.
pub fn expires(attributes: &Attributes) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, attributes.expires.as_deref()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        headers
    }

    fn code<T: std::fmt::Debug>(result: S3Result<T>) -> String {
        result.unwrap_err().code().as_str().to_owned()
    }

    #[test]
    fn aws_chunked_is_not_stored() {
        for (sent, stored) in [
            ("aws-chunked", None),
            ("gzip, aws-chunked", Some("gzip")),
            ("aws-chunked,gzip", Some("gzip")),
            ("gzip, br", Some("gzip, br")),
        ] {
            assert_eq!(without_aws_chunked(sent).as_deref(), stored, "{sent}");
        }
    }

    #[test]
    fn canned_acls() {
        assert_eq!(acl(&HeaderMap::new()).unwrap(), Acl::Private);
        assert_eq!(
            acl(&with("x-amz-acl", "public-read")).unwrap(),
            Acl::PublicRead
        );
        assert_eq!(
            code(acl(&with("x-amz-acl", "authenticated-read"))),
            "NotImplemented"
        );
        assert_eq!(
            code(acl(&with("x-amz-acl", "everybody"))),
            "InvalidArgument"
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for name in NOT_IMPLEMENTED {
            assert_eq!(
                code(from_request(&with(name, "x"), None, None)),
                "NotImplemented"
            );
        }
    }

    #[test]
    fn metadata_is_bounded() {
        let metadata =
            |bytes: usize| Some(Metadata::from([("k".to_owned(), "v".repeat(bytes - 1))]));
        assert!(
            from_request(
                &HeaderMap::new(),
                metadata(Limits::METADATA_BYTES_MAX),
                None
            )
            .is_ok()
        );
        let result = from_request(
            &HeaderMap::new(),
            metadata(Limits::METADATA_BYTES_MAX + 1),
            None,
        );
        assert_eq!(code(result), "MetadataTooLarge");
    }
}
