//! ListObjectsV2: one page of at most 1,000 keys and common prefixes, in the order of their bytes.
//!
//! The continuation token says where the next page begins: `k` or `p` (after a key, or after all keys with a prefix) and
//! the key, in URL-safe base64. The server keeps nothing between two pages. With a token, `start-after` says nothing.

use super::list_objects::entry_of;
use super::listing::{self, Encoding};
use crate::context::RequestContext;
use crate::door::Door;
use moraine_engine::{ListEntry, ListQuery, ListStart};
use s3s::dto::{ListObjectsV2Input, ListObjectsV2Output};
use s3s::{S3Request, S3Result, s3_error};

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<ListObjectsV2Output> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let limit = listing::page_size(input.max_keys, "max-keys")?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.unwrap_or_default();
    let start = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => resume(token)?,
        (None, Some(marker)) => listing::behind(marker, &prefix, &delimiter),
        (None, None) => ListStart::First,
    };
    let query = ListQuery {
        start,
        prefix: prefix.clone().into_bytes(),
        delimiter: delimiter.clone().into_bytes(),
        limit,
    };
    let page = listing::page(door, context, bucket.id, query).await?;
    let owner = (input.fetch_owner == Some(true))
        .then(|| listing::owner(door, context))
        .transpose()?;
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            ListEntry::Object(object) => {
                contents.push(entry_of(*object, encoding, owner.as_ref())?)
            }
            ListEntry::Prefix(prefix) => prefixes.push(encoding.prefix(prefix)?),
        }
    }
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encoding.text(prefix)),
        max_keys: Some(listing::count(limit)),
        key_count: Some(listing::count(contents.len() + prefixes.len())),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.and_then(token),
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        delimiter: (!delimiter.is_empty()).then(|| encoding.text(delimiter)),
        encoding_type: encoding.said(),
        start_after: input.start_after.map(|it| encoding.text(it)),
        ..Default::default()
    })
}

/// The token of the page that begins there.
pub fn token(next: ListStart) -> Option<String> {
    let (kind, key) = match next {
        ListStart::First => return None,
        ListStart::AfterKey(key) => (b'k', key),
        ListStart::AfterPrefix(key) => (b'p', key),
    };
    Some(base64_simd::URL_SAFE_NO_PAD.encode_to_string([&[kind], key.as_slice()].concat()))
}

/// Where the page with that token begins.
pub fn resume(token: &str) -> S3Result<ListStart> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
