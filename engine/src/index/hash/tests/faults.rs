//! Calls that fail: the index refuses further changes, and the next open is as good as new.

use super::crash::World;
use super::disk::Keep;
use super::*;

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
