//! Streams whole files past the page cache: many reads in flight, chunks delivered in order. For what walks all of a store
//! (fsck, scrub, catch-up, upload) without evicting what clients read.
//!
//! Over io_uring this is a `tokio-uring` runtime on a thread of its own, which lives as long as the stream; elsewhere a plain
//! loop on the caller's thread. The only module that knows tokio-uring.
//!
//! Memory: at most `depth` chunks in flight and `READY_CHUNKS` (2) that wait for the consumer, besides its own. An error ends
//! the stream. A file that shrinks meanwhile ends early; one that grows is read to its old end.

#![expect(
    unsafe_code,
    reason = "tokio-uring asks for a promise about the memory of buffers"
)]

use super::real::{RealFile, Step, Transfer};
use super::{AlignedBuf, Disk, DiskPath, File, OpenMode};
use crate::sync::mpsc::{self, Receiver, SyncSender};
use crate::sync::{Arc, thread};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use tokio_uring::buf::{BoundedBuf, IoBuf, IoBufMut};

/// Chunks that wait for the consumer at most.
const READY_CHUNKS: usize = 2;

/// Reads in flight at most.
const DEPTH_MAX: usize = 64;

/// Streams the file at `path` in chunks of `chunk_bytes` (rounded up to the file's alignment; the last one is shorter), with
/// up to `depth` reads in flight.
pub fn stream(
    disk: &dyn Disk,
    path: &DiskPath,
    chunk_bytes: usize,
    depth: usize,
) -> io::Result<Stream> {
    let file = disk.open(path, OpenMode::ReadDirect)?;
    let plan = Plan {
        len: file.len()?,
        chunk: chunk_bytes.max(1).next_multiple_of(file.alignment()),
        alignment: file.alignment(),
        next: 0,
    };
    let real = file.as_any().downcast_ref::<RealFile>();
    let source = match real {
        Some(real) if disk.driver() == "io_uring" => {
            Source::Ring(Ring::start(real, plan, depth.clamp(1, DEPTH_MAX))?)
        }
        _ => Source::Plain { file, plan },
    };
    Ok(Stream {
        source,
        chunk: plan.chunk as u64,
        left: plan.len,
    })
}

/// The chunks of a file, in order.
pub struct Stream {
    source: Source,
    chunk: u64,
    /// Bytes that are still to come; 0 once the stream has ended for any reason.
    left: u64,
}

enum Source {
    Plain { file: Arc<dyn File>, plan: Plan },
    Ring(Ring),
}

impl Iterator for Stream {
    type Item = io::Result<AlignedBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let chunk = match &mut self.source {
            Source::Plain { file, plan } => read_plain(file.as_ref(), plan),
            Source::Ring(ring) => ring.next(),
        };
        self.left = match &chunk {
            Ok(chunk) if chunk.len() as u64 == self.left.min(self.chunk) => {
                self.left - chunk.len() as u64
            }
            // An error; or the file has shrunk, and what lies behind the gap would come at the wrong place.
            _ => 0,
        };
        match chunk {
            Ok(chunk) if chunk.is_empty() => None,
            chunk => Some(chunk),
        }
    }
}

/// What is still to be read of a file.
#[derive(Clone, Copy)]
struct Plan {
    len: u64,
    chunk: usize,
    alignment: usize,
    next: u64,
}

impl Plan {
    /// The place of the next chunk, until the end.
    fn advance(&mut self) -> Option<u64> {
        let place = self.next;
        self.next = place.saturating_add(self.chunk as u64);
        (place < self.len).then_some(place)
    }

    /// Cuts a chunk to what was read, and to where the file ended at the start.
    fn cut(&self, mut buf: AlignedBuf, read: usize, place: u64) -> AlignedBuf {
        let left = usize::try_from(self.len - place).unwrap_or(usize::MAX);
        buf.truncate(read.min(left));
        buf
    }
}

fn read_plain(file: &dyn File, plan: &mut Plan) -> io::Result<AlignedBuf> {
    let Some(place) = plan.advance() else {
        return Ok(AlignedBuf::zeroed(0));
    };
    let mut buf = AlignedBuf::zeroed(plan.chunk);
    let read = file.read_at(&mut buf, place)?;
    Ok(plan.cut(buf, read, place))
}

/// The thread with the runtime, and what it delivers.
struct Ring {
    /// `None` only while dropping: its end tells the thread to end.
    chunks: Option<Receiver<io::Result<AlignedBuf>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Ring {
    fn start(file: &RealFile, plan: Plan, depth: usize) -> io::Result<Self> {
        let file = file.duplicate()?;
        let (ready, chunks) = mpsc::sync_channel(READY_CHUNKS);
        let thread = thread::Builder::new()
            .name("bulk-read".to_owned())
            .spawn(move || run(file, plan, depth, &ready))?;
        Ok(Self {
            chunks: Some(chunks),
            thread: Some(thread),
        })
    }

    fn next(&mut self) -> io::Result<AlignedBuf> {
        // A thread that died must not look like the end of the file.
        self.chunks
            .as_ref()
            .and_then(|chunks| chunks.recv().ok())
            .unwrap_or_else(|| Err(io::Error::other("the bulk reader died")))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.chunks = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has printed why.
            let _ = thread.join();
        }
    }
}

