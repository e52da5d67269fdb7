//! A store that turned read-only after a failed write: writes are refused, reads go on, and the operator can see why.

use crate::client::Client;
use crate::server::TestServer;
use std::path::Path;

/// Takes the name that the next segment of the log would have, so that the log cannot go on.
fn obstruct(folder: &Path) {
    for node in std::fs::read_dir(folder.join("log")).unwrap() {
        let node = node.unwrap().path();
        let names = std::fs::read_dir(&node).unwrap();
        let numbers = names.filter_map(|name| {
            let name = name.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".seg")?.parse::<u64>().ok()
        });
        let next = numbers.max().unwrap() + 1;
        std::fs::create_dir(node.join(format!("{next:010}.seg"))).unwrap();
    }
}

/// More than a segment, no two blocks alike.
fn large() -> Vec<u8> {
    (0..4_u32 << 20).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test]
async fn a_read_only_store_refuses_writes_and_serves_reads() {
    let server = TestServer::start().await;
    let client = server.client();
    let admin = Client::new(server.admin, None);
    assert_eq!(client.put("/open/k", b"before").await.status, 200);
    assert_eq!(admin.get("/readyz").await.status, 200);
    obstruct(server.folder());
    let failed = client.put("/media/large", &large()).await;
    failed.is(503, "ServiceUnavailable");
    assert!(!server.holds("large").await);

    let ready = admin.get("/readyz").await;
    assert_eq!(ready.status, 503);
    let reason = ready.text();
    let reason = reason.strip_prefix("the store is read-only: ").unwrap();
    assert!(reason.trim().len() > 10, "{reason}");
    assert_eq!(admin.get("/healthz").await.status, 200);
    let metrics = admin.get("/metrics").await.text();
    assert!(metrics.lines().any(|line| line == "moraine_read_only 1"));

    let token = format!("Bearer {}", crate::server::ADMIN_TOKEN);
    let status = admin.request("GET", "/v1/status");
    let status = status.header("authorization", &token).send().await.text();
    assert!(status.contains("\"health\":\"read_only\""), "{status}");
    let tenant = admin
        .request("POST", "/v1/tenants")
        .header("authorization", &token)
        .header("content-type", "application/json")
        .body(b"{\"name\": \"late.example\"}");
    let refused = tenant.send().await;
    assert_eq!(refused.status, 503);
    assert!(
        refused.text().contains("\"read_only\""),
        "{}",
        refused.text()
    );

    for (method, target) in [
        ("PUT", "/media/k"),
        ("DELETE", "/open/k"),
        ("POST", "/media/k?uploads"),
        ("PUT", "/another"),
    ] {
        let answer = client.request(method, target).send().await;
        let code = (answer.status, answer.code());
        assert_eq!(
            code,
            (503, "ServiceUnavailable".to_owned()),
            "{method} {target}"
        );
    }
    for client in [client, server.anonymous()] {
        assert_eq!(client.get("/open/k").await.body, b"before");
    }
}
