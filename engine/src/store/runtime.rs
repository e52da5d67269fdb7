//! The threads of an open store: log writer, applier, and the one that makes checkpoints.

use super::applier::Applier;
use super::shared::Shared;
use crate::canary::{self, Canary};
use crate::error::{Error, Result};
use crate::io::DiskPath;
use crate::io::lock::DirLock;
use crate::log::Writer;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Condvar, Mutex, oneshot, thread};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Bytes of log after which a checkpoint is made: bounds what a start after a crash replays to about a second.
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// How often it is looked whether a checkpoint is due.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Checks after which anything new is worth a checkpoint.
const CHECKS_MAX: u32 = 30;

/// Checks until a checkpoint is tried again that failed for want of something.
const RETRY_CHECKS: u32 = 5;

/// What runs beside the callers.
pub(crate) struct Runtime {
    threads: Mutex<Option<Threads>>,
    stop: Arc<AtomicBool>,
    bell: Arc<(Mutex<bool>, Condvar)>,
}

struct Threads {
    writer: thread::JoinHandle<()>,
    applier: thread::JoinHandle<()>,
    checkpointer: thread::JoinHandle<()>,
    shared: Arc<Shared>,
    _lock: Option<DirLock>,
}

impl Runtime {
    /// Nothing: a stepped store.
    #[cfg(any(test, feature = "sim"))]
    pub fn none() -> Self {
        Self {
            threads: Mutex::new(None),
            stop: Arc::default(),
            bell: Arc::default(),
        }
    }

    /// Starts the threads.
    pub fn start(
        shared: &Arc<Shared>,
        writer: Writer,
        applier: Applier,
        lock: Option<DirLock>,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let bell: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let (for_writer, stopping) = (Arc::clone(shared), Arc::clone(&stop));
        let writer = spawn("log-writer", move || {
            guarded(&for_writer, "log writer", move || writer.run(&stopping));
        })?;
        let for_applier = Arc::clone(shared);
        let applier = spawn("applier", move || {
            guarded(&for_applier, "applier", move || applier.run());
        })?;
        let (for_checkpoints, ring) = (Arc::clone(shared), Arc::clone(&bell));
        let checkpointer = spawn("checkpointer", move || {
            guarded(&for_checkpoints, "checkpointer", || {
                checkpoints(&for_checkpoints, &ring);
            });
        })?;
        let threads = Threads {
            writer,
            applier,
            checkpointer,
            shared: Arc::clone(shared),
            _lock: lock,
        };
        Ok(Self {
            threads: Mutex::new(Some(threads)),
            stop,
            bell,
        })
    }

    /// Ends the threads in order, without blocking the caller's thread.
    pub async fn close(self: &Arc<Self>, shared: &Arc<Shared>) -> Result<()> {
        shared.inbox.nudge();
        let (sender, receiver) = oneshot::channel();
        let this = Arc::clone(self);
        let job = move || {
            let _ = sender.send(this.stop());
        };
        thread::Builder::new()
            .name("moraine-close".to_owned())
            .spawn(job)
            .map_err(|source| Error::io("start a thread for", &DiskPath::root(), source))?;
        receiver.await.unwrap_or(Err(Error::Closed))
    }

    fn stop(&self) -> Result<()> {
        let Some(threads) = self.threads.lock().take() else {
            return Ok(());
        };
        self.stop.store(true, Ordering::SeqCst);
        threads.shared.inbox.nudge();
        let _ = threads.writer.join();
        // The writer's end of the channel is gone: the applier ends behind the last batch.
        if !canary::is(Canary::CloseBeforeApplied) {
            let _ = threads.applier.join();
        }
        let (stopped, bell) = &*self.bell;
        *stopped.lock() = true;
        bell.notify_all();
        let _ = threads.checkpointer.join();
        threads.shared.reactor.stop();
        threads.shared.final_checkpoint()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "the last checkpoint failed; the next start replays more of the log");
        }
    }
}

fn spawn(name: &str, job: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>> {
    thread::Builder::new()
        .name(format!("moraine-{name}"))
        .spawn(job)
        .map_err(|source| Error::io("start a thread for", &DiskPath::root(), source))
}

/// Runs a thread's work; a bug in it turns the store read-only instead of leaving callers to wait for ever.
fn guarded(shared: &Arc<Shared>, name: &'static str, work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        let reason: Arc<str> = Arc::from(format!("the {name} met a bug"));
        tracing::error!(%reason, "the store is read-only");
        shared.poison(&reason);
        shared.inbox.close(&Error::Poisoned { reason });
    }
}

fn checkpoints(shared: &Arc<Shared>, ring: &(Mutex<bool>, Condvar)) {
    let (stopped, bell) = ring;
    let mut written = 0;
    let mut checks = 0;
    let mut again = false;
    let mut stop = stopped.lock();
    while !*stop {
        stop = bell.wait_timeout(stop, CHECK_EVERY);
        let now = shared.counters.log_bytes_written.load(Ordering::Relaxed);
        checks += 1;
        let due = if again {
            checks >= RETRY_CHECKS
        } else {
            now - written >= CHECKPOINT_BYTES || (checks >= CHECKS_MAX && now > written)
        };
        if *stop || !due {
            continue;
        }
        drop(stop);
        (written, checks) = (now, 0);
        let made = shared.checkpoint();
        again = made.as_ref().is_err_and(Error::passes);
        match made {
            Ok(()) => {}
            Err(error) if again => {
                tracing::warn!(%error, "a checkpoint is put off: nothing is lost, and it is tried again in {RETRY_CHECKS} seconds");
            }
            Err(error) => {
                tracing::error!(%error, "a checkpoint failed: the next start replays more of the log");
            }
        }
        stop = stopped.lock();
    }
}
