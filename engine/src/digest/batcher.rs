//! Bodies that wait for their MD5 at one moment are hashed together.
//!
//! Who brings one drives: it hashes all that wait, in slices, until nothing waits; who comes meanwhile only queues. Before
//! each slice the driver lets others go first, as long as that brings more bodies: on a busy machine they gather, on an
//! idle one nobody comes and nothing is lost. A second driver begins only when there is a full set for it.
//!
//! Invariants:
//! - A large body keeps a small one waiting for one slice, not for all of it.
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
    waiting: VecDeque<Job>,
    drivers: usize,
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
        queue.waiting.push_back(job);
        let full = queue.waiting.len() >= self.width.lanes;
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
        self.queue.lock().waiting.len()
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
        while self.lanes.len() < self.batcher.width.lanes {
            let Some(job) = queue.waiting.pop_front() else {
                break;
            };
            self.lanes.push(job);
        }
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
            let waiting = std::mem::take(&mut queue.waiting);
            drop(queue);
            drop(waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::mpsc;
    use md5::Digest;

    /// Lengths around blocks, slices and the limit for those that are hashed alone, in an order that mixes them.
    fn lengths(seed: u64) -> Vec<usize> {
        let special = [
            0, 1, 63, 64, 65, 4096, 4097, 65_535, 65_536, 65_537, 200_000,
        ];
        let mut x = seed;
        (0..120)
            .map(|_| {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let random = usize::try_from(x >> 33).unwrap();
                if random.is_multiple_of(3) {
                    special[random / 3 % special.len()]
                } else {
                    random % 30_000
                }
            })
            .collect()
    }

    fn message(len: usize) -> Bytes {
        let salt = len.to_le_bytes()[0];
        (0..len)
            .map(|at| at.wrapping_mul(167).to_le_bytes()[1] ^ salt)
            .collect()
    }

    /// Hands the messages to a pool in two pieces each, and counts the wrong answers.
    fn wrong(seed: u64) -> usize {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .unwrap();
        let batcher = Batcher::new(3);
        let (sender, receiver) = mpsc::channel();
        let lengths = lengths(seed);
        for (index, len) in lengths.iter().copied().enumerate() {
            let (sender, batcher) = (sender.clone(), batcher.clone());
            pool.spawn(move || {
                let payload = message(len);
                let (first, second) = (payload.slice(..len / 3), payload.slice(len / 3..));
                let again = batcher.clone();
                batcher.add(Md5::default(), first, move |md5| {
                    again.add(md5, second, move |md5| {
                        sender.send((index, md5.finish())).unwrap();
                    });
                });
            });
        }
        drop(sender);
        let answers: Vec<(usize, [u8; 16])> = receiver.iter().collect();
        assert_eq!(answers.len(), lengths.len(), "each is answered once");
        let is_wrong = |(index, digest): &&(usize, [u8; 16])| {
            let expected: [u8; 16] = md5::Md5::digest(message(lengths[*index])).into();
            *digest != expected
        };
        answers.iter().filter(is_wrong).count()
    }

    #[test]
    fn mixtures_of_lengths_give_what_each_gives_alone() {
        for seed in 1..=8 {
            assert_eq!(wrong(seed), 0, "wrong({seed})");
        }
    }

    #[test]
    fn a_bug_in_one_answer_fails_those_that_wait_and_no_later_ones() {
        let batcher = Batcher::new(1);
        let payload = message(100_000);
        let (sender, receiver) = mpsc::channel::<()>();
        let again = batcher.clone();
        let inner = payload.clone();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            batcher.add(Md5::default(), payload.clone(), move |_| {
                // Queued behind a driver that is about to fail.
                again.add(Md5::default(), inner, move |_| drop(sender));
                panic!("a bug");
            });
        }));
        assert!(caught.is_err());
        assert!(receiver.recv().is_err(), "the one that waited was dropped");
        let (sender, receiver) = mpsc::channel();
        batcher.add(Md5::default(), payload.clone(), move |md5| {
            sender.send(md5.finish()).unwrap();
        });
        let expected: [u8; 16] = md5::Md5::digest(&payload).into();
        assert_eq!(receiver.recv().unwrap(), expected);
    }
}
