//! The admin API from outside: tenants, keys, buckets and status, and whom it turns away.

use crate::client::{Client, Credentials, Request, Response};
use crate::server::{ADMIN_TOKEN, KEY, TestServer};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A request with the token and, if there is one, a JSON body.
fn ask(server: &TestServer, method: &str, target: &str, body: Option<&Value>) -> Request {
    let request = Client::new(server.admin, None)
        .request(method, target)
        .header("authorization", &format!("Bearer {ADMIN_TOKEN}"));
    match body {
        Some(body) => request
            .header("content-type", "application/json")
            .body(body.to_string().as_bytes()),
        None => request,
    }
}

/// Sends it; the status and what was said.
async fn said(request: Request) -> (u16, Value) {
    let response = request.send().await;
    assert!(response.complete);
    let value = if response.body.is_empty() {
        Value::Null
    } else {
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        serde_json::from_slice(&response.body).unwrap()
    };
    (response.status, value)
}

async fn get(server: &TestServer, target: &str) -> (u16, Value) {
    said(ask(server, "GET", target, None)).await
}

async fn post(server: &TestServer, target: &str, body: Value) -> (u16, Value) {
    said(ask(server, "POST", target, Some(&body))).await
}

async fn delete(server: &TestServer, target: &str) -> (u16, Value) {
    said(ask(server, "DELETE", target, None)).await
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (
        answer.0,
        answer.1["error"]["code"].as_str().unwrap_or_default(),
    )
}

/// Signs with a key that the API answered with.
fn client_of(server: &TestServer, made: &Value) -> Client {
    let text = |name: &str| made[name].as_str().unwrap();
    let credentials = Credentials::from((text("access_key"), text("secret_key")));
    Client::new(server.address, Some(credentials))
}

async fn new_tenant(server: &TestServer, name: &str) -> Value {
    let (status, tenant) = post(server, "/v1/tenants", json!({"name": name})).await;
    assert_eq!(status, 201, "{tenant}");
    tenant
}

async fn new_key(server: &TestServer, tenant: &str) -> Value {
    let (status, made) = post(server, "/v1/keys", json!({"tenant": tenant})).await;
    assert_eq!(status, 201, "{made}");
    made
}

#[tokio::test]
async fn a_tenant_from_its_making_to_its_end() {
    let server = TestServer::start().await;
    let tenant = new_tenant(&server, "new.example").await;
    let made = new_key(&server, "new.example").await;
    let client = client_of(&server, &made);
    let id = tenant["id"].as_str().unwrap();
    let (status, bucket) = post(
        &server,
        "/v1/buckets",
        json!({"name": "fresh", "tenant": id, "public_read": true}),
    )
    .await;
    assert_eq!((status, &bucket["tenant"]), (201, &json!("new.example")));

    assert_eq!(client.put("/fresh/k", b"12345").await.status, 200);
    assert_eq!(client.get("/media/k").await.status, 403);
    assert_eq!(server.client().get("/fresh/k").await.status, 403);
    assert_eq!(server.anonymous().get("/fresh/k").await.status, 200);
    let (_, shown) = get(&server, "/v1/tenants/new.example").await;
    assert_eq!(
        [
            &shown["keys"],
            &shown["buckets"],
            &shown["names"],
            &shown["logical_bytes"]
        ],
        [1, 1, 1, 5]
    );
    assert_eq!(get(&server, &format!("/v1/tenants/{id}")).await.1, shown);

    let refused = delete(&server, "/v1/tenants/new.example").await;
    assert_eq!(code(&refused), (409, "tenant_not_empty"));
    let refused = delete(&server, "/v1/buckets/fresh").await;
    assert_eq!(code(&refused), (409, "bucket_not_empty"));
    assert_eq!(
        client.request("DELETE", "/fresh/k").send().await.status,
        204
    );
    assert_eq!(
        delete(&server, "/v1/buckets/fresh").await,
        (204, Value::Null)
    );
    assert_eq!(delete(&server, "/v1/tenants/new.example").await.0, 204);
    client.get("/fresh/k").await.is(403, "InvalidAccessKeyId");
    let gone = get(&server, "/v1/tenants/new.example").await;
    assert_eq!(code(&gone), (404, "no_such_tenant"));
}

