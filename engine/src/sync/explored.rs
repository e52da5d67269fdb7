//! The same names as in the build that ships, over shuttle: it runs all threads by turns on one, and chooses at every
//! operation of this module who goes on.
//!
//! Locks, atomics, channels and threads are shuttle's own. Those of tokio stay tokio's: each of their operations is one
//! indivisible step here, with a choice before it. (What they do inside is explored by their makers, with loom.) Atomics
//! are sequentially consistent in shuttle, whatever ordering is asked for: orderings that are too weak are not found here.

use shuttle::rand::Rng;
use std::future::Future;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll};
use std::time::Duration;

pub use shuttle::sync::{Arc, atomic, mpsc};
pub use tokio::sync::{AcquireError, TryAcquireError};

/// Lets the explorer choose who goes on.
fn point() {
    // Who unwinds does not stop: the run has failed already.
    if !std::thread::panicking() {
        atomic::AtomicBool::new(false).load(atomic::Ordering::SeqCst);
    }
}

/// A mutex without poisoning.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(shuttle::sync::Mutex<T>);

/// Holds a [`Mutex`].
pub type MutexGuard<'a, T> = shuttle::sync::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    /// A mutex around `value`.
    pub const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader-writer lock without poisoning.
#[derive(Debug, Default)]
pub struct RwLock<T: ?Sized>(shuttle::sync::RwLock<T>);

/// Shares a [`RwLock`].
pub type ReadGuard<'a, T> = shuttle::sync::RwLockReadGuard<'a, T>;
/// Holds a [`RwLock`] alone.
pub type WriteGuard<'a, T> = shuttle::sync::RwLockWriteGuard<'a, T>;

impl<T> RwLock<T> {
    /// A lock around `value`.
    pub const fn new(value: T) -> Self {
        Self(shuttle::sync::RwLock::new(value))
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits to share the value with other readers.
    pub fn read(&self) -> ReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits to hold the value alone.
    pub fn write(&self) -> WriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A condition variable for [`Mutex`].
#[derive(Debug, Default)]
pub struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    /// A condition variable that nobody waits on.
    pub const fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    /// Waits until notified.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until notified, or lets the time pass at once: no other moment of it differs for who waits.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _limit: Duration,
    ) -> MutexGuard<'a, T> {
        if shuttle::rand::thread_rng().gen_bool(0.5) {
            return guard;
        }
        self.wait(guard)
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Tells everybody who waits now.
#[derive(Debug, Default)]
pub struct Notify(tokio::sync::Notify);

impl Notify {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self(tokio::sync::Notify::const_new())
    }

    /// Wakes all who wait.
    pub fn notify_waiters(&self) {
        point();
        self.0.notify_waiters();
    }

    /// Waits for the next notification.
    pub fn notified(&self) -> tokio::sync::futures::Notified<'_> {
        point();
        self.0.notified()
    }
}

/// Permits that are taken and given back, in the order in which they are asked for.
#[derive(Debug)]
pub struct Semaphore(Arc<tokio::sync::Semaphore>);

impl Semaphore {
    /// A semaphore of so many permits.
    pub fn new(permits: usize) -> Self {
        Self(Arc::new(tokio::sync::Semaphore::new(permits)))
    }

    /// Permits that nobody holds.
    pub fn available_permits(&self) -> usize {
        point();
        self.0.available_permits()
    }

    /// Takes so many permits if they are to be had now.
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        permits: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        point();
        let permit = Arc::clone(&self.0).try_acquire_many_owned(permits)?;
        Ok(OwnedSemaphorePermit(Some(permit)))
    }

    /// Takes one permit if it is to be had now.
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// Takes one permit if it is to be had now.
    pub fn try_acquire(&self) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        point();
        let permit = Arc::clone(&self.0).try_acquire_owned()?;
        Ok(OwnedSemaphorePermit(Some(permit)))
    }

    /// Waits for a permit.
    pub async fn acquire(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        point();
        let permit = Arc::clone(&self.0).acquire_owned().await?;
        Ok(OwnedSemaphorePermit(Some(permit)))
    }

    /// Waits for so many permits.
    pub async fn acquire_many_owned(
        self: Arc<Self>,
        permits: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        point();
        let permit = Arc::clone(&self.0).acquire_many_owned(permits).await?;
        Ok(OwnedSemaphorePermit(Some(permit)))
    }

    /// Waits for a permit.
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1).await
    }
}

/// Permits, until this is dropped.
#[derive(Debug)]
pub struct OwnedSemaphorePermit(Option<tokio::sync::OwnedSemaphorePermit>);

