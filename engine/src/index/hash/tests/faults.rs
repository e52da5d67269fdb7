//! Calls that fail: the index refuses further changes, and the next open is as good as new.

use super::crash::World;
use super::disk::Keep;
use super::*;
use crate::index::hash::{PageSource, Pages};
use crate::io::DiskPath;
use crate::sync::atomic::{AtomicBool, Ordering};
use std::io;

/// The n-th call fails, once, for every n: what was not refused is found again, with the kernel's view of the pages and
/// with the disk's.
#[test]
fn every_call_fails_once() {
    let mut refused = 0;
    for step in 1.. {
        let disk = MemoryDisk::new();
        let mut world = World::new(&disk, 7).unwrap();
        let before = disk.steps();
        disk.fail_at(step);
        let result = world.work(700).and_then(|()| world.close());
        refused += u64::from(result.is_err());
        let flush = matches!(result, Err(Error::Io { op: "flush", .. }));
        let ended = disk.steps() - before;
        world.reopen(&disk).unwrap();
        world.check();
        let disk = disk.after_crash(Keep::Nothing);
        world.reopen(&disk).unwrap();
        world.check();
        assert_eq!(world.rebuilds > 0, flush, "{result:?} at step {step}");
        if ended < step {
            break;
        }
    }
    assert!(refused > 40, "only {refused} failures were noticed");
}

/// After a failed flush the kernel may show pages that the disk never got. The next process must not believe them.
#[test]
fn after_a_failed_flush_the_index_is_not_used_again() {
    let disk = MemoryDisk::new();
    let (index, _) = open(&disk);
    index.insert(&id(1), place(1, 1), &mut nobody_asks).unwrap();
    index.checkpoint(&covered(1, 2)).unwrap();
    index
        .insert(&id(1), place(1, 2), &mut |_| Ok(true))
        .unwrap();
    // One page is written, then synced.
    disk.fail_at(2);
    let failed = index.checkpoint(&covered(1, 3));
    assert!(
        matches!(failed, Err(Error::Io { op: "flush", .. })),
        "{failed:?}"
    );
    assert!(is_poisoned(index.checkpoint(&covered(1, 3))), "never again");
    assert!(is_poisoned(index.close(&covered(1, 3))));
    assert!(is_poisoned(index.clear()));
    let insert = index.insert(&id(2), place(1, 3), &mut nobody_asks);
    assert!(is_poisoned(insert));
    assert!(holds(&index, &id(1), &place(1, 2)), "lookups go on");
    let (_, opened) = open(&disk.after_crash(Keep::Nothing));
    assert!(opened.rebuild.is_some());
    assert_eq!(opened.covered, Covered::new());
}

/// Flushes several files at once.
struct Several(HeapSource);

impl PageSource for Several {
    fn map(&self, path: &DiskPath, len: u64) -> io::Result<Box<dyn Pages>> {
        self.0.map(path, len)
    }

    fn flushes_at_once(&self) -> usize {
        3
    }
}

/// Whichever of the flushes that run at once fails, the index is not used again; if none does, it is durable.
#[test]
fn one_of_several_flushes_fails() {
    const SHARDS: u32 = 8;
    const IDS: u64 = 200;
    let config = HashConfig {
        shards: SHARDS,
        ..TINY
    };
    let checkpoint = |fail_at| {
        let disk = MemoryDisk::new();
        let source = Arc::new(Several(HeapSource::new(disk.clone())));
        let (index, _) = HashIndex::open(disk.clone(), source, STORE, config).unwrap();
        for number in 0..IDS {
            let place = place(1, number);
            index.insert(&id(number), place, &mut nobody_asks).unwrap();
        }
        disk.fail_at(fail_at);
        let result = index.checkpoint(&covered(1, IDS));
        let ((adopted, opened), _) = try_open(&disk.after_crash(Keep::Nothing), config).unwrap();
        (result, adopted, opened)
    };
    // Each shard is written, then synced.
    for step in 1..=2 * u64::from(SHARDS) {
        let (result, _, opened) = checkpoint(step);
        let failed = matches!(result, Err(Error::Io { op: "flush", .. }));
        assert!(
            failed && opened.rebuild.is_some(),
            "{result:?} at step {step}"
        );
    }
    let (result, adopted, opened) = checkpoint(1_000_000);
    assert!(result.is_ok() && opened.rebuild.is_none());
    for number in 0..IDS {
        assert!(holds(&adopted, &id(number), &place(1, number)));
    }
}

const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;

/// What came of a checkpoint that was refused something at one of its steps.
struct Refused {
    result: Result<()>,
    steps: u64,
    /// The index went on.
    passed: bool,
}

