//! Cost as the work grows: `growth [--levels 10000,1000000,10000000] [--seconds 900] [--folder target/growth]`.
//!
//! Fills a store through the engine, and at each level measures PUT, GET, LIST, starts, memory and disk. Then the sizes and
//! the rebuild that have aims. Prints a table (Markdown) and JSON. Names have their own contents up to a million; after
//! that contents repeat, so that ten million names fit on a small disk. Everything that it writes is removed at the end.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a measurement ends with a panic when something goes wrong, and prints what it found"
)]

mod load;
mod meter;
mod phases;
mod report;

use report::Figures;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names that are put with a stop watch at each level, and that a kill leaves behind the last checkpoint: less than a
/// checkpoint's worth of log, so that all levels replay the same.
const MEASURED: u64 = 20_000;

struct Arguments {
    levels: Vec<u64>,
    seconds: u64,
    folder: PathBuf,
    /// A phase and its numbers: what the program calls itself with.
    phase: Vec<String>,
}

impl Arguments {
    fn read() -> Self {
        let mut found = Self {
            levels: vec![10_000, 1_000_000, 10_000_000],
            seconds: 900,
            folder: PathBuf::from("target/growth"),
            phase: Vec::new(),
        };
        let mut rest = std::env::args().skip(1);
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().unwrap();
            match argument.as_str() {
                "--levels" => {
                    let levels = value();
                    found.levels = levels.split(',').map(|it| it.parse().unwrap()).collect();
                }
                "--seconds" => found.seconds = value().parse().unwrap(),
                "--folder" => found.folder = value().into(),
                "--phase" => found.phase = rest.by_ref().collect(),
                other => panic!("what is {other}? see the top of benches/src/bin/growth/main.rs"),
            }
        }
        found
    }
}

async fn run_phase(folder: &Path, phase: &[String]) {
    let numbers: Vec<u64> = phase[1..].iter().map(|it| it.parse().unwrap()).collect();
    match (phase[0].as_str(), numbers.as_slice()) {
        ("fill", &[from, to, seconds]) => phases::fill(folder, from, to, seconds).await,
        ("uses", &[from, to]) => phases::uses(folder, from, to).await,
        ("tail", &[from, to]) => phases::tail(folder, from, to).await,
        ("start after kill", &[names]) => phases::start(folder, names, "start after kill").await,
        ("rebuild", &[names]) => phases::start(folder, names, "rebuild").await,
        ("overhead", &[count, block]) => phases::overhead(folder, count, block).await,
        ("hash", &[entries]) => phases::hash(folder, entries),
        other => panic!("no such phase: {other:?}"),
    }
}

/// Runs a phase in a process of its own.
fn child(folder: &Path, phase: &str, numbers: &[u64]) -> Figures {
    let out = Command::new(std::env::current_exe().unwrap())
        .arg("--folder")
        .arg(folder)
        .args(["--phase", phase])
        .args(numbers.iter().map(u64::to_string))
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap();
    assert!(out.status.success() || phase == "tail", "{phase} failed");
    let figures = Figures::parse(&String::from_utf8(out.stdout).unwrap());
    eprintln!("{phase} {numbers:?}: {figures}");
    figures
}

/// Brings the store to `names` names and measures it there; how many names it holds then.
fn level(folder: &Path, from: u64, names: u64, seconds: u64) -> (Figures, u64) {
    let filled = child(folder, "fill", &[from, names, seconds]);
    let filled_to = filled.get("end") as u64;
    let mut figures = filled;
    let to = filled_to + MEASURED;
    figures.take(child(folder, "uses", &[filled_to, to]));
    for part in ["log", "index/hash", "index/names"] {
        let bytes = meter::bytes_in(&folder.join(part)) as f64;
        figures.set(&format!("{part} MiB"), bytes / f64::from(1 << 20));
        figures.set(&format!("{part} bytes a name"), bytes / to as f64);
    }
    let tail = child(folder, "tail", &[to, to + MEASURED]);
    let end = tail.get("end") as u64;
    figures.set("checkpoints in the tail", tail.get("checkpoints"));
    figures.take(child(folder, "start after kill", &[end]));
    (figures, end)
}

/// Removes both indexes and times the start that makes them anew.
fn rebuild(folder: &Path, names: u64) -> Figures {
    std::fs::remove_dir_all(folder.join("index")).unwrap();
    let mut figures = child(folder, "rebuild", &[names]);
    let rate = figures.get("records") / figures.get("rebuild s");
    figures.set("rebuild records per s", rate);
    figures
}

fn aims(folder: &Path, figures: &mut Figures) {
    for entries in [1_000_000, 10_000_000] {
        let alone = folder.join(format!("hash-{entries}"));
        figures.take_as(&format!("{entries}: "), child(&alone, "hash", &[entries]));
    }
    for block in [4096, 512] {
        let large = folder.join(format!("large-{block}"));
        let found = child(&large, "overhead", &[16_384, block]);
        let content = found.get("content bytes");
        let log = meter::bytes_in(&large.join("log")) as f64;
        let index = meter::bytes_in(&large.join("index")) as f64;
        figures.take_as(&format!("blocks of {block}: "), found);
        let percent = |bytes: f64| (bytes / content - 1.0) * 100.0;
        figures.set(&format!("blocks of {block}: log %"), percent(log));
        let both = percent(log + index);
        figures.set(&format!("blocks of {block}: with indexes %"), both);
        std::fs::remove_dir_all(&large).unwrap();
    }
}

fn main() {
    let arguments = Arguments::read();
    let folder = &arguments.folder;
    if !arguments.phase.is_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime
            .unwrap()
            .block_on(run_phase(folder, &arguments.phase));
        return;
    }
    assert!(!folder.exists(), "{} is in the way", folder.display());
    let store = folder.join("store");
    std::fs::create_dir_all(&store).unwrap();
    let mut columns = Vec::new();
    let mut names = 0;
    for wanted in &arguments.levels {
        let (mut figures, end) = level(&store, names, *wanted, arguments.seconds);
        figures.take(rebuild(&store, end));
        names = end;
        if end < *wanted {
            eprintln!("{wanted} names were not reached in time: {end} are what was measured");
        }
        columns.push((end, figures));
    }
    std::fs::remove_dir_all(&store).unwrap();
    let mut alone = Figures::default();
    aims(folder, &mut alone);
    std::fs::remove_dir_all(folder).unwrap();
    report::print(&columns, &alone);
}
