//! Health and metrics.

use crate::client::Client;
use crate::server::TestServer;

#[tokio::test]
async fn health_and_metrics() {
    let server = TestServer::start().await;
    let admin = Client::new(server.admin, None);
    assert_eq!(admin.get("/healthz").await.status, 200);
    assert_eq!(admin.get("/readyz").await.text(), "ready\n");
    assert_eq!(admin.get("/elsewhere").await.status, 404);
    assert_eq!(admin.request("POST", "/healthz").send().await.status, 405);
    server.client().put("/media/k", b"12345").await;
    server.client().get("/media/k").await;
    server.client().get("/media/missing").await;
    server.anonymous().get("/media/k").await;
    let metrics = admin.get("/metrics").await;
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4")
    );
    let text = metrics.text();
    for line in [
        "moraine_http_requests_total{operation=\"PutObject\",status=\"200\"} 1",
        "moraine_http_requests_total{operation=\"GetObject\",status=\"200\"} 1",
        "moraine_http_requests_total{operation=\"GetObject\",status=\"404\"} 1",
        "moraine_http_requests_total{operation=\"PublicRead\",status=\"403\"} 1",
        "moraine_http_errors_total{code=\"NoSuchKey\"} 1",
        "moraine_http_received_bytes_total 5",
        "moraine_read_only 0",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line} is missing from\n{text}"
        );
    }
}