#[tokio::test]
async fn a_deleted_key_stops_working_on_a_connection_that_is_open() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let made = new_key(&server, "one").await;
    let client = client_of(&server, &made);
    let mut stream = BufReader::new(TcpStream::connect(server.address).await.unwrap());
    let mut statuses = Vec::new();
    for turn in 0..2 {
        let signed = client.request("GET", "/media/k").sign();
        stream.write_all(&signed.head).await.unwrap();
        statuses.push(crate::client::read(&mut stream, false).await.status);
        if turn == 0 {
            let key = made["access_key"].as_str().unwrap();
            assert_eq!(delete(&server, &format!("/v1/keys/{key}")).await.0, 204);
        }
    }
    assert_eq!(statuses, [200, 403]);
}

#[tokio::test]
async fn a_rotated_key_is_replaced_at_once_or_kept() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let works = async |made: &Value| client_of(&server, made).get("/media/k").await.status == 200;
    let first = new_key(&server, "one").await;
    let path = |made: &Value| format!("/v1/keys/{}/rotate", made["access_key"].as_str().unwrap());
    let (status, second) = post(&server, &path(&first), json!({"keep_old": true})).await;
    assert_eq!(status, 201);
    assert!(works(&first).await && works(&second).await);
    let (_, third) = post(&server, &path(&second), json!({})).await;
    assert!(works(&first).await && !works(&second).await && works(&third).await);
    let gone = post(&server, &path(&second), json!({})).await;
    assert_eq!(code(&gone), (404, "no_such_key"));
}

#[tokio::test]
async fn an_id_means_its_bucket_whatever_others_are_named() {
    let server = TestServer::start().await;
    let id = server.media.id.to_string();
    let new = json!({"name": id, "tenant": "two"});
    assert_eq!(post(&server, "/v1/buckets", new).await.0, 201);
    let (_, shown) = get(&server, &format!("/v1/buckets/{id}")).await;
    assert_eq!(shown["name"], "media");
}

