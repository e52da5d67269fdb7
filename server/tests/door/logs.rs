//! Neither a secret nor a signature is ever logged, at any level, whatever the request.

use crate::server::{KEY, TestServer};
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn at_trace_level() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    // The default of this thread alone, which runs everything that the server does.
    let signatures = tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(requests())
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("operation=\"PutObject\""),
        "our own lines are there\n{text}"
    );
    assert!(!text.contains(KEY.1));
    for signature in signatures {
        assert!(!text.contains(&signature), "{text}");
    }
    assert!(!text.contains("s3s::"), "s3s logs nothing\n{text}");
}

/// Good and bad requests; returns their signatures.
async fn requests() -> Vec<String> {
    let server = TestServer::start().await;
    let mut signatures = Vec::new();
    for target in ["/media/k", "/nobucket/k", "/media/k?tagging"] {
        let signed = server.client().request("PUT", target).body(b"x").sign();
        signatures.push(signed.signature.clone());
        signed.send(server.address).await;
    }
    let mut bad = server.client().request("GET", "/media/k").sign();
    signatures.push(bad.signature.clone());
    let other = bad.signature.replacen(|_: char| true, "z", 1);
    bad.head = String::from_utf8(bad.head)
        .unwrap()
        .replace(&bad.signature, &other)
        .into_bytes();
    signatures.push(other);
    bad.send(server.address)
        .await
        .is(403, "SignatureDoesNotMatch");
    let link = server.client().request("GET", "/media/k").presign(60);
    signatures.push(link.split("X-Amz-Signature=").nth(1).unwrap().to_owned());
    assert_eq!(server.anonymous().get(&link).await.status, 200);
    signatures
}
