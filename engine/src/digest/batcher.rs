//! Bodies that wait for their MD5 at one moment are hashed together.
//!
//! Who brings one drives: it hashes all that wait, in slices, until nothing waits; who comes meanwhile only queues. Before
//! each slice the driver lets others go first, as long as that brings more bodies: on a busy machine they gather, on an
//! idle one nobody comes and nothing is lost. A second driver begins only when there is a full set for it.
//!
//! Invariants:
//! - A body that needs no more than one slice waits for the end of the slice that is being hashed, and of those before it
//!   that are as short; not for long ones, however many they are and whosever: those step aside, and go on where they were.
//! - Long bodies keep one lane in four as long as any waits, so that short ones cannot stop them.
//! - No more waits than the memory budget allows: a payload that was granted memory is queued together with its grant (see
//!   `ingest`), and hashing waits for nobody's memory.
//! - A body's `then` is called exactly once, or dropped if a bug ends its driver: whoever waits for it learns that.

use super::lanes::{LANES_MAX, Width};
use super::message::{BLOCK_BYTES, Md5};
use crate::sync::{Arc, Mutex, thread};
use bytes::{Buf, Bytes};
use std::cell::Cell;
use std::collections::VecDeque;

/// Bytes of each body between two looks at who else waits: 80 us alone, 180 us with fifteen others.
const SLICE_BYTES: usize = 64 * 1024;
/// A body up to this long is hashed at once: 5 us, less than waiting for others takes.
const ALONE_BYTES: usize = 4 * 1024;
/// How often others go first before one slice, at most.
const TURNS_MAX: usize = 16;
/// One lane in this many is for long bodies while any waits.
const LONG_SHARE: usize = 4;
/// After as many of these turns as brought no body, the slice begins: what others do may take long.
const VAIN_TURNS_MAX: usize = 2;

thread_local! {
    /// Whether this thread drives: it then lets others go first, and what they bring is for the set that it gathers.
    static DRIVES: Cell<bool> = const { Cell::new(false) };
}

/// Brings bodies together. Cheap to share.
#[derive(Clone)]
pub(crate) struct Batcher {
    queue: Arc<Mutex<Queue>>,
    width: Width,
    drivers_max: usize,
}

#[derive(Default)]
struct Queue {
    /// Bodies that need one slice at most.
    short: VecDeque<Job>,
    /// All others; in front those that have begun and stepped aside.
    long: VecDeque<Job>,
    drivers: usize,
}

impl Queue {
    fn waiting(&self) -> usize {
        self.short.len() + self.long.len()
    }

    fn push(&mut self, job: Job) {
        if job.is_short() {
            self.short.push_back(job);
        } else {
            self.long.push_back(job);
        }
    }

    /// Fills up to `width` lanes: short bodies first, in whose favour long ones step aside, but for their share.
    fn fill(&mut self, lanes: &mut Vec<Job>, width: usize) {
        let long = lanes.iter().filter(|job| !job.is_short()).count() + self.long.len();
        let kept = long.min(width / LONG_SHARE);
        let short = lanes.iter().filter(|job| job.is_short()).count();
        let come = self.short.len().min((width - kept).saturating_sub(short));
        while lanes.len() + come > width {
            // The one that came last: it has least to lose.
            let Some(at) = lanes.iter().rposition(|job| !job.is_short()) else {
                break;
            };
            self.long.push_front(lanes.remove(at));
        }
        lanes.extend(self.short.drain(..come));
        let free = width.saturating_sub(lanes.len());
        lanes.extend(self.long.drain(..free.min(self.long.len())));
    }
}

/// A message, what is to be added to it, and who wants to know.
struct Job {
    md5: Md5,
    payload: Bytes,
    then: Box<dyn FnOnce(Md5) + Send>,
}

impl Batcher {
    /// A batcher for a pool of `threads` threads, of which half may hash at once.
    pub fn new(threads: usize) -> Self {
        Self {
            queue: Arc::default(),
            width: Width::here(),
            drivers_max: threads.div_ceil(2).max(1),
        }
    }

