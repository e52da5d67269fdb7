//! The ring driver against a ring whose completions a test scripts: late, short, failed, interrupted, doubled, out of
//! order. No simulated disk sees a driver that reports too early or lets go of a buffer; this does.
//!
//! The scripted ring moves bytes between the driver's buffers and a disk in memory, through the pointers that it was given
//! and at the moment of completion: a buffer that was freed or changed in between shows as wrong bytes (and as an error
//! under a sanitizer).

#![expect(
    unsafe_code,
    reason = "the scripted ring uses the pointers as the kernel would"
)]

use super::driver::Driver;
use super::ring::{Ended, Op, Ring};
use crate::io::real::RealFile;
use crate::io::test_dir::TestDir;
use crate::io::{AlignedBuf, Completion, File, Queue};
use crate::sync::{Arc, Mutex};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

const EINTR: i32 = -4;
const EIO: i32 = -5;
const EAGAIN: i32 = -11;

/// What the scripted ring holds, for the test to look at and to complete from.
#[derive(Default)]
struct Desk {
    pushed: Vec<(u64, Op)>,
    arrived: VecDeque<Ended>,
    disk: Vec<u8>,
    /// How many submissions fit; 0 for no limit.
    room: usize,
    /// What the next enters return, before the script runs.
    enter_errors: Vec<i32>,
    enters: usize,
}

impl Desk {
    /// Completes the submission at `index` with so many bytes moved.
    fn complete(&mut self, index: usize, moved: usize) {
        let (id, op) = self.pushed.remove(index);
        match op {
            Op::Write { from, offset, .. } => {
                // SAFETY: the driver promised to `push` that this memory stays until this completion.
                let bytes = unsafe { std::slice::from_raw_parts(from.0, moved) };
                let start = usize::try_from(offset).unwrap();
                if self.disk.len() < start + moved {
                    self.disk.resize(start + moved, 0);
                }
                self.disk[start..start + moved].copy_from_slice(bytes);
            }
            Op::Read { to, offset, .. } => {
                // SAFETY: as above, and nobody else looks at it until then.
                let bytes = unsafe { std::slice::from_raw_parts_mut(to.0, moved) };
                let start = usize::try_from(offset).unwrap();
                bytes.copy_from_slice(&self.disk[start..start + moved]);
            }
            Op::Sync { .. } | Op::Poll { .. } => {}
        }
        let result = i32::try_from(moved).unwrap();
        self.arrived.push_back(Ended { id, result });
    }

    fn fail(&mut self, index: usize, result: i32) {
        let (id, _) = self.pushed.remove(index);
        self.arrived.push_back(Ended { id, result });
    }

    fn len(&self, index: usize) -> usize {
        match self.pushed[index].1 {
            Op::Read { len, .. } | Op::Write { len, .. } => usize::try_from(len).unwrap(),
            Op::Sync { .. } | Op::Poll { .. } => 0,
        }
    }
}

type Script = Box<dyn FnMut(&mut Desk) + Send>;

/// A ring whose every enter runs the script.
struct ScriptedRing {
    desk: Arc<Mutex<Desk>>,
    script: Script,
}

impl Ring for ScriptedRing {
    unsafe fn push(&mut self, id: u64, op: Op) -> bool {
        let mut desk = self.desk.lock();
        if matches!(op, Op::Poll { .. }) {
            return true;
        }
        if desk.room != 0 && desk.pushed.len() == desk.room {
            return false;
        }
        desk.pushed.push((id, op));
        true
    }

    fn enter(&mut self, _: Option<Duration>) -> io::Result<()> {
        let mut desk = self.desk.lock();
        desk.enters += 1;
        assert!(desk.enters < 100_000, "the driver waits without end");
        if let Some(errno) = desk.enter_errors.pop() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        (self.script)(&mut desk);
        Ok(())
    }

    fn reap(&mut self) -> Option<Ended> {
        self.desk.lock().arrived.pop_front()
    }
}

struct Bench {
    driver: Driver,
    desk: Arc<Mutex<Desk>>,
    file: Arc<dyn File>,
    _dir: TestDir,
}

fn bench(depth: usize, alignment: usize, script: impl FnMut(&mut Desk) + Send + 'static) -> Bench {
    let dir = TestDir::new("scripted");
    let path = dir.path().join("file");
    let file = RealFile::open(&path, crate::io::OpenMode::CreateDirect).unwrap();
    let desk = Arc::<Mutex<Desk>>::default();
    let ring = Box::new(ScriptedRing {
        desk: Arc::clone(&desk),
        script: Box::new(script),
    });
    Bench {
        driver: Driver::new(ring, depth, Arc::default()).unwrap(),
        desk,
        file: Arc::new(file.with_alignment(alignment)),
        _dir: dir,
    }
}

