//! A PUT whose body is not what the client said leaves no object.

use crate::client::{base64, crc32, md5, read, sha256};
use crate::server::TestServer;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const BODY: &[u8] = b"every byte of this counts";
const TARGET: &str = "/media/k";

#[tokio::test]
async fn a_body_as_announced_is_stored() {
    let server = TestServer::start().await;
    let crc = crc32(BODY);
    let put = server
        .client()
        .request("PUT", TARGET)
        .body(BODY)
        .header("content-md5", &base64(&md5(BODY)))
        .header("x-amz-checksum-crc32", &crc)
        .header("content-type", "text/plain")
        .header("x-amz-meta-colour", "blue")
        .send()
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    let etag = format!("\"{}\"", crate::client::hex(&md5(BODY)));
    assert_eq!(put.header("etag"), Some(etag.as_str()));
    assert_eq!(put.header("x-amz-checksum-crc32"), Some(crc.as_str()));
    assert_eq!(put.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    assert!(put.header("x-amz-request-id").is_some());
    let get = server
        .client()
        .request("GET", TARGET)
        .header("x-amz-checksum-mode", "ENABLED");
    let get = get.send().await;
    assert_eq!((get.status, get.body.as_slice()), (200, BODY));
    assert_eq!(get.header("etag"), Some(etag.as_str()));
    assert_eq!(get.header("content-type"), Some("text/plain"));
    assert_eq!(get.header("x-amz-meta-colour"), Some("blue"));
    assert_eq!(get.header("x-amz-checksum-crc32"), Some(crc.as_str()));
    let head = server.client().request("HEAD", TARGET).send().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), Some("25"));
    assert_eq!(head.header("x-amz-checksum-crc32"), None);
}

#[tokio::test]
async fn an_empty_body_is_stored() {
    let server = TestServer::start().await;
    assert_eq!(server.client().put(TARGET, b"").await.status, 200);
    let get = server.client().get(TARGET).await;
    assert_eq!((get.status, get.body.len()), (200, 0));
}

#[tokio::test]
async fn a_body_that_ends_early_leaves_nothing() {
    let server = TestServer::start().await;
    for sha in [sha256(BODY), "UNSIGNED-PAYLOAD".to_owned()] {
        let signed = server
            .client()
            .request("PUT", TARGET)
            .body(BODY)
            .content_sha256(&sha)
            .without_length()
            .header("content-length", "100")
            .sign();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(&[signed.head, signed.body].concat())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        read(&mut BufReader::new(stream), false)
            .await
            .is(400, "IncompleteBody");
        assert!(!server.holds("k").await);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_nothing() {
    let server = TestServer::start().await;
    let signed = server
        .client()
        .request("PUT", TARGET)
        .body(BODY)
        .without_length()
        .header("content-length", "100")
        .sign();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(&[signed.head, signed.body].concat())
        .await
        .unwrap();
    drop(stream);
    // A later PUT of the same key shows that the first one is over and done with.
    assert_eq!(server.client().put("/media/other", BODY).await.status, 200);
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn a_wrong_md5_leaves_nothing() {
    let server = TestServer::start().await;
    let put = server.client().request("PUT", TARGET).body(BODY);
    put.header("content-md5", &base64(&md5(b"other")))
        .send()
        .await
        .is(400, "BadDigest");
    assert!(!server.holds("k").await);
    let put = server.client().request("PUT", TARGET).body(BODY);
    put.header("content-md5", "AAAA")
        .send()
        .await
        .is(400, "InvalidDigest");
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn a_wrong_checksum_leaves_nothing() {
    let server = TestServer::start().await;
    for (name, bytes) in [
        ("crc32", 4),
        ("crc32c", 4),
        ("crc64nvme", 8),
        ("sha1", 20),
        ("sha256", 32),
    ] {
        let put = server.client().request("PUT", TARGET).body(BODY);
        let put = put.header(&format!("x-amz-checksum-{name}"), &base64(&vec![7; bytes]));
        put.send().await.is(400, "BadDigest");
        assert!(!server.holds("k").await, "{name}");
    }
    let put = server.client().request("PUT", TARGET).body(BODY);
    put.header("x-amz-checksum-crc32", "AAAA")
        .send()
        .await
        .is(400, "InvalidRequest");
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn a_wrong_sha256_leaves_nothing() {
    let server = TestServer::start().await;
    let put = server
        .client()
        .request("PUT", TARGET)
        .body(BODY)
        .content_sha256(&sha256(b"other"));
    put.send().await.is(400, "XAmzContentSHA256Mismatch");
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn a_wrong_sha256_of_an_xml_body_is_said() {
    let server = TestServer::start().await;
    let begun = server
        .client()
        .request("POST", "/media/k?uploads")
        .send()
        .await;
    let id = begun.element("UploadId").unwrap();
    let done = server
        .client()
        .request("POST", &format!("/media/k?uploadId={id}"));
    let done = done
        .body(b"<CompleteMultipartUpload/>")
        .content_sha256(&sha256(b"other"));
    done.send().await.is(400, "XAmzContentSHA256Mismatch");
}

#[tokio::test]
async fn too_large_a_body_is_refused_unread() {
    let server = TestServer::start().await;
    let put = server
        .client()
        .request("PUT", TARGET)
        .content_sha256("UNSIGNED-PAYLOAD");
    let put = put.without_length().header("content-length", "5368709121");
    put.send().await.is(400, "EntityTooLarge");
}

#[tokio::test]
async fn the_connection_stays_usable_after_a_put() {
    let server = TestServer::start().await;
    let one = server.client().request("PUT", TARGET).body(BODY).sign();
    let two = server.client().request("GET", TARGET).sign();
    let mut stream = BufReader::new(TcpStream::connect(server.address).await.unwrap());
    stream
        .write_all(&[one.head, one.body].concat())
        .await
        .unwrap();
    assert_eq!(read(&mut stream, false).await.status, 200);
    stream.write_all(&two.head).await.unwrap();
    assert_eq!(read(&mut stream, false).await.body, BODY);
}

#[tokio::test]
async fn the_body_is_asked_for_only_once_the_signature_was_accepted() {
    let server = TestServer::start().await;
    let good = server
        .client()
        .request("PUT", TARGET)
        .body(BODY)
        .header("expect", "100-continue");
    assert_eq!(good.send().await.status, 200);
    let mut bad = server.client().request("PUT", TARGET).body(BODY);
    bad = bad.header("expect", "100-continue");
    let mut signed = bad.sign();
    let at = signed.head.len() - 6;
    signed.head[at] = if signed.head[at] == b'0' { b'1' } else { b'0' };
    let mut stream = BufReader::new(TcpStream::connect(server.address).await.unwrap());
    stream.write_all(&signed.head).await.unwrap();
    let answer = read(&mut stream, false).await;
    answer.is(403, "SignatureDoesNotMatch");
    assert_eq!(answer.header("connection"), Some("close"));
}
