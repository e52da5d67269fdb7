//! Which headers a SigV4 signature covers: all that matter, and none that is not there. Pure.
//!
//! `s3s` checks the signature over the headers that the client lists, but not the list: an `x-amz-acl` that someone adds
//! on the way would pass, and a listed header that is not there, is written in capitals in the list, or is not UTF-8 counts
//! as if it had never been listed.

use http::HeaderMap;
use s3s::{S3Error, s3_error};

/// What a content delivery network in front adds on the way, whoever signed.
const ADDED_ON_THE_WAY: &str = "x-amz-cf-id";

/// Refuses `headers` unless the signature covers the host and every `x-amz-*` that is not excused, and everything in its
/// list is there. `list` is separated by semicolons.
pub fn check(
    headers: &HeaderMap,
    list: &str,
    excused: impl Fn(&str) -> bool,
) -> Result<(), S3Error> {
    let listed: Vec<&str> = list.split(';').collect();
    if !listed.contains(&"host") {
        return Err(s3_error!(AccessDenied, "the Host header is not signed"));
    }
    if let Some(name) = listed.iter().find(|name| !is_there(headers, name)) {
        return Err(s3_error!(
            SignatureDoesNotMatch,
            "the header {name:?} was signed, but is missing or not UTF-8"
        ));
    }
    let unsigned = headers.keys().map(|name| name.as_str()).find(|name| {
        name.starts_with("x-amz-")
            && *name != ADDED_ON_THE_WAY
            && !listed.contains(name)
            && !excused(name)
    });
    match unsigned {
        None => Ok(()),
        Some(name) => Err(s3_error!(
            AccessDenied,
            "There were headers present in the request which were not signed: {name}"
        )),
    }
}

fn is_there(headers: &HeaderMap, name: &str) -> bool {
    let capitals = name.bytes().any(|byte| byte.is_ascii_uppercase());
    !capitals && headers.contains_key(name) && is_text(headers, name)
}

/// Whether all values of a header are UTF-8; `s3s` passes over those that are not.
pub fn is_text(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .all(|value| std::str::from_utf8(value.as_bytes()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn code(list: &str, headers: &[(&'static str, &[u8])]) -> Option<String> {
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static("x"));
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let error = check(&map, list, |name| name == "x-amz-user-agent").err()?;
        Some(error.code().as_str().to_owned())
    }

    #[test]
    fn covered() {
        assert_eq!(code("host", &[]), None);
        assert_eq!(code("host", &[("range", b"bytes=0-1")]), None);
        assert_eq!(code("host;x-amz-acl", &[("x-amz-acl", b"private")]), None);
        assert_eq!(code("host", &[("x-amz-user-agent", b"x")]), None);
        assert_eq!(code("host", &[("x-amz-cf-id", b"x")]), None);
        assert_eq!(
            code("accept;host", &[("accept", "\u{e9}".as_bytes())]),
            None
        );
    }

    #[test]
    fn not_covered() {
        let denied = |list, headers: &[(&'static str, &[u8])]| {
            assert_eq!(code(list, headers).as_deref(), Some("AccessDenied"));
        };
        denied("host", &[("x-amz-acl", b"public-read")]);
        denied("x-amz-acl", &[("x-amz-acl", b"private")]);
        denied("", &[]);
        denied("Host", &[]);
    }

    #[test]
    fn signed_but_not_there() {
        let broken = |list, headers: &[(&'static str, &[u8])]| {
            assert_eq!(
                code(list, headers).as_deref(),
                Some("SignatureDoesNotMatch")
            );
        };
        broken("host;x-amz-acl", &[]);
        broken("host;", &[]);
        broken("host;Content-Type", &[("content-type", b"x")]);
        broken("content-type;host", &[("content-type", b"\xe9")]);
        broken(
            "host;x-amz-acl",
            &[("x-amz-acl", b"a"), ("x-amz-acl", b"\xff")],
        );
    }
}
