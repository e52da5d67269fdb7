//! Bytes of the store on disk that changed while it was closed: told as a rebuild, or harmless; no panic, no wrong rows.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed test is what a panic means here; what it prints shows only then"
)]

mod name_index_common;

use moraine_engine::format::NameKey;
use moraine_engine::index::Covered;
use moraine_engine::index::names::{DiskKv, NameIndex, NameRow, NamesError, RebuildReason, Visit};
use moraine_engine::{Hlc, LogPoint, NodeId, Offset, SegmentNumber};
use name_index_common::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const COMMITS: u64 = 60;

/// The rows after each number of commits.
type History = BTreeMap<Covered, BTreeMap<NameKey, NameRow>>;

fn covered(commits: u64) -> Covered {
    let point = LogPoint {
        segment: SegmentNumber(1),
        offset: Offset(commits),
    };
    Covered::from([(NodeId(1), point)])
}

/// A closed store with flushed tables and a journal, and what it held after each commit.
fn build(path: &Path) -> History {
    let mut random = Random::new(42);
    let mut model = Model::default();
    let mut history = History::from([(Covered::new(), BTreeMap::new())]);
    let index = disk_index(path);
    for number in 1..=COMMITS {
        let changes: Vec<_> = (0..6).map(|_| change(&mut random)).collect();
        changes.iter().for_each(|change| model.apply(change));
        index.apply(&changes, &covered(number), Hlc(0)).unwrap();
        history.insert(covered(number), model.rows.clone());
    }
    index.persist().unwrap();
    let tables = path.join("keyspaces/1/tables");
    while files(&tables).is_empty() {
        // The flush was asked for; the file appears when the other thread has made it.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(index);
    for file in files(path) {
        // The journal is laid out ahead; without that the copies are small.
        if file.extension().is_some_and(|extension| extension == "jnl") {
            let used = used(&std::fs::read(&file).unwrap());
            let journal = std::fs::File::options().write(true).open(&file).unwrap();
            journal.set_len(used as u64).unwrap();
        }
    }
    history
}

/// The length without the zeros at the end.
fn used(content: &[u8]) -> usize {
    content
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn read(path: &Path) -> Result<(Covered, BTreeMap<NameKey, NameRow>), NamesError> {
    let index = NameIndex::open(Box::new(DiskKv::open(path, TINY)?), STORE)?;
    let mut rows = BTreeMap::new();
    index.for_each(&mut |name, row| {
        rows.insert(name, row);
        Ok(Visit::Continue)
    })?;
    let mut contradictions = Vec::new();
    index.check(&mut |found| contradictions.push(found))?;
    assert_eq!(contradictions, []);
    Ok((index.covered(), rows))
}

/// What came of a damaged store, for the summary.
fn judge(path: &Path, history: &History, what: &str) -> &'static str {
    match read(path) {
        Err(NamesError::Rebuild(_)) => "rebuild",
        Err(other) => panic!("{what}: {other}"),
        Ok((covered, rows)) => {
            assert!(
                history.get(&covered) == Some(&rows),
                "{what}: wrong rows at {covered:?}"
            );
            if history.last_key_value().unwrap().0 == &covered {
                "no loss"
            } else {
                "rolled back"
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_told_or_rolls_back_to_a_commit() {
    let folder = Folder::new();
    let history = build(&folder.path());
    let copied = folder.path().with_extension("copy");
    let mut summary: BTreeMap<(String, &str), u64> = BTreeMap::new();
    let every: usize =
        std::env::var("NAMES_FLIP_EVERY").map_or(499, |every| every.parse().unwrap());
    let mut number = 0;
    for file in files(&folder.path()) {
        let relative = file.strip_prefix(folder.path()).unwrap().to_owned();
        let content = std::fs::read(&file).unwrap();
        for at in 0..used(&content) {
            number += 1;
            if number % every != 0 {
                continue;
            }
            copy(&folder.path(), &copied);
            let mut bad = content.clone();
            bad[at] ^= 1 << (number / every % 8);
            std::fs::write(copied.join(&relative), bad).unwrap();
            let what = format!("{} byte {at}", relative.display());
            let outcome = judge(&copied, &history, &what);
            *summary
                .entry((relative.display().to_string(), outcome))
                .or_default() += 1;
            std::fs::remove_dir_all(&copied).unwrap();
        }
    }
    println!("{summary:#?}");
    assert!(summary.keys().any(|(_, outcome)| *outcome == "rebuild"));
}

#[test]
fn a_missing_or_shortened_file_is_told_or_rolls_back_to_a_commit() {
    let folder = Folder::new();
    let history = build(&folder.path());
    let copied = folder.path().with_extension("copy");
    for file in files(&folder.path()) {
        let relative = file.strip_prefix(folder.path()).unwrap().to_owned();
        let content = std::fs::read(&file).unwrap();
        for keep in [None, Some(0), Some(content.len() / 2)] {
            copy(&folder.path(), &copied);
            let target = copied.join(&relative);
            match keep {
                None => std::fs::remove_file(target).unwrap(),
                Some(len) => std::fs::write(target, &content[..len]).unwrap(),
            }
            let what = format!("{} kept {keep:?}", relative.display());
            println!("{what}: {}", judge(&copied, &history, &what));
            std::fs::remove_dir_all(&copied).unwrap();
        }
    }
}

#[test]
fn a_removed_store_opens_empty_and_a_half_removed_one_not_at_all() {
    let folder = Folder::new();
    build(&folder.path());
    std::fs::write(folder.path().join("removed"), b"").unwrap();
    assert!(matches!(
        read(&folder.path()),
        Err(NamesError::Rebuild(RebuildReason::Storage(_)))
    ));
    DiskKv::remove(&folder.path()).unwrap();
    DiskKv::remove(&folder.path()).unwrap();
    assert_eq!(
        read(&folder.path()).unwrap(),
        (Covered::new(), BTreeMap::new())
    );
}

#[test]
fn an_index_that_cannot_be_gone_on_with_is_emptied_and_says_why() {
    let folder = Folder::new();
    let path = folder.path();
    build(&path);
    let open = |store| {
        NameIndex::open_or_empty(
            store,
            || Ok(Box::new(DiskKv::open(&path, TINY)?)),
            || DiskKv::remove(&path),
        )
        .unwrap()
    };
    assert_eq!(open(STORE).1, None);
    let (index, reason) = open([8; 16]);
    assert_eq!(reason, Some(RebuildReason::OtherStore { found: STORE }));
    assert_eq!(index.covered(), Covered::new());
    drop(index);
    assert_eq!(open([8; 16]).1, None);
    std::fs::remove_file(path.join("version")).unwrap();
    assert!(matches!(open([8; 16]).1, Some(RebuildReason::Storage(_))));
}

/// A link may lead to the wrong place: what lies there is someone's.
#[test]
fn a_linked_folder_is_emptied_only_of_what_an_index_makes() {
    let (folder, linked) = (Folder::new(), Folder::new());
    let (target, link) = (folder.path(), linked.path());
    std::os::unix::fs::symlink(&target, &link).unwrap();
    build(&target);
    DiskKv::remove(&link).unwrap();
    assert!(link.is_symlink() && files(&target).is_empty());
    // Also one that looks like an index, but for one file.
    for strangers in [&["letter"][..], &["letter", "version", "lock", "0.jnl"][..]] {
        for name in strangers {
            std::fs::write(target.join(name), b"not an index").unwrap();
        }
        let opened = NameIndex::open_or_empty(
            STORE,
            || Ok(Box::new(DiskKv::open(&link, TINY)?)),
            || DiskKv::remove(&link),
        );
        match opened {
            Err(NamesError::NotOurs { found, .. }) => assert_eq!(found, "letter"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was opened"),
        }
        for name in strangers {
            let kept = std::fs::read(target.join(name)).unwrap();
            assert_eq!(kept, b"not an index", "{name}");
        }
    }
}

#[test]
fn a_second_handle_is_refused() {
    let folder = Folder::new();
    let first = disk_index(folder.path());
    assert!(matches!(
        DiskKv::open(&folder.path(), TINY),
        Err(NamesError::Locked)
    ));
    drop(first);
    disk_index(folder.path());
}

#[test]
fn a_check_reads_a_copy_and_changes_nothing() {
    let folder = Folder::new();
    let history = build(&folder.path());
    let contents = || {
        let read = |file: PathBuf| (std::fs::read(&file).unwrap(), file);
        files(&folder.path())
            .into_iter()
            .map(read)
            .collect::<Vec<_>>()
    };
    let before = contents();
    let scratch = folder.path().with_extension("check");
    let kv = DiskKv::open_for_check(&folder.path(), &scratch, TINY).unwrap();
    let index = NameIndex::open(Box::new(kv), STORE).unwrap();
    assert_eq!(index.covered(), covered(COMMITS));
    let mut rows = 0;
    index
        .for_each(&mut |_, _| {
            rows += 1;
            Ok(Visit::Continue)
        })
        .unwrap();
    assert_eq!(rows, history[&covered(COMMITS)].len());
    drop(index);
    assert!(!scratch.exists());
    assert!(contents() == before);
}

#[test]
fn a_suspect_store_is_read_whole_before_it_is_trusted() {
    let folder = Folder::new();
    build(&folder.path());
    let suspect = folder.path().join("suspect");
    std::fs::write(&suspect, b"").unwrap();
    drop(DiskKv::open(&folder.path(), TINY).unwrap());
    assert!(!suspect.exists());

    let tables = files(&folder.path().join("keyspaces/1/tables"));
    let mut content = std::fs::read(&tables[0]).unwrap();
    content[100] ^= 1;
    std::fs::write(&tables[0], content).unwrap();
    std::fs::write(&suspect, b"").unwrap();
    assert!(matches!(
        DiskKv::open(&folder.path(), TINY),
        Err(NamesError::Rebuild(RebuildReason::Storage(_)))
    ));
    assert!(suspect.exists());
}
