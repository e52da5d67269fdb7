//! The blocking implementation: plain system calls, on threads.
//!
//! Used where the kernel or a sandbox forbids io_uring. A queue is a few threads that take operations from one channel
//! and report to another; the waker reports to that same channel, so a wait waits in one place.
//!
//! Invariants: at most `depth` operations are with the threads, so neither channel is ever full; the rest waits in the
//! queue in the order of submission. Dropping a queue runs what was submitted, then joins the threads.

use super::real::Tree;
use super::{AlignedBuf, Completion, Disk, DiskPath, File, OpenMode, Queue, Space, Token, Wake};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use crate::sync::{Arc, Mutex, thread};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Threads of one queue at most. Past this a disk gains little from system calls at the same time, and each costs a stack.
const THREADS_MAX: usize = 4;

/// The real file system through blocking system calls.
#[derive(Debug)]
pub struct BlockingDisk {
    tree: Tree,
}

impl BlockingDisk {
    /// The tree under `root`, which must exist.
    pub fn open(root: &Path) -> io::Result<Self> {
        Ok(Self {
            tree: Tree::open(root)?,
        })
    }
}

impl Disk for BlockingDisk {
    fn driver(&self) -> &'static str {
        "blocking"
    }

    fn create_dir(&self, path: &DiskPath) -> io::Result<()> {
        self.tree.create_dir(path)
    }

    fn list(&self, dir: &DiskPath) -> io::Result<Vec<String>> {
        self.tree.list(dir)
    }

    fn exists(&self, path: &DiskPath) -> io::Result<bool> {
        self.tree.exists(path)
    }

    fn link_astray(&self, path: &DiskPath) -> io::Result<Option<String>> {
        self.tree.link_astray(path)
    }

    fn open(&self, path: &DiskPath, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(self.tree.open_file(path, mode)?)
    }

    fn rename(&self, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
        self.tree.rename(from, to)
    }

    fn remove(&self, path: &DiskPath) -> io::Result<()> {
        self.tree.remove(path)
    }

    fn remove_tree(&self, path: &DiskPath) -> io::Result<()> {
        self.tree.remove_tree(path)
    }

    fn sync_dir(&self, dir: &DiskPath) -> io::Result<()> {
        self.tree.sync_dir(dir)
    }

    fn allocated(&self, dir: &DiskPath) -> io::Result<u64> {
        self.tree.allocated(dir)
    }

    fn space(&self) -> io::Result<Space> {
        self.tree.space()
    }

    fn rewrites_in_place(&self) -> bool {
        self.tree.rewrites_in_place()
    }

    fn queue(&self, depth: usize) -> io::Result<Box<dyn Queue>> {
        Ok(Box::new(ThreadQueue::start(depth)?))
    }
}

/// What a thread is to do.
enum Work {
    Write { offset: u64, buf: AlignedBuf },
    Read { offset: u64, buf: AlignedBuf },
    Sync,
}

struct Job {
    token: Token,
    file: Arc<dyn File>,
    work: Work,
}

impl Job {
    fn run(self) -> Completion {
        let token = self.token;
        match self.work {
            Work::Write { offset, buf } => Completion {
                token,
                result: self.file.write_at(&buf, offset).map(|()| buf.len()),
                buf: Some(buf),
            },
            Work::Read { offset, mut buf } => Completion {
                token,
                result: self.file.read_at(&mut buf, offset),
                buf: Some(buf),
            },
            Work::Sync => Completion {
                token,
                result: self.file.sync_data().map(|()| 0),
                buf: None,
            },
        }
    }
}

/// What arrives at a waiting queue.
enum Event {
    Ended(Completion),
    Woken,
}

