//! Many completions of one tenant leave the others theirs.

use crate::memory::{IN_TIME, SHORT, exhaust, start};
use crate::multipart::{begin, complete, upload};
use moraine_server::Limits;

#[tokio::test]
async fn the_completions_of_one_tenant_leave_a_turn_to_the_others() {
    let server = start(Limits::default()).await;
    let mut own = Vec::new();
    for fill in 0..6 {
        let id = begin(&server, &[]).await;
        let etag = upload(&server, &id, 1, &[fill; 100_000]).await;
        own.push((id, etag));
    }
    let target = "/theirs/small";
    let request = server.other().request("POST", &format!("{target}?uploads"));
    let id = request.send().await.element("UploadId").unwrap();
    let put = format!("{target}?partNumber=1&uploadId={id}");
    let put = server.other().put(&put, b"a small part").await;
    let etag = put.header("etag").unwrap();
    let xml = format!(
        "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
    );
    // The completions of the first tenant wait for memory; small objects have memory of their own.
    let held = exhaust(&server).await;
    let first = own.iter().map(async |(id, etag)| {
        let answer = complete(&server, id, &[(1, etag)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.element("ETag").is_some(), "{}", answer.text());
    });
    let other = async {
        tokio::time::sleep(SHORT).await;
        let completion = server
            .other()
            .request("POST", &format!("{target}?uploadId={id}"));
        let answer = completion.body(xml.as_bytes()).send();
        let answer = tokio::time::timeout(IN_TIME, answer).await;
        let answer = answer.expect("it waits behind another tenant's");
        assert!(answer.element("ETag").is_some(), "{}", answer.text());
        drop(held);
    };
    tokio::join!(futures_util::future::join_all(first), other);
}
