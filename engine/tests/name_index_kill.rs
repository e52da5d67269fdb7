//! A process that is killed while it writes: the store on disk comes back as it was after some commit, persisted ones
//! included.
//!
//! The test runs itself as a child with `NAMES_CHILD` set; the child writes until it is killed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed test is what a panic means here; what it prints shows only then"
)]

mod name_index_common;

use moraine_engine::index::Covered;
use moraine_engine::index::names::{NameChange, Visit};
use moraine_engine::{Hlc, LogPoint, NodeId, Offset, SegmentNumber};
use name_index_common::*;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const SEED: u64 = 7;

fn covered(commits: u64) -> Covered {
    let point = LogPoint {
        segment: SegmentNumber(1),
        offset: Offset(commits),
    };
    Covered::from([(NodeId(1), point)])
}

/// What the commit with this number changes.
fn changes(number: u64) -> Vec<NameChange> {
    let mut random = Random::new(SEED + number);
    (0..6).map(|_| change(&mut random)).collect()
}

fn commits_in(found: &Covered) -> u64 {
    found.get(&NodeId(1)).map_or(0, |point| point.offset.0)
}

/// Writes for ever; says after each persist how many commits it holds.
fn child(path: &Path) {
    let index = disk_index(path);
    let first = commits_in(&index.covered()) + 1;
    for number in first.. {
        index
            .apply(&changes(number), &covered(number), Hlc(0))
            .unwrap();
        if number % 5 == 0 {
            index.persist().unwrap();
            println!("persisted {number}");
        }
    }
}

#[test]
fn a_killed_process_leaves_whole_commits_and_all_that_were_persisted() {
    if let Ok(path) = std::env::var("NAMES_CHILD") {
        child(Path::new(&path));
    }
    let folder = Folder::new();
    let mut persisted = 0;
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--nocapture", "--exact"])
            .arg("a_killed_process_leaves_whole_commits_and_all_that_were_persisted")
            .env("NAMES_CHILD", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let marks = lines.filter_map(|line| line.unwrap().strip_prefix("persisted ")?.parse().ok());
        persisted = marks.take(20 * round).last().unwrap_or(persisted);
        child.kill().unwrap();
        child.wait().unwrap();

        let index = disk_index(folder.path());
        let commits = commits_in(&index.covered());
        assert!(
            commits >= persisted,
            "{commits} commits, {persisted} persisted"
        );
        let mut model = Model::default();
        (1..=commits)
            .flat_map(changes)
            .for_each(|change| model.apply(&change));
        let mut rows = model.rows.iter();
        index
            .for_each(&mut |name, row| {
                assert_eq!(rows.next(), Some((&name, &row)));
                Ok(Visit::Continue)
            })
            .unwrap();
        assert_eq!(rows.next(), None);
        index.check(&mut |found| panic!("{found}")).unwrap();
    }
}
