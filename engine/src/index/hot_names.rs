//! Names that were asked for lately, decoded and in memory: a read that finds its name here touches neither the name index
//! nor a page of the mapped hash index, so it needs no other thread.
//!
//! Invariants:
//! - What is here is what the name index says. [`HotNames::change`] takes names out before the index changes and keeps them
//!   out until it has; whoever began to look before that has a [`Ticket`] that is void. So an answer that was given while a
//!   change was on its way is never kept, and once a write is answered nobody is told the old state.
//! - Bounded: [`SETS`] times [`WAYS`] names, each of at most [`WEIGHT_MAX`] bytes: 24 MiB at the very most, two thirds of
//!   that with what clients send.
//! - One tenant cannot push out another's names by asking for many of its own: in a full set, the tenant with the most
//!   names there loses the one that was not asked for the longest.
//!
//! Nothing is remembered of names that do not exist.

use crate::format::{NameKey, TenantId};
use crate::position::BucketId;
use crate::sync::{Arc, Mutex};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Sets; a name belongs to one of them by its hash. A power of two.
const SETS: usize = 256;
/// Names in a set: few enough that looking at each is faster than a table.
const WAYS: usize = 16;
/// Bytes up to which a name is kept: 4 KiB that each takes, and key and attributes. Clients send some hundred of those.
pub(crate) const WEIGHT_MAX: usize = 6 * 1024;

/// What can be kept.
pub(crate) trait HotEntry {
    /// Whose name it is.
    fn is(&self, bucket: BucketId, key: &[u8]) -> bool;
    /// Bytes that it holds.
    fn weight(&self) -> usize;
}

/// Names that were asked for lately.
pub(crate) struct HotNames<T> {
    /// Nobody outside can choose names that share a set.
    seed: u64,
    sets: Vec<Mutex<Set<T>>>,
}

struct Set<T> {
    ways: Vec<Way<T>>,
    /// Grows with every look: the time of the set.
    looks: u64,
    /// Grows when a change begins and when it ends.
    changes: u64,
    /// Changes that have begun and not ended.
    changing: usize,
}

struct Way<T> {
    hash: u64,
    owner: TenantId,
    looked: u64,
    entry: Arc<T>,
}

/// Permission to keep what the name index is about to say, void once the name's set has changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    hash: u64,
    changes: u64,
}

/// While it lives, the names of a change are not kept.
pub(crate) struct Changing<'a, T> {
    names: &'a HotNames<T>,
    hashes: Vec<u64>,
}

impl<T: HotEntry> HotNames<T> {
    /// None yet. The same seed behaves the same.
    pub fn new(seed: u64) -> Self {
        let set = || {
            Mutex::new(Set {
                ways: Vec::new(),
                looks: 0,
                changes: 0,
                changing: 0,
            })
        };
        Self {
            seed,
            sets: std::iter::repeat_with(set).take(SETS).collect(),
        }
    }

    fn hash(&self, bucket: BucketId, key: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, bucket.0).hash(&mut hasher);
        hasher.write(key);
        hasher.finish()
    }

    /// What is kept under this name.
    pub fn get(&self, bucket: BucketId, key: &[u8]) -> Option<Arc<T>> {
        let hash = self.hash(bucket, key);
        let mut set = self.set(hash).lock();
        set.looks += 1;
        let looks = set.looks;
        let way = set.ways.iter_mut().find(|way| way.hash == hash)?;
        if !way.entry.is(bucket, key) {
            return None;
        }
        way.looked = looks;
        Some(Arc::clone(&way.entry))
    }

    /// To be had before the name index is asked.
    pub fn ticket(&self, bucket: BucketId, key: &[u8]) -> Ticket {
        let hash = self.hash(bucket, key);
        let changes = self.set(hash).lock().changes;
        Ticket { hash, changes }
    }

    /// Keeps what the name index said after the ticket was had, unless something changed since.
    pub fn keep(&self, ticket: Ticket, owner: TenantId, entry: &Arc<T>) {
        if entry.weight() > WEIGHT_MAX {
            return;
        }
        let mut set = self.set(ticket.hash).lock();
        if set.changing > 0 || set.changes != ticket.changes {
            return;
        }
        set.ways.retain(|way| way.hash != ticket.hash);
        if set.ways.len() >= WAYS {
            set.make_room();
        }
        let looked = set.looks;
        set.ways.push(Way {
            hash: ticket.hash,
            owner,
            looked,
            entry: Arc::clone(entry),
        });
    }

    /// Takes names out, and keeps them out until what is returned is dropped: to be held while the name index changes.
    pub fn change<'a>(&self, keys: impl Iterator<Item = &'a NameKey>) -> Changing<'_, T> {
        let hashes: Vec<u64> = keys.map(|key| self.hash(key.bucket, &key.key)).collect();
        for hash in &hashes {
            let mut set = self.set(*hash).lock();
            set.ways.retain(|way| way.hash != *hash);
            set.changes += 1;
            set.changing += 1;
        }
        Changing {
            names: self,
            hashes,
        }
    }
}

impl<T> HotNames<T> {
    fn set(&self, hash: u64) -> &Mutex<Set<T>> {
        let sets = u64::try_from(self.sets.len()).unwrap_or(1);
        let index = usize::try_from(hash % sets).unwrap_or(0);
        self.sets
            .get(index)
            .expect("the remainder is below the number of sets")
    }
}

