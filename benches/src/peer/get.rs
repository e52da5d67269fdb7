//! The same objects as the store's, from memory: no copy, no check, one table look-up for each request.

use crate::load::body::Template;
use crate::load::requests::{Sizes, object_path};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use std::collections::HashMap;

/// What is served, by path.
pub struct Objects(HashMap<String, Bytes>);

impl Objects {
    /// The objects of these sizes, as the load generator asks for them.
    pub fn new(bucket: &str, sizes: &[Sizes], template: &Template) -> Self {
        let bodies = sizes.iter().flat_map(|sizes| sizes.objects());
        let object = |body| (object_path(bucket, body), Bytes::from(template.whole(body)));
        Self(bodies.map(object).collect())
    }

    pub(super) fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        match self.0.get(request.uri().path()) {
            Some(bytes) => {
                *response.body_mut() = Full::new(bytes.clone());
                let jpeg = HeaderValue::from_static("image/jpeg");
                response.headers_mut().insert(CONTENT_TYPE, jpeg);
            }
            None => *response.status_mut() = StatusCode::NOT_FOUND,
        }
        response
    }
}
