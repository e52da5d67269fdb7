//! Every input that is kept in `corpus/` passes its target: seeds, and what fuzzing found interesting or broken.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use moraine_fuzz::TARGETS;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Bytes of the whole corpus: it is cloned by everyone and replayed by every test run.
const BYTES_MAX: u64 = 1 << 20;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = corpus().join(target);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_input_passes() {
    for (name, target) in TARGETS {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "{name} has no input");
        for input in &inputs {
            // Printed by a test that fails, so that the last one is the culprit.
            println!("{}", input.display());
            target(&std::fs::read(input).unwrap());
        }
    }
}

#[test]
fn every_folder_has_a_target_and_all_are_small() {
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let entries = std::fs::read_dir(corpus()).unwrap();
    let folders: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, known);
    let sizes = TARGETS.iter().flat_map(|(name, _)| inputs(name));
    let bytes: u64 = sizes.map(|input| input.metadata().unwrap().len()).sum();
    assert!(bytes <= BYTES_MAX, "the corpus has {bytes} bytes");
}

#[test]
fn no_input_at_all_and_zeros_pass() {
    for (name, target) in TARGETS {
        for length in [0, 1, 64, 5000] {
            println!("{name}: {length} zeros");
            target(&vec![0; length]);
        }
    }
}
