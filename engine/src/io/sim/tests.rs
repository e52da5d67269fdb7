//! The simulated disk keeps its own promises: what survives which crash, and how faults show.

use super::{CrashMode, FaultKind, Repeat, SimConfig, SimDisk};
use crate::io::{AlignedBuf, Disk, DiskPath, File, OpenMode};
use crate::sync::Arc;

fn path(name: &str) -> DiskPath {
    DiskPath::root().join(name)
}

fn filled(len: usize, byte: u8) -> AlignedBuf {
    let mut buf = AlignedBuf::zeroed(len);
    buf.fill(byte);
    buf
}

fn disk() -> Arc<SimDisk> {
    SimDisk::new(7, SimConfig::default())
}

/// A file whose entry is durable and whose content is not there yet.
fn durable_entry(disk: &SimDisk, name: &str) -> Arc<dyn File> {
    let file = disk.open(&path(name), OpenMode::CreateDirect).unwrap();
    disk.sync_dir(&DiskPath::root()).unwrap();
    file
}

#[test]
fn a_synced_write_survives_and_an_unsynced_one_is_lost() {
    let disk = disk();
    let file = durable_entry(&disk, "a");
    file.write_at(&filled(512, 1), 0).unwrap();
    file.sync_data().unwrap();
    file.write_at(&filled(512, 2), 512).unwrap();
    assert_eq!(disk.unsynced(), 1);
    disk.crash(CrashMode::LoseAll);
    assert_eq!(disk.read_file("a").unwrap(), vec![1; 512]);
}

#[test]
fn a_file_whose_folder_was_not_synced_disappears() {
    let disk = disk();
    let file = disk.open(&path("a"), OpenMode::CreateDirect).unwrap();
    file.write_at(&filled(512, 1), 0).unwrap();
    file.sync_data().unwrap();
    disk.crash(CrashMode::LoseAll);
    assert!(disk.files().is_empty());
}

#[test]
fn a_synced_entry_without_a_synced_write_is_an_empty_file() {
    let disk = disk();
    let file = durable_entry(&disk, "a");
    file.write_at(&filled(512, 1), 0).unwrap();
    disk.crash(CrashMode::LoseAll);
    assert_eq!(disk.read_file("a").unwrap(), Vec::<u8>::new());
}

#[test]
fn keep_all_keeps_what_was_not_synced() {
    let disk = disk();
    let file = disk.open(&path("a"), OpenMode::CreateDirect).unwrap();
    file.write_at(&filled(512, 1), 0).unwrap();
    disk.crash(CrashMode::KeepAll);
    assert_eq!(disk.read_file("a").unwrap(), vec![1; 512]);
}

#[test]
fn a_prefix_keeps_changes_in_their_order() {
    let disk = disk();
    let file = durable_entry(&disk, "a");
    for block in 0..4 {
        file.write_at(&filled(512, 1), block * 512).unwrap();
    }
    disk.crash(CrashMode::Prefix(3));
    assert_eq!(disk.read_file("a").unwrap(), vec![1; 3 * 512]);
}

#[test]
fn a_torn_write_is_neither_whole_nor_a_change_to_its_neighbours() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed, SimConfig::default());
        let file = durable_entry(&disk, "a");
        file.write_at(&filled(4 * 512, 1), 0).unwrap();
        file.write_at(&filled(4 * 512, 2), 4 * 512).unwrap();
        file.write_at(&filled(512, 3), 8 * 512).unwrap();
        let change = 1;
        disk.crash(CrashMode::TornSector {
            change,
            keep_later: true,
        });
        let content = disk.read_file("a").unwrap();
        assert_eq!(content[..4 * 512], [1; 4 * 512], "seed {seed}");
        assert_ne!(content[4 * 512..8 * 512], [2; 4 * 512], "seed {seed}");
        assert_eq!(content[8 * 512..], [3; 512], "seed {seed}");
    }
}

