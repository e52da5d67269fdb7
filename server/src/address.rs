//! What a request is about: a bucket, a key, or neither, from its host and its path. Pure.
//!
//! One function for everybody who asks (the guards, the anonymous reads), and it decides as `s3s` does for signed
//! requests: the path is decoded once and split afterwards, so `/b%2Fk` is the key `k` of the bucket `b`; nothing is
//! normalised, so `//`, a leading slash and a `..` that stays below the bucket belong to the key.
//!
//! A host that names a bucket decides: the whole path is the key, as in S3. Some servers are configured with the bucket
//! both in the endpoint and in the path (`https://BUCKET.DOMAIN/BUCKET/KEY`). Their keys begin with `BUCKET/` here, as they
//! do in S3, when they write and when they read. Guessing that they mean `KEY` would leave a key that does begin so out of
//! reach, and would hand out the wrong object of two.

use crate::hosts::Domains;
use http::header::HOST;
use http::request::Parts;
use s3s::{S3Result, s3_error};
use std::borrow::Cow;

/// What a request is about.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Address {
    /// The bucket, unless the request is about all of them.
    pub bucket: Option<String>,
    /// The key, never empty, unless the request is about the bucket.
    pub key: Option<String>,
}

/// What the request is about.
///
/// # Errors
/// `InvalidURI` for a path with a percent sign that is not followed by two hexadecimal digits, or that is not UTF-8, and for
/// a key that climbs out of its bucket.
pub fn locate(domains: &Domains, parts: &Parts) -> S3Result<Address> {
    split(domains.bucket(host(parts)), parts.uri.path())
}

/// The bucket and the key of a request about an object, without copying them: `None` where [`locate`] would say anything
/// else, and also for a path with a percent sign.
pub fn plain<'a>(domains: &Domains, parts: &'a Parts) -> Option<(Cow<'a, str>, &'a str)> {
    let path = parts.uri.path().strip_prefix('/')?;
    if path.contains('%') {
        return None;
    }
    let (bucket, key) = match domains.bucket(host(parts)) {
        Some(bucket) => (Cow::Owned(bucket), path),
        None => {
            let (bucket, key) = path.split_once('/')?;
            (Cow::Borrowed(bucket), key)
        }
    };
    (!key.is_empty() && !climbs(key)).then_some((bucket, key))
}

fn host(parts: &Parts) -> &str {
    let host = parts.headers.get(HOST);
    host.and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn split(bucket: Option<String>, path: &str) -> S3Result<Address> {
    let path = percent_decoded(path).and_then(|path| String::from_utf8(path).ok());
    let path = path.ok_or_else(|| s3_error!(InvalidURI))?;
    let path = path
        .strip_prefix('/')
        .ok_or_else(|| s3_error!(InvalidURI))?;
    let (bucket, key) = match bucket {
        Some(bucket) => (bucket, path),
        None if path.is_empty() => return Ok(Address::default()),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (bucket.to_owned(), key)
        }
    };
    if climbs(key) {
        return Err(s3_error!(
            InvalidURI,
            "the key has more .. than names in front of them"
        ));
    }
    Ok(Address {
        bucket: Some(bucket),
        key: Some(key.to_owned()).filter(|key| !key.is_empty()),
    })
}

