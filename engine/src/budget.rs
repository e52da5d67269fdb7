//! The memory budget: one global limit for bodies on their way in and out.
//!
//! Invariants:
//! - Bytes of a body are granted before they are kept, and a grant is released when its bytes are gone: memory does
//!   not grow with the size of an object or the number of slow clients.
//! - A share is kept for bodies of up to [`SMALL_BODY_BYTES`], so that large uploads cannot starve small ones.
//! - Who waits for a grant holds one small step at most (see `BlobWriter`): those who wait cannot use up the budget
//!   between them. A body that holds memory and does not move is the caller's to end (see [`Budget::under_pressure`]).

use crate::canary::{self, Canary};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, OwnedSemaphorePermit, Semaphore};

/// Bodies up to this many bytes draw on the reserved share.
pub const SMALL_BODY_BYTES: u64 = 64 * 1024;

/// A grant is taken in multiples of this: fewer, larger steps than the chunks of a socket.
const QUANTUM_BYTES: usize = 16 * 1024;

/// One part in this many of the budget is kept for small bodies.
const SMALL_SHARE: usize = 8;

/// Which share of the budget a body draws on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Share {
    /// Bodies of known length up to [`SMALL_BODY_BYTES`].
    Small,
    /// Everything else.
    Large,
}

/// The budget. Cheap to share.
#[derive(Debug)]
pub(crate) struct Budget {
    total: usize,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    waiting: AtomicU64,
    waits: AtomicU64,
}

/// Someone waits, until this is dropped: with a grant, or because they gave up.
struct Waiting<'a>(&'a AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Granted bytes; dropping it gives them back, once every [share](Grant::shared) of it is dropped.
#[derive(Debug)]
pub(crate) struct Grant {
    permit: Arc<OwnedSemaphorePermit>,
    unused: usize,
}

impl Budget {
    /// A budget of `total` bytes.
    pub fn new(total: usize) -> Self {
        let small = (total / SMALL_SHARE).max(2 * QUANTUM_BYTES);
        let large = total.saturating_sub(small).max(4 * QUANTUM_BYTES);
        Self {
            total: small + large,
            small: Arc::new(Semaphore::new(small)),
            large: Arc::new(Semaphore::new(large)),
            waiting: AtomicU64::new(0),
            waits: AtomicU64::new(0),
        }
    }

    /// All bytes of the budget.
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Bytes granted now.
    pub fn used(&self) -> usize {
        self.total - self.small.available_permits() - self.large.available_permits()
    }

    /// Bodies that wait now.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How often a body had to wait.
    pub fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    /// Whether less than an eighth is left for large bodies: slow ones should be timed out.
    pub fn under_pressure(&self) -> bool {
        self.large.available_permits() < self.total / 8
    }

    /// Which share a body of this announced length draws on.
    pub fn share(announced: Option<u64>) -> Share {
        match announced {
            Some(bytes) if bytes <= SMALL_BODY_BYTES => Share::Small,
            _ => Share::Large,
        }
    }

    /// The most that a caller may ask of a share where it takes a guess or a cap: a quarter, so that it never waits for more
    /// than there is, and others go on beside it.
    pub fn most(&self, share: Share) -> usize {
        let small = (self.total / SMALL_SHARE).max(2 * QUANTUM_BYTES);
        match share {
            Share::Small => small / 4,
            Share::Large => self.total.saturating_sub(small) / 4,
        }
    }

    /// Waits until `grant` has at least `bytes` that are not used up.
    pub async fn ensure(&self, grant: &mut Option<Grant>, share: Share, bytes: usize) {
        let unused = grant.as_ref().map_or(0, |grant| grant.unused);
        if unused >= bytes {
            return;
        }
        let semaphore = match share {
            Share::Small => &self.small,
            Share::Large => &self.large,
        };
        let ask = (bytes - unused).next_multiple_of(QUANTUM_BYTES);
        let ask = u32::try_from(ask)
            .expect("an extent, and the list of an object's extents, are below 4 GiB");
        let permit = match Arc::clone(semaphore).try_acquire_many_owned(ask) {
            Ok(permit) => permit,
            Err(_) => self.wait(semaphore, ask).await,
        };
        let more = permit.num_permits();
        match grant {
            Some(grant) => {
                Arc::get_mut(&mut grant.permit)
                    .expect("a grant is shared when it grows no more")
                    .merge(permit);
                grant.unused += more;
            }
            None => {
                *grant = Some(Grant {
                    permit: Arc::new(permit),
                    unused: more,
                });
            }
        }
    }

