//! Takes bodies, hashes them as asked, and throws them away.

use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ETAG, HeaderValue};
use hyper::{Request, Response, StatusCode};
use md5::{Digest, Md5};

/// What is computed of each body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Hashing {
    /// Nothing
    Discard,
    /// BLAKE3
    Blake3,
    /// BLAKE3 and MD5
    Blake3Md5,
}

/// How bodies are taken.
pub struct Put {
    /// What is computed.
    pub hashing: Hashing,
    /// On threads for blocking work, once the body is complete, instead of on the network threads.
    pub pool: bool,
}

struct Hasher {
    blake3: Option<blake3::Hasher>,
    md5: Option<Md5>,
}

impl Hasher {
    fn new(hashing: Hashing) -> Self {
        Self {
            blake3: (hashing != Hashing::Discard).then(blake3::Hasher::new),
            md5: (hashing == Hashing::Blake3Md5).then(Md5::new),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        if let Some(blake3) = &mut self.blake3 {
            blake3.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// Some of the hashes as an ETag, so that none of them is computed for nothing.
    fn finish(self) -> String {
        let blake3 = self
            .blake3
            .map_or(0, |hash| seven(hash.finalize().as_bytes()));
        let md5 = self.md5.map_or(0, |hash| seven(&hash.finalize()));
        format!("\"{blake3:016x}{md5:016x}\"")
    }
}

fn seven(hash: &[u8]) -> u64 {
    hash.iter()
        .take(7)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl Put {
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        let etag = if self.pool {
            self.on_the_pool(request.into_body()).await
        } else {
            self.here(request.into_body()).await
        };
        match etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            Some(etag) => {
                response.headers_mut().insert(ETAG, etag);
            }
            None => *response.status_mut() = StatusCode::BAD_REQUEST,
        }
        response
    }

    async fn here(&self, mut body: Incoming) -> Option<String> {
        let mut hasher = Hasher::new(self.hashing);
        while let Some(frame) = body.frame().await {
            if let Ok(bytes) = frame.ok()?.into_data() {
                hasher.update(&bytes);
            }
        }
        Some(hasher.finish())
    }

    async fn on_the_pool(&self, mut body: Incoming) -> Option<String> {
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.extend(frame.ok()?.into_data().ok());
        }
        let mut hasher = Hasher::new(self.hashing);
        let hashed = tokio::task::spawn_blocking(move || {
            frames.iter().for_each(|bytes| hasher.update(bytes));
            hasher.finish()
        });
        hashed.await.ok()
    }
}
