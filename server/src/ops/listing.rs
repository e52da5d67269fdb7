//! What the listings share: the size of a page, how names are encoded, where a page begins, and how an entry looks.
//!
//! A marker names the last entry of the page before, a key or a common prefix, and a client may make one up. Two rules
//! follow. A marker that is just a common prefix of the listing stands for the whole group: the page begins behind it.
//! Any other marker is a key: the page begins with the first key behind it, and a group that holds such a key is listed.

use super::outgoing;
use crate::checksum::Algorithm;
use crate::config::Limits;
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use crate::shares::Shares;
use moraine_engine::{BucketId, Checksum, ListEntry, ListPage, ListQuery, ListStart, Object};
use s3s::dto::{ChecksumAlgorithm, ChecksumType, CommonPrefix, EncodingType, Owner};
use s3s::{S3Result, s3_error};
use std::fmt::Write;
use std::sync::Arc;

/// Entries of a page: what S3 gives.
pub const PAGE_MAX: usize = 1000;

/// Listings that are made at once, from the first look at the index until the answer is written and has its memory; others
/// wait. Each holds a page of up to 1,000 records, then what the answer says of them, then the answer: at most 10 MiB, for
/// the longest keys with the most metadata, usually 2 MiB.
const AT_ONCE: usize = 8;
/// Those of one tenant.
const OF_TENANT_AT_ONCE: usize = 4;

/// Pages of the engine that one page of an answer may be looked for in, while nothing was found: each looks at up to
/// 10,000 names, most of which were deleted, in some milliseconds. Clients take an empty page for the end, although it
/// says that it is not; behind a million deleted names they get one all the same.
const EMPTY_PAGES_MAX: usize = 100;

/// The size of a page that a client asks for in the parameter `name`.
pub fn page_size(asked: Option<i32>, name: &str) -> S3Result<usize> {
    match asked {
        None => Ok(PAGE_MAX),
        Some(count) => usize::try_from(count)
            .map(|count| count.min(PAGE_MAX))
            .map_err(|_| {
                s3_error!(
                    InvalidArgument,
                    "Argument {name} must be an integer between 0 and 2147483647"
                )
            }),
    }
}

/// A number of entries as `s3s` sends it.
pub fn count(entries: usize) -> i32 {
    i32::try_from(entries).unwrap_or(i32::MAX)
}

/// How names are written in an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// Percent-encoded.
    Url,
}

