//! What a browser or a CDN asks most, answered on the spot: a public object whole, by a plain path, while its name is in
//! memory and its bytes can be had without waiting. No future is made, and no thread is left.
//!
//! Everything here is decided by the same functions as on the long way, and what is not plain yes (a refusal, a condition
//! that does not hold, a range, an object that was not asked for lately) is left to it: this file gives no refusals.

use crate::address;
use crate::body::Metered;
use crate::book::Book;
use crate::conditions::{self, Verdict};
use crate::context::RequestContext;
use crate::door::Door;
use crate::face::Face;
use crate::guards::{self, Proof};
use crate::hosts::Domains;
use crate::public;
use http::header::{CONTENT_LENGTH, EXPECT, RANGE};
use http::request::Parts;
use http::{Method, Response};
use moraine_engine::HotName;
use s3s::Body;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

/// Answers a request without a body, if that can be done at once.
pub fn answer(
    door: &Door,
    domains: &Domains,
    parts: &Parts,
    peer: IpAddr,
) -> Option<Response<Metered>> {
    let started = Instant::now();
    let name = named(door, domains, parts)?;
    let object = name.object();
    let headers = name.annex(Face::of)?.whole();
    let body = if parts.method == Method::HEAD {
        Body::empty()
    } else {
        Body::from(door.store.read_now(&name, 0..object.size)?)
    };
    let context = RequestContext::received(peer, None);
    context.set_operation(public::OPERATION);
    let book = Book::open(parts, &context, &door.metrics, started);
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    door.metrics.at_once.fetch_add(1, Ordering::Relaxed);
    Some(book.finish(response))
}

/// The object that the request asks all of, if anyone may read it.
fn named(door: &Door, domains: &Domains, parts: &Parts) -> Option<Arc<HotName>> {
    let plain = matches!(parts.method, Method::GET | Method::HEAD)
        && parts.uri.query().is_none()
        && ![RANGE, EXPECT, CONTENT_LENGTH]
            .iter()
            .any(|name| parts.headers.contains_key(name));
    if !plain
        || guards::proof(parts) != Proof::None
        || guards::check(parts, SystemTime::now()).is_err()
    {
        return None;
    }
    let (bucket, key) = address::plain(domains, parts)?;
    let (bucket, public_read) = door.store.bucket_of_readers(&bucket)?;
    let name = door.store.find_now(bucket, key.as_bytes())?;
    if !public_read && !public::is_open(&name) {
        return None;
    }
    let verdict = conditions::judge(&parts.headers, &name.etag, name.modified_ms);
    (verdict == Verdict::Proceed).then_some(name)
}
