//! Where blocking and computing happens: never on the caller's thread, which may serve a network.

use crate::error::{Error, Result};
use crate::sync::{Arc, oneshot};

/// A pool of threads, or the caller's own thread in a stepped store.
#[derive(Clone)]
pub(crate) enum Workers {
    /// Threads.
    Pool(Arc<rayon::ThreadPool>),
    /// The caller.
    #[cfg(any(test, feature = "sim"))]
    Inline,
    /// A thread for each job, for the explorer of schedules.
    #[cfg(shuttle)]
    Threads,
}

impl Workers {
    /// A pool of `threads` threads called `name`.
    pub fn pool(name: &'static str, threads: usize) -> Result<Self> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |index| format!("moraine-{name}-{index}"))
            .panic_handler(|_| tracing::error!("a worker met a bug; the request it served fails"))
            .build()
            .map(|pool| Self::Pool(Arc::new(pool)))
            .map_err(|error| {
                Error::io(
                    "start threads for",
                    &crate::io::DiskPath::root(),
                    std::io::Error::other(error),
                )
            })
    }

    /// Runs `job` and waits for its result. [`Error::Closed`] if the job met a bug.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.start(job).await.unwrap_or(Err(Error::Closed))
    }

    /// Starts `job`.
    pub fn start<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        self.answer(move |sender| {
            let _ = sender.send(job());
        })
    }

    /// Starts `job`, which answers when it likes; if it never does, whoever waits learns that.
    pub fn answer<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<T>) + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        match self {
            Self::Pool(pool) => pool.spawn(move || job(sender)),
            #[cfg(any(test, feature = "sim"))]
            Self::Inline => job(sender),
            #[cfg(shuttle)]
            Self::Threads => {
                crate::sync::thread::spawn(move || job(sender));
            }
        }
        receiver
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        match self {
            Self::Pool(pool) => pool.current_num_threads(),
            #[cfg(any(test, feature = "sim"))]
            Self::Inline => 1,
            #[cfg(shuttle)]
            Self::Threads => 2,
        }
    }
}
