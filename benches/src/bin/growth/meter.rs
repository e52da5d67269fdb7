//! What a phase costs: wall clock, CPU of the whole process, memory, latencies. Linux only.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Steps within an octave: a figure is at most 4.5 % too high.
const STEPS: u32 = 16;

/// Latencies in some hundred buckets, so that ten million of them take no memory.
pub struct Latencies(Vec<u64>);

impl Latencies {
    pub fn new() -> Self {
        Self(vec![0; 64 * STEPS as usize])
    }

    pub fn add(&mut self, took: Duration) {
        let micros = took.as_micros().max(1) as f64;
        let at = (micros.log2() * f64::from(STEPS)) as usize;
        let last = self.0.len() - 1;
        self.0[at.min(last)] += 1;
    }

    /// Microseconds below which a share of them lies.
    pub fn at(&self, share: f64) -> f64 {
        let all: u64 = self.0.iter().sum();
        let mut left = (all as f64 * share) as u64;
        for (at, count) in self.0.iter().enumerate() {
            if *count > left {
                return 2_f64.powf((at + 1) as f64 / f64::from(STEPS));
            }
            left -= count;
        }
        0.0
    }
}

/// From here on.
pub struct Meter {
    at: Instant,
    cpu: f64,
}

impl Meter {
    pub fn start() -> Self {
        Self {
            at: Instant::now(),
            cpu: cpu_seconds(),
        }
    }

    pub fn seconds(&self) -> f64 {
        self.at.elapsed().as_secs_f64()
    }

    /// User and system time of all threads.
    pub fn cpu(&self) -> f64 {
        cpu_seconds() - self.cpu
    }
}

fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = text.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// A field of `/proc/self/status`, in MiB.
pub fn memory_mib(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

/// What the files in a folder and below it take on the disk: rooms that were reserved and not written count, holes do not.
pub fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_in(&entry.path()),
        Ok(found) => found.blocks() * 512,
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}
