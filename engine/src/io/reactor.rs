//! Cold reads: what the page cache has comes with one system call on the caller's thread; the rest is read through one
//! queue on a thread of its own, so that no executor thread waits for a disk.
//!
//! Any executor will do: a read is a future that a completion resolves. A read whose future is dropped runs to its end,
//! with its buffer, unobserved. At most four times the queue's depth of reads are accepted at a time; more wait for one
//! to end. Once the reactor is stopped, or its queue has failed, reads fail and none hangs.
//!
//! In stepped runs ([`Reactor::inline`]) there is no thread: each read blocks its caller.

use super::read_buffers::{ReadBuf, ReadBuffers};
use super::{AlignedBuf, Completion, Disk, File, Queue, Wake};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, OwnedSemaphorePermit, Semaphore, oneshot, thread};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::io;

/// Reads accepted for each place in the queue: enough that the queue never runs dry between two waits.
const QUEUED_PER_DEPTH: usize = 4;

/// A range of a file, and the aligned range around it that can be read.
#[derive(Clone, Copy)]
struct Aligned {
    offset: u64,
    /// Bytes before the wanted ones.
    before: usize,
    wanted: usize,
    len: usize,
}

impl Aligned {
    fn around(offset: u64, wanted: usize, alignment: usize) -> io::Result<Self> {
        let before = usize::try_from(offset % alignment as u64).map_err(io::Error::other)?;
        let len = before
            .checked_add(wanted)
            .and_then(|end| end.checked_next_multiple_of(alignment))
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self {
            offset: offset - before as u64,
            before,
            wanted,
            len,
        })
    }

    /// The wanted bytes of what was read: short where the file ended.
    fn view(self, buf: AlignedBuf, read: usize, home: &Arc<ReadBuffers>) -> ReadBuf {
        let end = read.min(self.before + self.wanted);
        let view = self.before.min(end)..end;
        ReadBuf::new(buf, view, Arc::clone(home))
    }
}

/// Who waits for a read.
struct Reader {
    reply: oneshot::Sender<io::Result<(AlignedBuf, usize)>>,
    /// Given back when the read has ended.
    _place: OwnedSemaphorePermit,
}

struct Request {
    file: Arc<dyn File>,
    offset: u64,
    buf: AlignedBuf,
    reader: Reader,
}

/// What callers and the thread share.
#[derive(Default)]
struct Desk {
    requests: VecDeque<Request>,
    stopped: bool,
}

struct Worker {
    desk: Arc<Mutex<Desk>>,
    places: Arc<Semaphore>,
    waker: Arc<dyn Wake>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

/// Reads without blocking its callers. See the [module](self).
pub struct Reactor {
    /// `None` reads on the caller's thread.
    worker: Option<Worker>,
    buffers: Arc<ReadBuffers>,
    cached: AtomicU64,
    cold: AtomicU64,
}

impl Reactor {
    /// A reactor whose queue holds up to `depth` reads in flight.
    pub fn start(disk: &Arc<dyn Disk>, depth: usize) -> io::Result<Self> {
        Self::over(disk.queue(depth)?, depth)
    }

    fn over(queue: Box<dyn Queue>, depth: usize) -> io::Result<Self> {
        let waker = queue.waker();
        let desk = Arc::<Mutex<Desk>>::default();
        let shared = Arc::clone(&desk);
        let thread = thread::Builder::new()
            .name("cold-read".to_owned())
            .spawn(move || run(queue, &shared))?;
        Ok(Self {
            worker: Some(Worker {
                desk,
                places: Arc::new(Semaphore::new(depth.max(1) * QUEUED_PER_DEPTH)),
                waker,
                thread: Mutex::new(Some(thread)),
            }),
            buffers: Arc::default(),
            cached: AtomicU64::new(0),
            cold: AtomicU64::new(0),
        })
    }

    /// A reactor that reads on the caller's thread, for stepped runs.
    pub fn inline() -> Self {
        Self {
            worker: None,
            buffers: Arc::default(),
            cached: AtomicU64::new(0),
            cold: AtomicU64::new(0),
        }
    }

    /// Reads that the page cache answered, and those that went to the disk.
    pub fn reads(&self) -> (u64, u64) {
        (
            self.cached.load(Ordering::Relaxed),
            self.cold.load(Ordering::Relaxed),
        )
    }

    /// Reads `len` bytes at `offset`; fewer only where the file ends. Any offset and length will do, also on a file past
    /// the page cache: what surrounds the range is read with it.
    pub async fn read(&self, file: &Arc<dyn File>, offset: u64, len: usize) -> io::Result<ReadBuf> {
        let range = Aligned::around(offset, len, file.alignment())?;
        let mut buf = self.buffers.take(range.len);
        if let Some(read) = read_cached(file.as_ref(), &mut buf, range.offset)? {
            self.cached.fetch_add(1, Ordering::Relaxed);
            return Ok(range.view(buf, read, &self.buffers));
        }
        self.cold.fetch_add(1, Ordering::Relaxed);
        let (buf, read) = match &self.worker {
            None => {
                let read = file.read_at(&mut buf, range.offset)?;
                (buf, read)
            }
            Some(worker) => worker.read(file, range.offset, buf).await?,
        };
        Ok(range.view(buf, read, &self.buffers))
    }