/// Whether a key climbs out of its bucket: read from the left, it has more `..` than other segments. S3 refuses those, and
/// what mirrors a bucket to a file system relies on that. All else in a key stands for itself.
fn climbs(key: &str) -> bool {
    let mut depth = 0_usize;
    for segment in key.split('/') {
        match (segment, depth) {
            ("..", 0) => return true,
            ("..", _) => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// The bytes that `text` stands for; `None` if a percent sign is not followed by two hexadecimal digits.
pub fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::path::{S3Path, parse_virtual_hosted_style};

    #[test]
    fn keys_do_not_climb_out_of_their_bucket() {
        for key in ["a/../c", "a/b/../../c", "...", "..a", "a..", "/../k", ""] {
            assert!(!climbs(key), "{key}");
        }
        for key in ["..", "../k", "a/../../k", "a/b/../../../k"] {
            assert!(climbs(key), "{key}");
        }
        for path in ["/b/%2e%2E/k", "/b%2F..%2fk"] {
            assert!(split(None, path).is_err(), "{path}");
        }
        assert!(split(Some("b".to_owned()), "/../k").is_err());
    }

    #[track_caller]
    fn is(host: Option<&str>, path: &str, bucket: Option<&str>, key: Option<&str>) {
        let found = split(host.map(str::to_owned), path).unwrap();
        let found = (found.bucket.as_deref(), found.key.as_deref());
        assert_eq!(found, (bucket, key), "{path}");
    }

    #[test]
    fn in_the_path() {
        is(None, "/", None, None);
        is(None, "/b", Some("b"), None);
        is(None, "/b/", Some("b"), None);
        is(None, "/b%2f", Some("b"), None);
        is(None, "/b/k", Some("b"), Some("k"));
        is(None, "/b%2Fk", Some("b"), Some("k"));
        is(None, "//k", Some(""), Some("k"));
        is(None, "/b//k", Some("b"), Some("/k"));
        is(
            None,
            "/b/a%20b+c%2Fd//e/../f",
            Some("b"),
            Some("a b+c/d//e/../f"),
        );
        is(None, "/b/%C3%A9%00", Some("b"), Some("\u{e9}\0"));
    }

    #[test]
    fn in_the_host() {
        is(Some("b"), "/", Some("b"), None);
        is(Some("b"), "/k", Some("b"), Some("k"));
        is(Some("b"), "//k/", Some("b"), Some("/k/"));
        is(Some("b"), "/b/k", Some("b"), Some("b/k"));
        is(Some("b"), "/%2Fk", Some("b"), Some("/k"));
    }

    #[test]
    fn plain_addresses_are_the_same() {
        let domains = Domains::new(&["example.org".to_owned()]).unwrap();
        let (mut plain_ones, mut others) = (0, 0);
        for host in ["localhost", "bkt.example.org", "example.org", ""] {
            for path in [
                "/",
                "/b",
                "/b/",
                "/b/k",
                "//k",
                "/b//k/",
                "/b/a+c/../d",
                "/b/../k",
                "/../k",
                "/b/k%20",
                "/b/%zz",
                "/bkt/k",
                "/b/k/..",
                "/b/../../k",
            ] {
                let request = http::Request::builder().uri(path).header(HOST, host);
                let parts = request.body(()).unwrap().into_parts().0;
                let long = locate(&domains, &parts).ok();
                let Some((bucket, key)) = plain(&domains, &parts) else {
                    others += 1;
                    let complete = long.is_some_and(|it| it.key.is_some());
                    assert!(!complete || path.contains('%'), "{host} {path}");
                    continue;
                };
                plain_ones += 1;
                let short = Address {
                    bucket: Some(bucket.into_owned()),
                    key: Some(key.to_owned()),
                };
                assert_eq!(long, Some(short), "{host} {path}");
            }
        }
        assert!(plain_ones > 20 && others > 10);
    }

    #[test]
    fn what_is_no_path() {
        for path in [
            "", "b/k", "*", "/b/%", "/b/%4", "/b/%+1", "/b/%ff", "/%zz/k",
        ] {
            assert!(split(None, path).is_err(), "{path}");
            assert!(split(Some("b".to_owned()), path).is_err(), "{path}");
        }
    }

    #[test]
    fn s3s_decides_alike() {
        for path in [
            "/",
            "/bkt",
            "/bkt/",
            "/bkt/k",
            "/bkt//k/",
            "/bkt/a/../k",
            "/bkt/bkt/k",
            "/bkt/ +%",
        ] {
            for host in [None, Some("bkt")] {
                let encoded = path.replace('%', "%25").replace(' ', "%20");
                let ours = split(host.map(str::to_owned), &encoded).unwrap();
                let ours = match (&ours.bucket, &ours.key) {
                    (None, _) => S3Path::root(),
                    (Some(bucket), None) => S3Path::bucket(bucket),
                    (Some(bucket), Some(key)) => S3Path::object(bucket, key),
                };
                assert_eq!(parse_virtual_hosted_style(host, path).unwrap(), ours);
            }
        }
    }

    /// A generator of numbers that needs no crate (xorshift64*, Vigna 2014).
    fn next(state: &mut u64) -> usize {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        usize::try_from(state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40).unwrap()
    }

    #[test]
    fn s3s_decides_alike_on_random_paths() {
        let pieces = [
            "/", "//", "bkt", "b", "%2F", "%2f", "%25", "%252F", "..", ".", "%20", "+", "%C3%A9",
            "K", "a-b", "%00",
        ];
        for seed in 1..5_000_u64 {
            let mut state = seed;
            let count = next(&mut state) % 8;
            let path: String = (0..count)
                .map(|_| pieces[next(&mut state) % pieces.len()])
                .collect();
            let path = format!("/{path}");
            let host = [None, Some("bkt"), Some("B_")][next(&mut state) % 3];
            let decoded = String::from_utf8(percent_decoded(&path).unwrap()).unwrap();
            let Ok(ours) = split(host.map(str::to_owned), &path) else {
                assert!(decoded.contains(".."), "seed {seed}: {host:?} {path}");
                continue;
            };
            let bucket = ours.bucket.clone().unwrap_or_default();
            match parse_virtual_hosted_style(host, &decoded) {
                Ok(S3Path::Root) => assert_eq!(ours, Address::default(), "seed {seed}: {path}"),
                Ok(theirs) => {
                    let theirs = (theirs.get_bucket_name(), theirs.get_object_key());
                    let ours = (ours.bucket.as_deref(), ours.key.as_deref());
                    assert_eq!(ours, theirs, "seed {seed}: {host:?} {path}");
                }
                Err(_) => assert!(
                    !s3s::path::check_bucket_name(&bucket),
                    "seed {seed}: {host:?} {path}"
                ),
            }
        }
    }
}
