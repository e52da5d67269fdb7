//! What a signature must be like before `s3s` computes it. Pure, but for the time that it is given.
//!
//! `s3s` looks up the key, computes the signature and compares it. Whether the request is one that S3 would look at all
//! (`header`, `link`, `link_v2`: forms, times, one way to sign and not two), whether the signature covers what matters
//! (`signed_headers`), and which error says so, is decided here. [`settle`] then puts the request into the form that
//! `s3s` expects.
//!
//! SigV4 signatures are compared in constant time by `s3s`. SigV2 ones are not, but as strings of 28 bytes, which the
//! processor compares in two steps of 16: there is no first byte to be found by measuring. SigV2 in headers is refused
//! (`guards`): it has no check of the clock.

pub mod amz_date;
mod credential;
mod header;
mod hoist;
mod link;
mod link_v2;
mod signed_headers;

pub use hoist::V2_HEADERS;

use crate::guards::Proof;
use crate::query;
use http::HeaderMap;
use http::request::Parts;
use s3s::{S3Error, s3_error};
use std::time::{Duration, SystemTime};

/// How far clocks may be apart, as in S3.
const SKEW_MAX: Duration = Duration::from_secs(15 * 60);

/// The parameters that say who signed, in the query of a link.
const LINK_PARAMETERS: [&str; 3] = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"];
const LINK_V2_PARAMETERS: [&str; 2] = ["AWSAccessKeyId", "Signature"];

/// Whether the query has a signature, or a part of one.
pub fn in_query(parts: &Parts) -> bool {
    is_v4(parts) || is_v2(parts)
}

fn is_v4(parts: &Parts) -> bool {
    query::names(parts).any(|name| LINK_PARAMETERS.contains(&name))
}

fn is_v2(parts: &Parts) -> bool {
    query::names(parts).any(|name| LINK_V2_PARAMETERS.contains(&name))
}

/// Refuses a request whose signature S3 would not look at, or that covers too little, or what is not there.
pub fn check(parts: &Parts, proof: Proof, now: SystemTime) -> Result<(), S3Error> {
    if proof == Proof::None {
        return Ok(());
    }
    query::check(parts)?;
    let session = |name: &str| name.eq_ignore_ascii_case("x-amz-security-token");
    if parts.headers.contains_key("x-amz-security-token") || query::names(parts).any(session) {
        return Err(s3_error!(
            InvalidToken,
            "The provided token is malformed or otherwise invalid: there are no session tokens here."
        ));
    }
    match proof {
        Proof::None => Ok(()),
        Proof::Header if in_query(parts) => Err(two_ways()),
        Proof::Header => header::check(parts, now),
        Proof::Query if is_v2(parts) && is_v4(parts) => Err(two_ways()),
        Proof::Query if is_v2(parts) => link_v2::check(parts, now),
        Proof::Query => link::check(parts, now),
    }
}

/// Puts a request that [`check`] let pass into the form that `s3s` knows: a date in `x-amz-date`, and the headers of a
/// link where headers are.
pub fn settle(parts: &mut Parts, proof: Proof) -> Result<(), S3Error> {
    match proof {
        Proof::None => Ok(()),
        Proof::Header => header::settle(parts),
        Proof::Query if is_v2(parts) => hoist::all(parts),
        Proof::Query => hoist::signed(parts),
    }
}

fn two_ways() -> S3Error {
    s3_error!(InvalidArgument, "Only one auth mechanism allowed")
}

/// Whether `x-amz-content-sha256` may have this value: a digest, or one of the words for having none.
fn is_payload(value: &str) -> bool {
    let digest = value.len() == 64
        && value
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    digest || value == UNSIGNED || value.starts_with("STREAMING-")
}

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    std::str::from_utf8(headers.get(name)?.as_bytes()).ok()
}

#[cfg(test)]
mod testing {
    //! Requests to be checked.

    use super::*;
    use http::Request;

    /// 24 May 2013, midnight.
    pub const DATE: &str = "20130524T000000Z";

    pub fn now() -> SystemTime {
        amz_date::parse(DATE).unwrap()
    }

    pub fn parts(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(target).header("host", "x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// The code and the status of the refusal.
    pub fn refusal(parts: &Parts, now: SystemTime) -> Option<(String, u16)> {
        let error = check(parts, crate::guards::proof(parts), now).err()?;
        let status = error.status_code().map_or(0, |it| it.as_u16());
        Some((error.code().as_str().to_owned(), status))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{now, parts, refusal};

    #[track_caller]
    fn is(target: &str, headers: &[(&str, &str)], code: &str) {
        let refusal = refusal(&parts(target, headers), now());
        assert_eq!(refusal, Some((code.to_owned(), 400)), "{target}");
    }

    #[test]
    fn one_way_to_sign() {
        let header = ("authorization", "AWS4-HMAC-SHA256 x");
        for target in [
            "/b/k?X-Amz-Signature=x",
            "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "/b/k?Signature=x",
            "/b/k?AWSAccessKeyId=x",
        ] {
            is(target, &[header], "InvalidArgument");
        }
        is(
            "/b/k?AWSAccessKeyId=a&Expires=1&Signature=x&X-Amz-Signature=y",
            &[],
            "InvalidArgument",
        );
    }

    #[test]
    fn sessions_are_unknown() {
        let header = ("authorization", "AWS4-HMAC-SHA256 x");
        is(
            "/b/k",
            &[header, ("x-amz-security-token", "x")],
            "InvalidToken",
        );
        is(
            "/b/k?X-Amz-Signature=x&X-Amz-Security-Token=y",
            &[],
            "InvalidToken",
        );
        is(
            "/b/k?Signature=x&x-amz-security-token=y",
            &[],
            "InvalidToken",
        );
    }

    #[test]
    fn without_a_signature_nothing_is_asked() {
        let odd = parts(
            "/b/k?v=%zz&v=1&X-Amz-Signatures=1&x-amz-security-token=x",
            &[],
        );
        assert_eq!(refusal(&odd, now()), None);
    }
}