    /// Reads `len` bytes at `offset` if the page cache has all of them.
    pub fn read_now(
        &self,
        file: &Arc<dyn File>,
        offset: u64,
        len: usize,
    ) -> io::Result<Option<Bytes>> {
        if file.alignment() != 1 {
            return Ok(None);
        }
        let mut buf = self.buffers.take(len);
        if read_cached(file.as_ref(), &mut buf, offset)? != Some(len) {
            return Ok(None);
        }
        self.cached.fetch_add(1, Ordering::Relaxed);
        let read = ReadBuf::new(buf, 0..len, Arc::clone(&self.buffers));
        Ok(Some(Bytes::from_owner(read)))
    }

    /// Stops the thread after what is in flight; later reads, and those not yet begun, fail. Called by dropping, too.
    pub fn stop(&self) {
        let Some(worker) = &self.worker else { return };
        worker.desk.lock().stopped = true;
        worker.waker.wake();
        if let Some(thread) = worker.thread.lock().take() {
            // A thread that panicked has printed why.
            let _ = thread.join();
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Worker {
    async fn read(
        &self,
        file: &Arc<dyn File>,
        offset: u64,
        buf: AlignedBuf,
    ) -> io::Result<(AlignedBuf, usize)> {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| stopped())?;
        let (reply, answer) = oneshot::channel();
        {
            let mut desk = self.desk.lock();
            if desk.stopped {
                return Err(stopped());
            }
            desk.requests.push_back(Request {
                file: Arc::clone(file),
                offset,
                buf,
                reader: Reader {
                    reply,
                    _place: place,
                },
            });
        }
        self.waker.wake();
        answer.await.map_err(|_| stopped())?
    }
}

/// Why a read that was not begun fails.
#[derive(Debug, thiserror::Error)]
#[error("the store no longer reads: it is closing, or its read queue failed")]
struct Stopped;

fn stopped() -> io::Error {
    io::Error::other(Stopped)
}

/// Whether a read failed because the reactor was stopped.
pub fn is_stopped(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<Stopped>())
}

/// Reads all of the range from the page cache; `None` if any of it is not there.
fn read_cached(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
    let mut done = 0;
    loop {
        let rest = buf.get_mut(done..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(Some(done));
        }
        match file.try_read_at(rest, offset + done as u64)? {
            None => return Ok(None),
            // The end of the file.
            Some(0) => return Ok(Some(done)),
            Some(read) => done += read,
        }
    }
}

/// What the thread does until it is stopped or its queue fails.
fn run(mut queue: Box<dyn Queue>, desk: &Mutex<Desk>) {
    let mut waiting = BTreeMap::new();
    let mut next_token = 0;
    loop {
        if submit(queue.as_mut(), desk, &mut waiting, &mut next_token) && waiting.is_empty() {
            return;
        }
        match queue.wait(None) {
            Ok(ended) => answer(ended, &mut waiting),
            Err(error) => {
                tracing::error!(%error, "the read queue failed; reads fail from here on");
                let mut desk = desk.lock();
                desk.stopped = true;
                // Dropping a request tells its reader.
                desk.requests.clear();
                return;
            }
        }
    }
}

/// Hands new requests to the queue; whether the reactor was stopped, and new ones dropped.
fn submit(
    queue: &mut dyn Queue,
    desk: &Mutex<Desk>,
    waiting: &mut BTreeMap<u64, Reader>,
    next_token: &mut u64,
) -> bool {
    let (requests, stopped) = {
        let mut desk = desk.lock();
        (std::mem::take(&mut desk.requests), desk.stopped)
    };
    if stopped {
        return true;
    }
    for request in requests {
        let token = *next_token;
        *next_token += 1;
        queue.read(token, &request.file, request.offset, request.buf);
        waiting.insert(token, request.reader);
    }
    false
}

fn answer(ended: Vec<Completion>, waiting: &mut BTreeMap<u64, Reader>) {
    for completion in ended {
        let Some(reader) = waiting.remove(&completion.token) else {
            continue;
        };
        let result = completion.result.and_then(|read| {
            let buf = completion.buf.ok_or_else(stopped)?;
            Ok((buf, read))
        });
        // A reader that went away does not want it.
        let _ = reader.reply.send(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::conformance::{self, Subject};
    use crate::io::{DiskPath, OpenMode};
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    struct Unpark(std::thread::Thread);

    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            std::thread::park();
        }
    }

    const LEN: usize = 10_000;

    /// A file whose bytes tell their place, opened past the page cache or not.
    fn patterned(disk: &Arc<dyn Disk>, mode: OpenMode) -> (Arc<dyn File>, Vec<u8>) {
        let path = DiskPath::root().join("cold");
        let content: Vec<u8> = (0..LEN)
            .map(|at| u8::try_from(at * 7 % 251).unwrap())
            .collect();
        crate::durable::replace(disk.as_ref(), &path, &content).unwrap();
        (disk.open(&path, mode).unwrap(), content)
    }

    fn ranges_come_back(subject: &Subject, reactor: &Reactor) {
        for mode in [OpenMode::Read, OpenMode::ReadDirect] {
            let (file, content) = patterned(&subject.disk, mode);
            for (offset, len) in [(0, LEN), (1, 1), (511, 2), (4095, 4098), (9_999, 1), (5, 0)] {
                let read = block_on(reactor.read(&file, offset as u64, len)).unwrap();
                assert_eq!(
                    *read,
                    content[offset..offset + len],
                    "{mode:?} {offset} {len}"
                );
            }
            let short = block_on(reactor.read(&file, 9_990, 100)).unwrap();
            assert_eq!(*short, content[9_990..]);
            let behind = block_on(reactor.read(&file, 30_001, 100)).unwrap();
            assert!(behind.is_empty());
        }
    }

    #[test]
    fn any_range_comes_back_on_every_disk_with_a_thread_and_without() {
        for make in conformance::SUBJECTS {
            let Some(subject) = make() else { continue };
            let reactor = Reactor::start(&subject.disk, 4).unwrap();
            ranges_come_back(&subject, &reactor);
            ranges_come_back(&subject, &Reactor::inline());
        }
    }

    #[test]
    fn many_threads_read_more_than_is_accepted_at_a_time() {
        for make in conformance::SUBJECTS {
            let Some(subject) = make() else { continue };
            let reactor = Reactor::start(&subject.disk, 2).unwrap();
            let (file, content) = patterned(&subject.disk, OpenMode::ReadDirect);
            std::thread::scope(|scope| {
                for thread in 0..16 {
                    let (reactor, file, content) = (&reactor, &file, &content);
                    scope.spawn(move || {
                        for round in 0..20 {
                            let at = (thread * 601 + round * 97) % (LEN - 300);
                            let read = block_on(reactor.read(file, at as u64, 300)).unwrap();
                            assert_eq!(*read, content[at..at + 300]);
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn a_read_that_nobody_waits_for_does_not_disturb_the_next() {
        let subject = conformance::blocking().unwrap();
        let reactor = Reactor::start(&subject.disk, 1).unwrap();
        let (file, content) = patterned(&subject.disk, OpenMode::ReadDirect);
        for _ in 0..20 {
            let mut abandoned = Box::pin(reactor.read(&file, 0, LEN));
            let mut context = Context::from_waker(std::task::Waker::noop());
            let _ = abandoned.as_mut().poll(&mut context);
        }
        let read = block_on(reactor.read(&file, 0, LEN)).unwrap();
        assert_eq!(*read, content);
    }

    #[test]
    fn after_a_stop_reads_fail_and_none_hangs() {
        let subject = conformance::blocking().unwrap();
        let reactor = Reactor::start(&subject.disk, 1).unwrap();
        let (file, _) = patterned(&subject.disk, OpenMode::ReadDirect);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| while block_on(reactor.read(&file, 0, LEN)).is_ok() {}))
                .collect();
            reactor.stop();
            for reader in readers {
                reader.join().unwrap();
            }
        });
        assert!(block_on(reactor.read(&file, 0, 1)).is_err());
    }

    /// A queue that fails as a whole once it was given something.
    struct BrokenQueue(usize);

    struct NoWake;

    impl Wake for NoWake {
        fn wake(&self) {}
    }

    impl Queue for BrokenQueue {
        fn write(&mut self, _: u64, _: &Arc<dyn File>, _: u64, _: AlignedBuf) {
            self.0 += 1;
        }

        fn read(&mut self, _: u64, _: &Arc<dyn File>, _: u64, _: AlignedBuf) {
            self.0 += 1;
        }

        fn sync(&mut self, _: u64, _: &Arc<dyn File>) {
            self.0 += 1;
        }

        fn in_flight(&self) -> usize {
            self.0
        }

        fn wait(&mut self, _: Option<Duration>) -> io::Result<Vec<Completion>> {
            std::thread::yield_now();
            if self.0 > 0 {
                return Err(io::Error::other("broken"));
            }
            Ok(Vec::new())
        }

        fn waker(&self) -> Arc<dyn Wake> {
            Arc::new(NoWake)
        }
    }

    #[test]
    fn when_the_queue_fails_reads_fail_and_none_hangs() {
        let subject = conformance::blocking().unwrap();
        let (file, _) = patterned(&subject.disk, OpenMode::ReadDirect);
        let reactor = Reactor::over(Box::new(BrokenQueue(0)), 1).unwrap();
        for _ in 0..3 {
            assert!(block_on(reactor.read(&file, 0, 1)).is_err());
        }
    }
}
