//! The machine that figures were taken on: without it they mean little.

use crate::compare::nginx;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What matters of a machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// The processor's name.
    pub processor: String,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// The kernel.
    pub kernel: String,
    /// The file system of the data.
    pub file_system: String,
    /// nginx.
    pub nginx: String,
    /// The commit of the source tree, if there is one.
    pub commit: String,
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

/// The type of the file system with the longest mount point above `folder` (proc(5), `/proc/mounts`).
fn file_system(mounts: &str, folder: &Path) -> String {
    let mut best = (0, "unknown");
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (fields.next(), fields.next()) else {
            continue;
        };
        if folder.starts_with(point) && point.len() >= best.0 {
            best = (point.len(), kind);
        }
    }
    best.1.to_owned()
}

impl Machine {
    /// This machine, with the data in `folder`.
    #[expect(clippy::cast_precision_loss, reason = "for a figure that people read")]
    pub fn here(folder: &Path) -> Self {
        let kib: u64 = value(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.trim_end_matches(" kB").parse().ok())
            .unwrap_or(0);
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let git = Command::new("git")
            .args(["rev-parse", "--short", "HEAD"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: value(&read("/proc/cpuinfo"), "model name")
                .unwrap_or("unknown")
                .to_owned(),
            memory_gib: kib as f64 / f64::from(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/mounts"), &folder),
            nginx: nginx::version(),
            commit: git
                .map(|git| String::from_utf8_lossy(&git.stdout).trim().to_owned())
                .unwrap_or_default(),
        }
    }

    /// One line.
    pub fn line(&self) -> String {
        format!(
            "{} cores ({}), {:.0} GiB of memory, Linux {}, {}; {}; commit {}",
            self.cores,
            self.processor,
            self.memory_gib,
            self.kernel,
            self.file_system,
            self.nginx,
            self.commit
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts =
            "/dev/a / ext4 rw 0 0\ntmpfs /srv tmpfs rw 0 0\n/dev/b /srv/media xfs rw 0 0\n";
        for (folder, kind) in [
            ("/home", "ext4"),
            ("/srv/other", "tmpfs"),
            ("/srv/media/x", "xfs"),
            ("/srv/mediax", "tmpfs"),
        ] {
            assert_eq!(file_system(mounts, Path::new(folder)), kind, "{folder}");
        }
    }
}
