//! The refusals that `s3s` writes by itself, such as a wrong signature or a bucket's name that cannot be: they have a code
//! and often nothing else. Here they are taken apart, so that they leave as all other errors do.

use http::Response;
use s3s::{Body, S3Error, S3ErrorCode};
use std::str::FromStr;

/// The error in an answer of `s3s`, if its body is one.
pub fn error(response: &Response<Body>) -> Option<S3Error> {
    let body = response.body().bytes()?;
    let text = std::str::from_utf8(&body).ok()?;
    let code = element(text, "Code")?;
    let mut error = S3Error::new(S3ErrorCode::from_str(&code).ok()?);
    if let Some(message) = element(text, "Message") {
        error.set_message(message);
    }
    error.set_status_code(response.status());
    Some(error)
}

/// The text of the first element of that name, which holds no other elements.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    // The ampersand last, or `&amp;lt;` would become `<`.
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    let plain = |text: String, (entity, plain): (&str, &str)| text.replace(entity, plain);
    Some(entities.into_iter().fold(content.to_owned(), plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use s3s::s3_error;

    #[test]
    fn an_error_survives_being_written_and_read() {
        let message = "a < b && \"c\" > 'd' &lt;";
        for (mut before, message) in [
            (s3_error!(KeyTooLongError), None),
            (s3_error!(InvalidRequest, "{message}"), Some(message)),
        ] {
            before.set_status_code(StatusCode::IM_A_TEAPOT);
            let code = before.code().as_str().to_owned();
            let after = error(&before.to_http_response().unwrap()).unwrap();
            assert_eq!(after.code().as_str(), code);
            assert_eq!(after.message(), message);
            assert_eq!(after.status_code(), Some(StatusCode::IM_A_TEAPOT));
        }
    }

    #[test]
    fn other_answers_are_no_errors() {
        assert!(error(&Response::new(Body::empty())).is_none());
        let other = Body::from("<ListBucketResult/>".to_owned());
        assert!(error(&Response::new(other)).is_none());
    }
}
