//! The hash index by itself: filling it from nothing, and asking it for what it knows and what it does not.

use crate::cpu::Cpu;
use crate::report::print;
use crate::scratch;
use moraine_engine::index::hash::{HashConfig, HashIndex, Location, MmapSource};
use moraine_engine::io::probe::{IoChoice, choose};
use moraine_engine::{Id, NodeId, Offset, SegmentNumber};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const ENTRIES: u64 = 1_000_000;
/// Extents of 64 KiB in a segment.
const IN_SEGMENT: u64 = 4_000;

fn id(number: u64) -> Id {
    Id::of(&number.to_le_bytes())
}

fn location(number: u64) -> Location {
    Location {
        node: NodeId(1),
        segment: SegmentNumber(1 + number / IN_SEGMENT),
        offset: Offset(8192 + (number % IN_SEGMENT) * (65536 + 512)),
        size_hint: 65536,
    }
}

/// An index with a million entries; inserts a second.
fn fill(dir: &Path, ids: &[Id]) -> (HashIndex, f64, f64) {
    let (disk, _) = choose(dir, IoChoice::Auto).unwrap();
    std::fs::create_dir_all(dir.join("index")).unwrap();
    let pages = Arc::new(MmapSource::new(dir.to_owned(), false));
    let (index, _) = HashIndex::open(disk, pages, [7; 16], HashConfig::default()).unwrap();
    let (cpu, start) = (Cpu::now(), Instant::now());
    for (number, id) in (0..).zip(ids) {
        index
            .insert(id, location(number), &mut |_| Ok(false))
            .unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    let used = Cpu::now().since(&cpu).total() * 1e9 / ids.len() as f64;
    (index, ids.len() as f64 / seconds, used)
}

/// Inserts into an empty index until it holds a million.
pub fn build(folder: &Path, rounds: usize) {
    let ids: Vec<Id> = (0..ENTRIES).map(id).collect();
    let (mut speed, mut cpu, mut size) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let dir = scratch(folder, "index");
        let (index, inserts, used) = fill(&dir, &ids);
        speed.push(inserts);
        cpu.push(used);
        size.push(index.stats().bytes as f64 / ENTRIES as f64);
        drop(index);
        std::fs::remove_dir_all(dir).unwrap();
    }
    let values = [
        ("inserts/s", speed),
        ("cpu_ns/insert", cpu),
        ("bytes/entry", size),
    ];
    print("hash index build, 1 M", &values);
}

/// Lookups of known and of unknown ids, in random order, one thread.
pub fn lookup(folder: &Path, rounds: usize) {
    let ids: Vec<Id> = (0..ENTRIES).map(id).collect();
    let unknown: Vec<Id> = (ENTRIES..2 * ENTRIES).map(id).collect();
    let dir = scratch(folder, "index");
    let (index, _, _) = fill(&dir, &ids);
    for (name, asked) in [("known", &ids), ("unknown", &unknown)] {
        let mut speed = Vec::new();
        for _ in 0..rounds {
            let start = Instant::now();
            for step in 0..ENTRIES {
                // A stride without a common divisor: each id once, no two neighbours.
                let at = usize::try_from(step * 618_033 % ENTRIES).unwrap();
                black_box(index.lookup(&asked[at]));
            }
            speed.push(ENTRIES as f64 / start.elapsed().as_secs_f64());
        }
        print(
            &format!("hash index lookup, {name}"),
            &[("lookups/s", speed)],
        );
    }
    drop(index);
    std::fs::remove_dir_all(dir).unwrap();
}
