//! The queue over a ring.
//!
//! Ownership: a flight holds the caller's buffer and a reference to the file from submission until its completion is
//! handed out, and is not touched in between. Dropping the driver runs and waits for everything; if the ring itself fails
//! then, the flights are leaked: lost memory is harmless where memory that the kernel still writes to is not.
//!
//! Each push has an id of its own, even when it continues an earlier one, so that a completion that nobody waits for
//! (a kernel that reports twice) is recognised and dropped instead of being taken for the next piece.
//!
//! A completion is reported when the kernel has moved all bytes, or said that it cannot.

#![expect(
    unsafe_code,
    reason = "submissions point into buffers that this module keeps alive"
)]

use super::SUBMITTED_TOTAL;
use super::ring::{Ended, Op, Pointer, Ring};
use super::wake::EventWaker;
use crate::io::real::{RealFile, Step, Transfer};
use crate::io::{AlignedBuf, Completion, File, Queue, Token, Wake};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use rustix::io::Errno;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

/// The id of the waker's poll; flights count from 1.
const POLL: u64 = 0;

/// Bytes of one submission at most: the kernel itself stops at 2 GiB less a page. A multiple of every alignment.
const PIECE_MAX: usize = 1 << 30;

/// How often an operation is interrupted in a row before the interruption is reported as its error.
const INTERRUPTIONS_MAX: u32 = 1000;

enum Work {
    Write { buf: AlignedBuf, offset: u64 },
    Read { buf: AlignedBuf, offset: u64 },
    Sync,
}

struct Flight {
    token: Token,
    file: Arc<dyn File>,
    fd: RawFd,
    work: Work,
    transfer: Transfer,
    interruptions: u32,
}

impl Flight {
    /// The next submission of this flight.
    fn op(&mut self) -> Op {
        let (fd, done) = (self.fd, self.transfer.done());
        let piece = self.transfer.remaining().min(PIECE_MAX);
        let len = u32::try_from(piece).expect("a piece is at most 1 GiB");
        let rest = |buf: &mut AlignedBuf| {
            let rest = buf
                .get_mut(done..)
                .expect("a transfer stays within its buffer");
            Pointer(rest.as_mut_ptr())
        };
        match &mut self.work {
            Work::Write { buf, offset } => Op::Write {
                fd,
                from: rest(buf),
                len,
                offset: *offset + done as u64,
            },
            Work::Read { buf, offset } => Op::Read {
                fd,
                to: rest(buf),
                len,
                offset: *offset + done as u64,
            },
            Work::Sync => Op::Sync { fd },
        }
    }

    /// Takes the kernel's answer; `Some` once the operation is over.
    fn answer(&mut self, result: i32) -> Option<io::Result<usize>> {
        let Ok(moved) = usize::try_from(result) else {
            let error = io::Error::from_raw_os_error(result.saturating_neg());
            let again = self.is_interruption(&error);
            return if again { None } else { Some(Err(error)) };
        };
        self.interruptions = 0;
        if matches!(self.work, Work::Sync) {
            return Some(Ok(0));
        }
        if moved > self.transfer.remaining() {
            return Some(Err(io::Error::other("the kernel moved more than asked")));
        }
        match self.transfer.advance(moved) {
            Step::Continue => None,
            Step::Finished => Some(Ok(self.transfer.done())),
            Step::Stuck => Some(Err(io::ErrorKind::WriteZero.into())),
        }
    }

    /// Whether to submit again. Not after a failed sync: nobody knows what the first one did.
    fn is_interruption(&mut self, error: &io::Error) -> bool {
        let transient = [Errno::INTR, Errno::AGAIN]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
        self.interruptions += 1;
        transient && !matches!(self.work, Work::Sync) && self.interruptions <= INTERRUPTIONS_MAX
    }

    fn end(self, result: io::Result<usize>) -> Completion {
        drop(self.file);
        Completion {
            token: self.token,
            result,
            buf: match self.work {
                Work::Write { buf, .. } | Work::Read { buf, .. } => Some(buf),
                Work::Sync => None,
            },
        }
    }
}

/// A queue over a ring.
pub(super) struct Driver {
    ring: Box<dyn Ring>,
    depth: usize,
    /// Accepted, not pushed yet; continued ones go to the front.
    waiting: VecDeque<Flight>,
    /// With the ring, by the id of their push.
    flights: BTreeMap<u64, Flight>,
    next_id: u64,
    waker: Arc<EventWaker>,
    poll_armed: bool,
    submitted: Arc<AtomicU64>,
}