struct ThreadQueue {
    depth: usize,
    pending: VecDeque<Job>,
    with_threads: usize,
    /// `None` only while dropping: its end tells the threads to end.
    jobs: Option<SyncSender<Job>>,
    events: Receiver<Event>,
    waker: Arc<ThreadWaker>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl ThreadQueue {
    fn start(depth: usize) -> io::Result<Self> {
        let depth = depth.max(1);
        let (jobs, taken) = mpsc::sync_channel(depth);
        let taken = Arc::new(Mutex::new(taken));
        // Every job may have ended and one wake may wait besides.
        let (ended, events) = mpsc::sync_channel(depth + 1);
        let threads = (0..depth.min(THREADS_MAX))
            .map(|_| {
                let (taken, ended) = (Arc::clone(&taken), ended.clone());
                thread::Builder::new()
                    .name("disk-queue".to_owned())
                    .spawn(move || work(&taken, &ended))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            depth,
            pending: VecDeque::new(),
            with_threads: 0,
            jobs: Some(jobs),
            events,
            waker: Arc::new(ThreadWaker {
                woken: AtomicBool::new(false),
                events: ended,
            }),
            threads,
        })
    }

    fn submit(&mut self, token: Token, file: &Arc<dyn File>, work: Work) {
        let file = Arc::clone(file);
        self.pending.push_back(Job { token, file, work });
        self.hand_over();
    }

    /// Gives the threads what may be in flight.
    fn hand_over(&mut self) {
        while self.with_threads < self.depth {
            let Some(job) = self.pending.pop_front() else {
                return;
            };
            self.jobs
                .as_ref()
                .expect("the channel closes only when the queue is dropped")
                .send(job)
                .expect("the threads end only when the queue is dropped");
            self.with_threads += 1;
        }
    }

    fn note(&mut self, event: Event, ended: &mut Vec<Completion>) {
        match event {
            Event::Ended(completion) => {
                self.with_threads -= 1;
                ended.push(completion);
            }
            Event::Woken => {
                self.waker.woken.swap(false, Ordering::AcqRel);
            }
        }
    }

    /// The first event, or `None` if the limit has passed.
    fn first_event(&self, limit: Option<Duration>) -> io::Result<Option<Event>> {
        const GONE: &str = "the queue holds a sender itself, in its waker";
        Ok(match limit {
            None => Some(self.events.recv().expect(GONE)),
            Some(limit) => match self.events.recv_timeout(limit) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other(GONE)),
            },
        })
    }
}

/// What each thread does until the queue is dropped.
fn work(jobs: &Mutex<Receiver<Job>>, ended: &SyncSender<Event>) {
    loop {
        // The lock is held while waiting: the others then wait for the lock instead of the channel, which is the same.
        let job = jobs.lock().recv();
        let Ok(job) = job else { return };
        if ended.send(Event::Ended(job.run())).is_err() {
            return;
        }
    }
}

impl Queue for ThreadQueue {
    fn write(&mut self, token: Token, file: &Arc<dyn File>, offset: u64, buf: AlignedBuf) {
        self.submit(token, file, Work::Write { offset, buf });
    }

    fn read(&mut self, token: Token, file: &Arc<dyn File>, offset: u64, buf: AlignedBuf) {
        self.submit(token, file, Work::Read { offset, buf });
    }

    fn sync(&mut self, token: Token, file: &Arc<dyn File>) {
        self.submit(token, file, Work::Sync);
    }

    fn in_flight(&self) -> usize {
        self.with_threads + self.pending.len()
    }

    fn wait(&mut self, limit: Option<Duration>) -> io::Result<Vec<Completion>> {
        let mut ended = Vec::new();
        if let Some(event) = self.first_event(limit)? {
            self.note(event, &mut ended);
        }
        while let Ok(event) = self.events.try_recv() {
            self.note(event, &mut ended);
        }
        self.hand_over();
        Ok(ended)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }
}

impl Drop for ThreadQueue {
    fn drop(&mut self) {
        while self.in_flight() > 0 {
            if self.wait(None).is_err() {
                break;
            }
        }
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed why; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

struct ThreadWaker {
    /// A wake is in the channel: at most one at a time, so that the channel's bound holds.
    woken: AtomicBool,
    events: SyncSender<Event>,
}

impl Wake for ThreadWaker {
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // Fails only when the queue is gone, and with it whoever could wait.
            let _ = self.events.try_send(Event::Woken);
        }
    }
}