/// What the thread does: starts the runtime, and delivers until the end or until nobody listens.
fn run(file: std::fs::File, plan: Plan, depth: usize, ready: &SyncSender<io::Result<AlignedBuf>>) {
    let entries = u32::try_from(depth).expect("the depth has a small limit");
    let mut builder = tokio_uring::builder();
    builder.entries(entries);
    match tokio_uring::Runtime::new(&builder) {
        Ok(runtime) => runtime.block_on(deliver(file, plan, depth, ready)),
        Err(error) => {
            // Nobody may listen any more.
            let _ = ready.send(Err(error));
        }
    }
}

async fn deliver(
    file: std::fs::File,
    mut plan: Plan,
    depth: usize,
    ready: &SyncSender<io::Result<AlignedBuf>>,
) {
    let file = Rc::new(tokio_uring::fs::File::from_std(file));
    let mut reads = VecDeque::with_capacity(depth);
    let mut listening = true;
    loop {
        while listening
            && reads.len() < depth
            && let Some(place) = plan.advance()
        {
            reads.push_back(tokio_uring::spawn(read_chunk(
                Rc::clone(&file),
                plan,
                place,
            )));
        }
        let Some(read) = reads.pop_front() else {
            return;
        };
        let chunk = read
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        // When nobody is interested any more, every read is still awaited: a tokio-uring runtime that is dropped with
        // operations in flight lets go of their buffers before the kernel does.
        if listening {
            let failed = chunk.is_err();
            // The wait for a slow consumer holds up this thread only; the kernel goes on with what is in flight.
            listening = ready.send(chunk).is_ok() && !failed;
        }
    }
}

async fn read_chunk(
    file: Rc<tokio_uring::fs::File>,
    plan: Plan,
    place: u64,
) -> io::Result<AlignedBuf> {
    let mut transfer = Transfer::read(plan.chunk, plan.alignment);
    let mut buf = Chunk(AlignedBuf::zeroed(plan.chunk));
    loop {
        let at = place + transfer.done() as u64;
        let (read, slice) = file.read_at(buf.slice(transfer.done()..), at).await;
        buf = slice.into_inner();
        match read {
            Ok(moved) if transfer.advance(moved) == Step::Continue => {}
            Ok(_) => return Ok(plan.cut(buf.0, transfer.done(), place)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A buffer as tokio-uring wants it.
struct Chunk(AlignedBuf);

// SAFETY: the bytes lie on the heap, in a vector that is never resized: moving the value does not move them.
unsafe impl IoBuf for Chunk {
    fn stable_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.len()
    }

    fn bytes_total(&self) -> usize {
        self.0.len()
    }
}

// SAFETY: as above; and all bytes are initialised from the start.
unsafe impl IoBufMut for Chunk {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::conformance::SUBJECTS;

    fn content(len: usize) -> Vec<u8> {
        (0..len)
            .map(|at| u8::try_from(at * 7 % 251).unwrap())
            .collect()
    }

    #[test]
    fn all_bytes_come_in_order_on_every_disk() {
        for make in SUBJECTS {
            let Some(subject) = make() else { continue };
            let path = DiskPath::root().join("big");
            for len in [0, 1, 4095, 8192, 100_000, 262_144] {
                let content = content(len);
                crate::durable::replace(subject.disk.as_ref(), &path, &content).unwrap();
                for (chunk, depth) in [(1, 3), (5000, 1), (16_384, 8), (1 << 20, 8)] {
                    let chunks: Vec<_> = stream(subject.disk.as_ref(), &path, chunk, depth)
                        .unwrap()
                        .map(Result::unwrap)
                        .collect();
                    let whole: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.to_vec()).collect();
                    assert!(whole == content, "{len} bytes in chunks of {chunk}");
                    let equal = chunks.iter().map(|chunk| chunk.len()).collect::<Vec<_>>();
                    assert!(equal.iter().rev().skip(1).all(|len| *len == equal[0]));
                }
            }
        }
    }

    #[test]
    fn a_stream_that_is_dropped_early_ends_its_thread() {
        for make in SUBJECTS {
            let Some(subject) = make() else { continue };
            let path = DiskPath::root().join("big");
            crate::durable::replace(subject.disk.as_ref(), &path, &content(1 << 20)).unwrap();
            for taken in 0..4 {
                let stream = stream(subject.disk.as_ref(), &path, 8192, 8).unwrap();
                assert_eq!(stream.take(taken).count(), taken);
            }
        }
    }

    #[test]
    fn an_error_is_delivered_and_ends_the_stream() {
        use crate::io::sim::{FaultKind, Repeat, SimConfig, SimDisk};
        let disk = SimDisk::new(1, SimConfig::default());
        disk.write_file("big", &content(100_000));
        let path = DiskPath::root().join("big");
        let mut stream = stream(disk.as_ref(), &path, 4096, 8).unwrap();
        assert!(stream.next().unwrap().is_ok());
        disk.fail_nth(2, FaultKind::Eio, Repeat::Once);
        assert!(stream.next().unwrap().is_ok());
        assert!(stream.next().unwrap().is_err());
        assert!(stream.next().is_none());
    }

    #[test]
    fn a_missing_file_is_an_error_at_once() {
        for make in SUBJECTS {
            let Some(subject) = make() else { continue };
            let path = DiskPath::root().join("missing");
            let error = stream(subject.disk.as_ref(), &path, 4096, 8).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn the_ring_is_used_where_there_is_one() {
        let Some(subject) = crate::io::conformance::uring() else {
            return;
        };
        let path = DiskPath::root().join("big");
        crate::durable::replace(subject.disk.as_ref(), &path, &content(9000)).unwrap();
        let stream = stream(subject.disk.as_ref(), &path, 4096, 8).unwrap();
        assert!(matches!(stream.source, Source::Ring(_)));
    }
}
