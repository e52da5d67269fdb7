//! What the engine's parts cost, each alone, beside what the disk and the hashes cost by themselves:
//! `engine FOLDER [PART ...] [--rounds N]`.
//!
//! Each result is a readable line, and the same as a line of JSON. Where two things are compared, they take turns within
//! the run, and the ratio is given with its spread: a figure from another run, or another hour, says nothing on a shared
//! machine. FOLDER must be on the disk that is to be measured; what is made there is removed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a measurement ends with a panic when something goes wrong, and prints what it found"
)]

mod append;
mod corpus;
mod cpu;
mod fio;
mod hashing;
mod indexes;
mod put;
mod reads;
mod recovery;
mod report;

use std::path::{Path, PathBuf};

/// Rounds of each pair, unless told otherwise.
const ROUNDS: usize = 7;

type Part = (&'static str, fn(&Path, usize));

const PARTS: [Part; 7] = [
    ("hashing", hashing::run),
    ("append", append::run),
    ("put", put::run),
    ("reads", reads::run),
    ("lookup", indexes::lookup),
    ("index", indexes::build),
    ("recovery", recovery::run),
];

fn main() {
    let mut folder = None;
    let mut wanted = Vec::new();
    let mut rounds = ROUNDS;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            rounds = arguments.next().unwrap().parse().unwrap();
        } else if folder.is_none() {
            folder = Some(PathBuf::from(argument));
        } else {
            assert!(
                PARTS.iter().any(|(name, _)| *name == argument),
                "no such part: {argument}"
            );
            wanted.push(argument);
        }
    }
    let folder = folder.expect("engine FOLDER [PART ...] [--rounds N]");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, run) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|part| part == name) {
            run(&folder, rounds);
        }
    }
}

/// An empty folder for one measurement.
fn scratch(folder: &Path, name: &str) -> PathBuf {
    let dir = folder.join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
