//! Counters of the door, and their Prometheus text together with the engine's.
//!
//! One lock is taken once a request, when it ends. Labels come from fixed sets (operations, statuses, error codes), so
//! that their number does not grow with what clients send.

use crate::process;
use moraine_engine::Stats;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Upper ends of the latency histogram, in seconds: from one small cached read to a large upload.
const BUCKETS: [f64; 14] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0,
];

#[derive(Default, Clone, Copy)]
struct Histogram {
    within: [u64; BUCKETS.len()],
    count: u64,
    sum_s: f64,
}

#[derive(Default)]
struct Requests {
    by_status: BTreeMap<(&'static str, u16), u64>,
    by_error: BTreeMap<String, u64>,
    latency: BTreeMap<&'static str, Histogram>,
}

/// Counters of the door.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<Requests>,
    /// Bytes of request bodies.
    pub bytes_in: AtomicU64,
    /// Bytes of answer bodies.
    pub bytes_out: AtomicU64,
    /// Requests whose answer has not left yet.
    pub in_flight: AtomicU64,
    /// Connections that are open now.
    pub connections: AtomicU64,
    /// Connections refused because their address had as many as one may have.
    pub refused_by_address: AtomicU64,
    /// Connections refused because there was no room for anyone.
    pub refused_by_total: AtomicU64,
    /// Connections that waited for their client and were closed to make room for another.
    pub made_room: AtomicU64,
    /// Answers that broke off because the engine failed in the middle.
    pub broken_reads: AtomicU64,
    /// Reads that met damage or missing bytes.
    pub damaged_reads: AtomicU64,
    /// Answers given at once: name and bytes were in memory.
    pub at_once: AtomicU64,
    /// Whether the server was told to stop.
    pub draining: AtomicBool,
}

impl Metrics {
    /// Closes the books on a request.
    pub fn record(
        &self,
        operation: &'static str,
        status: u16,
        error: Option<&str>,
        took: Duration,
    ) {
        let mut requests = self.requests();
        *requests.by_status.entry((operation, status)).or_default() += 1;
        if let Some(code) = error {
            *requests.by_error.entry(code.to_owned()).or_default() += 1;
        }
        let histogram = requests.latency.entry(operation).or_default();
        histogram.count += 1;
        histogram.sum_s += took.as_secs_f64();
        for (within, end) in histogram.within.iter_mut().zip(BUCKETS) {
            *within += u64::from(took.as_secs_f64() <= end);
        }
    }

    /// The counters of the door and of the engine, as Prometheus reads them.
    pub fn render(&self, stats: &Stats, read_only: bool) -> String {
        let mut out = String::with_capacity(8 * 1024);
        let draining = self.draining.load(Ordering::Relaxed);
        // Writing to a String cannot fail.
        let _ = self.render_requests(&mut out);
        let _ = self.render_refusals(&mut out);
        self.render_sums(&mut out);
        single(
            &mut out,
            "moraine_draining",
            "gauge",
            "1 once told to stop",
            draining.into(),
        );
        single(
            &mut out,
            "moraine_read_only",
            "gauge",
            "1 if the store refuses writes",
            read_only.into(),
        );
        render_engine(&mut out, stats);
        render_process(&mut out);
        out
    }

    /// What is one number.
    fn render_sums(&self, out: &mut String) {
        for (name, kind, help, value) in [
            (
                "received_bytes_total",
                "counter",
                "Bytes of request bodies",
                &self.bytes_in,
            ),
            (
                "sent_bytes_total",
                "counter",
                "Bytes of answer bodies",
                &self.bytes_out,
            ),
            (
                "requests_in_flight",
                "gauge",
                "Requests whose answer has not left yet",
                &self.in_flight,
            ),
            (
                "connections",
                "gauge",
                "Connections that are open",
                &self.connections,
            ),
            (
                "made_room_connections_total",
                "counter",
                "Connections closed while they waited for their client, to make room",
                &self.made_room,
            ),
            (
                "broken_reads_total",
                "counter",
                "Answers that broke off",
                &self.broken_reads,
            ),
            (
                "damaged_reads_total",
                "counter",
                "Reads that met damage",
                &self.damaged_reads,
            ),
            (
                "at_once_total",
                "counter",
                "Public reads answered without waiting for anything",
                &self.at_once,
            ),
        ] {
            single(
                out,
                &format!("moraine_http_{name}"),
                kind,
                help,
                value.load(Ordering::Relaxed),
            );
        }
    }

