//! Where every request of the S3 listener arrives, and every answer leaves.
//!
//! Guards, then anonymous reads or `s3s`, then the books. `s3s` runs without a log: at debug level it prints signatures
//! and headers, and every refused request is an error to it. Our own lines are written here and in the operations.

use crate::access::{Access, Keys, Names};
use crate::address::{self, Address};
use crate::body::{Metered, OneDeclaration, Supervision, Watched, in_namespace, readable};
use crate::book::Book;
use crate::config::{Limits, ServerConfig};
use crate::context::RequestContext;
use crate::door::Door;
use crate::error_subject;
use crate::errors;
use crate::guards::{self, Proof};
use crate::hosts::Domains;
use crate::metrics::Metrics;
use crate::patience::Pressed;
use crate::preflight;
use crate::public;
use crate::quick;
use crate::region;
use crate::restate;
use crate::second_pass::SecondPass;
use crate::shares::{self, Shares};
use crate::signature;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, EXPECT, HeaderValue, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use moraine_engine::Store;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, S3Error, S3Result, s3_error};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

/// As the type that lengths of bodies have.
const XML_BYTES_MAX: u64 = Limits::XML_BYTES_MAX as u64;
/// How long an answer that is written may wait for its memory, at most. It is there already, and who made it keeps others
/// from making theirs: long enough for fast clients to take what is on its way, and no longer.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// Serves the requests of all connections.
pub struct Front {
    door: Door,
    s3: S3Service,
    domains: Domains,
    supervision: Arc<Supervision>,
    answers: Shares,
}

impl Front {
    /// A front before `store`.
    pub fn new(
        store: Store,
        config: Arc<ServerConfig>,
        domains: Domains,
        metrics: Arc<Metrics>,
    ) -> Self {
        let door = Door::new(store.clone(), config, metrics);
        let mut first = service(&door, &domains);
        first.set_route(SecondPass {
            s3: service(&door, &domains).build(),
            store: store.clone(),
        });
        Self {
            domains,
            answers: answers(&door.config.limits),
            supervision: Arc::new(Supervision::new(store, &door.config.limits)),
            door,
            s3: first.build(),
        }
    }

    /// The counters.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.door.metrics)
    }

    /// Says whether memory for answers is nearly used up.
    pub fn pressed(&self) -> Pressed {
        let (store, answers) = (self.door.store.clone(), self.answers.clone());
        Arc::new(move || store.under_pressure() || answers.is_short())
    }

    /// Answers a request of `peer` without a body at once, if that can be.
    pub fn answer_now(&self, parts: &Parts, peer: IpAddr) -> Option<Response<Metered>> {
        quick::answer(&self.door, &self.domains, parts, peer)
    }

    /// Serves one request of `peer`. `ambiguous` says that its connection carried a head whose body may end in two places.
    pub async fn serve(
        &self,
        (mut parts, body): (Parts, Incoming),
        peer: IpAddr,
        ambiguous: bool,
    ) -> Response<Metered> {
        let started = Instant::now();
        let context = RequestContext::received(peer, content_length(&parts));
        let has_body = !body.is_end_stream();
        // `hyper` says "continue" when a body is read. A client whose body is empty never hears it, and botocore takes the
        // next answer on such a connection for the one before.
        let unasked = !has_body && parts.headers.contains_key(EXPECT);
        let book = Book::open(&parts, &context, &self.door.metrics, started);
        let address = address::locate(&self.domains, &parts);
        let admitted = if ambiguous {
            Err(s3_error!(
                InvalidRequest,
                "a request ends its lines with CRLF and says once and plainly how long its body is"
            ))
        } else {
            admit(&mut parts, &address)
        };
        let mut close = ambiguous || admitted.is_err();
        let mut response = match admitted {
            Err(error) => region::named(error, &self.door.config.region, |error| {
                refuse(error, &context)
            }),
            Ok((Proof::None, address)) => {
                public::answer(&self.door, &parts, address, &context, refuse).await
            }
            Ok((proof, address)) => {
                let open = proof == Proof::Query
                    && (parts.method == Method::GET || parts.method == Method::HEAD);
                let mut response = self.signed(parts, address, body, &context).await;
                if open {
                    // Who has the link may read, and so may a page that has it.
                    preflight::allow_reading(response.headers_mut());
                }
                response
            }
        };
        let subject = context.subject().or(address.as_ref().ok());
        response = document(response, book.path(), subject);
        response = self.accounted(response, &context).await;
        context.release();
        close |= unasked || (has_body && !context.body_arrived());
        if close {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        book.finish(response)
    }

    /// Lets a large answer leave once there is memory for it, which it keeps until its last byte has left.
    async fn accounted(
        &self,
        response: Response<Body>,
        context: &RequestContext,
    ) -> Response<Body> {
        // What is streamed has no bytes yet, and memory of its own.
        let written = response.body().bytes();
        let Some(bytes) = written.filter(|it| it.len() > Limits::ANSWER_BYTES_FREE) else {
            return response;
        };
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match self.answers.take(context.tenant(), size).await {
            Some(memory) => response.map(|_| Body::from(shares::kept(bytes, memory))),
            None => refuse(errors::slow_down(), context),
        }
    }

    async fn signed(
        &self,
        mut parts: Parts,
        address: &Address,
        body: Incoming,
        context: &Arc<RequestContext>,
    ) -> Response<Body> {
        let aws_chunked = guards::is_aws_chunked(&parts.headers);
        let head = parts.method == Method::HEAD;
        let supervision = Arc::clone(&self.supervision);
        let body = Watched::new(body, &parts, address, supervision, Arc::clone(context));
        parts.extensions.insert(Arc::clone(context));
        let request = Request::from_parts(parts, Body::http_body_unsync(body));
        let result = self
            .s3
            .call(request)
            .with_subscriber(Dispatch::none())
            .await;
        let response = result.unwrap_or_else(|error| broken(error, context));
        match explain(&response, aws_chunked, context) {
            Some(error) => refuse(error, context),
            None => corrected(begun(response, context), head),
        }
    }
}