    async fn wait(&self, semaphore: &Arc<Semaphore>, ask: u32) -> OwnedSemaphorePermit {
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let acquire = async |ask| {
            Arc::clone(semaphore)
                .acquire_many_owned(ask)
                .await
                .expect("the budget's semaphores are never closed")
        };
        if canary::is(Canary::GrantInPieces) {
            let piece = ask / 16;
            let mut grant = acquire(ask - 15 * piece).await;
            for _ in 0..15 {
                grant.merge(acquire(piece).await);
            }
            return grant;
        }
        acquire(ask).await
    }

    /// A grant of `bytes`, if nobody has to wait for it.
    pub fn try_take(&self, share: Share, bytes: usize) -> Option<Grant> {
        let semaphore = match share {
            Share::Small => &self.small,
            Share::Large => &self.large,
        };
        let ask = u32::try_from(bytes.max(1).next_multiple_of(QUANTUM_BYTES)).ok()?;
        let permit = Arc::clone(semaphore).try_acquire_many_owned(ask).ok()?;
        let unused = permit.num_permits();
        let permit = Arc::new(permit);
        Some(Grant { permit, unused })
    }

    /// Waits for a grant of `bytes`.
    pub async fn take(&self, share: Share, bytes: usize) -> Grant {
        let mut grant = None;
        self.ensure(&mut grant, share, bytes.max(1)).await;
        grant.expect("something was asked for")
    }
}

impl Grant {
    /// The same bytes, for somebody else who keeps them: they are given back when both let go.
    pub fn shared(&self) -> Self {
        Self {
            permit: Arc::clone(&self.permit),
            unused: 0,
        }
    }

    /// Counts `bytes` of it as used.
    pub fn use_up(&mut self, bytes: usize) {
        assert!(
            bytes <= self.unused,
            "bytes are granted before they are kept"
        );
        self.unused -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn grants_come_back_and_small_bodies_keep_their_share() {
        let budget = Budget::new(1 << 20);
        let large = budget.total() - budget.total() / SMALL_SHARE;
        let Poll::Ready(held) = poll(budget.take(Share::Large, large)) else {
            panic!("the budget is free")
        };
        assert!(budget.under_pressure());
        assert!(poll(budget.take(Share::Large, 1)).is_pending());
        assert!(poll(budget.take(Share::Small, 1)).is_ready());
        drop(held);
        assert_eq!(budget.used(), 0);
        assert!(poll(budget.take(Share::Large, 1)).is_ready());
    }

    #[test]
    fn who_waits_is_counted_until_it_gives_up() {
        let budget = Budget::new(1 << 20);
        let large = budget.total() - budget.total() / SMALL_SHARE;
        let Poll::Ready(_held) = poll(budget.take(Share::Large, large)) else {
            panic!("the budget is free")
        };
        assert_eq!((budget.waiting(), budget.waits()), (0, 0));
        {
            let mut waiting = pin!(budget.take(Share::Large, 1));
            let mut context = Context::from_waker(Waker::noop());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            assert_eq!((budget.waiting(), budget.waits()), (1, 1));
        }
        assert_eq!((budget.waiting(), budget.waits()), (0, 1));
    }

    #[test]
    fn a_grant_grows_in_quanta() {
        let budget = Budget::new(1 << 20);
        let mut grant = None;
        assert!(poll(budget.ensure(&mut grant, Share::Large, 10)).is_ready());
        grant.as_mut().unwrap().use_up(10);
        assert_eq!(budget.used(), QUANTUM_BYTES);
        assert!(poll(budget.ensure(&mut grant, Share::Large, QUANTUM_BYTES - 10)).is_ready());
        grant.as_mut().unwrap().use_up(QUANTUM_BYTES - 10);
        assert_eq!(budget.used(), QUANTUM_BYTES);
        assert!(poll(budget.ensure(&mut grant, Share::Large, 1)).is_ready());
        assert_eq!(budget.used(), 2 * QUANTUM_BYTES);
    }
}
