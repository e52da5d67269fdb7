//! What a completion says of the whole object: with and without the number of parts, and where the upload was begun
//! without a checksum.

use crate::client::{Response, base64, crc32, sha256};
use crate::multipart::{PART, begin, part, upload};
use crate::server::TestServer;

/// Two parts, the second sent with the checksums `headers`.
struct Parts {
    server: TestServer,
    id: String,
    etags: [String; 2],
}

impl Parts {
    async fn sent(upload_headers: &[(&str, &str)], with_checksums: [bool; 2]) -> Self {
        let server = TestServer::start().await;
        let id = begin(&server, upload_headers).await;
        let mut etags = [String::new(), String::new()];
        for ((number, bytes), with) in (1..).zip(bodies()).zip(with_checksums) {
            if with {
                let target = format!("/media/big?partNumber={number}&uploadId={id}");
                let put = server.client().request("PUT", &target).body(&bytes);
                let answer = put.header("x-amz-checksum-crc32", &crc32(&bytes)).send();
                let answer = answer.await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                etags[number - 1] = answer.header("etag").unwrap().to_owned();
            } else {
                let number = u32::try_from(number).unwrap();
                etags[number as usize - 1] = upload(&server, &id, number, &bytes).await;
            }
        }
        Self { server, id, etags }
    }

    async fn complete(&self, headers: &[(&str, &str)]) -> Response {
        let [one, two] = &self.etags;
        let xml = format!(
            "<CompleteMultipartUpload><Part><ETag>{one}</ETag><PartNumber>1</PartNumber></Part>\
             <Part><ETag>{two}</ETag><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>"
        );
        let target = format!("/media/big?uploadId={}", self.id);
        let request = self.server.client().request("POST", &target);
        let request = request.body(xml.as_bytes());
        let add = |request: crate::client::Request, (name, value): &(&str, &str)| {
            request.header(name, value)
        };
        headers.iter().fold(request, add).send().await
    }
}

fn bodies() -> [Vec<u8>; 2] {
    [part(1, PART), b"last".to_vec()]
}

/// Of the checksums of the parts, without their number.
fn composite() -> String {
    let raw = |bytes: Vec<u8>| base64_simd::STANDARD.decode_to_vec(crc32(&bytes)).unwrap();
    crc32(&bodies().map(raw).concat())
}

const CRC32: &str = "x-amz-checksum-crc32";

#[tokio::test]
async fn a_composite_value_may_lack_the_number_of_parts() {
    for suffix in ["", "-2"] {
        let headers = [("x-amz-checksum-algorithm", "CRC32")];
        let parts = Parts::sent(&headers, [false; 2]).await;
        let wrong = format!("{}{suffix}", crc32(b"x"));
        let refused = parts.complete(&[(CRC32, &wrong)]).await;
        refused.is(400, "BadDigest");
        assert!(refused.text().contains("CRC32"), "{}", refused.text());
        let count = format!("{}-3", composite());
        parts
            .complete(&[(CRC32, &count)])
            .await
            .is(400, "BadDigest");
        let value = format!("{}{suffix}", composite());
        let answer = parts.complete(&[(CRC32, &value)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let stored = format!("{}-2", composite());
        assert_eq!(answer.element("ChecksumCRC32"), Some(stored));
    }
}

#[tokio::test]
async fn a_value_of_the_whole_object_has_no_number_of_parts() {
    let headers = [
        ("x-amz-checksum-algorithm", "CRC32"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ];
    let parts = Parts::sent(&headers, [false; 2]).await;
    let whole = crc32(&bodies().concat());
    let numbered = format!("{whole}-2");
    let refused = parts.complete(&[(CRC32, &numbered)]).await;
    refused.is(400, "BadDigest");
    assert_eq!(parts.complete(&[(CRC32, &whole)]).await.status, 200);
}

#[tokio::test]
async fn the_parts_checksums_will_do_where_the_upload_has_none() {
    let whole = crc32(&bodies().concat());
    let numbered = format!("{}-2", composite());
    for (kind, value, is) in [
        (None, &whole, "FULL_OBJECT"),
        (Some("FULL_OBJECT"), &whole, "FULL_OBJECT"),
        (None, &numbered, "COMPOSITE"),
        (Some("COMPOSITE"), &numbered, "COMPOSITE"),
    ] {
        let parts = Parts::sent(&[], [true; 2]).await;
        let wrong = parts.complete(&[(CRC32, &crc32(b"x"))]).await;
        wrong.is(400, "BadDigest");
        assert!(!parts.server.holds("big").await);
        let mut headers = vec![(CRC32, value.as_str())];
        headers.extend(kind.map(|kind| ("x-amz-checksum-type", kind)));
        let answer = parts.complete(&headers).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.element("ChecksumCRC32").as_ref(), Some(value));
        assert_eq!(answer.element("ChecksumType").as_deref(), Some(is));
    }
}

#[tokio::test]
async fn what_no_part_was_sent_with_cannot_be_verified() {
    let parts = Parts::sent(&[], [true, false]).await;
    let whole = crc32(&bodies().concat());
    let sha256 = base64(sha256(b"").as_bytes());
    for headers in [
        vec![(CRC32, whole.as_str())],
        vec![("x-amz-checksum-sha256", sha256.as_str())],
        vec![
            (CRC32, whole.as_str()),
            ("x-amz-checksum-crc32c", "AAAAAA=="),
        ],
    ] {
        parts.complete(&headers).await.is(400, "InvalidRequest");
        assert!(!parts.server.holds("big").await);
    }
    assert_eq!(parts.complete(&[]).await.status, 200);
}