    /// Adds `payload` to `md5` and gives that to `then`, on this thread or another of the pool. Call it on the pool only:
    /// it may hash for a while.
    pub fn add(&self, mut md5: Md5, payload: Bytes, then: impl FnOnce(Md5) + Send + 'static) {
        if payload.len() <= ALONE_BYTES {
            md5.update(&payload);
            return then(md5);
        }
        let mut job = Job {
            md5,
            payload,
            then: Box::new(then),
        };
        job.begin();
        let mut queue = self.queue.lock();
        queue.push(job);
        let full = queue.waiting() >= self.width.lanes;
        let wanted = queue.drivers == 0 || (full && queue.drivers < self.drivers_max);
        if wanted && !DRIVES.get() {
            queue.drivers += 1;
            drop(queue);
            DRIVES.set(true);
            Driver {
                batcher: self,
                lanes: Vec::with_capacity(LANES_MAX),
            }
            .run();
        }
    }

    fn waiting(&self) -> usize {
        self.queue.lock().waiting()
    }
}

impl Job {
    /// Brings the message to the boundary of a block, or to its end.
    fn begin(&mut self) {
        let left = self.md5.begin(&self.payload).len();
        self.payload.advance(self.payload.len() - left);
    }

    fn blocks(&self) -> usize {
        self.payload.len() / BLOCK_BYTES
    }

    /// Whether one slice ends it.
    fn is_short(&self) -> bool {
        self.blocks() <= SLICE_BYTES / BLOCK_BYTES
    }

    /// Less than a block is left.
    fn end(mut self) {
        self.md5.keep(&self.payload);
        drop(self.payload);
        (self.then)(self.md5);
    }
}

/// Hashes until nothing waits.
struct Driver<'a> {
    batcher: &'a Batcher,
    lanes: Vec<Job>,
}

impl Driver<'_> {
    fn run(mut self) {
        loop {
            self.gather();
            if !self.fill() {
                return;
            }
            self.slice();
        }
    }

    /// Lets others go first, as long as that brings bodies and there is room for them.
    fn gather(&self) {
        let mut vain = 0;
        for _ in 0..TURNS_MAX {
            let before = self.batcher.waiting();
            if self.lanes.len() + before >= self.batcher.width.lanes {
                return;
            }
            // Jobs of the pool first, which may be bodies to be looked at, then the threads that bring them.
            let executed = rayon::yield_now() == Some(rayon::Yield::Executed);
            if !executed {
                thread::yield_now();
            }
            if self.batcher.waiting() > before {
                continue;
            }
            vain += 1;
            if !executed || vain == VAIN_TURNS_MAX {
                return;
            }
        }
    }

    /// Takes bodies into free lanes; `false`, and no driver any more, if there are none at all.
    fn fill(&mut self) -> bool {
        let mut queue = self.batcher.queue.lock();
        queue.fill(&mut self.lanes, self.batcher.width.lanes);
        if self.lanes.is_empty() {
            queue.drivers -= 1;
        }
        !self.lanes.is_empty()
    }

    /// Hashes as much of each body as the shortest has, and gives back those that are done.
    fn slice(&mut self) {
        let most = SLICE_BYTES / BLOCK_BYTES;
        let blocks = self.lanes.iter().map(Job::blocks).min().unwrap_or(0);
        let blocks = blocks.min(most);
        let mut lanes: Vec<_> = self
            .lanes
            .iter_mut()
            .filter_map(|job| job.md5.lane(&job.payload, blocks))
            .collect();
        self.batcher.width.advance(&mut lanes, blocks);
        for job in &mut self.lanes {
            job.payload.advance(blocks * BLOCK_BYTES);
        }
        let done: Vec<Job> = self.lanes.extract_if(.., |job| job.blocks() == 0).collect();
        done.into_iter().for_each(Job::end);
    }
}

impl Drop for Driver<'_> {
    /// After a bug, nobody waits for a driver that is gone.
    fn drop(&mut self) {
        DRIVES.set(false);
        if thread::panicking() {
            let mut queue = self.batcher.queue.lock();
            queue.drivers -= 1;
            let waiting = (
                std::mem::take(&mut queue.short),
                std::mem::take(&mut queue.long),
            );
            drop(queue);
            drop(waiting);
        }
    }
}

#[cfg(test)]
mod tests;