#[test]
fn a_subset_loses_and_keeps() {
    let (mut kept, mut lost) = (0, 0);
    for seed in 0..50 {
        let disk = SimDisk::new(seed, SimConfig::default());
        let file = durable_entry(&disk, "a");
        file.allocate(10 * 512).unwrap();
        file.sync_data().unwrap();
        for block in 0..10 {
            file.write_at(&filled(512, 1), block * 512).unwrap();
        }
        disk.crash(CrashMode::Subset);
        for sector in disk.read_file("a").unwrap().chunks(512) {
            kept += u32::from(sector == [1; 512]);
            lost += u32::from(sector == [0; 512]);
        }
    }
    assert!(kept > 50 && lost > 50, "kept {kept}, lost {lost}");
}

#[test]
fn a_rename_is_durable_with_its_folder_and_atomic_without() {
    for (mode, synced) in [(CrashMode::LoseAll, true), (CrashMode::KeepAll, false)] {
        let disk = disk();
        disk.write_file("old", b"old");
        disk.write_file("new.tmp", b"new");
        disk.rename(&path("new.tmp"), &path("old")).unwrap();
        if synced {
            disk.sync_dir(&DiskPath::root()).unwrap();
        }
        disk.crash(mode);
        assert_eq!(disk.files(), ["old"]);
        assert_eq!(disk.read_file("old").unwrap(), b"new");
    }
    let disk = disk();
    disk.write_file("old", b"old");
    disk.write_file("new.tmp", b"new");
    disk.rename(&path("new.tmp"), &path("old")).unwrap();
    disk.crash(CrashMode::LoseAll);
    assert_eq!(disk.files(), ["new.tmp", "old"]);
    assert_eq!(disk.read_file("old").unwrap(), b"old");
}

#[test]
fn a_rename_between_folders_needs_both_synced_and_never_loses_the_file() {
    let disk = disk();
    disk.write_file("spare/x", b"x");
    disk.write_file("log/y", b"y");
    let (from, to) = (path("spare").join("x"), path("log").join("x"));
    disk.rename(&from, &to).unwrap();
    disk.sync_dir(&path("log")).unwrap();
    disk.crash(CrashMode::LoseAll);
    assert_eq!(disk.files(), ["log/x", "log/y", "spare/x"]);
    disk.remove(&to).unwrap();
    disk.rename(&from, &to).unwrap();
    disk.sync_dir(&path("spare")).unwrap();
    disk.crash(CrashMode::LoseAll);
    assert_eq!(disk.files(), ["log/x", "log/y"]);
}

#[test]
fn a_lost_rename_is_undone_by_the_crash_though_it_was_synced() {
    let disk = disk();
    disk.write_file("old", b"old");
    disk.write_file("tmp", b"new");
    disk.lose_rename_nth(1);
    disk.rename(&path("tmp"), &path("old")).unwrap();
    disk.sync_dir(&DiskPath::root()).unwrap();
    assert_eq!(disk.read_file("old").unwrap(), b"new");
    disk.crash(CrashMode::KeepAll);
    assert_eq!(disk.read_file("old").unwrap(), b"old");
}

#[test]
fn a_removal_comes_back_unless_its_folder_was_synced() {
    let disk = disk();
    disk.write_file("a", b"a");
    disk.remove(&path("a")).unwrap();
    assert!(!disk.exists(&path("a")).unwrap());
    disk.crash(CrashMode::LoseAll);
    assert!(disk.exists(&path("a")).unwrap());
    disk.remove(&path("a")).unwrap();
    disk.sync_dir(&DiskPath::root()).unwrap();
    disk.crash(CrashMode::LoseAll);
    assert!(!disk.exists(&path("a")).unwrap());
}

#[test]
fn what_lies_in_a_folder_that_was_lost_is_lost() {
    let disk = disk();
    disk.create_dir(&path("d")).unwrap();
    let inside = path("d").join("a");
    let file = disk.open(&inside, OpenMode::CreateDirect).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(&path("d")).unwrap();
    disk.crash(CrashMode::LoseAll);
    assert!(disk.files().is_empty());
    assert!(!disk.exists(&path("d")).unwrap());
}

#[test]
fn a_failed_sync_drops_its_pages_for_good() {
    let disk = disk();
    let file = durable_entry(&disk, "a");
    file.write_at(&filled(512, 1), 0).unwrap();
    disk.fail_sync_nth(1);
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(disk.read_file("a").unwrap(), vec![1; 512]);
    disk.crash(CrashMode::KeepAll);
    assert_eq!(disk.read_file("a").unwrap(), Vec::<u8>::new());
}

