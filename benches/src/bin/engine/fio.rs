//! The measure: `fio`, writing sequentially with O_DIRECT, 1 MiB at a time, 8 in flight.

use std::path::Path;
use std::process::Command;

/// Whether it is installed.
pub fn is_here() -> bool {
    Command::new("fio").arg("--version").output().is_ok()
}

/// Writes `mib` once through, into `file`, which was written before; MiB a second. With `synced`, the sync at the end counts.
pub fn sequential(file: &Path, mib: u64, synced: bool) -> f64 {
    let output = Command::new("fio")
        .args(["--name=fio", "--rw=write", "--bs=1M", "--iodepth=8"])
        .args(["--ioengine=io_uring", "--direct=1", "--overwrite=1"])
        .arg(format!("--filename={}", file.display()))
        .arg(format!("--size={mib}M"))
        .arg(format!("--end_fsync={}", u8::from(synced)))
        .args(["--output-format=terse", "--terse-version=3"])
        .output()
        .expect("fio is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let fields: Vec<&str> = text
        .trim()
        .lines()
        .last()
        .unwrap_or("")
        .split(';')
        .collect();
    // Terse version 3: field 47 (counted from 0) is the write bandwidth in KiB/s.
    let kib: f64 = fields.get(47).and_then(|it| it.parse().ok()).unwrap_or(0.0);
    assert!(kib > 0.0, "fio said: {text}");
    kib / 1024.0
}