impl OwnedSemaphorePermit {
    /// How many.
    pub fn num_permits(&self) -> usize {
        let permit = self.0.as_ref();
        permit.map_or(0, tokio::sync::OwnedSemaphorePermit::num_permits)
    }

    /// Adds another's permits to this.
    pub fn merge(&mut self, mut other: Self) {
        if let (Some(permit), Some(more)) = (&mut self.0, other.0.take()) {
            permit.merge(more);
        }
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        point();
        self.0 = None;
    }
}

/// A reader-writer lock that is waited for in a future.
#[derive(Debug, Default)]
pub struct AsyncRwLock<T>(Arc<tokio::sync::RwLock<T>>);

impl<T> AsyncRwLock<T> {
    /// Waits to share the value.
    pub async fn read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        point();
        let guard = Arc::clone(&self.0).read_owned().await;
        OwnedRwLockReadGuard {
            guard: Some(guard),
            _lock: self,
        }
    }

    /// Waits to hold the value alone.
    pub async fn write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        point();
        let guard = Arc::clone(&self.0).write_owned().await;
        OwnedRwLockWriteGuard {
            guard: Some(guard),
            _lock: self,
        }
    }
}

/// Shares an [`AsyncRwLock`], and counts as a reference to it, as tokio's does.
#[derive(Debug)]
pub struct OwnedRwLockReadGuard<T> {
    guard: Option<tokio::sync::OwnedRwLockReadGuard<T>>,
    _lock: Arc<AsyncRwLock<T>>,
}

impl<T> Drop for OwnedRwLockReadGuard<T> {
    fn drop(&mut self) {
        point();
        self.guard = None;
    }
}

/// Holds an [`AsyncRwLock`] alone, and counts as a reference to it, as tokio's does.
#[derive(Debug)]
pub struct OwnedRwLockWriteGuard<T> {
    guard: Option<tokio::sync::OwnedRwLockWriteGuard<T>>,
    _lock: Arc<AsyncRwLock<T>>,
}

impl<T> Drop for OwnedRwLockWriteGuard<T> {
    fn drop(&mut self) {
        point();
        self.guard = None;
    }
}

/// One value from one to another.
pub mod oneshot {
    use super::{Context, Future, Pin, Poll, point};
    pub use tokio::sync::oneshot::error;

    /// Sends the value.
    #[derive(Debug)]
    pub struct Sender<T>(Option<tokio::sync::oneshot::Sender<T>>);

    /// Waits for the value.
    #[derive(Debug)]
    pub struct Receiver<T>(tokio::sync::oneshot::Receiver<T>);

    /// Both ends.
    pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        (Sender(Some(sender)), Receiver(receiver))
    }

    impl<T> Sender<T> {
        /// Sends; the value comes back if nobody waits any more.
        ///
        /// # Errors
        /// The value.
        pub fn send(mut self, value: T) -> Result<(), T> {
            point();
            match self.0.take() {
                Some(sender) => sender.send(value),
                None => Err(value),
            }
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            point();
            self.0 = None;
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, error::RecvError>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            point();
            Pin::new(&mut self.0).poll(context)
        }
    }
}

/// Threads that the explorer runs.
pub mod thread {
    pub use shuttle::thread::{JoinHandle, Scope, ScopedJoinHandle, scope, spawn, yield_now};
    pub use std::thread::panicking;

    /// Makes a thread with a name. Shuttle's own makes none within a scope.
    #[derive(Debug, Default)]
    pub struct Builder(shuttle::thread::Builder);

    impl Builder {
        /// No name.
        pub fn new() -> Self {
            Self(shuttle::thread::Builder::new())
        }

        /// With this name.
        #[must_use]
        pub fn name(self, name: String) -> Self {
            Self(self.0.name(name))
        }

        /// Starts it.
        ///
        /// # Errors
        /// None: here, no thread is one too many.
        pub fn spawn<T: Send + 'static>(
            self,
            job: impl FnOnce() -> T + Send + 'static,
        ) -> std::io::Result<JoinHandle<T>> {
            self.0.spawn(job)
        }

        /// Starts it within a scope, without the name.
        ///
        /// # Errors
        /// None, as above.
        pub fn spawn_scoped<'scope, 'env, T: Send + 'scope>(
            self,
            scope: &'scope Scope<'scope, 'env>,
            job: impl FnOnce() -> T + Send + 'scope,
        ) -> std::io::Result<ScopedJoinHandle<'scope, T>> {
            Ok(scope.spawn(job))
        }
    }
}