/// A checkpoint over grown shards whose `step`-th call fails with `errno`; then power is lost, or the index is changed, made
/// durable after all, and power is lost then.
fn refused_checkpoint(step: u64, errno: i32, keep: Keep) -> Refused {
    const IDS: u64 = 400;
    let disk = MemoryDisk::new();
    let (index, _) = open(&disk);
    let insert = |from, to| {
        for number in from..to {
            let place = place(1, number);
            index.insert(&id(number), place, &mut nobody_asks).unwrap();
        }
    };
    let check = |disk: &Arc<MemoryDisk>, ids| {
        let (found, opened) = open(disk);
        assert_eq!(opened.rebuild, None, "step {step}, error {errno}, {keep:?}");
        assert!(opened.covered >= covered(1, ids), "{:?}", opened.covered);
        for number in 0..ids {
            let held = holds(&found, &id(number), &place(1, number));
            assert!(held, "step {step}, error {errno}, {keep:?}: {number}");
        }
    };
    insert(0, IDS);
    index.checkpoint(&covered(1, IDS)).unwrap();
    insert(IDS, 3 * IDS);
    let before = disk.steps();
    disk.fail_at_with(step, errno);
    let result = index.checkpoint(&covered(1, 3 * IDS));
    let steps = disk.steps() - before;
    let mut passed = result.as_ref().is_err_and(Error::passes);
    if passed {
        check(&disk.after_crash(keep), IDS);
        insert(3 * IDS, 9 * IDS);
        check(&disk.after_crash(keep), IDS);
        let again = index.checkpoint(&covered(1, 9 * IDS));
        passed = again.is_ok();
        if passed {
            check(&disk.after_crash(keep), 9 * IDS);
        }
    }
    Refused {
        result,
        steps,
        passed,
    }
}

/// How many checkpoints were put off when each of their calls in turn found no descriptor, or no memory.
fn put_off_for_want(errno: i32, keep: Keep) -> u32 {
    let mut put_off = 0;
    for step in 1.. {
        let Refused {
            result,
            steps,
            passed,
        } = refused_checkpoint(step, errno, keep);
        // Flushes need none: one that fails is the end.
        let ended = matches!(result, Err(Error::Poisoned { .. }));
        assert!(
            result.is_ok() || ended || passed,
            "{result:?} at step {step}, error {errno}"
        );
        put_off += u32::from(passed);
        if steps < step {
            break;
        }
    }
    put_off
}

/// Whatever a checkpoint finds no descriptor or no memory for, the index goes on, and the next one makes up for it.
#[test]
fn a_checkpoint_without_a_descriptor_or_memory_is_made_later() {
    for errno in [EMFILE, ENOMEM] {
        for keep in [
            Keep::Nothing,
            Keep::Everything,
            Keep::Some(1),
            Keep::Some(2),
        ] {
            let put_off = put_off_for_want(errno, keep);
            // The names are synced, the mark is made, written, cut, synced, renamed, and its name is synced.
            assert!(put_off >= 5, "only {put_off} were put off, error {errno}");
        }
    }
}

/// Room that is wanting before the new mark is in place is waited for; a sync that finds none is never repeated.
#[test]
fn a_checkpoint_without_room_is_made_later() {
    for errno in [ENOSPC, EDQUOT] {
        let mut put_off = Vec::new();
        let mut given_up = 0;
        for step in 1.. {
            let refused = refused_checkpoint(step, errno, Keep::Nothing);
            given_up += u64::from(refused.result.is_err() && !refused.passed);
            if let Err(Error::Io { op, .. }) = refused.result
                && refused.passed
            {
                put_off.push(op);
            }
            if refused.steps < step {
                break;
            }
        }
        // A mark that cannot be renamed is not in place: its last call but the sync of its name.
        assert_eq!(put_off.last(), Some(&"rename"), "{put_off:?}");
        assert!(put_off.len() >= 4, "only {put_off:?} were put off");
        assert!(
            given_up >= 2,
            "a folder's sync failed, and the index went on"
        );
    }
}

/// Cannot map the next file, when told so.
struct NotAtOnce {
    inner: HeapSource,
    refuse: AtomicBool,
}

impl PageSource for NotAtOnce {
    fn map(&self, path: &DiskPath, len: u64) -> io::Result<Box<dyn Pages>> {
        if self.refuse.swap(false, Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(ENOMEM));
        }
        self.inner.map(path, len)
    }
}

/// A growth that cannot be mapped leaves no file behind, and is made up for.
#[test]
fn a_growth_that_cannot_be_mapped_leaves_nothing() {
    let disk = MemoryDisk::new();
    let source = Arc::new(NotAtOnce {
        inner: HeapSource::new(disk.clone()),
        refuse: AtomicBool::new(false),
    });
    let (index, _) = HashIndex::open(disk.clone(), source.clone(), STORE, TINY).unwrap();
    let insert = |number| {
        let place = place(1, number);
        index.insert(&id(number), place, &mut nobody_asks).unwrap();
    };
    insert(0);
    let before = disk.names();
    source.refuse.store(true, Ordering::Relaxed);
    let mut numbers = 1..10_000;
    for number in numbers.by_ref() {
        insert(number);
        if !source.refuse.load(Ordering::Relaxed) {
            break;
        }
    }
    assert!(!source.refuse.load(Ordering::Relaxed), "nothing grew");
    assert_eq!(index.stats().growths, 0);
    assert_eq!(disk.names(), before);
    let inserted = numbers.start;
    (inserted..2 * inserted).for_each(insert);
    assert!(index.stats().growths > 0, "it never grew again");
    for number in 0..2 * inserted {
        assert!(holds(&index, &id(number), &place(1, number)));
    }
}