fn patterned(len: usize, salt: usize) -> AlignedBuf {
    let mut buf = AlignedBuf::zeroed(len);
    for (at, byte) in buf.iter_mut().enumerate() {
        *byte = u8::try_from((at * 7 + salt * 31) % 251).unwrap();
    }
    buf
}

/// Polls without waiting, as often as an enter may be needed.
fn poll(driver: &mut Driver, times: usize) -> Vec<Completion> {
    (0..times)
        .flat_map(|_| driver.wait(Some(Duration::ZERO)).unwrap())
        .collect()
}

#[test]
fn nothing_is_reported_before_the_completion_arrives() {
    let mut bench = bench(4, 1, |_| {});
    let buf = patterned(1000, 1);
    let address = buf.as_ptr();
    bench.driver.write(7, &bench.file, 0, buf);
    assert!(poll(&mut bench.driver, 5).is_empty());
    assert_eq!(bench.driver.in_flight(), 1);
    bench.desk.lock().complete(0, 1000);
    let ended = poll(&mut bench.driver, 1);
    assert_eq!(ended[0].token, 7);
    assert_eq!(*ended[0].result.as_ref().unwrap(), 1000);
    assert_eq!(ended[0].buf.as_ref().unwrap().as_ptr(), address);
    assert_eq!(bench.desk.lock().disk, *patterned(1000, 1));
    assert_eq!(bench.driver.in_flight(), 0);
}

#[test]
fn a_short_write_goes_on_at_its_offset_and_is_reported_once_it_is_whole() {
    let mut bench = bench(4, 1, |_| {});
    bench.driver.write(7, &bench.file, 50, patterned(1000, 1));
    assert!(poll(&mut bench.driver, 1).is_empty());
    bench.desk.lock().complete(0, 300);
    assert!(poll(&mut bench.driver, 2).is_empty());
    {
        let mut desk = bench.desk.lock();
        let Op::Write { offset, len, .. } = desk.pushed[0].1 else {
            panic!("not a write");
        };
        assert_eq!((offset, len), (350, 700));
        desk.complete(0, 700);
    }
    let ended = poll(&mut bench.driver, 1);
    assert_eq!(*ended[0].result.as_ref().unwrap(), 1000);
    assert_eq!(bench.desk.lock().disk[50..], *patterned(1000, 1));
}

#[test]
fn a_short_direct_write_goes_on_at_a_block() {
    let mut bench = bench(4, 512, |_| {});
    bench.driver.write(7, &bench.file, 4096, patterned(2048, 1));
    poll(&mut bench.driver, 1);
    bench.desk.lock().complete(0, 700);
    poll(&mut bench.driver, 2);
    let mut desk = bench.desk.lock();
    let Op::Write {
        from, offset, len, ..
    } = desk.pushed[0].1
    else {
        panic!("not a write");
    };
    assert_eq!((offset, len), (4096 + 512, 1536));
    assert!(from.0.addr().is_multiple_of(512));
    desk.complete(0, 1536);
    drop(desk);
    poll(&mut bench.driver, 1);
    assert_eq!(bench.desk.lock().disk[4096..], *patterned(2048, 1));
}

#[test]
fn a_write_without_progress_is_an_error() {
    let mut bench = bench(4, 1, |_| {});
    bench.driver.write(7, &bench.file, 0, patterned(10, 1));
    poll(&mut bench.driver, 1);
    bench.desk.lock().complete(0, 0);
    let ended = poll(&mut bench.driver, 1);
    let error = ended[0].result.as_ref().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
}

#[test]
fn a_failure_after_progress_is_a_failure_and_returns_the_buffer() {
    let mut bench = bench(4, 1, |_| {});
    bench.driver.write(7, &bench.file, 0, patterned(10, 1));
    poll(&mut bench.driver, 1);
    bench.desk.lock().complete(0, 4);
    poll(&mut bench.driver, 2);
    bench.desk.lock().fail(0, EIO);
    let ended = poll(&mut bench.driver, 1);
    assert_eq!(
        ended[0].result.as_ref().unwrap_err().raw_os_error(),
        Some(5)
    );
    assert_eq!(ended[0].buf.as_deref(), Some(&*patterned(10, 1)));
}

