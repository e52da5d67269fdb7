//! Which bucket goes by which name.
//!
//! A name that two buckets claim is the earlier one's; the other goes by its name, `-conflict-` and its id. A change touches
//! only the claims to one name, so a store of very many buckets takes it as fast as one of few. The outcome does not depend
//! on the order in which the claims became known.

use crate::position::{BucketId, Version};
use std::collections::{BTreeMap, BTreeSet};

/// A bucket that was given a name. The least keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Claim {
    /// When the bucket was made.
    pub created_ms: u64,
    /// Of its newest record.
    pub version: Version,
    /// The bucket.
    pub bucket: BucketId,
}

/// The names of all live buckets.
#[derive(Debug, Default)]
pub(crate) struct BucketNames {
    /// Who goes by the name that it was given.
    holders: BTreeMap<String, Claim>,
    /// The others who were given such a name.
    losers: BTreeMap<String, BTreeSet<Claim>>,
    /// Who goes by another name.
    conflicts: BTreeMap<String, BucketId>,
}

impl BucketNames {
    /// A bucket was given a name.
    pub fn insert(&mut self, name: &str, claim: Claim) {
        let Some(holder) = self.holders.get_mut(name) else {
            self.holders.insert(name.to_owned(), claim);
            return;
        };
        let loser = if claim < *holder {
            std::mem::replace(holder, claim)
        } else {
            claim
        };
        tracing::error!(bucket = %loser.bucket, name, "two buckets have one name");
        self.losers
            .entry(name.to_owned())
            .or_default()
            .insert(loser);
        let lost = conflict_name(name, loser.bucket);
        self.conflicts.insert(lost, loser.bucket);
    }

    /// A bucket that was given a name is no more.
    pub fn remove(&mut self, name: &str, claim: Claim) {
        let holds = self.holders.get(name) == Some(&claim);
        let mut settled = None;
        if let Some(losers) = self.losers.get_mut(name) {
            settled = if holds {
                losers.pop_first()
            } else {
                losers.take(&claim)
            };
            if losers.is_empty() {
                self.losers.remove(name);
            }
        }
        if let Some(settled) = settled {
            self.conflicts.remove(&conflict_name(name, settled.bucket));
        }
        match settled {
            Some(next) if holds => self.holders.insert(name.to_owned(), next),
            None if holds => self.holders.remove(name),
            _ => None,
        };
    }

    /// The bucket that goes by a name.
    pub fn get(&self, name: &str) -> Option<BucketId> {
        let holder = self.holders.get(name).map(|claim| claim.bucket);
        holder.or_else(|| self.conflicts.get(name).copied())
    }

    /// What a bucket goes by that was given `name`.
    pub fn name_of(&self, name: &str, bucket: BucketId) -> String {
        match self.holders.get(name) {
            Some(holder) if holder.bucket != bucket => conflict_name(name, bucket),
            _ => name.to_owned(),
        }
    }
}

fn conflict_name(name: &str, bucket: BucketId) -> String {
    format!("{name}-conflict-{bucket}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(created_ms: u64, bucket: u64) -> Claim {
        Claim {
            created_ms,
            version: Version::default(),
            bucket: BucketId(bucket),
        }
    }

    fn check(names: &BucketNames, alive: &[Claim]) {
        let mut order = alive.to_vec();
        order.sort();
        for (rank, claim) in order.iter().enumerate() {
            let name = if rank == 0 {
                "media".to_owned()
            } else {
                conflict_name("media", claim.bucket)
            };
            assert_eq!(names.get(&name), Some(claim.bucket));
            assert_eq!(names.name_of("media", claim.bucket), name);
        }
        let entries = names.holders.len() + names.conflicts.len();
        assert_eq!(entries, alive.len());
    }

    #[test]
    fn the_earliest_holds_the_name_whatever_the_order() {
        let claims = [claim(1, 30), claim(2, 20), claim(3, 10)];
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            for gone in [
                [0, 1, 2],
                [0, 2, 1],
                [1, 0, 2],
                [1, 2, 0],
                [2, 0, 1],
                [2, 1, 0],
            ] {
                let mut names = BucketNames::default();
                let mut alive = Vec::new();
                for at in order {
                    names.insert("media", claims[at]);
                    alive.push(claims[at]);
                    check(&names, &alive);
                }
                for at in gone {
                    names.remove("media", claims[at]);
                    alive.retain(|it| *it != claims[at]);
                    check(&names, &alive);
                }
                assert!(names.losers.is_empty());
            }
        }
    }

    #[test]
    fn a_name_that_looks_like_a_conflict_is_its_owners() {
        let mut names = BucketNames::default();
        let taken = conflict_name("media", BucketId(2));
        names.insert("media", claim(1, 1));
        names.insert("media", claim(2, 2));
        names.insert(&taken, claim(3, 3));
        assert_eq!(names.get(&taken), Some(BucketId(3)));
        names.remove(&taken, claim(3, 3));
        assert_eq!(names.get(&taken), Some(BucketId(2)));
    }
}
