//! A request of the admin API, head and JSON: who may ask, against a slow twin; what was understood fits the method; what was
//! not is answered with JSON that says why.

use super::head_and_body;
use crate::admin::api::{Wish, check_host, check_token, understand};
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, HOST};
use http_body_util::{BodyExt, Full};
use moraine_engine::Secret;
use std::net::{IpAddr, SocketAddr};
use tokio::runtime::{Builder, Runtime};

const TOKEN: &str = "token";

thread_local! {
    /// A body has a time limit, which takes a clock.
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without I/O takes nothing that could be missing");
}

/// Attacks the admin API's requests.
pub fn admin(data: &[u8]) {
    let Some((parts, body)) = head_and_body(data) else {
        return;
    };
    if check_host(&parts).is_ok() {
        let hosts: Vec<_> = parts.headers.get_all(HOST).iter().collect();
        let [host] = hosts.as_slice() else {
            panic!("{} hosts are no host", hosts.len());
        };
        let host = String::from_utf8_lossy(host.as_bytes());
        assert!(no_stranger_owns(&host), "{host:?}");
    }
    let token = Secret::new(TOKEN.to_owned());
    assert!(check_token(&parts.headers, None).is_err());
    if check_token(&parts.headers, Some(&token)).is_ok() {
        let shown = parts.headers.get_all(AUTHORIZATION).iter();
        let shown: Vec<_> = shown
            .map(|value| value.as_bytes().to_ascii_lowercase())
            .collect();
        assert!(shown.len() == 1 && shown.iter().all(|it| it.starts_with(b"bearer ")));
    }
    let body = Full::new(Bytes::copy_from_slice(body));
    RUNTIME.with(|runtime| runtime.block_on(judge(&parts, body)));
}

async fn judge(parts: &http::request::Parts, body: Full<Bytes>) {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    match understand(parts, body).await {
        Ok(Wish::Read(_, tenant)) => {
            assert!(reads);
            let query = parts.uri.query().unwrap_or_default();
            assert!(tenant.is_none_or(|tenant| query.contains(tenant)));
        }
        Ok(Wish::Change(_)) => {
            assert!(matches!(
                parts.method,
                Method::POST | Method::PATCH | Method::DELETE
            ));
        }
        Err(error) => {
            let (head, body) = error.into_answer().into_parts();
            assert!(head.status.is_client_error(), "{}", head.status);
            let Ok(body) = body.collect().await;
            let said: serde_json::Value =
                serde_json::from_slice(&body.to_bytes()).expect("an answer is JSON");
            let text = |name: &str| said.get("error").and_then(|it| it.get(name)?.as_str());
            assert!(text("code").is_some_and(|it| !it.is_empty()));
            assert!(text("message").is_some_and(|it| !it.is_empty()));
        }
    }
}

/// Whether a host, with or without a port, is an address or has no dot.
fn no_stranger_owns(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let bare = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    host.parse::<SocketAddr>().is_ok() || bare(host) || bare(name) || !name.contains('.')
}
