//! What one caller sees: insert, lookup, move, remove, forget, figures.

use super::*;
use crate::index::hash::Inserted;

#[test]
fn an_id_is_found_where_it_was_put_and_nowhere_else() {
    let (index, opened) = open(&MemoryDisk::new());
    assert_eq!(opened.covered, Covered::new());
    assert!(index.lookup(&id(1)).is_empty());
    let inserted = index.insert(&id(1), place(3, 100), &mut nobody_asks);
    assert_eq!(inserted.unwrap(), Inserted::Added);
    let found: Vec<_> = index.lookup(&id(1)).iter().collect();
    assert_eq!(found, [place(3, 100)]);
    assert!(index.lookup(&id(2)).is_empty());
}

#[test]
fn the_same_place_is_held_once_and_nobody_is_asked() {
    let (index, _) = open(&MemoryDisk::new());
    index.insert(&id(1), place(3, 1), &mut nobody_asks).unwrap();
    let again = index.insert(&id(1), place(3, 1), &mut nobody_asks);
    assert_eq!(again.unwrap(), Inserted::Known);
    assert_eq!(index.lookup(&id(1)).len(), 1);
    assert_eq!(index.stats().entries, 1);
}

#[test]
fn a_record_that_moved_is_found_at_its_new_place_only() {
    let (index, _) = open(&MemoryDisk::new());
    index.insert(&id(1), place(1, 1), &mut nobody_asks).unwrap();
    let mut asked = Vec::new();
    let moved = index.insert(&id(1), place(2, 2), &mut |old| {
        asked.push(old);
        Ok(true)
    });
    assert_eq!(moved.unwrap(), Inserted::Moved);
    assert_eq!(asked, [place(1, 1)]);
    let found: Vec<_> = index.lookup(&id(1)).iter().collect();
    assert_eq!(found, [place(2, 2)]);
}

#[test]
fn different_ids_with_one_tag_are_both_kept() {
    let (index, _) = open(&MemoryDisk::new());
    let (one, other) = (id(1), twin(&id(1), 1));
    index.insert(&one, place(1, 1), &mut nobody_asks).unwrap();
    let second = index.insert(&other, place(1, 2), &mut |_| Ok(false));
    assert_eq!(second.unwrap(), Inserted::Added);
    assert!(holds(&index, &one, &place(1, 1)) && holds(&index, &other, &place(1, 2)));
    assert!(index.remove(&one, &place(1, 1)).unwrap());
    assert!(!holds(&index, &other, &place(1, 1)) && holds(&index, &other, &place(1, 2)));
}

#[test]
fn when_the_other_record_cannot_be_read_both_places_are_kept() {
    let (index, _) = open(&MemoryDisk::new());
    index.insert(&id(1), place(1, 1), &mut nobody_asks).unwrap();
    let failed = index.insert(&id(1), place(2, 2), &mut |_| Err(Error::Closed));
    assert!(matches!(failed, Err(Error::Closed)));
    assert_eq!(index.lookup(&id(1)).len(), 2);
    index.insert(&id(2), place(2, 3), &mut nobody_asks).unwrap();
}

#[test]
fn the_caller_may_use_the_index_while_it_is_asked() {
    let (index, _) = open(&MemoryDisk::new());
    index.insert(&id(1), place(1, 1), &mut nobody_asks).unwrap();
    let inserted = index.insert(&id(1), place(2, 2), &mut |old| {
        assert!(index.remove(&id(1), &old)?);
        index.insert(&id(1), place(3, 3), &mut nobody_asks)?;
        Ok(true)
    });
    assert_eq!(inserted.unwrap(), Inserted::Added);
    assert!(holds(&index, &id(1), &place(2, 2)) && holds(&index, &id(1), &place(3, 3)));
}

#[test]
fn what_was_removed_or_lay_in_a_forgotten_segment_is_not_found() {
    let (index, _) = open(&MemoryDisk::new());
    for number in 0..10 {
        let place = place(1 + number % 2, number);
        index.insert(&id(number), place, &mut nobody_asks).unwrap();
    }
    assert!(!index.remove(&id(0), &place(9, 0)).unwrap());
    assert!(!index.remove(&id(0), &place(1, 5)).unwrap());
    assert!(index.remove(&id(0), &place(1, 0)).unwrap());
    assert!(!index.remove(&id(0), &place(1, 0)).unwrap());
    assert!(index.forget_segment(NODE, SegmentNumber(2)).unwrap());
    assert!(!index.forget_segment(NODE, SegmentNumber(2)).unwrap());
    for number in 0..10 {
        let kept = number != 0 && number % 2 == 0;
        assert_eq!(!index.lookup(&id(number)).is_empty(), kept, "{number}");
    }
    let mut seen = Vec::new();
    index.iterate(&mut |entry| seen.push(entry.location.offset.0 / 8));
    seen.sort();
    assert_eq!(seen, [2, 4, 6, 8]);
}

#[test]
fn a_forgotten_segment_that_returns_gets_another_number() {
    let (index, _) = open(&MemoryDisk::new());
    index.insert(&id(1), place(1, 1), &mut nobody_asks).unwrap();
    index.forget_segment(NODE, SegmentNumber(1)).unwrap();
    index.insert(&id(2), place(1, 2), &mut nobody_asks).unwrap();
    assert!(index.lookup(&id(1)).is_empty());
    assert!(holds(&index, &id(2), &place(1, 2)));
}

#[test]
fn segments_are_numbered_as_they_come_even_one_at_a_time() {
    for number_block in [1, 2, 5] {
        let config = HashConfig {
            number_block,
            ..TINY
        };
        let ((index, _), _) = try_open(&MemoryDisk::new(), config).unwrap();
        for segment in 1..=20 {
            let place = place(segment, 1);
            index.insert(&id(segment), place, &mut nobody_asks).unwrap();
            index.checkpoint(&covered(segment, 2)).unwrap();
            assert!(holds(&index, &id(segment), &place));
        }
        assert_eq!(index.stats().segments, 20);
    }
}

#[test]
fn iteration_names_shard_and_tag_of_each_id() {
    let (index, _) = open(&MemoryDisk::new());
    let mut expected = Vec::new();
    for number in 0..300 {
        let place = place(1, number);
        index.insert(&id(number), place, &mut nobody_asks).unwrap();
        let (shard, tag) = index.slot_of(&id(number));
        expected.push((shard, tag, place.offset));
    }
    let mut seen = Vec::new();
    index.iterate(&mut |entry| seen.push((entry.shard, entry.tag, entry.location.offset)));
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
    assert!(seen.iter().any(|entry| entry.0 == 0) && seen.iter().any(|entry| entry.0 == 1));
}

#[test]
fn after_closing_nothing_changes_and_lookups_go_on() {
    let (index, _) = open(&MemoryDisk::new());
    index.insert(&id(1), place(1, 1), &mut nobody_asks).unwrap();
    index.close(&covered(1, 2)).unwrap();
    let closed = |result: Result<()>| matches!(result, Err(Error::Closed));
    assert!(closed(
        index
            .insert(&id(2), place(1, 2), &mut nobody_asks)
            .map(drop)
    ));
    assert!(closed(index.remove(&id(1), &place(1, 1)).map(drop)));
    assert!(closed(
        index.forget_segment(NODE, SegmentNumber(1)).map(drop)
    ));
    assert!(closed(index.checkpoint(&covered(1, 2))));
    assert!(closed(index.close(&covered(1, 2))));
    assert!(closed(index.clear()));
    assert!(holds(&index, &id(1), &place(1, 1)));
}