impl Encoding {
    /// The encoding that a client asks for.
    pub fn asked(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None | Some("") => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(_) => Err(s3_error!(
                InvalidArgument,
                "Invalid Encoding Method specified in Request"
            )),
        }
    }

    /// What the answer says about it.
    pub fn said(self) -> Option<EncodingType> {
        (self == Self::Url).then(|| EncodingType::from_static(EncodingType::URL))
    }

    /// A name as it stands in the answer.
    pub fn text(self, name: String) -> String {
        match self {
            Self::Plain => name,
            Self::Url => url_encoded(&name),
        }
    }

    /// A key or prefix of the store as it stands in the answer.
    pub fn name(self, name: Vec<u8>) -> S3Result<String> {
        String::from_utf8(name)
            .map(|name| self.text(name))
            .map_err(|_| s3_error!(InternalError, "a key is not UTF-8"))
    }

    /// A common prefix as it stands in the answer.
    pub fn prefix(self, prefix: Vec<u8>) -> S3Result<CommonPrefix> {
        Ok(CommonPrefix {
            prefix: Some(self.name(prefix)?),
        })
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

/// Where a listing begins behind `marker`.
pub fn behind(marker: &str, prefix: &str, delimiter: &str) -> ListStart {
    if marker.is_empty() {
        return ListStart::First;
    }
    let marker = marker.as_bytes();
    match group(marker, prefix.as_bytes(), delimiter.as_bytes()) {
        Some(group) if group.len() == marker.len() => ListStart::AfterPrefix(marker.to_vec()),
        _ => ListStart::AfterKey(marker.to_vec()),
    }
}

/// The common prefix that a key belongs to in a listing; `None` if it stands for itself.
pub fn group<'a>(key: &'a [u8], prefix: &[u8], delimiter: &[u8]) -> Option<&'a [u8]> {
    if delimiter.is_empty() {
        return None;
    }
    let at = key
        .strip_prefix(prefix)?
        .windows(delimiter.len())
        .position(|window| window == delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

/// The turns at making a listing.
pub fn turns(limits: &Limits) -> Shares {
    Shares::new(AT_ONCE, OF_TENANT_AT_ONCE, limits.memory_wait)
}

/// Waits until the listing may be made. It keeps its turn until its answer is written.
pub async fn turn(door: &Door, context: &RequestContext) -> S3Result<()> {
    let turn = door.listings.take(context.tenant(), 1).await;
    context.hold(Arc::new(turn.ok_or_else(errors::slow_down)?));
    Ok(())
}

/// A page of objects and common prefixes. It may have fewer entries than were asked for and not be the last.
pub async fn page(
    door: &Door,
    context: &RequestContext,
    bucket: BucketId,
    mut query: ListQuery,
) -> S3Result<ListPage> {
    turn(door, context).await?;
    let mut pages = 0;
    // A key that is also a group's name would, as a marker, stand for the group: never stop there.
    let ambiguous = |next: &ListStart, query: &ListQuery| match next {
        ListStart::AfterKey(key) => group(key, &query.prefix, &query.delimiter) == Some(key),
        ListStart::First | ListStart::AfterPrefix(_) => false,
    };
    loop {
        let page = door
            .store
            .list(bucket, query.clone())
            .await
            .map_err(door.failed(context))?;
        pages += 1;
        match page.next {
            Some(next)
                if page.entries.is_empty()
                    && (pages < EMPTY_PAGES_MAX || ambiguous(&next, &query)) =>
            {
                query.start = next;
            }
            next => return Ok(ListPage { next, ..page }),
        }
    }
}

/// The name that the next page begins behind, where a listing goes on by name. The last entry's, if there is one; the scan
/// may have ended at a deleted name behind it.
pub fn next_marker(page: &ListPage) -> Option<Vec<u8>> {
    let next = page.next.as_ref()?;
    match (page.entries.last(), next) {
        (Some(ListEntry::Object(object)), _) => Some(object.key.clone()),
        (Some(ListEntry::Prefix(name)), _)
        | (None, ListStart::AfterKey(name) | ListStart::AfterPrefix(name)) => Some(name.clone()),
        (None, ListStart::First) => None,
    }
}

/// Who owns all that the request may see: its tenant.
pub fn owner(door: &Door, context: &RequestContext) -> S3Result<Owner> {
    let tenant = context.tenant().ok_or_else(|| s3_error!(AccessDenied))?;
    let name = door.store.tenant(tenant).map(|it| it.name);
    Ok(Owner {
        display_name: name,
        id: Some(tenant.to_string()),
    })
}

/// The length of an object or part as `s3s` sends it.
pub fn size(bytes: u64) -> S3Result<i64> {
    i64::try_from(bytes).map_err(|_| s3_error!(InternalError, "a length cannot be said"))
}

/// The storage class of an object, which an entry always says.
pub fn storage_class(object: &Object) -> String {
    let class = object.attributes.storage_class.as_deref();
    class.unwrap_or("STANDARD").to_owned()
}

/// Which checksums an object has, and of what.
pub fn checksums(stored: &[Checksum]) -> (Option<Vec<ChecksumAlgorithm>>, Option<ChecksumType>) {
    let algorithms: Vec<ChecksumAlgorithm> = stored
        .iter()
        .filter_map(|it| Algorithm::by_name(&it.algorithm))
        .map(|it| ChecksumAlgorithm::from_static(it.name()))
        .collect();
    if algorithms.is_empty() {
        return (None, None);
    }
    (Some(algorithms), outgoing::checksum_type(stored))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes() {
        for (asked, given) in [(None, 1000), (Some(0), 0), (Some(7), 7), (Some(5000), 1000)] {
            assert_eq!(page_size(asked, "max-keys").unwrap(), given);
        }
        assert!(page_size(Some(-1), "max-keys").is_err());
    }

    #[test]
    fn encoded_keys() {
        assert_eq!(
            url_encoded("a/b c+\u{e9}\u{1}.jpg"),
            "a/b%20c%2B%C3%A9%01.jpg"
        );
    }

    #[test]
    fn a_marker_that_is_a_common_prefix_stands_for_its_group() {
        let key = |text: &str| ListStart::AfterKey(text.into());
        let prefix = |text: &str| ListStart::AfterPrefix(text.into());
        for (marker, listed, delimiter, start) in [
            ("", "", "/", ListStart::First),
            ("a/", "", "/", prefix("a/")),
            ("a/", "", "", key("a/")),
            ("a/b", "", "/", key("a/b")),
            ("a/b/", "", "/", key("a/b/")),
            ("a/b/", "a/", "/", prefix("a/b/")),
            ("a/", "a/", "/", key("a/")),
            ("a//", "a/", "/", prefix("a//")),
            ("a::", "", "::", prefix("a::")),
            ("a:", "", "::", key("a:")),
            ("b/", "a", "/", key("b/")),
        ] {
            assert_eq!(behind(marker, listed, delimiter), start, "{marker}");
        }
    }
}
