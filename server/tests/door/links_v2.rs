//! Links signed with SigV2.

use crate::client::Response;
use crate::server::{OTHER_KEY, TestServer};
use crate::signer::{Signer, earlier, later};

const RESOURCE: &str = "/media/a%20b";

async fn with_object() -> TestServer {
    let server = TestServer::start().await;
    server.client().put(RESOURCE, b"x").await;
    server
}

async fn open(server: &TestServer, signer: &Signer, link: &str) -> Response {
    signer.open(server, link, &[], b"").await
}

#[tokio::test]
async fn a_link_holds_until_its_end() {
    let server = with_object().await;
    let signer = Signer::new(&server, "GET", RESOURCE);
    let link = signer.link_v2(later(60), RESOURCE);
    assert_eq!(open(&server, &signer, &link).await.body, b"x");
    let far = signer.link_v2_until("4102444800", RESOURCE);
    assert_eq!(open(&server, &signer, &far).await.body, b"x");
    let over = signer.link_v2(earlier(2), RESOURCE);
    let answer = open(&server, &signer, &over).await;
    answer.is(403, "AccessDenied");
    let message = answer.element("Message");
    assert_eq!(message.as_deref(), Some("Request has expired"));
    for end in ["-1", "99999999999", "tomorrow", "1e9", "%2B4102444800"] {
        let link = signer.link_v2_until(end, RESOURCE);
        let answer = open(&server, &signer, &link).await;
        answer.is(403, "AccessDenied");
    }
}

#[tokio::test]
async fn an_altered_link_is_refused() {
    let server = with_object().await;
    let signer = Signer::new(&server, "GET", RESOURCE);
    let link = signer.link_v2(later(60), RESOURCE);
    let mut put = signer.clone();
    put.method = "PUT";
    let mut head = signer.clone();
    head.method = "HEAD";
    assert_eq!(open(&server, &head, &link).await.status, 403);
    for (signer, altered) in [
        (&put, link.clone()),
        (&signer, link.replace("a%20b", "a%20c")),
        (&signer, link.replace("Expires=1", "Expires=2")),
        (&signer, format!("{link}&acl")),
        (&signer, format!("{link}&tagging=")),
        (&signer, format!("{link}&versionId=null")),
        (&signer, format!("{link}&partNumber=1")),
        (&signer, format!("{link}&response-content-type=text%2Fhtml")),
        (&signer, format!("{link}&x-amz-checksum-mode=ENABLED")),
    ] {
        let answer = open(&server, signer, &altered).await;
        answer.is(403, "SignatureDoesNotMatch");
    }
    let mut wrong = signer.clone();
    wrong.key.1 = "wrong";
    let link = wrong.link_v2(later(60), RESOURCE);
    let answer = open(&server, &wrong, &link).await;
    answer.is(403, "SignatureDoesNotMatch");
    wrong.key.0 = "AKIANOBODY";
    let link = wrong.link_v2(later(60), RESOURCE);
    let answer = open(&server, &wrong, &link).await;
    answer.is(403, "InvalidAccessKeyId");
    wrong.key = OTHER_KEY;
    let link = wrong.link_v2(later(60), RESOURCE);
    open(&server, &wrong, &link).await.is(403, "AccessDenied");
}

#[tokio::test]
async fn what_is_not_signed_changes_nothing() {
    let server = with_object().await;
    // A parameter that is given twice is left out of what SigV2 signs.
    let mut put = Signer::new(&server, "PUT", RESOURCE);
    let link = put.link_v2(later(60), RESOURCE);
    for extra in [
        "acl&acl",
        "uploadId=a&uploadId=b",
        "%61cl",
        "tagging&tagging",
    ] {
        let altered = format!("{link}&{extra}");
        let answer = open(&server, &put, &altered).await;
        answer.is(400, "InvalidArgument");
    }
    // These are not among what it signs, and ask for operations of their own.
    for extra in ["attributes", "legal-hold", "renameObject", "encryption"] {
        let altered = format!("{link}&{extra}");
        let answer = open(&server, &put, &altered).await;
        answer.is(501, "NotImplemented");
    }
    put.method = "GET";
    assert_eq!(server.client().get(RESOURCE).await.body, b"x");
}