    fn render_requests(&self, out: &mut String) -> std::fmt::Result {
        let requests = self.requests();
        head(
            out,
            "moraine_http_requests_total",
            "counter",
            "Requests by operation and status",
        );
        for ((operation, status), count) in &requests.by_status {
            writeln!(
                out,
                "moraine_http_requests_total{{operation=\"{operation}\",status=\"{status}\"}} {count}"
            )?;
        }
        head(
            out,
            "moraine_http_errors_total",
            "counter",
            "Error answers by S3 code",
        );
        for (code, count) in &requests.by_error {
            writeln!(out, "moraine_http_errors_total{{code=\"{code}\"}} {count}")?;
        }
        let name = "moraine_http_request_seconds";
        head(
            out,
            name,
            "histogram",
            "From the head of a request to the end of its answer",
        );
        for (operation, histogram) in &requests.latency {
            for (within, end) in histogram.within.iter().zip(BUCKETS) {
                writeln!(
                    out,
                    "{name}_bucket{{operation=\"{operation}\",le=\"{end}\"}} {within}"
                )?;
            }
            let Histogram { count, sum_s, .. } = histogram;
            writeln!(
                out,
                "{name}_bucket{{operation=\"{operation}\",le=\"+Inf\"}} {count}"
            )?;
            writeln!(out, "{name}_sum{{operation=\"{operation}\"}} {sum_s}")?;
            writeln!(out, "{name}_count{{operation=\"{operation}\"}} {count}")?;
        }
        Ok(())
    }

