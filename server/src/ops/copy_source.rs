//! The source of a copy: which object `x-amz-copy-source` names, whether whoever asks may read it, and whether its
//! conditions hold.
//!
//! The access check sees the destination only, so the source is authorised here: it must be the tenant's own, also where
//! anyone may read it. Errors about it name it, not the destination.
//!
//! The header is parsed again, because `s3s` is laxer than S3: it lets escapes pass that are none, and takes a `+` for
//! itself, where S3 takes it for a space. A `?` begins the version; in a key it is written `%3F`.

use crate::address::Address;
use crate::attributes::refuse;
use crate::conditions::{self, Names, Verdict};
use crate::context::RequestContext;
use crate::door::Door;
use crate::versions;
use http::HeaderMap;
use moraine_engine::Object;
use s3s::{S3Error, S3Result, s3_error};
use std::ops::Range;

const HEADER: &str = "x-amz-copy-source";
/// The keys of encryption that a client would have to hand over.
const NOT_IMPLEMENTED: [&str; 3] = [
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
];

/// The object that a request copies from, once it may.
pub async fn find(door: &Door, context: &RequestContext, headers: &HeaderMap) -> S3Result<Object> {
    refuse(headers, &NOT_IMPLEMENTED)?;
    let mut values = headers.get_all(HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(s3_error!(InvalidArgument, "there is not one copy source"));
    };
    let source = Named::parse(value.as_bytes())?;
    let found = object(door, context, headers, &source).await;
    found.inspect_err(|_| {
        context.set_subject(Address {
            bucket: Some(source.bucket),
            key: Some(source.key),
        });
    })
}

async fn object(
    door: &Door,
    context: &RequestContext,
    headers: &HeaderMap,
    source: &Named,
) -> S3Result<Object> {
    let bucket = door.bucket(context, &source.bucket)?;
    if let Some(owner) = headers.get("x-amz-source-expected-bucket-owner")
        && owner.as_bytes() != bucket.tenant.to_string().as_bytes()
    {
        return Err(s3_error!(AccessDenied));
    }
    versions::check(source.version.as_deref())?;
    let object = door
        .store
        .head(bucket.id, source.key.as_bytes())
        .await
        .map_err(door.failed(context))?;
    match conditions::judge_by(&Names::OF_SOURCE, headers, &object.etag, object.modified_ms) {
        Verdict::Proceed => Ok(object),
        // What is not to be copied is never "not modified": a copy has no cache.
        Verdict::NotModified | Verdict::Failed => Err(s3_error!(PreconditionFailed)),
    }
}

/// What the header names.
#[derive(PartialEq, Eq, Debug)]
pub struct Named {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version, if it names one.
    pub version: Option<String>,
}

impl Named {
    /// Reads the header.
    pub fn parse(header: &[u8]) -> S3Result<Self> {
        let question = header.iter().position(|byte| *byte == b'?');
        let (path, query) = match question.and_then(|at| header.split_at_checked(at)) {
            Some((path, query)) => (path, Some(query)),
            None => (header, None),
        };
        let version = match query {
            None => None,
            Some(query) => Some(
                query
                    .strip_prefix(b"?versionId=")
                    .ok_or_else(|| invalid("Invalid copy source parameter."))
                    .and_then(decode)?,
            ),
        };
        let path = decode(path)?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        if path.starts_with("arn:") {
            return Err(s3_error!(
                NotImplemented,
                "a copy source is a bucket and a key; access points are not implemented"
            ));
        }
        match path.split_once('/') {
            Some(("", _)) => Err(invalid("Invalid copy source bucket name")),
            Some((_, "")) => Err(invalid("Invalid copy source object key")),
            Some((bucket, key)) => Ok(Self {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                version,
            }),
            None => Err(invalid(
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            )),
        }
    }
}

fn invalid(message: &'static str) -> S3Error {
    s3_error!(InvalidArgument, "{message}")
}

