//! What belongs to a name and not to its bytes: from the headers of a write, and back to the headers of a read.

use crate::acl;
use crate::conditions;
use crate::config::Limits;
use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES,
    HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use moraine_engine::{Attributes, Condition, TenantId};
use s3s::dto::Metadata;
use s3s::{S3Result, s3_error};

/// Headers of a write that ask for something that is not there. Taking them and doing nothing would be a lie.
const NOT_IMPLEMENTED: [&str; 12] = [
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-context",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
];

/// The type of an object that was stored without one.
pub const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// The attributes that the headers of a write by `owner` ask for. Checksums are filled in once they were verified.
pub fn from_request(headers: &HeaderMap, owner: TenantId) -> S3Result<Attributes> {
    refuse_unsupported(headers)?;
    Ok(Attributes {
        content_type: text(headers, &CONTENT_TYPE)?,
        cache_control: text(headers, &CACHE_CONTROL)?,
        content_disposition: text(headers, &CONTENT_DISPOSITION)?,
        content_encoding: text(headers, &CONTENT_ENCODING)?.and_then(|it| without_aws_chunked(&it)),
        content_language: text(headers, &CONTENT_LANGUAGE)?,
        expires: text(headers, &EXPIRES)?,
        metadata: user_metadata(headers)?,
        acl: acl::from_headers(headers, owner)?.unwrap_or_default(),
        storage_class: storage_class(headers)?,
        ..Attributes::default()
    })
}

/// The attributes of a copy that takes its source's: all but the ACL and the storage class, which S3 never copies.
pub fn of_copy(source: &Attributes, headers: &HeaderMap, owner: TenantId) -> S3Result<Attributes> {
    refuse_unsupported(headers)?;
    Ok(Attributes {
        acl: acl::from_headers(headers, owner)?.unwrap_or_default(),
        storage_class: storage_class(headers)?,
        ..source.clone()
    })
}

/// Refuses a write that asks for what is not there.
fn refuse_unsupported(headers: &HeaderMap) -> S3Result<()> {
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
    Ok(())
}

/// The storage classes whose objects can be read at once. They are kept and given back; here all are stored alike.
const STORAGE_CLASSES: [&str; 7] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "EXPRESS_ONEZONE",
];
/// Those whose objects must be restored before they are read. There is nothing to restore here, and clients that saw the
/// class would refuse to download.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// The storage class that a write asks for. Those of other services (`OUTPOSTS`, `SNOW`) are no classes of a bucket here.
fn storage_class(headers: &HeaderMap) -> S3Result<Option<String>> {
    let class = text(headers, &HeaderName::from_static("x-amz-storage-class"))?;
    match class.as_deref() {
        Some(name) if ARCHIVES.contains(&name) => Err(s3_error!(
            NotImplemented,
            "the storage class {name} is not implemented"
        )),
        Some(name) if !STORAGE_CLASSES.contains(&name) => Err(s3_error!(InvalidStorageClass)),
        _ => Ok(class),
    }
}

/// User metadata, in the order of its names. Values are kept as they were sent: one in RFC 2047's coding comes back in the
/// very same, and one in bare UTF-8 comes back in that coding, as from S3. What is given twice is one list.
fn user_metadata(headers: &HeaderMap) -> S3Result<Vec<(String, String)>> {
    let mut metadata = Vec::new();
    for name in headers.keys() {
        let Some(short) = name.as_str().strip_prefix("x-amz-meta-") else {
            continue;
        };
        let values = headers.get_all(name).iter();
        let values = values.map(|value| value.as_bytes().trim_ascii());
        let value = values.collect::<Vec<_>>().join(&b',');
        let value = String::from_utf8(value);
        let value = value.map_err(|_| s3_error!(InvalidArgument, "{name} is not UTF-8"))?;
        if !short.is_empty() {
            metadata.push((short.to_owned(), value));
        }
    }
    metadata.sort_unstable();
    let lengths = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len());
    if lengths.sum::<usize>() > Limits::METADATA_BYTES_MAX {
        return Err(s3_error!(MetadataTooLarge));
    }
    Ok(metadata)
}

/// Refuses a request with one of the headers in `names`.
pub fn refuse(headers: &HeaderMap, names: &[&str]) -> S3Result<()> {
    match names.iter().find(|name| headers.contains_key(**name)) {
        Some(name) => Err(s3_error!(NotImplemented, "{name} is not implemented")),
        None => Ok(()),
    }
}

