//! What a phase measured, for people on one line and for programs as JSON.

use serde::Serialize;

const MIB: f64 = (1 << 20) as f64;
const GIB: f64 = (1 << 30) as f64;

/// The figures of a phase. CPU and memory are missing where no server process was named.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What was done, in a few words.
    pub what: String,
    /// Seconds measured.
    pub seconds: f64,
    /// Answers in them.
    pub requests: u64,
    /// Answers a second.
    pub requests_per_second: f64,
    /// Bytes of bodies sent and received in them.
    pub bytes: u64,
    /// MiB of bodies a second.
    pub mib_per_second: f64,
    /// Of the time from the begin of a request to the end of its answer, in microseconds.
    pub latency_us: Percentiles,
    /// Of the time to the first byte.
    pub first_byte_us: Percentiles,
    /// Answers whose head came alone.
    pub heads_alone: u64,
    /// What was not right.
    pub errors: u64,
    /// Some of it in words.
    pub error_words: Vec<String>,
    /// What the server used.
    pub server: Option<Server>,
    /// CPU seconds that the generator used for each GiB.
    pub client_cpu_seconds_per_gib: f64,
    /// CPU microseconds that the generator used for each request.
    pub client_cpu_us_per_request: f64,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Percentiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// What the server used.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Server {
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// For each GiB of bodies.
    pub cpu_seconds_per_gib: f64,
    /// CPU microseconds for each request.
    pub cpu_us_per_request: f64,
    /// Anonymous resident memory before the first request.
    pub anonymous_bytes_before: u64,
    /// The highest sample of it.
    pub anonymous_bytes_peak: u64,
}

/// `amount` for each of `count`; 0 if there were none.
pub fn each(amount: f64, count: f64) -> f64 {
    if count > 0.0 { amount / count } else { 0.0 }
}

/// Bytes as GiB.
#[expect(clippy::cast_precision_loss, reason = "for a figure that people read")]
pub fn gib(bytes: u64) -> f64 {
    bytes as f64 / GIB
}

/// Bytes as MiB.
#[expect(clippy::cast_precision_loss, reason = "for a figure that people read")]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

impl Report {
    /// One line.
    pub fn line(&self) -> String {
        let latency = self.latency_us;
        let server = self.server.map_or_else(String::new, |server| {
            format!(
                "; server {:.1} us/request, {:.3} CPU s/GiB, RssAnon {:.0} -> {:.0} MiB",
                server.cpu_us_per_request,
                server.cpu_seconds_per_gib,
                mib(server.anonymous_bytes_before),
                mib(server.anonymous_bytes_peak)
            )
        });
        format!(
            "{}: {:.0} requests/s, {:.1} MiB/s; us p50 {:.0} p90 {:.0} p99 {:.0} p99.9 {:.0} max {:.0}; {} errors{server}; \
             client {:.1} us/request",
            self.what,
            self.requests_per_second,
            self.mib_per_second,
            latency.p50,
            latency.p90,
            latency.p99,
            latency.p999,
            latency.max,
            self.errors,
            self.client_cpu_us_per_request
        )
    }
}
