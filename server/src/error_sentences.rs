//! What S3 says with an error code, where the place that found the error says nothing better. Pure.

use s3s::S3ErrorCode;

/// The sentence of a code: of each that the server uses, and of those that `s3s` uses by itself.
pub fn sentence(code: &S3ErrorCode) -> Option<&'static str> {
    Some(match code {
        S3ErrorCode::AccessDenied => "Access Denied",
        S3ErrorCode::AuthorizationHeaderMalformed => {
            "The authorization header you provided is not valid."
        }
        S3ErrorCode::BadDigest => "The digest you specified did not match what we received.",
        S3ErrorCode::BucketAlreadyExists => "The requested bucket name is not available.",
        S3ErrorCode::BucketAlreadyOwnedByYou => "You already own the bucket of this name.",
        S3ErrorCode::BucketNotEmpty => "The bucket you tried to delete is not empty.",
        S3ErrorCode::EntityTooLarge => "Your proposed upload exceeds the maximum allowed size.",
        S3ErrorCode::EntityTooSmall => {
            "Your proposed upload is smaller than the minimum allowed size."
        }
        S3ErrorCode::IncompleteBody => {
            "You did not provide the number of bytes that you announced."
        }
        S3ErrorCode::InternalError => "We encountered an internal error. Please try again.",
        S3ErrorCode::InvalidAccessKeyId => "The access key id you provided does not exist.",
        S3ErrorCode::InvalidArgument => "An argument you specified is not valid.",
        S3ErrorCode::InvalidBucketName => "The specified bucket name is not valid.",
        S3ErrorCode::InvalidDigest => "The Content-MD5 you specified is not valid.",
        S3ErrorCode::InvalidPart => "A part was not uploaded, or differs from what you specified.",
        S3ErrorCode::InvalidPartOrder => "The list of parts was not in ascending order.",
        S3ErrorCode::InvalidRange => "The requested range is not satisfiable.",
        S3ErrorCode::InvalidRequest => "The request is not valid.",
        S3ErrorCode::InvalidStorageClass => "The storage class you specified is not valid.",
        S3ErrorCode::InvalidToken => "The provided token is malformed or otherwise not valid.",
        S3ErrorCode::InvalidURI => "Couldn't parse the specified URI.",
        S3ErrorCode::KeyTooLongError => "Your key is too long.",
        S3ErrorCode::MalformedACLError => {
            "The ACL you provided was not well-formed, or is none of ours."
        }
        S3ErrorCode::MalformedXML => "The XML you provided was not well-formed.",
        S3ErrorCode::MaxMessageLengthExceeded => "Your request was too large.",
        S3ErrorCode::MetadataTooLarge => "Your metadata headers exceed the maximum allowed size.",
        S3ErrorCode::MethodNotAllowed => "The method is not allowed against this resource.",
        S3ErrorCode::MissingContentLength => "You must provide the Content-Length header.",
        S3ErrorCode::MissingSecurityHeader => "Your request is missing a required header.",
        S3ErrorCode::NoSuchBucket => "The specified bucket does not exist.",
        S3ErrorCode::NoSuchKey => "The specified key does not exist.",
        S3ErrorCode::NoSuchUpload => "The specified upload does not exist.",
        S3ErrorCode::NoSuchVersion => "The specified version does not exist.",
        S3ErrorCode::NotImplemented => "You asked for functionality that is not implemented.",
        S3ErrorCode::NotModified => "The resource was not changed.",
        S3ErrorCode::NotSignedUp => "Your account is not signed up for this service.",
        S3ErrorCode::PreconditionFailed => "A condition you specified did not hold.",
        S3ErrorCode::RequestTimeTooSkewed => {
            "The request's time differs too much from the server's."
        }
        S3ErrorCode::RequestTimeout => "Your connection was not read from or written to in time.",
        S3ErrorCode::ServiceUnavailable => "Please try again later.",
        S3ErrorCode::SignatureDoesNotMatch => "The signature does not match the request.",
        S3ErrorCode::SlowDown => "Please reduce your request rate.",
        S3ErrorCode::TooManyBuckets => "You have attempted to create more buckets than allowed.",
        S3ErrorCode::UnexpectedContent => "This request does not support content.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::str::FromStr;

    /// The codes in `s3_error!(CODE` of all sources below `folder`.
    fn used(folder: &Path, codes: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, codes);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for call in text.split("s3_error!(").skip(1) {
                let words = call.split([',', ')']).map(str::trim).take(2);
                let code = words.map(|it| it.split(|it: char| !it.is_alphanumeric()).next());
                let mut code = code.map(Option::unwrap_or_default);
                let code = code.find(|it| it.starts_with(|it: char| it.is_ascii_uppercase()));
                codes.extend(code.map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_code_in_use_has_a_sentence() {
        let mut codes = BTreeSet::new();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        used(&sources, &mut codes);
        codes.remove("CODE");
        assert!(codes.len() > 40, "{codes:?}");
        assert!(codes.contains("MalformedACLError") && codes.contains("BadDigest"));
        for code in codes {
            let code = S3ErrorCode::from_str(&code).unwrap();
            assert!(sentence(&code).is_some(), "{code:?}");
        }
    }
}
