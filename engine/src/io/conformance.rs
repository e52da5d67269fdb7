//! One set of behaviours that every implementation of the disk shows, run on each: a test per behaviour and implementation.

use super::blocking::BlockingDisk;
use super::sim::{SimConfig, SimDisk};
use super::test_dir::TestDir;
use super::uring::UringDisk;
use super::{AlignedBuf, Completion, Disk, DiskPath, File, OpenMode, Queue};
use crate::sync::Arc;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Duration;

/// A fresh, empty disk.
pub(crate) struct Subject {
    pub disk: Arc<dyn Disk>,
    _dir: Option<TestDir>,
}

/// Makes a fresh disk of one kind; `None` where io_uring is declared to be forbidden.
pub(crate) type Make = fn() -> Option<Subject>;

/// All kinds.
pub(crate) const SUBJECTS: [Make; 3] = [uring, blocking, simulated];

/// Whether io_uring must work here. Nothing skips in silence: without the variable, a kernel that forbids rings fails the
/// tests.
pub(crate) fn uring_expected() -> bool {
    let forbidden = std::env::var_os("MORAINE_TEST_NO_URING").is_some_and(|value| value == "1");
    if forbidden {
        println!("skipped: MORAINE_TEST_NO_URING=1 says that io_uring is forbidden here");
    }
    !forbidden
}

pub(crate) fn uring() -> Option<Subject> {
    uring_expected().then(|| {
        let dir = TestDir::new("conformance");
        Subject {
            disk: Arc::new(UringDisk::open(dir.path()).unwrap()),
            _dir: Some(dir),
        }
    })
}

pub(crate) fn blocking() -> Option<Subject> {
    let dir = TestDir::new("conformance");
    Some(Subject {
        disk: Arc::new(BlockingDisk::open(dir.path()).unwrap()),
        _dir: Some(dir),
    })
}

pub(crate) fn simulated() -> Option<Subject> {
    let config = SimConfig {
        short_percent: 40,
        ..SimConfig::default()
    };
    Some(Subject {
        disk: SimDisk::new(0x6d6f_7261, config),
        _dir: None,
    })
}

const BLOCK: usize = AlignedBuf::ALIGNMENT;

fn path(name: &str) -> DiskPath {
    DiskPath::root().join(name)
}

fn filled(len: usize, byte: u8) -> AlignedBuf {
    let mut buf = AlignedBuf::zeroed(len);
    buf.fill(byte);
    buf
}

fn create(disk: &Arc<dyn Disk>, name: &str) -> Arc<dyn File> {
    disk.open(&path(name), OpenMode::CreateDirect).unwrap()
}

/// A file with so many blocks, each filled with its number.
fn blocks(disk: &Arc<dyn Disk>, name: &str, count: u8) -> Arc<dyn File> {
    let file = create(disk, name);
    for number in 0..count {
        let offset = u64::from(number) * BLOCK as u64;
        file.write_at(&filled(BLOCK, number), offset).unwrap();
    }
    file
}

/// Waits until all is done; completions by token.
fn finish(queue: &mut dyn Queue) -> BTreeMap<u64, Completion> {
    let mut ended = BTreeMap::new();
    while queue.in_flight() > 0 {
        for completion in queue.wait(None).unwrap() {
            let twice = ended.insert(completion.token, completion);
            assert!(twice.is_none(), "a token ended twice");
        }
    }
    ended
}

fn bytes_of(disk: &Arc<dyn Disk>, name: &str) -> Vec<u8> {
    crate::durable::read(disk.as_ref(), &path(name), 1 << 20).unwrap()
}

mod behaviours;

macro_rules! conformance {
    ($($behaviour:ident,)*) => {
        conformance!(@ uring super::uring, $($behaviour)*);
        conformance!(@ blocking super::blocking, $($behaviour)*);
        conformance!(@ simulated super::simulated, $($behaviour)*);
    };
    (@ $kind:ident $make:path, $($behaviour:ident)*) => {
        mod $kind {
            $(#[test]
            fn $behaviour() {
                if let Some(subject) = $make() {
                    super::behaviours::$behaviour(&subject.disk);
                }
            })*
        }
    };
}

conformance! {
    what_a_queue_writes_is_read_back_by_queue_and_by_call,
    many_more_than_the_depth_end_once_each_with_their_own_buffer,
    a_read_is_short_only_at_the_end_of_the_file,
    empty_transfers_end_with_nothing,
    a_failed_operation_returns_its_buffer,
    waiting_for_nothing_ends_with_the_limit,
    waiting_without_patience_still_gets_everything_done,
    a_wake_between_two_waits_is_not_lost_and_counts_once,
    a_wake_from_another_thread_ends_each_wait,
    a_waker_outlives_its_queue,
    a_queue_is_made_on_one_thread_and_owned_by_another,
    dropping_a_queue_finishes_what_was_submitted,
    a_queue_keeps_files_open_that_nobody_else_does,
    folders_are_listed_sorted_and_one_level_deep,
    what_is_missing_is_not_found,
    what_exists_is_not_created_again,
    a_rename_replaces_and_older_handles_keep_what_they_had,
    a_removed_file_is_read_by_who_has_it_open,
    allocation_makes_a_file_longer_and_never_shorter,
    a_file_is_cut_and_extended_with_zeros,
    a_gap_reads_as_zeros,
    an_existing_file_is_changed_in_place,
    alignment_is_told_and_enough,
    the_page_cache_gives_the_right_bytes_or_none,
    space_is_told,
    what_files_below_a_folder_take_is_told,
}

#[test]
fn the_ring_ran() {
    if !uring_expected() {
        return;
    }
    let dir = TestDir::new("conformance");
    let uring = Arc::new(UringDisk::open(dir.path()).unwrap());
    let disk: Arc<dyn Disk> = Arc::clone(&uring) as Arc<dyn Disk>;
    behaviours::what_a_queue_writes_is_read_back_by_queue_and_by_call(&disk);
    assert!(uring.submitted() >= 3);
}
