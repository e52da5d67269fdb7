//! ListObjectsV2: one page of at most 1,000 keys and common prefixes, in the order of their bytes.
//!
//! The continuation token says where the next page begins: `k` or `p` (after a key, or after all keys with a prefix) and
//! the key, in URL-safe base64. The server keeps nothing between two pages. A page may be empty and not the last.

use super::outgoing::etag;
use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use moraine_engine::{ListEntry, ListQuery, ListStart};
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass,
};
use s3s::{S3Request, S3Result, s3_error};
use std::fmt::Write;

/// Entries of a page: what S3 gives.
const PAGE_MAX: usize = 1000;

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<ListObjectsV2Output> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let encode = encoder(input.encoding_type.as_ref())?;
    let limit = page_size(input.max_keys)?;
    let start = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => resume(token)?,
        (None, Some(key)) if !key.is_empty() => ListStart::AfterKey(key.clone().into_bytes()),
        _ => ListStart::First,
    };
    let delimiter = input.delimiter.clone().filter(|it| !it.is_empty());
    let query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default().into_bytes(),
        delimiter: delimiter.clone().unwrap_or_default().into_bytes(),
        start,
        limit,
    };
    let page = door
        .store
        .list(bucket.id, query)
        .await
        .map_err(door.failed(context))?;
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            ListEntry::Object(object) => contents.push(entry_of(*object, encode)?),
            ListEntry::Prefix(prefix) => {
                prefixes.push(CommonPrefix {
                    prefix: Some(encode(&text(prefix)?)),
                });
            }
        }
    }
    let count = i32::try_from(contents.len() + prefixes.len()).unwrap_or(i32::MAX);
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encode(&input.prefix.unwrap_or_default())),
        max_keys: Some(i32::try_from(limit).unwrap_or(i32::MAX)),
        key_count: Some(count),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.and_then(token),
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        delimiter: delimiter.map(|it| encode(&it)),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(|it| encode(&it)),
        ..Default::default()
    })
}

fn entry_of(object: moraine_engine::Object, encode: fn(&str) -> String) -> S3Result<Object> {
    let size = i64::try_from(object.size)
        .map_err(|_| s3_error!(InternalError, "an object's length cannot be said"))?;
    let class = object
        .attributes
        .storage_class
        .unwrap_or_else(|| "STANDARD".to_owned());
    Ok(Object {
        e_tag: Some(etag(&object.etag)),
        key: Some(encode(&text(object.key)?)),
        last_modified: Some(seconds(object.modified_ms).into()),
        size: Some(size),
        storage_class: Some(ObjectStorageClass::from(class)),
        ..Default::default()
    })
}

fn text(key: Vec<u8>) -> S3Result<String> {
    String::from_utf8(key).map_err(|_| s3_error!(InternalError, "a key is not UTF-8"))
}

fn page_size(max_keys: Option<i32>) -> S3Result<usize> {
    match max_keys {
        None => Ok(PAGE_MAX),
        Some(count) => usize::try_from(count)
            .map(|count| count.min(PAGE_MAX))
            .map_err(|_| s3_error!(InvalidArgument, "max-keys is negative")),
    }
}

fn token(next: ListStart) -> Option<String> {
    let (kind, key) = match next {
        ListStart::First => return None,
        ListStart::AfterKey(key) => (b'k', key),
        ListStart::AfterPrefix(key) => (b'p', key),
    };
    Some(base64_simd::URL_SAFE_NO_PAD.encode_to_string([&[kind], key.as_slice()].concat()))
}

fn resume(token: &str) -> S3Result<ListStart> {
    let bytes = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(token)
        .unwrap_or_default();
    match bytes.split_first() {
        Some((b'k', key)) => Ok(ListStart::AfterKey(key.to_vec())),
        Some((b'p', key)) => Ok(ListStart::AfterPrefix(key.to_vec())),
        _ => Err(s3_error!(
            InvalidArgument,
            "The continuation token provided is incorrect"
        )),
    }
}

fn encoder(encoding: Option<&EncodingType>) -> S3Result<fn(&str) -> String> {
    match encoding.map(EncodingType::as_str) {
        None => Ok(str::to_owned),
        Some("url") => Ok(url_encoded),
        Some(_) => Err(s3_error!(InvalidArgument, "the only encoding-type is url")),
    }
}

/// Everything but unreserved characters and `/` percent-encoded, which every client's decoder undoes.
fn url_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes() {
        assert_eq!(page_size(None).unwrap(), 1000);
        assert_eq!(page_size(Some(0)).unwrap(), 0);
        assert_eq!(page_size(Some(7)).unwrap(), 7);
        assert_eq!(page_size(Some(5000)).unwrap(), 1000);
        assert!(page_size(Some(-1)).is_err());
    }

    #[test]
    fn tokens_round_trip_and_others_are_refused() {
        for start in [
            ListStart::AfterKey(b"a/b".to_vec()),
            ListStart::AfterPrefix(b"a/".to_vec()),
        ] {
            assert_eq!(resume(&token(start.clone()).unwrap()).unwrap(), start);
        }
        assert!(resume("").is_err());
        assert!(resume("***").is_err());
        assert!(resume(&base64_simd::URL_SAFE_NO_PAD.encode_to_string("x")).is_err());
    }

    #[test]
    fn encoded_keys() {
        assert_eq!(
            url_encoded("a/b c+\u{e9}\u{1}.jpg"),
            "a/b%20c%2B%C3%A9%01.jpg"
        );
    }
}
