//! What is found at open: adopted if all of it fits together, otherwise replaced by an empty index.

use super::disk::Keep;
use super::*;
use crate::index::hash::RebuildReason;

const MARK: &str = "index/hash/mark";

/// A disk with an index of 300 entries, closed or only checkpointed.
fn filled(clean: bool) -> Arc<MemoryDisk> {
    let disk = MemoryDisk::new();
    let (index, _) = open(&disk);
    for number in 0..300 {
        index
            .insert(&id(number), place(1, number), &mut nobody_asks)
            .unwrap();
    }
    if clean {
        index.close(&covered(1, 300)).unwrap();
    } else {
        index.checkpoint(&covered(1, 300)).unwrap();
    }
    disk
}

fn shard_file(disk: &MemoryDisk, shard: u32) -> String {
    let prefix = format!("index/hash/{shard:02x}.");
    let mut names = disk.names().into_iter();
    names.find(|name| name.starts_with(&prefix)).unwrap()
}

/// Opens after damage: must be empty for `reason`, usable, and adopted by the next open.
fn assert_rebuilt(disk: &Arc<MemoryDisk>, reason: RebuildReason) {
    let (index, opened) = open(disk);
    assert_eq!(opened.rebuild, Some(reason));
    assert_eq!(opened.covered, Covered::new());
    assert_eq!(index.stats().entries, 0);
    assert!((0..300).all(|number| index.lookup(&id(number)).is_empty()));
    index.insert(&id(1), place(7, 1), &mut nobody_asks).unwrap();
    index.checkpoint(&covered(7, 2)).unwrap();
    let (index, opened) = open(&disk.after_crash(Keep::Nothing));
    assert_eq!((opened.rebuild, opened.covered), (None, covered(7, 2)));
    assert!(holds(&index, &id(1), &place(7, 1)));
}

#[test]
fn an_index_is_adopted_clean_or_not() {
    for clean in [true, false] {
        let (index, opened) = open(&filled(clean));
        assert_eq!((opened.rebuild, opened.covered), (None, covered(1, 300)));
        for number in 0..300 {
            assert!(holds(&index, &id(number), &place(1, number)));
        }
    }
}

#[test]
fn nothing_there_is_not_a_fault() {
    let (_, opened) = open(&MemoryDisk::new());
    assert_eq!(opened.rebuild, Some(RebuildReason::Absent));
}

#[test]
fn opening_changes_nothing_before_the_first_change() {
    let disk = filled(true);
    let steps = disk.steps();
    let (index, _) = open(&disk);
    assert!(holds(&index, &id(1), &place(1, 1)));
    assert_eq!(disk.steps(), steps);
    index.insert(&id(1), place(1, 1), &mut nobody_asks).unwrap();
    assert!(disk.steps() > steps);
}

/// After the first change the checksums of the clean shutdown no longer hold; the mark must not say they do.
#[test]
fn the_mark_is_unclean_before_the_first_change_can_reach_the_disk() {
    let disk = filled(true);
    let ((index, _), source) = try_open(&disk, TINY).unwrap();
    index
        .insert(&id(1_000), place(1, 1_000), &mut nobody_asks)
        .unwrap();
    for seed in 0..20 {
        source.write_back_some(seed).unwrap();
    }
    for keep in [Keep::Nothing, Keep::Everything] {
        let (_, opened) = open(&disk.after_crash(keep));
        assert_eq!((opened.rebuild, opened.covered), (None, covered(1, 300)));
    }
}

#[test]
fn a_missing_mark() {
    let disk = filled(true);
    disk.delete(MARK);
    assert_rebuilt(&disk, RebuildReason::MissingMark);
}

#[test]
fn a_damaged_or_truncated_mark() {
    for cut in [0, 1] {
        let disk = filled(true);
        let mut mark = disk.read(MARK);
        mark.truncate(mark.len() - cut);
        mark[40] ^= 1;
        disk.put(MARK, mark);
        assert_rebuilt(&disk, RebuildReason::DamagedMark);
    }
}

#[test]
fn a_mark_of_an_earlier_time() {
    let disk = filled(false);
    let old = disk.read(MARK);
    let (index, _) = open(&disk);
    for number in 300..2_000 {
        index
            .insert(&id(number), place(1, number), &mut nobody_asks)
            .unwrap();
    }
    index.close(&covered(1, 2_000)).unwrap();
    disk.put(MARK, old);
    let reason = RebuildReason::MissingShard { shard: 0 };
    assert_rebuilt(&disk, reason);
}

