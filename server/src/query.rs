//! The query of a request, as the guards read it. Pure.
//!
//! `s3s` decodes names, takes a parameter that is given twice for one that is not given, and still routes on its presence:
//! `?acl&acl` asks for the ACL, but is not part of what a SigV2 link signs. No client encodes a name or repeats a
//! parameter, so a signed request that does is refused: what is looked at here is then what `s3s` goes by.

use crate::address::percent_decoded;
use crate::errors;
use http::request::Parts;
use s3s::{S3Error, s3_error};
use std::collections::BTreeSet;

/// The parameters of `parts`, names and values as sent.
pub fn pairs(parts: &Parts) -> impl Iterator<Item = (&str, &str)> {
    parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The names of the parameters, as sent.
pub fn names(parts: &Parts) -> impl Iterator<Item = &str> {
    pairs(parts).map(|(name, _)| name)
}

/// The value of a parameter, as sent.
pub fn raw<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    pairs(parts).find_map(|(it, value)| (it == name).then_some(value))
}

/// The value of a parameter, decoded. A query that [`check`] let pass decodes.
pub fn value(parts: &Parts, name: &str) -> Option<String> {
    raw(parts, name).and_then(decoded)
}

/// What a value stands for: a plus sign is a space. `None` if it is badly escaped or not UTF-8.
pub fn decoded(value: &str) -> Option<String> {
    String::from_utf8(percent_decoded(&value.replace('+', " "))?).ok()
}

/// Whether a name is that of a header moved into the query, or of a signature: those are told apart without case.
pub fn is_amz(name: &str) -> bool {
    name.get(..6)
        .is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
}

/// Refuses the query of a signed request if it could be read in two ways.
pub fn check(parts: &Parts) -> Result<(), S3Error> {
    let mut seen = BTreeSet::new();
    for (name, value) in pairs(parts) {
        if name.contains(['%', '+']) {
            return Err(s3_error!(
                InvalidArgument,
                "the name of a query parameter is percent-encoded"
            ));
        }
        if decoded(value).is_none() {
            return Err(s3_error!(InvalidURI));
        }
        let amz = is_amz(name);
        let key = if amz {
            name.to_ascii_lowercase()
        } else {
            name.to_owned()
        };
        if !seen.insert(key) {
            let message = format!("the query parameter {name} is given more than once");
            return Err(if amz {
                errors::bad_link(&message)
            } else {
                s3_error!(InvalidArgument, "{message}")
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(query: &str) -> Parts {
        let target = format!("/b/k?{query}");
        Request::builder()
            .uri(target)
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    fn code(query: &str) -> Option<String> {
        let error = check(&parts(query)).err()?;
        Some(error.code().as_str().to_owned())
    }

    #[test]
    fn values() {
        let parts = parts("a&b=&c=1=2&d=x+y%2Bz%C3%A9&&X-Amz-Y=");
        assert_eq!(
            names(&parts).collect::<Vec<_>>(),
            ["a", "b", "c", "d", "X-Amz-Y"]
        );
        assert_eq!(raw(&parts, "c"), Some("1=2"));
        assert_eq!(value(&parts, "d").as_deref(), Some("x y+z\u{e9}"));
        assert_eq!(value(&parts, "e"), None);
    }

    #[test]
    fn what_could_be_read_in_two_ways() {
        for good in [
            "",
            "acl",
            "prefix=%2F+x&Prefix=",
            "X-Amz-A=1&x-id=PutObject",
        ] {
            assert_eq!(code(good), None, "{good}");
        }
        for (bad, expected) in [
            ("acl&acl", "InvalidArgument"),
            ("acl&acl=", "InvalidArgument"),
            ("uploadId=a&uploadId=b", "InvalidArgument"),
            ("%61cl", "InvalidArgument"),
            ("a+cl", "InvalidArgument"),
            ("X-Amz-Signed%48eaders=host", "InvalidArgument"),
            (
                "X-Amz-Expires=1&X-Amz-Expires=2",
                "AuthorizationQueryParametersError",
            ),
            (
                "X-Amz-Expires=1&x-amz-expires=2",
                "AuthorizationQueryParametersError",
            ),
            ("prefix=%", "InvalidURI"),
            ("prefix=%f", "InvalidURI"),
            ("prefix=%+1", "InvalidURI"),
            ("prefix=%ff", "InvalidURI"),
        ] {
            assert_eq!(code(bad).as_deref(), Some(expected), "{bad}");
        }
    }
}
