//! Bodies that are brought together: right digests, and who waits for whom. Nothing here depends on time.

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

/// A driver that takes its steps when it is told to, and who was answered so far.
struct Stepped {
    batcher: Batcher,
    lanes: Vec<Job>,
    answered: Arc<Mutex<Vec<usize>>>,
}

impl Stepped {
    fn new() -> Self {
        let batcher = Batcher::new(1);
        batcher.queue.lock().drivers = 1;
        Self {
            batcher,
            lanes: Vec::new(),
            answered: Arc::default(),
        }
    }

    fn width(&self) -> usize {
        self.batcher.width.lanes
    }

    /// Queues a body, known by its length.
    fn add(&self, len: usize) {
        let answered = Arc::clone(&self.answered);
        self.batcher.add(Md5::default(), message(len), move |md5| {
            let expected: [u8; 16] = md5::Md5::digest(message(len)).into();
            assert_eq!(md5.finish(), expected, "of {len} bytes");
            answered.lock().push(len);
        });
    }

    /// One slice of whatever is due; `false` if nothing is left.
    fn slice(&mut self) -> bool {
        let mut driver = Driver {
            batcher: &self.batcher,
            lanes: std::mem::take(&mut self.lanes),
        };
        let any = driver.fill();
        if any {
            driver.slice();
        }
        self.lanes = std::mem::take(&mut driver.lanes);
        any
    }

    /// How many short bodies were answered.
    fn short(&self) -> usize {
        let answered = self.answered.lock();
        answered.iter().filter(|len| **len == SLICE_BYTES).count()
    }

    /// How many others were.
    fn long(&self) -> usize {
        let answered = self.answered.lock();
        answered.iter().filter(|len| **len > SLICE_BYTES).count()
    }
}

#[test]
fn a_short_body_waits_for_one_slice_at_most_however_many_long_ones_there_are() {
    let mut stepped = Stepped::new();
    let long = 3 * stepped.width();
    (0..long).for_each(|at| stepped.add(10 * SLICE_BYTES + at));
    for number in 1..=8 {
        assert!(stepped.slice());
        stepped.add(SLICE_BYTES);
        // One for those that have no more to go than this one, if they fill all lanes, and its own.
        assert!(stepped.slice() && stepped.slice());
        assert_eq!(stepped.short(), number);
    }
    assert!(!stepped.batcher.queue.lock().long.is_empty());
    while stepped.slice() {}
    assert_eq!(stepped.long(), long);
    assert_eq!(stepped.batcher.queue.lock().drivers, 0);
}

#[test]
fn short_bodies_that_never_end_do_not_stop_the_long_ones() {
    let mut stepped = Stepped::new();
    let (width, slices) = (stepped.width(), 5);
    (0..width).for_each(|at| stepped.add(slices * SLICE_BYTES + at));
    let mut rounds = 0;
    while stepped.long() < width {
        (0..width).for_each(|_| stepped.add(SLICE_BYTES));
        assert!(stepped.slice());
        rounds += 1;
        assert!(
            rounds <= LONG_SHARE * slices + LONG_SHARE,
            "{rounds} rounds"
        );
    }
}

#[test]
fn who_steps_aside_comes_before_those_who_have_not_begun() {
    let mut stepped = Stepped::new();
    let width = stepped.width();
    (0..2 * width).for_each(|at| stepped.add(2 * SLICE_BYTES + 64 * at));
    assert!(stepped.slice());
    // All lanes but those for long bodies.
    (0..width).for_each(|_| stepped.add(SLICE_BYTES));
    while stepped.slice() {}
    let answered = stepped.answered.lock();
    let long = answered.iter().filter(|len| **len > SLICE_BYTES);
    let begun = 2 * SLICE_BYTES + 64 * width;
    let order: Vec<bool> = long.map(|len| *len < begun).collect();
    assert_eq!(order.len(), 2 * width);
    assert!(order.is_sorted_by(|one, next| one >= next), "{order:?}");
}