/// The condition of a conditional write.
///
/// S3 answers 409 to a conditional write that another one overtakes. Here it waits for the other and is judged then, so it
/// is done or 412, and never 409.
pub fn condition(headers: &HeaderMap) -> S3Result<Condition> {
    match (one(headers, &IF_MATCH)?, one(headers, &IF_NONE_MATCH)?) {
        (None | Some(""), None | Some("")) => Ok(Condition::None),
        (None | Some(""), Some("*")) => Ok(Condition::IfAbsent),
        (Some(etag), None | Some("")) if etag != "*" => {
            Ok(Condition::IfMatch(conditions::unquoted(etag).to_owned()))
        }
        _ => Err(s3_error!(
            NotImplemented,
            "a write takes 'If-None-Match: *' or 'If-Match: ETAG', and no other condition"
        )),
    }
}

/// The condition of a conditional deletion: of a key that does not exist nothing is protected, unless it must exist.
pub fn delete_condition(headers: &HeaderMap) -> S3Result<Condition> {
    match one(headers, &IF_MATCH)? {
        None | Some("") => Ok(Condition::None),
        Some("*") => Ok(Condition::IfPresent),
        Some(etag) => Ok(Condition::IfMatch(conditions::unquoted(etag).to_owned())),
    }
}

/// The value of a header that is given once, if it is given.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> S3Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str());
    match (value.transpose(), values.next()) {
        (Ok(value), None) => Ok(value.map(str::trim)),
        _ => Err(s3_error!(InvalidArgument, "{name} is not one ETag")),
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

/// The stored `Expires`, as it was sent: `s3s` would only let dates pass.
pub fn expires(attributes: &Attributes) -> Option<HeaderValue> {
    HeaderValue::from_bytes(attributes.expires.as_deref()?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: TenantId = TenantId(7);

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
    fn what_cannot_be_done_is_refused() {
        for name in NOT_IMPLEMENTED.into_iter().chain(["x-amz-tagging"]) {
            let headers = with(name, "x");
            assert_eq!(code(from_request(&headers, OWNER)), "NotImplemented");
            let copied = of_copy(&Attributes::default(), &headers, OWNER);
            assert_eq!(code(copied), "NotImplemented");
        }
    }

    #[test]
    fn storage_classes() {
        let class = |name: &'static str| storage_class(&with("x-amz-storage-class", name));
        for name in STORAGE_CLASSES {
            assert_eq!(class(name).unwrap().as_deref(), Some(name));
        }
        for name in ARCHIVES {
            assert_eq!(code(class(name)), "NotImplemented", "{name}");
        }
        for name in ["BOGUS", "OUTPOSTS", "SNOW", "standard"] {
            assert_eq!(code(class(name)), "InvalidStorageClass", "{name}");
        }
        assert_eq!(class("").unwrap(), None);
    }

    #[test]
    fn metadata_is_bounded() {
        let metadata = |bytes: usize| {
            let mut headers = HeaderMap::new();
            let value = "v".repeat(bytes - 1).parse().unwrap();
            headers.insert("x-amz-meta-k", value);
            from_request(&headers, OWNER)
        };
        assert!(metadata(Limits::METADATA_BYTES_MAX).is_ok());
        let result = metadata(Limits::METADATA_BYTES_MAX + 1);
        assert_eq!(code(result), "MetadataTooLarge");
    }

    #[test]
    fn metadata_that_is_given_twice_is_a_list() {
        let mut headers = with("x-amz-meta-k", " a ");
        headers.append("x-amz-meta-k", "b,c".parse().unwrap());
        let metadata = from_request(&headers, OWNER).unwrap().metadata;
        assert_eq!(metadata, [("k".to_owned(), "a,b,c".to_owned())]);
    }

    #[test]
    fn write_conditions() {
        let condition = |name, value| condition(&with(name, value));
        let is = |name, value, expected| assert_eq!(condition(name, value).unwrap(), expected);
        let etag = || Condition::IfMatch("abc".to_owned());
        is("x-other", "x", Condition::None);
        is("if-none-match", "*", Condition::IfAbsent);
        is("if-match", "\"abc\"", etag());
        is("if-match", "abc", etag());
        assert_eq!(code(condition("if-match", "*")), "NotImplemented");
        assert_eq!(code(condition("if-none-match", "\"a\"")), "NotImplemented");
        let present = delete_condition(&with("if-match", "*"));
        assert_eq!(present.unwrap(), Condition::IfPresent);
        let mut twice = with("if-match", "a");
        twice.append("if-match", "b".parse().unwrap());
        assert_eq!(code(super::condition(&twice)), "InvalidArgument");
    }
}
