//! What the kernel says about this process, under the names that Prometheus has for it everywhere. What cannot be read is
//! left out: a container may hide it.

use std::fs;

/// Ticks of the clock in which the kernel counts CPU time; Linux shows 100 a second to every program.
const TICKS_PER_S: f64 = 100.0;

/// A figure: its name, its type, what it means, and its value.
pub type Figure = (&'static str, &'static str, &'static str, f64);

/// All figures that can be read now.
pub fn figures() -> Vec<Figure> {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
    let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    #[rustfmt::skip]
    let found = [
        ("process_cpu_seconds_total", "counter", "CPU time of user and system",
            read("stat").and_then(|text| cpu_s(&text))),
        ("process_resident_memory_bytes", "gauge", "Memory in use, mapped pages of the indexes included",
            read("status").and_then(|text| resident_bytes(&text))),
        ("process_open_fds", "gauge", "Open file descriptors",
            open.and_then(number)),
        ("process_max_fds", "gauge", "The limit of open file descriptors",
            read("limits").and_then(|text| fds_max(&text))),
    ];
    found
        .into_iter()
        .filter_map(|(name, kind, help, value)| Some((name, kind, help, value?)))
        .collect()
}

fn number(count: usize) -> Option<f64> {
    u32::try_from(count).ok().map(f64::from)
}

/// User and system time are the 14th and 15th field; the second is the program's name, which may hold anything.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_S)
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// The soft limit, which is the one that counts.
fn fds_max(limits: &str) -> Option<f64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 1 0 100 1000 10";
        assert_eq!(cpu_s(stat), Some(2.0));
        assert_eq!(
            resident_bytes("VmPeak:\t9 kB\nVmRSS:\t  12 kB\n"),
            Some(12288.0)
        );
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!(fds_max(limits), Some(1024.0));
        assert_eq!(cpu_s(""), None);
        assert_eq!(resident_bytes("VmRSS: many"), None);
    }

    #[test]
    fn this_process_has_all_of_them() {
        let found = figures();
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.iter().all(|(.., value)| *value >= 0.0));
    }
}