impl<T> Set<T> {
    /// Drops a name of the tenant who has the most here: the one that was not asked for the longest.
    fn make_room(&mut self) {
        let count = |owner| self.ways.iter().filter(|way| way.owner == owner).count();
        let victim = self
            .ways
            .iter()
            .enumerate()
            .max_by_key(|(_, way)| (count(way.owner), std::cmp::Reverse(way.looked)));
        if let Some((index, _)) = victim {
            self.ways.swap_remove(index);
        }
    }
}

impl<T> Drop for Changing<'_, T> {
    fn drop(&mut self) {
        for hash in &self.hashes {
            let mut set = self.names.set(*hash).lock();
            set.changing -= 1;
            // Also void: tickets that were had while the change was on its way, perhaps for a look at the old state.
            set.changes += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Entry(BucketId, Vec<u8>, u32);

    impl HotEntry for Entry {
        fn is(&self, bucket: BucketId, key: &[u8]) -> bool {
            self.0 == bucket && self.1 == key
        }

        fn weight(&self) -> usize {
            self.1.len()
        }
    }

    const BUCKET: BucketId = BucketId(7);
    const ONE: TenantId = TenantId(1);
    const TWO: TenantId = TenantId(2);

    fn entry(key: &str, value: u32) -> Arc<Entry> {
        Arc::new(Entry(BUCKET, key.as_bytes().to_vec(), value))
    }

    fn name(key: &str) -> NameKey {
        NameKey::object(BUCKET, key.as_bytes()).unwrap()
    }

    fn value(names: &HotNames<Entry>, key: &str) -> Option<u32> {
        names.get(BUCKET, key.as_bytes()).map(|entry| entry.2)
    }

    fn keep(names: &HotNames<Entry>, owner: TenantId, key: &str, value: u32) {
        let ticket = names.ticket(BUCKET, key.as_bytes());
        names.keep(ticket, owner, &entry(key, value));
    }

    #[test]
    fn what_was_kept_is_found_until_it_changes() {
        let names = HotNames::new(1);
        keep(&names, ONE, "a", 1);
        assert_eq!(value(&names, "a"), Some(1));
        assert_eq!(value(&names, "b"), None);
        assert!(names.get(BucketId(8), b"a").is_none());
        drop(names.change([&name("a")].into_iter()));
        assert_eq!(value(&names, "a"), None);
    }

    /// A reader (ticket, look into the index, keep) and a writer (change begins, the index changes, change ends, the
    /// answer) in every order of their steps: never is the old state kept once the write was answered.
    #[test]
    fn no_interleaving_keeps_the_old_state() {
        // Bit i of the mask tells whose step comes i-th: three of the reader, three of the writer.
        let masks = (0_u32..64).filter(|mask| mask.count_ones() == 3);
        let mut runs = 0;
        for mask in masks {
            let names = HotNames::new(1);
            keep(&names, ONE, "a", 0);
            let (mut index, mut changing) = (0, None);
            let (mut ticket, mut seen) = (None, None);
            let (mut reads, mut writes) = (0, 0);
            for step in 0..6 {
                if mask >> step & 1 == 0 {
                    match reads {
                        0 => ticket = Some(names.ticket(BUCKET, b"a")),
                        1 => seen = Some(index),
                        _ => names.keep(ticket.unwrap(), ONE, &entry("a", seen.unwrap())),
                    }
                    reads += 1;
                } else {
                    match writes {
                        0 => changing = Some(names.change([&name("a")].into_iter())),
                        1 => index = 1,
                        _ => drop(changing.take()),
                    }
                    writes += 1;
                }
                let told = value(&names, "a");
                assert!(
                    told.is_none() || told == Some(index),
                    "order {mask:06b}, step {step}: {told:?} of {index}"
                );
            }
            assert_eq!((reads, writes), (3, 3));
            runs += 1;
        }
        assert_eq!(runs, 20);
    }

    #[test]
    fn two_changes_at_once_both_have_to_end() {
        let names = HotNames::new(1);
        let first = names.change([&name("a")].into_iter());
        let second = names.change([&name("a")].into_iter());
        drop(first);
        keep(&names, ONE, "a", 1);
        assert_eq!(value(&names, "a"), None);
        drop(second);
        keep(&names, ONE, "a", 2);
        assert_eq!(value(&names, "a"), Some(2));
    }

    #[test]
    fn a_tenant_pushes_out_its_own_names() {
        let names = HotNames::new(1);
        let keys: Vec<String> = (0..20_000).map(|index| index.to_string()).collect();
        // One name of the other tenant in each set, at most.
        let few: Vec<&String> = keys.iter().take(SETS / 4).collect();
        few.iter().for_each(|key| keep(&names, TWO, key, 2));
        keys.iter()
            .skip(few.len())
            .for_each(|key| keep(&names, ONE, key, 1));
        let kept = keys.iter().filter(|key| value(&names, key).is_some());
        assert_eq!(kept.count(), SETS * WAYS);
        assert!(few.iter().all(|key| value(&names, key) == Some(2)));
    }

    #[test]
    fn what_is_heavy_is_not_kept() {
        let names = HotNames::new(1);
        let key = "k".repeat(WEIGHT_MAX + 1);
        let ticket = names.ticket(BUCKET, key.as_bytes());
        names.keep(ticket, ONE, &entry(&key, 1));
        assert_eq!(value(&names, &key), None);
    }
}
