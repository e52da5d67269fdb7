//! Where every request of the S3 listener arrives, and every answer leaves.
//!
//! Guards, then anonymous reads or `s3s`, then the books. `s3s` runs without a log: at debug level it prints signatures
//! and headers, and every refused request is an error to it. Our own lines are written here and in the operations.

use crate::access::{Access, Keys, Names};
use crate::address::{self, Address};
use crate::body::{BodyFault, Kind, Metered, OneDeclaration, Supervision, Watched};
use crate::config::{Limits, ServerConfig};
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use crate::guards::{self, Proof};
use crate::hosts::Domains;
use crate::metrics::Metrics;
use crate::patience::Pressed;
use crate::preflight;
use crate::public;
use crate::region;
use crate::restate;
use crate::signature;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use moraine_engine::Store;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, S3Error, s3_error};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

/// As the type that lengths of bodies have.
const XML_BYTES_MAX: u64 = Limits::XML_BYTES_MAX as u64;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// Serves the requests of all connections.
pub struct Front {
    door: Door,
    s3: S3Service,
    domains: Domains,
    supervision: Arc<Supervision>,
}

impl Front {
    /// A front before `store`.
    pub fn new(
        store: Store,
        config: Arc<ServerConfig>,
        domains: Domains,
        metrics: Arc<Metrics>,
    ) -> Self {
        let door = Door {
            store: store.clone(),
            metrics,
            config,
        };
        let mut s3_config = S3Config::default();
        s3_config.xml_max_body_size = Limits::XML_BYTES_MAX;
        // Forms are refused by the guards; should one pass, it finds no room.
        s3_config.post_object_max_file_size = 0;
        let mut builder = S3ServiceBuilder::new(door.clone());
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(s3_config))));
        builder.set_auth(Keys(store.clone()));
        builder.set_validation(Names(store.clone()));
        builder.set_access(Access(store));
        builder.set_host(domains.clone());
        Self {
            domains,
            supervision: Arc::new(Supervision::new(door.store.clone(), &door.config.limits)),
            door,
            s3: builder.build(),
        }
    }

    /// Says whether memory for bodies is nearly used up.
    pub fn pressed(&self) -> Pressed {
        let store = self.door.store.clone();
        Arc::new(move || store.under_pressure())
    }

    /// Serves one request. `two_lengths` says that its connection carried a head with two lengths.
    pub async fn serve(&self, request: Request<Incoming>, two_lengths: bool) -> Response<Metered> {
        let started = Instant::now();
        let (mut parts, body) = request.into_parts();
        let context = RequestContext::new(content_length(&parts));
        let has_body = !body.is_end_stream();
        let book = Book::open(&parts, &context, &self.door.metrics, started);
        let refused = if two_lengths {
            Err(s3_error!(InvalidRequest, "a body has one length"))
        } else {
            self.admit(&mut parts)
        };
        let mut close = two_lengths;
        let mut response = match refused {
            Err(error) => region::named(error, &self.door.config.region, |error| {
                refuse(error, &context)
            }),
            Ok((Proof::None, address)) => {
                public::answer(&self.door, &parts, &address, &context, refuse).await
            }
            Ok((proof, address)) => {
                let open = proof == Proof::Query
                    && (parts.method == Method::GET || parts.method == Method::HEAD);
                let mut response = self.signed(parts, &address, body, &context).await;
                if open {
                    // Who has the link may read, and so may a page that has it.
                    preflight::allow_reading(response.headers_mut());
                }
                response
            }
        };
        close |= has_body && !context.body_ended();
        if close {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        book.finish(response)
    }

    /// Passes the request by the guards, and says how it proves who sent it, and what it is about.
    fn admit(&self, parts: &mut Parts) -> Result<(Proof, Address), S3Error> {
        guards::check(parts, SystemTime::now())?;
        let proof = guards::proof(parts);
        signature::settle(parts, proof)?;
        Ok((proof, address::locate(&self.domains, parts)?))
    }

    async fn signed(
        &self,
        mut parts: Parts,
        address: &Address,
        body: Incoming,
        context: &Arc<RequestContext>,
    ) -> Response<Body> {
        let aws_chunked = guards::is_aws_chunked(&parts.headers);
        let kind = Kind {
            aws_chunked,
            xml: !guards::is_content(&parts.method, address),
        };
        parts.extensions.insert(Arc::clone(context));
        let head = parts.method == Method::HEAD;
        let body = Watched::new(
            body,
            kind,
            Arc::clone(&self.supervision),
            Arc::clone(context),
        );
        let request = Request::from_parts(parts, Body::http_body_unsync(body));
        let result = self
            .s3
            .call(request)
            .with_subscriber(Dispatch::none())
            .await;
        let response = result.unwrap_or_else(|error| broken(error, context));
        match explain(&response, aws_chunked, context) {
            Some(error) => refuse(error, context),
            None => corrected(response, head),
        }
    }
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

/// What is written down about a request when its answer has left.
struct Book {
    context: Arc<RequestContext>,
    metrics: Arc<Metrics>,
    method: Method,
    path: String,
    started: Instant,
}

impl Book {
    fn open(
        parts: &Parts,
        context: &Arc<RequestContext>,
        metrics: &Arc<Metrics>,
        started: Instant,
    ) -> Self {
        Self {
            context: Arc::clone(context),
            metrics: Arc::clone(metrics),
            method: parts.method.clone(),
            // Without the query, which may hold a signature.
            path: parts.uri.path().to_owned(),
            started,
        }
    }

    fn finish(self, mut response: Response<Body>) -> Response<Metered> {
        if let Ok(id) = HeaderValue::from_str(&self.context.id)
            && !matches!(
                self.context.operation(),
                public::OPERATION | preflight::OPERATION
            )
        {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let status = response.status();
        response.map(|body| {
            let close = move |sent, complete| self.close(status, sent, complete);
            Metered::new(body, Box::new(close))
        })
    }

    fn close(self, status: StatusCode, sent: u64, complete: bool) {
        let context = &self.context;
        let took = self.started.elapsed();
        let operation = context.operation();
        let complete = complete || self.method == Method::HEAD;
        self.metrics
            .bytes_in
            .fetch_add(context.bytes_in(), Ordering::Relaxed);
        self.metrics.bytes_out.fetch_add(sent, Ordering::Relaxed);
        self.metrics
            .record(operation, status.as_u16(), context.error(), took);
        let fault = context.fault().map(|fault: BodyFault| fault.to_string());
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request = %context.id,
                    operation,
                    method = %self.method,
                    path = %self.path,
                    status = status.as_u16(),
                    error = context.error(),
                    fault,
                    tenant = context.tenant().map(|it| it.to_string()),
                    received = context.bytes_in(),
                    sent,
                    complete,
                    took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                    "request"
                )
            };
        }
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            line!(warn);
        } else if !status.is_success() && status != StatusCode::NOT_MODIFIED || !complete {
            line!(info);
        } else {
            line!(debug);
        }
    }
}
