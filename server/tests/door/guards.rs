//! What is refused in front of the S3 service.

use crate::client::{Client, Response};
use crate::server::TestServer;

#[tokio::test]
async fn forms_are_refused_unread() {
    let server = TestServer::start().await;
    let form = format!(
        "POST /media HTTP/1.1\r\nHost: {}\r\nContent-Type: multipart/form-data; boundary=x\r\n\
         Content-Length: 4000000000\r\n\r\n--x\r\n",
        server.address
    );
    server
        .anonymous()
        .raw(form.as_bytes())
        .await
        .is(501, "NotImplemented");
}

#[tokio::test]
async fn a_request_hidden_behind_two_lengths_is_never_served() {
    let server = TestServer::start().await;
    server
        .client()
        .request("PUT", "/open/k")
        .body(b"x")
        .send()
        .await;
    let hidden = "GET /open/k HTTP/1.1\r\nHost: x\r\n\r\n";
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ] {
        let request =
            format!("GET /open/k HTTP/1.1\r\nHost: x\r\n{lengths}\r\n\r\n0\r\n\r\n{hidden}");
        let answer = server.anonymous().raw(request.as_bytes()).await;
        answer.is(400, "InvalidRequest");
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn heads_are_bounded() {
    let server = TestServer::start().await;
    let raw = |request: String| {
        let client = server.anonymous();
        async move { client.raw(request.as_bytes()).await.status }
    };
    let target = "k".repeat(9000);
    assert_eq!(
        raw(format!("GET /open/{target} HTTP/1.1\r\nHost: x\r\n\r\n")).await,
        400
    );
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    assert_eq!(
        raw(format!("GET /open/k HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await,
        431
    );
    assert_eq!(
        raw(format!(
            "GET /open/k HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n",
            "y".repeat(100_000)
        ))
        .await,
        400
    );
    assert_eq!(raw("GET /open/k HTTP/1.1\r\n\r\n".to_owned()).await, 400);
    assert_eq!(
        raw("GET http://elsewhere/open/k HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()).await,
        400
    );
}

#[tokio::test]
async fn sigv2_in_a_header_is_refused() {
    let server = TestServer::start().await;
    let request = server.anonymous().request("GET", "/media/k");
    request
        .header("authorization", "AWS AKIATESTONE:c2ln")
        .send()
        .await
        .is(400, "InvalidRequest");
}

#[tokio::test]
async fn any_host_names_the_server_and_never_a_bucket() {
    let server = TestServer::start().await;
    server
        .client()
        .request("PUT", "/open/k")
        .body(b"x")
        .send()
        .await;
    for host in [
        "localhost:8900",
        "open.localhost",
        "media.example.org",
        "1.2.3.4",
    ] {
        let request = format!("GET /open/k HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(
            server.anonymous().raw(request.as_bytes()).await.body,
            b"x",
            "{host}"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    for (method, target) in [
        ("GET", "/media?cors"),
        ("GET", "/media?unheard-of"),
        ("PUT", "/media?policy"),
        ("PUT", "/media?unheard-of"),
        ("DELETE", "/media?unheard-of"),
        ("DELETE", "/media/k?unheard-of"),
        ("PUT", "/media/k?tagging"),
        ("PUT", "/media/k?uploadId=1"),
        ("POST", "/media/k?restore"),
    ] {
        let answer = server.client().request(method, target).send().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (501, "NotImplemented"),
            "{method} {target}"
        );
    }
    for header in [
        "x-amz-tagging",
        "x-amz-server-side-encryption",
        "x-amz-object-lock-mode",
    ] {
        let put = server
            .client()
            .request("PUT", "/media/new")
            .header(header, "x");
        put.send().await.is(501, "NotImplemented");
    }
    assert!(!server.holds("new").await);
    assert_eq!(server.client().get("/media/k").await.body, b"x");
}

#[tokio::test]
async fn xml_bodies_are_bounded() {
    let server = TestServer::start().await;
    let body = vec![b' '; 2 * 1024 * 1024 + 1];
    let request = server
        .client()
        .request("POST", "/media/k?uploadId=1")
        .body(&body);
    request.send().await.is(400, "MaxMessageLengthExceeded");
}

#[tokio::test]
async fn a_header_added_on_the_way_is_refused() {
    let server = TestServer::start().await;
    let mut signed = server.client().request("PUT", "/media/k").body(b"x").sign();
    let head = String::from_utf8(signed.head).unwrap();
    let added = head.trim_end().to_owned() + "\r\nx-amz-acl: public-read\r\n\r\n";
    signed.head = added.into_bytes();
    signed.send(server.address).await.is(403, "AccessDenied");
    assert!(!server.holds("k").await);
}

/// Puts one byte with a link, and a header that the link does not know.
async fn use_link(server: &TestServer, link: &str, header: &str) -> Response {
    let request = format!(
        "PUT {link} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1\r\n{header}\r\nx",
        server.address
    );
    server.anonymous().raw(request.as_bytes()).await
}

#[tokio::test]
async fn a_link_does_not_cover_a_header_by_encoding_a_name() {
    let server = TestServer::start().await;
    let link = server
        .client()
        .request("PUT", "/media/k")
        .presign(60)
        .replace("X-Amz-SignedHeaders", "X-Amz-Signed%48eaders");
    let acl = "x-amz-acl: public-read\r\n";
    use_link(&server, &link, acl)
        .await
        .is(400, "InvalidArgument");
    assert!(!server.holds("k").await);
    let link = server.client().request("PUT", "/media/k").presign(60);
    use_link(&server, &link, acl).await.is(403, "AccessDenied");
    assert!(!server.holds("k").await);
    assert_eq!(use_link(&server, &link, "").await.status, 200);
}

#[tokio::test]
async fn a_link_without_a_list_is_refused() {
    let server = TestServer::start().await;
    let link = server
        .client()
        .request("PUT", "/media/k")
        .presign(60)
        .replace("&X-Amz-SignedHeaders=host", "");
    use_link(&server, &link, "")
        .await
        .is(400, "AuthorizationQueryParametersError");
    assert!(!server.holds("k").await);
}

#[tokio::test]
async fn a_link_holds_for_a_week_at_most() {
    let server = TestServer::start().await;
    let link = |seconds| server.client().request("PUT", "/media/k").presign(seconds);
    use_link(&server, &link(604_801), "")
        .await
        .is(400, "AuthorizationQueryParametersError");
    assert!(!server.holds("k").await);
    assert_eq!(use_link(&server, &link(604_800), "").await.status, 200);
}

#[tokio::test]
async fn bad_escapes_in_a_path_are_refused() {
    let server = TestServer::start().await;
    for client in [server.client(), server.anonymous()] {
        let put = client.request("PUT", "/media/a%zz").send().await;
        put.is(400, "InvalidURI");
    }
    assert!(!server.holds("a%zz").await);
}

#[tokio::test]
async fn cdata_in_xml_is_refused() {
    let server = TestServer::start().await;
    let client = server.client();
    let part = "<Part><PartNumber><![CDATA[1]]></PartNumber><ETag>x</ETag></Part>";
    let xml = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
    let complete = client.request("POST", "/media/k?uploadId=1");
    let answer = complete.body(xml.as_bytes()).send().await;
    answer.is(400, "MalformedXML");
    let xml = "<CreateBucketConfiguration><LocationConstraint><![CDATA[eu]]>\
               </LocationConstraint></CreateBucketConfiguration>";
    let create = client.request("PUT", "/another").body(xml.as_bytes());
    create.send().await.is(400, "MalformedXML");
    assert!(server.store.bucket("another").is_none());
    // An object may hold what it likes.
    assert_eq!(client.put("/media/k", xml.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn refusals_of_the_s3_service_are_complete_and_counted() {
    let server = TestServer::start().await;
    let long = format!("/media/{}", "k".repeat(1025));
    for (target, status, code) in [
        (long.as_str(), 400, "KeyTooLongError"),
        ("/No_Bucket/k", 400, "InvalidBucketName"),
        ("/media/%ff", 400, "InvalidURI"),
    ] {
        let answer = server.client().get(target).await;
        answer.is(status, code);
        complete(&server, &answer).await;
    }
    let mut signed = server.client().request("GET", "/media/k").sign();
    let head = String::from_utf8(signed.head).unwrap();
    signed.head = head.replacen("/media/k", "/media/l", 1).into_bytes();
    let answer = signed.send(server.address).await;
    answer.is(403, "SignatureDoesNotMatch");
    complete(&server, &answer).await;
}

/// Whether the answer says what a client is told with every error, and was counted once.
async fn complete(server: &TestServer, answer: &Response) {
    assert!(answer.element("Message").is_some(), "{}", answer.text());
    assert_eq!(
        answer.element("RequestId").as_deref(),
        answer.header("x-amz-request-id"),
        "{}",
        answer.text()
    );
    let metrics = Client::new(server.admin, None).get("/metrics").await.text();
    let line = format!("moraine_http_errors_total{{code=\"{}\"}} 1", answer.code());
    assert!(metrics.lines().any(|it| it == line), "{line}: {metrics}");
}