/// Text as a form encodes it: S3 takes a `+` for a space here.
fn decode(text: &[u8]) -> S3Result<String> {
    let bad = || invalid("Invalid copy source encoding.");
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    let digit = |byte: Option<&u8>| byte.and_then(|it| char::from(*it).to_digit(16));
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let high = digit(bytes.next()).ok_or_else(bad)?;
                let low = digit(bytes.next()).ok_or_else(bad)?;
                u8::try_from(high * 16 + low).map_err(|_| bad())?
            }
            b'+' => b' ',
            byte => *byte,
        });
    }
    String::from_utf8(out).map_err(|_| bad())
}

/// The bytes that `x-amz-copy-source-range` names: all without one. It has another grammar than `Range`: both ends are
/// said, and both lie inside the object.
pub fn range(headers: &HeaderMap, size: u64) -> S3Result<Range<u64>> {
    let Some(value) = headers.get("x-amz-copy-source-range") else {
        return Ok(0..size);
    };
    let (first, last) = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("bytes=")?.split_once('-'))
        .and_then(|(first, last)| Some((number(first)?, number(last)?)))
        .filter(|(first, last)| first <= last)
        .ok_or_else(|| {
            invalid(
                "The x-amz-copy-source-range value must be of the form bytes=first-last where \
                 first and last are the zero-based offsets of the first and last bytes to copy",
            )
        })?;
    if last >= size {
        return Err(s3_error!(
            InvalidArgument,
            "Range specified is not valid for source object of size: {size}"
        ));
    }
    Ok(first..last + 1)
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(header: &str) -> Result<(String, String, Option<String>), String> {
        Named::parse(header.as_bytes())
            .map(|it| (it.bucket, it.key, it.version))
            .map_err(|error| error.message().unwrap_or_default().to_owned())
    }

    fn is(header: &str, bucket: &str, key: &str, version: Option<&str>) {
        let expected = (
            bucket.to_owned(),
            key.to_owned(),
            version.map(str::to_owned),
        );
        assert_eq!(parsed(header), Ok(expected), "{header}");
    }

    #[test]
    fn what_clients_send() {
        is("b/k", "b", "k", None);
        is("/b/k", "b", "k", None);
        is("%2Fb%2Fa%2Fk", "b", "a/k", None);
        is("b//k", "b", "/k", None);
        is("b/a%20%2B%C3%A9%3F.jpg", "b", "a +\u{e9}?.jpg", None);
        is("b/a+b", "b", "a b", None);
        is("b/k?versionId=null", "b", "k", Some("null"));
        is("b/k?versionId=", "b", "k", Some(""));
        is(
            "b/k%3FversionId=x?versionId=a%2Bb?",
            "b",
            "k?versionId=x",
            Some("a+b?"),
        );
    }

    #[test]
    fn what_is_refused() {
        for bad in ["b/%", "b/%4", "b/%zz", "b/%+1", "b/%ff", "b/k?versionId=%"] {
            assert_eq!(
                parsed(bad),
                Err("Invalid copy source encoding.".to_owned()),
                "{bad}"
            );
        }
        for bad in [
            "",
            "/",
            "b",
            "/b",
            "b/",
            "//k",
            "b/k?x",
            "b/k?",
            "arn:a:b/k",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges() {
        let range = |text: &str, size| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-copy-source-range", text.parse().unwrap());
            range(&headers, size).ok()
        };
        assert_eq!(super::range(&HeaderMap::new(), 10).unwrap(), 0..10);
        assert_eq!(range("bytes=0-9", 10), Some(0..10));
        assert_eq!(range("bytes=3-3", 10), Some(3..4));
        for bad in [
            "bytes=0-10",
            "bytes=5-4",
            "bytes=0-",
            "bytes=-5",
            "0-5",
            "bytes=0-1,3-4",
            "bytes=+0-1",
            "bytes=0-18446744073709551615",
            "bytes=0-99999999999999999999",
            "bytes 0-1",
        ] {
            assert_eq!(range(bad, 10), None, "{bad}");
        }
        assert_eq!(range("bytes=0-0", 0), None);
    }
}