#[tokio::test]
async fn a_key_of_another_store_is_taken_over() {
    let server = TestServer::start().await;
    let own =
        json!({"tenant": "one", "access_key": "OLDKEY", "secret_key": "a-secret-from-elsewhere"});
    let (status, made) = post(&server, "/v1/keys", own.clone()).await;
    assert_eq!(status, 201);
    assert_eq!(client_of(&server, &made).get("/media/").await.status, 200);
    let again = post(&server, "/v1/keys", own).await;
    assert_eq!(code(&again), (409, "key_exists"));
    let (_, list) = get(&server, "/v1/keys?tenant=one").await;
    let listed: Vec<&str> = list["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["access_key"].as_str().unwrap())
        .collect();
    assert_eq!(listed, [KEY.0, "OLDKEY"]);
    assert!(!list.to_string().contains("secret"), "{list}");
    assert!(
        !get(&server, "/v1/keys/OLDKEY")
            .await
            .1
            .to_string()
            .contains("secret")
    );
}

#[tokio::test]
async fn a_bucket_is_opened_and_closed_to_the_public() {
    let server = TestServer::start().await;
    server.client().put("/media/k", b"x").await;
    let set = async |public: bool| {
        let body = json!({"public_read": public});
        said(ask(&server, "PATCH", "/v1/buckets/media", Some(&body))).await
    };
    let (_, before) = get(&server, "/v1/buckets/media").await;
    assert_eq!(server.anonymous().get("/media/k").await.status, 403);
    let (status, shown) = set(true).await;
    assert_eq!((status, &shown["public_read"]), (200, &json!(true)));
    assert_eq!(shown["created_ms"], before["created_ms"]);
    assert_eq!(server.anonymous().get("/media/k").await.status, 200);
    set(false).await;
    assert_eq!(server.anonymous().get("/media/k").await.status, 403);
    assert_eq!(get(&server, "/v1/buckets/media").await.1, before);
}

#[tokio::test]
async fn changes_survive_a_restart() {
    let server = TestServer::start().await;
    new_tenant(&server, "new.example").await;
    let made = new_key(&server, "new.example").await;
    delete(&server, &format!("/v1/keys/{}", crate::server::OTHER_KEY.0)).await;
    let lists = async |server: &TestServer| {
        let mut lists = Vec::new();
        for target in ["/v1/tenants", "/v1/keys", "/v1/buckets"] {
            lists.push(get(server, target).await.1);
        }
        lists
    };
    let before = lists(&server).await;
    let server = server.restart(|_| {}).await;
    assert_eq!(lists(&server).await, before);
    let bucket = client_of(&server, &made).request("PUT", "/mine-now").send();
    assert_eq!(bucket.await.status, 200);
    server
        .other()
        .get("/theirs/k")
        .await
        .is(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn the_status_adds_up() {
    let server = TestServer::start().await;
    let (client, other) = (server.client(), server.other());
    for target in ["/media/a", "/media/b", "/open/a"] {
        client.put(target, &[7; 1000]).await;
    }
    other.put("/theirs/a", &[7; 1000]).await;
    other.put("/theirs/b", &[8; 500]).await;
    client.put("/media/gone", &[9; 3000]).await;
    client.request("DELETE", "/media/gone").send().await;
    let (code, status) = get(&server, "/v1/status").await;
    assert_eq!(code, 200);
    for (name, expected) in [
        ("health", json!("ok")),
        ("names", json!(5)),
        ("logical_bytes", json!(4500)),
        ("upload_bytes", json!(0)),
        ("blobs", json!(2)),
        ("unique_bytes", json!(1500)),
        ("dedup_ratio", json!(3.0)),
        ("counted_seconds_ago", json!(0)),
    ] {
        assert_eq!(status[name], expected, "{name}");
    }
    let number = |name: &str| status[name].as_u64().unwrap();
    assert_eq!(
        number("physical_bytes"),
        number("log_bytes") + number("index_bytes")
    );
    assert!(number("log_bytes") >= 4500 && number("disk_total") > number("disk_free"));
    let tenants: Vec<(&str, u64, u64)> = status["tenants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let number = |name: &str| it[name].as_u64().unwrap();
            (
                it["name"].as_str().unwrap(),
                number("names"),
                number("logical_bytes"),
            )
        })
        .collect();
    assert_eq!(tenants, [("one", 3, 3000), ("two", 2, 1500)]);
}

#[tokio::test]
async fn parts_of_uploads_count_apart_from_names() {
    let server = TestServer::start().await;
    let client = server.client();
    let begun = client.request("POST", "/media/u?uploads").send().await;
    let id = begun.element("UploadId").unwrap();
    client
        .put(&format!("/media/u?partNumber=1&uploadId={id}"), &[1; 700])
        .await;
    let (_, status) = get(&server, "/v1/status").await;
    let figures = [
        "names",
        "logical_bytes",
        "upload_bytes",
        "blobs",
        "unique_bytes",
    ];
    assert_eq!(
        figures.map(|name| status[name].as_u64().unwrap()),
        [0, 0, 700, 0, 0]
    );
    assert_eq!(status["dedup_ratio"], Value::Null);
}

#[tokio::test]
async fn without_the_token_nothing_is_told() {
    let server = TestServer::start().await;
    let shown = |value: Option<&str>| {
        let request = Client::new(server.admin, None).request("GET", "/v1/tenants");
        match value {
            Some(value) => request.header("authorization", value),
            None => request,
        }
    };
    let wrong = ADMIN_TOKEN.replace('0', "1");
    let almost = &ADMIN_TOKEN[..63];
    for value in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some(ADMIN_TOKEN),
        Some(&format!("Basic {ADMIN_TOKEN}")),
        Some(&format!("Bearer {wrong}")),
        Some(&format!("Bearer {almost}")),
        Some(&format!("Bearer {ADMIN_TOKEN}0")),
    ] {
        let response = shown(value).send().await;
        assert_eq!(response.status, 401, "{value:?}");
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
        assert!(!response.text().contains("one"), "{}", response.text());
    }
    let right = format!("Bearer {ADMIN_TOKEN}");
    assert_eq!(shown(Some(&right)).send().await.status, 200);
    let twice = shown(Some(&right)).header("authorization", &right);
    assert_eq!(twice.send().await.status, 401);
    // An address that does not exist looks no different.
    let elsewhere = Client::new(server.admin, None).get("/v1/elsewhere").await;
    assert_eq!(elsewhere.status, 401);
    for open in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(Client::new(server.admin, None).get(open).await.status, 200);
    }
}

/// Sends bytes to the admin listener as they are.
async fn raw(server: &TestServer, head: &str) -> Response {
    Client::new(server.admin, None).raw(head.as_bytes()).await
}

#[tokio::test]
async fn a_name_that_a_stranger_could_own_is_refused() {
    let server = TestServer::start().await;
    let port = server.admin.port();
    let with = |host: &str| {
        format!("GET /v1/tenants HTTP/1.1\r\n{host}Authorization: Bearer {ADMIN_TOKEN}\r\n\r\n")
    };
    for host in ["evil.example", "127.0.0.1.nip.io", "a.b:1", ""] {
        let response = raw(&server, &with(&format!("Host: {host}\r\n"))).await;
        assert_eq!(response.status, 421, "{host}");
    }
    assert_eq!(raw(&server, &with("")).await.status, 421);
    let twice = format!("Host: localhost\r\nHost: evil.example:{port}\r\n");
    assert_eq!(raw(&server, &with(&twice)).await.status, 421);
    for host in ["localhost", "127.0.0.1", "[::1]", "moraine"] {
        let response = raw(&server, &with(&format!("Host: {host}:{port}\r\n"))).await;
        assert_eq!(response.status, 200, "{host}");
    }
}

