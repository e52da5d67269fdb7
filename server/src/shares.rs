//! Something bounded that requests share, bytes of memory or turns: what is needed is taken before, and comes back when
//! what was taken is dropped. Who finds none waits for a bounded while, in the order of arrival.
//!
//! A tenant has no more than its share, so who holds much waits for itself, and the others find some. First it takes of its
//! own share and then of all, so no tenant has more than its share of those who wait for all.
//!
//! A request takes what it may need at once, never piece by piece: two that each hold a part could otherwise wait for each
//! other. Who takes of several takes of XML bodies first, then a turn, then of answers.

use bytes::Bytes;
use moraine_engine::TenantId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Something bounded that requests share.
#[derive(Clone)]
pub struct Shares {
    all: Arc<Pool>,
    total: u32,
    share: u32,
    wait: Duration,
    /// Of the tenants who have or wait for something. Requests that nobody signed are one.
    tenants: Arc<Mutex<Tenants>>,
}

type Tenants = HashMap<Option<TenantId>, Weak<Pool>>;

/// Permits, and how many wait for some.
struct Pool {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Pool {
    fn new(permits: u32) -> Arc<Self> {
        let permits = usize::try_from(permits).unwrap_or(usize::MAX);
        Arc::new(Self {
            free: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
        })
    }

    async fn take(&self, count: u32) -> Option<OwnedSemaphorePermit> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&self.waiting);
        Arc::clone(&self.free).acquire_many_owned(count).await.ok()
    }

    fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a request took.
pub struct Taken {
    all: Arc<Pool>,
    own: Arc<Pool>,
    since: Instant,
    _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Taken")
    }
}

impl Taken {
    /// Whether it was held for longer than `most`, and others wait for it.
    pub fn is_overdue(&self, most: Duration) -> bool {
        self.since.elapsed() >= most && (self.all.is_wanted() || self.own.is_wanted())
    }
}

impl Shares {
    /// `total` of it (at most 4 Gi), `share` of that for one tenant, for which a request waits at most `wait`.
    pub fn new(total: usize, share: usize, wait: Duration) -> Self {
        let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            all: Pool::new(count(total)),
            total: count(total),
            share: count(share),
            wait,
            tenants: Arc::default(),
        }
    }

    /// Memory of which half is for one tenant: there is often only one, and its clients send several bodies at once.
    pub fn of_memory(bytes: usize, wait: Duration) -> Self {
        Self::new(bytes, bytes / 2, wait)
    }

    /// Whether nearly all of it is taken.
    pub fn is_short(&self) -> bool {
        let free = u32::try_from(self.all.free.available_permits()).unwrap_or(u32::MAX);
        free < self.total / 8
    }

    /// Takes that much for `tenant`, all of its share if that is less; `None` if it was not free in time.
    pub fn take(
        &self,
        tenant: Option<TenantId>,
        count: u64,
    ) -> impl Future<Output = Option<Taken>> + Send + use<> {
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.share);
        let (all, own, wait) = (Arc::clone(&self.all), self.of(tenant), self.wait);
        async move {
            let both = async { Some((own.take(count).await?, all.take(count).await?)) };
            let permits = tokio::time::timeout(wait, both).await.ok()??;
            Some(Taken {
                all,
                own,
                since: Instant::now(),
                _permits: permits,
            })
        }
    }

    fn of(&self, tenant: Option<TenantId>) -> Arc<Pool> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = tenants.get(&tenant).and_then(Weak::upgrade) {
            return own;
        }
        tenants.retain(|_, own| own.strong_count() > 0);
        let own = Pool::new(self.share);
        tenants.insert(tenant, Arc::downgrade(&own));
        own
    }
}

/// Bytes whose memory is given back when nobody refers to them any more: neither an answer, nor what the connection still
/// has to send of it.
pub fn kept(bytes: Bytes, memory: Taken) -> Bytes {
    Bytes::from_owner(Kept {
        bytes,
        _memory: memory,
    })
}

struct Kept {
    bytes: Bytes,
    _memory: Taken,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Option<TenantId> = Some(TenantId(1));
    const TWO: Option<TenantId> = Some(TenantId(2));
    const THREE: Option<TenantId> = Some(TenantId(3));

    fn shares(total: usize, share: usize) -> Shares {
        Shares::new(total, share, Duration::from_millis(20))
    }

    #[tokio::test]
    async fn what_is_taken_is_missing_until_it_is_dropped() {
        let memory = shares(100, 100);
        let taken = memory.take(ONE, 90).await.unwrap();
        assert!(memory.is_short());
        assert!(memory.take(TWO, 11).await.is_none());
        assert!(memory.take(ONE, 10).await.is_some());
        drop(taken);
        assert!(!memory.is_short() && memory.take(TWO, 100).await.is_some());
    }

    #[tokio::test]
    async fn more_than_the_share_is_the_share() {
        let memory = shares(100, 50);
        let taken = memory.take(ONE, u64::MAX).await.unwrap();
        assert!(memory.take(ONE, 1).await.is_none());
        assert!(memory.take(TWO, 50).await.is_some());
        drop(taken);
        assert!(memory.take(ONE, 1).await.is_some());
    }

    #[tokio::test]
    async fn one_tenant_leaves_turns_to_the_others() {
        let turns = shares(3, 2);
        let own = [turns.take(ONE, 1).await, turns.take(ONE, 1).await];
        assert!(own.iter().all(Option::is_some));
        assert!(turns.take(ONE, 1).await.is_none());
        let _other = turns.take(TWO, 1).await.unwrap();
        assert!(turns.take(THREE, 1).await.is_none());
        drop(own);
        assert!(turns.take(ONE, 1).await.is_some());
        assert!(turns.take(None, 1).await.is_some());
        assert_eq!(
            turns.tenants.lock().unwrap().len(),
            2,
            "who left is forgotten"
        );
    }

    #[tokio::test]
    async fn who_holds_is_overdue_only_while_others_wait() {
        let memory = Shares::new(10, 10, Duration::from_secs(60));
        let taken = memory.take(ONE, 10).await.unwrap();
        assert!(!taken.is_overdue(Duration::ZERO));
        let waiting = tokio::spawn(memory.take(TWO, 1));
        while !taken.is_overdue(Duration::ZERO) {
            tokio::task::yield_now().await;
        }
        assert!(!taken.is_overdue(Duration::from_secs(3600)));
        drop(taken);
        assert!(waiting.await.unwrap().is_some());
        assert!(!memory.all.is_wanted());
    }

    #[tokio::test]
    async fn the_memory_of_bytes_is_kept_for_every_part_of_them() {
        let memory = shares(100, 100);
        let taken = memory.take(ONE, 100).await.unwrap();
        let bytes = kept(Bytes::from_static(b"abcdef"), taken);
        let part = bytes.slice(4..);
        drop(bytes);
        assert!(memory.take(ONE, 1).await.is_none());
        assert_eq!(part, "ef");
        drop(part);
        assert!(memory.take(ONE, 1).await.is_some());
    }
}