#[tokio::test]
async fn headers_are_signed() {
    let server = TestServer::start().await;
    let plain = Signer::new(&server, "PUT", "/media/k");
    let typed = plain
        .clone()
        .header("content-type", "image/png")
        .header("x-amz-acl", "public-read");
    let link = typed.link_v2(later(60), "/media/k");
    let both = [("content-type", "image/png"), ("x-amz-acl", "public-read")];
    let denied = "SignatureDoesNotMatch";
    for headers in [
        &[][..],
        &both[..1],
        &both[1..],
        &[both[0], ("x-amz-acl", "private")],
        &[both[0], both[1], ("x-amz-meta-a", "b")],
        &[both[0], both[1], ("content-md5", "x")],
    ] {
        let answer = typed.open(&server, &link, headers, b"x").await;
        answer.is(403, denied);
    }
    let link = plain.link_v2(later(60), "/media/k");
    let twice = [("content-type", "text/html"), ("content-type", "text/html")];
    let answer = plain.open(&server, &link, &twice, b"x").await;
    answer.is(400, "InvalidRequest");
    let chunks = [("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")];
    let answer = plain.open(&server, &link, &chunks, b"x").await;
    answer.is(501, "NotImplemented");
    assert!(!server.holds("k").await);
    let link = typed.link_v2(later(60), "/media/k");
    let answer = typed.open(&server, &link, &both, b"x").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let public = server.anonymous().get("/media/k").await;
    assert_eq!(public.header("content-type"), Some("image/png"));
}

#[tokio::test]
async fn headers_that_the_signer_moved_into_the_query_count() {
    let server = TestServer::start().await;
    let signer = Signer::new(&server, "PUT", "/media/k")
        .header("content-type", "image/png")
        .header("x-amz-acl", "public-read");
    let link = signer.link_v2(later(60), "/media/k");
    let moved = format!("{link}&content-type=image%2Fpng&x-amz-acl=public-read");
    let answer = signer.open(&server, &moved, &[], b"x").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let public = server.anonymous().get("/media/k").await;
    assert_eq!(public.header("content-type"), Some("image/png"));
    let other = moved.replace("image%2Fpng", "text%2Fhtml");
    let answer = signer.open(&server, &other, &[], b"x").await;
    answer.is(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn headers_from_the_query_are_no_way_round_what_headers_may_ask() {
    let server = with_object().await;
    let form = "/media?AWSAccessKeyId=nobody&Expires=9999999999&Signature=x\
                &content-type=multipart/form-data;boundary=bb";
    let stranger = Signer::new(&server, "POST", "/media");
    let answer = stranger.open(&server, form, &[], b"--bb\r\n").await;
    answer.is(501, "NotImplemented");
    let signer = Signer::new(&server, "GET", RESOURCE).header("content-type", "image/png");
    let link = signer.link_v2(later(60), RESOURCE);
    let moved = format!("{link}&content-type=image%2Fpng");
    // A range that s3s would refuse.
    for headers in [&[][..], &[("range", "bytes=0-0,0-0")]] {
        let answer = signer.open(&server, &moved, headers, b"").await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"x"[..]));
    }
}

#[tokio::test]
async fn a_link_in_two_versions_is_none() {
    let server = with_object().await;
    let signer = Signer::new(&server, "GET", RESOURCE);
    let v2 = signer.link_v2(later(60), RESOURCE);
    let v4 = signer.link("60");
    let (_, query) = v2.split_once('?').unwrap();
    for both in [format!("{v4}&{query}"), format!("{v4}&Signature=x")] {
        let answer = open(&server, &signer, &both).await;
        answer.is(400, "InvalidArgument");
    }
    for torn in [
        "Signature=x",
        "AWSAccessKeyId=x",
        "AWSAccessKeyId=x&Expires=1",
    ] {
        let link = format!("{RESOURCE}?{torn}");
        open(&server, &signer, &link).await.is(403, "AccessDenied");
    }
    // Only with a name that somebody signs with is `Expires` a signature's.
    server.client().put("/open/k", b"x").await;
    let get = server.anonymous().get("/open/k?Expires=1").await;
    assert_eq!(get.body, b"x");
}

#[tokio::test]
async fn a_link_to_delete_and_one_to_list() {
    let server = with_object().await;
    let list = Signer::new(&server, "GET", "/media?list-type=2");
    let link = list.link_v2(later(60), "/media");
    let answer = open(&server, &list, &link).await;
    assert_eq!(answer.element("Key").as_deref(), Some("a b"));
    let delete = Signer::new(&server, "DELETE", RESOURCE);
    let link = delete.link_v2(later(60), RESOURCE);
    assert_eq!(open(&server, &delete, &link).await.status, 204);
    assert!(!server.holds("a b").await);
}