/// It would give out local numbers again that slots use.
#[test]
fn a_mark_of_an_earlier_time_while_no_shard_grew() {
    let disk = filled(false);
    let old = disk.read(MARK);
    let (index, _) = open(&disk);
    for number in 300..303 {
        index
            .insert(&id(number), place(number, 0), &mut nobody_asks)
            .unwrap();
        index.checkpoint(&covered(number, 8)).unwrap();
    }
    disk.put(MARK, old);
    let (_, opened) = open(&disk);
    let reason = opened.rebuild.expect("not adopted");
    assert!(
        matches!(reason, RebuildReason::StaleMark { .. }),
        "{reason}"
    );
}

#[test]
fn another_store_or_another_number_of_shards() {
    let disk = filled(true);
    let source = Arc::new(HeapSource::new(disk.clone()));
    let (_, opened) = HashIndex::open(disk.clone(), source, [7; 16], TINY).unwrap();
    assert_eq!(opened.rebuild, Some(RebuildReason::OtherStore));
    assert_rebuilt(&disk, RebuildReason::OtherStore);

    let config = HashConfig { shards: 4, ..TINY };
    let ((_, opened), _) = try_open(&filled(true), config).unwrap();
    assert_eq!(opened.rebuild, Some(RebuildReason::OtherShardCount));
}

#[test]
fn a_missing_shard() {
    let disk = filled(false);
    disk.delete(&shard_file(&disk, 1));
    assert_rebuilt(&disk, RebuildReason::MissingShard { shard: 1 });
}

#[test]
fn a_shard_that_is_too_short_or_too_long() {
    for grown in [true, false] {
        let disk = filled(false);
        let name = shard_file(&disk, 0);
        let mut content = disk.read(&name);
        content.resize(if grown { content.len() + 4096 } else { 512 }, 0);
        disk.put(&name, content);
        assert_rebuilt(&disk, RebuildReason::ShardLength { shard: 0 });
    }
}

#[test]
fn a_shard_whose_header_is_damaged() {
    for at in [0, 8, 24, 32, 40, 48, 52, 56, 60, 63] {
        let disk = filled(false);
        let name = shard_file(&disk, 0);
        let mut content = disk.read(&name);
        content[at] ^= 0x10;
        disk.put(&name, content);
        assert_rebuilt(&disk, RebuildReason::DamagedShardHeader { shard: 0 });
    }
}

#[test]
fn two_shards_that_were_swapped() {
    let disk = filled(false);
    let (zero, one) = (shard_file(&disk, 0), shard_file(&disk, 1));
    let (content_zero, content_one) = (disk.read(&zero), disk.read(&one));
    disk.put(&zero, content_one);
    disk.put(&one, content_zero);
    assert_rebuilt(&disk, RebuildReason::OtherShard { shard: 0 });
}

#[test]
fn a_shard_of_an_earlier_time() {
    let disk = filled(false);
    let name = shard_file(&disk, 0);
    let old = disk.read(&name);
    let (index, _) = open(&disk);
    for number in 300..350 {
        index
            .insert(&id(number), place(1, number), &mut nobody_asks)
            .unwrap();
    }
    index.checkpoint(&covered(1, 350)).unwrap();
    assert_eq!(shard_file(&disk, 0), name, "it did not grow");
    disk.put(&name, old);
    assert_rebuilt(&disk, RebuildReason::StaleShard { shard: 0 });
}

#[test]
fn every_byte_of_a_clean_shard_is_checked() {
    let pristine = filled(true);
    let name = shard_file(&pristine, 1);
    let content = pristine.read(&name);
    for at in (0..content.len()).step_by(7) {
        let disk = pristine.after_crash(Keep::Nothing);
        let mut damaged = content.clone();
        damaged[at] ^= 0x40;
        disk.put(&name, damaged);
        let (_, opened) = open(&disk);
        let expected = if at < 64 {
            RebuildReason::DamagedShardHeader { shard: 1 }
        } else {
            RebuildReason::DamagedShard { shard: 1 }
        };
        assert_eq!(opened.rebuild, Some(expected), "byte {at}");
    }
}

#[test]
fn local_numbers_that_are_nearly_used_up() {
    let disk = MemoryDisk::new();
    // Each start after a crash leaves behind one block.
    let config = HashConfig {
        number_block: (1 << 24) / 17,
        ..TINY
    };
    let mut reasons = Vec::new();
    for round in 0..20 {
        let ((index, opened), _) = try_open(&disk, config).unwrap();
        reasons.push(opened.rebuild);
        index
            .insert(&id(round), place(round + 1, 1), &mut nobody_asks)
            .unwrap();
        index.checkpoint(&covered(round + 1, 2)).unwrap();
        assert!(holds(&index, &id(round), &place(round + 1, 1)));
    }
    assert_eq!(reasons[0], Some(RebuildReason::Absent));
    let used_up = Some(RebuildReason::NumbersUsedUp);
    let at = reasons.iter().position(|reason| *reason == used_up);
    assert!(at.is_some_and(|at| at > 12), "{reasons:?}");
}
