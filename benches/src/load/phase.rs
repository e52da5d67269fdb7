//! One phase: threads that send, a window in which answers count, and what the server used in it.

use crate::load::Done;
use crate::load::body::Template;
use crate::load::histogram::Histogram;
use crate::load::random::Random;
use crate::load::report::{Percentiles, Report, Server, each, gib, mib};
use crate::load::requests::{Plan, Run, Source, Target, Writer};
use crate::load::usage::{Processes, Watch};
use crate::load::worker::{self, Orders, Tally};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// Longer than any measurement.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// How a phase is run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Whom it goes to.
    pub target: Target,
    /// The server's process, to see what it uses.
    pub server: Option<u32>,
    /// Connections of all threads together.
    pub connections: usize,
    /// Threads.
    pub threads: usize,
    /// Each request on a connection of its own.
    pub fresh: bool,
    /// Answers do not count before this has passed.
    pub warm_up: Duration,
    /// How long they count.
    pub duration: Duration,
    /// Requests after which it ends, if it is not to end by time.
    pub requests: Option<u64>,
    /// What bodies are made of.
    pub template: Arc<Template>,
}

struct Reading {
    at: Instant,
    server: f64,
    client: f64,
}

impl Reading {
    fn take(server: Option<&Processes>) -> Self {
        Self {
            at: Instant::now(),
            server: server.map_or(0.0, Processes::cpu_seconds),
            client: Processes::own().cpu_seconds(),
        }
    }
}

/// Runs a plan, and says what came of it and some of what was written, with the run's number.
pub fn measure(setting: &Setting, plan: &Plan, what: &str) -> Done<(Report, Tally, u32)> {
    let run = Run::new();
    let source = |thread| Source::Drawn {
        plan: plan.clone(),
        random: Random::new(u64::from(run.id) << 8 | thread as u64),
        run: run.clone(),
    };
    let processes = setting.server.map(Processes::of);
    let memory_before = processes.as_ref().map_or(0, Processes::anonymous_bytes);
    let watch = processes.clone().map(Watch::begin);
    let (tally, before, after) = work(setting, processes.as_ref(), source)?;
    let peak = watch.map_or(0, Watch::peak);
    let mut report = report(what, &tally, &before, &after);
    report.server = processes.map(|_| {
        let cpu_seconds = after.server - before.server;
        Server {
            cpu_seconds,
            cpu_seconds_per_gib: each(cpu_seconds, gib(report.bytes)),
            cpu_us_per_request: each(cpu_seconds * 1e6, count(report.requests)),
            anonymous_bytes_before: memory_before,
            anonymous_bytes_peak: peak,
        }
    });
    Ok((report, tally, run.id))
}

/// Runs what `source` gives each thread to its end, without measuring; an error if anything went wrong.
pub fn complete(setting: &Setting, source: impl Fn(usize) -> Source) -> Done<u64> {
    let setting = Setting {
        warm_up: Duration::ZERO,
        duration: FOREVER,
        requests: None,
        ..setting.clone()
    };
    let tally = spawn(&setting, Instant::now(), source, || {})?;
    match tally.words.first() {
        None => Ok(tally.requests),
        Some(why) => Err(format!("{} errors, first: {why}", tally.errors)),
    }
}

fn work(
    setting: &Setting,
    server: Option<&Processes>,
    source: impl Fn(usize) -> Source,
) -> Done<(Tally, Reading, Reading)> {
    let from = Instant::now() + setting.warm_up;
    let (mut before, mut after) = (None, None);
    let watch = || {
        std::thread::sleep(from.saturating_duration_since(Instant::now()));
        before = Some(Reading::take(server));
        if setting.requests.is_none() {
            let until = from + setting.duration;
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            after = Some(Reading::take(server));
        }
    };
    let tally = spawn(setting, from, source, watch)?;
    let before = before.ok_or("no reading was taken")?;
    let after = after.unwrap_or_else(|| Reading::take(server));
    Ok((tally, before, after))
}

/// Starts the threads, runs `meanwhile`, and waits for them.
fn spawn(
    setting: &Setting,
    from: Instant,
    source: impl Fn(usize) -> Source,
    meanwhile: impl FnOnce(),
) -> Done<Tally> {
    let threads = setting.threads;
    let left = Arc::new(AtomicU64::new(setting.requests.unwrap_or(u64::MAX)));
    let until = from
        + if setting.requests.is_some() {
            FOREVER
        } else {
            setting.duration
        };
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for thread in 0..threads {
            let share =
                setting.connections / threads + usize::from(thread < setting.connections % threads);
            let orders = Orders {
                address: setting.target.address,
                connections: share,
                fresh: setting.fresh,
                from,
                until,
                left: Arc::clone(&left),
                template: Arc::clone(&setting.template),
            };
            let writer = Writer::new(
                source(thread),
                setting.target.clone(),
                Arc::clone(&setting.template),
            );
            running.push(scope.spawn(move || worker::run(orders, writer)));
        }
        meanwhile();
        let mut total = Tally::default();
        for thread in running {
            let tally = thread
                .join()
                .map_err(|_| "a thread panicked".to_owned())??;
            total.merge(tally);
        }
        Ok(total)
    })
}

fn report(what: &str, tally: &Tally, before: &Reading, after: &Reading) -> Report {
    let seconds = (after.at - before.at).as_secs_f64();
    let bytes = tally.sent + tally.received;
    let client = after.client - before.client;
    Report {
        what: what.to_owned(),
        seconds,
        requests: tally.requests,
        requests_per_second: each(count(tally.requests), seconds),
        bytes,
        mib_per_second: each(mib(bytes), seconds),
        latency_us: percentiles(&tally.latency),
        first_byte_us: percentiles(&tally.first_byte),
        heads_alone: tally.heads_alone,
        errors: tally.errors,
        error_words: tally.words.clone(),
        server: None,
        client_cpu_seconds_per_gib: each(client, gib(bytes)),
        client_cpu_us_per_request: each(client * 1e6, count(tally.requests)),
    }
}

fn percentiles(histogram: &Histogram) -> Percentiles {
    Percentiles {
        p50: histogram.micros(0.5),
        p90: histogram.micros(0.9),
        p99: histogram.micros(0.99),
        p999: histogram.micros(0.999),
        max: histogram.micros(1.0),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of requests is far below 2^52"
)]
fn count(requests: u64) -> f64 {
    requests as f64
}
