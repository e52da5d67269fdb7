//! Random operations, the index against a map: with moves, copies, colliding tags, removal, forgotten segments, growth,
//! checkpoints and clean restarts, the candidates of every id are exactly those of the map.

use super::*;
use crate::index::hash::{HashEntry, Tag};
use std::collections::{BTreeMap, BTreeSet};

/// Places that each id was put at, and not moved or removed from.
type Model = BTreeMap<Id, Vec<Location>>;

fn key(place: &Location) -> (u64, u64) {
    (place.segment.0, place.offset.0)
}

struct Run {
    disk: Arc<MemoryDisk>,
    index: HashIndex,
    model: Model,
    random: Random,
    next: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let disk = MemoryDisk::new();
        let (index, _) = open(&disk);
        Self {
            disk,
            index,
            model: Model::new(),
            random: Random(seed),
            next: 0,
        }
    }

    fn new_place(&mut self) -> Location {
        self.next += 1;
        place(1 + self.next / 50, self.next)
    }

    fn some_id(&mut self) -> Option<Id> {
        let start = id(self.random.next());
        let after = self.model.range(start..).next();
        after
            .or_else(|| self.model.iter().next())
            .map(|(id, _)| *id)
    }

    /// Inserts `id`; says of a place that has it "the same" if `moves`.
    fn insert(&mut self, id: Id, moves: bool) {
        let new = self.new_place();
        let known = self.model.entry(id).or_default();
        let mut replaced = None;
        let inserted = self.index.insert(&id, new, &mut |old| {
            let same = moves && known.iter().any(|place| place.same_place(&old));
            replaced = same.then_some(old);
            Ok(same)
        });
        inserted.unwrap();
        assert!(!moves || known.is_empty() || replaced.is_some());
        known.retain(|place| replaced.is_none_or(|old| !place.same_place(&old)));
        known.push(new);
    }

    fn remove(&mut self, id: Id) {
        let places = self.model.get_mut(&id).unwrap();
        let index = usize::try_from(self.random.below(places.len() as u64)).unwrap();
        let place = places.swap_remove(index);
        if places.is_empty() {
            self.model.remove(&id);
        }
        assert!(self.index.remove(&id, &place).unwrap());
    }

    fn forget(&mut self) {
        let segment = SegmentNumber(1 + self.random.below(1 + self.next / 50));
        let places = self.model.values().flatten();
        let expected = places.filter(|place| place.segment == segment).count() > 0;
        let known = self.index.forget_segment(NODE, segment).unwrap();
        assert!(known || !expected);
        self.model.retain(|_, places| {
            places.retain(|place| place.segment != segment);
            !places.is_empty()
        });
        self.next = self.next.next_multiple_of(50);
    }

    fn step(&mut self) {
        let new = id(self.random.next());
        let old = self.some_id();
        match (self.random.below(1000), old) {
            (0..560, _) => self.insert(new, true),
            (560..640, Some(old)) => self.insert(old, true),
            (640..700, Some(old)) => self.insert(old, false),
            (700..780, Some(old)) => self.insert(twin(&old, 1), true),
            (780..980, Some(old)) => self.remove(old),
            (980..984, _) => self.forget(),
            (984..992, _) => self.index.checkpoint(&covered(1, self.next)).unwrap(),
            (992..996, _) => {
                self.index.close(&covered(1, self.next)).unwrap();
                let (index, opened) = open(&self.disk);
                assert_eq!(opened.rebuild, None);
                assert_eq!(opened.covered, covered(1, self.next));
                self.index = index;
            }
            _ => {}
        }
    }

    fn check(&self) {
        let mut by_tag: BTreeMap<(u32, Tag), BTreeSet<_>> = BTreeMap::new();
        for (id, places) in &self.model {
            let set = by_tag.entry(self.index.slot_of(id)).or_default();
            set.extend(places.iter().map(key));
        }
        for id in self.model.keys() {
            let found: Vec<_> = self.index.lookup(id).iter().collect();
            let set: BTreeSet<_> = found.iter().map(key).collect();
            assert_eq!(set.len(), found.len(), "each place once");
            assert_eq!(Some(&set), by_tag.get(&self.index.slot_of(id)), "{id}");
        }
        let mut count = 0;
        self.index.iterate(&mut |HashEntry {
                                     shard,
                                     tag,
                                     location,
                                 }| {
            count += 1;
            assert!(by_tag[&(shard, tag)].contains(&key(&location)));
        });
        assert_eq!(count, by_tag.values().map(BTreeSet::len).sum::<usize>());
    }
}

#[test]
fn the_index_agrees_with_a_map() {
    for seed in 0..12 {
        println!("seed {seed}");
        let mut run = Run::new(seed);
        for step in 0..2_500 {
            run.step();
            if step % 250 == 249 {
                run.check();
            }
        }
    }
}