#[tokio::test]
async fn bad_requests_are_refused_by_name_and_change_nothing() {
    let server = TestServer::start().await;
    let before = get(&server, "/v1/tenants").await.1;
    let unknown = post(&server, "/v1/tenants", json!({"name": "a", "qouta": 5})).await;
    assert_eq!(code(&unknown), (400, "bad_request"));
    assert!(unknown.1.to_string().contains("qouta"), "{}", unknown.1);
    for body in [
        json!({}),
        json!({"name": 5}),
        json!([]),
        json!("a"),
        json!({"name": "a b"}),
    ] {
        assert_eq!(
            post(&server, "/v1/tenants", body.clone()).await.0,
            400,
            "{body}"
        );
    }
    let taken = post(&server, "/v1/tenants", json!({"name": "one"})).await;
    assert_eq!(code(&taken), (409, "tenant_exists"));
    for body in [
        json!({"tenant": "one", "secret_key": "0123456789abcdef"}),
        json!({"tenant": "one", "access_key": "a/b/c"}),
        json!({"tenant": "one", "access_key": "OLDKEY", "secret_key": "short"}),
    ] {
        assert_eq!(
            post(&server, "/v1/keys", body.clone()).await.0,
            400,
            "{body}"
        );
    }
    let nobody = post(&server, "/v1/keys", json!({"tenant": "nobody"})).await;
    assert_eq!(code(&nobody), (404, "no_such_tenant"));
    let bad = post(
        &server,
        "/v1/buckets",
        json!({"name": "B", "tenant": "one"}),
    )
    .await;
    assert_eq!(code(&bad), (400, "invalid"));
    let theirs = post(
        &server,
        "/v1/buckets",
        json!({"name": "theirs", "tenant": "one"}),
    )
    .await;
    assert_eq!(code(&theirs), (409, "bucket_exists"));
    assert_eq!(get(&server, "/v1/keys?tenants=one").await.0, 400);
    assert_eq!(get(&server, "/v1/status?tenant=one").await.0, 400);
    assert_eq!(get(&server, "/v1/nothing").await.0, 404);
    assert_eq!(get(&server, "/v1/tenants").await.1, before);
}

#[tokio::test]
async fn methods_bodies_and_their_types_are_checked() {
    let server = TestServer::start().await;
    let put = ask(&server, "PUT", "/v1/tenants", None).send().await;
    assert_eq!(put.status, 405);
    assert_eq!(put.header("allow"), Some("GET, HEAD, POST"));
    let head = ask(&server, "HEAD", "/v1/status", None).send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let form = ask(&server, "POST", "/v1/tenants", None)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(b"{\"name\": \"a\"}");
    assert_eq!(code(&said(form).await), (415, "unsupported_media_type"));
    let long = json!({"name": "a".repeat(64 * 1024)});
    let long = post(&server, "/v1/tenants", long).await;
    assert_eq!(code(&long), (413, "too_large"));
    let deep = ask(&server, "POST", "/v1/tenants", None)
        .header("content-type", "application/json")
        .body("[".repeat(60_000).as_bytes());
    assert_eq!(code(&said(deep).await), (400, "bad_request"));
    let chunked = format!(
        "POST /v1/tenants HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\
         Content-Type: application/json; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n\
         10\r\n{{\"name\": \"ch.k\"}}\r\n0\r\n\r\n"
    );
    assert_eq!(raw(&server, &chunked).await.status, 201);
}

#[tokio::test]
async fn without_a_token_of_its_own_the_api_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let open = move || moraine_engine::Store::open(&path, moraine_engine::Options::default());
    let store = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
    let config = moraine_server::ServerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        admin_listen: "127.0.0.1:0".parse().unwrap(),
        ..moraine_server::ServerConfig::default()
    };
    let server = moraine_server::Server::bind(store, config).await.unwrap();
    let admin = Client::new(server.admin_address(), None);
    let task = tokio::spawn(server.run(std::future::pending()));
    for value in ["Bearer ", "Bearer x"] {
        let request = admin.request("GET", "/v1/status");
        let response = request.header("authorization", value).send().await;
        assert_eq!(response.status, 401);
    }
    task.abort();
}