#[test]
fn a_sync_covers_only_writes_that_had_completed_when_it_was_submitted() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed, SimConfig::default());
        let file = durable_entry(&disk, "a");
        let mut queue = disk.queue(8).unwrap();
        queue.sync(1, &file);
        queue.write(2, &file, 0, filled(512, 1));
        let mut left = 2;
        while left > 0 {
            left -= queue.wait(None).unwrap().len();
        }
        disk.crash(CrashMode::LoseAll);
        assert_eq!(
            disk.read_file("a").unwrap(),
            Vec::<u8>::new(),
            "seed {seed}"
        );
    }
}

#[test]
fn what_was_in_flight_at_the_crash_may_survive() {
    let mut survived = 0;
    for seed in 0..30 {
        let disk = SimDisk::new(seed, SimConfig::default());
        let file = durable_entry(&disk, "a");
        let mut queue = disk.queue(8).unwrap();
        queue.write(1, &file, 0, filled(512, 1));
        disk.crash(CrashMode::Subset);
        survived += u32::from(!disk.read_file("a").unwrap().is_empty());
        let ended = queue.wait(None).unwrap();
        assert!(ended[0].result.is_err() && ended[0].buf.is_some());
    }
    assert!((1..30).contains(&survived), "{survived} of 30");
}

#[test]
fn the_disk_freezes_at_each_change_and_the_change_may_have_got_through() {
    let work = |disk: &SimDisk| -> std::io::Result<()> {
        let file = disk.open(&path("a"), OpenMode::CreateDirect)?;
        file.write_at(&filled(512, 1), 0)?;
        file.sync_data()?;
        disk.sync_dir(&DiskPath::root())
    };
    let counted = disk();
    work(&counted).unwrap();
    assert_eq!(counted.change_count(), 4);
    for nth in 1..=4 {
        for (mode, survives) in [(CrashMode::LoseAll, false), (CrashMode::KeepAll, true)] {
            let disk = disk();
            disk.crash_at(nth);
            assert!(work(&disk).is_err());
            assert!(disk.is_frozen());
            assert!(disk.list(&DiskPath::root()).is_err());
            disk.crash(mode);
            assert_eq!(!disk.files().is_empty(), survives, "change {nth}, {mode:?}");
        }
    }
}

#[test]
fn handles_of_before_the_crash_are_stale() {
    let disk = disk();
    let file = durable_entry(&disk, "a");
    disk.crash(CrashMode::KeepAll);
    let error = file.len().unwrap_err();
    assert_eq!(error.to_string(), "stale handle after crash");
}

#[test]
fn the_nth_call_fails_once_or_for_good() {
    for (repeat, failures) in [(Repeat::Once, 1), (Repeat::Forever, 4)] {
        let disk = disk();
        disk.fail_nth(2, FaultKind::Eio, repeat);
        let results: Vec<_> = (0..5).map(|_| disk.list(&DiskPath::root())).collect();
        assert!(results[0].is_ok() && results[1].is_err());
        let failed = results.iter().filter(|result| result.is_err()).count();
        assert_eq!(failed, failures);
    }
}

#[test]
fn a_full_disk_refuses_and_takes_again_once_there_is_room() {
    let config = SimConfig {
        capacity: 4096,
        ..SimConfig::default()
    };
    let disk = SimDisk::new(7, config);
    let file = durable_entry(&disk, "a");
    let error = file.allocate(8192).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    file.allocate(4096).unwrap();
    assert_eq!(disk.space().unwrap().free, 0);
    disk.set_capacity(8192);
    file.write_at(&filled(4096, 1), 4096).unwrap();
}

#[test]
fn a_misaligned_operation_past_the_page_cache_is_refused() {
    let disk = disk();
    let file = durable_entry(&disk, "a");
    assert!(file.write_at(&filled(100, 1), 0).is_err());
    assert!(file.write_at(&filled(512, 1), 100).is_err());
    assert!(file.write_at(&filled(1024, 1)[1..513], 0).is_err());
    file.write_at(&filled(512, 1), 512).unwrap();
}