impl Driver {
    pub fn new(ring: Box<dyn Ring>, depth: usize, submitted: Arc<AtomicU64>) -> io::Result<Self> {
        Ok(Self {
            ring,
            depth,
            waiting: VecDeque::new(),
            flights: BTreeMap::new(),
            next_id: POLL,
            waker: Arc::new(EventWaker::new()?),
            poll_armed: false,
            submitted,
        })
    }

    fn accept(&mut self, token: Token, file: &Arc<dyn File>, work: Work) {
        let real = file
            .as_any()
            .downcast_ref::<RealFile>()
            .expect("a queue is given files of its own disk");
        let transfer = match &work {
            Work::Write { buf, .. } => Transfer::write(buf.len(), file.alignment()),
            Work::Read { buf, .. } => Transfer::read(buf.len(), file.alignment()),
            Work::Sync => Transfer::read(0, 1),
        };
        self.waiting.push_back(Flight {
            token,
            file: Arc::clone(file),
            fd: real.raw_fd(),
            work,
            transfer,
            interruptions: 0,
        });
    }

    /// Pushes what may be in flight, and the waker's poll.
    fn push(&mut self) {
        if !self.poll_armed {
            let poll = Op::Poll {
                fd: self.waker.raw_fd(),
            };
            // SAFETY: the eventfd lives as long as the driver, and a poll points to no memory.
            self.poll_armed = unsafe { self.ring.push(POLL, poll) };
        }
        while self.flights.len() < self.depth {
            let Some(mut flight) = self.waiting.pop_front() else {
                return;
            };
            let op = flight.op();
            let id = self.next_id + 1;
            // SAFETY: the flight, with its buffer and its file, is kept in `flights` and not touched until `reap` takes
            // it out by this id; dropping the driver waits for that or leaks it. Moving a flight does not move the bytes.
            if !unsafe { self.ring.push(id, op) } {
                self.waiting.push_front(flight);
                return;
            }
            self.next_id = id;
            self.flights.insert(id, flight);
            self.submitted.fetch_add(1, Ordering::Relaxed);
            SUBMITTED_TOTAL.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes in what has completed; whether the waker was used.
    fn reap(&mut self, ended: &mut Vec<Completion>) -> bool {
        let mut woken = false;
        while let Some(Ended { id, result }) = self.ring.reap() {
            if id == POLL {
                self.poll_armed = false;
                self.waker.clear();
                woken = true;
                continue;
            }
            let Some(mut flight) = self.flights.remove(&id) else {
                tracing::error!(id, result, "a completion for nothing in flight; ignored");
                continue;
            };
            match flight.answer(result) {
                Some(result) => ended.push(flight.end(result)),
                None => self.waiting.push_front(flight),
            }
        }
        woken
    }

    /// Pushes and enters; an interrupted or crowded system call is no error.
    fn enter(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.push();
        match self.ring.enter(limit) {
            Err(error) if is_passing(&error) => Ok(()),
            other => other,
        }
    }
}

/// Whether entering the ring failed only for this moment: a signal, or completions that must be reaped first.
fn is_passing(error: &io::Error) -> bool {
    [Errno::INTR, Errno::AGAIN, Errno::BUSY]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

impl Queue for Driver {
    fn write(&mut self, token: Token, file: &Arc<dyn File>, offset: u64, buf: AlignedBuf) {
        self.accept(token, file, Work::Write { buf, offset });
    }

    fn read(&mut self, token: Token, file: &Arc<dyn File>, offset: u64, buf: AlignedBuf) {
        self.accept(token, file, Work::Read { buf, offset });
    }

    fn sync(&mut self, token: Token, file: &Arc<dyn File>) {
        self.accept(token, file, Work::Sync);
    }

    fn in_flight(&self) -> usize {
        self.flights.len() + self.waiting.len()
    }

    fn wait(&mut self, limit: Option<Duration>) -> io::Result<Vec<Completion>> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut ended = Vec::new();
        loop {
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            self.enter(left)?;
            let woken = self.reap(&mut ended);
            let passed = left.is_some_and(|left| left.is_zero());
            if woken || passed || !ended.is_empty() {
                return Ok(ended);
            }
        }
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        while self.in_flight() > 0 {
            if let Err(error) = self.enter(None) {
                tracing::error!(%error, "the ring failed with operations in flight; their buffers are leaked");
                std::mem::forget(std::mem::take(&mut self.flights));
                return;
            }
            self.reap(&mut Vec::new());
        }
    }
}
