//! An XML body on its way in: a plain document, of bounded size, with the digests that its sender gave.
//!
//! `s3s` gathers it and hands it to the operation without a look at `Content-MD5` and `x-amz-checksum-*`. Here a body whose
//! digests differ fails at its end, before anything acts on it. Nothing is read of a body that is refused by its headers.

use super::BodyFault;
use super::xml::Document;
use crate::checksum::{self, Algorithm, Hasher};
use crate::config::Limits;
use crate::guards;
use crate::query;
use http::Method;
use http::request::Parts;
use s3s::crypto::{Checksum as _, Md5};

/// As the type that lengths of bodies have.
const BYTES_MAX: u64 = Limits::XML_BYTES_MAX as u64;

/// What is known of an XML body.
pub struct Structured {
    refused: Option<BodyFault>,
    document: Document,
    md5: Option<(Md5, [u8; 16])>,
    expected: Vec<(Algorithm, String)>,
    hasher: Hasher,
}

impl Structured {
    /// Reads the headers in front of the body.
    pub fn new(parts: &Parts, length: Option<u64>) -> Self {
        let headers = &parts.headers;
        let mut refused = None;
        if guards::is_aws_chunked(headers) || headers.contains_key("x-amz-trailer") {
            refused = Some(BodyFault::CodedXml);
        } else if length.is_some_and(|length| length > BYTES_MAX) {
            refused = Some(BodyFault::XmlTooLarge);
        }
        let md5 = checksum::content_md5(headers).unwrap_or_else(|_| {
            refused.get_or_insert(BodyFault::InvalidMd5);
            None
        });
        let expected = if describes_object(parts) {
            Vec::new()
        } else {
            checksum::announced(headers).unwrap_or_else(|_| {
                refused.get_or_insert(BodyFault::InvalidChecksum);
                Vec::new()
            })
        };
        let mut hasher = Hasher::default();
        for (algorithm, _) in &expected {
            hasher.add(*algorithm);
        }
        Self {
            refused,
            document: Document::new(),
            md5: md5.map(|expected| (Md5::new(), expected)),
            expected,
            hasher,
        }
    }

    /// Says whether the body may be read at all.
    pub fn begin(&mut self) -> Result<(), BodyFault> {
        self.refused.take().map_or(Ok(()), Err)
    }

    /// Takes the next bytes.
    pub fn observe(&mut self, bytes: &[u8]) -> Result<(), BodyFault> {
        if let Some((md5, _)) = &mut self.md5 {
            md5.update(bytes);
        }
        self.hasher.update(bytes);
        self.document.observe(bytes).map_err(BodyFault::Xml)
    }

    /// Says whether the body may end here.
    pub fn finish(&mut self) -> Result<(), BodyFault> {
        self.document.finish().map_err(BodyFault::Xml)?;
        if self.document.foreign {
            return Err(BodyFault::ForeignXml);
        }
        if let Some((md5, expected)) = self.md5.take()
            && md5.finalize() != expected
        {
            return Err(BodyFault::Digest("Content-MD5"));
        }
        let computed = std::mem::take(&mut self.hasher).finish();
        for pair in &self.expected {
            if !computed.contains(pair) {
                return Err(BodyFault::Digest(pair.0.name()));
            }
        }
        Ok(())
    }
}

/// Whether the checksums in the headers are of an object rather than of the body: so it is when an upload is completed.
fn describes_object(parts: &Parts) -> bool {
    parts.method == Method::POST && query::names(parts).any(|name| name == "uploadId")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const BODY: &[u8] = b"<Delete/>";

    fn outcome(target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<(), BodyFault> {
        let mut request = Request::builder().method("POST").uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut body_of = Structured::new(&parts, u64::try_from(body.len()).ok());
        body_of.begin()?;
        body_of.observe(body)?;
        body_of.finish()
    }

    fn with(headers: &[(&str, &str)]) -> Result<(), BodyFault> {
        outcome("/b?delete", headers, BODY)
    }

    fn crc32(body: &[u8]) -> String {
        let mut hasher = Hasher::default();
        hasher.add(Algorithm::Crc32);
        hasher.update(body);
        hasher.finish().remove(0).1
    }

    #[test]
    fn digests_are_held_against_the_body() {
        let md5 = base64_simd::STANDARD.encode_to_string(Md5::checksum(BODY));
        assert_eq!(with(&[("content-md5", &md5)]), Ok(()));
        let other = base64_simd::STANDARD.encode_to_string(Md5::checksum(b"other"));
        let fault = BodyFault::Digest("Content-MD5");
        assert_eq!(with(&[("content-md5", &other)]), Err(fault));
        assert_eq!(with(&[("x-amz-checksum-crc32", &crc32(BODY))]), Ok(()));
        let other = ("x-amz-checksum-crc32", crc32(b"other"));
        let fault = BodyFault::Digest("CRC32");
        assert_eq!(with(&[(other.0, &other.1)]), Err(fault));
    }

    #[test]
    fn what_s3s_would_skip_in_silence_is_refused() {
        let body = b"<CreateBucketConfiguration><Tags/></CreateBucketConfiguration>";
        assert_eq!(outcome("/b", &[], body), Err(BodyFault::ForeignXml));
        let body = b"<CreateBucketConfiguration><Bucket/></CreateBucketConfiguration>";
        assert_eq!(outcome("/b", &[], body), Ok(()));
    }

    #[test]
    fn digests_that_cannot_be_are_refused_unread() {
        let md5 = with(&[("content-md5", "AAAA")]);
        assert_eq!(md5, Err(BodyFault::InvalidMd5));
        let crc = with(&[("x-amz-checksum-crc32", "AAAA")]);
        assert_eq!(crc, Err(BodyFault::InvalidChecksum));
    }

    #[test]
    fn a_coded_or_large_body_is_refused_unread() {
        for header in [
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ] {
            assert_eq!(with(&[header]), Err(BodyFault::CodedXml));
        }
        let body = vec![b' '; Limits::XML_BYTES_MAX + 1];
        let large = outcome("/b?delete", &[], &body);
        assert_eq!(large, Err(BodyFault::XmlTooLarge));
    }

    #[test]
    fn checksums_of_a_completed_object_are_not_of_the_body() {
        let headers = [("x-amz-checksum-crc32", "AAAAAA==-2")];
        assert_eq!(outcome("/b/k?uploadId=x", &headers, BODY), Ok(()));
        assert!(outcome("/b/k?uploads", &headers, BODY).is_err());
    }
}
