//! A body on its way in: bounds how long it may take and the memory that `s3s` gathers it in, and checks that it is
//! complete, while `s3s` reads it.
//!
//! Time counts only while the server waits for the client, never while the client waits for the disk. A fault is noted
//! in the request's context, because the errors of the streams that `s3s` puts around this one hide it.

use super::BodyFault;
use super::aws_chunked::AwsChunked;
use super::structured::Structured;
use crate::address::Address;
use crate::config::Limits;
use crate::context::{Held, RequestContext};
use crate::guards;
use crate::patience::{Demands, Patience, Pressed};
use crate::shares::{Shares, Taken};
use bytes::Bytes;
use http::request::Parts;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use moraine_engine::{SMALL_BODY_BYTES, Store};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// As the type that lengths of bodies have.
const XML_BYTES_MAX: u64 = Limits::XML_BYTES_MAX as u64;

/// What the bodies of all requests share.
pub struct Supervision {
    chunks: Shares,
    xml: Shares,
    held_max: Duration,
    pressed: Pressed,
    pressed_xml: Pressed,
    demands: Demands,
    body_bytes_max: u64,
}

impl Supervision {
    /// Watches over bodies on their way into `store`.
    pub fn new(store: Store, limits: &Limits) -> Self {
        let chunks = Shares::of_memory(limits.chunk_memory, limits.memory_wait);
        let xml = Shares::of_memory(limits.xml_memory, limits.memory_wait);
        let (chunks_of, xml_of) = (chunks.clone(), xml.clone());
        Self {
            chunks,
            xml,
            held_max: limits.held_max,
            pressed: Arc::new(move || store.under_pressure() || chunks_of.is_short()),
            pressed_xml: Arc::new(move || xml_of.is_short()),
            demands: Demands {
                idle_max: limits.body_idle,
                rate_min: limits.body_rate_min.max(1),
                pressed_rate_min: limits.pressed_rate_min,
                pressed_window: limits.pressed_window,
            },
            body_bytes_max: limits.body_bytes_max,
        }
    }

    fn patience(&self, context: &RequestContext, content: bool) -> Patience {
        let (small, pressed) = if content {
            (SMALL_BODY_BYTES, &self.pressed)
        } else {
            (Limits::XML_BYTES_FREE, &self.pressed_xml)
        };
        // What a small one holds helps nobody else.
        let pressed = match context.content_length {
            Some(length) if length <= small => Arc::new(|| false),
            _ => Arc::clone(pressed),
        };
        Patience::new(self.demands, pressed)
    }
}

type Waiting = Pin<Box<dyn Future<Output = Option<Taken>> + Send>>;

/// A body on its way in.
pub struct Watched {
    inner: Incoming,
    context: Arc<RequestContext>,
    supervision: Arc<Supervision>,
    coding: Option<AwsChunked>,
    xml: Option<Structured>,
    unmeasured: bool,
    begun: bool,
    patience: Patience,
    /// For the chunk or the XML that is being gathered.
    memory: Option<Held>,
    /// What came and may not pass before there is memory for its chunk.
    held: Option<(Frame<Bytes>, Waiting)>,
    /// For an XML body, which is not asked for before there is memory for all of it.
    waiting: Option<Waiting>,
    ended: bool,
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyFault>>>;

impl Watched {
    /// Watches `inner`, the body behind the head `parts` of a request about `address`.
    pub fn new(
        inner: Incoming,
        parts: &Parts,
        address: &Address,
        supervision: Arc<Supervision>,
        context: Arc<RequestContext>,
    ) -> Self {
        let content = guards::is_content(parts, address);
        let aws_chunked = guards::is_aws_chunked(&parts.headers);
        Self {
            inner,
            xml: (!content).then(|| Structured::new(parts, context.content_length)),
            unmeasured: content && !guards::has_payload_hash(&parts.headers),
            begun: false,
            coding: aws_chunked.then(AwsChunked::new),
            patience: supervision.patience(&context, content),
            context,
            supervision,
            memory: None,
            held: None,
            waiting: None,
            ended: false,
        }
    }

    fn fail(&mut self, fault: BodyFault) -> Polled {
        self.ended = true;
        self.memory = None;
        self.context.set_fault(fault);
        Poll::Ready(Some(Err(fault)))
    }

    fn look_at(&mut self, data: &Bytes) -> Result<(), BodyFault> {
        self.context.add_bytes_in(data.len());
        self.patience.progress(data.len());
        if let Some(coding) = &mut self.coding {
            coding.observe(data)?;
        }
        self.xml.as_mut().map_or(Ok(()), |xml| xml.observe(data))
    }

