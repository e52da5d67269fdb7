//! What a server uses, from `/proc`: CPU seconds and anonymous resident memory of a process and its children.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const SAMPLING: Duration = Duration::from_millis(20);

/// A process and the children that it had when this was made.
#[derive(Clone, Debug)]
pub struct Processes(Vec<u32>);

impl Processes {
    /// `pid` and its children.
    pub fn of(pid: u32) -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let others = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let children = others.filter(|other| field(*other, PARENT) == Some(u64::from(pid)));
        Self(std::iter::once(pid).chain(children).collect())
    }

    /// This process.
    pub fn own() -> Self {
        Self(vec![std::process::id()])
    }

    /// CPU seconds so far, in user code and in the kernel.
    #[expect(clippy::cast_precision_loss, reason = "ticks are far below 2^52")]
    pub fn cpu_seconds(&self) -> f64 {
        let ticks: u64 = self
            .0
            .iter()
            .flat_map(|pid| [field(*pid, USER), field(*pid, SYSTEM)])
            .flatten()
            .sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// Bytes of anonymous memory that are resident.
    pub fn anonymous_bytes(&self) -> u64 {
        self.0.iter().filter_map(|pid| anonymous(*pid)).sum()
    }
}

/// Fields of `/proc/PID/stat` behind the name, which may hold anything: proc(5) counts them from 3.
const PARENT: usize = 4 - 3;
const USER: usize = 14 - 3;
const SYSTEM: usize = 15 - 3;

fn field(pid: u32, index: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(index)?.parse().ok()
}

fn anonymous(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024)
}

/// Watches the memory until it is asked for the peak.
pub struct Watch {
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Watch {
    /// Begins to sample.
    pub fn begin(processes: Processes) -> Self {
        let (stop, peak) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, highest) = (Arc::clone(&stop), Arc::clone(&peak));
        let thread = std::thread::spawn(move || {
            loop {
                highest.fetch_max(processes.anonymous_bytes(), Ordering::Relaxed);
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::sleep(SAMPLING);
            }
        });
        Self { stop, peak, thread }
    }

    /// The highest sample.
    pub fn peak(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        self.peak.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_memory_is_seen() {
        let processes = Processes::of(std::process::id());
        let before = processes.anonymous_bytes();
        let held = vec![1_u8; 64 << 20];
        let peak = Watch::begin(processes).peak();
        assert!(held.iter().all(|byte| *byte == 1));
        assert!(before > 0 && peak >= before + (48 << 20), "{before} {peak}");
    }

    #[test]
    fn our_own_work_is_seen() {
        let own = Processes::own();
        let begun = own.cpu_seconds();
        let mut random = crate::load::random::Random::new(1);
        while own.cpu_seconds() < begun + 0.05 {
            assert!(
                (0..1_000_000)
                    .map(|_| random.bits())
                    .any(|bits| bits & 1 == 0)
            );
        }
    }
}
