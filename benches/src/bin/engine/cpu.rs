//! CPU time of this process, by the names of its threads. The kernel's own threads (interrupts, journal) are not in it.

use std::collections::BTreeMap;
use std::fs;

/// CPU seconds of each thread name.
#[derive(Clone, Debug, Default)]
pub struct Cpu(BTreeMap<String, f64>);

impl Cpu {
    /// What the threads that live now have used.
    pub fn now() -> Self {
        let mut sums = BTreeMap::new();
        for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
            let path = task.path();
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            let used = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            let nanoseconds = used.split(' ').next().and_then(|it| it.parse::<f64>().ok());
            *sums.entry(group(name.trim())).or_insert(0.0) += nanoseconds.unwrap_or(0.0) / 1e9;
        }
        Self(sums)
    }

    /// What was used since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let difference = self.0.iter().map(|(name, seconds)| {
            let before = earlier.0.get(name).copied().unwrap_or(0.0);
            (name.clone(), (seconds - before).max(0.0))
        });
        Self(difference.collect())
    }

    /// Of all threads.
    pub fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// Of the threads with this name.
    pub fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// By thread name, the greatest first.
    pub fn by_name(&self) -> Vec<(&str, f64)> {
        let mut rows: Vec<_> = self
            .0
            .iter()
            .map(|(name, seconds)| (name.as_str(), *seconds))
            .collect();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        rows
    }
}

/// The threads of a pool count as one; the kernel cuts names at 15 bytes.
fn group(name: &str) -> String {
    let name = name.strip_prefix("moraine-").unwrap_or(name);
    if name.starts_with("iou-") {
        return "ring worker".to_owned();
    }
    name.trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches('-')
        .to_owned()
}