/// Passes a request by the guards, and says how it proves who sent it, and what it is about.
fn admit<'a>(
    parts: &mut Parts,
    address: &'a S3Result<Address>,
) -> Result<(Proof, &'a Address), S3Error> {
    guards::check(parts, SystemTime::now())?;
    let proof = guards::proof(parts);
    signature::settle(parts, proof)?;
    guards::check_head(parts)?;
    let address = address.as_ref().map_err(|error| {
        let message = error
            .message()
            .unwrap_or("Couldn't parse the specified URI.");
        s3_error!(InvalidURI, "{message}")
    })?;
    Ok((proof, address))
}

fn answers(limits: &Limits) -> Shares {
    Shares::of_memory(limits.answer_memory, limits.memory_wait.min(ANSWER_WAIT))
}

/// `s3s` as it is needed here.
fn service(door: &Door, domains: &Domains) -> S3ServiceBuilder {
    let mut config = S3Config::default();
    config.xml_max_body_size = Limits::XML_BYTES_MAX;
    // Forms are refused by the guards; should one pass, it finds no room.
    config.post_object_max_file_size = 0;
    let mut builder = S3ServiceBuilder::new(door.clone());
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_auth(Keys(door.store.clone()));
    builder.set_access(Access(door.store.clone()));
    builder.set_validation(Names(door.store.clone()));
    builder.set_host(domains.clone());
    builder
}

/// The error behind a refusal of `s3s` that neither an operation nor the access check gave.
fn explain(
    response: &Response<Body>,
    aws_chunked: bool,
    context: &RequestContext,
) -> Option<S3Error> {
    if context.entered() || context.error().is_some() {
        return None;
    }
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    body_at_fault(status, aws_chunked, context).or_else(|| restate::error(response))
}

/// What was wrong with the body of an XML request, if `s3s` answers 500 because it could not gather it.
fn body_at_fault(
    status: StatusCode,
    aws_chunked: bool,
    context: &RequestContext,
) -> Option<S3Error> {
    if status != StatusCode::INTERNAL_SERVER_ERROR {
        return None;
    }
    match context.fault() {
        Some(fault) => Some(errors::from_fault(fault)),
        None if context.content_length.max(Some(context.bytes_in())) > Some(XML_BYTES_MAX) => {
            Some(s3_error!(MaxMessageLengthExceeded))
        }
        None if context.body_arrived() && aws_chunked => Some(s3_error!(SignatureDoesNotMatch)),
        // All of the body came, and s3s could still not gather it: the digest was wrong.
        None if context.body_arrived() => Some(errors::content_sha256_mismatch()),
        None => None,
    }
}

/// An answer that goes on while its work is done, if it is one.
fn begun(mut response: Response<Body>, context: &RequestContext) -> Response<Body> {
    if let Some(late) = context.take_late() {
        *response.body_mut() = Body::http_body_unsync(late);
        let xml = HeaderValue::from_static("application/xml");
        response.headers_mut().insert(CONTENT_TYPE, xml);
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}

/// Sets right what `s3s` does not know of HTTP and XML: 206 for HEAD, no body with 304, one declaration.
fn corrected(mut response: Response<Body>, head: bool) -> Response<Body> {
    if head && response.status() == StatusCode::OK && response.headers().contains_key(CONTENT_RANGE)
    {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if response.headers().contains_key(TRANSFER_ENCODING) {
        response = response.map(|body| Body::http_body_unsync(OneDeclaration::new(body)));
    }
    if response.status() == StatusCode::NOT_MODIFIED {
        *response.body_mut() = Body::empty();
    }
    response
}

/// Makes an answer that is one XML document readable for every parser, and lets an error say what it is about.
fn document(mut response: Response<Body>, path: &str, address: Option<&Address>) -> Response<Body> {
    let is_xml = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|it| it.as_bytes() == b"application/xml");
    // What is streamed has no bytes yet: objects, and the long answer that is looked after elsewhere.
    let written = response
        .body()
        .bytes()
        .filter(|it| is_xml && !it.is_empty());
    let Some(mut document) = written else {
        return response;
    };
    let length = document.len();
    if response.status().is_client_error() || response.status().is_server_error() {
        document = error_subject::named(document, path, address);
    }
    document = in_namespace(readable(document));
    if document.len() != length {
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(document);
    }
    response
}

fn broken(error: HttpError, context: &RequestContext) -> Response<Body> {
    let error = s3s::StdError::from(error);
    tracing::error!(request = %context.id, %error, "the S3 service failed");
    refuse(s3_error!(InternalError), context)
}

/// An error as an answer.
fn refuse(mut error: S3Error, context: &RequestContext) -> Response<Body> {
    context.set_error(error.code().as_str());
    errors::complete(&mut error, context);
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

fn content_length(parts: &Parts) -> Option<u64> {
    parts
        .headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