#[test]
fn completions_out_of_order_carry_their_own_tokens_and_buffers() {
    let mut bench = bench(8, 1, |_| {});
    for token in 0..4 {
        let salt = usize::try_from(token).unwrap();
        bench
            .driver
            .write(token, &bench.file, token * 100, patterned(100, salt));
    }
    poll(&mut bench.driver, 1);
    for index in [3, 1, 1, 0] {
        bench.desk.lock().complete(index, 100);
    }
    let ended = poll(&mut bench.driver, 1);
    let tokens: Vec<_> = ended.iter().map(|completion| completion.token).collect();
    assert_eq!(tokens, [3, 1, 2, 0]);
    for completion in ended {
        let salt = usize::try_from(completion.token).unwrap();
        assert_eq!(completion.buf.as_deref(), Some(&*patterned(100, salt)));
    }
}

#[test]
fn interruptions_are_submitted_again_and_end_at_a_limit() {
    let mut bench = bench(4, 1, |_| {});
    bench.driver.write(7, &bench.file, 0, patterned(10, 1));
    for errno in [EINTR, EINTR, EAGAIN] {
        assert!(poll(&mut bench.driver, 2).is_empty());
        bench.desk.lock().fail(0, errno);
    }
    assert!(poll(&mut bench.driver, 2).is_empty());
    bench.desk.lock().complete(0, 10);
    assert_eq!(poll(&mut bench.driver, 1).len(), 1);

    let mut bench = self::bench(4, 1, |desk| {
        if !desk.pushed.is_empty() {
            desk.fail(0, EINTR);
        }
    });
    bench.driver.write(7, &bench.file, 0, patterned(10, 1));
    let ended = bench.driver.wait(None).unwrap();
    let error = ended[0].result.as_ref().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
}

#[test]
fn a_sync_is_never_submitted_twice() {
    let mut bench = bench(4, 1, |_| {});
    bench.driver.sync(7, &bench.file);
    poll(&mut bench.driver, 1);
    bench.desk.lock().fail(0, EINTR);
    let ended = poll(&mut bench.driver, 1);
    assert!(ended[0].result.is_err());
    assert!(bench.desk.lock().pushed.is_empty());
}

#[test]
fn a_completion_that_is_reported_twice_counts_once() {
    let mut bench = bench(4, 1, |_| {});
    bench.driver.write(7, &bench.file, 0, patterned(10, 1));
    poll(&mut bench.driver, 1);
    {
        let mut desk = bench.desk.lock();
        let id = desk.pushed[0].0;
        desk.complete(0, 4);
        // Taken for the remaining six bytes, it would end the write early.
        desk.arrived.push_back(Ended { id, result: 6 });
    }
    assert!(poll(&mut bench.driver, 2).is_empty());
    bench.desk.lock().complete(0, 6);
    assert_eq!(poll(&mut bench.driver, 1).len(), 1);
    assert_eq!(bench.desk.lock().disk, *patterned(10, 1));
}

#[test]
fn a_read_goes_on_until_the_end_of_the_file() {
    let mut bench = bench(4, 1, |_| {});
    bench.desk.lock().disk = patterned(25, 3).to_vec();
    bench
        .driver
        .read(7, &bench.file, 5, AlignedBuf::zeroed(100));
    poll(&mut bench.driver, 1);
    for moved in [12, 8] {
        bench.desk.lock().complete(0, moved);
        assert!(poll(&mut bench.driver, 2).is_empty());
    }
    bench.desk.lock().complete(0, 0);
    let ended = poll(&mut bench.driver, 1);
    assert_eq!(*ended[0].result.as_ref().unwrap(), 20);
    assert_eq!(ended[0].buf.as_ref().unwrap()[..20], patterned(25, 3)[5..]);
}

#[test]
fn no_more_than_the_depth_is_with_the_ring() {
    let mut bench = bench(3, 1, |desk| assert!(desk.pushed.len() <= 3));
    for token in 0..10 {
        bench
            .driver
            .write(token, &bench.file, token * 10, patterned(10, 1));
    }
    let mut ended = 0;
    while ended < 10 {
        ended += poll(&mut bench.driver, 1).len();
        assert_eq!(bench.driver.in_flight(), 10 - ended);
        let mut desk = bench.desk.lock();
        if !desk.pushed.is_empty() {
            let last = desk.pushed.len() - 1;
            desk.complete(last, 10);
        }
    }
}