    /// Refuses a body by what its head says, before the client is asked for it.
    fn begin(&mut self) -> Result<(), BodyFault> {
        self.begun = true;
        let Some(xml) = &mut self.xml else {
            return Ok(());
        };
        xml.begin()?;
        let most = self.inner.size_hint().upper();
        let bytes = most.map_or(XML_BYTES_MAX, |most| most.min(XML_BYTES_MAX));
        if bytes > Limits::XML_BYTES_FREE {
            let cost = bytes.saturating_mul(Limits::XML_COST);
            self.waiting = Some(Box::pin(
                self.supervision.xml.take(self.context.tenant(), cost),
            ));
        }
        Ok(())
    }

    /// Waits until the body may be asked for. Its memory outlives it: the operation works with what came of it.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFault>> {
        let Some(waiting) = &mut self.waiting else {
            return Poll::Ready(Ok(()));
        };
        let memory = std::task::ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        let memory = Arc::new(memory.ok_or(BodyFault::NoMemory)?);
        self.memory = Some(Arc::clone(&memory));
        self.context.hold(memory);
        Poll::Ready(Ok(()))
    }

    /// Says whether the body may end here.
    fn finish(&mut self) -> Result<(), BodyFault> {
        if let Some(coding) = &self.coding {
            coding.finish()?;
        }
        self.xml.as_mut().map_or(Ok(()), Structured::finish)
    }

    /// Lets a frame pass, once there is memory for the chunk that it announces. What the chunk before it had is free:
    /// that one was taken.
    fn pass(&mut self, frame: Frame<Bytes>, cx: &mut Context<'_>) -> Polled {
        let Some(size) = self.coding.as_mut().and_then(AwsChunked::announced) else {
            return Poll::Ready(Some(Ok(frame)));
        };
        self.memory = None;
        if size <= Limits::CHUNK_BYTES_FREE {
            return Poll::Ready(Some(Ok(frame)));
        }
        let waiting = self.supervision.chunks.take(self.context.tenant(), size);
        self.held = Some((frame, Box::pin(waiting)));
        self.poll_held(cx)
    }

    /// Whether others have waited for what the client takes its time to fill.
    fn is_overdue(&self) -> bool {
        let most = self.supervision.held_max;
        self.memory.as_ref().is_some_and(|it| it.is_overdue(most))
    }

    fn poll_held(&mut self, cx: &mut Context<'_>) -> Polled {
        let Some((frame, mut waiting)) = self.held.take() else {
            return Poll::Pending;
        };
        match waiting.as_mut().poll(cx) {
            Poll::Ready(Some(memory)) => {
                self.memory = Some(Arc::new(memory));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => self.fail(BodyFault::NoMemory),
            Poll::Pending => {
                self.held = Some((frame, waiting));
                Poll::Pending
            }
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        if self.ended {
            return Poll::Ready(None);
        }
        if !self.begun
            && let Err(fault) = self.begin()
        {
            return self.fail(fault);
        }
        if let Err(fault) = std::task::ready!(self.poll_room(cx)) {
            return self.fail(fault);
        }
        if self.held.is_some() {
            return self.poll_held(cx);
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(Err(fault)) = frame.data_ref().map(|data| self.look_at(data)) {
                    return self.fail(fault);
                }
                self.pass(frame, cx)
            }
            Poll::Ready(Some(Err(_))) => self.fail(BodyFault::Truncated),
            Poll::Ready(None) => {
                // Read to its end, whatever it was worth: the connection goes on.
                self.context.set_body_ended();
                if let Err(fault) = self.finish() {
                    return self.fail(fault);
                }
                self.ended = true;
                self.memory = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                // Looked at again with each look at the client's patience.
                if !self.is_overdue() {
                    std::task::ready!(self.patience.poll_spent(cx));
                }
                self.fail(BodyFault::TooSlow)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.coding.is_none() && self.xml.is_none() && self.inner.is_end_stream()
    }

    /// `s3s` asks for a length before it takes content that is not hashed, and then makes no use of it. Where there is
    /// none, the most that may come is what it gets; the operation counts what does come.
    fn size_hint(&self) -> SizeHint {
        let hint = self.inner.size_hint();
        if self.unmeasured && hint.exact().is_none() {
            return SizeHint::with_exact(self.supervision.body_bytes_max);
        }
        hint
    }
}