    fn render_refusals(&self, out: &mut String) -> std::fmt::Result {
        let name = "moraine_http_refused_connections_total";
        head(out, name, "counter", "Connections that were not let in");
        for (reason, count) in [
            ("address", &self.refused_by_address),
            ("total", &self.refused_by_total),
        ] {
            let count = count.load(Ordering::Relaxed);
            writeln!(out, "{name}{{reason=\"{reason}\"}} {count}")?;
        }
        Ok(())
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}

fn single(out: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    head(out, name, kind, help);
    let _ = writeln!(out, "{name} {value}");
}

fn render_engine(out: &mut String, stats: &Stats) {
    for (name, help, value) in engine_counters(stats) {
        single(out, &format!("moraine_{name}"), "counter", help, value);
    }
    for (name, help, value) in engine_gauges(stats) {
        single(out, &format!("moraine_{name}"), "gauge", help, value);
    }
    head(out, "moraine_io_driver", "gauge", "The I/O driver in use");
    let _ = writeln!(out, "moraine_io_driver{{driver=\"{}\"}} 1", stats.driver);
}

fn render_process(out: &mut String) {
    let version = env!("CARGO_PKG_VERSION");
    head(out, "moraine_build_info", "gauge", "The version that runs");
    let _ = writeln!(out, "moraine_build_info{{version=\"{version}\"}} 1");
    for (name, kind, help, value) in process::figures() {
        head(out, name, kind, help);
        let _ = writeln!(out, "{name} {value}");
    }
}

/// A name, what it means, and the value.
type Line = (&'static str, &'static str, u64);

#[rustfmt::skip]
fn engine_counters(stats: &Stats) -> [Line; 18] {
    [
        ("puts_total", "Names written", stats.puts),
        ("gets_total", "Reads begun", stats.gets),
        ("deletes_total", "Names deleted", stats.deletes),
        ("in_bytes_total", "Bytes of content taken in", stats.bytes_in),
        ("out_bytes_total", "Bytes of content given out", stats.bytes_out),
        ("dedup_hits_total", "Extents that were already there", stats.dedup_hits),
        ("dedup_bytes_total", "Bytes of extents that were already there", stats.dedup_bytes),
        ("recent_reads_total", "Reads of payloads answered from recent extents in memory", stats.recent_reads),
        ("cached_reads_total", "Reads of payloads answered from the page cache", stats.cached_reads),
        ("cold_reads_total", "Reads of payloads that went to the disk", stats.cold_reads),
        ("memory_waits_total", "Times that a body had to wait for memory", stats.budget_waits),
        ("log_bytes_total", "Bytes written to the log", stats.log_bytes_written),
        ("batches_total", "Batches written to the log", stats.batches),
        ("syncs_total", "Syncs of the log", stats.syncs),
        ("checkpoints_total", "Checkpoints of the indexes", stats.checkpoints),
        ("checkpoints_failed_total", "Checkpoints of the indexes that failed", stats.checkpoints_failed),
        ("damaged_reads_total", "Reads that met damage", stats.damaged_reads),
        ("index_repairs_total", "Index entries put back from a footer", stats.index_repairs),
    ]
}

#[rustfmt::skip]
fn engine_gauges(stats: &Stats) -> [Line; 14] {
    [
        ("segments", "Segments of all logs", stats.segments),
        ("index_entries", "Entries of the hash index", stats.index_entries),
        ("index_bytes", "Bytes of the hash index", stats.index_bytes),
        ("names", "Live names", stats.names),
        ("logical_bytes", "Bytes of all objects before deduplication", stats.logical_bytes),
        ("upload_bytes", "Bytes in parts of uploads that are not complete", stats.upload_bytes),
        ("memory_budget_bytes", "The memory budget for bodies", stats.budget_total),
        ("memory_used_bytes", "Memory taken from the budget", stats.budget_used),
        ("memory_waiting", "Bodies that wait for memory now", stats.budget_waiting),
        ("recent_bytes", "Bytes of the log kept readable in memory", stats.recent_bytes),
        ("disk_free_bytes", "Free bytes of the file system", stats.disk_free),
        ("disk_total_bytes", "All bytes of the file system", stats.disk_total),
        ("log_applied_segment", "Segment of the end of what is durable and visible", stats.applied.segment.0),
        ("log_applied_offset_bytes", "Offset of that end", stats.applied.offset.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_described() {
        let text = Metrics::default().render(&Stats::default(), false);
        assert!(text.contains("\nprocess_open_fds "), "{text}");
        let version = env!("CARGO_PKG_VERSION");
        assert!(text.contains(&format!("moraine_build_info{{version=\"{version}\"}} 1")));
    }

    #[test]
    fn requests_are_counted_by_operation_and_status() {
        let metrics = Metrics::default();
        metrics.record("GetObject", 200, None, Duration::from_millis(3));
        metrics.record(
            "GetObject",
            404,
            Some("NoSuchKey"),
            Duration::from_millis(30),
        );
        let text = metrics.render(&Stats::default(), false);
        for line in [
            "moraine_http_requests_total{operation=\"GetObject\",status=\"200\"} 1",
            "moraine_http_errors_total{code=\"NoSuchKey\"} 1",
            "moraine_http_request_seconds_bucket{operation=\"GetObject\",le=\"0.005\"} 1",
            "moraine_http_request_seconds_bucket{operation=\"GetObject\",le=\"0.05\"} 2",
            "moraine_http_request_seconds_count{operation=\"GetObject\"} 2",
            "moraine_read_only 0",
        ] {
            assert!(
                text.lines().any(|it| it == line),
                "{line} is missing from\n{text}"
            );
        }
    }
}
