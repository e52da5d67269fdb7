//! The region that a signature names. Any will do, for clients name what their settings say, as long as it is written like
//! one: `s3s` takes lower-case letters, digits and hyphens, and an empty name. Of the others S3 says that they are wrong, and
//! which one is right; clients that name old regions such as `US` then sign again.

use crate::errors;
use http::Response;
use http::header::{HeaderName, HeaderValue};
use s3s::{Body, S3Error};

/// Named where the configured region cannot be.
const DEFAULT: &str = "us-east-1";

const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// Ends the sentence of the refusals that name the right region.
const WRONG: &str = "is wrong; expecting another, which is named here";

/// Whether a request may be signed for `region`.
pub fn is_plain(region: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    region.bytes().all(plain)
}

/// What is said of `region` if it is not plain.
pub fn wrong(region: &str) -> String {
    format!("the region {region:?} {WRONG}")
}

/// The answer to a refusal, with the right region if it says that another was wrong.
pub fn named(
    error: S3Error,
    region: &str,
    refuse: impl FnOnce(S3Error) -> Response<Body>,
) -> Response<Body> {
    let wrong = error
        .message()
        .is_some_and(|message| message.ends_with(WRONG));
    let mut response = refuse(error);
    let region = if region.is_empty() || !is_plain(region) {
        DEFAULT
    } else {
        region
    };
    if wrong && let Ok(value) = HeaderValue::from_str(region) {
        response.headers_mut().insert(BUCKET_REGION, value);
        errors::add_element(&mut response, "Region", region);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::s3_error;

    fn body(error: S3Error, region: &str) -> (String, Option<HeaderValue>) {
        let response = named(error, region, |error| error.to_http_response().unwrap());
        let header = response.headers().get(BUCKET_REGION).cloned();
        let body = response.body().bytes().unwrap();
        (String::from_utf8(body.to_vec()).unwrap(), header)
    }

    #[test]
    fn forms() {
        for good in ["", "us-east-1", "auto", "eu-test-1"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["US", "my_region", "a b", "\u{e9}"] {
            assert!(!is_plain(bad), "{bad}");
        }
    }

    #[test]
    fn the_right_one_is_named() {
        for (configured, expected) in [("eu-west-9", "eu-west-9"), ("", DEFAULT), ("EU", DEFAULT)] {
            let error = s3_error!(AuthorizationHeaderMalformed, "{}", wrong("US"));
            let (text, header) = body(error, configured);
            let end = format!("<Region>{expected}</Region></Error>");
            assert!(text.ends_with(&end), "{text}");
            assert_eq!(header.unwrap(), expected);
        }
        let (text, header) = body(s3_error!(AuthorizationHeaderMalformed, "x"), "eu-west-9");
        assert!(!text.contains("Region") && header.is_none(), "{text}");
    }
}
