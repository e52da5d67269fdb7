//! What is known about one request, shared by the front, the body watcher, the access check and the operation.
//!
//! It travels through `s3s` as a request extension. Every cell is written at most once.

use crate::address::Address;
use crate::body::{BodyFault, Late};
use crate::shares::Taken;
use http::{HeaderMap, HeaderName, HeaderValue};
use moraine_engine::TenantId;
use s3s::{S3Request, S3Result, s3_error};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing::Dispatch;

/// What is known about one request.
#[derive(Debug)]
pub struct RequestContext {
    /// Names the request to the client and in the log.
    pub id: String,
    /// Where the connection came from: the client, or the proxy in front.
    pub peer: IpAddr,
    /// The length that the client announced for the body as sent, coding included.
    pub content_length: Option<u64>,
    /// Where log lines of the operation go, while `s3s` around it logs nowhere.
    pub log: Dispatch,
    operation: OnceLock<&'static str>,
    tenant: OnceLock<TenantId>,
    access_key: OnceLock<String>,
    error: OnceLock<String>,
    fault: OnceLock<BodyFault>,
    entered: AtomicBool,
    body_ended: AtomicBool,
    bytes_in: AtomicU64,
    verbatim: OnceLock<(HeaderName, HeaderValue)>,
    subject: OnceLock<Address>,
    late: Mutex<Option<Late>>,
    held: Mutex<Vec<Held>>,
}

/// A share of something bounded: free again once nobody holds it.
pub type Held = Arc<Taken>;

impl RequestContext {
    /// A request that nobody sent.
    #[cfg(test)]
    pub fn new(content_length: Option<u64>) -> Arc<Self> {
        Self::received(std::net::Ipv4Addr::LOCALHOST.into(), content_length)
    }

    /// A request that was just received.
    pub fn received(peer: IpAddr, content_length: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            id: next_id(),
            peer,
            content_length,
            log: tracing::dispatcher::get_default(Dispatch::clone),
            operation: OnceLock::new(),
            tenant: OnceLock::new(),
            access_key: OnceLock::new(),
            error: OnceLock::new(),
            fault: OnceLock::new(),
            entered: AtomicBool::new(false),
            body_ended: AtomicBool::new(false),
            bytes_in: AtomicU64::new(0),
            verbatim: OnceLock::new(),
            subject: OnceLock::new(),
            late: Mutex::new(None),
            held: Mutex::default(),
        })
    }

    /// The context that travels with `request`.
    pub fn of<T>(request: &S3Request<T>) -> S3Result<Arc<Self>> {
        request
            .extensions
            .get::<Arc<Self>>()
            .cloned()
            .ok_or_else(|| s3_error!(InternalError, "the request has no context"))
    }

    /// Which S3 operation was asked for, as S3 names it; `-` if the request was refused before that was known.
    pub fn operation(&self) -> &'static str {
        self.operation.get().copied().unwrap_or("-")
    }

    /// Notes the operation.
    pub fn set_operation(&self, name: &'static str) {
        let _ = self.operation.set(name);
    }

    /// Whose key signed the request.
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant.get().copied()
    }

    /// Notes whose key signed the request.
    pub fn set_tenant(&self, tenant: TenantId) {
        let _ = self.tenant.set(tenant);
    }

    /// The access key that signed the request: one of ours, since its signature was right.
    pub fn access_key(&self) -> Option<&str> {
        self.access_key.get().map(String::as_str)
    }

    /// Notes the access key whose signature was right.
    pub fn set_access_key(&self, access_key: &str) {
        let _ = self.access_key.set(access_key.to_owned());
    }

    /// The S3 error code of the answer, if an operation or a guard gave one.
    pub fn error(&self) -> Option<&str> {
        self.error.get().map(String::as_str)
    }

    /// Notes the S3 error code of the answer.
    pub fn set_error(&self, code: &str) {
        let _ = self.error.set(code.to_owned());
    }

    /// A header of the answer that `s3s` has no room for as it is.
    pub fn verbatim(&self) -> HeaderMap {
        self.verbatim.get().cloned().into_iter().collect()
    }

    /// Notes a header of the answer that `s3s` has no room for as it is.
    pub fn set_verbatim(&self, name: HeaderName, value: HeaderValue) {
        let _ = self.verbatim.set((name, value));
    }

    /// What the answer's error is about, if that is not what the request's target names.
    pub fn subject(&self) -> Option<&Address> {
        self.subject.get()
    }

    /// Notes that the error is about something else than the request's target.
    pub fn set_subject(&self, address: Address) {
        let _ = self.subject.set(address);
    }

    /// The rest of an answer that begins before its work is done, once.
    pub fn take_late(&self) -> Option<Late> {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.take()
    }

    /// Notes the rest of an answer that begins before its work is done.
    pub fn set_late(&self, late: Late) {
        *self.late.lock().unwrap_or_else(PoisonError::into_inner) = Some(late);
    }

    /// Keeps a share of something bounded until the operation has ended and its answer is written.
    pub fn hold(&self, share: Held) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.push(share);
    }

    /// What the request holds, for a task that goes on with what it brought after nobody waits for the answer.
    pub fn held(&self) -> Vec<Held> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    /// Gives back what the request holds.
    pub fn release(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clear();
    }

    /// What went wrong with the body, if anything did.
    pub fn fault(&self) -> Option<BodyFault> {
        self.fault.get().copied()
    }

    /// Notes what went wrong with the body.
    pub fn set_fault(&self, fault: BodyFault) {
        let _ = self.fault.set(fault);
    }

    /// Whether one of our operations took the request over from `s3s`.
    pub fn entered(&self) -> bool {
        self.entered.load(Ordering::Acquire)
    }

    /// Notes that an operation took the request over.
    pub fn set_entered(&self) {
        self.entered.store(true, Ordering::Release);
    }

    /// Whether the body was read to its end.
    pub fn body_ended(&self) -> bool {
        self.body_ended.load(Ordering::Acquire)
    }

    /// Whether all the bytes that were announced came, even if nobody read on to see the end.
    pub fn body_arrived(&self) -> bool {
        self.body_ended() || self.content_length == Some(self.bytes_in())
    }

    /// Notes that the body was read to its end.
    pub fn set_body_ended(&self) {
        self.body_ended.store(true, Ordering::Release);
    }

    /// Bytes of the body that arrived, coding included.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    /// Adds to [`Self::bytes_in`].
    pub fn add_bytes_in(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.bytes_in.fetch_add(count, Ordering::Relaxed);
    }
}

/// Ids that differ within a run and, by the time of its start, between runs. They need not be unguessable.
fn next_id() -> String {
    static START: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let start = START.get_or_init(|| {
        std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_secs())
    });
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{start:08X}{count:012X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        assert_ne!(RequestContext::new(None).id, RequestContext::new(None).id);
    }
}