#[test]
fn a_full_submission_queue_and_a_crowded_kernel_only_delay() {
    const EINTR_BUSY_AGAIN: [i32; 3] = [4, 16, 11];
    let mut bench = bench(8, 1, |desk| {
        while !desk.pushed.is_empty() {
            let len = desk.len(0);
            desk.complete(0, len);
        }
    });
    bench.desk.lock().room = 2;
    bench.desk.lock().enter_errors = EINTR_BUSY_AGAIN.to_vec();
    for token in 0..10 {
        bench
            .driver
            .write(token, &bench.file, token * 10, patterned(10, 1));
    }
    let mut ended = 0;
    while ended < 10 {
        ended += bench.driver.wait(None).unwrap().len();
    }
}

#[test]
fn a_broken_ring_is_an_error_and_does_not_hang_the_drop() {
    let mut bench = bench(8, 1, |_| {});
    bench.desk.lock().enter_errors = vec![9; 2];
    bench.driver.write(1, &bench.file, 0, patterned(10, 1));
    assert!(bench.driver.wait(None).is_err());
    drop(bench.driver);
}

#[test]
fn dropping_waits_for_everything_with_the_buffers_in_place() {
    let mut patience = 20;
    let mut bench = bench(2, 1, move |desk| {
        patience -= 1;
        if patience < 10 && !desk.pushed.is_empty() {
            let len = desk.len(0);
            desk.complete(0, len.min(7));
        }
    });
    for token in 0..5 {
        bench
            .driver
            .write(token, &bench.file, token * 20, patterned(20, 1));
    }
    poll(&mut bench.driver, 1);
    drop(bench.driver);
    let desk = bench.desk.lock();
    assert!(desk.pushed.is_empty());
    for piece in desk.disk.chunks(20) {
        assert_eq!(piece, &*patterned(20, 1));
    }
    assert_eq!(desk.disk.len(), 100);
}

/// One enter of a ring that does whatever rings may do.
fn misbehave(desk: &mut Desk, random: &mut impl FnMut(usize) -> usize) {
    for _ in 0..random(4) {
        if desk.pushed.is_empty() {
            return;
        }
        let index = random(desk.pushed.len());
        let (id, op) = desk.pushed[index];
        match random(8) {
            0 if !matches!(op, Op::Sync { .. }) => desk.fail(index, EINTR),
            1 if !matches!(op, Op::Sync { .. }) => desk.fail(index, EAGAIN),
            2 | 3 if desk.len(index) > 1 => {
                let moved = 1 + random(desk.len(index) - 1);
                desk.complete(index, moved);
            }
            _ => {
                let len = desk.len(index);
                desk.complete(index, len);
            }
        }
        if random(10) == 0 {
            let result = i32::try_from(random(100)).unwrap();
            desk.arrived.push_back(Ended { id, result });
        }
    }
}

#[test]
fn whatever_the_ring_does_each_operation_ends_once_and_in_full() {
    const OPERATIONS: u64 = 24;
    const LEN: usize = 64;
    for seed in 0..300_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = move |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % u64::try_from(bound).unwrap()).unwrap()
        };
        let alignment = [1, 16][random(2)];
        let mut bench = bench(1 + random(8), alignment, move |desk| {
            misbehave(desk, &mut random);
        });
        for token in 0..OPERATIONS {
            let salt = usize::try_from(token).unwrap();
            let offset = token * LEN as u64;
            bench
                .driver
                .write(token, &bench.file, offset, patterned(LEN, salt));
            bench.driver.sync(token + OPERATIONS, &bench.file);
        }
        let mut seen = BTreeSet::new();
        while bench.driver.in_flight() > 0 {
            for completion in bench.driver.wait(None).unwrap() {
                let token = completion.token;
                assert!(seen.insert(token), "seed {seed}: {token} ended twice");
                // A cut inside the first block of a direct write leaves no aligned remainder: the one allowed error.
                let Ok(moved) = completion.result else {
                    assert!(alignment > 1 && token < OPERATIONS, "seed {seed}: {token}");
                    continue;
                };
                if token < OPERATIONS {
                    assert_eq!(moved, LEN);
                    let salt = usize::try_from(token).unwrap();
                    let desk = bench.desk.lock();
                    assert_eq!(
                        desk.disk[salt * LEN..(salt + 1) * LEN],
                        *patterned(LEN, salt),
                        "seed {seed}: {token} ended before its bytes were there"
                    );
                }
            }
        }
        assert_eq!(seen.len() as u64, 2 * OPERATIONS, "seed {seed}");
    }
}
