//! What the two copies share: reading the source, and an answer that begins before a long copy is done.
//!
//! Memory: a copy holds one chunk of its source while it waits for memory to write it to, so no more than
//! [`COPIES_MAX`] of them run at once, and [`COPIES_OF_TENANT_MAX`] of one tenant. The others wait their turn, in a
//! connection each, for at most [`TURN_WAIT`].

use crate::body::{Late, document};
use crate::context::RequestContext;
use crate::door::Door;
use crate::errors;
use crate::shares::{Shares, Taken};
use bytes::Bytes;
use moraine_engine::{BlobReader, Object};
use s3s::xml::Serialize;
use s3s::{S3Result, s3_error};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tracing::instrument::WithSubscriber;

/// Copies that read their source at once: with chunks of 256 KiB they hold 4 MiB.
const COPIES_MAX: usize = 16;
/// Those of one tenant: a disk has no use for more, and three others find a free turn however many copies one asks for.
const COPIES_OF_TENANT_MAX: usize = 4;
/// How long a copy may wait until others are done. One of 5 GiB takes less than a minute.
const TURN_WAIT: Duration = Duration::from_secs(300);

/// The turns at reading a source.
pub fn turns() -> Shares {
    Shares::new(COPIES_MAX, COPIES_OF_TENANT_MAX, TURN_WAIT)
}

/// Content on its way to a copy.
pub struct Content {
    reader: BlobReader,
    left: u64,
    wait: Duration,
    _turn: Taken,
}

impl Content {
    /// Begins to read `range` of `source` when it is its turn.
    pub async fn open(
        door: &Door,
        context: &RequestContext,
        source: &Object,
        range: Range<u64>,
    ) -> S3Result<Self> {
        let turn = door.copies.take(context.tenant(), 1).await;
        let turn = turn.ok_or_else(errors::slow_down)?;
        let left = range.end - range.start;
        Ok(Self {
            reader: door.read(context, source, range).await?,
            left,
            wait: door.config.limits.read_wait,
            _turn: turn,
        })
    }

    /// The next bytes; `None` once all were given.
    pub async fn next(&mut self, door: &Door, context: &RequestContext) -> S3Result<Option<Bytes>> {
        // Bytes at hand never wait: without this a long copy would keep its thread from everybody else.
        tokio::task::yield_now().await;
        let chunk = tokio::time::timeout(self.wait, self.reader.next()).await;
        let chunk = match chunk.map_err(|_| errors::slow_down())? {
            Some(chunk) => Some(chunk.map_err(door.failed(context))?),
            None => None,
        };
        let count = chunk.as_ref().map_or(0, Bytes::len);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let left = self.left.checked_sub(count);
        self.left = left
            .filter(|left| chunk.is_some() || *left == 0)
            .ok_or_else(|| s3_error!(InternalError, "the source has another length"))?;
        Ok(chunk)
    }
}

/// The result of `work`, if it comes within [`silence_max`](crate::Limits::silence_max). Otherwise the answer begins
/// without it, and `None` tells the operation to return.
pub async fn or_late<T: Serialize + Send + 'static>(
    door: &Door,
    context: &Arc<RequestContext>,
    work: impl Future<Output = S3Result<T>> + Send + 'static,
) -> S3Result<Option<T>> {
    let mut work = Box::pin(work.with_subscriber(context.log.clone()));
    let silence = door.config.limits.silence_max;
    if !silence.is_zero()
        && let Ok(result) = tokio::time::timeout(silence, &mut work).await
    {
        return result.map(Some);
    }
    let shared = Arc::clone(context);
    context.set_late(Late::new(async move {
        match work.await {
            Ok(result) => document(&result),
            Err(mut error) => {
                shared.set_error(error.code().as_str());
                errors::complete(&mut error, &shared);
                document(&error)
            }
        }
    }));
    Ok(None)
}
