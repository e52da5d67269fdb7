//! The crash: decides for each change that was not synced whether it survives, and starts the disk again from there.

use super::config::CrashMode;
use super::faults::Faults;
use super::node::DataChange;
use super::random::Random;
use super::state::{Change, Entry, State};
use super::tree::{apply, parent};
use crate::sync::Arc;
use std::collections::BTreeSet;

/// What becomes of one change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lost,
    Kept,
    Torn,
}

impl CrashMode {
    fn fate(self, index: usize, random: &mut Random) -> Fate {
        let kept = |survives| if survives { Fate::Kept } else { Fate::Lost };
        match self {
            Self::LoseAll => Fate::Lost,
            Self::KeepAll => Fate::Kept,
            Self::Prefix(count) => kept(index < count),
            Self::Subset => match random.below(4) {
                0 | 1 => Fate::Lost,
                2 => Fate::Kept,
                _ => Fate::Torn,
            },
            Self::TornSector { change, .. } if index == change => Fate::Torn,
            Self::TornSector { change, keep_later } => kept(index < change || keep_later),
        }
    }
}

impl State {
    /// Loses power and comes back.
    pub fn crash(&mut self, mode: CrashMode) {
        self.freeze();
        self.note("crash", &format!("{mode:?}"), &[]);
        let changes = std::mem::take(&mut self.changes);
        for (index, change) in changes.into_values().enumerate() {
            let fate = mode.fate(index, &mut self.random);
            if fate != Fate::Lost {
                self.survive(change, fate);
            }
        }
        self.drop_orphans();
        self.live = self.durable.clone();
        for node in self.nodes.values_mut() {
            if node.touched {
                node.live = Arc::clone(&node.durable);
                node.touched = false;
            }
        }
        self.woken.clear();
        self.faults = Faults::default();
        self.generation += 1;
        self.frozen = false;
    }

    fn survive(&mut self, change: Change, fate: Fate) {
        match change {
            Change::Entries { lost: true, .. } => {}
            Change::Entries { set, clear, .. } => {
                apply(&mut self.durable, set.as_ref(), clear.as_deref());
            }
            Change::Data { node, data } => {
                let Some(node) = self.nodes.get_mut(&node) else {
                    return;
                };
                node.touched = true;
                let content = Arc::make_mut(&mut node.durable);
                if fate == Fate::Torn {
                    tear(&data, content, self.config, &mut self.random);
                } else {
                    data.apply(content);
                }
            }
        }
    }

    /// Entries whose folder did not survive cannot be reached; files without an entry are no more.
    fn drop_orphans(&mut self) {
        let mut reachable = BTreeSet::new();
        // A folder sorts before what it holds.
        self.durable.retain(|path, entry| {
            let holder = parent(path);
            let reached = holder.is_empty() || reachable.contains(holder);
            if reached && *entry == Entry::Dir {
                reachable.insert(path.clone());
            }
            reached
        });
        let named: BTreeSet<_> = self
            .durable
            .values()
            .filter_map(|entry| match entry {
                Entry::File(node) => Some(*node),
                Entry::Dir => None,
            })
            .collect();
        self.nodes.retain(|node, _| named.contains(node));
    }
}

/// Writes some of a write's sectors: the first ones, all but one, or any; perhaps one of them in part.
fn tear(data: &DataChange, content: &mut Vec<u8>, config: super::SimConfig, random: &mut Random) {
    let sectors = data.sectors(config.sector);
    if sectors == 0 {
        return;
    }
    let (shape, at) = (random.below(3), random.below(sectors));
    let cut = config.cut_sectors && random.percent(50);
    data.apply_sectors(content, config.sector, |index, len| {
        if index == at {
            return if cut { random.below(len) } else { 0 };
        }
        let kept = match shape {
            0 => index < at,
            1 => true,
            _ => random.percent(50),
        };
        if kept { len } else { 0 }
    });
}
