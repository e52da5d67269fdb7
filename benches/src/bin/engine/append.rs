//! Appends of 64 KiB from 16 writers, each waiting until its own is durable, beside `fio` on the same disk.
//!
//! The log writer alone: no index, no names, checksums computed beforehand. *Within one segment* is from the first append
//! behind a segment's creation to the last before its end, once with blocks that were written before (a prepared segment)
//! and once with blocks that were only allocated. *Sustained* is over many segments, with all that sealing and
//! creating them takes.

use crate::corpus::payload;
use crate::cpu::Cpu;
use crate::report::{mib_per_s, per_gib, print};
use crate::{fio, scratch};
use moraine_engine::Geometry;
use moraine_engine::measure::LogAlone;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const LEN: usize = 64 << 10;
const WRITERS: u64 = 16;
/// One segment, and what `fio` writes.
const SEGMENT_MIB: u64 = 512;
/// Of it, what is appended: the rest is for framing and the footer.
const WITHIN_MIB: u64 = SEGMENT_MIB - 8;
/// Over many segments of the usual length.
const SUSTAINED_MIB: u64 = 1536;

/// What a run of appends took.
struct Took {
    mib_per_s: f64,
    cpu: f64,
    writer: f64,
    appends_per_batch: f64,
}

/// Appends `mib` from 16 tasks on one thread.
fn append(log: &Arc<LogAlone>, mib: u64) -> Took {
    let each = (mib << 20) / LEN as u64 / WRITERS;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let prepared: Vec<_> = (0..WRITERS)
        .map(|number| log.prepare(payload(number, LEN)))
        .collect();
    let (before, cpu) = (log.stats().batches, Cpu::now());
    let start = Instant::now();
    runtime.block_on(async {
        let writers: Vec<_> = prepared
            .into_iter()
            .map(|prepared| {
                let log = Arc::clone(log);
                tokio::spawn(async move {
                    for _ in 0..each {
                        log.append(&prepared).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let bytes = each * WRITERS * LEN as u64;
    let cpu = Cpu::now().since(&cpu);
    Took {
        mib_per_s: mib_per_s(bytes, seconds),
        cpu: per_gib(cpu.total(), bytes),
        writer: per_gib(cpu.of("log-wri"), bytes),
        appends_per_batch: (each * WRITERS) as f64 / (log.stats().batches - before) as f64,
    }
}

/// A way to append, and what its rounds took.
struct Kind {
    name: &'static str,
    segment_mib: u64,
    mib: u64,
    prepared: bool,
    speed: Vec<f64>,
    cpu: Vec<f64>,
    writer: Vec<f64>,
    per_batch: Vec<f64>,
    ratio: Vec<f64>,
}

impl Kind {
    const fn new(name: &'static str, segment_mib: u64, mib: u64, prepared: bool) -> Self {
        Self {
            name,
            segment_mib,
            mib,
            prepared,
            speed: Vec::new(),
            cpu: Vec::new(),
            writer: Vec::new(),
            per_batch: Vec::new(),
            ratio: Vec::new(),
        }
    }

    fn run(&mut self, folder: &Path, fio: f64) {
        let dir = scratch(folder, "log");
        let geometry = Geometry {
            segment_bytes: self.segment_mib << 20,
            ..Geometry::default()
        };
        let log = Arc::new(LogAlone::start(&dir, geometry, self.prepared).unwrap());
        // The first append makes the segment, and wakes everybody.
        append(&log, 2);
        let took = append(&log, self.mib);
        self.speed.push(took.mib_per_s);
        self.cpu.push(took.cpu);
        self.writer.push(took.writer);
        self.per_batch.push(took.appends_per_batch);
        self.ratio.push(took.mib_per_s / fio);
        drop(log);
        std::fs::remove_dir_all(dir).unwrap();
    }
}

/// All kinds and `fio`, in turns.
pub fn run(folder: &Path, rounds: usize) {
    if !fio::is_here() {
        println!("append: left out, since it is measured beside fio, which is not installed");
        return;
    }
    let file = folder.join("fio");
    let mut kinds = [
        Kind::new("append within prepared", SEGMENT_MIB, WITHIN_MIB, true),
        Kind::new("append within allocated", SEGMENT_MIB, WITHIN_MIB, false),
        Kind::new("append sustained", 256, SUSTAINED_MIB, false),
    ];
    let mut alone = Vec::new();
    fio::sequential(&file, SEGMENT_MIB, true);
    for _ in 0..rounds {
        for kind in &mut kinds {
            let fio = fio::sequential(&file, SEGMENT_MIB, false);
            alone.push(fio);
            kind.run(folder, fio);
        }
    }
    std::fs::remove_file(&file).unwrap();
    print("fio 1 MiB QD8 O_DIRECT", &[("MiB/s", alone)]);
    for kind in kinds {
        let values = [
            ("MiB/s", kind.speed),
            ("of_fio", kind.ratio),
            ("cpu_s/GiB", kind.cpu),
            ("writer_cpu_s/GiB", kind.writer),
            ("appends/batch", kind.per_batch),
        ];
        print(kind.name, &values);
    }
}