#[test]
fn allocated_space_may_hold_garbage_that_is_the_same_before_and_after_a_crash() {
    let config = SimConfig {
        garbage_in_allocated: true,
        ..SimConfig::default()
    };
    let disk = SimDisk::new(7, config);
    let file = durable_entry(&disk, "a");
    file.allocate(4096).unwrap();
    file.sync_data().unwrap();
    let before = disk.read_file("a").unwrap();
    assert_eq!(before.len(), 4096);
    assert_ne!(before, vec![0; 4096]);
    disk.crash(CrashMode::LoseAll);
    assert_eq!(disk.read_file("a").unwrap(), before);
}

#[test]
fn misdirected_transfers_hit_another_place() {
    let disk = disk();
    let file = durable_entry(&disk, "a");
    file.allocate(2048).unwrap();
    disk.misdirect_write_nth(1, 512);
    file.write_at(&filled(512, 1), 0).unwrap();
    let content = disk.read_file("a").unwrap();
    assert_eq!((content[0], content[512]), (0, 1));
    disk.misdirect_read_nth(1, 512);
    let mut buf = filled(512, 9);
    file.read_at(&mut buf, 0).unwrap();
    assert_eq!(buf[0], 1);
}

#[test]
fn damage_at_rest_is_seen_and_survives_a_crash() {
    let disk = disk();
    disk.write_file("d/a", &[0; 8]);
    disk.flip_bit("d/a", 1, 3).unwrap();
    disk.overwrite("d/a", 4, &[9, 9]).unwrap();
    disk.truncate_file("d/a", 6).unwrap();
    disk.crash(CrashMode::LoseAll);
    assert_eq!(disk.read_file("d/a").unwrap(), [0, 8, 0, 0, 9, 9]);
    assert!(disk.flip_bit("d/a", 6, 0).is_err());
    disk.remove_file("d/a").unwrap();
    assert!(disk.files().is_empty());
}

#[test]
fn a_snapshot_is_gone_back_to_and_started_from() {
    let disk = disk();
    disk.write_file("a", b"one");
    let snapshot = disk.snapshot();
    let file = disk.open(&path("a"), OpenMode::WriteDirect).unwrap();
    file.write_at(&filled(512, 2), 0).unwrap();
    disk.restore(&snapshot);
    assert_eq!(disk.read_file("a").unwrap(), b"one");
    assert!(file.len().is_err());
    let other = SimDisk::from_snapshot(&snapshot, 1);
    other.write_file("a", b"two");
    assert_eq!(disk.read_file("a").unwrap(), b"one");
}

#[test]
fn equal_seeds_leave_equal_traces_and_different_ones_do_not() {
    let trace = |seed| {
        let disk = SimDisk::new(seed, SimConfig::default());
        let file = durable_entry(&disk, "a");
        let mut queue = disk.queue(4).unwrap();
        for token in 0..32_u8 {
            queue.write(
                token.into(),
                &file,
                u64::from(token) * 4096,
                filled(4096, token),
            );
        }
        while queue.in_flight() > 0 {
            queue.wait(None).unwrap();
        }
        disk.crash(CrashMode::Subset);
        let content = disk.read_file("a").unwrap();
        (disk.trace(), blake3::hash(&content))
    };
    for seed in 0..20 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
    assert_ne!(trace(1).0, trace(2).0);
}

#[test]
fn a_failed_sync_of_a_folder_drops_its_entries_for_good() {
    for by_call in [false, true] {
        let disk = disk();
        disk.open(&path("a"), OpenMode::CreateDirect).unwrap();
        if by_call {
            disk.fail_nth(1, FaultKind::Eio, Repeat::Once);
        } else {
            disk.fail_sync_nth(1);
        }
        assert!(disk.sync_dir(&DiskPath::root()).is_err());
        disk.sync_dir(&DiskPath::root()).unwrap();
        assert_eq!(disk.files(), ["a"]);
        disk.crash(CrashMode::KeepAll);
        assert!(disk.files().is_empty());
    }
}
