//! Headers that a signer of links wrote into the query, put back where headers are. Pure.
//!
//! SDKs write `x-amz-acl`, `x-amz-meta-*` and others into the query of a link, where the signature covers them, and S3
//! treats them as the headers that they were. A header that the request carries as well is left as it is: the signature
//! covers it, or it says the same.
//!
//! Not a header: the parameters of the signature itself, and a checksum of nothing. An SDK that signs a link for a PUT
//! without knowing its content adds the checksum of an empty body; held to it, no upload could succeed.

use crate::query;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use s3s::{S3Error, s3_error};

/// What a SigV4 link says about itself, or about a content that is not known yet.
const NO_HEADERS: [&str; 9] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-content-sha256",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-user-agent",
];

/// The checksums of an empty body.
const OF_NOTHING: [(&str, &str); 5] = [
    ("x-amz-checksum-crc32", "AAAAAA=="),
    ("x-amz-checksum-crc32c", "AAAAAA=="),
    ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
    ("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
    (
        "x-amz-checksum-sha256",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ),
];

/// Puts back the headers of a SigV4 link.
pub fn signed(parts: &mut Parts) -> Result<(), S3Error> {
    put_back(parts, |name, value| {
        query::is_amz(name) && !NO_HEADERS.contains(&name) && !OF_NOTHING.contains(&(name, value))
    })
}

/// Puts back the headers of a SigV2 link: each is part of what was signed, but only as a header.
pub fn all(parts: &mut Parts) -> Result<(), S3Error> {
    put_back(parts, |name, _| {
        query::is_amz(name) || V2_HEADERS.contains(&name)
    })
}

/// Headers besides `x-amz-*` that SigV2 covers, and that its signers write into the query.
pub const V2_HEADERS: [&str; 2] = ["content-md5", "content-type"];

/// Whether the query says just what the header of that name says.
pub fn says_the_same(parts: &Parts, header: &str) -> bool {
    let mut values = parts.headers.get_all(header).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    query::pairs(parts)
        .filter(|(name, _)| name.eq_ignore_ascii_case(header))
        .filter_map(|(_, value)| query::decoded(value))
        .any(|said| said.as_bytes() == value.as_bytes())
}

fn put_back(parts: &mut Parts, is_header: impl Fn(&str, &str) -> bool) -> Result<(), S3Error> {
    let mut found = HeaderMap::new();
    for (name, value) in query::pairs(parts) {
        let name = name.to_ascii_lowercase();
        let value = query::decoded(value).ok_or_else(|| s3_error!(InvalidURI))?;
        if !is_header(&name, &value) || parts.headers.contains_key(&name) {
            continue;
        }
        let bad = |_| s3_error!(InvalidArgument, "{name} cannot be a header");
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| s3_error!(InvalidArgument, "the value of {name} cannot be a header's"))?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(bad)?;
        found.insert(name, value);
    }
    parts.headers.extend(found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::parts;
    use super::*;

    fn after(
        settle: impl Fn(&mut Parts) -> Result<(), S3Error>,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<Vec<String>, String> {
        let mut parts = parts(&format!("/b/k?{query}"), headers);
        settle(&mut parts).map_err(|error| error.code().as_str().to_owned())?;
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", std::str::from_utf8(value.as_bytes()).unwrap())
        };
        let mut lines: Vec<String> = parts.headers.iter().map(line).collect();
        lines.retain(|line| !line.starts_with("host"));
        lines.sort();
        Ok(lines)
    }

    #[test]
    fn of_a_link() {
        let query = "X-Amz-Algorithm=x&X-Amz-Credential=x&X-Amz-Date=x&X-Amz-Expires=1&X-Amz-SignedHeaders=host\
            &X-Amz-Signature=x&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-amz-sdk-checksum-algorithm=CRC32\
            &x-amz-checksum-crc32=AAAAAA%3D%3D&x-id=PutObject&x-amz-user-agent=y\
            &x-amz-acl=public-read&X-Amz-Meta-Name=a%20b%2Bc&x-amz-checksum-mode=ENABLED\
            &x-amz-checksum-sha256=abc&response-content-type=z";
        assert_eq!(
            after(signed, query, &[]).unwrap(),
            [
                "x-amz-acl: public-read",
                "x-amz-checksum-mode: ENABLED",
                "x-amz-checksum-sha256: abc",
                "x-amz-meta-name: a b+c",
            ]
        );
    }

    #[test]
    fn of_a_link_of_version_2() {
        let query = "AWSAccessKeyId=x&Expires=1&Signature=x&x-amz-acl=private&content-type=a%2Fb&acl&x-id=1";
        assert_eq!(
            after(all, query, &[]).unwrap(),
            ["content-type: a/b", "x-amz-acl: private"]
        );
    }

    #[test]
    fn a_header_is_left_as_it_is() {
        let there = [("x-amz-acl", "private")];
        let lines = after(signed, "x-amz-acl=public-read", &there).unwrap();
        assert_eq!(lines, ["x-amz-acl: private"]);
    }

    #[test]
    fn what_cannot_be_a_header() {
        for query in ["x-amz-meta-a=%0D%0Ax-amz-acl:%20public-read", "x-amz-m(=1"] {
            let refused = after(signed, query, &[]);
            assert_eq!(refused, Err("InvalidArgument".to_owned()), "{query}");
        }
    }

    #[test]
    fn the_same() {
        let said = |query: &str, value: &str| {
            let parts = parts(&format!("/b/k?{query}"), &[("x-amz-tagging", value)]);
            says_the_same(&parts, "x-amz-tagging")
        };
        assert!(said("X-Amz-Tagging=a%3Db", "a=b"));
        assert!(!said("x-amz-tagging=a%3Db", "a=c"));
        assert!(!said("x-amz-acl=a%3Db", "a=b"));
    }
}
