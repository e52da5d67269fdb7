//! One thread of the generator: its connections behind one `epoll`, each with one request at a time.

use crate::load::body::{Body, Template};
use crate::load::connection::{Answered, Connection};
use crate::load::histogram::Histogram;
use crate::load::random::Random;
use crate::load::requests::Writer;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SCRATCH: usize = 256 * 1024;
/// A request that takes longer has failed; a store that is measured never comes near it.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Errors after which a thread gives up, and those that are kept in words.
const ERRORS_MAX: u64 = 100;
const WORDS_MAX: usize = 5;
/// Written objects that are kept to be read back.
const WRITTEN_MAX: usize = 16;

/// What a thread works on.
pub struct Orders {
    /// The server.
    pub address: SocketAddr,
    /// Connections of this thread.
    pub connections: usize,
    /// Each request on a connection of its own.
    pub fresh: bool,
    /// Answers count from here on.
    pub from: Instant,
    /// No request begins after this.
    pub until: Instant,
    /// Requests that may still begin, of all threads.
    pub left: Arc<AtomicU64>,
    /// What bodies are made of.
    pub template: Arc<Template>,
}

/// What came of it.
#[derive(Default)]
pub struct Tally {
    /// Answers that were right.
    pub requests: u64,
    /// Bytes of bodies sent with them.
    pub sent: u64,
    /// Bytes of bodies received.
    pub received: u64,
    /// From the begin of a request to the end of its answer.
    pub latency: Histogram,
    /// To its first byte.
    pub first_byte: Histogram,
    /// Answers whose head came without any byte of their body.
    pub heads_alone: u64,
    /// What was not right, at any time.
    pub errors: u64,
    /// The first of them.
    pub words: Vec<String>,
    /// Some of what was written.
    pub written: Vec<(u32, Body)>,
}

impl Tally {
    /// Adds another thread's.
    pub fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.sent += other.sent;
        self.received += other.received;
        self.latency.merge(&other.latency);
        self.first_byte.merge(&other.first_byte);
        self.heads_alone += other.heads_alone;
        self.errors += other.errors;
        self.words.extend(other.words);
        self.written.extend(other.written);
    }

    fn wrong(&mut self, why: String) {
        self.errors += 1;
        if self.words.len() < WORDS_MAX {
            self.words.push(why);
        }
    }
}

struct Slot {
    connection: Connection,
    /// What `epoll` watches for beside answers.
    blocked: bool,
    busy: bool,
}

struct Worker {
    orders: Orders,
    writer: Writer,
    epoll: OwnedFd,
    slots: Vec<Slot>,
    tally: Tally,
    random: Random,
    scratch: Vec<u8>,
}

/// Works until the time is up, the requests are used up, or too much went wrong.
pub fn run(orders: Orders, writer: Writer) -> Result<Tally, String> {
    let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|error| format!("epoll: {error}"))?;
    let mut worker = Worker {
        orders,
        writer,
        epoll,
        slots: Vec::new(),
        tally: Tally::default(),
        random: Random::new(3),
        scratch: vec![0; SCRATCH],
    };
    worker.work()?;
    Ok(worker.tally)
}

impl Worker {
    fn work(&mut self) -> Result<(), String> {
        for index in 0..self.orders.connections {
            let connection = self.open(index)?;
            self.slots.push(Slot {
                connection,
                blocked: false,
                busy: false,
            });
        }
        for index in 0..self.orders.connections {
            self.begin(index, Instant::now())?;
        }
        let mut events = Vec::with_capacity(self.orders.connections.max(1));
        let mut heard = Instant::now();
        while self.slots.iter().any(|slot| slot.busy) {
            let patience = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&patience)) {
                Ok(0) if heard.elapsed() > ANSWER_MAX => return Err("no answer in 30 s".to_owned()),
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => heard = Instant::now(),
                Err(error) => return Err(format!("epoll: {error}")),
            }
            for event in events.drain(..) {
                let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                self.serve(index, event.flags)?;
            }
        }
        Ok(())
    }

    fn open(&self, index: usize) -> Result<Connection, String> {
        let address = self.orders.address;
        let connection =
            Connection::open(address).map_err(|error| format!("{address}: {error}"))?;
        let data = EventData::new_u64(index as u64);
        epoll::add(&self.epoll, connection.stream(), data, EventFlags::IN)
            .map_err(|error| format!("epoll: {error}"))?;
        Ok(connection)
    }

    /// Begins the next request on a connection, if there is one.
    fn begin(&mut self, index: usize, now: Instant) -> Result<(), String> {
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(());
        };
        slot.busy = false;
        let left = &self.orders.left;
        if now >= self.orders.until || self.tally.errors >= ERRORS_MAX {
            return Ok(());
        }
        if left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_err()
        {
            return Ok(());
        }
        let Some(ask) = self.writer.next(&mut slot.connection.head) else {
            return Ok(());
        };
        slot.busy = true;
        slot.connection.begin(ask, now);
        self.send(index)
    }

    fn send(&mut self, index: usize) -> Result<(), String> {
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(());
        };
        let blocked = match slot.connection.send(&self.orders.template) {
            Ok(done) => !done,
            Err(why) => return self.failed(index, why),
        };
        if blocked != slot.blocked {
            slot.blocked = blocked;
            let flags = if blocked {
                EventFlags::IN | EventFlags::OUT
            } else {
                EventFlags::IN
            };
            let data = EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, slot.connection.stream(), data, flags)
                .map_err(|error| format!("epoll: {error}"))?;
        }
        Ok(())
    }

    fn serve(&mut self, index: usize, flags: EventFlags) -> Result<(), String> {
        if flags.contains(EventFlags::OUT) {
            self.send(index)?;
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return Ok(());
        }
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(());
        };
        match slot
            .connection
            .receive(&self.orders.template, &mut self.scratch)
        {
            Ok(None) => Ok(()),
            Ok(Some(answered)) => self.answered(index, &answered),
            Err(why) => self.failed(index, why),
        }
    }

    fn answered(&mut self, index: usize, answered: &Answered) -> Result<(), String> {
        let now = Instant::now();
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(());
        };
        let (ask, started) = (slot.connection.ask, slot.connection.started);
        if now >= self.orders.from && now < self.orders.until {
            let tally = &mut self.tally;
            tally.requests += 1;
            tally.sent += ask.sends.map_or(0, |body| body.length as u64);
            tally.received += answered.received as u64;
            tally.latency.record(now - started);
            tally.first_byte.record(answered.first_byte - started);
            tally.heads_alone += u64::from(answered.head_alone);
        }
        if let Some(body) = ask.sends {
            self.keep(ask.count, body);
        }
        if self.orders.fresh || answered.closes {
            let now = Instant::now();
            self.reopen(index)?;
            return self.begin(index, now);
        }
        self.begin(index, now)
    }

    /// Keeps some of what was written: the first, then any with equal chance to replace one.
    fn keep(&mut self, count: u32, body: Body) {
        let written = &mut self.tally.written;
        if written.len() < WRITTEN_MAX {
            written.push((count, body));
        } else if let Some(place) = written.get_mut(self.random.below(WRITTEN_MAX * 64)) {
            *place = (count, body);
        }
    }

    fn failed(&mut self, index: usize, why: String) -> Result<(), String> {
        self.tally.wrong(why);
        self.reopen(index)?;
        self.begin(index, Instant::now())
    }

    fn reopen(&mut self, index: usize) -> Result<(), String> {
        let connection = self.open(index)?;
        if let Some(slot) = self.slots.get_mut(index) {
            slot.connection = connection;
            slot.blocked = false;
        }
        Ok(())
    }
}
